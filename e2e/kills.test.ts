import { z } from 'zod';
import { ClientContract, WorkerContract } from '../offchain/chain/contracts';
import { DevNetwork, type ProcessName, raw, until } from './network.test-kit';
import { SlowEngine } from './slow-engine.test-kit';

const balanceSchema = z.object({ channel: z.string(), owed: z.string() });
const proxySchema = z.object({
  workers: z.array(z.object({ contract: z.string(), owedNano: z.string() })),
  channels: z.array(z.object({ voucherNano: z.string(), chargedNano: z.string(), outstandingNano: z.string(), reservedNano: z.string() })),
});
const workerSchema = z.object({
  proxies: z.array(z.object({ earnedNano: z.string(), voucherNano: z.string(), isConnected: z.boolean() })),
});

describe('a process that is killed mid-request', () => {
  let network: DevNetwork;
  let engine: SlowEngine;

  beforeAll(async () => {
    engine = await SlowEngine.start();
    network = await DevNetwork.start({ args: ['--engine', engine.url] });
  });

  afterAll(async () => {
    engine.stop();
    await network.stop();
  });

  const question = { messages: [{ role: 'user' as const, content: 'count' }] };

  /** A streamed answer that has begun and is held. */
  function beginAnswer(): Promise<() => Promise<string>> {
    engine.isHeld = true;
    return network.beginAnswer('count');
  }

  /** The network answers again, as it does for a caller who simply asks once more. */
  async function answersAgain(): Promise<void> {
    engine.release();
    const text = await until('an answer', async () => {
      try {
        const answer = await network.openai.chat.completions.create({ model: network.model, ...question });
        return answer.choices[0]?.message.content;
      } catch {
        return null;
      }
    });
    expect(text).toBe('one two three four five');
  }

  /** Everybody's totals, when all vouchers are signed, charged and claimed. */
  async function totalsAgree(): Promise<void> {
    await until('all totals agree', async () => {
      await network.settle();
      const client = await network.command('client', 'balance', balanceSchema);
      const proxy = await network.command('proxy', 'state', proxySchema);
      const worker = (await network.command('worker', 'state', workerSchema)).proxies[0];
      const channel = await network.chain.getAccount(raw(client.channel));
      const contract = proxy.workers[0]?.contract;
      const funded = contract === undefined ? null : await network.chain.getAccount(raw(contract));
      if (channel.data === null || funded?.data == null || proxy.channels.length !== 1) return null;
      const state = ClientContract.parseState(channel.data);
      const owed = BigInt(proxy.workers[0]?.owedNano ?? '-1');
      const standing = proxy.channels[0];
      return (
        client.owed === '0' &&
        state.charged === state.paid &&
        standing?.outstandingNano === '0' &&
        BigInt(standing.voucherNano) === state.charged &&
        BigInt(worker?.earnedNano ?? '-2') === owed &&
        WorkerContract.parseState(funded.data).paid === owed &&
        // The worker is never owed more than the client has paid.
        owed <= state.paid
      );
    });
  }

  it('says MODEL NOT PROVEN for an engine behind a URL', () => {
    expect(network.printed).toContain('MODEL NOT PROVEN');
  });

  const cutters: readonly ProcessName[] = ['proxy', 'worker', 'guest', 'client'];
  for (const name of cutters) {
    it(`gives the caller an error when it is the ${name}, and heals when that alone is started again`, async () => {
      const answer = await beginAnswer();
      await network.kill(name);
      await expect(answer()).rejects.toThrow();
      engine.release();
      await network.healed(name);
      await answersAgain();
      await totalsAgree();
    });
  }

  it('does not disturb the answer when it is the chain', async () => {
    const answer = await beginAnswer();
    await network.kill('chain');
    engine.release();
    expect(await answer()).toBe('one two three four five');
    await network.healed('chain');
    await answersAgain();
    await totalsAgree();
  });

  it('leaves nothing running after Ctrl-C, and goes on where it ended at the second start', async () => {
    const names: readonly ProcessName[] = ['chain', 'guest', 'proxy', 'worker', 'client'];
    const pids = await Promise.all(names.map((name) => network.pid(name)));
    const before = await network.command('client', 'balance', balanceSchema);
    expect(await network.interrupt()).toBe(0);
    for (const pid of pids) expect(() => process.kill(pid ?? 0, 0)).toThrow();

    const second = await DevNetwork.start({ args: ['--engine', engine.url], stateFolder: network.stateFolder });
    try {
      const after = await second.command('client', 'balance', balanceSchema);
      expect(after).toEqual(before);
      const answer = await second.openai.chat.completions.create({ model: second.model, ...question });
      expect(answer.choices[0]?.message.content).toBe('one two three four five');
    } finally {
      await second.stop();
    }
  });
});
