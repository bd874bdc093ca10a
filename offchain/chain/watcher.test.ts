import { Address } from '@ton/core';
import { OffsetClock } from '../core/clock';
import { silentLog } from '../runtime/log';
import { ChainError } from './chain-error';
import { LocalChainProcess } from './local-chain.test-kit';
import type { SendingWallet } from './wallet';
import { ChainWatcher } from './watcher';

// Processes start here, and on a busy machine each takes a second or more.
jest.setTimeout(60_000);

const chain = new LocalChainProcess();
let alice: SendingWallet;
let bob: SendingWallet;

beforeAll(async () => {
  await chain.start();
  alice = await chain.wallet(1);
  bob = await chain.wallet(2);
  await chain.faucet(alice.address, 10_000_000_000n);
});
afterAll(() => chain.remove());

const newWatcher = (clock?: OffsetClock) =>
  new ChainWatcher({ client: chain.client(), intervalMs: 5, log: silentLog(), ...(clock ? { clock } : {}) });

test('calls back for each read of an account, and tells which of them bring something new', async () => {
  const watcher = newWatcher();
  const seen: [bigint, boolean][] = [];
  const stop = watcher.onAccount(bob.address, ({ balance }, changed) => {
    seen.push([balance, changed]);
  });
  await watcher.poll();
  await watcher.poll();
  await alice.send([{ to: bob.address, value: 5n, bounce: false }]);
  await watcher.poll();
  stop();
  await watcher.poll();
  expect(seen).toEqual([
    [0n, true],
    [0n, false],
    [5n, true],
  ]);
});

test('calls back for each new block once', async () => {
  const watcher = newWatcher();
  const seen: number[] = [];
  watcher.onBlock(({ seqno }) => {
    seen.push(seqno);
  });
  expect(watcher.latestBlock).toBeNull();
  await watcher.poll();
  await watcher.poll();
  const first = seen[0] ?? 0;
  await chain.dev('mine', { blocks: 3 });
  await watcher.poll();
  expect(seen).toEqual([first, first + 3]);
  expect(watcher.latestBlock?.seqno).toBe(first + 3);
});

test('takes its clock along when the chain travels in time', async () => {
  const clock = new OffsetClock();
  const watcher = newWatcher(clock);
  await watcher.poll();
  const before = clock.nowSec();
  await chain.dev('increaseTime', { seconds: 86_400 });
  await watcher.poll();
  expect(clock.nowSec() - before).toBeGreaterThanOrEqual(86_400);
});

test('goes on after a listener that fails and a chain that is away, and then brings what was missed', async () => {
  const watcher = newWatcher();
  const balances: bigint[] = [];
  watcher.onAccount(bob.address, () => {
    throw new Error('my own trouble');
  });
  watcher.onAccount(bob.address, ({ balance }, changed) => {
    if (changed) balances.push(balance);
  });
  await watcher.poll();
  const { port } = chain;
  await chain.kill();
  await expect(watcher.poll()).rejects.toMatchObject({ code: 'chain_unreachable' });
  await chain.start(port);
  await chain.faucet(bob.address, 7n);
  await watcher.poll();
  expect(balances).toEqual([balances[0], (balances[0] ?? 0n) + 7n]);
});

test('looks by itself between start and stop', async () => {
  const watcher = newWatcher();
  let looks = 0;
  const sixth = new Promise<void>((done) => {
    watcher.onAccount(bob.address, () => {
      if (++looks === 6) done();
    });
  });
  watcher.start();
  watcher.start();
  await sixth;
  await watcher.stop();
  const atStop = looks;
  await watcher.poll();
  expect(looks).toBe(atStop + 1);
});

const ACCOUNT = {
  state: 'uninitialized',
  balance: 0n,
  codeHash: null,
  code: null,
  data: null,
  lastLt: 0n,
  lastHash: null,
  atSec: 1,
} as const;

test('reads sixteen accounts at a time, and all of them though one cannot be read', async () => {
  const addresses = Array.from({ length: 50 }, (_, index) => new Address(0, Buffer.alloc(32, index + 1)));
  const read: string[] = [];
  let running = 0;
  let most = 0;
  const getAccount = async (address: Address) => {
    read.push(address.toRawString());
    most = Math.max(most, ++running);
    await new Promise((resolve) => setImmediate(resolve));
    running--;
    if (address === addresses[3]) throw new ChainError('chain_unreachable', 'no answer');
    return { ...ACCOUNT, address };
  };
  const latestBlock = async () => ({ seqno: 1, rootHash: '00'.repeat(32), atSec: 1 });
  const watcher = new ChainWatcher({ client: { latestBlock, getAccount }, intervalMs: 5, log: silentLog() });
  const heard = new Set<Address>();
  for (const address of addresses) watcher.onAccount(address, (account) => void heard.add(account.address));
  await expect(watcher.poll()).rejects.toMatchObject({ code: 'chain_unreachable' });
  expect(most).toBe(16);
  expect(read).toEqual(addresses.map((address) => address.toRawString()));
  expect(addresses.filter((address) => !heard.has(address))).toEqual([addresses[3]]);
});
