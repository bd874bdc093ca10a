import { existsSync, writeFileSync } from 'node:fs';
import { createServer, request, type Server } from 'node:http';
import { join } from 'node:path';
import { Address, beginCell, comment, contractAddress, toNano } from '@ton/core';
import { ChainClient } from './chain-client';
import { LocalChainProcess, NETWORK_ID } from './local-chain.test-kit';
import type { SendingWallet } from './wallet';

// Processes start here, and on a busy machine each takes a second or more.
jest.setTimeout(60_000);

const chain = new LocalChainProcess();
const target = Address.parse(`0:${'ab'.repeat(32)}`);
let alice: SendingWallet;

beforeAll(async () => {
  await chain.start();
  alice = await chain.wallet(1);
  await chain.faucet(alice.address, toNano(100));
});
afterAll(() => chain.remove());

const balanceOf = async (address: Address) => (await chain.client().getAccount(address)).balance;

/** Between the wallet and the chain: decides for each request whether it reaches the chain, and whether the answer reaches the wallet. */
async function between(
  decide: (body: string) => 'pass' | 'lose request' | 'lose answer',
): Promise<{ client: ChainClient; server: Server }> {
  const server = createServer(async (req, res) => {
    const parts: Uint8Array[] = [];
    for await (const part of req) parts.push(part);
    const body = Buffer.concat(parts).toString();
    const fate = decide(body);
    if (fate === 'lose request') return void req.socket.destroy();
    const forward = request(
      { port: chain.port, path: req.url, method: 'POST', headers: { 'content-type': 'application/json' } },
      (answer) => {
        answer.on('end', () => fate === 'lose answer' && req.socket.destroy());
        if (fate === 'pass') answer.pipe(res.writeHead(answer.statusCode ?? 0));
        else answer.resume();
      },
    );
    forward.end(body);
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  return { client: new ChainClient({ endpoint: `http://127.0.0.1:${port}/api/v2/jsonRPC`, attempts: 1 }), server };
}

const isSend = (body: string) => body.includes('"sendBoc"');

test('deploys itself with its first message, and returns the transaction that sent it', async () => {
  const transaction = await alice.send([{ to: target, value: toNano(1), bounce: false, body: comment('hello') }]);
  expect(transaction.outMessagesCount).toBe(1);
  expect((await chain.client().getAccount(alice.address)).state).toBe('active');
  expect(await balanceOf(target)).toBe(toNano(1));
});

test('sends several messages in one transaction, with code for those who are not deployed', async () => {
  const init = { code: beginCell().storeUint(0xff00f800, 32).endCell(), data: beginCell().storeUint(7, 8).endCell() };
  const fresh = contractAddress(0, init);
  const transaction = await alice.sendVia(async (via) => {
    await via.send({ to: fresh, value: toNano('0.1'), init, bounce: false });
    await via.send({ to: target, value: 5n, bounce: false });
  });
  expect(transaction.outMessages.values().map(({ info }) => info.dest?.toString())).toEqual([fresh.toString(), target.toString()]);
  expect((await chain.client().getAccount(fresh)).state).toBe('active');
});

test('refuses a send mode that it would not keep, and an empty or endless list', async () => {
  await expect(alice.sendVia((via) => via.send({ to: target, value: 1n, sendMode: 128 }))).rejects.toThrow('send mode 128, only 1');
  expect(() => alice.send([])).toThrow('0 messages, limit 255');
  expect(() => alice.send(Array.from({ length: 256 }, () => ({ to: target, value: 1n, bounce: false })))).toThrow(
    '256 messages, limit 255',
  );
});

test('sends what comes at the same time one after the other, each once', async () => {
  const before = await balanceOf(target);
  const transactions = await Promise.all([1n, 2n, 3n].map((value) => alice.send([{ to: target, value, bounce: false }])));
  expect(new Set(transactions.map(({ lt }) => lt)).size).toBe(3);
  expect(await balanceOf(target)).toBe(before + 6n);
});

test('refuses more than it holds, and sends nothing', async () => {
  const before = await alice.balance();
  await expect(alice.send([{ to: target, value: toNano(1000), bounce: false }])).rejects.toMatchObject({
    code: 'wallet_underfunded',
    data: { balance: before },
  });
  expect(await alice.balance()).toBe(before);
});

test('sends once although the answer was lost', async () => {
  let lost = 0;
  const { client, server } = await between((body) => (isSend(body) && lost++ === 0 ? 'lose answer' : 'pass'));
  const wallet = await chain.wallet(1, { client });
  const before = await balanceOf(target);
  await wallet.send([{ to: target, value: 10n, bounce: false }]);
  expect(lost).toBe(1);
  expect(await balanceOf(target)).toBe(before + 10n);
  server.close();
});

test('hands the same message in again until it arrives', async () => {
  const bodies: string[] = [];
  const { client, server } = await between((body) => (isSend(body) && bodies.push(body) < 4 ? 'lose request' : 'pass'));
  const wallet = await chain.wallet(1, { client });
  const before = await balanceOf(target);
  await wallet.send([{ to: target, value: 10n, bounce: false }]);
  expect(bodies).toHaveLength(4);
  expect(new Set(bodies).size).toBe(1);
  expect(await balanceOf(target)).toBe(before + 10n);
  server.close();
});

test("gives up only when the chain's clock says that the message can never run, and then can send again", async () => {
  let isCut = true;
  const { client, server } = await between((body) => (isSend(body) && isCut ? 'lose request' : 'pass'));
  let waits = 0;
  const wait = async () => {
    waits++;
    await chain.dev('increaseTime', { seconds: 20 });
  };
  const wallet = await chain.wallet(1, { client, wait });
  const before = await balanceOf(target);
  await expect(wallet.send([{ to: target, value: 10n, bounce: false }])).rejects.toMatchObject({ code: 'wallet_expired' });
  // 60 s of validity and the margin of 10 s: the fourth jump of 20 s passes them.
  expect(waits).toBe(4);
  expect(existsSync(join(chain.folder, 'wallet-1.json'))).toBe(false);
  isCut = false;
  await wallet.send([{ to: target, value: 10n, bounce: false }]);
  expect(await balanceOf(target)).toBe(before + 10n);
  server.close();
});

test.each([
  ['before its message left', 'lose request'],
  ['after its message had run', 'lose answer'],
] as const)('a process that ends %s pays once: the next one finishes it before it sends anything else', async (_, fate) => {
  let isCut = false;
  const { client, server } = await between((body) => {
    if (!isSend(body)) return isCut ? 'lose request' : 'pass';
    isCut = true;
    return fate;
  });
  const ended = new Error('the process has ended');
  const stateFile = join(chain.folder, `ended ${fate}`);
  const first = await chain.wallet(1, { client, stateFile, wait: () => Promise.reject(ended) });
  const before = await balanceOf(target);
  await expect(first.send([{ to: target, value: 10n, bounce: false }])).rejects.toBe(ended);
  server.close();
  expect(await balanceOf(target)).toBe(before + (fate === 'lose answer' ? 10n : 0n));

  const second = await chain.wallet(1, { stateFile });
  expect(await balanceOf(target)).toBe(before + 10n);
  await second.send([{ to: target, value: 1n, bounce: false }]);
  expect(await balanceOf(target)).toBe(before + 11n);
});

test('waits for a chain that cannot be read while a message is in flight', async () => {
  let losses = -1;
  const { client, server } = await between((body) => {
    if (isSend(body) && losses === -1) losses = 4;
    else if (losses > 0) {
      losses--;
      return 'lose request';
    }
    return 'pass';
  });
  const wallet = await chain.wallet(1, { client });
  const before = await balanceOf(target);
  await wallet.send([{ to: target, value: 10n, bounce: false }]);
  expect(losses).toBe(0);
  expect(await balanceOf(target)).toBe(before + 10n);
  server.close();
});

test('tells when another user of its key took the number', async () => {
  const other = await chain.wallet(1, { stateFile: join(chain.folder, 'other user') });
  let isFirst = true;
  const { client, server } = await between((body) => (isSend(body) && isFirst ? 'lose request' : 'pass'));
  const wait = async () => {
    isFirst = false;
    await other.send([{ to: target, value: 1n, bounce: false }]);
  };
  const wallet = await chain.wallet(1, { client, wait });
  const before = await balanceOf(target);
  await expect(wallet.send([{ to: target, value: 10n, bounce: false }])).rejects.toMatchObject({ code: 'wallet_overtaken' });
  expect(await balanceOf(target)).toBe(before + 1n);
  server.close();
});

test('refuses a damaged record of a message in flight instead of forgetting it', async () => {
  const stateFile = join(chain.folder, 'damaged');
  writeFileSync(stateFile, '{"seqno":1}');
  await expect(chain.wallet(1, { stateFile })).rejects.toMatchObject({ code: 'wallet_state_malformed' });
  expect(existsSync(stateFile)).toBe(true);
});

test('has another address on another network', async () => {
  const elsewhere = await chain.wallet(1, { networkId: NETWORK_ID - 1, stateFile: join(chain.folder, 'elsewhere') });
  expect(elsewhere.address.equals(alice.address)).toBe(false);
});
