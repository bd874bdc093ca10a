import { concat } from '../core/bytes';
import { derOctets, derSequence } from './der-writer';
import { issueCertificate, issueRevocationList, toExtension } from './platform/development-certificates';
import { issueCollateral, simulatedTcbInfo } from './platform/development-collateral';
import {
  enclave,
  type Forgery,
  type ForgeryCase,
  foreign,
  judge,
  narrow,
  noCa,
  otherCa,
  PLAN,
  pckOfPck,
  pki,
  platformWith,
  quoteOf,
  quoteUnder,
  renewedCa,
  rootOf,
  serialOf,
  standing,
  tcbInfo,
  validity,
  window,
  withCollateral,
} from './platform/forgeries.test-kit';
import { intelRoot, NOW, REAL_NOW, realCollateral, realQuote, tdReport } from './platform/forgery.test-kit';
import { SIMULATED_PLATFORM, writeSgxExtension } from './platform/platform-certificate';
import { SIMULATED_QE, writeQuote } from './platform/quote-writer';
import { MAX_QUOTE_SIZE } from './quote';

const renewedPck = issueCertificate(
  { ...validity, commonName: 'SIMULATED SGX PCK Certificate', pathLength: null, extensions: [writeSgxExtension()] },
  renewedCa,
);

describe('nothing is refused', () => {
  test.each<[string, Forgery]>([
    ['of an honest platform', {}],
    ['in version 5 with the body of TDX 1.0', { quote: writeQuote(tdReport(new Uint8Array(64)), pki.platform, 5) }],
    ['in version 5 with the body of TDX 1.5', quoteOf({ teeTcbSvn2: new Uint8Array(16), mrServiceTd: new Uint8Array(48) })],
    ['of a module of version 0, which the platform level judges', quoteOf({ teeTcbSvn: Uint8Array.of(5, 0, 3, ...new Uint8Array(13)) })],
    ['of a platform with newer components', platformWith({ cpuSvn: SIMULATED_PLATFORM.cpuSvn.map((svn) => svn + 1), pceSvn: 14 })],
    ['of a CA whose certificate was renewed', quoteUnder(renewedPck, renewedCa, pki.root)],
    [
      'that needs software hardening, where policy takes that',
      standing({ platform: 'SWHardeningNeeded' }, { acceptedTcb: ['SWHardeningNeeded'] }),
    ],
    ['with an advisory that policy accepts', standing({ advisories: ['SIMULATED-SA-1'] }, { acceptedAdvisories: ['SIMULATED-SA-1'] })],
    ['when the CA revoked another platform', { collateral: issueCollateral(pki.authority, { ...PLAN, revoked: [serialOf(foreign.pck)] }) }],
    [
      'when the root revoked another CA',
      withCollateral({ rootCrl: issueRevocationList(pki.root, { ...window, revoked: [serialOf(otherCa)] }) }),
    ],
  ])('%s', async (_, forgery) => {
    expect(await judge(forgery)).toEqual([]);
  });
});

