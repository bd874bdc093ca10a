import { Address, toNano } from '@ton/core';
import { LocalChainProcess } from '../chain/local-chain.test-kit';
import type { SendingWallet } from '../chain/wallet';
import { ChainWatcher } from '../chain/watcher';
import { FixedClock } from '../core/clock';
import { silentLog } from '../runtime/log';
import { ChannelAccount, type ChannelAccountOptions } from './channel-account';
import { OPERATOR, PROXY } from './client.test-kit';

// A chain with the real contracts, and no proxy at all: nothing here may need one.
jest.setTimeout(60_000);

const DELAY_SEC = 3600;
const SESSION_KEY = 0x1234_5678_9abc_def0_1234_5678_9abc_def0_1234_5678_9abc_def0_1234_5678_9abc_def0n;

const chain = new LocalChainProcess();
const clock = new FixedClock(0);
let wallet: SendingWallet;

beforeAll(async () => {
  await chain.start();
  wallet = await chain.wallet(1);
  await chain.faucet(wallet.address, toNano(100));
});
afterAll(() => chain.remove());

/** A channel of its own for each test: the delay is part of the address. */
let channels = 0;
function account(options: Partial<ChannelAccountOptions> = {}): ChannelAccount {
  const client = chain.client();
  return new ChannelAccount({
    chain: { client, watcher: new ChainWatcher({ client, intervalMs: 1000, log: silentLog() }), clock },
    terms: {
      owner: wallet.address,
      proxy: Address.parseRaw(PROXY),
      operator: Address.parseRaw(OPERATOR),
      withdrawDelay: DELAY_SEC + channels,
    },
    sessionKey: SESSION_KEY,
    wallet,
    openNano: toNano(1),
    topUpNano: 0n,
    pollMs: 1,
    wait: () => chain.dev('mine', { blocks: 1 }),
    ...options,
  });
}

beforeEach(async () => {
  channels++;
  clock.advance((await chain.client().latestBlock()).atSec - clock.nowSec());
});

test('opens with the configured deposit, once', async () => {
  const channel = account();
  expect(await channel.refresh()).toBeNull();
  await channel.open();
  const facts = await channel.refresh();
  expect(facts).toMatchObject({ sessionKey: SESSION_KEY, paid: 0n, charged: 0n, announcedWithdrawal: 0n });
  expect(facts?.balance).toBeGreaterThan(toNano('0.99'));
  await channel.open();
  expect((await channel.refresh())?.balance).toBe(facts?.balance);
});

test('tops up by at least what is missing, if the config allows it, and for several who ask at once only once', async () => {
  const channel = account({ topUpNano: toNano('0.5') });
  await channel.open();
  const before = (await channel.refresh())?.deposit ?? 0n;
  expect(await Promise.all([channel.topUp(1n), channel.topUp(2n)])).toEqual([true, true]);
  const after = (await channel.refresh())?.deposit ?? 0n;
  expect(after - before).toBeGreaterThan(toNano('0.49'));
  expect(after - before).toBeLessThanOrEqual(toNano('0.5'));
  await channel.topUp(toNano(2));
  expect(((await channel.refresh())?.deposit ?? 0n) - after).toBeGreaterThan(toNano('1.99'));
});

test('does not top up where the config does not say so, nor for an owner who is leaving', async () => {
  const channel = account();
  await channel.open();
  expect(await channel.topUp(1n)).toBe(false);
  const leaving = account({ topUpNano: toNano(1) });
  await leaving.requestWithdrawal(null);
  expect(await leaving.topUp(1n)).toBe(false);
});

test('gives back every coin after the delay, to the owner, with no proxy there', async () => {
  const channel = account();
  await channel.open();
  await expect(channel.completeWithdrawal()).rejects.toMatchObject({ code: 'no_withdrawal' });

  const { amountNano, readyAtSec } = await channel.requestWithdrawal(null);
  expect(amountNano).toBeNull();
  const view = await channel.refresh();
  expect(view?.announcedWithdrawal).toBe(view?.deposit);
  await expect(channel.completeWithdrawal()).rejects.toMatchObject({ code: 'too_early' });

  await chain.dev('increaseTime', { seconds: readyAtSec - clock.nowSec() + 1 });
  clock.advance(readyAtSec - clock.nowSec() + 1);
  const before = await wallet.balance();
  await channel.completeWithdrawal();
  expect((await chain.client().getAccount(channel.address)).balance).toBe(0n);
  expect((await wallet.balance()) - before).toBeGreaterThan(toNano('0.99'));
});

test('gives back a part, and keeps the rest', async () => {
  const channel = account();
  await channel.open();
  const { amountNano, readyAtSec } = await channel.requestWithdrawal(toNano('0.4'));
  expect(amountNano).toBe(toNano('0.4'));
  await chain.dev('increaseTime', { seconds: readyAtSec - clock.nowSec() + 1 });
  clock.advance(readyAtSec - clock.nowSec() + 1);
  await channel.completeWithdrawal();
  const view = await channel.refresh();
  expect(view?.withdrawal).toBeNull();
  expect(view?.balance).toBeLessThan(toNano('0.61'));
  expect(view?.balance).toBeGreaterThan(toNano('0.55'));
});

test("without the owner's key it says who must act, and moves nothing", async () => {
  const channel = account({ wallet: null, topUpNano: toNano(1) });
  await channel.refresh();
  expect(channel.howToPay).toContain(wallet.address.toString());
  await expect(channel.open()).rejects.toMatchObject({ code: 'no_owner_key' });
  await expect(channel.requestWithdrawal(null)).rejects.toMatchObject({ code: 'no_owner_key' });
  expect(await channel.topUp(1n)).toBe(false);
  await account().open();
  await channel.refresh();
  expect(channel.howToPay).toContain(channel.address.toString());
});

test('says when the contract did not do what was asked (not_confirmed)', async () => {
  const channel = account({ sessionKey: 0n });
  await expect(channel.open()).rejects.toMatchObject({ code: 'not_confirmed' });
});
