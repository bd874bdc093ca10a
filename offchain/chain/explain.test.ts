import { type Address, comment, toNano } from '@ton/core';
import type { RootContract } from '../../wrappers/RootContract';
import { explain, shortAddress, summarize } from './explain';
import { LocalChainProcess } from './local-chain.test-kit';
import type { SendingWallet } from './wallet';

// Processes start here, and on a busy machine each takes a second or more.
jest.setTimeout(60_000);

const chain = new LocalChainProcess();
let owner: SendingWallet;
let stranger: SendingWallet;
let root: RootContract;

beforeAll(async () => {
  await chain.start();
  owner = await chain.wallet(1);
  stranger = await chain.wallet(2);
  await chain.faucet(owner.address, toNano(10));
  await chain.faucet(stranger.address, toNano(10));
  root = await chain.deployRoot(owner, 'for rent');
});
afterAll(() => chain.remove());

function nameOf(address: Address): string | undefined {
  if (address.equals(owner.address)) return 'owner';
  return address.equals(root.address) ? 'root' : undefined;
}

test('accounts for every nano of an account over many transactions', async () => {
  const client = chain.client();
  await owner.send([
    { to: stranger.address, value: 12_345n, bounce: false },
    { to: root.address, value: toNano('0.1'), bounce: true, body: comment('thanks') },
  ]);
  for (const address of [owner.address, stranger.address, root.address]) {
    const summaries = (await client.transactionsOf(address)).map(summarize);
    const total = summaries.reduce(
      (sum, { incoming, outgoing, feesNano }) =>
        sum + (incoming?.valueNano ?? 0n) - outgoing.reduce((sent, { valueNano }) => sent + valueNano, 0n) - feesNano,
      0n,
    );
    expect(total).toBe((await client.getAccount(address)).balance);
  }
});

test('says who sent what to whom', async () => {
  await owner.sendVia((via) => chain.client().open(root).sendAddImage(via, { hash: 5n, roles: 1, note: 0n }));
  const [last] = (await chain.client().transactionsOf(root.address)).slice(-1);
  if (last === undefined) throw new Error('no transaction');
  expect(explain(summarize(last), nameOf)).toMatch(
    /^owner -> root: ownerRootAddImage 0\.05 TON; root -> owner: transfer 0\.0\d+ TON; fees 0\.0\d+ TON$/,
  );
});

test('names a refusal, and the message that came back', async () => {
  await stranger.sendVia((via) => chain.client().open(root).sendAddImage(via, { hash: 6n, roles: 1, note: 0n }));
  const name = shortAddress(stranger.address);
  const [refused] = (await chain.client().transactionsOf(root.address)).slice(-1);
  const [back] = (await chain.client().transactionsOf(stranger.address)).slice(-1);
  if (refused === undefined || back === undefined) throw new Error('no transaction');
  expect(summarize(refused).failure).toBe('notAllowed');
  const lines = [refused, back].map((transaction) => explain(summarize(transaction), nameOf));
  expect(lines[0]).toContain(`root -> ${name}: bounced ownerRootAddImage 0.0`);
  expect(lines[0]).toContain('; failed: notAllowed; fees ');
  expect(lines[1]).toMatch(/^root -> \S+: bounced ownerRootAddImage 0\.0\d+ TON; fees /);
});

test('tells comments from plain transfers', async () => {
  const sent = await owner.send([
    { to: root.address, value: 1_000_000n, bounce: false, body: comment('hello') },
    { to: root.address, value: 2_000_000n, bounce: false },
  ]);
  expect(summarize(sent).outgoing.map(({ op }) => op)).toEqual(['comment', 'transfer']);
  expect(summarize(sent).incoming).toBeNull();
});
