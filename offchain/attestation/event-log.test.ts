import { concat, fromUtf8, utf8 } from '../core/bytes';
import { EvidenceError } from './errors';
import { parseEventLog } from './event-log';
import {
  type HeadChanges,
  imageLoad,
  littleEndian,
  logEntry,
  logHead,
  SHA256,
  SHA384,
  SYNTHETIC_BOOT,
  type SyntheticEvent,
  tagged,
  utf16,
  variable,
  writeEventLog,
} from './event-log.test-kit';
import { componentOf } from './event-names';

const BOTH: HeadChanges['algorithms'] = [
  [SHA256, 32],
  [SHA384, 48],
];
const SEPARATOR: SyntheticEvent = { index: 1, type: 4, data: new Uint8Array(4) };

describe('parseEventLog', () => {
  it('gives registers, types, digests and data of a synthetic log, in order', () => {
    const { events, vendorInfo } = parseEventLog(writeEventLog(SYNTHETIC_BOOT));
    expect(fromUtf8(vendorInfo)).toBe('SYNTHETIC');
    expect(events.map(({ number, register, type }) => [number, register, type])).toEqual(
      SYNTHETIC_BOOT.map(({ index, type }, i) => [i + 1, index - 1, type]),
    );
    expect(events[2]?.data).toEqual(SYNTHETIC_BOOT[2]?.data);
    expect(events.every(({ digest }) => digest.length === 48)).toBe(true);
  });

  it.each([
    ['nothing', new Uint8Array(0)],
    ['0xff', new Uint8Array(1000).fill(0xff)],
    ['zeros', new Uint8Array(1000)],
    ['one zero', new Uint8Array(1)],
  ])('ends where %s is left', (_what, filling) => {
    expect(parseEventLog(writeEventLog(SYNTHETIC_BOOT, filling)).events).toHaveLength(SYNTHETIC_BOOT.length);
  });

  it('leaves out entries that were not measured, and keeps their place in the numbers', () => {
    const note: SyntheticEvent = { index: 0, type: 3, data: utf8('a note'), digests: [] };
    const { events } = parseEventLog(writeEventLog([note, SEPARATOR]));
    expect(events.map(({ number }) => number)).toEqual([2]);
  });

  it('takes the SHA-384 digest among others, and what was measured into MRTD as such', () => {
    const digests = [[SHA256, new Uint8Array(32).fill(1)] as const, [SHA384, new Uint8Array(48).fill(2)] as const];
    const { events } = parseEventLog(concat(logHead({ algorithms: BOTH }), logEntry({ ...SEPARATOR, index: 0, digests })));
    expect(events).toEqual([{ number: 1, register: 'mrtd', type: 4, digest: new Uint8Array(48).fill(2), data: new Uint8Array(4) }]);
  });

  it.each<readonly [string, Uint8Array, RegExp]>([
    ['of nothing', new Uint8Array(0), /needed 4/],
    ['of the older form, without a head', logEntry(SEPARATOR), /./],
    ['with another signature', logHead({ signature: 'Spec ID Event02\0' }), /"Spec ID Event03" is missing/],
    ['whose head is an ordinary event', logHead({ type: 4 }), /"Spec ID Event03" is missing/],
    ['without SHA-384', logHead({ algorithms: [[SHA256, 32]] }), /without SHA-384/],
    ['with a SHA-384 of another size', logHead({ algorithms: [[SHA384, 32]] }), /without SHA-384/],
    ['without algorithms', logHead({ algorithms: [] }), /0 algorithms, expected 1 to 8/],
    ['with more algorithms than there are', logHead({ algorithms: Array.from({ length: 9 }, (_, i) => [i, 1]) }), /9 algorithms/],
    ['whose event names an unknown register', writeEventLog([{ ...SEPARATOR, index: 5 }]), /register 5, expected 0 to 4/],
    ['whose event has no digest', writeEventLog([{ ...SEPARATOR, digests: [] }]), /event 1 has no SHA-384 digest/],
    [
      'whose event has an unknown algorithm',
      writeEventLog([{ ...SEPARATOR, digests: [[SHA256, new Uint8Array(32)]] }]),
      /unknown algorithm 11/,
    ],
    [
      'whose event has more digests than the head',
      writeEventLog([{ ...SEPARATOR, digests: Array.from({ length: 2 }, () => [SHA384, new Uint8Array(48)]) }]),
      /2 digests, limit 1/,
    ],
    [
      'whose event has two SHA-384 digests',
      concat(
        logHead({ algorithms: BOTH }),
        logEntry({ ...SEPARATOR, digests: [1, 2].map((byte) => [SHA384, new Uint8Array(48).fill(byte)]) }),
      ),
      /two SHA-384 digests/,
    ],
    ['that is cut within an event', writeEventLog([SEPARATOR], new Uint8Array(0)).subarray(0, -1), /needed/],
    ['with something else behind it', concat(writeEventLog([SEPARATOR]), Uint8Array.of(1)), /4294967295 digests, limit 1/],
    ['whose event is larger than the log', concat(logHead(), logEntry(SEPARATOR).subarray(0, -8), littleEndian(0xffffffff, 4)), /needed/],
    [
      'of more events than are read',
      concat(logHead(), ...Array.from({ length: 4097 }, () => logEntry(SEPARATOR))),
      /more than 4096 events/,
    ],
    ['of more bytes than are read', new Uint8Array(4 * 1024 * 1024 + 1), /limit 4194304/],
  ])('refuses a log %s (bad_event_log)', (_what, log, message) => {
    expect(() => parseEventLog(log)).toThrow(expect.objectContaining({ code: 'bad_event_log', message: expect.stringMatching(message) }));
  });

  it('ends with a typed error or a log for every cut and every changed byte', () => {
    const log = writeEventLog(SYNTHETIC_BOOT, new Uint8Array(4).fill(0xff));
    const isRefusedOrRead = (bytes: Uint8Array) => {
      try {
        for (const event of parseEventLog(bytes).events) componentOf(event);
        return true;
      } catch (error) {
        return error instanceof EvidenceError;
      }
    };
    for (let at = 0; at < log.length; at++) {
      expect(isRefusedOrRead(log.subarray(0, at))).toBe(true);
      for (const value of [0, 1, 0x7f, 0xff]) {
        const changed = log.slice();
        changed[at] = value;
        expect(isRefusedOrRead(changed)).toBe(true);
      }
    }
  });
});

