import type { Address, Transaction } from '@ton/core';

/** What the network took in these transactions, in nanoTON. */
export interface Fees {
  /** Rent: out of the account's own balance. */
  readonly storage: bigint;
  /** Everything else, with what messages that left cost on their way. */
  readonly gasAndForwarding: bigint;
  readonly all: bigint;
}

/** @throws when a transaction is not an ordinary one */
export function feesOf(transactions: readonly Transaction[]): Fees {
  let storage = 0n;
  let all = 0n;
  for (const { description, totalFees, outMessages } of transactions) {
    if (description.type !== 'generic') throw new Error(`a ${description.type} transaction`);
    storage += description.storagePhase?.storageFeesCollected ?? 0n;
    all += totalFees.coins;
    // A part of what forwarding costs is for the validators who deliver: it leaves with the message, and is in no total here.
    for (const { info } of outMessages.values()) if (info.type === 'internal') all += info.forwardFee;
  }
  return { storage, gasAndForwarding: all - storage, all };
}

/** Coins that messages from `sender` brought, in nanoTON. */
export function coinsInto(transactions: readonly Transaction[], sender: Address): bigint {
  let sum = 0n;
  for (const { inMessage } of transactions) {
    if (inMessage?.info.type === 'internal' && inMessage.info.src.equals(sender)) sum += inMessage.info.value.coins;
  }
  return sum;
}
