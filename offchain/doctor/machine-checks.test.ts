import { extended } from '../attestation/platform/runtime-register';
import { imageConfigDigest } from '../guest/guest-image';
import { type EmulatedMachine, tdxGuest, tdxHost } from './emulated-machine.test-kit';
import { examine } from './examine';
import { type Finding, formatFindings, isHealthy, shown, type Verdict } from './finding';
import { thisMachine } from './machine';
import type { NetworkReach } from './network-checks';
import { type Place, placeOf } from './processor-checks';

const NO_NETWORK: NetworkReach = {
  latestBlock: () => Promise.reject(new RangeError('not asked')),
  getAccount: () => Promise.reject(new RangeError('not asked')),
  greet: () => Promise.reject(new RangeError('not asked')),
  get: () => Promise.reject(new RangeError('not asked')),
  nowSec: 0,
};

function findings(machine: EmulatedMachine, place: Place): Promise<readonly Finding[]> {
  return examine({ place, network: null, pccs: null }, machine, NO_NETWORK);
}

async function find(machine: EmulatedMachine, place: Place, item: string): Promise<Finding> {
  const found = (await findings(machine, place)).find((finding) => finding.item === item);
  if (found === undefined) throw new Error(`nothing was found of ${item}`);
  return found;
}

/** Name of what was changed, the change, the item, its verdict, its words and its remedy. */
type Case = readonly [string, (machine: EmulatedMachine) => void, string, Verdict, RegExp, RegExp | null];

async function expectFinding(machine: EmulatedMachine, place: Place, [, change, item, verdict, words, remedy]: Case): Promise<void> {
  change(machine);
  const found = await find(machine, place, item);
  expect(found).toMatchObject({ verdict, words: expect.stringMatching(words) });
  if (remedy === null) expect(found.remedy).toBeNull();
  else expect(found.remedy).toMatch(remedy);
}

