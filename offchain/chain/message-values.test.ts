import { Address, toNano } from '@ton/core';
import {
  type Authorisation,
  cost,
  openHash,
  packAuthorisation,
  packOrder,
  packReceipt,
  packVoucher,
  RECEIPT_STATUS,
  statementHash,
} from '../../wrappers/statements';
import { fromBigEndian, toBigEndian } from '../core/bytes';
import { FixedClock } from '../core/clock';
import { generateSigner } from '../runtime/node-crypto';
import { ClientContract, type SettledReceipt } from './contracts';
import { LocalChainProcess } from './local-chain.test-kit';
import { MAX_SETTLED, MessageValues } from './message-values';
import type { SendingWallet } from './wallet';

// The real contracts and wallets: what these values are good for is decided on chain.
jest.setTimeout(60_000);

const PROXY = Address.parseRaw(`0:${'7a'.repeat(32)}`);
const PRICES = { uncachedPrompt: 1_000_000n, cachedPrompt: 1_000_000n, answer: 1_000_000n, reasoning: 1_000_000n };
const USAGE = { uncachedPrompt: 500, cachedPrompt: 0, answer: 500, reasoning: 0 };
const PRICE = cost(USAGE, PRICES, 1_000_000n);
const OPEN = [1n, 3n, 5n, 7n, 9n, 11n];

const chain = new LocalChainProcess();
const session = generateSigner();
const guest = generateSigner();
let wallet: SendingWallet;
let values: MessageValues;
let channel: ClientContract;

beforeAll(async () => {
  await chain.start();
  wallet = await chain.wallet(1);
  await chain.faucet(wallet.address, toNano(100));
  values = new MessageValues({ client: chain.client(), clock: new FixedClock(0) });
  channel = ClientContract.create({ owner: wallet.address, proxy: PROXY, operator: wallet.address, withdrawDelay: 3600 });
  const body = ClientContract.openBody({ sessionKey: fromBigEndian(session.publicKey) });
  await wallet.send([{ to: channel.address, value: toNano(1), bounce: false, body, ...(channel.init ? { init: channel.init } : {}) }]);
  await chain.dev('mine', { blocks: 3 });
});
afterAll(() => chain.remove());

async function look() {
  await chain.dev('mine', { blocks: 4 });
  const account = await chain.client().getAccount(channel.address);
  if (account.data === null) throw new Error('no channel');
  const { balance: income } = await chain.client().getAccount(PROXY);
  return { ...ClientContract.parseState(account.data), balance: account.balance, lastLt: account.lastLt, income };
}

/** Sends it with what is attached to it, and looks at what came of that. */
async function send(value: bigint, body: ReturnType<typeof ClientContract.collectBody>) {
  const before = await look();
  await wallet.send([{ to: channel.address, value, bounce: true, body }]);
  const after = await look();
  const [transaction] = await chain.client().transactionsOf(channel.address, before.lastLt);
  return { before, after, messages: transaction?.outMessagesCount, paid: after.paid - before.paid, income: after.income - before.income };
}

async function voucherBody(total: bigint, upTo: bigint, open: readonly bigint[]) {
  const voucher = { channel: channel.address, total, upTo, open: openHash(open) };
  const signature = await session.sign(toBigEndian(statementHash(packVoucher(voucher)), 32));
  return ClientContract.chargeBody({ voucher, signature });
}

async function settled(number: bigint, validUntil: number): Promise<SettledReceipt> {
  const order = { channel: channel.address, number, salt: number };
  const authorisation: Authorisation = {
    orderHash: statementHash(packOrder(order)),
    receiptKey: fromBigEndian(guest.publicKey),
    seal: number,
    maxAmount: 1_000_000n,
    validUntil,
    prices: PRICES,
  };
  const authorisationHash = statementHash(packAuthorisation(authorisation));
  const receipt = { authorisationHash, sealedHash: 1n, details: 2n, usage: USAGE, status: RECEIPT_STATUS.complete, at: validUntil };
  return {
    order,
    authorisation,
    authorisationSignature: await session.sign(toBigEndian(authorisationHash, 32)),
    receipt,
    receiptSignature: await guest.sign(toBigEndian(statementHash(packReceipt(receipt)), 32)),
  };
}

test('a charge, settlements with and without open numbers, and a collection each leave by one payment that carries the rest', async () => {
  const validUntil = (await chain.client().latestBlock()).atSec + 300;
  const settle = async (numbers: readonly bigint[], open: readonly bigint[] = []) => {
    const receipts = await Promise.all(numbers.map((number) => settled(number, validUntil)));
    return send(await values.settle(receipts.length, open.length > 0), ClientContract.settleBody({ receipts, open }));
  };
  const outcomes = [
    { sum: 50_000n, outcome: await send(await values.charge(), await voucherBody(50_000n, 12n, OPEN)) },
    { sum: PRICE, outcome: await settle([1n], OPEN) },
    { sum: 5n * PRICE, outcome: await settle([3n, 5n, 7n, 9n, 11n], OPEN) },
    { sum: 5n * PRICE, outcome: await settle([13n, 14n, 15n, 16n, 17n]) },
    { sum: 0n, outcome: await send(await values.charge(), ClientContract.collectBody()) },
  ];
  for (const { sum, outcome } of outcomes) {
    expect(outcome.paid).toBe(sum);
    expect(outcome.messages).toBe(1);
    expect(outcome.before.balance - outcome.after.balance).toBeGreaterThanOrEqual(sum);
    expect(outcome.income).toBeGreaterThan(sum);
  }
  expect(await look()).toMatchObject({ charged: 50_000n + 11n * PRICE, settled: 17n });
});

test('no settlement has more receipts than the contract takes', async () => {
  const validUntil = (await chain.client().latestBlock()).atSec + 300;
  const numbers = Array.from({ length: MAX_SETTLED + 1 }, (_, at) => BigInt(100 + at));
  const receipts = await Promise.all(numbers.map((number) => settled(number, validUntil)));
  const { paid } = await send(toNano('0.1'), ClientContract.settleBody({ receipts }));
  expect(paid).toBe(0n);
  const most = await send(await values.settle(MAX_SETTLED, false), ClientContract.settleBody({ receipts: receipts.slice(1) }));
  expect(most.paid).toBe(5n * PRICE);
});
