import { join } from 'node:path';
import { Address } from '@ton/core';
import { DEFAULT_LIMITS } from '../attestation/policy';
import { openNetworkChain } from '../chain/network-chain';
import { networkPolicy } from '../chain/network-policy';
import { Pending } from '../chain/pending';
import { SendingWallet } from '../chain/wallet';
import { codeOf } from '../core/errors';
import { formatTon } from '../core/money';
import { Ledger, LedgerError } from '../ledger/ledger';
import type { WorkerInfo } from '../protocol/calls';
import { localSocketPath } from '../runtime/control';
import { type ProcessContext, type RunningProcess, runProcess } from '../runtime/lifecycle';
import { loadNetwork } from '../runtime/network';
import { signerFromSeed } from '../runtime/node-crypto';
import { repeat } from '../runtime/repeat';
import { loadOrCreateSeed, openStateFolder } from '../runtime/state-folder';
import { VERSION } from '../runtime/version';
import { WorkerAccounts } from './accounts';
import { Claims } from './claims';
import { type WorkerConfig, WorkerConfigSchema } from './config';
import { GuestLink } from './guest-link';
import { registerWorkerMetrics } from './metrics';
import { ProxyLink } from './proxy-link';

runProcess({ name: 'worker', config: WorkerConfigSchema, start });

async function start(context: ProcessContext<WorkerConfig>): Promise<RunningProcess> {
  const { config, log } = context;
  const network = loadNetwork(config.network);
  // It verifies nothing itself; but what it says of its network must be so.
  await networkPolicy(network, DEFAULT_LIMITS);
  const keys = join(config.stateFolder, 'keys');
  openStateFolder(keys);
  const ledger = Ledger.open(join(config.stateFolder, 'ledger'));
  const accounts = new WorkerAccounts(ledger, config);
  const guest = new GuestLink(localSocketPath(config.guestSocket), log);
  const chain = await openNetworkChain(network, config.pollMs, log);
  const wallet = await SendingWallet.open({
    client: chain.client,
    signer: signerFromSeed(loadOrCreateSeed(join(keys, 'gas-wallet.seed'))),
    networkId: network.networkId,
    stateFile: join(config.stateFolder, 'gas-wallet.json'),
  });
  const owner = Address.parseRaw(config.owner);
  const links = new Map<string, ProxyLink>();
  const fail = (error: unknown) => context.fail(error);
  const claims = new Claims({
    wallet,
    pending: new Pending(chain.clock),
    log,
    claimables: () => [...links.values()].flatMap((link) => link.claimables()),
  });
  registerWorkerMetrics(context.metrics, links, accounts);

  const info = (): WorkerInfo => ({
    owner: config.owner,
    prices: config.prices,
    capacity: config.capacity,
    guest: guestInfo(guest),
    version: VERSION,
  });

  /** Serves the proxies that are listed now; one that has left the registry keeps its connection as long as it lasts. */
  const connectListed = () => {
    const wanted = config.proxies === null ? chain.lists.proxies() : config.proxies.map((raw) => Address.parseRaw(raw));
    for (const proxy of wanted) {
      const id = proxy.toRawString();
      if (!links.has(id)) {
        links.set(
          id,
          new ProxyLink(proxy, { config, owner, accounts, guest, watcher: chain.watcher, clock: chain.clock, log, info, fail }),
        );
      }
    }
  };

  const round = async () => {
    connectListed();
    const block = chain.watcher.latestBlock;
    if (block === null) return;
    const before = guest.status?.state;
    await guest.refresh(block);
    const status = guest.status;
    if (status === null) return;
    if (status.state !== before) log.info({ state: status.state, simulated: status.simulated }, 'guest state');
    await guest.collectReceipts((receipts) => accounts.record(receipts));
    await accounts.forgetExpired(status.boot, chain.clock.nowSec(), config.longestRunSec);
  };

  const onError = (what: string) => (error: unknown) =>
    error instanceof LedgerError ? fail(error) : log.warn({ code: codeOf(error) }, what);
  const loops = [
    repeat(context.stopping, config.pollMs, round, onError('round failed')),
    // Apart: a claim waits for the chain, and the guest must not.
    repeat(context.stopping, config.pollMs, async () => void (await claims.claim(config.claimAtNano)), onError('claim failed')),
  ];

  return {
    details: { gasWallet: wallet.address.toRawString() },
    health: () => ({
      status: guest.status?.state === 'ready' ? 'ok' : 'failing',
      details: {
        ...chain.health(),
        guest: guest.status?.state ?? 'gone',
        connected: [...links.values()].filter((link) => link.connected).length,
        simulated: guest.status?.simulated ?? false,
      },
    }),
    commands: {
      /** Claims at once from every proxy; answers what was asked for, in TON. */
      claim: async () => ({ claimed: formatTon(await claims.claim(0n)) }),
      /** What each proxy owes and has promised. */
      state: async () => ({
        proxies: [...links.values()].map((link) => {
          const { earned, reserved, voucher } = accounts.view(link.contract ?? '');
          return {
            proxy: link.proxy.toRawString(),
            isConnected: link.connected,
            earnedNano: earned.toString(),
            reservedNano: reserved.toString(),
            voucherNano: (voucher?.voucher.total ?? 0n).toString(),
          };
        }),
      }),
    },
    stop: async () => {
      await Promise.all([...links.values()].map((link) => link.stop()));
      await chain.stop();
      guest.close();
      await Promise.all(loops);
      await ledger.close();
    },
  };
}

function guestInfo(guest: GuestLink): WorkerInfo['guest'] {
  const status = guest.status;
  if (status === null || status.state !== 'ready' || status.model === null || status.keys === null || status.engine === null) return null;
  return { model: status.model, keys: status.keys, engine: status.engine, image: status.image };
}
