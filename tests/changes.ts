import { codeOf } from '../wrappers/contract-code';
import type { Change, ChangeKind, Governance, GovernanceState, ScheduledChange } from '../wrappers/RootContract';
import { packChange } from '../wrappers/root-change';
import { STAKE, type World } from './world';

/** Who is made owner and guardian in these tests. */
export const NEW_OWNER = 'client';
export const NEW_GUARDIAN = 'workerOwner';

export const ALL_KINDS: readonly ChangeKind[] = ['params', 'owner', 'guardian', 'timelock', 'code'];

/** A sound change of each kind. The new code is a WorkerContract's: it knows nothing of a root, and its get_state shows any data. */
export function changeOf(kind: ChangeKind, world: World): Change {
  switch (kind) {
    case 'params':
      return { kind, params: { ...world.governance.params, minProxyStake: 2n * STAKE, maxImages: 7 } };
    case 'owner':
      return { kind, owner: world.party(NEW_OWNER).address };
    case 'guardian':
      return { kind, guardian: world.party(NEW_GUARDIAN).address };
    case 'timelock':
      return { kind, timelock: 1_000 };
    case 'code':
      return { kind, code: codeOf('WorkerContract') };
  }
}

/** Another sound change of the same kind. */
export function otherChangeOf(kind: ChangeKind, world: World): Change {
  switch (kind) {
    case 'params':
      return { kind, params: { ...world.governance.params, registrationFee: 0n } };
    case 'owner':
      return { kind, owner: world.party('stranger').address };
    case 'guardian':
      return { kind, guardian: world.party('stranger').address };
    case 'timelock':
      return { kind, timelock: 2_000 };
    case 'code':
      return { kind, code: codeOf('ClientContract') };
  }
}

/** What governs once the change is applied. */
export function governedAfter(change: Change, before: Governance): Governance {
  switch (change.kind) {
    case 'params':
      return { ...before, params: change.params };
    case 'owner':
      return { ...before, owner: change.owner };
    case 'guardian':
      return { ...before, guardian: change.guardian };
    case 'timelock':
      return { ...before, timelock: change.timelock };
    case 'code':
      return before;
  }
}

/** Governance as values that can be compared: addresses as text, a change by the hash of its cell. */
export function plain({ owner, guardian, networkId, timelock, params, changes }: Governance & Partial<GovernanceState>) {
  return {
    owner: owner.toRawString(),
    guardian: guardian.toRawString(),
    networkId,
    timelock,
    params,
    changes: [...(changes ?? [])].map(([kind, scheduled]) => plainChange(kind, scheduled)),
  };
}

export function plainChange(kind: ChangeKind, { change, readyAt, lapsesAt }: ScheduledChange) {
  return { kind, change: packChange(change).hash().toString('hex'), readyAt, lapsesAt };
}
