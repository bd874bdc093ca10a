/** The library on Node: every part put together. */
import { join } from 'node:path';
import { Address } from '@ton/core';
import { Registry } from 'prom-client';
import { z } from 'zod';
import { DEFAULT_LIMITS, type EvidencePolicy } from '../attestation/policy';
import { type NetworkChain, openNetworkChain } from '../chain/network-chain';
import { networkCollateral, openVerifierMemory } from '../chain/network-collateral';
import { networkPolicy } from '../chain/network-policy';
import { SendingWallet } from '../chain/wallet';
import { loadWalletSigner } from '../chain/wallet-key';
import { fromBigEndian } from '../core/bytes';
import type { Signer } from '../core/crypto';
import { ConfigError, codeOf } from '../core/errors';
import { maxNano } from '../core/money';
import { Ledger } from '../ledger/ledger';
import { address, timeSec } from '../protocol/fields';
import { parseConfig } from '../runtime/config';
import { openControl } from '../runtime/control';
import { type Logger, silentLog } from '../runtime/log';
import { loadNetwork, type Network } from '../runtime/network';
import { nodeCrypto, signerFromSeed } from '../runtime/node-crypto';
import { loadOrCreateSeed, openStateFolder } from '../runtime/state-folder';
import { connectionOver } from '../transport/session';
import { dialTls } from '../transport/tls';
import type { AnswerReport } from './answer';
import { Channel } from './channel';
import { type AnnouncedWithdrawal, ChannelAccount } from './channel-account';
import { ChannelBook } from './channel-book';
import { LedgerBookStore } from './channel-store';
import { type CocoonFetch, createCocoonFetch } from './cocoon-fetch';
import { type ClientSettings, type ClientSettingsInput, ClientSettingsSchema } from './config';
import { ClientError } from './errors';
import { EvidenceArchive } from './evidence-archive';
import { GuestVerifier, type GuestVerifierOptions } from './guest-verifier';
import { type ModelEntry, modelEntries } from './openai-answers';
import { ProxyApi } from './proxy-api';
import { type ListedProxy, ProxyDirectory } from './proxy-directory';
import { Requests } from './requests';

/** Where the channel's money is. Amounts in nanoTON. */
export interface ClientBalance {
  /** Raw address of the channel's contract. */
  readonly channel: string;
  readonly isOpen: boolean;
  /** What vouchers can be paid from, less what is owed. */
  readonly freeNano: bigint;
  readonly depositNano: bigint;
  /** Signed over, receipted or charged, and not paid yet. */
  readonly owedNano: bigint;
  readonly paidNano: bigint;
  readonly withdrawal: AnnouncedWithdrawal | null;
  /** Of the owner's wallet; null when this client does not hold its key. */
  readonly walletNano: bigint | null;
}

export interface CocoonClient {
  /** For `new OpenAI({ fetch })`. */
  readonly fetch: CocoonFetch;
  /** Models of guests that pass verification now. @throws ClientError */
  models(): Promise<readonly ModelEntry[]>;
  /** Verdicts on every guest that offers a model, or any. @throws ClientError */
  survey(model?: string): ReturnType<Requests['survey']>;
  /** Calls back after each answer's receipt, until the returned function is called. */
  onAnswer(listener: (report: AnswerReport) => void): () => void;
  /** @throws ChainError */
  balance(): Promise<ClientBalance>;
  /** For /healthz. */
  health(): ReturnType<NetworkChain['health']>;
  /** Opens the channel with the configured deposit if it is not open. @throws ChannelError, ChainError */
  openChannel(): Promise<void>;
  /** Pays into the channel from the owner's wallet. @throws ChannelError, ChainError */
  topUp(nano: bigint): Promise<void>;
  /** Announces a withdrawal, null for everything. Needs no proxy. @throws ChannelError, ChainError */
  requestWithdrawal(nano: bigint | null): Promise<AnnouncedWithdrawal>;
  /** Takes an announcement back. Needs no proxy. @throws ChannelError, ChainError */
  cancelWithdrawal(): Promise<void>;
  /** Takes out what was announced, once the delay has passed. Needs no proxy. @throws ChannelError too_early and others, ChainError */
  completeWithdrawal(): Promise<void>;
  /** An answer's receipt with its authorisation and its guest's evidence: the text of a file that `cocoon verify` takes. */
  receiptFile(report: AnswerReport): Promise<string>;
  /** Sends a voucher over every receipt, now. @throws ProxyError */
  settle(): Promise<void>;
  /** Stops what runs, sends the last voucher if the proxy can be reached, and lets go of the state folder. */
  close(): Promise<void>;
}

