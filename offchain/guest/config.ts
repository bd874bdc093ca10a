/**
 * guest: the agent inside the confidential machine, and the whole trusted computing base for privacy. It owns the key sets, their
 * evidence, the engine, and the receipts for what the engine did; it opens prompts and seals answers.
 * It trusts the machine that it was measured on, the statements that callers sealed to it, and its engine's counts; of its host it
 * takes two facts, a block and an owner, and proves what it was told. It never holds a wallet, never reads a chain or a ledger, never calls
 * out to anything but its engine, and never lets a prompt, an answer or a key leave unsealed, be it in a log, an error or a metric.
 */
import { z } from 'zod';
import { rawAddress } from '../protocol/fields';
import { processConfigShape } from '../runtime/config';
import { KEY_LIFE_SEC } from './key-ring';

const embeddedEngine = z.strictObject({
  kind: z.literal('embedded'),
  modelPath: z.string().min(1).describe('GGUF file of the model, which the guest hashes, proves and loads'),
  proof: z
    .enum(['files', 'verity'])
    .default('files')
    .describe('how the model is proven: files, by their hash at each start; verity, by the dm-verity device that it is mounted from'),
  modelHash: z
    .string()
    .regex(/^[0-9a-f]{64}$/)
    .nullable()
    .default(null)
    .describe('what the hash has to be, as `cocoon model-hash` prints it: the guest serves nothing else; null for whatever it is'),
});

const urlEngine = z.strictObject({
  kind: z.literal('url'),
  url: z.url({ protocol: /^https?$/ }).describe('an OpenAI-compatible server; nothing proves its weights: MODEL NOT PROVEN'),
});

const simulatedPlatform = z.strictObject({
  kind: z.literal('simulated'),
  folder: z.string().min(1).describe('folder of the development root'),
});

const tdxPlatform = z.strictObject({ kind: z.literal('tdx') });

const command = z.string().min(1).default('/usr/bin/nvattest').describe("path of NVIDIA's attestation tool");
const service = (protocol: RegExp) => z.url({ protocol }).nullable().default(null);

const noGpu = z.strictObject({ kind: z.literal('none') });

const nvattestGpu = z.strictObject({
  kind: z.literal('nvattest'),
  command,
  rimFolder: z.string().min(1).nullable().default(null).describe("folder of NVIDIA's reference manifests; null for its service"),
  rimUrl: service(/^https?$/).describe("service of reference manifests, which are signed; null for NVIDIA's"),
  ocspUrl: service(/^https?$/).describe("service that knows revoked certificates, whose answers are signed; null for NVIDIA's"),
});

const remoteGpu = z.strictObject({
  kind: z.literal('remote'),
  command,
  url: z
    .url({ protocol: /^https$/ })
    .default('https://nras.attestation.nvidia.com')
    .describe("NVIDIA's remote service, or one that speaks as it does"),
});

export const GuestConfigSchema = z.strictObject({
  ...processConfigShape,
  network: z.string().min(1).describe('path of network.json'),
  socket: z.string().min(1).describe('path of the Unix socket that the worker calls'),
  owner: rawAddress.describe('raw address of the wallet that is paid; the evidence proves it'),
  platform: z
    .discriminatedUnion('kind', [simulatedPlatform, tdxPlatform])
    .describe('where quotes come from: simulated, or tdx, the hardware of a TDX guest'),
  gpu: z
    .discriminatedUnion('kind', [noGpu, nvattestGpu, remoteGpu])
    .default({ kind: 'none' })
    .describe(
      "who compares the GPUs with NVIDIA's reference manifests: none, where there is no GPU; nvattest, its tool in the guest; or remote, its service",
    ),
  image: z
    .string()
    .regex(/^[\x20-\x7e]{1,128}$/)
    .optional()
    .describe('name of the image, at most 128 printable ASCII characters; cocoon-guest where none is given'),
  engine: z.discriminatedUnion('kind', [embeddedEngine, urlEngine]).describe('what runs the model: embedded or url'),
  contextLength: z.int().min(1).optional().describe('most tokens of prompt and answer together, where the engine does not say it'),
  keyLifeSec: z
    .int()
    .min(KEY_LIFE_SEC.least)
    .max(KEY_LIFE_SEC.most)
    .default(KEY_LIFE_SEC.most)
    .describe('how long one set of keys may be used, in seconds; new ones and their evidence are made well before'),
  maxRunning: z.int().min(1).max(1024).default(64).describe('requests that may run at once'),
  maxRemembered: z.int().min(1).max(10_000_000).default(250_000).describe('authorisations that one key set can remember until they expire'),
  maxReceipts: z.int().min(1).max(1_000_000).default(20_000).describe('receipts that may wait for the worker to fetch them'),
});

export type GuestConfig = Readonly<z.output<typeof GuestConfigSchema>>;
