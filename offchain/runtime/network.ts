import { z } from 'zod';
import { loadConfig } from './config';

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
