import { isKernelOlderThan } from '../attestation/platform/kernel-release';
import { type Finding, fail, ok, shown, unseen, warn } from './finding';
import type { Machine } from './machine';

/** Where this runs: beside a confidential machine, or in one. */
export type Place = 'host' | 'guest';

const OLDEST_NODE = '20.19';
/** The first with TDX in KVM. Source: Linux 6.16, Documentation/virt/kvm/x86/intel-tdx.rst. */
const OLDEST_HOST_KERNEL = '6.16';
/** The first that extends RTMR3; quotes come from 6.7 on. */
const OLDEST_GUEST_KERNEL = '6.16';
const TDX_PARAMETER = '/sys/module/kvm_intel/parameters/tdx';
/** Where Intel's quote generation service listens unless told otherwise. */
const QUOTING_SOCKET = '/var/run/tdx-qgs/qgs.socket';

/** By the processor's own flag: a TDX guest says that it is one. */
export async function placeOf(machine: Machine): Promise<Place> {
  return (await processorFlags(machine)).has('tdx_guest') ? 'guest' : 'host';
}

export function checkNode({ nodeVersion }: Machine): Finding {
  return isKernelOlderThan(nodeVersion, OLDEST_NODE)
    ? fail('node', `version ${shown(nodeVersion)}`, `install Node ${OLDEST_NODE} or newer`)
    : ok('node', `version ${shown(nodeVersion)}`);
}

export async function checkProcessor(machine: Machine): Promise<Finding> {
  const text = await machine.readText('/proc/cpuinfo');
  if (text === null)
    return unseen('processor', `there is no /proc/cpuinfo on ${shown(machine.platform)}`, 'TDX needs Linux on an Intel Xeon');
  const vendor = fieldOf(text, 'vendor_id') ?? 'unknown vendor';
  const name = `${vendor}, ${fieldOf(text, 'model name') ?? 'unknown model'}`;
  if (vendor !== 'GenuineIntel') return fail('processor', name, 'TDX needs an Intel Xeon, as a rule of the fifth generation or later');
  return ok('processor', name);
}

export function checkKernel({ platform, kernelRelease }: Machine, place: Place): Finding {
  const release = shown(kernelRelease);
  if (platform !== 'linux') return fail('kernel', `${shown(platform)} ${release}`, 'hosts and guests of confidential machines run Linux');
  if (place === 'guest') {
    return isKernelOlderThan(kernelRelease, OLDEST_GUEST_KERNEL)
      ? fail('kernel', release, `use ${OLDEST_GUEST_KERNEL} or newer: before, no process can extend RTMR3`)
      : ok('kernel', release);
  }
  // Distributions carry TDX on older kernels, so that the version alone decides nothing.
  return isKernelOlderThan(kernelRelease, OLDEST_HOST_KERNEL)
    ? warn('kernel', release, `TDX is part of KVM from ${OLDEST_HOST_KERNEL} on; an older kernel needs its distribution's TDX patches`)
    : ok('kernel', release);
}

/** What a host needs to run TDX guests and to make quotes for them. */
export async function checkHostTdx(machine: Machine): Promise<readonly Finding[]> {
  return [await checkKvm(machine), await checkTdxOfHost(machine), await checkQuotingEnclave(machine), await checkQuotingService(machine)];
}

async function checkKvm(machine: Machine): Promise<Finding> {
  return (await machine.exists('/dev/kvm'))
    ? ok('kvm', '/dev/kvm is there')
    : fail('kvm', 'there is no /dev/kvm', 'enable virtualisation in the firmware, and load kvm_intel');
}

async function checkTdxOfHost(machine: Machine): Promise<Finding> {
  const value = await machine.readText(TDX_PARAMETER);
  if (value === null) {
    return fail('tdx', `there is no ${TDX_PARAMETER}`, 'load kvm_intel of a kernel with TDX; on another processor there is none');
  }
  return /^[Y1]/.test(value.trim())
    ? ok('tdx', 'KVM runs TDX guests')
    : fail('tdx', `${TDX_PARAMETER} is ${shown(value)}`, 'enable TDX and the SEAM loader in the firmware, and start with kvm_intel.tdx=1');
}

async function checkQuotingEnclave(machine: Machine): Promise<Finding> {
  const missing: string[] = [];
  for (const path of ['/dev/sgx_enclave', '/dev/sgx_provision']) if (!(await machine.exists(path))) missing.push(path);
  return missing.length === 0
    ? ok('sgx', 'the quoting enclave can run')
    : fail('sgx', `there is no ${missing.join(', no ')}`, 'enable SGX in the firmware: quotes are signed in an SGX enclave of the host');
}

async function checkQuotingService(machine: Machine): Promise<Finding> {
  return (await machine.exists(QUOTING_SOCKET))
    ? ok('quoting', `the quoting service has its socket ${QUOTING_SOCKET}`)
    : warn(
        'quoting',
        `there is no ${QUOTING_SOCKET}`,
        "install and start Intel's tdx-qgs; one that listens on vsock or elsewhere is not seen here",
      );
}

/** A guest's processor says itself that it is TDX. */
export async function checkGuestTdx(machine: Machine): Promise<Finding> {
  return (await processorFlags(machine)).has('tdx_guest')
    ? ok('tdx', 'the processor says that this is a TDX guest')
    : fail('tdx', 'the processor does not say that this is a TDX guest', 'start this machine as a TDX guest; on its host, ask with --host');
}

/** Memory that is swapped out leaves the machine. */
export async function checkSwap(machine: Machine): Promise<Finding> {
  const text = await machine.readText('/proc/swaps');
  if (text === null) return unseen('swap', 'there is no /proc/swaps');
  const areas = text.trim().split('\n').slice(1);
  const outside = areas.filter((line) => !line.startsWith('/dev/zram'));
  if (outside.length === 0) return ok('swap', 'no memory is written to a disk');
  const names = outside.map((line) => line.split(/\s/)[0] ?? '').join(', ');
  return fail(
    'swap',
    `memory may be written to ${shown(names)}`,
    "swapoff -a: a disk is its host's, who then has prompts, keys and the model",
  );
}

async function processorFlags(machine: Machine): Promise<ReadonlySet<string>> {
  const text = (await machine.readText('/proc/cpuinfo')) ?? '';
  return new Set((fieldOf(text, 'flags') ?? '').split(' '));
}

/** The first value of a field of /proc/cpuinfo. */
function fieldOf(text: string, name: string): string | null {
  const line = text.split('\n').find((candidate) => candidate.split(':')[0]?.trim() === name);
  if (line === undefined) return null;
  const value = line.slice(line.indexOf(':') + 1).trim();
  // The flags are long, and are looked at word by word.
  return name === 'flags' ? value : shown(value);
}
