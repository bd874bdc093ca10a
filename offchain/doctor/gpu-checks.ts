import type { CommandOutcome } from '../runtime/run-command';
import { type Finding, fail, ok, shown, unseen, warn } from './finding';
import type { Machine } from './machine';
import type { Place } from './processor-checks';

const PCI_DEVICES = '/sys/bus/pci/devices';
const NVIDIA_VENDOR = '0x10de';
/** Display controllers, 3D controllers among them. */
const DISPLAY_CLASS = /^0x03/;
const DRIVER_VERSION = '/proc/driver/nvidia/version';
/** The first driver whose confidential mode NVIDIA supports. */
const OLDEST_DRIVER = 550;

/** What there is of NVIDIA GPUs, and whether they are fit for a confidential machine. */
export async function checkGpus(machine: Machine, place: Place): Promise<readonly Finding[]> {
  const gpus = await findGpus(machine);
  if (gpus === null) return [unseen('gpu', `there is no ${PCI_DEVICES}`)];
  if (gpus.length === 0) return [unseen('gpu', 'there is no NVIDIA GPU: models run on the processor')];
  return place === 'host' ? [checkGivenAway(gpus)] : checkGpusOfGuest(machine, gpus);
}

interface Gpu {
  readonly address: string;
  /** Null when none has taken it. */
  readonly driver: string | null;
}

async function findGpus(machine: Machine): Promise<readonly Gpu[] | null> {
  const addresses = await machine.list(PCI_DEVICES);
  if (addresses === null) return null;
  const gpus: Gpu[] = [];
  for (const address of addresses) {
    const read = async (name: string) => (await machine.readText(`${PCI_DEVICES}/${address}/${name}`))?.trim() ?? '';
    if ((await read('vendor')) !== NVIDIA_VENDOR || !DISPLAY_CLASS.test(await read('class'))) continue;
    const target = await machine.linkTarget(`${PCI_DEVICES}/${address}/driver`);
    gpus.push({ address, driver: target === null ? null : (target.split('/').at(-1) ?? null) });
  }
  return gpus;
}

/** A host cannot ask a GPU that it has given away for its mode. */
function checkGivenAway(gpus: readonly Gpu[]): Finding {
  const kept = gpus.filter(({ driver }) => driver !== 'vfio-pci');
  if (kept.length === 0) {
    return ok(
      'gpu',
      `${gpus.length} for virtual machines (vfio-pci); their confidential mode shows in the guest, or to nvidia_gpu_tools.py --query-cc-mode`,
    );
  }
  const names = kept.map(({ address, driver }) => `${address} (${driver ?? 'no driver'})`).join(', ');
  return warn(
    'gpu',
    `${kept.length} of ${gpus.length} not given away: ${shown(names)}`,
    'bind a GPU to vfio-pci before a confidential machine can have it',
  );
}

async function checkGpusOfGuest(machine: Machine, gpus: readonly Gpu[]): Promise<readonly Finding[]> {
  const present = ok('gpu', `${gpus.length} NVIDIA GPU${gpus.length === 1 ? '' : 's'}`);
  const driver = await checkDriver(machine);
  if (driver.verdict === 'fail') return [present, driver, unseen('gpu mode', 'not asked: there is no driver that would say')];
  const ask = (question: string) => machine.run('nvidia-smi', ['conf-compute', question]);
  return [
    present,
    driver,
    checkMode(await ask('-f')),
    checkAnswer(
      'gpu keys',
      await ask('-e'),
      'CC Environment',
      'PRODUCTION',
      'use a GPU with production keys: nobody vouches for another one',
    ),
    checkAnswer(
      'gpu tools',
      await ask('-d'),
      'DevTools Mode',
      'OFF',
      'turn the developer mode off on the host: it opens the GPU to its tools',
    ),
    checkReady(await ask('-grs')),
  ];
}

async function checkDriver(machine: Machine): Promise<Finding> {
  const text = await machine.readText(DRIVER_VERSION);
  const remedy = `install NVIDIA's open kernel modules, ${OLDEST_DRIVER} or newer`;
  if (text === null) return fail('gpu driver', `there is no ${DRIVER_VERSION}`, remedy);
  const line = text.split('\n')[0] ?? '';
  const version = /\b([0-9]{3,4})\.[0-9]+(?:\.[0-9]+)?\b/.exec(line);
  const isOpen = line.includes('Open Kernel Module');
  if (version === null) return fail('gpu driver', shown(line), remedy);
  if (!isOpen)
    return fail('gpu driver', `${version[0]}, the closed kernel modules`, `${remedy}: the closed ones know no confidential mode`);
  return Number(version[1]) < OLDEST_DRIVER
    ? fail('gpu driver', version[0], remedy)
    : ok('gpu driver', `${version[0]}, open kernel modules`);
}

/** Several Hopper GPUs are protected together, and then say that the mode of each is off. */
function checkMode(outcome: CommandOutcome | null): Finding {
  const text = answerOf(outcome);
  if (text === null) return notAsked('gpu mode', outcome);
  const mode = /^\s*CC (?:status|state)\s*:\s*(\S+)/im.exec(text)?.[1];
  const group = /^\s*Multi-GPU Mode\s*:\s*(.+)$/im.exec(text)?.[1]?.trim() ?? 'None';
  if (mode?.toUpperCase() === 'ON') return ok('gpu mode', 'confidential mode is on');
  if (/^protected pcie$/i.test(group)) return ok('gpu mode', 'several GPUs, protected together (Protected PCIe)');
  return fail(
    'gpu mode',
    `confidential mode is ${shown(mode ?? 'unknown')}`,
    'turn it on from the host: nvidia_gpu_tools.py --set-cc-mode=on --reset-after-cc-mode-switch',
  );
}

function checkAnswer(item: string, outcome: CommandOutcome | null, field: string, wanted: string, remedy: string): Finding {
  const text = answerOf(outcome);
  if (text === null) return notAsked(item, outcome);
  const line = text.split('\n').find((candidate) => candidate.trim().toLowerCase().startsWith(field.toLowerCase())) ?? '';
  const value = line.slice(line.indexOf(':') + 1).trim();
  if (line === '') return unseen(item, `nvidia-smi does not say "${field}"`);
  return value.toUpperCase() === wanted ? ok(item, `${field}: ${wanted}`) : fail(item, `${field}: ${shown(value)}`, remedy);
}

function checkReady(outcome: CommandOutcome | null): Finding {
  const text = answerOf(outcome);
  if (text === null) return notAsked('gpu ready', outcome);
  return /Ready state\s*:\s*ready\s*$/im.test(text)
    ? ok('gpu ready', 'it takes work')
    : warn('gpu ready', shown(text), 'verify the GPU (nvattest attest), then let it work: nvidia-smi conf-compute -srs 1');
}

function answerOf(outcome: CommandOutcome | null): string | null {
  return outcome?.code === 0 ? outcome.stdout : null;
}

function notAsked(item: string, outcome: CommandOutcome | null): Finding {
  const why =
    outcome === null
      ? 'nvidia-smi is not installed'
      : `nvidia-smi ended with exit code ${outcome.code}: ${outcome.stderr || outcome.stdout}`;
  return unseen(item, shown(why), "install nvidia-smi of the driver's version");
}
