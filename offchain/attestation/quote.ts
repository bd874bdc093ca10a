import { ByteReader, equal, fromHex, uintLe } from '../core/bytes';
import { MalformedError } from '../core/errors';
import { EvidenceError } from './errors';

/** Most bytes of a quote without padding; real ones have about 5,000. */
export const MAX_QUOTE_SIZE = 32 * 1024;

/**
 * What the TDX module reports of a guest.
 *
 * Source: Intel TDX DCAP Quoting Library API, appendix A.3.2 (TD quote body 1.0 and 1.5), the same in quotes of version 4 and 5.
 * Offsets and sizes in bytes from the body's start; integers little-endian.
 *
 * | offset | size | field          | offset | size | field                   |
 * |-------:|-----:|----------------|-------:|-----:|-------------------------|
 * |      0 |   16 | teeTcbSvn      |    232 |   48 | mrOwner                 |
 * |     16 |   48 | mrSeam         |    280 |   48 | mrOwnerConfig           |
 * |     64 |   48 | mrSignerSeam   |    328 |  192 | rtmr[0..3], 48 each     |
 * |    112 |    8 | seamAttributes |    520 |   64 | reportData              |
 * |    120 |    8 | tdAttributes   |    584 |   16 | teeTcbSvn2 (1.5 only)   |
 * |    128 |    8 | xfam           |    600 |   48 | mrServiceTd (1.5 only)  |
 * |    136 |   48 | mrTd           |    648 |      | end                     |
 * |    184 |   48 | mrConfigId     |        |      |                         |
 */
export interface TdReport {
  readonly teeTcbSvn: Uint8Array;
  readonly mrSeam: Uint8Array;
  readonly mrSignerSeam: Uint8Array;
  readonly seamAttributes: Uint8Array;
  readonly tdAttributes: Uint8Array;
  readonly xfam: Uint8Array;
  readonly mrTd: Uint8Array;
  readonly mrConfigId: Uint8Array;
  readonly mrOwner: Uint8Array;
  readonly mrOwnerConfig: Uint8Array;
  readonly rtmr: readonly [Uint8Array, Uint8Array, Uint8Array, Uint8Array];
  readonly reportData: Uint8Array;
  /** Null in bodies of TDX 1.0. */
  readonly teeTcbSvn2: Uint8Array | null;
  /** Null in bodies of TDX 1.0. */
  readonly mrServiceTd: Uint8Array | null;
}

/**
 * What the quoting enclave says of itself: an SGX report.
 *
 * Source: Intel SDM volume 3D, section 37.15 (REPORT); offsets and sizes in bytes.
 *
 * Integers little-endian.
 *
 * | offset | size | field      | offset | size | field           |
 * |-------:|-----:|------------|-------:|-----:|-----------------|
 * |     16 |    4 | miscSelect |    256 |    2 | productId       |
 * |     48 |   16 | attributes |    258 |    2 | securityVersion |
 * |    128 |   32 | mrSigner   |    320 |   64 | reportData      |
 */
export interface QeReport {
  /** All 384 bytes: what the PCK key signed. */
  readonly bytes: Uint8Array;
  readonly miscSelect: Uint8Array;
  readonly attributes: Uint8Array;
  readonly mrSigner: Uint8Array;
  readonly productId: number;
  readonly securityVersion: number;
  readonly reportData: Uint8Array;
}

/**
 * A TDX quote, taken apart. Byte fields are views on the input.
 *
 * Source: Intel TDX DCAP Quoting Library API, appendix A.3 (version 4) and A.4 (version 5); sizes in bytes, integers little-endian.
 *
 * | part                | size | what                                                                                  |
 * |---------------------|-----:|---------------------------------------------------------------------------------------|
 * | header              |   48 | version 2, key type 2, TEE type 4, reserved 4, QE vendor 16, user data 20             |
 * | body descriptor     |    6 | version 5 only: body type 2, body size 4                                              |
 * | body                |  584 | TD report; 648 in bodies of type 3                                                    |
 * | signature data size |    4 | of everything behind it                                                               |
 * | signature           |   64 | of the attestation key over all before the signature data size                        |
 * | attestation key     |   64 | x, y                                                                                  |
 * | certification data  |    6 | type 2 (6: QE report), size 4                                                         |
 * | QE report           |  384 | `QeReport`                                                                            |
 * | QE report signature |   64 | of the PCK key                                                                        |
 * | QE auth data        |    n | size 2, bytes                                                                         |
 * | certification data  |    n | type 2 (5: PCK chain as PEM), size 4, bytes                                           |
 */
export interface Quote {
  readonly version: 4 | 5;
  readonly td: TdReport;
  readonly signedBytes: Uint8Array;
  readonly signature: Uint8Array;
  readonly attestationKey: Uint8Array;
  readonly qeReport: QeReport;
  readonly qeReportSignature: Uint8Array;
  readonly qeAuthData: Uint8Array;
  /** PEM, leaf first. */
  readonly pckChain: Uint8Array;
}

const HEADER_SIZE = 48;
const BODY_SIZE = { tdx10: 584, tdx15: 648 } as const;
const BODY_TYPE = { tdx10: 2, tdx15: 3 } as const;
const ECDSA_P256 = 2;
const TEE_TDX = 0x81;
const INTEL_QE_VENDOR = fromHex('939a7233f79c4ca9940a0db3957f0607');
const CERTIFICATION_TYPE = { pckChain: 5, qeReport: 6 } as const;

