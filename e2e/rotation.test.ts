import { z } from 'zod';
import { ClientContract, WorkerContract } from '../offchain/chain/contracts';
import { DevNetwork, raw, until } from './network.test-kit';
import { SlowEngine } from './slow-engine.test-kit';

const HOUR = 3600;
const answersSchema = z.object({ answers: z.array(z.object({ number: z.string(), worker: z.string(), costNano: z.string() })) });
const balanceSchema = z.object({ channel: z.string(), owed: z.string() });
const proxySchema = z.object({
  workers: z.array(z.object({ contract: z.string(), evidence: z.string().nullable(), isVerified: z.boolean(), owedNano: z.string() })),
  channels: z.array(z.object({ outstandingNano: z.string(), reservedNano: z.string() })),
});

/** Seven tokens of prompt and five of answer, at the local worker's prices and with the proxy's fee on them. */
const EARNED = 7n * 90n + 5n * 270n;
const PRICE = 7n * 100n + 5n * 300n;
const WHOLE = 'one two three four five';

describe('a guest that replaces its keys', () => {
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

  const ask = async () => {
    const messages = [{ role: 'user' as const, content: 'count' }];
    return (await network.openai.chat.completions.create({ model: network.model, messages })).choices[0]?.message.content;
  };
  const answers = async () => (await network.command('client', 'answers', answersSchema)).answers;
  const offered = async () => (await network.command('proxy', 'state', proxySchema)).workers[0]?.evidence ?? null;

  /** Moves time, and waits until every process has seen that and requests are answered as before. @returns how many it asked */
  async function pass(seconds: number): Promise<number> {
    const nowSec = await network.increaseTime(seconds);
    for (const name of ['worker', 'proxy', 'client'] as const) await until(`${name} at ${nowSec}`, () => network.hasSeen(name, nowSec));
    // What the proxy offers at that time, it offers until time moves again; an answer may still come from an offer before.
    await until('an offer', offered);
    let asked = 0;
    await until('an answer', async () => {
      try {
        return (await ask()) === WHOLE && ++asked > 0;
      } catch {
        return null;
      }
    });
    return asked;
  }

  it('drops no request and charges each once, to the nano, whatever was in flight', async () => {
    const old = await until('an offer', offered);
    let whole = 0;
    whole += await pass(23 * HOUR - 100);
    expect(await offered()).toBe(old);

    engine.isHeld = true;
    const held = [await network.beginAnswer('count'), await network.beginAnswer('count'), await network.beginAnswer('count')];
    engine.isHeld = false;
    // From here on nobody may be refused: requests go on, one behind the other, until some have run under the new keys.
    const next = async () => {
      const digest = await offered();
      return digest !== null && digest !== old ? digest : null;
    };
    // Less than the two minutes after which a silent chain ends every verdict.
    await network.increaseTime(105);
    for (let left = 5; left > 0; whole++) {
      expect(await ask()).toBe(WHOLE);
      if ((await answers()).at(-1)?.worker !== old) left--;
    }
    const replaced = await until('new keys', next);

    // The old keys are forgotten after ten minutes; what runs under them goes on to its end.
    whole += await pass(601);
    engine.release();
    expect(await Promise.all(held.map((rest) => rest()))).toEqual([WHOLE, WHOLE, WHOLE]);

    const all = await until('every receipt', async () => {
      const now = await answers();
      return now.length >= whole + held.length ? now : null;
    });
    expect(all).toHaveLength(whole + held.length);
    expect(new Set(all.map(({ number }) => number)).size).toBe(all.length);
    expect(new Set(all.map(({ worker }) => worker))).toEqual(new Set([old, replaced]));
    expect(new Set(all.map(({ costNano }) => costNano))).toEqual(new Set([PRICE.toString()]));
    await paid(all.length);
  });

  /** Everybody's totals come to so many answers, when all vouchers are signed, charged and claimed. */
  async function paid(count: number): Promise<void> {
    const totals = await until('all totals', async () => {
      await network.settle();
      const client = await network.command('client', 'balance', balanceSchema);
      const { workers, channels } = await network.command('proxy', 'state', proxySchema);
      const channel = await network.chain.getAccount(raw(client.channel));
      const contract = await network.chain.getAccount(raw(workers[0]?.contract));
      if (channel.data === null || contract.data === null || client.owed !== '0') return null;
      const charged = ClientContract.parseState(channel.data).paid;
      const claimed = WorkerContract.parseState(contract.data).paid;
      if (channels[0]?.outstandingNano !== '0' || claimed !== BigInt(workers[0]?.owedNano ?? '-1')) return null;
      return { charged, claimed, reserved: channels[0]?.reservedNano };
    });
    expect(totals).toEqual({ charged: BigInt(count) * PRICE, claimed: BigInt(count) * EARNED, reserved: '0' });
  }
});
