import { concat, utf8 } from '../../core/bytes';
import type { Collateral } from '../collateral';
import { derOctets, derSequence } from '../der-writer';
import { toPem } from '../pem';
import { type Issued, issueCertificate, issueRevocationList, toExtension } from '../platform/development-certificates';
import { issueCollateral, signDocument, simulatedQeIdentity, simulatedTcbInfo } from '../platform/development-collateral';
import {
  expiredTcbSigning,
  foreign,
  leafOfPck,
  noCa,
  otherCa,
  PLAN,
  pckOfPck,
  pem,
  pki,
  processorCa,
  renewedCa,
  serialOf,
  tcbSigningByCa,
  tcbSigningThatIsCa,
  validity,
  window,
} from '../platform/forgeries.test-kit';
import { NOW, platformOf, REAL_NOW, realCollateral, realQuote, tdReport } from '../platform/forgery.test-kit';
import { mutate, seededRandom } from '../platform/mutation.test-kit';
import { SIMULATED_PLATFORM, writeSgxExtension } from '../platform/platform-certificate';
import { SIMULATED_QE, writeQuote } from '../platform/quote-writer';
import { PART_STATUSES, TCB_STATUSES } from '../tcb-status';
import { collateralParts } from './collateral-parts';
import type { Subject } from './other-verifiers';

/** A subject, under which root it is verified, and what was done to it: the same for the same seed, but for its keys. */
export interface TrialCase {
  readonly subject: Subject;
  readonly world: 'development' | 'intel';
  readonly story: readonly string[];
}

/** Draws one after the other. */
class Draw {
  readonly story: string[] = [];

  constructor(readonly random: () => number) {}

  chance(probability: number): boolean {
    return this.random() < probability;
  }

