import { z } from 'zod';
import { loadConfig } from './config';

/** 48 bytes in base64url. */
const p384Coordinate = z.string().regex(/^[A-Za-z0-9_-]{64}$/);

/**
 * network.json: what all processes of one network must agree on.
 * `root` is the raw address of the RootContract; `trustRoots` hold DER certificates in base64; with `clock: "chain"` the
 * processes follow the chain's block time (a local network, where time can be moved), otherwise the machine's clock.
 */
export const NetworkSchema = z.strictObject({
  name: z
    .string()
    .regex(/^[a-z0-9][a-z0-9-]{0,31}$/)
    .describe('name of the network, at most 32 of a-z, 0-9 and -; part of folder names'),
  networkId: z.int32().describe('global id of the chain: -239 mainnet, -3 testnet'),
  root: z
    .string()
    .regex(/^0:[0-9a-f]{64}$/)
    .describe('raw address of the root contract, 0: and 64 lower-case hex digits'),
  chain: z
    .array(
      z.strictObject({
        url: z.url({ protocol: /^https?$/ }).describe('toncenter v2 JSON-RPC endpoint, such as https://toncenter.com/api/v2/jsonRPC'),
        apiKeyFile: z.string().min(1).optional().describe('file that holds the API key'),
      }),
    )
    .min(1)
    .describe('chain endpoints, the preferred one first'),
  trustRoots: z
    .array(
      z.strictObject({
        kind: z.enum(['development', 'intel']),
        der: z.base64().min(1).describe('the root certificate, DER in base64'),
      }),
    )
    .min(1)
    .describe('roots under which a quote is believed'),
  tcb: z
    .strictObject({
      acceptedTcb: z
        .array(
          z.enum([
            'UpToDate',
            'SWHardeningNeeded',
            'ConfigurationNeeded',
            'ConfigurationAndSWHardeningNeeded',
            'OutOfDate',
            'OutOfDateConfigurationNeeded',
          ]),
        )
        .optional()
        .describe("statuses of Intel's that a platform may have; without it, UpToDate alone, and an empty list means nobody"),
      acceptedAdvisories: z
        .array(z.string().regex(/^[A-Za-z0-9._-]{1,64}$/))
        .optional()
        .describe('advisories that a platform may have, such as INTEL-SA-00960; without it, none'),
      maxCollateralAgeSec: z
        .int()
        .min(3600)
        .optional()
        .describe('how old collateral may be, in seconds; without it, 15 days, and never longer than Intel signs for'),
      minEvaluationNumber: z
        .int()
        .min(0)
        .optional()
        .describe('the lowest TCB evaluation number of collateral that is believed: no recovery before it can be held back'),
    })
    .optional()
    .describe('what is believed of platforms; without it, those that are up to date and have no advisory'),
  gpu: z
    .strictObject({
      required: z
        .boolean()
        .default(false)
        .describe('whether a worker must have a GPU that it can prove; one that claims it must in any case'),
      roots: z
        .array(
          z.strictObject({
            kind: z.enum(['development', 'nvidia']),
            der: z.base64().min(1).describe('the root certificate, DER in base64'),
          }),
        )
        .describe('roots under which GPUs are believed'),
      modes: z
        .array(z.enum(['passthrough', 'protected-pcie']))
        .describe('how GPUs may be shared: passthrough, every link encrypted, or protected-pcie, boards whose switches are not proven'),
      drivers: z.array(z.string().min(1)).describe('versions of the driver that are believed, such as 590.12'),
      vbios: z.array(z.string().min(1)).describe('versions of the VBIOS that are believed, such as 96.00.A5.00.01'),
      appraiserKeys: z
        .array(z.strictObject({ kid: z.string().min(1), x: p384Coordinate, y: p384Coordinate }))
        .default([])
        .describe("keys of NVIDIA's remote service, as its JWKS has them; without them what it says proves nothing"),
    })
    .optional()
    .describe('what is believed of GPUs; without it, nothing: a worker that claims to have one is refused'),
  pccs: z
    .url({ protocol: /^https?$/ })
    .describe("where TCB info, QE identity and revocation lists come from: a PCCS, or Intel's https://api.trustedservices.intel.com"),
  clock: z.enum(['system', 'chain']).describe('where processes read the time'),
});

export type Network = Readonly<z.output<typeof NetworkSchema>>;

/** Reads network.json. @throws config_unreadable, config_not_json, config_invalid */
export function loadNetwork(path: string): Network {
  return loadConfig(NetworkSchema, path);
}
