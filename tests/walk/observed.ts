/** What a transaction says of itself: the parts that a model cannot know (gas, carriage, rent), and how it ended. */
import type { Message, Transaction } from '@ton/core';
import { known } from '../world';

export type Verdict =
  | { readonly type: 'accepted' }
  | { readonly type: 'refused'; readonly exitCode: number }
  /** Too little came for the gas. */
  | { readonly type: 'starved' }
  /** No code here. */
  | { readonly type: 'absent'; readonly reason?: string }
  | { readonly type: 'action failed'; readonly resultCode: number };

export interface Observed {
  readonly verdict: Verdict;
  readonly rent: bigint;
  /** What was still owed by the account and came out of the message's coins. */
  readonly due: bigint;
  /** All fees but the rent and what forwarding costs further on. */
  readonly gasFees: bigint;
  /** Everything that sending cost. */
  readonly forwardFees: bigint;
  readonly isBounced: boolean;
  /** Whether rent has just taken the contract its code. */
  readonly isFreezing: boolean;
  /** Whether there is no account any more. */
  readonly isDestroyed: boolean;
  /** Whether it went because, frozen, it owed more rent than the chain puts up with. */
  readonly isOverdue: boolean;
  readonly internals: readonly Message[];
  readonly externals: readonly Message[];
  /** Fees, and what the messages that were sent still pay on their way. */
  readonly allFees: bigint;
}

const OUT_OF_GAS: readonly number[] = [-14, 13];

export function observe({ description, outMessages, totalFees, endStatus }: Transaction): Observed {
  if (description.type !== 'generic') throw new Error(`a transaction of type ${description.type}`);
  const { computePhase, actionPhase, storagePhase, creditPhase, bouncePhase } = description;
  const messages = [...outMessages.values()];
  const internals = messages.filter(({ info }) => info.type === 'internal');
  const onTheWay = internals.reduce((sum, { info }) => sum + (info.type === 'internal' ? info.forwardFee : 0n), 0n);
  const rent = storagePhase?.storageFeesCollected ?? 0n;
  const due = creditPhase?.dueFeesColelcted ?? 0n;
  const forwardFees = actionPhase?.totalFwdFees ?? 0n;
  const verdict = ((): Verdict => {
    if (computePhase.type === 'skipped')
      return computePhase.reason === 'no-gas' ? { type: 'starved' } : { type: 'absent', reason: computePhase.reason };
    if (OUT_OF_GAS.includes(computePhase.exitCode)) return { type: 'starved' };
    if (!computePhase.success) return { type: 'refused', exitCode: computePhase.exitCode };
    const action = known(actionPhase ?? undefined);
    return action.success ? { type: 'accepted' } : { type: 'action failed', resultCode: action.resultCode };
  })();
  return {
    verdict,
    rent,
    due,
    gasFees: computePhase.type === 'vm' ? computePhase.gasFees : 0n,
    forwardFees,
    isBounced: bouncePhase?.type === 'ok',
    isFreezing: storagePhase?.statusChange === 'frozen',
    isDestroyed: endStatus === 'non-existing',
    isOverdue: storagePhase?.statusChange === 'deleted',
    internals,
    externals: messages.filter(({ info }) => info.type === 'external-out'),
    allFees: totalFees.coins + onTheWay,
  };
}

export function coinsOf({ info }: Message): bigint {
  return info.type === 'internal' ? info.value.coins : 0n;
}