/**
 * Opens the library on a state folder, which no other process may use meanwhile (its control socket is the lock).
 * @throws ConfigError; ClientError no_proxy; ChainError
 */
export async function openCocoonClient(input: ClientSettingsInput, log: Logger = silentLog()): Promise<CocoonClient> {
  const settings = parseConfig<ClientSettings>(ClientSettingsSchema, input, 'settings');
  openStateFolder(settings.stateFolder);
  const control = await openControl({
    name: 'client',
    stateFolder: settings.stateFolder,
    metrics: new Registry(),
    health: () => ({ status: 'ok' }),
    commands: () => ({}),
  });
  const defects = (error: unknown) => log.error({ err: error }, 'request failed');
  try {
    const client = await composeClient(settings, log, defects);
    const close = async () => {
      await client.close();
      await control.close();
    };
    return { ...client, close };
  } catch (error) {
    await control.close();
    throw error;
  }
}

/** As openCocoonClient, for a process that holds the state folder already. */
export async function composeClient(settings: ClientSettings, log: Logger, onDefect: (error: unknown) => void): Promise<CocoonClient> {
  const network = loadNetwork(settings.network);
  const { minImageAgeSec, minModelAgeSec, maxBlockAgeSec, allowUnproven } = settings;
  const policy = await networkPolicy(network, { ...DEFAULT_LIMITS, minImageAgeSec, minModelAgeSec, maxBlockAgeSec, allowUnproven });
  const keys = join(settings.stateFolder, 'keys');
  openStateFolder(keys);
  const session = signerFromSeed(loadOrCreateSeed(join(keys, 'session.seed')));
  const chain = await openNetworkChain(network, settings.pollMs, log);
  const ledger = Ledger.open(join(settings.stateFolder, 'ledger'));
  try {
    return await assemble({ settings, network, policy, session, chain, ledger, log, onDefect });
  } catch (error) {
    await chain.stop();
    await ledger.close();
    throw error;
  }
}

interface ClientMeans {
  readonly settings: ClientSettings;
  readonly network: Network;
  readonly policy: EvidencePolicy;
  readonly session: Signer;
  readonly chain: NetworkChain;
  readonly ledger: Ledger;
  readonly log: Logger;
  onDefect(error: unknown): void;
}

async function assemble(means: ClientMeans): Promise<CocoonClient> {
  const { settings, network, policy, session, chain, ledger, log, onDefect } = means;
  const directory = new ProxyDirectory(chain.client, chain.root, () => chain.lists.proxies());
  const wallet = await openOwnerWallet(chain, network, settings);
  const account = await openAccount(chain, ledger, directory, settings, wallet, fromBigEndian(session.publicKey));
  const unfollow = account.follow();

  const proxy = new ProxyApi({
    connect: async () => {
      const { contract, operator, endpoint, pin } = await directory.read(account.terms.proxy);
      const connection = connectionOver(await dialTls(endpoint, pin, 'h2'));
      const expected = { contract: contract.toRawString(), root: chain.root.toRawString(), operator: operator.toRawString() };
      return { connection, expected };
    },
  });
  const book = new ChannelBook(new LedgerBookStore(ledger, account.address.toRawString()), account.address, session);
  const channel = new Channel({
    address: account.address,
    book,
    signer: session,
    proxy,
    funds: account,
    crypto: nodeCrypto,
    clock: chain.clock,
    longestRunSec: settings.longestRunSec,
    voucherPauseMs: settings.voucherPauseMs,
    onTrouble: (error) => log.info({ code: codeOf(error) }, 'voucher not delivered'),
  });
  const verifying: GuestVerifierOptions = {
    crypto: nodeCrypto,
    clock: chain.clock,
    policy,
    network: chain.root.toRawString(),
    allowlist: chain.lists,
    blocks: (seqno) => chain.client.blockAt(seqno),
    collateral: networkCollateral(network, chain.clock),
    memory: openVerifierMemory(settings.stateFolder, log),
    fetchBundle: (digest) => proxy.evidence(digest),
    fetchGpuEvidence: (digest) => proxy.gpuEvidence(digest),
  };
  const archive = new EvidenceArchive({
    folder: join(settings.stateFolder, 'evidence'),
    sources: verifying,
    latestBlock: () => chain.watcher.latestBlock,
    onTrouble: (error) => log.info({ code: codeOf(error) }, 'evidence not written down'),
  });
  const verifier = new GuestVerifier({ ...verifying, fetchBundle: (digest) => archive.fetchBundle(digest) });
  const listeners = new Set<(report: AnswerReport) => void>();
  const requests = new Requests({
    proxy,
    verifier,
    channel,
    crypto: nodeCrypto,
    clock: chain.clock,
    maxAmountNano: settings.maxAmountNano,
    stopWaitMs: settings.stopWaitMs,
    onAnswer: (report) => {
      void archive.keep(report.worker);
      for (const listener of listeners) listener(report);
    },
  });
  channel.resume();

  return {
    fetch: createCocoonFetch({ requests, onDefect }),
    models: async () => modelEntries((await requests.survey()).trusted),
    survey: (model) => requests.survey(model),
    onAnswer: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    health: () => chain.health(),
    balance: async () => {
      const view = await account.refresh();
      const paidNano = view?.paid ?? 0n;
      const owedNano = maxNano(book.total + book.outstanding, view?.charged ?? 0n) - paidNano;
      const depositNano = view?.deposit ?? 0n;
      return {
        channel: account.address.toRawString(),
        isOpen: view !== null && view.sessionKey !== 0n,
        freeNano: depositNano > owedNano ? depositNano - owedNano : 0n,
        depositNano,
        owedNano,
        paidNano,
        withdrawal: view?.withdrawal ?? null,
        walletNano: wallet === null ? null : await wallet.balance(),
      };
    },
    openChannel: () => account.open(),
    topUp: (nano) => account.deposit(nano),
    requestWithdrawal: (nano) => account.requestWithdrawal(nano),
    cancelWithdrawal: () => account.cancelWithdrawal(),
    completeWithdrawal: () => account.completeWithdrawal(),
    receiptFile: (report) => archive.receiptFile(report, session.publicKey),
    settle: () => channel.flush(),
    close: async () => {
      await requests.close();
      await archive.close();
      await channel.close();
      proxy.close();
      unfollow();
      await chain.stop();
      await ledger.close();
    },
  };
}

