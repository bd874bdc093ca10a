import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { decodeClaims } from '../offchain/attestation/claims';
import { decodeBundle } from '../offchain/attestation/evidence';
import { ClientContract, EVERYTHING, ProxyContract, WorkerContract } from '../offchain/chain/contracts';
import { fromBase64Url, toBigEndian } from '../offchain/core/bytes';
import { controlSocketPath, getControl } from '../offchain/runtime/control';
import { nodeCrypto } from '../offchain/runtime/node-crypto';
import { readAll } from '../offchain/transport/exchange';
import { connectionOver } from '../offchain/transport/session';
import { dialLocal } from '../offchain/transport/tls';
import { decodeReceipt, packReceipt, statementHash } from '../wrappers/statements';
import { DevNetwork, raw, until } from './network.test-kit';

const answersSchema = z.object({
  answers: z.array(
    z.object({
      number: z.string(),
      worker: z.string(),
      costNano: z.string(),
      status: z.number(),
      simulated: z.boolean(),
      uncachedPrompt: z.number(),
      cachedPrompt: z.number(),
      answer: z.number(),
      receipt: z.string(),
      signature: z.string(),
      opening: z.string(),
    }),
  ),
});
const proxyState = z.object({ workers: z.array(z.object({ contract: z.string(), owner: z.string(), owedNano: z.string() })) });
const balanceSchema = z.object({ channel: z.string() });
const anything = z.unknown();

const QUESTION = [{ role: 'user' as const, content: 'What is Cocoon?' }];
const KNOWN = /Confidential Compute Open Network/;

/** The command line as it was built. */
function cocoon(...args: string[]): Promise<{ readonly code: number; readonly stdout: string }> {
  const cli = join(__dirname, '..', 'dist', 'offchain', 'cli.js');
  return new Promise((done) => {
    execFile(process.execPath, [cli, ...args], (error, stdout) => {
      done({ code: error === null ? 0 : typeof error.code === 'number' ? error.code : -1, stdout });
    });
  });
}