describe('a forged certificate of a platform is refused:', () => {
  test.each<ForgeryCase>([
    ['a platform minted by a platform', 'pck-chain', /names another issuer/, () => quoteUnder(pckOfPck, pki.ca, pki.root)],
    [
      'a platform minted by a platform, as its CA',
      'pck-chain',
      /certificate 1 is not named/,
      () => quoteUnder(pckOfPck, pki.pck, pki.root),
    ],
    ['a chain of four', 'pck-chain', /more than 3/, () => quoteUnder(pckOfPck, pki.pck, pki.ca, pki.root)],
    [
      'a platform under another root of the same name',
      'trust-root',
      /does not name/,
      () => quoteUnder(foreign.pck, foreign.ca, foreign.root),
    ],
    ['a CA of another root under the true one', 'pck-chain', /bad signature/, () => quoteUnder(foreign.pck, foreign.ca, pki.root)],
    [
      'a platform without the SGX extension',
      'pck-chain',
      /no SGX extension/,
      () =>
        quoteUnder(
          issueCertificate({ ...validity, commonName: 'SIMULATED SGX PCK Certificate', pathLength: null }, pki.ca),
          pki.ca,
          pki.root,
        ),
    ],
    [
      'a platform with a malformed SGX extension',
      'pck-chain',
      /SGX field/,
      () =>
        quoteUnder(
          issueCertificate(
            {
              ...validity,
              commonName: 'SIMULATED SGX PCK Certificate',
              pathLength: null,
              extensions: [toExtension('1.2.840.113741.1.13.1', false, derSequence())],
            },
            pki.ca,
          ),
          pki.ca,
          pki.root,
        ),
    ],
    [
      'a platform with an unknown critical extension',
      'pck-chain',
      /unknown critical/,
      () =>
        quoteUnder(
          issueCertificate(
            {
              ...validity,
              commonName: 'SIMULATED SGX PCK Certificate',
              pathLength: null,
              extensions: [writeSgxExtension(), toExtension('1.2.3', true, derOctets(new Uint8Array(0)))],
            },
            pki.ca,
          ),
          pki.ca,
          pki.root,
        ),
    ],
    [
      'a platform that is a CA',
      'pck-chain',
      /signs data only/,
      () =>
        quoteUnder(
          issueCertificate(
            { ...validity, commonName: 'SIMULATED SGX PCK Certificate', pathLength: 0, extensions: [writeSgxExtension()] },
            pki.ca,
          ),
          pki.ca,
          pki.root,
        ),
    ],
    [
      'a platform whose CA has another certificate, which is revoked',
      'revocation',
      /CA is revoked/,
      () => ({
        ...quoteUnder(renewedPck, renewedCa, pki.root),
        ...withCollateral({ rootCrl: issueRevocationList(pki.root, { ...window, revoked: [serialOf(renewedCa)] }) }),
      }),
    ],
    [
      'a platform of a CA that is none',
      'pck-chain',
      /not a CA/,
      () =>
        quoteUnder(issueCertificate({ ...validity, commonName: 'SIMULATED SGX PCK Certificate', pathLength: null }, noCa), noCa, pki.root),
    ],
    [
      'a platform of a CA under a root that allows none',
      'pck-chain',
      /allows 0 CAs below it, there are 1/,
      async () => ({ quote: writeQuote(tdReport(new Uint8Array(64)), narrow.platform), root: await rootOf(narrow) }),
    ],
    [
      'an expired platform',
      'pck-chain',
      /valid until/,
      () =>
        quoteUnder(
          issueCertificate(
            {
              ...validity,
              notAfterSec: NOW - 1,
              commonName: 'SIMULATED SGX PCK Certificate',
              pathLength: null,
              extensions: [writeSgxExtension()],
            },
            pki.ca,
          ),
          pki.ca,
          pki.root,
        ),
    ],
    ['TCB info of another family', 'platform-identity', /other platforms/, () => platformWith({ fmspc: '0d0e0f000001' })],
    ['TCB info of another PCE', 'platform-identity', /other platforms/, () => platformWith({ pceId: '0001' })],
  ])('%s (%s)', async (_, name, reason, make) => {
    const [first] = await judge(await make());
    expect(first?.name).toBe(name);
    expect(first?.reason).toMatch(reason);
  });
});