/** @throws ConfigError wrong_owner_key */
async function openOwnerWallet(chain: NetworkChain, network: Network, settings: ClientSettings): Promise<SendingWallet | null> {
  if (settings.ownerKeyFile === null) return null;
  const wallet = await SendingWallet.open({
    client: chain.client,
    signer: await loadWalletSigner(settings.ownerKeyFile),
    networkId: network.networkId,
    stateFile: join(settings.stateFolder, 'owner-wallet.json'),
  });
  if (wallet.address.toRawString() === settings.owner) return wallet;
  throw new ConfigError('wrong_owner_key', `the key in ${settings.ownerKeyFile} is of wallet ${wallet.address.toString()}, not of "owner"`);
}

const termsSchema = z.strictObject({ owner: address, proxy: address, operator: address, withdrawDelay: timeSec });
const CHOSEN = 'chosen';

/**
 * The account of this client's channel. Its terms are chosen once and kept: they are the channel's address, and a proxy that is dead
 * or has changed since must not hide the deposit.
 */
async function openAccount(
  chain: NetworkChain,
  ledger: Ledger,
  directory: ProxyDirectory,
  settings: ClientSettings,
  wallet: SendingWallet | null,
  sessionKey: bigint,
): Promise<ChannelAccount> {
  const { openNano, topUpNano, pollMs } = settings;
  const owner = Address.parseRaw(settings.owner);
  const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
  const accountOf = (terms: z.output<typeof termsSchema>) =>
    new ChannelAccount({ chain, terms, sessionKey, wallet, openNano, topUpNano, pollMs, wait });
  const table = ledger.table('channel-terms', termsSchema);
  const kept = table.get(CHOSEN);
  if (kept?.owner.equals(owner) && (settings.proxy === null || kept.proxy.toRawString() === settings.proxy)) {
    const account = accountOf(kept);
    const facts = await account.refresh();
    if (facts !== null && facts.sessionKey !== 0n) return account;
  }
  const proxy = await chooseProxy(directory, settings);
  const terms = { owner, proxy: proxy.contract, operator: proxy.operator, withdrawDelay: proxy.withdrawDelaySec };
  await ledger.change(() => table.put(CHOSEN, terms));
  const account = accountOf(terms);
  await account.refresh();
  return account;
}

async function chooseProxy(directory: ProxyDirectory, settings: ClientSettings): Promise<ListedProxy> {
  if (settings.proxy !== null) return directory.read(Address.parseRaw(settings.proxy));
  const [first] = await directory.list();
  if (first === undefined) throw new ClientError('no_proxy');
  return first;
}