describe('a network that one command started', () => {
  let network: DevNetwork;

  beforeAll(async () => {
    network = await DevNetwork.start();
  });

  afterAll(async () => {
    await network.stop();
  });

  const ask = () => network.openai.chat.completions.create({ model: network.model, messages: QUESTION });
  const answers = async () => (await network.command('client', 'answers', answersSchema)).answers;
  const channelAddress = async () => raw((await network.command('client', 'balance', balanceSchema)).channel);

  it('says SIMULATED, and how to ask it', () => {
    expect(network.printed).toContain('SIMULATED');
    expect(network.printed).toContain(`curl ${network.gatewayUrl}/chat/completions`);
  });

  it.each(['chain', 'guest', 'proxy', 'worker', 'client'] as const)(
    'shows health and metrics of the %s apart from its data',
    async (name) => {
      expect(await network.isHealthy(name)).toBe(true);
      const { status, body } = await getControl(controlSocketPath(network.folder(name)), '/metrics');
      expect(status).toBe(200);
      expect(body).toMatch(new RegExp(`^cocoon_${name}_`, 'm'));
    },
  );

  it('lists its model', async () => {
    const models = await network.openai.models.list();
    expect(models.data.map((model) => model.id)).toEqual([network.model]);
  });

  it('answers the stock openai package', async () => {
    const answer = await ask();
    expect(answer.choices[0]?.message.content).toMatch(KNOWN);
    expect(answer.usage?.completion_tokens).toBeGreaterThan(10);
  });

  it('streams to the stock openai package', async () => {
    const stream = await network.openai.chat.completions.create({ model: network.model, messages: QUESTION, stream: true });
    const parts: string[] = [];
    for await (const chunk of stream) parts.push(chunk.choices[0]?.delta.content ?? '');
    expect(parts.length).toBeGreaterThan(10);
    expect(parts.join('')).toMatch(KNOWN);
  });

  it('answers ten at once', async () => {
    const all = await Promise.all(Array.from({ length: 10 }, ask));
    for (const answer of all) expect(answer.choices[0]?.message.content).toMatch(KNOWN);
  });

  it('stops midway when the caller leaves, and bills what was made until then', async () => {
    // The demonstration model is fast: a stop may come too late for one answer, never for all of them.
    const stopped = await until('an answer that was stopped', async () => {
      const before = (await answers()).length;
      const stream = await network.openai.chat.completions.create({ model: network.model, messages: QUESTION, stream: true });
      for await (const chunk of stream) if (chunk.choices[0]?.delta.content) break;
      const all = await until('its receipt', async () => {
        const now = await answers();
        return now.length > before ? now : null;
      });
      return all.find((answer) => answer.status === 2);
    });
    const whole = (await answers())[0];
    expect(stopped.answer).toBeLessThan(whole?.answer ?? 0);
    expect(BigInt(stopped.costNano)).toBeLessThan(BigInt(whole?.costNano ?? '0'));
  });

  it('refuses an unknown model with the ones that there are', async () => {
    await expect(network.openai.chat.completions.create({ model: 'gpt-17', messages: QUESTION })).rejects.toMatchObject({
      status: 404,
      message: expect.stringContaining(network.model),
    });
  });

  it('has for each answer a receipt that its guest has signed and whose commitment opens', async () => {
    const all = await answers();
    expect(all.length).toBeGreaterThanOrEqual(13);
    for (const answer of all) {
      const receipt = decodeReceipt(fromBase64Url(answer.receipt));
      expect(toBigEndian(receipt.details, 32)).toEqual(new Uint8Array(createHash('sha256').update(fromBase64Url(answer.opening)).digest()));
      const key = await receiptKeyOf(answer.worker);
      expect(
        await nodeCrypto.verifyEd25519(key, toBigEndian(statementHash(packReceipt(receipt)), 32), fromBase64Url(answer.signature)),
      ).toBe(true);
      expect(answer.simulated).toBe(true);
    }
  });

  it('hands out a receipt with its evidence, which cocoon verify takes under the roots of this network alone', async () => {
    const file = join(network.folder('client'), 'receipt.json');
    const { stdout } = await cocoon('receipt', '--state', network.folder('client'));
    writeFileSync(file, stdout);
    const verified = await cocoon('verify', file, '--network', join(network.stateFolder, 'network.json'));
    expect(verified.stdout).toMatch(/\nEvidence verified\n[\s\S]*\nSIMULATED: .*\nReceipt verified\n$/);
    expect(verified.code).toBe(0);
    const refused = await cocoon('verify', file);
    expect(refused.stdout).toMatch(/FAIL {2}trust-root [\s\S]*\nReceipt refused .*\n$/);
    expect(refused.code).toBe(1);
  });

  /** From the evidence itself, as the worker shows it to anybody. */
  async function receiptKeyOf(digest: string): Promise<Uint8Array> {
    const known = keys.get(digest);
    if (known !== undefined) return known;
    const connection = connectionOver(await dialLocal(String(network.config('guest').socket)));
    const answer = await connection.call({ method: 'GET', path: `/v1/evidence/${digest}` });
    const claims = decodeClaims(decodeBundle(await readAll(answer.body, 65_536)).claims);
    connection.close();
    const key = new Uint8Array(Buffer.from(claims.keys.receipt, 'hex'));
    keys.set(digest, key);
    return key;
  }
  const keys = new Map<string, Uint8Array>();

  it('moves exactly what the receipts say: client to proxy, proxy to worker', async () => {
    const channel = await channelAddress();
    const all = await answers();
    const cost = all.reduce((sum, answer) => sum + BigInt(answer.costNano), 0n);
    const worker = (await network.command('proxy', 'state', proxyState)).workers[0];
    if (worker === undefined) throw new Error('no worker');
    const workerOwner = raw(worker.owner);
    const ownerBefore = (await network.chain.getAccount(workerOwner)).balance;

    await network.command('client', 'settle', anything);
    const paid = await until('the channel has paid', async () => {
      await network.command('proxy', 'settle', anything);
      const state = await stateOf(channel);
      return state.charged === cost && state.paid === cost ? state : null;
    });
    expect(paid.paid).toBe(cost);

    const owed = BigInt((await network.command('proxy', 'state', proxyState)).workers[0]?.owedNano ?? '0');
    expect(owed).toBeLessThan(cost);
    expect(owed).toBeGreaterThan((cost * 89n) / 100n);
    await until('the worker has claimed', async () => {
      await network.command('worker', 'claim', anything);
      const { data } = await network.chain.getAccount(raw(worker.contract));
      return data !== null && WorkerContract.parseState(data).paid === owed;
    });
    const ownerAfter = await until('the owner is paid', async () => {
      const { balance } = await network.chain.getAccount(workerOwner);
      return balance > ownerBefore ? balance : null;
    });
    expect(ownerAfter - ownerBefore).toBe(owed);
  });

  it('lets the client withdraw its whole rest after the delay, alone, with the proxy dead', async () => {
    const channel = await channelAddress();
    const owner = raw(network.config('client').owner);
    await network.command('client', 'withdraw', anything);
    await network.command('client', 'withdraw', anything, { ton: '0' });
    expect((await stateOf(channel)).withdrawal).toBeNull();
    await network.command('client', 'withdraw', anything);
    const withdrawal = (await stateOf(channel)).withdrawal;
    expect(withdrawal?.amount).toBe(EVERYTHING);
    await expect(network.command('client', 'complete', anything)).rejects.toMatchObject({ code: expect.any(String) });

    const proxy = await network.kill('proxy');
    const rest = (await network.chain.getAccount(channel)).balance;
    const before = (await network.chain.getAccount(owner)).balance;
    await network.increaseTime(3601);
    await until('the withdrawal is complete', async () => {
      await network.command('client', 'complete', anything).catch(() => undefined);
      return (await network.chain.getAccount(channel)).balance === 0n;
    });
    const after = (await network.chain.getAccount(owner)).balance;
    const fees = rest - (after - before);
    expect(proxy).toBeGreaterThan(0);
    expect(fees).toBeGreaterThan(0n);
    expect(fees).toBeLessThan(10_000_000n);
  });

  async function stateOf(channel: ReturnType<typeof raw>) {
    const { data } = await network.chain.getAccount(channel);
    if (data === null) throw new Error('no channel');
    return ClientContract.parseState(data);
  }

  it('keeps the stake where it is', async () => {
    const { contract } = z.object({ contract: z.string() }).parse(await proxyContract());
    const account = await network.chain.getAccount(raw(contract));
    expect(account.data === null ? 0n : ProxyContract.parseState(account.data).stake).toBe(100_000_000_000n);
  });

  async function proxyContract(): Promise<unknown> {
    return { contract: /contract (0:[0-9a-f]{64})/.exec(network.printed)?.[1] };
  }
});
