import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Address } from '@ton/core';
import { MAX_OPEN } from '../../wrappers/statements';
import { DEFAULT_LIMITS } from '../attestation/policy';
import { ProxyContract } from '../chain/contracts';
import { MessageValues } from '../chain/message-values';
import { type NetworkChain, openNetworkChain } from '../chain/network-chain';
import { networkCollateral, openVerifierMemory } from '../chain/network-collateral';
import { networkPolicy } from '../chain/network-policy';
import { Pending } from '../chain/pending';
import { SendingWallet } from '../chain/wallet';
import { loadWalletSigner } from '../chain/wallet-key';
import { fromHex } from '../core/bytes';
import { ConfigError, codeOf } from '../core/errors';
import { formatTon } from '../core/money';
import { Ledger, LedgerError } from '../ledger/ledger';
import type { ProxyInfo } from '../protocol/calls';
import { bytesValue, hashText } from '../protocol/fields';
import { type ProcessContext, type RunningProcess, runProcess } from '../runtime/lifecycle';
import { loadNetwork, type Network } from '../runtime/network';
import { nodeCrypto, signerFromSeed } from '../runtime/node-crypto';
import { repeat } from '../runtime/repeat';
import { loadOrCreateSeed, openStateFolder } from '../runtime/state-folder';
import { VERSION } from '../runtime/version';
import { MAX_RELAY_BODY } from '../sealing/relay-body';
import { loadOrCreateTlsIdentity, type TlsIdentity, tlsIdentity } from '../transport/tls';
import { ChannelKeys } from './channel-keys';
import { type Channel, Channels } from './channels';
import { MAX_VALID_SEC, MAX_WATCHED, type ProxyConfig, ProxyConfigSchema } from './config';
import { PublicListener } from './listener';
import { registerProxyMetrics } from './metrics';
import { ReceiptSettlement } from './receipt-settlement';
import { ensureRegistered } from './registration';
import { RequestBook } from './requests';
import { proxyService } from './service';
import { Settlement } from './settlement';
import { WorkerDebts } from './worker-debts';
import { WorkerFunding } from './worker-funding';
import { WorkerPool } from './worker-pool';
import type { WorkerSession } from './worker-session';

/** How long a worker may take to answer a call, or to begin an answer. */
const WORKER_TIMEOUT_MS = 30_000;

runProcess({ name: 'proxy', config: ProxyConfigSchema, start });

async function start(context: ProcessContext<ProxyConfig>): Promise<RunningProcess> {
  const { config, log } = context;
  const network = loadNetwork(config.network);
  // Models without a proof exist on development networks only.
  const allowUnproven = network.trustRoots.every((root) => root.kind === 'development');
  const policy = await networkPolicy(network, { ...DEFAULT_LIMITS, allowUnproven });
  const keys = join(config.stateFolder, 'keys');
  openStateFolder(keys);
  const payer = signerFromSeed(loadOrCreateSeed(join(keys, 'payer.seed')));
  const identity = await loadIdentity(config, keys);
  const ledger = Ledger.open(join(config.stateFolder, 'ledger'));
  const chain = await openNetworkChain(network, config.pollMs, log);
  const operator = await openWallet(chain, network, config, 'operator-wallet', join(keys, 'operator-wallet.seed'));
  const ownerAddress = Address.parseRaw(config.owner);
  const contract = ProxyContract.create({
    owner: ownerAddress,
    root: chain.root,
    withdrawDelay: config.withdrawDelaySec,
    index: config.index,
  });

  const { listener, port } = await PublicListener.open(identity, config.host, config.port);
  const url = config.endpoint ?? `https://${config.host}:${port}`;
  await ensureRegistered(
    chain,
    config,
    {
      contract,
      operator: operator.address,
      payerKey: bytesValue(payer.publicKey),
      endpoint: { url, keyPin: config.tls === null ? fromHex(identity.pin, 32) : null },
    },
    await openOwnerWallet(chain, network, config, ownerAddress),
    context.stopping,
    log,
  );

  const debts = new WorkerDebts(ledger, payer, nodeCrypto);
  const requests = new RequestBook(ledger, debts, nodeCrypto);
  const values = new MessageValues({ client: chain.client, clock: chain.clock });
  const channelKeys = new ChannelKeys(chain.clock, nodeCrypto);
  const receipts = new ReceiptSettlement({ config, requests, values, keys: channelKeys, clock: chain.clock });
  const fail = (error: unknown) => context.fail(error);
  const channels = new Channels({
    client: chain.client,
    watcher: chain.watcher,
    clock: chain.clock,
    terms: { proxy: contract.address, operator: operator.address, withdrawDelay: config.withdrawDelaySec },
    maxWatched: MAX_WATCHED,
    activity: (channel) => (receipts.isPossible(channel) ? 'busy' : requests.activity(channel, config.minChargeNano)),
    onForgotten: (id) => {
      requests.forget(id).catch(fail);
    },
  });
  const workers = new WorkerPool({
    config,
    proxy: contract.address,
    root: chain.root,
    payerKey: payer.publicKey,
    policy,
    allowlist: chain.lists,
    blocks: (seqno) => chain.client.blockAt(seqno),
    collateral: networkCollateral(network, chain.clock),
    memory: openVerifierMemory(config.stateFolder, log),
    clock: chain.clock,
    crypto: nodeCrypto,
    debts,
    requests,
    log,
    callTimeoutMs: WORKER_TIMEOUT_MS,
    fail,
  });
  registerProxyMetrics(context.metrics, { workers, channels, requests });
  const pending = new Pending(chain.clock);
  const funding = new WorkerFunding({
    config,
    contract,
    client: chain.client,
    watcher: chain.watcher,
    debts,
    workers,
    pending,
    log,
  });
  const settlement = new Settlement({
    config,
    operator,
    channels,
    requests,
    receipts,
    values,
    keys: channelKeys,
    funding,
    pending,
    log,
  });

  const info = (): ProxyInfo => ({
    contract: contract.address.toRawString(),
    root: chain.root.toRawString(),
    operator: operator.address.toRawString(),
    payerKey: hashText(bytesValue(payer.publicKey)),
    feeBasisPoints: config.feeBasisPoints,
    withdrawDelaySec: config.withdrawDelaySec,
    creditWindow: config.creditWindowNano,
    limits: { maxBodySize: MAX_RELAY_BODY, maxValidSec: MAX_VALID_SEC, maxOpen: MAX_OPEN },
    simulated: policy.trustRoots.some((root) => root.kind === 'development'),
    version: VERSION,
  });
  const service = proxyService({
    config,
    address: contract.address,
    channels,
    requests,
    workers,
    clock: chain.clock,
    crypto: nodeCrypto,
    log,
    info,
    fail,
  });
  const onError = (error: unknown) => (error instanceof LedgerError ? fail(error) : log.error({ err: error }, 'call failed'));
  listener.serve(service, { maxBodySize: MAX_RELAY_BODY, onError }, (connection) => workers.add(connection));

  const warn = (error: unknown) => (error instanceof LedgerError ? fail(error) : log.warn({ code: codeOf(error) }, 'settlement failed'));
  const loops = [
    repeat(context.stopping, config.pollMs, async () => workers.refreshAll(), fail),
    repeat(context.stopping, config.pollMs, () => requests.voidExpired(chain.clock.nowSec(), config.longestRunSec), fail),
    repeat(context.stopping, config.pollMs, async () => void (await settlement.round()), warn),
  ];

  return {
    details: { url, port, contract: contract.address.toRawString(), operator: operator.address.toRawString() },
    health: () => ({ status: 'ok', details: { ...chain.health(), workers: workers.size, offers: workers.offers(null).length } }),
    commands: {
      /** Charges every voucher that is worth anything, and receipts whose time has come; answers the amount in TON. */
      settle: async () => ({ charged: formatTon(await settlement.chargeAll()) }),
      /** Who is connected and what each is owed in all; what each channel owes. */
      state: async () => ({
        workers: [...workers.all()].flatMap((session) => workerState(session, debts)),
        channels: channels.all().map((channel) => channelState(channel, requests)),
      }),
    },
    stop: async () => {
      listener.close();
      await workers.close();
      await Promise.all(loops);
      await chain.stop();
      await ledger.close();
    },
  };
}

