/**
 * localnet: the whole network on one machine: a local chain, contracts, and the four processes, under a development root.
 * It holds every party's keys, trusts nothing that comes from outside, and never pretends to be more than SIMULATED.
 */
import { NANO_PER_TON } from '../core/money';

/** Name of the network; part of its folders. */
export const NETWORK_NAME = 'local';

/** Global id of the local chain: unlike mainnet (-239) and testnet (-3), so that nothing signed here counts there. */
export const NETWORK_ID = 20_260;

/** Ports where nobody asks for others. */
export const DEFAULT_PORTS = { client: 10_000, proxy: 10_001, chain: 10_002, pccs: 10_003 } as const;
export interface Ports {
  readonly client: number;
  readonly proxy: number;
  readonly chain: number;
  readonly pccs: number;
}

/** What the faucet gives each wallet when the network is made, in nanoTON. */
export const GRANTS = {
  rootOwner: 100n * NANO_PER_TON,
  guardian: 10n * NANO_PER_TON,
  proxyOwner: 1000n * NANO_PER_TON,
  operator: 10n * NANO_PER_TON,
  workerOwner: 10n * NANO_PER_TON,
  gasWallet: 10n * NANO_PER_TON,
  clientOwner: 10n * NANO_PER_TON,
} as const;
export type Party = keyof typeof GRANTS;

/** Governance of the local network. */
export const TIMELOCK_SEC = 5;
export const WITHDRAW_DELAY_SEC = 3600;
export const PROXY_STAKE = 100n * NANO_PER_TON;
export const ROOT_PARAMS = {
  minProxyStake: PROXY_STAKE,
  registrationFee: NANO_PER_TON,
  minProxyDelay: 60,
  maxImages: 64,
  maxModels: 64,
  maxProxies: 64,
} as const;

/** What the local worker asks, nanoTON per 1,000,000 tokens; the proxy adds its fee. */
export const WORKER_PRICES = { uncachedPrompt: '90000000', cachedPrompt: '45000000', answer: '270000000', reasoning: '270000000' } as const;

/** The channel opens with so much. */
export const CHANNEL_DEPOSIT = NANO_PER_TON;

/** How often the processes look at the chain and at each other. */
export const POLL_MS = 250;
