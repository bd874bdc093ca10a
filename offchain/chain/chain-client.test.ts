import { toNano } from '@ton/core';
import { FORWARD_PRICES_2026, GAS_PRICES_2026 } from '../../wrappers/chain-config';
import { GAS, messagePrices, minimumValue } from '../../wrappers/minimum-value';
import { FixedClock } from '../core/clock';
import { ChainClient } from './chain-client';
import { LocalChainProcess } from './local-chain.test-kit';
import { MessageValues } from './message-values';
import { type SendingWallet, walletContract } from './wallet';

// Processes start here, and on a busy machine each takes a second or more.
jest.setTimeout(60_000);

const chain = new LocalChainProcess();
let alice: SendingWallet;
let bob: SendingWallet;

beforeAll(async () => {
  await chain.start();
  alice = await chain.wallet(1);
  bob = await chain.wallet(2);
  await chain.faucet(alice.address, toNano(10));
});
afterAll(() => chain.remove());

test('reads an account before, and after it is deployed', async () => {
  const client = chain.client();
  expect(await client.getAccount(bob.address)).toMatchObject({
    state: 'uninitialized',
    balance: 0n,
    code: null,
    data: null,
    codeHash: null,
    lastLt: 0n,
    lastHash: null,
  });
  const sent = await alice.send([{ to: bob.address, value: toNano(1), bounce: false }]);
  const account = await client.getAccount(alice.address);
  expect(account).toMatchObject({ state: 'active', lastLt: sent.lt, lastHash: sent.hash().toString('base64') });
  expect(account.codeHash).toBe(walletContract(Buffer.alloc(32), -3).init.code.hash().toString('hex'));
  expect((await client.getAccount(bob.address)).balance).toBe(toNano(1));
});

test('finds a block by its number again, with the same hash and time, and none that is not there', async () => {
  const client = chain.client();
  const latest = await client.latestBlock();
  await chain.dev('mine', { blocks: 2 });
  expect(await chain.client().blockAt(latest.seqno)).toEqual(latest);
  expect(await client.blockAt(latest.seqno)).toEqual(latest);
  expect(latest.rootHash).toMatch(/^[0-9a-f]{64}$/);
  expect((await client.latestBlock()).seqno).toBe(latest.seqno + 2);
  expect(await client.blockAt(latest.seqno + 3)).toBeNull();
});

test("lists an account's transactions after a logical time, oldest first, over several pages", async () => {
  const client = chain.client();
  const { lastLt } = await client.getAccount(bob.address);
  const messages = Array.from({ length: 120 }, (_, i) => ({ to: bob.address, value: BigInt(i + 1), bounce: false }));
  await alice.send(messages);
  const received = await client.transactionsOf(bob.address, lastLt);
  expect(received.map(({ inMessage }) => (inMessage?.info.type === 'internal' ? inMessage.info.value.coins : null))).toEqual(
    messages.map(({ value }) => value),
  );
  expect(await client.transactionsOf(bob.address, received.at(-1)?.lt)).toEqual([]);
  expect((await client.transactionsOf(bob.address)).length).toBeGreaterThan(120);
});

test('reads the prices of the chain, from which follows what a message takes along, and not each time', async () => {
  const client = chain.client();
  const prices = messagePrices(await client.config());
  expect(prices).toEqual({
    gasPrice: GAS_PRICES_2026.gasPrice,
    flatGasLimit: GAS_PRICES_2026.flatGasLimit,
    flatGasPrice: GAS_PRICES_2026.flatGasPrice,
    lumpPrice: FORWARD_PRICES_2026.lumpPrice,
  });
  let reads = 0;
  const clock = new FixedClock(1000);
  const counted = {
    config: () => {
      reads++;
      return client.config();
    },
  };
  const values = new MessageValues({ client: counted, clock });
  const minimum = minimumValue(GAS.clientCharge, prices);
  expect(await values.charge()).toBe((minimum * 6n) / 5n);
  clock.advance(600);
  await values.charge();
  expect(reads).toBe(1);
  clock.advance(1);
  await values.charge();
  expect(reads).toBe(2);
});

test('opens contracts whose getters use its transport', async () => {
  const wallet = chain.client().open(walletContract(Buffer.alloc(32, 9), -3));
  expect(await wallet.getBalance()).toBe(0n);
  const away = new ChainClient({ endpoint: 'http://127.0.0.1:1/', attempts: 1 });
  await expect(away.open(walletContract(Buffer.alloc(32, 9), -3)).getBalance()).rejects.toMatchObject({ code: 'chain_unreachable' });
  await expect(away.latestBlock()).rejects.toMatchObject({ name: 'ChainError', code: 'chain_unreachable' });
  await expect(away.blockAt(1)).rejects.toMatchObject({ code: 'chain_unreachable' });
});
