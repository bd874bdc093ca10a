import { Address, Cell, toNano } from '@ton/core';
import { IMAGE_ROLE, MODEL_KIND, type RootContract } from '../../wrappers/RootContract';
import { FixedClock } from '../core/clock';
import { silentLog } from '../runtime/log';
import { AllowlistView } from './allowlist';
import type { ChainAccount } from './chain-client';
import { LocalChainProcess, NETWORK_ID } from './local-chain.test-kit';
import { ChainWatcher } from './watcher';

// Processes start here, and on a busy machine each takes a second or more.
jest.setTimeout(60_000);

const chain = new LocalChainProcess();
const IMAGE = 'aa'.repeat(32);
const MODEL = '0b'.repeat(32);
let root: RootContract;
let account: ChainAccount;

beforeAll(async () => {
  await chain.start();
  const owner = await chain.wallet(1);
  await chain.faucet(owner.address, toNano(10));
  root = await chain.deployRoot(owner);
  const opened = chain.client().open(root);
  await owner.sendVia(async (via) => {
    await opened.sendAddImage(via, { hash: BigInt(`0x${IMAGE}`), roles: IMAGE_ROLE.worker | IMAGE_ROLE.proxy, note: 0n });
    await opened.sendAddModel(via, { hash: BigInt(`0x${MODEL}`), kind: MODEL_KIND.unproven, note: 0n });
  });
  account = await chain.client().getAccount(root.address);
});
afterAll(() => chain.remove());

const view = (nowSec = account.atSec) => new AllowlistView({ root: root.address, clock: new FixedClock(nowSec), maxAgeSec: 60 });
const unread = expect.objectContaining({ code: 'chain_unread' });

test('knows, after one look of the watcher, what the root lists and from when on', async () => {
  const watcher = new ChainWatcher({ client: chain.client(), intervalMs: 1000, log: silentLog() });
  const lists = view();
  const stop = lists.follow(watcher);
  await watcher.poll();
  stop();
  const activeFromSec = account.atSec + 5;
  expect(lists.image(IMAGE)).toEqual({ roles: ['worker', 'proxy'], activeFromSec });
  expect(lists.model(MODEL)).toEqual({ kind: 'unproven', activeFromSec });
  expect(lists.proxies()).toEqual([]);
  expect(lists.state().governance.networkId).toBe(NETWORK_ID);
});

test('says "not listed" for other hashes, and for what is no hash', () => {
  const lists = view();
  lists.update(account);
  expect([MODEL, IMAGE.toUpperCase(), `0x${IMAGE}`, IMAGE.slice(2), ''].map((hash) => lists.image(hash))).toEqual([
    null,
    null,
    null,
    null,
    null,
  ]);
  expect(lists.model(IMAGE)).toBeNull();
});

test('answers nothing before the first read', () => {
  const lists = view();
  expect(() => lists.image(IMAGE)).toThrow(unread);
  expect(() => lists.model(MODEL)).toThrow(unread);
  expect(() => lists.proxies()).toThrow(unread);
});

test('answers nothing once the last read is too old by block time, and again after a new one', () => {
  const lists = view(account.atSec + 61);
  lists.update(account);
  expect(() => lists.image(IMAGE)).toThrow(unread);
  lists.update({ ...account, atSec: account.atSec + 1 });
  expect(lists.image(IMAGE)).not.toBeNull();
});

test('forgets what it knew when the root is gone or is something else', () => {
  const lists = view();
  lists.update(account);
  lists.update({ ...account, state: 'uninitialized', data: null });
  expect(() => lists.image(IMAGE)).toThrow(unread);
  lists.update(account);
  expect(() => lists.update({ ...account, data: Cell.EMPTY })).toThrow(expect.objectContaining({ code: 'chain_malformed' }));
  expect(() => lists.image(IMAGE)).toThrow(unread);
  expect(() => lists.update({ ...account, address: Address.parse(`0:${IMAGE}`) })).toThrow(RangeError);
});