  /** One of a list, noted unless it is the first: the honest one, which comes as often as all others together, or more. */
  usually<T>(what: string, [honest, ...others]: readonly [T, ...(readonly T[])], probability = 0.8): T {
    if (this.chance(probability)) return honest;
    const [index, value] = this.one([...others.entries()]);
    this.story.push(`${what} ${typeof value === 'string' ? value : `#${index + 1}`}`);
    return value;
  }

  one<T>(list: readonly T[]): T {
    const value = list[Math.floor(this.random() * list.length)];
    if (value === undefined) throw new RangeError('nothing to draw from');
    return value;
  }
}

/**
 * Which subjects have their bytes changed: all, or the real ones alone, whose bytes are always the same. The simulated ones have
 * fresh keys each time, so that one seed could find in them today what it did not find yesterday.
 */
export type Mutated = 'all' | 'real';

export function* trialCases(seed: number, mutates: Mutated): Generator<TrialCase> {
  const random = seededRandom(seed);
  for (;;) {
    const draw = new Draw(random);
    yield draw.chance(0.8)
      ? { subject: developmentSubject(draw, mutates), world: 'development', story: draw.story }
      : { subject: realSubject(draw), world: 'intel', story: draw.story };
  }
}

const DAY_SEC = 86_400;

function realSubject(draw: Draw): Subject {
  const [name, platform] = draw.one([
    ['fmspc-90c06f', 'fmspc-90c06f'],
    ['fmspc-b0c06f', 'fmspc-b0c06f'],
    ['fmspc-90c06f-outofdate', 'fmspc-90c06f'],
    ['v5', 'fmspc-90c06f'],
    ['fmspc-b0c06f', 'fmspc-90c06f'],
  ] as const);
  draw.story.push(`real quote ${name} with collateral of ${platform}`);
  const laterSec = draw.usually('days later', [0, -2, 14, 29, 60, 3000], 0.6) * DAY_SEC;
  const subject = { quote: realQuote(name), collateral: realCollateral(platform), nowSec: REAL_NOW[platform] + laterSec };
  return draw.chance(0.5) ? mutated(subject, draw) : subject;
}

const tee = (svn: number, version: number, more = 3) => Uint8Array.of(svn, version, more, ...new Uint8Array(13));
const attributes = (...bytes: readonly number[]) => Uint8Array.from(bytes);
const PATCHED = SIMULATED_QE.attributes.map((byte, i) => (i === 0 ? byte | 0x20 : byte));
const DEBUGGED = SIMULATED_QE.attributes.map((byte, i) => (i === 0 ? byte | 0x02 : byte));

function developmentSubject(draw: Draw, mutates: Mutated): Subject {
  const standing = {
    platform: draw.usually('platform', TCB_STATUSES),
    module: draw.usually('module', PART_STATUSES),
    quotingEnclave: draw.usually('quoting enclave', PART_STATUSES),
    advisories: draw.usually('advisories', [[], ['SIMULATED-SA-1'], ['SIMULATED-SA-1', 'SIMULATED-SA-00003']]),
  };
  const collateral = issueCollateral(pki.authority, { ...PLAN, standing });
  const nowSec =
    NOW +
    draw.usually('seconds later', [0, -3601, 30 * DAY_SEC - 3600, 30 * DAY_SEC - 3599, 31 * DAY_SEC, 366 * DAY_SEC, 20 * DAY_SEC], 0.92);
  const honest: Subject = { quote: developmentQuote(draw), collateral, nowSec };
  const forged = draw.chance(0.5) ? forge(honest, draw) : honest;
  return draw.chance(0.15) && mutates === 'all' ? mutated(forged, draw) : forged;
}

function developmentQuote(draw: Draw): Uint8Array {
  const isTdx15 = draw.usually('body of', ['TDX 1.0', 'TDX 1.5'], 0.7) === 'TDX 1.5';
  const service = draw.usually('service TD', [new Uint8Array(48), new Uint8Array(48).fill(1)], isTdx15 ? 0.8 : 1);
  const td = {
    ...tdReport(new Uint8Array(64)),
    teeTcbSvn: draw.usually('TEE SVN', [
      tee(7, 1),
      tee(3, 1),
      tee(1, 1),
      tee(5, 0),
      tee(4, 0),
      tee(7, 3),
      tee(7, 9),
      tee(7, 1, 2),
      tee(7, 1, 4),
      tee(6, 0, 0),
    ]),
    mrSignerSeam: draw.usually('module signer', [new Uint8Array(48), new Uint8Array(48).fill(1)], 0.96),
    seamAttributes: draw.usually('module attributes', [new Uint8Array(8), attributes(1, 0, 0, 0, 0, 0, 0, 0)], 0.96),
    tdAttributes: draw.usually(
      'TD attributes',
      [
        attributes(0, 0, 0, 0x10, 0, 0, 0, 0),
        attributes(0, 0, 0, 0xd0, 0, 0, 0, 0x80),
        attributes(1, 0, 0, 0x10, 0, 0, 0, 0),
        attributes(0x80, 0, 0, 0x10, 0, 0, 0, 0),
        attributes(0, 1, 0, 0x10, 0, 0, 0, 0),
        attributes(0, 0, 0, 0x30, 0, 0, 0, 0),
        attributes(0, 0, 0, 0, 0, 0, 0, 0),
        attributes(0, 0, 0, 0x10, 0, 0, 0, 0x40),
      ],
      0.9,
    ),
    ...(isTdx15 ? { teeTcbSvn2: new Uint8Array(16), mrServiceTd: service } : {}),
  };
  const quotingEnclave = {
    securityVersion: draw.usually('enclave SVN', [6, 4, 3, 1], 0.85),
    productId: draw.usually('enclave product', [2, 1], 0.97),
    mrSigner: draw.usually('enclave signer', [SIMULATED_QE.mrSigner, new Uint8Array(32)], 0.97),
    miscSelect: draw.usually('enclave misc select', [new Uint8Array(4), attributes(1, 0, 0, 0)], 0.97),
    attributes: draw.usually('enclave attributes', [SIMULATED_QE.attributes, PATCHED, DEBUGGED], 0.97),
  };
  const [higher, lower] = [draw.usually('CPU SVN 1', [0, 1], 0.9), draw.usually('CPU SVN 7', [0, 1, -1], 0.85)];
  const platform = {
    cpuSvn: SIMULATED_PLATFORM.cpuSvn.map((svn, i) => svn + (i === 7 ? lower : i === 1 ? higher : 0)),
    pceSvn: draw.usually('PCE SVN', [13, 14, 12, 4], 0.85),
    fmspc: draw.usually('FMSPC', [SIMULATED_PLATFORM.fmspc, '0d0e0f000001'], 0.98),
    pceId: draw.usually('PCE', [SIMULATED_PLATFORM.pceId, '0001'], 0.98),
  };
  const pck = platformCertificate(pki.ca, [writeSgxExtension(platform)]);
  const authData = draw.usually('auth data', [new Uint8Array(32).fill(1), new Uint8Array(20), new Uint8Array(40)], 0.98);
  const version = draw.usually('version', ['4', '5'], 0.7) === '5' || isTdx15 ? 5 : 4;
  return writeQuote(td, { ...platformOf([pck, pki.ca, pki.root]), quotingEnclave, authData }, version);
}

function platformCertificate(
  issuer: Issued,
  extensions: readonly Uint8Array[],
  pathLength: number | null = null,
  notAfterSec = validity.notAfterSec,
) {
  return issueCertificate({ ...validity, notAfterSec, commonName: 'SIMULATED SGX PCK Certificate', pathLength, extensions }, issuer);
}

/** One thing that no honest party does. */
function forge(subject: Subject, draw: Draw): Subject {
  const [story, change] = draw.one(Object.entries(FORGERIES));
  draw.story.push(story);
  return { ...subject, ...change(subject) };
}

type Change = (subject: Subject) => Partial<Subject>;

const part =
  (changes: (collateral: Collateral) => Partial<Collateral>): Change =>
  ({ collateral }) => ({ collateral: { ...collateral, ...changes(collateral) } });
const rootCrl = (plan: Partial<Parameters<typeof issueRevocationList>[1]>, by: Issued = pki.root): Change =>
  part(() => ({ rootCrl: issueRevocationList(by, { ...window, ...plan }) }));
const pckCrl = (plan: Partial<Parameters<typeof issueRevocationList>[1]>, by: Issued = pki.ca): Change =>
  part(() => ({ pckCrl: issueRevocationList(by, { ...window, ...plan }) }));
/** TCB info as it is, signed by somebody else who shows this chain. */
const tcbInfoBy = (signer: Issued, ...above: readonly Issued[]): Change =>
  part(() => ({ tcbInfo: { ...signDocument(simulatedTcbInfo(PLAN), signer, pki.root.der), issuerChain: pem(signer, ...above) } }));
const qeIdentityBy = (signer: Issued, ...above: readonly Issued[]): Change =>
  part(() => ({ qeIdentity: { ...signDocument(simulatedQeIdentity(PLAN), signer, pki.root.der), issuerChain: pem(signer, ...above) } }));
/** Documents that say something else, honestly signed. */
const tcbInfo = (changes: object): Change =>
  part(() => ({ tcbInfo: signDocument({ ...simulatedTcbInfo(PLAN), ...changes }, pki.tcbSigning, pki.root.der) }));
const qeIdentity = (changes: object): Change =>
  part(() => ({ qeIdentity: signDocument({ ...simulatedQeIdentity(PLAN), ...changes }, pki.tcbSigning, pki.root.der) }));
const quoteUnder =
  (...chain: readonly [Issued, ...Issued[]]): Change =>
  () => ({ quote: writeQuote(tdReport(new Uint8Array(64)), platformOf(chain)) });

const withLine = (pemChain: Uint8Array) => concat(pemChain, utf8('\n'));
const NO_CERTIFICATE = utf8(toPem(utf8('no certificate')));
const sgx = () => [writeSgxExtension()];
const later = (lifeSec: number, nowSec = NOW - 3600) => issueCollateral(pki.authority, { nowSec, lifeSec });

const FORGERIES: Readonly<Record<string, Change>> = {
  'a root CRL by another key': part(() => ({ rootCrl: foreign.authority.rootCrl })),
  'a root CRL that is the PCK CRL': part(({ pckCrl: list }) => ({ rootCrl: list })),
  'a root CRL that is garbage': part(() => ({ rootCrl: utf8('garbage') })),
  'no root CRL': part(() => ({ rootCrl: new Uint8Array(0) })),
  'a root CRL with a byte behind it': part(({ rootCrl: list }) => ({ rootCrl: concat(list, Uint8Array.of(0)) })),
  'an expired root CRL': rootCrl({ nextUpdateSec: NOW - 1 }),
  'a root CRL of tomorrow': rootCrl({ thisUpdateSec: NOW + DAY_SEC, nextUpdateSec: NOW + 2 * DAY_SEC }),
  'a root that revoked itself': rootCrl({ revoked: [serialOf(pki.root)] }),
  'a root that revoked the CA': rootCrl({ revoked: [serialOf(pki.ca)] }),
  'a root that revoked its TCB signing': rootCrl({ revoked: [serialOf(pki.tcbSigning)] }),
  'a root that revoked somebody': rootCrl({ revoked: [serialOf(foreign.ca)] }),
  'a PCK CRL by another key': pckCrl({}, foreign.ca),
  'a PCK CRL that is the root CRL': part(({ rootCrl: list }) => ({ pckCrl: list })),
  'a PCK CRL that is garbage': part(() => ({ pckCrl: utf8('garbage') })),
  'an expired PCK CRL': pckCrl({ nextUpdateSec: NOW - 1 }),
  'a PCK CRL of tomorrow': pckCrl({ thisUpdateSec: NOW + DAY_SEC, nextUpdateSec: NOW + 2 * DAY_SEC }),
  'a delta CRL': pckCrl({ extensions: [toExtension('2.5.29.27', false, Uint8Array.of(2, 1, 1))] }),
  'a CRL of some certificates only': pckCrl({ extensions: [toExtension('2.5.29.28', true, derSequence())] }),
  "a PCK CRL of another CA than the platform's": part(() => ({
    pckCrl: issueRevocationList(otherCa, window),
    pckCrlIssuerChain: pem(otherCa, pki.root),
  })),
  'a PCK CRL of the processor CA': part(() => ({
    pckCrl: issueRevocationList(processorCa, window),
    pckCrlIssuerChain: pem(processorCa, pki.root),
  })),
  'a CA that revoked the platform': ({ collateral }) => ({
    collateral: { ...collateral, pckCrl: issueRevocationList(pki.ca, { ...window, revoked: [serialOf(pki.pck)] }) },
    quote: writeQuote(tdReport(new Uint8Array(64)), pki.platform),
  }),
  'a PCK CRL without its issuer': part(() => ({ pckCrlIssuerChain: new Uint8Array(0) })),
  'a PCK CRL under another root': part(() => ({
    pckCrl: issueRevocationList(foreign.ca, window),
    pckCrlIssuerChain: pem(foreign.ca, foreign.root),
  })),
  'TCB info by a platform': tcbInfoBy(pki.pck, pki.root),
  'TCB info by a platform, with its whole chain': tcbInfoBy(pki.pck, pki.ca, pki.root),
  'TCB info by a certificate of a platform': tcbInfoBy(leafOfPck, pki.pck, pki.ca, pki.root),
  "TCB info by a certificate of the platforms' CA": tcbInfoBy(tcbSigningByCa, pki.ca, pki.root),
  "TCB info by the platforms' CA": tcbInfoBy(pki.ca, pki.root),
  'TCB info by the root': tcbInfoBy(pki.root),
  'TCB info by a CA that is named for it': tcbInfoBy(tcbSigningThatIsCa, pki.root),
  'TCB info by an expired certificate': tcbInfoBy(expiredTcbSigning, pki.root),
  'TCB info under another root': tcbInfoBy(foreign.tcbSigning, foreign.root),
  'TCB info by a stranger who shows the root': tcbInfoBy(foreign.tcbSigning, pki.root),
  'QE identity by a platform, with its whole chain': qeIdentityBy(pki.pck, pki.ca, pki.root),
  'QE identity under another root': qeIdentityBy(foreign.tcbSigning, foreign.root),
  'another root shown with TCB info': tcbInfoBy(pki.tcbSigning, foreign.root),
  'no certificate shown as the root of TCB info': part(({ tcbInfo: info }) => ({
    tcbInfo: { ...info, issuerChain: concat(pem(pki.tcbSigning), NO_CERTIFICATE) },
  })),
  'another root shown with a platform': quoteUnder(pki.pck, pki.ca, foreign.root),
  'no certificate shown as the root of a platform': () => {
    const pckChain = concat(pem(pki.pck, pki.ca), NO_CERTIFICATE);
    return { quote: writeQuote(tdReport(new Uint8Array(64)), { ...pki.platform, pckChain }) };
  },
  'a line behind the chain of TCB info': part(({ tcbInfo: info }) => ({ tcbInfo: { ...info, issuerChain: withLine(info.issuerChain) } })),
  'a line behind the chain of QE identity': part(({ qeIdentity: identity }) => ({
    qeIdentity: { ...identity, issuerChain: withLine(identity.issuerChain) },
  })),
  'a line behind the chain of a platform': () => {
    const platform = platformOf([pki.pck, pki.ca, pki.root]);
    return { quote: writeQuote(tdReport(new Uint8Array(64)), { ...platform, pckChain: withLine(platform.pckChain) }) };
  },
  'QE identity with the signature of TCB info': part((all) => ({ qeIdentity: { ...all.qeIdentity, signature: all.tcbInfo.signature } })),
  'TCB info of SGX': tcbInfo({ id: 'SGX' }),
  'TCB info of version 2': tcbInfo({ version: 2 }),
  'TCB info of an unknown type': tcbInfo({ tcbType: 1 }),
  'TCB info with an unknown field': tcbInfo({ more: 1 }),
  'TCB info without a module': tcbInfo({ tdxModule: undefined }),
  'TCB info without module identities': tcbInfo({ tdxModuleIdentities: undefined }),
  'TCB info without levels': tcbInfo({ tcbLevels: [] }),
  'TCB info with a level that any module reaches': tcbInfo({
    tcbLevels: simulatedTcbInfo(PLAN).tcbLevels.map((level, i) => ({
      ...level,
      tcb: { ...level.tcb, tdxtcbcomponents: level.tcb.tdxtcbcomponents.map(({ svn }) => ({ svn: i === 0 ? svn : 0 })) },
    })),
  }),
  'TCB info with an unknown status': tcbInfo({
    tcbLevels: simulatedTcbInfo(PLAN).tcbLevels.map((level) => ({ ...level, tcbStatus: 'Fine' })),
  }),
  'TCB info with fifteen components': tcbInfo({
    tcbLevels: simulatedTcbInfo(PLAN).tcbLevels.map((level) => ({
      ...level,
      tcb: { ...level.tcb, sgxtcbcomponents: level.tcb.sgxtcbcomponents.slice(1) },
    })),
  }),
  'expired TCB info': part(() => ({ tcbInfo: later(3599).tcbInfo })),
  'TCB info of tomorrow': part(() => ({ tcbInfo: later(9 * DAY_SEC, NOW + DAY_SEC).tcbInfo })),
  'expired QE identity': part(() => ({ qeIdentity: later(3599).qeIdentity })),
  'QE identity of tomorrow': part(() => ({ qeIdentity: later(9 * DAY_SEC, NOW + DAY_SEC).qeIdentity })),
  'QE identity of SGX': qeIdentity({ id: 'QE' }),
  'QE identity of version 3': qeIdentity({ version: 3 }),
  'QE identity with an unknown field': qeIdentity({ more: 1 }),
  'QE identity without levels': qeIdentity({ tcbLevels: [] }),
  'QE identity of another signer': qeIdentity({ mrsigner: '00'.repeat(32) }),
  'TCB info as QE identity': part((all) => ({ qeIdentity: all.tcbInfo })),
  'padding behind the quote': ({ quote }) => ({ quote: concat(quote, new Uint8Array(8)) }),
  'a quote cut off': ({ quote }) => ({ quote: quote.subarray(0, -1) }),
  'a platform by a platform': quoteUnder(pckOfPck, pki.pck, pki.ca, pki.root),
  'a platform by a platform as its CA': quoteUnder(pckOfPck, pki.pck, pki.root),
  'a platform under another root': quoteUnder(foreign.pck, foreign.ca, foreign.root),
  "another root's CA under the true one": quoteUnder(foreign.pck, foreign.ca, pki.root),
  'a chain without its root': quoteUnder(pki.pck, pki.ca),
  'a renewed CA': quoteUnder(platformCertificate(renewedCa, sgx()), renewedCa, pki.root),
  'a platform of a CA that is none': quoteUnder(platformCertificate(noCa, sgx()), noCa, pki.root),
  'a platform of a CA whose lists are not there': quoteUnder(platformCertificate(otherCa, sgx()), otherCa, pki.root),
  'a platform that is a CA': quoteUnder(platformCertificate(pki.ca, sgx(), 0), pki.ca, pki.root),
  'a platform without the SGX extension': quoteUnder(platformCertificate(pki.ca, []), pki.ca, pki.root),
  'a platform with an unknown critical extension': quoteUnder(
    platformCertificate(pki.ca, [...sgx(), toExtension('1.2.3', true, derOctets(new Uint8Array(0)))]),
    pki.ca,
    pki.root,
  ),
  'an expired platform': quoteUnder(platformCertificate(pki.ca, sgx(), null, NOW - 1), pki.ca, pki.root),
  'a platform named as TCB signing': quoteUnder(
    issueCertificate({ ...validity, commonName: 'SIMULATED SGX TCB Signing', pathLength: null, extensions: sgx() }, pki.ca),
    pki.ca,
    pki.root,
  ),
};

/** Bytes changed without a plan, in one part. */
function mutated(subject: Subject, draw: Draw): Subject {
  const change = (bytes: Uint8Array) => mutate(bytes, draw.random);
  const quote = ['quote', () => ({ quote: change(subject.quote) })] as const;
  const parts = Object.entries(collateralParts(subject.collateral)).map(
    ([name, [bytes, replace]]) => [name, () => ({ collateral: replace(change(bytes)) })] as const,
  );
  const [story, make] = draw.one<readonly [string, () => Partial<Subject>]>([quote, quote, ...parts]);
  draw.story.push(`mutated ${story}`);
  return { ...subject, ...make() };
}
