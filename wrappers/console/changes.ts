/** What a root can schedule: asked for, and in words. */
import { codeOf } from '../contract-code';
import type { Change, ChangeKind, GovernanceState, RootParams, ScheduledChange } from '../RootContract';
import { packChange } from '../root-change';
import { parseAddress, parseAmountOrZero, parseDuration, parseWhole } from './answers';
import type { Ask } from './ask';
import type { Found } from './found';
import { Refusal } from './refusal';
import { date, span, ton } from './words';

/** contracts/governance.tact. */
export const MAX_TIMELOCK_SEC = 366 * 86_400;
export const MAX_LISTED = 1_024;

const KINDS: readonly ChangeKind[] = ['params', 'owner', 'guardian', 'timelock', 'code'];

export function askKind(ask: Ask): Promise<ChangeKind> {
  return ask.choice('kind of change', KINDS);
}

/** Asks for the details of a change; `governance` is what is there now. */
export async function askChange(ask: Ask, kind: ChangeKind, governance: GovernanceState): Promise<Change> {
  switch (kind) {
    case 'params':
      return { kind, params: await askParams(ask, governance.params) };
    case 'owner':
      return { kind, owner: await ask.value('address of the new owner', parseAddress) };
    case 'guardian':
      return { kind, guardian: await ask.value('address of the new guardian', parseAddress) };
    case 'timelock':
      return { kind, timelock: await ask.value('new timelock', parseTimelock) };
    case 'code':
      return { kind, code: codeOf('RootContract') };
  }
}

/** Asks for the parameters of a root; `now` are the answers that need no typing. */
export async function askParams(ask: Ask, now: RootParams): Promise<RootParams> {
  const listed = parseWhole(0, MAX_LISTED);
  const amount = (nano: bigint) => ton(nano).split(' ')[0];
  return {
    minProxyStake: await ask.value('smallest stake of a proxy, in TON', parseAmountOrZero, amount(now.minProxyStake)),
    registrationFee: await ask.value('fee for a registration, in TON', parseAmountOrZero, amount(now.registrationFee)),
    minProxyDelay: await ask.value('shortest withdraw delay of a proxy', parseDuration, `${now.minProxyDelay}`),
    maxImages: await ask.value('most images', listed, `${now.maxImages}`),
    maxModels: await ask.value('most models', listed, `${now.maxModels}`),
    maxProxies: await ask.value('most proxies', listed, `${now.maxProxies}`),
  };
}

export function parseTimelock(text: string): number {
  const seconds = parseDuration(text);
  if (seconds > MAX_TIMELOCK_SEC) throw new Refusal(`timelock of ${span(seconds)}, limit ${span(MAX_TIMELOCK_SEC)}`);
  return seconds;
}

/** Refuses what the contract would refuse, and what changes nothing. */
export function requireSensible(change: Change, root: Found<unknown>, governance: GovernanceState): void {
  if (change.kind === 'code' ? change.code.equals(root.code) : packChange(change).equals(packChange(presentOf(change.kind, governance))))
    throw new Refusal(`that is the ${change.kind} already`);
  const address = change.kind === 'owner' ? change.owner : change.kind === 'guardian' ? change.guardian : null;
  if (address?.equals(root.address)) throw new Refusal(`the root cannot be its own ${change.kind}`);
  const other = change.kind === 'owner' ? governance.guardian : governance.owner;
  if (address?.equals(other))
    throw new Refusal(
      `${address} is the ${change.kind === 'owner' ? 'guardian' : 'owner'}: owner and guardian watch each other, so they must differ`,
    );
}

/** The scheduled change of a kind. @throws Refusal when there is none */
export function scheduledChange(governance: GovernanceState, kind: ChangeKind): ScheduledChange {
  const scheduled = governance.changes.get(kind);
  if (scheduled === undefined) throw new Refusal(`no change of ${kind} is scheduled`);
  return scheduled;
}

/** @throws Refusal when it is too early or too late to apply a change */
export function requireDue({ readyAt, lapsesAt }: ScheduledChange, now: number): void {
  if (now < Number(readyAt))
    throw new Refusal(`too early: the change can be applied from ${date(readyAt)}, in ${span(Number(readyAt) - now)}`);
  if (now > Number(lapsesAt)) throw new Refusal(`the change lapsed at ${date(lapsesAt)}: schedule it again`);
}

/** How long a change waits, in seconds. */
export function waitOf(kind: ChangeKind, { timelock }: GovernanceState): number {
  return kind === 'guardian' ? 2 * timelock : timelock;
}

export function changeWords(change: Change): string {
  switch (change.kind) {
    case 'params': {
      const { params } = change;
      return `params: stake at least ${ton(params.minProxyStake)}, fee ${ton(params.registrationFee)}, delay at least ${span(params.minProxyDelay)}, at most ${params.maxImages} images, ${params.maxModels} models, ${params.maxProxies} proxies`;
    }
    case 'owner':
      return `the owner becomes ${change.owner}`;
    case 'guardian':
      return `the guardian becomes ${change.guardian}`;
    case 'timelock':
      return `the timelock becomes ${span(change.timelock)}`;
    case 'code':
      return `the code becomes ${change.code.hash().toString('hex')}`;
  }
}

/** Whether two changes are the same. */
export function isSameChange(a: Change, b: Change): boolean {
  return packChange(a).equals(packChange(b));
}

/** What is in force of a kind, as a change. */
function presentOf(kind: Exclude<ChangeKind, 'code'>, { params, owner, guardian, timelock }: GovernanceState): Change {
  switch (kind) {
    case 'params':
      return { kind, params };
    case 'owner':
      return { kind, owner };
    case 'guardian':
      return { kind, guardian };
    case 'timelock':
      return { kind, timelock };
  }
}
