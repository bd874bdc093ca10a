import { randomBytes } from 'node:crypto';
import { extended, RTMR3, readRtmr3 } from '../attestation/platform/runtime-register';
import { type TakenQuote, TSM_REPORTS, TsmReports } from '../attestation/platform/tsm-report';
import { equal } from '../core/bytes';
import { CocoonError, messageOf } from '../core/errors';
import { imageConfigDigest } from '../guest/guest-image';
import { type Finding, fail, ok, shown, unseen, warn } from './finding';
import type { Machine } from './machine';

const EVENT_LOG = '/sys/firmware/acpi/tables/data/CCEL';
/** Bit 0 of the TD's attributes. Source: Intel TDX Module ABI, ATTRIBUTES. */
const DEBUG_BIT = 1;
const REGISTER_SIZE = 48;

/** What a guest needs to make evidence: reports, a quote, its register, its log. A quote is made, which takes a second, and is forgotten. */
export async function checkEvidence(machine: Machine): Promise<readonly Finding[]> {
  const reports = new TsmReports(machine.kernel, machine.kernelRelease);
  const configfs = await checkReports(reports);
  const quoting = configfs.verdict === 'ok' ? await checkQuote(reports) : [unseen('quote', 'not tried: there are no reports')];
  return [configfs, ...quoting, await checkRegister(machine), await checkEventLog(machine)];
}

async function checkReports(reports: TsmReports): Promise<Finding> {
  try {
    await reports.requireTdx();
    return ok('configfs', `${TSM_REPORTS} makes TDX reports`);
  } catch (error) {
    return failure('configfs', error, 'run as root in a TDX guest with configfs mounted and module tdx_guest loaded');
  }
}

async function checkQuote(reports: TsmReports): Promise<readonly Finding[]> {
  let quote: TakenQuote;
  try {
    quote = await reports.quote(randomBytes(64));
  } catch (error) {
    return [
      failure(
        'quote',
        error,
        "start the host's quoting service and give this machine its quote generation socket; `cocoon doctor --host` there",
      ),
    ];
  }
  const isDebug = ((quote.td.tdAttributes[0] ?? 0) & DEBUG_BIT) !== 0;
  return [
    ok('quote', `the host made one of ${quote.bytes.length} bytes; whether it verifies, clients decide`),
    isDebug
      ? fail('debug', 'this machine was started with debugging: its host reads its memory', 'start it without the debug attribute')
      : ok('debug', 'the host cannot debug this machine'),
  ];
}

async function checkRegister(machine: Machine): Promise<Finding> {
  let value: Uint8Array;
  try {
    value = await readRtmr3(machine.kernel, machine.kernelRelease);
  } catch (error) {
    return failure('rtmr3', error, `use kernel 6.16 or newer in a TDX guest, and run as root; the file is ${RTMR3}`);
  }
  const nothing = new Uint8Array(REGISTER_SIZE);
  if (equal(value, nothing)) return ok('rtmr3', 'measures nothing yet: the guest measures its configuration when it starts');
  if (equal(value, extended(nothing, imageConfigDigest()))) return ok('rtmr3', "measures this version's configuration");
  return fail(
    'rtmr3',
    'measures something else than this version of the guest',
    'start the machine again: a register is never cleared otherwise',
  );
}

async function checkEventLog(machine: Machine): Promise<Finding> {
  return (await machine.exists(EVENT_LOG))
    ? ok('event log', `${EVENT_LOG} is there: cocoon explain-hash reads it`)
    : warn('event log', `there is no ${EVENT_LOG}`, 'the firmware keeps no log: without one nobody can say why an image hash differs');
}

function failure(item: string, error: unknown, remedy: string): Finding {
  if (!(error instanceof CocoonError)) throw error;
  return fail(item, shown(messageOf(error)), remedy);
}
