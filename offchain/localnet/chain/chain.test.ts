import fs, { readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { beginCell, internal, storeShardAccount, toNano } from '@ton/core';
import { mainnetPrices } from '../../../wrappers/chain-config';
import type { TransactionRecord } from './chain';
import { ChainUnderTest, GENESIS_SEC, prices, TestWallet } from './chain.test-kit';

const alice = new TestWallet(1);
const bob = new TestWallet(2);
let net: ChainUnderTest;

beforeEach(async () => {
  net = await new ChainUnderTest().open();
});
afterEach(async () => {
  await net.remove();
  expect(net.errors).toEqual([]);
});

/** Everything that a client can see of the chain's past and present, in plain values. */
function visible() {
  const { chain } = net;
  const seqnos = Array.from({ length: chain.lastBlock.seqno + 1 }, (_, seqno) => seqno);
  const record = ({ account, hash, lt, seqno, timeSec, boc }: TransactionRecord) =>
    [account.toRawString(), hash.toString('hex'), lt, seqno, timeSec, boc].join(' ');
  return {
    blocks: seqnos.map((seqno) => `${chain.blockAt(seqno)?.timeSec} ${chain.blockAt(seqno)?.rootHash.toString('hex')}`),
    inBlocks: seqnos.map((seqno) => chain.transactionsIn(seqno).map(record)),
    accounts: [alice, bob].map(({ address }) =>
      beginCell()
        .store(storeShardAccount(chain.account(address)))
        .endCell()
        .hash()
        .toString('hex'),
    ),
    transactions: [alice, bob].map(({ address }) => chain.transactionsOf(address).map(record)),
  };
}

async function traffic(): Promise<void> {
  await net.chain.faucet(alice.address, toNano(10));
  for (let i = 0; i < 3; i++) {
    net.wallSec += 1;
    await net.chain.mine(1);
    await alice.send(net.client(), [internal({ to: bob.address, value: toNano(1), bounce: false })]);
  }
}

async function reopen(config = prices): Promise<void> {
  await net.close();
  await net.open(config);
}

test('makes one block per hop, and none that a message did not need', async () => {
  await net.chain.faucet(alice.address, toNano(10));
  expect(net.chain.lastBlock.seqno).toBe(1);
  await alice.send(net.client(), [internal({ to: bob.address, value: toNano(1), bounce: false })]);
  expect([2, 3].map((seqno) => net.chain.transactionsIn(seqno).map(({ account }) => account.toRawString()))).toEqual([
    [alice.address.toRawString()],
    [bob.address.toRawString()],
  ]);
  expect(net.chain.lastBlock.seqno).toBe(3);
});

test('gives every transaction of an account a later logical time, also after one with many messages', async () => {
  await net.chain.faucet(alice.address, toNano(10));
  const messages = Array.from({ length: 200 }, () => internal({ to: bob.address, value: 1000n, bounce: false }));
  await alice.send(net.client(), messages);
  await alice.send(net.client(), messages.slice(0, 1));
  const lts = net.chain.transactionsOf(bob.address).map(({ lt }) => lt);
  expect(lts).toHaveLength(201);
  expect([...new Set(lts)].sort((a, b) => Number(a - b))).toEqual(lts);
  const created = Math.max(
    ...(await net.client().getTransactions(bob.address, { limit: 1 })).map(({ inMessage }) =>
      inMessage?.info.type === 'internal' ? Number(inMessage.info.createdLt) : 0,
    ),
  );
  expect(Number(lts.at(-1))).toBeGreaterThan(created);
});

test('continues after a restart with the same blocks, accounts and transactions', async () => {
  await traffic();
  const before = visible();
  await reopen();
  expect(visible()).toEqual(before);
  await traffic();
  expect(visible().blocks.slice(0, before.blocks.length)).toEqual(before.blocks);
});

test('keeps moved time over a restart, and time never goes back', async () => {
  await net.chain.increaseTime(3600);
  expect(net.chain.lastBlock.timeSec).toBe(GENESIS_SEC + 3600);
  await reopen();
  net.wallSec += 5;
  await net.chain.mine(1);
  expect(net.chain.lastBlock.timeSec).toBe(GENESIS_SEC + 3605);
  net.wallSec -= 100_000;
  await net.chain.mine(1);
  expect(net.chain.lastBlock.timeSec).toBe(GENESIS_SEC + 3605);
});

test('finishes after a kill what was on its way, from whatever byte of the journal was the last to be written', async () => {
  await net.chain.faucet(alice.address, toNano(10));
  await alice.send(net.client(), [internal({ to: bob.address, value: toNano(1), bounce: false })]);
  const after = visible();
  await net.close();
  const journal = readFileSync(net.journalPath);
  const lines = journal.toString().split('\n');
  const lastLine = Buffer.byteLength(lines.at(-2) ?? '') + 1;
  for (const cut of [1, 2, Math.floor(lastLine / 2), lastLine - 1, lastLine]) {
    writeFileSync(net.journalPath, journal);
    truncateSync(net.journalPath, journal.length - cut);
    await net.open();
    expect(visible()).toEqual(after);
    await net.close();
  }
});

test('names each block by a hash that depends on everything before it, on this chain only', async () => {
  const other = await new ChainUnderTest().open();
  await net.chain.mine(50);
  await other.chain.mine(50);
  const hashes = [net, other].flatMap(({ chain }) =>
    Array.from({ length: 51 }, (_, seqno) => chain.blockAt(seqno)?.rootHash.toString('hex')),
  );
  await other.remove();
  expect(new Set(hashes).size).toBe(102);
  expect(net.chain.blockAt(51)).toBeNull();
  expect(net.chain.blockAt(-1)).toBeNull();
});

test('refuses a journal whose past was changed, naming the block and --reset', async () => {
  await traffic();
  await net.close();
  const lines = readFileSync(net.journalPath, 'utf8').split('\n');
  const firstEmpty = lines.indexOf('+1');
  expect(firstEmpty).toBeGreaterThan(0);
  lines[firstEmpty] = '+2';
  writeFileSync(net.journalPath, lines.join('\n'));
  await expect(net.open()).rejects.toMatchObject({
    code: 'journal_damaged',
    message: expect.stringMatching(/damaged at block 3: .*--reset/),
  });
});

test('refuses a journal that was made under other prices, naming --reset', async () => {
  const dearer = mainnetPrices(mainnetPrices(prices)).beginParse().loadRef();
  await expect(reopen(dearer)).rejects.toMatchObject({ code: 'journal_other_prices', message: expect.stringContaining('--reset') });
});

test('forgets replaced states when the journal has grown, and nothing that can be seen', async () => {
  await net.chain.faucet(alice.address, toNano(10));
  // The same account in hundreds of transactions: of its states only the last one counts.
  const messages = Array.from({ length: 100 }, () => internal({ to: alice.address, value: 1000n, bounce: false }));
  for (let i = 0; i < 3; i++) await alice.send(net.client(), messages);
  const before = visible();
  const sizeBefore = statSync(net.journalPath).size;
  net.compactBytes = sizeBefore / 3;
  await reopen();
  const sizeAfter = statSync(net.journalPath).size;
  expect(sizeAfter).toBeLessThan(sizeBefore / 2);
  expect(visible()).toEqual(before);
  await reopen();
  expect(visible()).toEqual(before);
  expect(statSync(net.journalPath).size).toBe(sizeAfter);
});

test('does nothing more, and says so, once the journal cannot be written', async () => {
  await net.chain.faucet(alice.address, toNano(10));
  const before = visible();
  const full = Object.assign(new Error('no space left'), { code: 'ENOSPC' });
  const write = jest.spyOn(fs, 'writeSync').mockImplementation(() => {
    throw full;
  });
  try {
    await expect(net.chain.faucet(alice.address, 1n)).rejects.toBe(full);
  } finally {
    write.mockRestore();
  }
  await expect(net.chain.mine(1)).rejects.toMatchObject({ code: 'closed' });
  expect(net.errors.splice(0)).toEqual([full]);
  expect(visible()).toEqual(before);
  await reopen();
  expect(visible()).toEqual(before);
});