async function loadIdentity(config: ProxyConfig, keys: string): Promise<TlsIdentity> {
  if (config.tls === null) return loadOrCreateTlsIdentity(join(keys, 'tls'), 'cocoon proxy');
  try {
    return tlsIdentity(readFileSync(config.tls.keyFile, 'utf8'), readFileSync(config.tls.certFile, 'utf8'));
  } catch (cause) {
    throw new ConfigError('bad_tls', 'the key or the certificate named under "tls" cannot be read', {}, { cause });
  }
}

function openWallet(chain: NetworkChain, network: Network, config: ProxyConfig, name: string, seedFile: string): Promise<SendingWallet> {
  return SendingWallet.open({
    client: chain.client,
    signer: signerFromSeed(loadOrCreateSeed(seedFile)),
    networkId: network.networkId,
    stateFile: join(config.stateFolder, `${name}.json`),
  });
}

/** @throws ConfigError wrong_owner_key */
async function openOwnerWallet(chain: NetworkChain, network: Network, config: ProxyConfig, owner: Address): Promise<SendingWallet | null> {
  if (config.ownerKeyFile === null) return null;
  const wallet = await SendingWallet.open({
    client: chain.client,
    signer: await loadWalletSigner(config.ownerKeyFile),
    networkId: network.networkId,
    stateFile: join(config.stateFolder, 'owner-wallet.json'),
  });
  if (!wallet.address.equals(owner)) {
    throw new ConfigError('wrong_owner_key', `the key in ${config.ownerKeyFile} is that of ${wallet.address.toString()}, not of the owner`);
  }
  return wallet;
}

function workerState(session: WorkerSession, debts: WorkerDebts) {
  const contract = session.contract?.address.toRawString();
  if (contract === undefined) return [];
  const { info, isVerified, refused } = session;
  const evidence = info?.guest?.keys.evidence ?? null;
  return [
    { contract, owner: info?.owner, evidence, isVerified, refused: refused?.checks ?? [], owedNano: debts.get(contract).total.toString() },
  ];
}

function channelState(channel: Channel, requests: RequestBook) {
  const { id, view } = channel;
  const { coverage, reserved } = requests.standing(id);
  return {
    channel: id,
    voucherNano: coverage.total.toString(),
    chargedNano: view.charged.toString(),
    paidNano: view.paid.toString(),
    outstandingNano: requests.unsecured(channel).toString(),
    reservedNano: reserved.toString(),
  };
}
