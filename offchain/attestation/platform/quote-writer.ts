import { createHash, type KeyObject, sign } from 'node:crypto';
import { concat, fromHex, utf8 } from '../../core/bytes';
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

/** SGX attributes of the simulated quoting enclave: initialised, provisioning key, no debug. */
const QE_ATTRIBUTES = fromHex('1100000000000000e700000000000000');

/** The keys behind a quote. */
export interface QuotingPlatform {
  readonly pckKey: KeyObject;
  /** PEM, leaf first. */
  readonly pckChain: Uint8Array;
  readonly attestationKey: KeyObject;
  /** 16 bytes; those of a production enclave unless told otherwise. */
  readonly qeAttributes?: Uint8Array;
}

/** A signed quote over a TD report: version 4, or version 5 where the report has the fields of TDX 1.5. */
export function writeQuote(td: TdReport, platform: QuotingPlatform): Uint8Array {
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
  const isVersion5 = td.teeTcbSvn2 !== null;
  const signed = concat(
    uint16(isVersion5 ? 5 : 4),
    uint16(2), // ECDSA with P-256
    uint32(0x81), // TDX
    uint32(0), // reserved
    fromHex('939a7233f79c4ca9940a0db3957f0607'), // QE vendor: Intel's, the only one that there is
    new Uint8Array(20), // user data
    isVersion5 ? concat(uint16(3), uint32(body.length)) : NOTHING,
    body,
  );
  const { attestationKey } = platform;
  const data = concat(signRaw(attestationKey, signed), publicPointOf(attestationKey), certifyAttestationKey(platform));
  return concat(signed, uint32(data.length), data);
}

const NOTHING = new Uint8Array(0);

/** The quoting enclave's part: its report names the attestation key, and the platform's key signs that report. */
function certifyAttestationKey(platform: QuotingPlatform): Uint8Array {
  const { pckChain } = platform;
  const authData = utf8('SIMULATED quoting enclave');
  const report = concat(
    SIMULATED_CPU_SVN,
    new Uint8Array(32), // misc select, reserved
    platform.qeAttributes ?? QE_ATTRIBUTES,
    createHash('sha256').update('SIMULATED quoting enclave').digest(), // MRENCLAVE
    new Uint8Array(32),
    createHash('sha256').update('SIMULATED quoting enclave signer').digest(), // MRSIGNER
    new Uint8Array(96),
    uint16(2), // product id
    uint16(6), // security version
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
