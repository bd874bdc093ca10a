import { z } from 'zod';
import { DEFAULT_LIMITS } from '../attestation/policy';
import { nano, rawAddress } from '../protocol/fields';
import { processConfigShape } from '../runtime/config';

const age = z.int().min(0).max(0xffff_ffff);

/** What the library needs; the gateway adds where it listens. */
export const clientSettingsShape = {
  network: z.string().min(1).describe('path of network.json'),
  owner: rawAddress.describe("raw address of the owner's wallet, to which every unspent coin returns"),
  ownerKeyFile: z
    .string()
    .min(1)
    .nullable()
    .default(null)
    .describe("the owner's key, to open the channel, top it up and withdraw; null: somebody else does"),
  proxy: rawAddress.nullable().default(null).describe('proxy contract to use; null for a registered one'),
  openNano: nano.default(1_000_000_000n).describe('deposit that the channel is opened with, in nanoTON'),
  topUpNano: nano.default(0n).describe('what is brought when the deposit does not cover a request, in nanoTON; 0 for nothing'),
  maxAmountNano: nano.default(100_000_000n).describe('the most that one request may cost, in nanoTON'),
  allowUnproven: z.boolean().default(false).describe('use guests whose model nothing proves, on networks under a development root'),
  minImageAgeSec: age.default(DEFAULT_LIMITS.minImageAgeSec).describe('for how long an image must have been on the allowlist, in seconds'),
  minModelAgeSec: age.default(DEFAULT_LIMITS.minModelAgeSec).describe('for how long a model must have been on the allowlist, in seconds'),
  maxBlockAgeSec: age.default(DEFAULT_LIMITS.maxBlockAgeSec).describe('how old the block in the evidence may be, in seconds'),
  longestRunSec: z.int().min(60).default(900).describe('after its validity, when a request without a receipt is given up, in seconds'),
  voucherPauseMs: z.int().min(0).max(60_000).default(1000).describe('between a receipt and the voucher over it, in milliseconds'),
  stopWaitMs: z.int().min(0).max(600_000).default(30_000).describe('how long a stopped answer may take to its receipt, in milliseconds'),
  pollMs: z.int().min(50).max(10_000).default(1000).describe('between two looks at the chain, in milliseconds'),
};

export const ClientSettingsSchema = z.strictObject({ stateFolder: processConfigShape.stateFolder, ...clientSettingsShape });

/** Amounts as decimal strings of nanoTON; what is left out has its default. */
export type ClientSettingsInput = z.input<typeof ClientSettingsSchema>;
export type ClientSettings = Readonly<z.output<typeof ClientSettingsSchema>>;

export const ClientConfigSchema = z.strictObject({
  ...processConfigShape,
  ...clientSettingsShape,
  host: z
    .enum(['127.0.0.1', '::1'])
    .default('127.0.0.1')
    .describe('loopback address to listen on: whoever reaches the gateway spends the deposit'),
  port: z.int().min(0).max(65_535).default(10_000).describe('port to listen on; 0 for a free one'),
  maxBodySize: z
    .int()
    .min(1024)
    .max(4 * 1024 * 1024)
    .default(4 * 1024 * 1024)
    .describe('most bytes of one request'),
});

export type ClientConfig = Readonly<z.output<typeof ClientConfigSchema>>;
