/** Machines as trees of files and answers of tools: what a doctor sees of a TDX host, of a TDX guest, and of anything between. */
import { EmulatedTdx } from '../attestation/platform/emulated-tdx.test-kit';
import type { CommandOutcome } from '../runtime/run-command';
import type { Machine } from './machine';

const CPUINFO = `processor\t: 0
vendor_id\t: GenuineIntel
model name\t: INTEL(R) XEON(R) PLATINUM 8580
flags\t\t: fpu vme tsc tdx_guest avx512f

processor\t: 1
vendor_id\t: GenuineIntel
`;

const GPU = '/sys/bus/pci/devices/0000:17:00.0';
const NETWORK_CARD = '/sys/bus/pci/devices/0000:02:00.0';

export class EmulatedMachine implements Machine {
  platform = 'linux';
  kernelRelease = '6.18.2';
  nodeVersion = '20.19.0';
  readonly kernel = new EmulatedTdx();
  readonly files = new Map<string, string>();
  readonly links = new Map<string, string>();
  /** By command line. */
  readonly answers = new Map<string, CommandOutcome>();

  async readText(path: string): Promise<string | null> {
    return this.files.get(path) ?? null;
  }

  async list(path: string): Promise<readonly string[] | null> {
    const inside = [...this.files.keys()]
      .filter((file) => file.startsWith(`${path}/`))
      .map((file) => file.slice(path.length + 1).split('/')[0] ?? '');
    return inside.length === 0 ? null : [...new Set(inside)].sort();
  }

  async exists(path: string): Promise<boolean> {
    return this.files.has(path);
  }

  async linkTarget(path: string): Promise<string | null> {
    return this.links.get(path) ?? null;
  }

  readonly run = async (file: string, args: readonly string[]): Promise<CommandOutcome | null> =>
    this.answers.get([file, ...args].join(' ')) ?? null;

  answer(question: string, stdout: string, code = 0): void {
    this.answers.set(`nvidia-smi conf-compute ${question}`, { code, stdout, stderr: '' });
  }

  addGpu(driver: string | null, at = GPU): void {
    this.files.set(`${at}/vendor`, '0x10de\n');
    this.files.set(`${at}/class`, '0x030200\n');
    if (driver !== null) this.links.set(`${at}/driver`, `../../../../bus/pci/drivers/${driver}`);
  }
}

/** Everything in order: a host with one GPU given away. */
export function tdxHost(): EmulatedMachine {
  const machine = new EmulatedMachine();
  machine.files.set('/proc/cpuinfo', CPUINFO.replace(' tdx_guest', ''));
  for (const path of ['/dev/kvm', '/dev/sgx_enclave', '/dev/sgx_provision', '/var/run/tdx-qgs/qgs.socket']) machine.files.set(path, '');
  machine.files.set('/sys/module/kvm_intel/parameters/tdx', 'Y\n');
  machine.files.set(`${NETWORK_CARD}/vendor`, '0x8086\n');
  machine.files.set(`${NETWORK_CARD}/class`, '0x020000\n');
  machine.addGpu('vfio-pci');
  return machine;
}

/** Everything in order: a guest with one GPU in confidential mode. */
export function tdxGuest(): EmulatedMachine {
  const machine = new EmulatedMachine();
  machine.files.set('/proc/cpuinfo', CPUINFO);
  machine.files.set('/proc/swaps', 'Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n');
  machine.files.set('/sys/firmware/acpi/tables/data/CCEL', '');
  machine.files.set(
    '/proc/driver/nvidia/version',
    'NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  570.124.06  Release Build  (dvs-builder)\nGCC version: gcc 13\n',
  );
  machine.addGpu('nvidia');
  machine.answer('-f', 'CC status: ON\n');
  machine.answer('-e', 'CC Environment: PRODUCTION\n');
  machine.answer('-d', 'DevTools Mode: OFF\n');
  machine.answer('-grs', 'Confidential Compute GPUs Ready state: ready\n');
  return machine;
}
