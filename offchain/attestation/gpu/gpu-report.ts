import { ByteReader, uintLe } from '../../core/bytes';
import { MalformedError } from '../../core/errors';
import { EvidenceError } from '../errors';

/** Most bytes of a report. Source: NVML, NVML_CC_GPU_ATTESTATION_REPORT_SIZE. */
export const MAX_GPU_REPORT_SIZE = 0x2000;

/**
 * How a GPU is shared with its machine. `passthrough` is one GPU or several, every link between them and the machine encrypted;
 * `protected-pcie` is a board of Hopper GPUs whose links to each other are in clear, so that its switches must be trusted too, for
 * which there is no evidence here.
 */
export type GpuMode = 'passthrough' | 'protected-pcie';

/** What a GPU says of itself, as it signed it. Byte fields are views on the input. */
export interface GpuReport {
  /** What the asker chose, 32 bytes. */
  readonly nonce: Uint8Array;
  /** Digests of the GPU's parts, 48 bytes each, from number 1 on; a part that is not there is zeros. */
  readonly measurements: readonly Uint8Array[];
  /** Such as `590.12`. */
  readonly driver: string;
  /** Such as `96.00.A5.00.01`. */
  readonly vbios: string;
  /** Digest of the firmware that holds the signing key, 48 bytes. */
  readonly firmwareId: Uint8Array;
  /** Null where the report does not say it. */
  readonly mode: GpuMode | null;
  /** What the signature covers: the request and the answer to it. */
  readonly signedBytes: Uint8Array;
  /** r and s, 48 bytes each, of ECDSA P-384 with SHA-384. */
  readonly signature: Uint8Array;
}

const SIGNATURE_SIZE = 96;
const DIGEST_SIZE = 48;
const SPDM_1_1 = 0x11;
const CODE = { getMeasurements: 0xe0, measurements: 0x60 } as const;
/** Parameters of the request: sign the answer, measure everything, with the key in slot 0. */
const SIGNED = 0x01;
const ALL_BLOCKS = 0xff;
const DMTF = 0x01;

/**
 * Fields of the opaque data that are looked at, by type. What else there is does not change what these say.
 * Source: NVIDIA attestation-sdk, GpuOpaqueDataType.
 */
const FIELD = { driver: 3, vbios: 6, firmwareId: 20, version: 34, mode: 36 } as const;
const MAX_FIELDS = 64;

/** The version of the opaque data in which the mode stands in its field. */
const OPAQUE_VERSION = 1;

/**
 * Source: NVIDIA attestation-sdk, OpaqueDataFeatureFlag: 0 several GPUs passed through, 1 a single one, 2 protected PCIe. Other readers
 * have 0 and 1 the other way round; the two protect alike, so that nothing here depends on who is right.
 */
const MODES: readonly GpuMode[] = ['passthrough', 'passthrough', 'protected-pcie'];

/**
 * A report from its exact bytes: a GET_MEASUREMENTS request and the MEASUREMENTS answer, signed together.
 * Nothing is verified but the form.
 *
 * Source: DMTF DSP0274 version 1.1.0, section 10.11; integers are little-endian.
 *
 * | offset     | field                     | size      | value            |
 * |------------|---------------------------|-----------|------------------|
 * | 0          | request: version, code    | 2         | 11 e0            |
 * | 2          | signature wanted, blocks  | 2         | 01 ff            |
 * | 4          | nonce                     | 32        |                  |
 * | 36         | slot                      | 1         | 00               |
 * | 37         | answer: version, code     | 2         | 11 60            |
 * | 39         | parameters                | 2         | 00 00            |
 * | 41         | number of blocks          | 1         |                  |
 * | 42         | size of the blocks        | 3         | n                |
 * | 45         | blocks                    | n         | 7 + 48 each      |
 * | 45 + n     | the GPU's own nonce       | 32        |                  |
 * | 77 + n     | size of the opaque data   | 2         | m                |
 * | 79 + n     | opaque data               | m         | type, size, data |
 * | 79 + n + m | signature                 | 96        |                  |
 *
 * @throws EvidenceError bad_gpu_evidence
 */
export function parseGpuReport(bytes: Uint8Array): GpuReport {
  if (bytes.length > MAX_GPU_REPORT_SIZE) throw bad(`of ${bytes.length} bytes, limit ${MAX_GPU_REPORT_SIZE}`);
  try {
    const reader = new ByteReader(bytes, 'gpu report');
    expectBytes(reader, 'request', SPDM_1_1, CODE.getMeasurements, SIGNED, ALL_BLOCKS);
    const nonce = reader.take(32);
    expectBytes(reader, 'request slot', 0);
    expectBytes(reader, 'answer', SPDM_1_1, CODE.measurements, 0, 0);
    const count = reader.uint(1);
    const measurements = readBlocks(reader.take(uintLe(reader.take(3))), count);
    reader.take(32);
    const fields = readFields(reader.take(uintLe(reader.take(2))));
    const signature = reader.take(SIGNATURE_SIZE);
    reader.end();
    return { nonce, measurements, ...describe(fields), signedBytes: bytes.subarray(0, bytes.length - SIGNATURE_SIZE), signature };
  } catch (cause) {
    if (cause instanceof MalformedError) throw bad(`is malformed: ${cause.message}`);
    throw cause;
  }
}

