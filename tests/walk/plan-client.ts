/** Steps at the channels of clients: honest ones, and one that signs anything. */
import { toNano } from '@ton/core';
import { ClientContract } from '../../wrappers/ClientContract';
import type { Answered, Body } from './bodies';
import { answer, type Book, ChannelBook, type ClientVoucher } from './book';
import { type Signer, signerOf, WEAK_KEYS } from './keys';
import { amountFrom, asUint64, mostlyFrom, ofKind, type Plan, pickFrom, type Scene } from './scene';
import { type Accounts, addressOf, type ClientAccount, PARTIES, type Party, sessionKeysOf } from './stage';

/** What an answer may cost, in nanoTON; more than 2^32 - 1 does not fit its tokens. */
const COSTS = [200_000_000n, 50_000_000n, 1_000_000_000n, 3_000_000n, 0n, 1n, 4_000_000_000n];
const PATIENCE = 600;
const MOST_RECEIPTS = 5;

export function planClient(scene: Scene): Plan | null {
  const { accounts, action, book, now } = scene;
  const { contract, form, amount } = action;
  const channels = ofKind(accounts, 'client');
  const pick = (isLikely: (channel: ClientAccount) => boolean) => mostlyFrom(channels, contract, isLikely);
  const isOpen = ({ status, state }: ClientAccount) => status === 'active' && state.sessionKey !== 0n;
  const isRotated = ({ state }: ClientAccount) => (state.oldKey?.until ?? 0) >= now;
  const hasOpenNumbers = ({ state }: ClientAccount) => state.open !== 0n;
  const owes = ({ state }: ClientAccount) => state.charged > state.paid;
  /** Half the time one of which this holds, if there is one. */
  const pickOpen = (holds: (channel: ClientAccount) => boolean) => pick(form % 2 === 0 && channels.some(holds) ? holds : isOpen);
  switch (action.intent) {
    case 'work': {
      const channel = pick(isOpen);
      work(scene, channel, 1 + (form % 3));
      if (form % 2 === 0) book.channel(channel.address).sign(signerOfClient(channel), amount % 3);
      return null;
    }
    case 'charge': {
      const channel = pickOpen(isRotated);
      return byPayee(channel, chargeOf(scene, channel));
    }
    case 'settle': {
      const channel = pickOpen(hasOpenNumbers);
      return byPayee(channel, settleOf(scene, channel));
    }
    case 'collect':
      return byPayee(pick(owes), { op: 'operatorClientCollect' });
    case 'release': {
      const channel = pick(isOpen);
      return byPayee(channel, { op: 'operatorClientRelease', amount: amountFrom(toNano('0.5'), amount) });
    }
    case 'open': {
      const channel = pick(({ state }) => state.sessionKey === 0n);
      const sessionKey = form % 8 === 7 ? pickFrom(WEAK_KEYS, amount) : pickFrom(sessionKeysOf(clientOf(channel)), 0).publicKey;
      return { from: channel.state.terms.owner, to: channel, body: { op: 'ownerClientOpen', sessionKey }, coins: toNano('5') };
    }
    case 'rotateKey': {
      const channel = pick(isOpen);
      const keys = sessionKeysOf(clientOf(channel));
      const next = pickFrom(keys, keys.findIndex(({ publicKey }) => publicKey === channel.state.sessionKey) + 1).publicKey;
      const sessionKey = form % 8 === 7 ? pickFrom(WEAK_KEYS, amount) : form % 8 === 6 ? channel.state.sessionKey : next;
      return { from: channel.state.terms.owner, to: channel, body: { op: 'ownerClientRotateKey', sessionKey } };
    }
    case 'topUpClient': {
      const channel = pick(owes);
      const body: Body = form % 2 === 0 ? { op: 'payment' } : { op: 'comment' };
      return { from: channel.state.terms.owner, to: channel, body, coins: toNano('3') };
    }
    case 'requestFromClient':
      return announce(pick(isOpen), amount);
    case 'completeFromClient': {
      const isAnnounced = ({ state }: ClientAccount) => state.withdrawal !== null;
      if (!channels.some(isAnnounced)) return announce(pick(isOpen), amount);
      const channel = pick((candidate) => isAnnounced(candidate) && (candidate.state.withdrawal?.readyAt ?? 0n) <= BigInt(now));
      return { from: channel.state.terms.owner, to: channel, body: { op: 'anyClientCompleteWithdrawal' } };
    }
    default:
      return null;
  }
}

function announce(channel: ClientAccount, amount: number): Plan {
  const asked = amountFrom(ClientContract.deposit(channel.balance) / 4n, amount);
  return { from: channel.state.terms.owner, to: channel, body: { op: 'ownerClientRequestWithdrawal', amount: asked } };
}

function byPayee(channel: ClientAccount, body: Body): Plan {
  return { from: channel.state.terms.operator, to: channel, body };
}

export function clientOf({ state }: ClientAccount): Party {
  const party = PARTIES.find((name) => addressOf(name).equals(state.terms.owner));
  if (party === undefined) throw new Error('a channel of nobody');
  return party;
}

export const isHonest = (channel: ClientAccount) => clientOf(channel) === 'honestClient';

/** The key with which the client signs now: the one that the contract has, or will have. */
function signerOfClient(channel: ClientAccount): Signer {
  const keys = sessionKeysOf(clientOf(channel));
  return keys.find(({ publicKey }) => publicKey === channel.state.sessionKey) ?? pickFrom(keys, 0);
}

