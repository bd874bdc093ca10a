import { Address } from '@ton/core';
import { z } from 'zod';
import { parseNano } from '../../core/money';
import type { LocalChain } from './chain';
import { LocalChainError } from './local-chain-error';

/** Bounds, so that a slip of a finger cannot make a chain that nobody can use any more. */
const MAX_BLOCKS = 10_000;
const MAX_JUMP_SEC = 10 * 365 * 86_400;

const faucetSchema = z.strictObject({ address: z.string(), amountNano: z.string() });
const mineSchema = z.strictObject({ blocks: z.int().min(1).max(MAX_BLOCKS).default(1) });
const increaseTimeSchema = z.strictObject({ seconds: z.int().min(1).max(MAX_JUMP_SEC) });

/**
 * What only a local chain can do, by name: coins from nothing (`amountNano`: a decimal string), empty blocks, time that jumps.
 * Each answers with where the chain is afterwards.
 */
export function devMethods(chain: LocalChain): ReadonlyMap<string, (params: unknown) => Promise<unknown>> {
  const info = () => ({
    seqno: chain.lastBlock.seqno,
    rootHash: chain.lastBlock.rootHash.toString('hex'),
    blockTimeSec: chain.lastBlock.timeSec,
    genesisRootHash: chain.blockAt(0)?.rootHash.toString('hex'),
    nowSec: chain.nowSec,
  });
  return new Map<string, (params: unknown) => Promise<unknown>>([
    ['info', async () => info()],
    [
      'faucet',
      async (params) => {
        const { address, amountNano } = parse(faucetSchema, params);
        await chain.faucet(parseAddress(address), parseNano(amountNano));
        return info();
      },
    ],
    [
      'mine',
      async (params) => {
        await chain.mine(parse(mineSchema, params).blocks);
        return info();
      },
    ],
    [
      'increaseTime',
      async (params) => {
        await chain.increaseTime(parse(increaseTimeSchema, params).seconds);
        return info();
      },
    ],
  ]);
}

function parse<T>(schema: z.ZodType<T>, params: unknown): T {
  const result = schema.safeParse(params);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  throw new LocalChainError('bad_params', `${issue?.path.join('.') || 'params'}: ${issue?.message ?? 'not valid'}`);
}

function parseAddress(text: string): Address {
  try {
    return Address.parse(text);
  } catch (cause) {
    throw new LocalChainError('bad_params', 'address: not an address', {}, { cause });
  }
}