/** Blocks are numbered from 1 without a gap, each with a digest as the DMTF has it. */
function readBlocks(record: Uint8Array, count: number): readonly Uint8Array[] {
  const reader = new ByteReader(record, 'gpu measurements');
  const digests: Uint8Array[] = [];
  for (let index = 1; index <= count; index++) {
    expectBytes(reader, `measurement ${index}`, index, DMTF);
    const size = uintLe(reader.take(2));
    // The kind of the block: a digest of mutable firmware, of configuration and so on, which no reader of NVIDIA's looks at.
    reader.take(1);
    const digestSize = uintLe(reader.take(2));
    if (size !== digestSize + 3 || digestSize !== DIGEST_SIZE) throw bad(`has measurement ${index} of ${digestSize} bytes, expected 48`);
    digests.push(reader.take(DIGEST_SIZE));
  }
  reader.end();
  if (digests.length === 0) throw bad('has no measurements');
  return digests;
}

type Fields = ReadonlyMap<number, Uint8Array>;

function readFields(opaque: Uint8Array): Fields {
  const reader = new ByteReader(opaque, 'gpu fields');
  const fields = new Map<number, Uint8Array>();
  for (let left = opaque.length; left > 0; ) {
    if (fields.size === MAX_FIELDS) throw bad(`has more than ${MAX_FIELDS} fields`);
    const type = uintLe(reader.take(2));
    const data = reader.take(uintLe(reader.take(2)));
    if (fields.has(type)) throw bad(`has field ${type} twice`);
    fields.set(type, data);
    left -= 4 + data.length;
  }
  reader.end();
  return fields;
}

function describe(fields: Fields): Pick<GpuReport, 'driver' | 'vbios' | 'firmwareId' | 'mode'> {
  return {
    driver: readDriver(fieldOf(fields, FIELD.driver)),
    vbios: readVbios(fieldOf(fields, FIELD.vbios, 8)),
    firmwareId: fieldOf(fields, FIELD.firmwareId, DIGEST_SIZE),
    mode: readMode(fields),
  };
}

/** Text with one NUL behind it. */
function readDriver(data: Uint8Array): string {
  const text = String.fromCharCode(...data.subarray(0, -1));
  if (data.at(-1) !== 0 || !/^[0-9]{1,5}(?:\.[0-9]{1,5}){1,3}$/.test(text)) throw bad('has a driver version that is none');
  return text;
}

/**
 * Five bytes of the eight count, the last of them as the first: 00 a5 00 96 01 is 96.00.A5.00.01, as every tool of NVIDIA's writes it.
 * Source: NVIDIA attestation-sdk, get_vbios_version.
 */
function readVbios(data: Uint8Array): string {
  const [d = 0, c = 0, b = 0, a = 0, e = 0] = data;
  if (data.subarray(5).some((byte) => byte !== 0)) throw bad('has a vbios version that is none');
  return [a, b, c, d, e].map((byte) => byte.toString(16).padStart(2, '0').toUpperCase()).join('.');
}

/** Older drivers say nothing of it: they know no version of the data, and no such field. */
function readMode(fields: Fields): GpuMode | null {
  const version = fields.get(FIELD.version);
  if (version === undefined) return null;
  if (version.length !== 2 || uintLe(version) !== OPAQUE_VERSION) throw bad('has fields of an unknown version');
  const flag = fields.get(FIELD.mode);
  if (flag === undefined) return null;
  const mode = flag.length === 2 ? MODES[uintLe(flag)] : undefined;
  if (mode === undefined) throw bad('has an unknown mode');
  return mode;
}

function fieldOf(fields: Fields, type: number, size?: number): Uint8Array {
  const data = fields.get(type);
  if (data === undefined) throw bad(`has no field ${type}`);
  if (size !== undefined && data.length !== size) throw bad(`has field ${type} of ${data.length} bytes, expected ${size}`);
  return data;
}

function expectBytes(reader: ByteReader, what: string, ...expected: readonly number[]): void {
  const found = reader.take(expected.length);
  if (expected.some((byte, i) => found[i] !== byte)) throw bad(`has another ${what} than expected`);
}

function bad(what: string): EvidenceError {
  return new EvidenceError('bad_gpu_evidence', `gpu report ${what}`);
}
