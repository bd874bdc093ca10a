/**
 * worker: the host side of a confidential machine: it connects the guest to proxies, sets prices, keeps vouchers, claims.
 * It trusts its own guest for the counts and the contracts for the money; it sees ciphertext only and holds no key of the guest.
 */
import { z } from 'zod';
import { nano, prices, rawAddress } from '../protocol/fields';
import { processConfigShape } from '../runtime/config';

export const WorkerConfigSchema = z.strictObject({
  ...processConfigShape,
  network: z.string().min(1).describe('path of network.json'),
  guestSocket: z.string().min(1).describe("path of the guest's Unix socket"),
  owner: rawAddress.describe('raw address of the wallet that is paid'),
  prices: prices.describe('nanoTON per 1,000,000 tokens: uncachedPrompt, cachedPrompt, answer, reasoning'),
  capacity: z.int().min(1).max(1024).default(16).describe('requests that may run at once'),
  proxies: z.array(rawAddress).nullable().default(null).describe('proxy contracts to serve; null for every listed one'),
  claimAtNano: nano.default(200_000_000n).describe('claim when a voucher is worth so much, in nanoTON'),
  pollMs: z.int().min(50).max(60_000).default(1000).describe('between two looks at chain and guest, in milliseconds'),
  longestRunSec: z.int().min(60).default(900).describe('after its validity, when a request without a receipt is given up, in seconds'),
});

export type WorkerConfig = Readonly<z.output<typeof WorkerConfigSchema>>;
