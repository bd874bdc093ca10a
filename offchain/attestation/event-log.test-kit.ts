/** Writes SYNTHETIC event logs, in the form that firmware writes them: no machine has measured what they say. */
import { createHash } from 'node:crypto';
import { concat, utf8 } from '../core/bytes';

/** One entry. `index` is 0 for MRTD, 1 to 4 for RTMR0 to RTMR3. */
export interface SyntheticEvent {
  readonly index: number;
  readonly type: number;
  readonly data: Uint8Array;
  /** What is measured, where that is not the data. */
  readonly measured?: string;
  /** Digests in place of the one SHA-384. */
  readonly digests?: readonly (readonly [algorithm: number, digest: Uint8Array])[];
}

export const SHA384 = 0x000c;
export const SHA256 = 0x000b;

export function littleEndian(value: number, size: number): Uint8Array {
  return Uint8Array.from({ length: size }, (_, i) => Math.floor(value / 2 ** (8 * i)) % 256);
}

export function utf16(text: string): Uint8Array {
  return concat(...Array.from(`${text}\0`, (char) => littleEndian(char.charCodeAt(0), 2)));
}

/** UEFI_VARIABLE_DATA. */
export function variable(name: string, value: string): Uint8Array {
  const content = utf8(value);
  const nameBytes = utf16(name).subarray(0, -2);
  return concat(new Uint8Array(16).fill(0xaa), littleEndian(name.length, 8), littleEndian(content.length, 8), nameBytes, content);
}

/** UEFI_IMAGE_LOAD_EVENT with a hardware node, a file and the end of its path. */
export function imageLoad(file: string): Uint8Array {
  const name = utf16(file);
  const node = (type: number, subtype: number, data: Uint8Array) =>
    concat(Uint8Array.of(type, subtype), littleEndian(data.length + 4, 2), data);
  const path = concat(node(1, 1, Uint8Array.of(2, 0)), node(4, 4, name), node(0x7f, 0xff, new Uint8Array(0)));
  return concat(new Uint8Array(24), littleEndian(path.length, 8), path);
}

/** Linux's tagged events. */
export function tagged(tag: number, data: Uint8Array): Uint8Array {
  return concat(littleEndian(tag, 4), littleEndian(data.length, 4), data);
}

export interface HeadChanges {
  readonly signature?: string;
  readonly type?: number;
  readonly algorithms?: readonly (readonly [algorithm: number, size: number])[];
  readonly vendorInfo?: string;
}

export function logHead({ signature, type, algorithms, vendorInfo }: HeadChanges = {}): Uint8Array {
  const listed = algorithms ?? [[SHA384, 48]];
  const info = utf8(vendorInfo ?? 'SYNTHETIC');
  const body = concat(
    utf8(signature ?? 'Spec ID Event03\0'),
    littleEndian(0, 4),
    Uint8Array.of(0, 2, 0, 2),
    littleEndian(listed.length, 4),
    ...listed.map(([algorithm, size]) => concat(littleEndian(algorithm, 2), littleEndian(size, 2))),
    Uint8Array.of(info.length),
    info,
  );
  return concat(littleEndian(0, 4), littleEndian(type ?? 3, 4), new Uint8Array(20), littleEndian(body.length, 4), body);
}

export function logEntry({ index, type, data, measured, digests }: SyntheticEvent): Uint8Array {
  const sha384 = createHash('sha384')
    .update(measured === undefined ? data : utf8(measured))
    .digest();
  const listed = digests ?? [[SHA384, sha384] as const];
  return concat(
    littleEndian(index, 4),
    littleEndian(type, 4),
    littleEndian(listed.length, 4),
    ...listed.map(([algorithm, digest]) => concat(littleEndian(algorithm, 2), digest)),
    littleEndian(data.length, 4),
    data,
  );
}

/** A whole log, with the filling that firmware leaves behind it. */
export function writeEventLog(events: readonly SyntheticEvent[], filling = new Uint8Array(300).fill(0xff)): Uint8Array {
  return concat(logHead(), ...events.map(logEntry), filling);
}

/** The start of a TDX guest as its firmware, its boot loader and Linux log it, every part named by its content. */
export const SYNTHETIC_BOOT: readonly SyntheticEvent[] = [
  { index: 1, type: 0x8000000b, data: concat(Uint8Array.of(5), utf8('TdHob'), new Uint8Array(24)), measured: 'two processors, 4 GiB' },
  { index: 1, type: 0x8000000a, data: concat(Uint8Array.of(3), utf8('CFV'), new Uint8Array(16)), measured: 'firmware volume' },
  { index: 1, type: 0x80000001, data: variable('SecureBoot', 'off') },
  { index: 1, type: 0x80000001, data: variable('PK', '') },
  { index: 1, type: 0x80000002, data: variable('BootOrder', '0000') },
  { index: 1, type: 0x0000000a, data: utf8('ACPI DATA\0'), measured: 'acpi tables' },
  { index: 1, type: 0x00000004, data: new Uint8Array(4) },
  { index: 2, type: 0x80000003, data: imageLoad('\\EFI\\BOOT\\BOOTX64.EFI'), measured: 'boot loader 1' },
  { index: 2, type: 0x80000006, data: new Uint8Array(92).fill(1) },
  { index: 2, type: 0x80000007, data: utf8('Exit Boot Services Invocation') },
  { index: 3, type: 0x00000006, data: tagged(0x8f3b22ed, utf16('console=ttyS0 quiet')), measured: 'console=ttyS0 quiet' },
  { index: 3, type: 0x00000006, data: tagged(0x8f3b22ec, utf8('Linux initrd\0')), measured: 'initrd 1' },
];