describe('another quoting enclave is refused:', () => {
  test.each<ForgeryCase>([
    ["another signer's quoting enclave", 'quoting-enclave', /somebody else/, () => enclave({ mrSigner: new Uint8Array(32) })],
    ['another product of that signer', 'quoting-enclave', /product 1, expected 2/, () => enclave({ productId: 1 })],
    [
      'a quoting enclave with other misc select',
      'quoting-enclave',
      /misc select/,
      () => enclave({ miscSelect: Uint8Array.of(1, 0, 0, 0) }),
    ],
    [
      'a quoting enclave with other attributes',
      'quoting-enclave',
      /attributes/,
      () => enclave({ attributes: SIMULATED_QE.attributes.map((byte, i) => (i === 0 ? byte | 0x20 : byte)) }),
    ],
    [
      'a quoting enclave in debug mode',
      'qe-report',
      /debug/,
      () => enclave({ attributes: SIMULATED_QE.attributes.map((byte, i) => (i === 0 ? byte | 0x02 : byte)) }),
    ],
    ['a quoting enclave below every level', 'quoting-enclave', /below every/, () => enclave({ securityVersion: 1 })],
    [
      'an out-of-date quoting enclave',
      'tcb-level',
      /OutOfDate: platform UpToDate, module UpToDate, quoting enclave OutOfDate/,
      () => enclave({ securityVersion: 3 }),
    ],
    ['a revoked quoting enclave', 'tcb-level', /^Revoked: platform UpToDate/, () => standing({ quotingEnclave: 'Revoked' })],
  ])('%s (%s)', async (_, name, reason, make) => {
    const [first] = await judge(await make());
    expect(first?.name).toBe(name);
    expect(first?.reason).toMatch(reason);
  });
});

describe('another TDX module is refused:', () => {
  test.each<ForgeryCase>([
    ["another signer's module", 'tdx-module', /somebody else/, () => quoteOf({ mrSignerSeam: new Uint8Array(48).fill(1) })],
    [
      "another signer's module of version 0",
      'tdx-module',
      /somebody else/,
      () => quoteOf({ mrSignerSeam: new Uint8Array(48).fill(1), teeTcbSvn: Uint8Array.of(5, 0, 3, ...new Uint8Array(13)) }),
    ],
    [
      'a module with attributes',
      'tdx-module',
      /other attributes/,
      () => quoteOf({ seamAttributes: Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0) }),
    ],
    [
      'a module with attributes that TCB info would allow',
      'tdx-module',
      /other attributes/,
      () => ({
        ...tcbInfo({
          tdxModuleIdentities: simulatedTcbInfo(PLAN).tdxModuleIdentities.map((one) => ({ ...one, attributesMask: '00'.repeat(8) })),
        }),
        ...quoteOf({ seamAttributes: Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0) }),
      }),
    ],
    [
      'a module of an unknown version',
      'tdx-module',
      /version 9 is unknown/,
      () => quoteOf({ teeTcbSvn: Uint8Array.of(7, 9, 3, ...new Uint8Array(13)) }),
    ],
    [
      'a module below every level',
      'tdx-module',
      /below every/,
      () => quoteOf({ teeTcbSvn: Uint8Array.of(1, 1, 3, ...new Uint8Array(13)) }),
    ],
    [
      'an out-of-date module',
      'tcb-level',
      /^OutOfDate: platform UpToDate, module OutOfDate/,
      () => quoteOf({ teeTcbSvn: Uint8Array.of(3, 1, 3, ...new Uint8Array(13)) }),
    ],
    [
      'an out-of-date module of version 0',
      'tcb-level',
      /^OutOfDate: platform OutOfDate/,
      () => ({
        ...tcbInfo({
          tcbLevels: simulatedTcbInfo(PLAN).tcbLevels.map((level, i) =>
            i === 0 ? level : { ...level, tcb: { ...level.tcb, tdxtcbcomponents: level.tcb.tdxtcbcomponents.map(() => ({ svn: 0 })) } },
          ),
        }),
        ...quoteOf({ teeTcbSvn: Uint8Array.of(4, 0, 3, ...new Uint8Array(13)) }),
      }),
    ],
    ['a revoked module', 'tcb-level', /^Revoked: platform UpToDate/, () => standing({ module: 'Revoked' })],
    [
      'a module whose other components are too low',
      'tcb-level',
      /below every known/,
      () => quoteOf({ teeTcbSvn: Uint8Array.of(7, 1, 2, ...new Uint8Array(13)) }),
    ],
  ])('%s (%s)', async (_, name, reason, make) => {
    const [first] = await judge(await make());
    expect(first?.name).toBe(name);
    expect(first?.reason).toMatch(reason);
  });
});

