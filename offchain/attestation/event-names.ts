import { uintLe } from '../core/bytes';
import { printable } from '../core/printable';
import type { LoggedEvent } from './event-log';

/** Longest text of a log that is shown. */
const MAX_SHOWN = 80;

/**
 * The component that an event measures, as one line for people. What it says comes from the log, which nothing proves: the digest alone
 * is measured.
 *
 * Source of the types: TCG PC Client Platform Firmware Profile 1.06, section 10.4.1; of the tags: Linux, include/linux/efi.h.
 */
export function componentOf({ type, data }: LoggedEvent): string {
  switch (type) {
    case 0x0000_0004:
      return 'separator';
    case 0x0000_0005:
    case 0x8000_0007:
      return withDetail('step of the firmware', ascii(data));
    case 0x0000_0006:
      return taggedComponent(data);
    case 0x0000_0008:
      return withDetail('firmware version', utf16(data));
    case 0x0000_000a:
      return withDetail("configuration from the virtual machine's host (ACPI tables, fw_cfg)", ascii(data));
    case 0x0000_000d:
      return withDetail('boot loader', ascii(data));
    case 0x8000_0001:
      return withDetail('UEFI variable', variableName(data));
    case 0x8000_0002:
    case 0x8000_000c:
      return withDetail('UEFI boot variable', variableName(data));
    case 0x8000_0003:
      return withDetail('program started by the firmware (boot loader or kernel)', imageFile(data));
    case 0x8000_0004:
    case 0x8000_0005:
      return withDetail('UEFI driver', imageFile(data));
    case 0x8000_0006:
      return "disk's partition table";
    case 0x8000_0008:
      return 'firmware volume';
    case 0x8000_000a:
      return withDetail('firmware volume', ascii(lengthPrefixed(data)));
    case 0x8000_0009:
      return "hand-off tables (the virtual machine's memory and shape)";
    case 0x8000_000b:
      return withDetail("hand-off tables (the virtual machine's memory and shape)", ascii(lengthPrefixed(data)));
    case 0x8000_00e0:
      return withDetail('UEFI key that a program was accepted by', variableName(data));
    default:
      return `event of type 0x${type.toString(16).padStart(8, '0')}`;
  }
}

function taggedComponent(data: Uint8Array): string {
  switch (data.length < 8 ? 0 : uintLe(data.subarray(0, 4))) {
    case 0x8f3b_22ec:
      return 'initial RAM disk';
    case 0x8f3b_22ed:
      return withDetail('kernel command line', utf16(data.subarray(8)));
    default:
      return 'tagged event';
  }
}

function withDetail(name: string, detail: string): string {
  return detail === '' ? name : `${name}: ${detail}`;
}

/** Name in a UEFI_VARIABLE_DATA: GUID 16, name length in characters 8, data length 8, name in UTF-16, data. */
function variableName(data: Uint8Array): string {
  if (data.length < 32) return '';
  return utf16(data.subarray(32, 32 + 2 * Math.min(uintLe(data.subarray(16, 24)), MAX_SHOWN + 1)));
}

/**
 * The file in a UEFI_IMAGE_LOAD_EVENT: location, length and link address of 8 bytes each, path length 8, device path. A node of the path
 * is type 1, subtype 1, length 2, data; a file's is type 4, subtype 4, in UTF-16.
 */
function imageFile(data: Uint8Array): string {
  const path = data.subarray(32);
  for (let at = 0; at + 4 <= path.length; ) {
    const size = uintLe(path.subarray(at + 2, at + 4));
    if (size < 4) return '';
    if (path[at] === 4 && path[at + 1] === 4) return utf16(path.subarray(at + 4, at + size));
    at += size;
  }
  return '';
}

/** Bytes behind their length of one byte. */
function lengthPrefixed(data: Uint8Array): Uint8Array {
  return data.subarray(1, 1 + (data[0] ?? 0));
}

function ascii(bytes: Uint8Array): string {
  return shown(String.fromCharCode(...bytes.subarray(0, MAX_SHOWN + 1)));
}

function utf16(bytes: Uint8Array): string {
  const units = Math.min(bytes.length >> 1, MAX_SHOWN + 1);
  return shown(String.fromCharCode(...Array.from({ length: units }, (_, i) => uintLe(bytes.subarray(2 * i, 2 * i + 2)))));
}

/** What is there up to the first zero. */
function shown(text: string): string {
  const [line = ''] = text.split('\0');
  return printable(line.trim(), MAX_SHOWN);
}
