/**
 * proxy: offers attested workers, admits by credit, relays ciphertext, bills, and settles on chain.
 * It trusts the chain for money and verified evidence for keys, no client and no worker; it never sees a plaintext or holds a deposit.
 */
import { z } from 'zod';
import { nano, rawAddress } from '../protocol/fields';
import { processConfigShape } from '../runtime/config';

export const ProxyConfigSchema = z.strictObject({
  ...processConfigShape,
  network: z.string().min(1).describe('path of network.json'),
  owner: rawAddress.describe("raw address of the owner's wallet, who stakes and withdraws"),
  ownerKeyFile: z
    .string()
    .min(1)
    .nullable()
    .default(null)
    .describe("the owner's key, to deploy and register unattended; null: somebody else does"),
  index: z.int().min(0).max(0xffff_ffff).default(0).describe('lets one owner run several proxies'),
  withdrawDelaySec: z
    .int()
    .min(60)
    .max(90 * 86_400)
    .default(3600)
    .describe('delay of announced withdrawals, in seconds'),
  stakeNano: nano.default(100_000_000_000n).describe('stake to register with, in nanoTON'),
  incomeNano: nano.default(5_000_000_000n).describe('free income to begin with, which funds workers, in nanoTON'),
  host: z.string().min(1).default('127.0.0.1').describe('address to listen on'),
  port: z.int().min(0).max(65_535).default(10_001).describe('port to listen on; 0 for a free one'),
  endpoint: z
    .url({ protocol: /^https$/ })
    .nullable()
    .default(null)
    .describe('public URL; null: https://host:port'),
  tls: z
    .strictObject({ keyFile: z.string().min(1), certFile: z.string().min(1) })
    .nullable()
    .default(null)
    .describe('PEM files of an ordinary certificate; null: a self-signed one, pinned on chain'),
  feeBasisPoints: z.int().min(0).max(9999).default(1000).describe("the proxy's share of what clients pay, in hundredths of a per cent"),
  creditWindowNano: nano.default(100_000_000n).describe('unsigned work that is carried per channel, in nanoTON'),
  workerCreditNano: nano
    .default(1_000_000_000n)
    .describe('most that may be in flight at one worker, receipts without their answers included, in nanoTON'),
  maxUndeliveredNano: nano
    .default(100_000_000n)
    .describe('drop a worker when its receipts without their answers are worth more within a day, in nanoTON'),
  chargeAtNano: nano.default(50_000_000n).describe('charge when a voucher is worth so much, in nanoTON'),
  minChargeNano: nano.default(5_000_000n).describe('never charge for less, whatever happens: what a charge costs, in nanoTON'),
  settleAfterSec: z
    .int()
    .min(10)
    .max(86_400)
    .default(600)
    .describe(
      'settle a receipt on chain when no voucher covers it for so long, in seconds; sooner when a withdrawal would leave it unpaid',
    ),
  minSettleNano: nano
    .default(1_000_000n)
    .describe('settle no receipt on chain that is worth less, and none alone that is not worth twice as much: what that costs, in nanoTON'),
  workerDepositNano: nano.default(500_000_000n).describe("what a worker's contract is filled up with, in nanoTON"),
  workerRefillAtNano: nano.default(250_000_000n).describe("fill up when a worker's contract holds less beyond what is owed, in nanoTON"),
  offerSec: z.int().min(10).max(3600).default(60).describe('how long an offer holds, in seconds'),
  longestRunSec: z.int().min(60).default(900).describe('after its validity, when a request without a receipt is given up, in seconds'),
  pollMs: z.int().min(50).max(10_000).default(1000).describe('between two looks at the chain, in milliseconds'),
});

export type ProxyConfig = Readonly<z.output<typeof ProxyConfigSchema>>;

/** Furthest that an authorisation may reach ahead, in seconds. */
export const MAX_VALID_SEC = 600;

/** Most requests of one channel that are on record. */
export const MAX_ON_RECORD = 16_384;

/** Most channels that are watched at once. */
export const MAX_WATCHED = 10_000;
