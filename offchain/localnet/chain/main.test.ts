import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Cell, internal, toNano } from '@ton/core';
import { TonClient } from '@ton/ton';
import { z } from 'zod';
import { mainnetPrices } from '../../../wrappers/chain-config';
import { type RunningChild, startChild } from '../../runtime/child';
import { LocalChain } from './chain';
import { TestWallet } from './chain.test-kit';
import { sandboxConfig } from './sandbox-config';

// Processes start here, and on a busy machine each takes a second or more.
jest.setTimeout(60_000);

const alice = new TestWallet(1);
const bob = new TestWallet(2);
let folder = '';
let running: RunningChild | undefined;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cocoon-chain-'));
});
afterEach(async () => {
  await running?.kill();
  rmSync(folder, { recursive: true });
});

function configFile(settings: object = {}): string {
  const path = join(folder, 'config.json');
  writeFileSync(path, JSON.stringify({ stateFolder: join(folder, 'state'), port: 0, blockIntervalMs: 20, ...settings }));
  return path;
}

async function start(settings?: object): Promise<{ child: RunningChild; client: TonClient; url: string }> {
  const child = await startChild({ name: 'chain', script: join(__dirname, 'main'), configFile: configFile(settings) });
  running = child;
  const endpoint = String(child.details.endpoint);
  return { child, client: new TonClient({ endpoint }), url: endpoint.replace('/api/v2/jsonRPC', '') };
}

const post = (url: string, body: object) =>
  fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });

/** What a client can ask about the past: it must be the same for ever. */
async function past(client: TonClient, url: string, seqno: number) {
  const lookup = await (await fetch(`${url}/api/v2/lookupBlock?workchain=-1&seqno=${seqno}`)).json();
  const header = await (await fetch(`${url}/api/v2/getBlockHeader?workchain=-1&seqno=${seqno}`)).json();
  const transactions = await Promise.all([alice, bob].map(({ address }) => client.getTransactions(address, { limit: 100 })));
  return { lookup, header, hashes: transactions.map((list) => list.map((transaction) => transaction.hash().toString('hex'))) };
}

test('continues after kill -9 in the middle of traffic: what it had answered is there, nothing twice, and it goes on', async () => {
  const first = await start();
  await post(`${first.url}/dev/faucet`, { address: alice.address.toString(), amountNano: toNano(100).toString() });
  // Sends one after the other until the process is gone; each that was answered must have happened.
  let answered = 0;
  const sending = (async () => {
    for (;;) {
      await alice.send(first.client, [internal({ to: bob.address, value: 1n, bounce: false })], answered);
      answered++;
      if (answered === 5) process.kill(first.child.pid, 'SIGKILL');
    }
  })();
  await expect(sending).rejects.toThrow();
  expect(await first.child.exited).toMatchObject({ signal: 'SIGKILL' });

  const second = await start();
  const seqno = await second.client.open(alice.contract).getSeqno();
  expect([answered, answered + 1]).toContain(seqno);
  expect(await second.client.getBalance(bob.address)).toBe(BigInt(seqno));
  const before = await past(second.client, second.url, 3);
  expect(await second.child.stop()).toMatchObject({ code: 0 });

  const third = await start();
  expect(await past(third.client, third.url, 3)).toEqual(before);
  await alice.send(third.client, [internal({ to: bob.address, value: 1n, bounce: false })]);
  expect(await third.client.getBalance(bob.address)).toBe(BigInt(seqno + 1));
});

test('makes blocks by itself, as the clock goes', async () => {
  const { client } = await start();
  const { latestSeqno } = await client.getMasterchainInfo();
  while ((await client.getMasterchainInfo()).latestSeqno < latestSeqno + 3) await new Promise((done) => setTimeout(done, 10));
});

test('has a block of today when it is started again after a pause: clients take the time from there', async () => {
  const journalPath = join(folder, 'state', 'journal');
  mkdirSync(join(folder, 'state'));
  const nowSec = Math.floor(Date.now() / 1000);
  const onFatal = (error: Error) => expect(error).toBeNull();
  const config = mainnetPrices(Cell.fromBase64(sandboxConfig));
  const old = await LocalChain.open({ journalPath, config, nowSec: () => nowSec - 86_400, onFatal });
  await old.mine(1);
  await old.close();
  // It makes no block by itself while this looks.
  const { url } = await start({ blockIntervalMs: 60_000 });
  const info = z.object({ result: z.object({ blockTimeSec: z.number(), seqno: z.number() }) });
  const { result } = info.parse(await (await fetch(`${url}/dev/info`)).json());
  expect(result.blockTimeSec).toBeGreaterThanOrEqual(nowSec);
  expect(result.seqno).toBe(2);
});

test('refuses a port in use and a journal that is none in one line each', async () => {
  const { child } = await start();
  const port = Number(child.details.port);
  const other = startChild({
    name: 'chain',
    script: join(__dirname, 'main'),
    configFile: configFile({ stateFolder: join(folder, 'other'), port }),
  });
  await expect(other).rejects.toMatchObject({
    code: 'child_failed',
    message: `chain: port ${port} on 127.0.0.1 is in use`,
    data: { childCode: 'port_unusable' },
  });
  await child.stop();

  const journal = join(folder, 'state', 'journal');
  writeFileSync(journal, `x${readFileSync(journal, 'utf8')}`);
  await expect(start()).rejects.toMatchObject({ data: { childCode: 'journal_foreign' }, message: expect.stringContaining('--reset') });
});
