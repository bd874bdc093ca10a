import type { CollateralSource } from '../attestation/collateral';
import { DEFAULT_LIMITS, type EvidencePolicy } from '../attestation/policy';
import { VerifierMemory } from '../attestation/verifier-memory';
import type { ListedImage, ListedModel } from '../attestation/verify-evidence';
import { toHex } from '../core/bytes';
import { FixedClock } from '../core/clock';
import type { Signer } from '../core/crypto';
import { nodeCrypto } from '../runtime/node-crypto';
import type { AnswerReport } from './answer';
import { Channel, type ChannelFacts } from './channel';
import { type BookChange, type BookHead, type BookStore, ChannelBook, type OrderRecord } from './channel-book';
import { type CocoonFetch, createCocoonFetch } from './cocoon-fetch';
import { BLOCK, CHANNEL, MODEL, NOW, OPERATOR, PROXY, ROOT, testCollateral, testRoot } from './guest.test-kit';
import { GuestVerifier } from './guest-verifier';
import type { TestProxy } from './proxy.test-kit';
import { ProxyApi } from './proxy-api';
import { Requests } from './requests';

// A client of the real parts, in front of a proxy and a chain that say what a test wants.

export * from './guest.test-kit';
export * from './proxy.test-kit';

/** A book's store in memory. `crashAt` throws before or after the change with that number, as a kill would. */
export class MemoryStore implements BookStore {
  head: BookHead | null = null;
  readonly orders = new Map<bigint, OrderRecord>();
  saves = 0;
  crash: { readonly at: number; readonly isSaved: boolean } | null = null;

  load(): { readonly head: BookHead | null; readonly orders: readonly OrderRecord[] } {
    return { head: this.head, orders: [...this.orders.values()] };
  }

  async save({ head, put = [], remove = [] }: BookChange): Promise<void> {
    const isCrash = this.crash?.at === ++this.saves;
    if (this.crash !== null && (this.saves > this.crash.at || (isCrash && !this.crash.isSaved))) throw new Error('killed');
    if (head !== undefined) this.head = head;
    for (const order of put) this.orders.set(order.number, order);
    for (const number of remove) this.orders.delete(number);
    if (isCrash) throw new Error('killed');
  }

  /** What another process finds on disk. */
  copy(): MemoryStore {
    const copy = new MemoryStore();
    copy.head = this.head;
    for (const [number, order] of this.orders) copy.orders.set(number, order);
    return copy;
  }
}

/** A client of the real parts, in front of a chain that says what the test wants. */
export interface TestClient {
  readonly fetch: CocoonFetch;
  readonly requests: Requests;
  readonly channel: Channel;
  readonly book: ChannelBook;
  readonly proxy: ProxyApi;
  readonly clock: FixedClock;
  readonly reports: AnswerReport[];
  readonly defects: unknown[];
  readonly images: Map<string, ListedImage>;
  readonly models: Map<string, ListedModel>;
  facts: ChannelFacts | null;
  close(): Promise<void>;
}

export interface TestClientOptions {
  readonly session: Signer;
  readonly store?: BookStore;
  readonly pin?: string;
  readonly policy?: Partial<EvidencePolicy>;
  readonly collateral?: CollateralSource;
  readonly block?: { readonly rootHash: string; readonly atSec: number } | null;
  readonly maxAmountNano?: bigint;
}

export async function openTestClient(peer: TestProxy, options: TestClientOptions): Promise<TestClient> {
  const { session, store = new MemoryStore() } = options;
  const clock = new FixedClock(NOW);
  const images = new Map<string, ListedImage>(
    peer.guests.map(({ imageHash }) => [imageHash, { roles: ['worker'], activeFromSec: NOW - 100 }]),
  );
  const models = new Map<string, ListedModel>(
    peer.guests.map(({ offer }) => [offer.model.hash, { kind: offer.model.kind, activeFromSec: NOW - 100 }]),
  );
  const reports: AnswerReport[] = [];
  const defects: unknown[] = [];
  const proxy = new ProxyApi({
    connect: async () => ({
      connection: await peer.connect(options.pin),
      expected: { contract: PROXY, root: ROOT, operator: OPERATOR },
    }),
  });
  const book = new ChannelBook(store, CHANNEL, session);
  const state: { facts: ChannelFacts | null } = {
    facts: {
      sessionKey: BigInt(`0x${toHex(session.publicKey)}`),
      deposit: 1_000_000_000n,
      announcedWithdrawal: 0n,
      charged: 0n,
      paid: 0n,
    },
  };
  const channel = new Channel({
    address: CHANNEL,
    book,
    signer: session,
    proxy,
    funds: { facts: () => state.facts, refresh: async () => state.facts, topUp: async () => false, howToPay: 'send TON' },
    crypto: nodeCrypto,
    clock,
    longestRunSec: 900,
    // Tests send vouchers themselves.
    voucherPauseMs: 3_600_000,
    onTrouble: (error) => defects.push(error),
  });
  const block = options.block === undefined ? { rootHash: BLOCK.rootHash, atSec: NOW - 600 } : options.block;
  const verifier = new GuestVerifier({
    crypto: nodeCrypto,
    clock,
    policy: {
      ...DEFAULT_LIMITS,
      trustRoots: [await testRoot()],
      ...options.policy,
    },
    network: ROOT,
    allowlist: { image: (hash) => images.get(hash) ?? null, model: (hash) => models.get(hash) ?? null },
    blocks: (seqno) => (seqno === BLOCK.seqno ? block : null),
    collateral: options.collateral ?? testCollateral(),
    memory: new VerifierMemory(),
    fetchBundle: (digest) => proxy.evidence(digest),
    fetchGpuEvidence: (digest) => proxy.gpuEvidence(digest),
  });
  const requests = new Requests({
    proxy,
    verifier,
    channel,
    crypto: nodeCrypto,
    clock,
    maxAmountNano: options.maxAmountNano ?? 50_000_000n,
    stopWaitMs: 10_000,
    onAnswer: (report) => reports.push(report),
  });
  const fetch = createCocoonFetch({ requests, onDefect: (error) => defects.push(error) });
  return {
    fetch,
    requests,
    channel,
    book,
    proxy,
    clock,
    reports,
    defects,
    images,
    models,
    get facts() {
      return state.facts;
    },
    set facts(facts) {
      state.facts = facts;
    },
    close: async () => {
      await requests.close();
      await channel.close();
      proxy.close();
    },
  };
}

/** A chat request as the openai package would send it. */
export function chat(content: string, more: Readonly<Record<string, unknown>> = {}): RequestInit {
  return {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model: MODEL.name, messages: [{ role: 'user', content }], max_tokens: 100, ...more }),
  };
}

export const CHAT_URL = 'http://cocoon/v1/chat/completions';