describe('a platform at a level that policy does not accept is refused:', () => {
  test.each<ForgeryCase>([
    ['an out-of-date platform', 'tcb-level', /^OutOfDate: platform OutOfDate/, () => platformWith({ pceSvn: 12 })],
    [
      'a platform with one component too low',
      'tcb-level',
      /^OutOfDate: platform OutOfDate/,
      () => platformWith({ cpuSvn: SIMULATED_PLATFORM.cpuSvn.map((svn, i) => (i === 7 ? svn - 1 : svn)) }),
    ],
    ['a platform below every level', 'tcb-level', /below every known/, () => platformWith({ pceSvn: 4 })],
    ['a platform that needs configuration', 'tcb-level', /^ConfigurationNeeded:/, () => standing({ platform: 'ConfigurationNeeded' })],
    ['a platform that needs software hardening', 'tcb-level', /^SWHardeningNeeded:/, () => standing({ platform: 'SWHardeningNeeded' })],
    ['a revoked platform level', 'tcb-level', /^Revoked:/, () => standing({ platform: 'Revoked' })],
    [
      'an up-to-date platform with an advisory',
      'advisories',
      /SIMULATED-SA-1 not accepted/,
      () => standing({ advisories: ['SIMULATED-SA-1'] }),
    ],
    ['every platform where policy accepts no status', 'tcb-level', /^UpToDate:/, () => ({ policy: { acceptedTcb: [] } })],
    ['a platform without levels', 'tcb-level', /below every known/, () => tcbInfo({ tcbLevels: [] })],
  ])('%s (%s)', async (_, name, reason, make) => {
    const [first] = await judge(await make());
    expect(first?.name).toBe(name);
    expect(first?.reason).toMatch(reason);
  });
});

describe('another guest, or another world, is refused:', () => {
  test.each<ForgeryCase>([
    ['a guest in debug mode', 'td-debug', /open to its host/, () => quoteOf({ tdAttributes: Uint8Array.of(1, 0, 0, 0x10, 0, 0, 0, 0) })],
    [
      'a guest that can be migrated',
      'td-attributes',
      /migrated/,
      () => quoteOf({ tdAttributes: Uint8Array.of(0, 0, 0, 0x30, 0, 0, 0, 0) }),
    ],
    [
      'an oversized quote',
      'quote-structure',
      /limit 32768/,
      () => ({ quote: concat(writeQuote(tdReport(new Uint8Array(64)), pki.platform), new Uint8Array(MAX_QUOTE_SIZE)) }),
    ],
    [
      'padding behind a quote',
      'quote-structure',
      /too many/,
      () => ({ quote: concat(writeQuote(tdReport(new Uint8Array(64)), pki.platform), new Uint8Array(8)) }),
    ],
    [
      'a real quote under a development root',
      'trust-root',
      /does not name/,
      () => ({ quote: realQuote('fmspc-90c06f'), nowSec: REAL_NOW['fmspc-90c06f'] }),
    ],
    ["a simulated quote under Intel's root", 'trust-root', /does not name/, async () => ({ root: await intelRoot() })],
    [
      'a real quote with simulated collateral',
      'root-crl',
      /another issuer/,
      async () => ({ quote: realQuote('fmspc-90c06f'), root: await intelRoot(), nowSec: REAL_NOW['fmspc-90c06f'] }),
    ],
    ['a simulated quote with real collateral', 'root-crl', /another issuer/, () => ({ collateral: realCollateral('fmspc-90c06f') })],
  ])('%s (%s)', async (_, name, reason, make) => {
    const [first] = await judge(await make());
    expect(first?.name).toBe(name);
    expect(first?.reason).toMatch(reason);
  });
});
