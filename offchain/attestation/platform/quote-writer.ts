import { createHash, type KeyObject, sign } from 'node:crypto';
import { concat, fromHex } from '../../core/bytes';
import type { TdReport } from '../quote';
import { publicPointOf } from './development-certificates';

// The layouts are those of ../quote.ts, where their sources are named.

/** What a simulated TDX module reports of every guest; the rest depends on the guest. */
export const SIMULATED_TD = {
  teeTcbSvn: Uint8Array.of(7, 1, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0),
  mrSeam: createHash('sha384').update('SIMULATED TDX module').digest(),
  mrSignerSeam: new Uint8Array(48), // zeros: the module is signed by Intel
  seamAttributes: new Uint8Array(8),
  tdAttributes: fromHex('0000001000000000'), // SEPT_VE_DISABLE, as every production guest has it
  xfam: fromHex('e702060000000000'),
  mrConfigId: new Uint8Array(48),
  mrOwner: new Uint8Array(48),
  mrOwnerConfig: new Uint8Array(48),
  teeTcbSvn2: null,
  mrServiceTd: null,
} as const;

/** The CPU security version of the simulated platform, 16 components. */
export const SIMULATED_CPU_SVN = Uint8Array.of(3, 3, 2, 2, 4, 1, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0);

/** What a quoting enclave's report says of the enclave. */
export interface QuotingEnclave {
  readonly miscSelect: Uint8Array;
  readonly attributes: Uint8Array;
  readonly mrSigner: Uint8Array;
  readonly productId: number;
  readonly securityVersion: number;
}

/** The simulated quoting enclave: initialised, provisioning key, no debug. */
export const SIMULATED_QE: QuotingEnclave = {
  miscSelect: new Uint8Array(4),
  attributes: fromHex('1100000000000000e700000000000000'),
  mrSigner: createHash('sha256').update('SIMULATED quoting enclave signer').digest(),
  productId: 2,
  securityVersion: 6,
};

const SIMULATED_AUTH_DATA = createHash('sha256').update('SIMULATED quoting enclave authentication data').digest();

/** The keys behind a quote. */
export interface QuotingPlatform {
  readonly pckKey: KeyObject;
  /** PEM, leaf first. */
  readonly pckChain: Uint8Array;
  readonly attestationKey: KeyObject;
  /** Those of a production enclave unless told otherwise. */
  readonly quotingEnclave?: Partial<QuotingEnclave>;
  /** What the quoting enclave adds to the attestation key that it names; 32 bytes, as Intel's, unless told otherwise. */
  readonly authData?: Uint8Array;
}

/** A signed quote over a TD report: version 5 where the report has the fields of TDX 1.5, otherwise 4 unless told otherwise. */
export function writeQuote(td: TdReport, platform: QuotingPlatform, version: 4 | 5 = td.teeTcbSvn2 === null ? 4 : 5): Uint8Array {
  const body = concat(
    td.teeTcbSvn,
    td.mrSeam,
    td.mrSignerSeam,
    td.seamAttributes,
    td.tdAttributes,
    td.xfam,
    td.mrTd,
    td.mrConfigId,
    td.mrOwner,
    td.mrOwnerConfig,
    ...td.rtmr,
    td.reportData,
    td.teeTcbSvn2 ?? NOTHING,
    td.mrServiceTd ?? NOTHING,
  );
  const signed = concat(
    uint16(version),
    uint16(2), // ECDSA with P-256
    uint32(0x81), // TDX
    uint32(0), // reserved
    fromHex('939a7233f79c4ca9940a0db3957f0607'), // QE vendor: Intel's, the only one that there is
    new Uint8Array(20), // user data
    version === 5 ? concat(uint16(td.teeTcbSvn2 === null ? 2 : 3), uint32(body.length)) : NOTHING,
    body,
  );
  const { attestationKey } = platform;
  const data = concat(signRaw(attestationKey, signed), publicPointOf(attestationKey), certifyAttestationKey(platform));
  return concat(signed, uint32(data.length), data);
}

const NOTHING = new Uint8Array(0);

/** The quoting enclave's part: its report names the attestation key, and the platform's key signs that report. */
function certifyAttestationKey(platform: QuotingPlatform): Uint8Array {
  const { pckChain, authData = SIMULATED_AUTH_DATA } = platform;
  const enclave = { ...SIMULATED_QE, ...platform.quotingEnclave };
  const report = concat(
    SIMULATED_CPU_SVN,
    enclave.miscSelect,
    new Uint8Array(28),
    enclave.attributes,
    createHash('sha256').update('SIMULATED quoting enclave').digest(), // MRENCLAVE
    new Uint8Array(32),
    enclave.mrSigner,
    new Uint8Array(96),
    uint16(enclave.productId),
    uint16(enclave.securityVersion),
    new Uint8Array(60),
    createHash('sha256').update(publicPointOf(platform.attestationKey)).update(authData).digest(),
    new Uint8Array(32),
  );
  const inner = concat(
    report,
    signRaw(platform.pckKey, report),
    uint16(authData.length),
    authData,
    uint16(5), // PCK chain as PEM
    uint32(pckChain.length),
    pckChain,
  );
  return concat(uint16(6), uint32(inner.length), inner);
}

function signRaw(key: KeyObject, data: Uint8Array): Uint8Array {
  return sign('sha256', data, { key, dsaEncoding: 'ieee-p1363' });
}

function uint16(value: number): Uint8Array {
  return Uint8Array.of(value & 0xff, value >> 8);
}

function uint32(value: number): Uint8Array {
  return concat(uint16(value & 0xffff), uint16(value >>> 16));
}