describe('componentOf', () => {
  const name = (type: number, data: Uint8Array) => componentOf({ number: 1, register: 0, digest: new Uint8Array(48), type, data });

  it('names every component of a synthetic boot', () => {
    expect(parseEventLog(writeEventLog(SYNTHETIC_BOOT)).events.map(componentOf)).toEqual([
      "hand-off tables (the virtual machine's memory and shape): TdHob",
      'firmware volume: CFV',
      'UEFI variable: SecureBoot',
      'UEFI variable: PK',
      'UEFI boot variable: BootOrder',
      "configuration from the virtual machine's host (ACPI tables, fw_cfg): ACPI DATA",
      'separator',
      'program started by the firmware (boot loader or kernel): \\EFI\\BOOT\\BOOTX64.EFI',
      "disk's partition table",
      'step of the firmware: Exit Boot Services Invocation',
      'kernel command line: console=ttyS0 quiet',
      'initial RAM disk',
    ]);
  });

  it.each<readonly [number, Uint8Array, string]>([
    [0x0000000d, utf8('grub_cmd: linux /vmlinuz\0'), 'boot loader: grub_cmd: linux /vmlinuz'],
    [0x00000008, utf16('OVMF 2025'), 'firmware version: OVMF 2025'],
    [0x80000004, imageLoad('\\driver.efi'), 'UEFI driver: \\driver.efi'],
    [0x80000008, new Uint8Array(16), 'firmware volume'],
    [0x80000009, new Uint8Array(16), "hand-off tables (the virtual machine's memory and shape)"],
    [0x800000e0, variable('db', 'key'), 'UEFI key that a program was accepted by: db'],
    [0x00000006, tagged(7, utf8('x')), 'tagged event'],
    [0x12345678, utf8('x'), 'event of type 0x12345678'],
  ])('names type 0x%s', (type, data, expected) => {
    expect(name(type, data)).toBe(expected);
  });

  it('shows no control character and no more than 80 characters of what a log says', () => {
    expect(name(0xd, utf8('\u001b[2Jevil\n'))).toBe('boot loader: ?[2Jevil');
    expect(name(0xd, utf8('x'.repeat(1000)))).toBe(`boot loader: ${'x'.repeat(80)}...`);
    expect(name(0x80000001, variable('\u202e', ''))).toBe('UEFI variable: ?');
  });

  it('names a component without detail where its data are malformed', () => {
    for (const data of [new Uint8Array(0), new Uint8Array(3), new Uint8Array(40).fill(0xff)]) {
      expect(name(0x80000003, data)).toBe('program started by the firmware (boot loader or kernel)');
      expect(name(0x00000006, data)).toBe('tagged event');
    }
    expect(name(0x80000001, new Uint8Array(31))).toBe('UEFI variable');
    expect(name(0x8000000a, new Uint8Array(0))).toBe('firmware volume');
  });
});