describe('what a doctor finds of a host', () => {
  it('is in order where everything is', async () => {
    const found = await findings(tdxHost(), 'host');
    expect(found.filter(({ verdict }) => verdict !== 'ok').map(({ item }) => item)).toEqual(['pccs']);
    expect(found.map(({ item }) => item)).toEqual(['node', 'processor', 'kernel', 'kvm', 'tdx', 'sgx', 'quoting', 'gpu', 'pccs']);
  });

  const cases: readonly Case[] = [
    [
      'an old Node',
      (m) => {
        m.nodeVersion = '18.20.1';
      },
      'node',
      'fail',
      /18\.20\.1/,
      /install Node 20\.19/,
    ],
    [
      'a processor of AMD',
      (m) => m.files.set('/proc/cpuinfo', 'vendor_id\t: AuthenticAMD\nmodel name\t: AMD EPYC'),
      'processor',
      'fail',
      /AMD EPYC/,
      /Intel Xeon/,
    ],
    ['no /proc', (m) => m.files.delete('/proc/cpuinfo'), 'processor', 'unseen', /no \/proc\/cpuinfo/, /Linux/],
    [
      'a strange processor name',
      (m) => m.files.set('/proc/cpuinfo', 'vendor_id: \u001b[2J'),
      'processor',
      'fail',
      /^\?\[2J, unknown model$/,
      /./,
    ],
    [
      'an old kernel',
      (m) => {
        m.kernelRelease = '6.8.0-1024-intel';
      },
      'kernel',
      'warn',
      /6\.8\.0/,
      /TDX patches/,
    ],
    [
      'another system',
      (m) => {
        m.platform = 'darwin';
      },
      'kernel',
      'fail',
      /darwin/,
      /Linux/,
    ],
    ['no KVM', (m) => m.files.delete('/dev/kvm'), 'kvm', 'fail', /no \/dev\/kvm/, /virtualisation/],
    ['KVM without TDX', (m) => m.files.delete('/sys/module/kvm_intel/parameters/tdx'), 'tdx', 'fail', /there is no/, /load kvm_intel/],
    [
      'TDX turned off',
      (m) => m.files.set('/sys/module/kvm_intel/parameters/tdx', 'N\n'),
      'tdx',
      'fail',
      /is N/,
      /SEAM loader.*kvm_intel\.tdx=1/,
    ],
    ['no SGX', (m) => m.files.delete('/dev/sgx_provision'), 'sgx', 'fail', /no \/dev\/sgx_provision/, /enable SGX/],
    ['no quoting service', (m) => m.files.delete('/var/run/tdx-qgs/qgs.socket'), 'quoting', 'warn', /no \/var\/run/, /tdx-qgs/],
    ['a GPU that the host keeps', (m) => m.addGpu('nvidia'), 'gpu', 'warn', /1 of 1 not given away: 0000:17:00\.0 \(nvidia\)/, /vfio-pci/],
    ['a GPU without a driver', (m) => m.links.clear(), 'gpu', 'warn', /no driver/, /vfio-pci/],
    [
      'two GPUs, one kept',
      (m) => m.addGpu('nouveau', '/sys/bus/pci/devices/0000:18:00.0'),
      'gpu',
      'warn',
      /1 of 2.*0000:18:00\.0 \(nouveau\)/,
      /vfio-pci/,
    ],
    ['no GPU', (m) => m.files.set('/sys/bus/pci/devices/0000:17:00.0/vendor', '0x1002'), 'gpu', 'unseen', /no NVIDIA GPU/, null],
    [
      'an NVIDIA device that is none',
      (m) => m.files.set('/sys/bus/pci/devices/0000:17:00.0/class', '0x040300'),
      'gpu',
      'unseen',
      /no NVIDIA GPU/,
      null,
    ],
  ];
  it.each(cases)('tells %s', async (...change) => {
    await expectFinding(tdxHost(), 'host', change);
  });

  it('is nothing where there is no PCI', async () => {
    const machine = tdxHost();
    for (const path of [...machine.files.keys()]) if (path.startsWith('/sys/bus')) machine.files.delete(path);
    expect(await find(machine, 'host', 'gpu')).toMatchObject({ verdict: 'unseen', words: 'there is no /sys/bus/pci/devices' });
  });
});

describe('what a doctor finds of a guest', () => {
  it('is in order where everything is, with a quote that the host made, and leaves nothing behind', async () => {
    const machine = tdxGuest();
    const found = await findings(machine, 'guest');
    expect(found.filter(({ verdict }) => verdict !== 'ok').map(({ item }) => item)).toEqual(['pccs']);
    expect(found.map(({ item }) => item)).toEqual([
      'node',
      'processor',
      'kernel',
      'tdx',
      'swap',
      'configfs',
      'quote',
      'debug',
      'rtmr3',
      'event log',
      'gpu',
      'gpu driver',
      'gpu mode',
      'gpu keys',
      'gpu tools',
      'gpu ready',
      'pccs',
    ]);
    expect(machine.kernel.entries.size).toBe(0);
    expect(machine.kernel.operations).not.toContain('write rtmr3:sha384');
  });

  it('knows the register of a guest that runs', async () => {
    const machine = tdxGuest();
    machine.kernel.rtmr3 = extended(new Uint8Array(48), imageConfigDigest());
    expect(await find(machine, 'guest', 'rtmr3')).toMatchObject({ verdict: 'ok', words: expect.stringContaining("this version's") });
  });

  const cases: readonly Case[] = [
    [
      'an old kernel',
      (m) => {
        m.kernelRelease = '6.12.0';
      },
      'kernel',
      'fail',
      /6\.12/,
      /no process can extend RTMR3/,
    ],
    ['no TDX', (m) => m.files.set('/proc/cpuinfo', 'flags: fpu not_tdx_guest'), 'tdx', 'fail', /does not say/, /--host/],
    [
      'swap on a disk',
      (m) => m.files.set('/proc/swaps', 'Filename Type\n/dev/zram0 partition\n/dev/vda2\tpartition 1 0 -2\n'),
      'swap',
      'fail',
      /written to \/dev\/vda2$/,
      /swapoff -a/,
    ],
    ['swap in memory', (m) => m.files.set('/proc/swaps', 'Filename Type\n/dev/zram0 partition\n'), 'swap', 'ok', /no memory/, null],
    ['no /proc/swaps', (m) => m.files.delete('/proc/swaps'), 'swap', 'unseen', /there is no/, null],
    [
      'configfs that is not mounted',
      (m) => m.kernel.folders.set('/sys/kernel/config', []) && m.kernel.folders.delete('/sys/kernel/config/tsm/report'),
      'configfs',
      'fail',
      /mount -t configfs/,
      /run as root/,
    ],
    [
      'another provider',
      (m) => {
        m.kernel.provider = 'sev_guest';
      },
      'configfs',
      'fail',
      /sev_guest/,
      /TDX guest/,
    ],
    ['no right', (m) => m.kernel.failures.set('make entry', 'EACCES'), 'quote', 'unseen', /not tried/, null],
    [
      'a host without a quoting service',
      (m) => m.kernel.failures.set('read outblob', 'EIO'),
      'quote',
      'fail',
      /GetQuote failed/,
      /doctor --host/,
    ],
    [
      'a host that answers nonsense',
      (m) => {
        m.kernel.answer = () => new Uint8Array(100).fill(1);
      },
      'quote',
      'fail',
      /quote/,
      /doctor --host/,
    ],
    [
      'a register of another image',
      (m) => {
        m.kernel.rtmr3 = new Uint8Array(48).fill(1);
      },
      'rtmr3',
      'fail',
      /something else/,
      /start the machine again/,
    ],
    ['no register', (m) => m.kernel.failures.set('read rtmr3:sha384', 'ENOENT'), 'rtmr3', 'fail', /there is no/, /6\.16/],
    ['no event log', (m) => m.files.delete('/sys/firmware/acpi/tables/data/CCEL'), 'event log', 'warn', /there is no/, /keeps no log/],
    ['no driver', (m) => m.files.delete('/proc/driver/nvidia/version'), 'gpu driver', 'fail', /there is no/, /open kernel modules, 550/],
    ['no driver, for the mode', (m) => m.files.delete('/proc/driver/nvidia/version'), 'gpu mode', 'unseen', /not asked/, null],
    [
      'the closed driver',
      (m) => m.files.set('/proc/driver/nvidia/version', 'NVRM version: NVIDIA UNIX x86_64 Kernel Module  570.124.06  x'),
      'gpu driver',
      'fail',
      /570\.124\.06, the closed/,
      /no confidential mode/,
    ],
    [
      'an old driver',
      (m) => m.files.set('/proc/driver/nvidia/version', 'NVIDIA UNIX Open Kernel Module for x86_64  535.104.05  x'),
      'gpu driver',
      'fail',
      /^535\.104\.05$/,
      /550 or newer/,
    ],
    ['a driver without a version', (m) => m.files.set('/proc/driver/nvidia/version', 'text'), 'gpu driver', 'fail', /^text$/, /550/],
    ['a GPU without its mode', (m) => m.answer('-f', 'CC status: OFF\n'), 'gpu mode', 'fail', /is OFF/, /--set-cc-mode=on/],
    ['a mode of development', (m) => m.answer('-f', 'CC status: DEVTOOLS\n'), 'gpu mode', 'fail', /is DEVTOOLS/, /--set-cc-mode=on/],
    ['a mode in other words', (m) => m.answer('-f', '  CC State : ON\n  Multi-GPU Mode : None\n'), 'gpu mode', 'ok', /is on/, null],
    [
      'eight GPUs that are protected together',
      (m) => m.answer('-f', 'CC State: OFF\nMulti-GPU Mode: Protected PCIe\n'),
      'gpu mode',
      'ok',
      /Protected PCIe/,
      null,
    ],
    ['an answer about something else', (m) => m.answer('-f', 'No devices were found\n'), 'gpu mode', 'fail', /is unknown/, /./],
    ['no nvidia-smi', (m) => m.answers.clear(), 'gpu mode', 'unseen', /not installed/, /install nvidia-smi/],
    ['an nvidia-smi that fails', (m) => m.answer('-f', 'mismatch', 18), 'gpu mode', 'unseen', /exit code 18: mismatch/, /driver's version/],
    ['keys of development', (m) => m.answer('-e', 'CC Environment: INTERNAL\n'), 'gpu keys', 'fail', /INTERNAL/, /production keys/],
    ['an answer without keys', (m) => m.answer('-e', '\n'), 'gpu keys', 'unseen', /does not say/, null],
    ['tools of development', (m) => m.answer('-d', 'DevTools Mode: ON\n'), 'gpu tools', 'fail', /ON/, /turn the developer mode off/],
    [
      'a GPU that is not ready',
      (m) => m.answer('-grs', 'Confidential Compute GPUs Ready state: not-ready\n'),
      'gpu ready',
      'warn',
      /not-ready/,
      /-srs 1/,
    ],
  ];
  it.each(cases)('tells %s', async (...change) => {
    await expectFinding(tdxGuest(), 'guest', change);
  });

  it('tells a machine that its host can debug', async () => {
    const machine = tdxGuest();
    const proper = machine.kernel.answer;
    machine.kernel.answer = (data) => {
      const quote = Uint8Array.from(proper(data));
      quote[48 + 120] = 1; // the attributes, behind header and 120 bytes of the body
      return quote;
    };
    expect(await find(machine, 'guest', 'debug')).toMatchObject({ verdict: 'fail', remedy: expect.stringContaining('debug attribute') });
  });
});

describe('a doctor', () => {
  it('tells a guest from a host by the processor', async () => {
    expect(await placeOf(tdxGuest())).toBe('guest');
    expect(await placeOf(tdxHost())).toBe('host');
  });

  it('looks at this machine without an error, whatever it is', async () => {
    for (const place of ['host', 'guest'] as const) {
      const found = await examine({ place, network: null, pccs: null }, thisMachine(), NO_NETWORK);
      expect(found.find(({ item }) => item === 'node')?.words).toBe(`version ${process.versions.node}`);
      expect(found.every(({ words }) => words !== '')).toBe(true);
    }
  });

  it('writes item, verdict and remedy, and counts what was not seen apart', () => {
    const found: readonly Finding[] = [
      { item: 'kvm', verdict: 'ok', words: 'there', remedy: null },
      { item: 'quoting', verdict: 'warn', words: 'no socket', remedy: 'start it' },
      { item: 'tdx', verdict: 'fail', words: 'off', remedy: 'turn it on' },
      { item: 'gpu', verdict: 'unseen', words: 'none', remedy: null },
    ];
    expect(formatFindings(found)).toBe(
      [
        '  ok    kvm      there',
        '  WARN  quoting  no socket',
        '                 -> start it',
        '  FAIL  tdx      off',
        '                 -> turn it on',
        '   -    gpu      none',
        '',
        '1 ok, 1 to look at, 1 failed, 1 not seen',
        '',
      ].join('\n'),
    );
    expect(isHealthy(found)).toBe(false);
    expect(isHealthy(found.slice(0, 2))).toBe(true);
  });

  it('shows text of the system as one short printable line', () => {
    expect(shown(' a\n\tb\u0007 ')).toBe('a b?');
    expect(shown('x'.repeat(1000))).toHaveLength(160);
  });
});
