import type { Address, CommonMessageInfoInternal, Message, Transaction } from '@ton/core';
import { exitCodeName } from '../../wrappers/errors';
import { opcodeName } from '../../wrappers/opcodes';
import { formatTon } from '../core/money';

/** One message between accounts. */
export interface Transfer {
  readonly from: Address;
  readonly to: Address;
  readonly valueNano: bigint;
  /** Name of our message; `comment`, `transfer` (no body), or its tag in hex. */
  readonly op: string;
  readonly isBounced: boolean;
}

export interface TransactionSummary {
  readonly lt: bigint;
  /** Base64. */
  readonly hash: string;
  readonly atSec: number;
  /** What came in; null for an external message or none. */
  readonly incoming: Transfer | null;
  readonly outgoing: readonly Transfer[];
  /** Name or number of the exit code of the first phase that failed; null when all went well. */
  readonly failure: string | null;
  /** What the network took from this account: storage, gas, actions, and the forwarding of the messages that it sent. */
  readonly feesNano: bigint;
}

/** The balance of an account changes by exactly `incoming.valueNano` less `outgoing` values less `feesNano`. */
export function summarize(transaction: Transaction): TransactionSummary {
  const sent = transaction.outMessages
    .values()
    .flatMap((message) => (message.info.type === 'internal' ? [{ message, info: message.info }] : []));
  const incoming = transaction.inMessage;
  return {
    lt: transaction.lt,
    hash: transaction.hash().toString('base64'),
    atSec: transaction.now,
    incoming: incoming?.info.type === 'internal' ? toTransfer(incoming, incoming.info) : null,
    outgoing: sent.map(({ message, info }) => toTransfer(message, info)),
    failure: failureOf(transaction),
    feesNano: sent.reduce((sum, { info }) => sum + info.forwardFee + info.ihrFee, transaction.totalFees.coins),
  };
}

/**
 * One line for a person, such as `operator -> client channel: operatorClientCharge 0.05 TON; client channel -> proxy: transfer 1.2 TON`.
 * `nameOf` gives an account's name; undefined shows the short address.
 */
export function explain(summary: TransactionSummary, nameOf: (address: Address) => string | undefined): string {
  const name = (address: Address) => nameOf(address) ?? shortAddress(address);
  const line = (transfer: Transfer) =>
    `${name(transfer.from)} -> ${name(transfer.to)}: ${transfer.isBounced ? 'bounced ' : ''}${transfer.op} ${formatTon(transfer.valueNano)} TON`;
  const transfers = [...(summary.incoming === null ? [] : [summary.incoming]), ...summary.outgoing];
  const parts = transfers.map(line);
  if (summary.failure !== null) parts.push(`failed: ${summary.failure}`);
  parts.push(`fees ${formatTon(summary.feesNano)} TON`);
  return parts.join('; ');
}

/** First and last characters of the friendly form: enough to tell a few accounts apart on a screen. */
export function shortAddress(address: Address): string {
  const text = address.toString();
  return `${text.slice(0, 6)}...${text.slice(-4)}`;
}

function toTransfer(message: Message, info: CommonMessageInfoInternal): Transfer {
  return { from: info.src, to: info.dest, valueNano: info.value.coins, op: opOf(message, info.bounced), isBounced: info.bounced };
}

/** A bounced body has 32 one-bits before the first bits of what was sent. Source: docs.ton.org, bounced messages. */
function opOf(message: Message, isBounced: boolean): string {
  const body = message.body.beginParse();
  if (isBounced && body.remainingBits >= 32) body.skip(32);
  if (body.remainingBits < 32) return 'transfer';
  const tag = body.loadUint(32);
  if (tag === 0) return 'comment';
  return opcodeName(tag) ?? `0x${tag.toString(16).padStart(8, '0')}`;
}

function failureOf({ description }: Transaction): string | null {
  if (description.type !== 'generic' && description.type !== 'tick-tock') return null;
  const { computePhase, actionPhase } = description;
  if (computePhase.type === 'skipped') return computePhase.reason === 'no-state' ? null : computePhase.reason;
  if (!computePhase.success) return exitCodeName(computePhase.exitCode) ?? `exit code ${computePhase.exitCode}`;
  if (actionPhase && !actionPhase.success) return `action phase, result code ${actionPhase.resultCode}`;
  return null;
}