/** Requests that are authorised and answered; a wild client gives a number twice now and then. */
function work({ book, action, now }: Scene, channel: ClientAccount, count: number): void {
  const channelBook = book.channel(channel.address);
  for (let i = 0; i < count; i += 1) {
    const isAgain = !isHonest(channel) && action.form % 7 === 6;
    const number = isAgain ? channelBook.requests.at(-1)?.settled.order.number : undefined;
    channelBook.work(signerOfClient(channel), pickFrom(COSTS, action.amount + i), now + PATIENCE, number);
  }
}

/** Whether the key before the last rotation signed, so that the message has to say so. */
function isByOldKey({ state }: ClientAccount, signer: Signer): boolean {
  return signer.publicKey !== state.sessionKey && signer.publicKey === state.oldKey?.key;
}

function chargeOf(scene: Scene, channel: ClientAccount): Body {
  const { action } = scene;
  const voucher = voucherOf(scene, channel);
  const byOldKey = isByOldKey(channel, voucher.signer) !== (action.form % 11 === 10);
  return { op: 'operatorClientCharge', voucher, byOldKey };
}

function voucherOf(scene: Scene, channel: ClientAccount): ClientVoucher {
  const { action, book, accounts } = scene;
  const { form, amount } = action;
  const channelBook = book.channel(channel.address);
  const old = channelBook.vouchers;
  switch (form % 11) {
    case 8:
    case 9: {
      const { oldKey } = channel.state;
      const oldSigner = sessionKeysOf(clientOf(channel)).find(({ publicKey }) => publicKey === oldKey?.key);
      if (oldSigner !== undefined && scene.now <= (oldKey?.until ?? 0)) {
        work(scene, channel, 1);
        return channelBook.sign(oldSigner, 0);
      }
      break;
    }
    case 1:
      if (old.length > 0) return pickFrom(old, old.length - 1);
      break;
    case 2:
      if (old.length > 0) return pickFrom(old, amount);
      break;
    case 3: {
      const others = [...otherVouchers(accounts, book, channel)];
      if (others.length > 0) return pickFrom(others, amount);
      break;
    }
    case 4:
      return new ChannelBook(channel.address).add(signerOf('stranger'), asUint64(channel.state.charged + 1n), 9n, []);
    case 5:
      if (old.length > 0) return altered(pickFrom(old, amount));
      break;
    case 6:
    case 7:
      if (!isHonest(channel)) {
        const total = amountFrom(channel.state.charged + toNano('0.4'), amount);
        return channelBook.add(signerOfClient(channel), total, amountFrom(3n, amount + 1), []);
      }
      break;
    default:
  }
  work(scene, channel, 1 + (amount % 3));
  return channelBook.sign(signerOfClient(channel), form % 3);
}

function* otherVouchers(accounts: Accounts, book: Book, channel: ClientAccount): Iterable<ClientVoucher> {
  for (const other of ofKind(accounts, 'client')) if (other !== channel) yield* book.channel(other.address).vouchers;
}

/** The signature of a voucher over other fields than it was made for. */
function altered(voucher: ClientVoucher): ClientVoucher {
  const statement = { ...voucher.statement, total: voucher.statement.total ^ 1n };
  return { ...voucher, statement, signer: signerOf('nobody') };
}

function settleOf(scene: Scene, channel: ClientAccount): Body {
  const { book, action, now } = scene;
  const { form, amount } = action;
  const channelBook = book.channel(channel.address);
  if (channelBook.settleable(channel.state, now).length === 0) work(scene, channel, 2);
  const numbers = channelBook.openNumbers(channel.state);
  const receipts = receiptsOf(scene, channel).map((answered) => ({
    ...answered,
    byOldKey: isByOldKey(channel, answered.authorisedBy) !== (form % 12 === 11),
  }));
  const open = form % 12 === 10 ? [] : form % 12 === 9 ? [...numbers, 1_000n + BigInt(amount)] : numbers;
  return { op: 'operatorClientSettle', receipts, open };
}

/** At least one. */
function receiptsOf(scene: Scene, channel: ClientAccount): readonly Answered[] {
  const { accounts, book, action, now } = scene;
  const { form, amount } = action;
  const channelBook = book.channel(channel.address);
  const settleable = channelBook.settleable(channel.state, now);
  const all = channelBook.requests;
  const first = settleable[0] ?? pickFrom(all, amount);
  const { number } = first.settled.order;
  const { address } = channel;
  switch (form % 12) {
    case 1:
      return [pickFrom(all, amount)];
    case 2:
      return settleable.length > 1 ? [...settleable].reverse().slice(0, MOST_RECEIPTS) : [first, first];
    case 3:
      return [...Array(MOST_RECEIPTS + 1)].map(() => channelBook.work(signerOfClient(channel), pickFrom(COSTS, 0), now));
    case 4: {
      const others = ofKind(accounts, 'client').filter((other) => other !== channel);
      return [pickFrom([...others.flatMap((other) => book.channel(other.address).requests), first], amount)];
    }
    case 5:
      return [answer(address, signerOf('stranger'), number, 1_000n, now)];
    case 6:
      return [
        { ...first, settled: { ...first.settled, receiptSignature: first.settled.authorisationSignature }, answeredBy: signerOf('nobody') },
      ];
    case 7:
      return [{ ...first, settled: { ...first.settled, order: { ...first.settled.order, number: asUint64(number + 1n) } } }];
    default:
      return settleable.length > 0 ? settleable.slice(0, 1 + (amount % MOST_RECEIPTS)) : [first];
  }
}
