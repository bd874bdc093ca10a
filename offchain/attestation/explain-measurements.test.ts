import { createHash } from 'node:crypto';
import { concat, toHex } from '../core/bytes';
import { nodeCrypto } from '../runtime/node-crypto';
import { parseEventLog } from './event-log';
import { SYNTHETIC_BOOT, type SyntheticEvent, writeEventLog } from './event-log.test-kit';
import { type ComponentDifference, differencesBetween, historyOf, RUNTIME_REGISTERS, replayAll } from './explain-measurements';

const CONFIG = createHash('sha384').update('configuration').digest();

const history = (events: readonly SyntheticEvent[]) => historyOf(parseEventLog(writeEventLog(events)), CONFIG);

/** The synthetic boot with the event at `at`, from 0, changed. */
function changed(at: number, change: Partial<SyntheticEvent>): SyntheticEvent[] {
  return SYNTHETIC_BOOT.map((event, i) => (i === at ? { ...event, ...change } : event));
}

/** All differences, each as one line. */
function differences(found: readonly SyntheticEvent[], expected: readonly SyntheticEvent[] = SYNTHETIC_BOOT): string[] {
  const show = (difference: ComponentDifference) => {
    switch (difference.kind) {
      case 'changed':
        return `changed ${difference.found.number}/${difference.expected.number} ${difference.found.component}`;
      case 'added':
        return `added ${difference.found.number} ${difference.found.component}`;
      case 'missing':
        return `missing ${difference.expected.number} ${difference.expected.component}`;
    }
  };
  return RUNTIME_REGISTERS.flatMap((register) =>
    differencesBetween(history(found)[register], history(expected)[register]).map((difference) => `rtmr${register} ${show(difference)}`),
  );
}

describe('replayAll', () => {
  it('extends each register by its events, and RTMR3 by the configuration of the guest', async () => {
    const expected: Uint8Array[] = [0, 1, 2, 3].map(() => new Uint8Array(48));
    const extend = (register: number, digest: Uint8Array) => {
      const value = expected[register] ?? new Uint8Array();
      expected[register] = createHash('sha384').update(concat(value, digest)).digest();
    };
    for (const event of SYNTHETIC_BOOT) {
      const measured = event.measured ?? Buffer.from(event.data);
      extend(event.index - 1, createHash('sha384').update(measured).digest());
    }
    extend(3, CONFIG);
    expect((await replayAll(history(SYNTHETIC_BOOT), nodeCrypto)).map(toHex)).toEqual(expected.map(toHex));
  });

  it('leaves a register at zeros that nothing was measured into', async () => {
    const [rtmr0, , rtmr2] = await replayAll(history(SYNTHETIC_BOOT.slice(0, 8)), nodeCrypto);
    expect(toHex(rtmr2)).toBe('0'.repeat(96));
    expect(toHex(rtmr0)).not.toBe('0'.repeat(96));
  });
});

describe('differencesBetween', () => {
  it('finds none between equal histories', () => {
    expect(differences(SYNTHETIC_BOOT)).toEqual([]);
  });

  it.each<readonly [string, SyntheticEvent[], string[]]>([
    [
      'the shape of the machine',
      changed(0, { measured: 'eight processors' }),
      ["rtmr0 changed 1/1 hand-off tables (the virtual machine's memory and shape): TdHob"],
    ],
    ['a UEFI variable', changed(2, { measured: 'on' }), ['rtmr0 changed 3/3 UEFI variable: SecureBoot']],
    [
      'the boot loader',
      changed(7, { measured: 'boot loader 2' }),
      ['rtmr1 changed 8/8 program started by the firmware (boot loader or kernel): \\EFI\\BOOT\\BOOTX64.EFI'],
    ],
    ['the initial RAM disk', changed(11, { measured: 'initrd 2' }), ['rtmr2 changed 12/12 initial RAM disk']],
  ])('names %s', (_what, found, expected) => {
    expect(differences(found)).toEqual(expected);
  });

  it('names a kernel command line that changed in its words, too', () => {
    const data = SYNTHETIC_BOOT[10]?.data.slice() ?? new Uint8Array();
    data[8] = 'C'.charCodeAt(0);
    expect(differences(changed(10, { data, measured: 'Console' }))).toEqual([
      'rtmr2 changed 11/11 kernel command line: Console=ttyS0 quiet',
    ]);
  });

  it('names what is missing and what is new, and nothing behind it', () => {
    const without = SYNTHETIC_BOOT.filter((_, i) => i !== 3);
    expect(differences(without)).toEqual(['rtmr0 missing 4 UEFI variable: PK']);
    expect(differences(SYNTHETIC_BOOT, without)).toEqual(['rtmr0 added 4 UEFI variable: PK']);
  });

  it('tells a variable that is missing from another one that is new', () => {
    const other = changed(3, { data: SYNTHETIC_BOOT[4]?.data ?? new Uint8Array(), measured: 'other' });
    expect(differences(other)).toEqual(['rtmr0 missing 4 UEFI variable: PK', 'rtmr0 added 4 UEFI variable: BootOrder']);
  });

  it('names what came in another order', () => {
    const [first, second, ...rest] = SYNTHETIC_BOOT;
    if (first === undefined || second === undefined) throw new Error('the synthetic boot is empty');
    expect(differences([second, first, ...rest])).toHaveLength(2);
  });

  it('names another configuration of the guest', () => {
    const [, , , expected] = history(SYNTHETIC_BOOT);
    const [, , , found] = historyOf(parseEventLog(writeEventLog(SYNTHETIC_BOOT)), new Uint8Array(48));
    expect(differencesBetween(found, expected)).toMatchObject([{ kind: 'changed', found: { number: null } }]);
  });
});