/**
 * A quote from its exact bytes: unknown versions, types and vendors, sizes that do not add up and trailing bytes are refused.
 * Nothing is verified but the form.
 *
 * @throws EvidenceError bad_quote
 */
export function parseQuote(bytes: Uint8Array): Quote {
  if (bytes.length > MAX_QUOTE_SIZE) throw bad(`quote of ${bytes.length} bytes, limit ${MAX_QUOTE_SIZE}`);
  return readingQuote(() => {
    const reader = new ByteReader(bytes, 'quote');
    const { version, body } = readSigned(reader);
    const signed = bytes.subarray(0, signedSize(version, body));
    const data = new ByteReader(reader.take(uintLe(reader.take(4))), 'signature data');
    reader.end();
    const signature = data.take(64);
    const attestationKey = data.take(64);
    const outer = readCertificationData(data, CERTIFICATION_TYPE.qeReport);
    data.end();
    const certification = new ByteReader(outer, 'qe certification data');
    const qe = certification.take(384);
    const qeReportSignature = certification.take(64);
    const qeAuthData = certification.take(uintLe(certification.take(2)));
    const pckChain = readCertificationData(certification, CERTIFICATION_TYPE.pckChain);
    certification.end();
    return {
      version,
      td: readBody(body),
      signedBytes: signed,
      signature,
      attestationKey,
      qeReport: readQeReport(qe),
      qeReportSignature,
      qeAuthData,
      pckChain,
    };
  });
}

/**
 * A quote without the zeros that platforms put behind it; for producers, since verification refuses trailing bytes.
 *
 * @throws EvidenceError bad_quote when something else than zeros is behind it
 */
export function trimQuote(padded: Uint8Array): Uint8Array {
  return readingQuote(() => {
    const reader = new ByteReader(padded, 'quote');
    readSigned(reader);
    reader.take(uintLe(reader.take(4)));
    const padding = reader.rest();
    if (padding.some((byte) => byte !== 0)) throw bad('quote has bytes other than padding behind it');
    return padded.subarray(0, padded.length - padding.length);
  });
}

function readSigned(reader: ByteReader): { readonly version: 4 | 5; readonly body: Uint8Array } {
  const header = reader.take(HEADER_SIZE);
  const version = uintLe(header.subarray(0, 2));
  if (version !== 4 && version !== 5) throw bad(`quote of version ${version}, expected 4 or 5`);
  const keyType = uintLe(header.subarray(2, 4));
  if (keyType !== ECDSA_P256) throw bad(`quote with key type ${keyType}, expected ${ECDSA_P256}`);
  const teeType = uintLe(header.subarray(4, 8));
  if (teeType !== TEE_TDX) throw bad(`quote with tee type ${teeType}, expected ${TEE_TDX}`);
  if (!equal(header.subarray(12, 28), INTEL_QE_VENDOR)) throw bad('quote of an unknown quoting enclave vendor');
  if (version === 4) return { version, body: reader.take(BODY_SIZE.tdx10) };
  const type = uintLe(reader.take(2));
  const size = uintLe(reader.take(4));
  if (type !== BODY_TYPE.tdx10 && type !== BODY_TYPE.tdx15) throw bad(`quote with body type ${type}, expected 2 or 3`);
  const expected = type === BODY_TYPE.tdx10 ? BODY_SIZE.tdx10 : BODY_SIZE.tdx15;
  if (size !== expected) throw bad(`quote body of ${size} bytes, expected ${expected}`);
  return { version, body: reader.take(size) };
}

function signedSize(version: 4 | 5, body: Uint8Array): number {
  return HEADER_SIZE + (version === 5 ? 6 : 0) + body.length;
}

function readBody(bytes: Uint8Array): TdReport {
  const reader = new ByteReader(bytes, 'td report');
  const td = {
    teeTcbSvn: reader.take(16),
    mrSeam: reader.take(48),
    mrSignerSeam: reader.take(48),
    seamAttributes: reader.take(8),
    tdAttributes: reader.take(8),
    xfam: reader.take(8),
    mrTd: reader.take(48),
    mrConfigId: reader.take(48),
    mrOwner: reader.take(48),
    mrOwnerConfig: reader.take(48),
    rtmr: [reader.take(48), reader.take(48), reader.take(48), reader.take(48)],
    reportData: reader.take(64),
  } as const;
  const hasTdx15 = bytes.length === BODY_SIZE.tdx15;
  const later = { teeTcbSvn2: hasTdx15 ? reader.take(16) : null, mrServiceTd: hasTdx15 ? reader.take(48) : null };
  reader.end();
  return { ...td, ...later };
}

function readQeReport(bytes: Uint8Array): QeReport {
  return {
    bytes,
    miscSelect: bytes.subarray(16, 20),
    attributes: bytes.subarray(48, 64),
    mrSigner: bytes.subarray(128, 160),
    productId: uintLe(bytes.subarray(256, 258)),
    securityVersion: uintLe(bytes.subarray(258, 260)),
    reportData: bytes.subarray(320, 384),
  };
}

function readCertificationData(reader: ByteReader, expectedType: number): Uint8Array {
  const type = uintLe(reader.take(2));
  if (type !== expectedType) throw bad(`certification data of type ${type}, expected ${expectedType}`);
  return reader.take(uintLe(reader.take(4)));
}

function readingQuote<T>(read: () => T): T {
  try {
    return read();
  } catch (cause) {
    if (cause instanceof MalformedError) throw new EvidenceError('bad_quote', cause.message, {}, { cause });
    throw cause;
  }
}

function bad(message: string): EvidenceError {
  return new EvidenceError('bad_quote', message);
}
