/** A guest on a real socket, and a caller who verifies its evidence and seals to it: for tests of this room. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Registry } from 'prom-client';
import type { z } from 'zod';
import { type Authorisation, type Prices, packAuthorisation, statementHash } from '../../wrappers/statements';
import { decodeBundle } from '../attestation/evidence';
import { type GpuPolicy, NO_GPUS } from '../attestation/gpu/gpu-policy';
import { openDevelopmentAuthority } from '../attestation/platform/development-authority';
import { type CollateralAuthority, issueCollateral } from '../attestation/platform/development-collateral';
import { createDevelopmentRoot } from '../attestation/platform/development-root';
import { sourceOf } from '../attestation/platform/forgery.test-kit';
import { DEFAULT_LIMITS } from '../attestation/policy';
import { loadTrustRoot } from '../attestation/trust-root';
import { VerifierMemory } from '../attestation/verifier-memory';
import { type EvidenceVerdict, verifyEvidence } from '../attestation/verify-evidence';
import { fromBigEndian, fromHex, fromUtf8, utf8 } from '../core/bytes';
import { type GuestStatus, guestReceipts, guestStatus, type HostBlock, hostBlock } from '../protocol/calls';
import { readJson, writeJson } from '../protocol/json';
import { parseConfig } from '../runtime/config';
import { silentLog } from '../runtime/log';
import { nodeCrypto } from '../runtime/node-crypto';
import { type ClientExchange, ClientSession, type OpenedReceipt, type VerifiedGuest } from '../sealing/client-session';
import type { RequestHead, ResponseHead } from '../sealing/content';
import { encodeGuestRequest, type GuestRequest } from '../sealing/relay-body';
import { type Answer, type Call, type Connection, readAll } from '../transport/exchange';
import { connectionOver } from '../transport/session';
import { dialLocal } from '../transport/tls';
import { GuestConfigSchema } from './config';
import { type OpenGuest, openGuest } from './open-guest';
import { simulatedImageHash } from './simulated-machine';

export const NOW_SEC = 1_800_000_000;
export const OWNER = `0:${'a'.repeat(64)}`;
export const ROOT = `0:${'b'.repeat(64)}`;
export const PRICES: Prices = { uncachedPrompt: 100_000_000n, cachedPrompt: 100_000_000n, answer: 200_000_000n, reasoning: 200_000_000n };
export const CHAT: RequestHead = { method: 'POST', path: '/v1/chat/completions', headers: {} };

const LIMIT = 16 * 1024 * 1024;

/** A config file's keys, before defaults. */
type GuestSettings = z.input<typeof GuestConfigSchema>;

/** A sealed answer, opened to its end. */
export interface Opened {
  readonly head: ResponseHead;
  readonly text: string;
  readonly receipt: OpenedReceipt;
}

/** A request on its way: what the caller needs to open the answer, or to tell the guest about it. */
export interface Sealed {
  readonly exchange: ClientExchange;
  readonly request: GuestRequest;
  readonly hash: bigint;
}

export class GuestRig {
  private session: ClientSession | null = null;
  private seqno = 100;
  private nowSec = NOW_SEC;

  private constructor(
    readonly open: OpenGuest,
    private readonly folder: string,
    private readonly rootDer: Uint8Array,
    private readonly authority: CollateralAuthority,
    private readonly imageHash: string,
    readonly connection: Connection,
  ) {}

  static async start(settings: Partial<GuestSettings> & Pick<GuestSettings, 'engine'>, log = silentLog()): Promise<GuestRig> {
    const folder = mkdtempSync(join(tmpdir(), 'cocoon-guest-'));
    const platform = join(folder, 'platform');
    const rootDer = await createDevelopmentRoot(platform, NOW_SEC);
    const config = parseConfig(
      GuestConfigSchema,
      {
        stateFolder: folder,
        network: join(folder, 'network.json'),
        socket: join(folder, 'guest.sock'),
        owner: OWNER,
        platform: { kind: 'simulated', folder: platform },
        ...settings,
      },
      'test',
    );
    const open = await openGuest(config, {
      network: {
        name: 'test',
        networkId: -3,
        root: ROOT,
        chain: [{ url: 'http://127.0.0.1:1' }],
        trustRoots: [{ kind: 'development', der: Buffer.from(rootDer).toString('base64') }],
        pccs: 'http://127.0.0.1:9',
        clock: 'chain',
      },
      log,
      metrics: new Registry(),
      onStatus: () => {},
    });
    return new GuestRig(
      open,
      folder,
      rootDer,
      await openDevelopmentAuthority(platform),
      await simulatedImageHash(),
      connectionOver(await dialLocal(config.socket)),
    );
  }

  /** Tells a block and waits until the guest accepts requests. */
  async ready(): Promise<GuestStatus> {
    await this.tellBlock();
    return this.until((status) => status.state === 'ready');
  }

  /** Tells the next block, `laterSec` after the last one. */
  async tellBlock(laterSec = 0): Promise<void> {
    this.nowSec += laterSec;
    this.seqno++;
    const answer = await this.call({ method: 'POST', path: '/v1/block', body: writeJson(hostBlock, this.block()) });
    await readAll(answer.body, LIMIT);
    if (answer.status !== 204) throw new Error(`block answered ${answer.status}`);
  }

  async status(): Promise<GuestStatus> {
    return readJson(guestStatus, await readAll((await this.call({ method: 'GET', path: '/v1/guest' })).body, LIMIT));
  }

  /** Waits until the guest's status is so. */
  async until(holds: (status: GuestStatus) => boolean): Promise<GuestStatus> {
    for (;;) {
      const status = this.open.guest.status();
      if (holds(status)) return status;
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  call(call: Call, signal?: AbortSignal): Promise<Answer> {
    return this.connection.call(call, signal === undefined ? {} : { signal });
  }

  /** The verifier's verdict on what the guest shows. */
  async verdict(status: GuestStatus, gpu: GpuPolicy = NO_GPUS): Promise<EvidenceVerdict> {
    const { keys, model } = status;
    if (keys === null || model === null) throw new Error('the guest has no keys');
    const { imageHash } = this;
    return verifyEvidence({
      bundle: await this.bundle(keys.evidence),
      gpuEvidence: () => this.gpuEvidence(keys.evidence),
      expected: {
        digest: keys.evidence,
        role: 'worker',
        network: ROOT,
        owner: OWNER,
        sealing: keys.sealing,
        receipt: keys.receipt,
        model: { name: model.name, kind: model.kind, hash: model.hash },
        tls: null,
      },
      policy: {
        ...DEFAULT_LIMITS,
        gpu,
        allowUnproven: true,
        trustRoots: [await loadTrustRoot({ kind: 'development', der: this.rootDer }, nodeCrypto)],
      },
      allowlist: {
        image: (hash) => (hash === imageHash ? { roles: ['worker'], activeFromSec: NOW_SEC - 10 } : null),
        model: (hash) => (hash === model.hash ? { kind: model.kind, activeFromSec: NOW_SEC - 10 } : null),
      },
      blocks: (seqno) => (seqno === this.seqno ? { rootHash: this.block().rootHash, atSec: this.nowSec } : null),
      collateral: sourceOf(issueCollateral(this.authority, { nowSec: this.nowSec })),
      memory: new VerifierMemory(),
      nowSec: this.nowSec,
      crypto: nodeCrypto,
    });
  }

  /** @throws when the guest does not have it */
  async bundle(digest: string): Promise<Uint8Array> {
    const answer = await this.call({ method: 'GET', path: `/v1/evidence/${digest}` });
    if (answer.status !== 200) throw new Error(`evidence answered ${answer.status}`);
    return readAll(answer.body, LIMIT);
  }

  /** @throws when the guest does not have it */
  async gpuEvidence(digest: string): Promise<Uint8Array> {
    const answer = await this.call({ method: 'GET', path: `/v1/gpu-evidence/${digest}` });
    if (answer.status !== 200) throw new Error(`GPU evidence answered ${answer.status}`);
    return readAll(answer.body, LIMIT);
  }

  /** What a caller seals to, after it has verified the evidence. */
  async verifiedGuest(): Promise<VerifiedGuest> {
    const status = await this.status();
    const verdict = await this.verdict(status);
    if (!verdict.accepted || verdict.claims.model === null || status.keys === null) throw new Error('evidence refused');
    const { claims } = decodeBundle(await this.bundle(status.keys.evidence));
    return {
      sealingKey: fromHex(status.keys.sealing[0]?.publicKey ?? ''),
      receiptKey: fromHex(status.keys.receipt),
      claims,
      evidenceDigest: fromHex(status.keys.evidence),
      modelHash: fromHex(verdict.claims.model.hash),
      imageHash: fromHex(verdict.imageHash),
    };
  }

  /** Forgets the session, so that the next request is sealed to the keys that the guest shows then. */
  forgetSession(): void {
    this.session = null;
  }

  /** Seals one request. `change` is what its authorisation says otherwise. */
  async seal(body: object | string, change: Partial<Authorisation> = {}, head: RequestHead = CHAT): Promise<Sealed> {
    const guest = await this.guestOnce();
    const exchange = await guest.session.next();
    const authorisation: Authorisation = {
      orderHash: 5n,
      receiptKey: fromBigEndian(guest.receiptKey),
      seal: exchange.seal,
      maxAmount: 1_000_000n,
      validUntil: this.nowSec + 300,
      prices: PRICES,
      ...change,
    };
    const hash = statementHash(packAuthorisation(authorisation));
    const bytes = utf8(typeof body === 'string' ? body : JSON.stringify(body));
    return { exchange, hash, request: await exchange.sealRequest(authorisation, hash, head, bytes) };
  }

  relay(request: GuestRequest, signal?: AbortSignal): Promise<Answer> {
    return this.call({ method: 'POST', path: '/v1/relay', body: encodeGuestRequest(request) }, signal);
  }

  /** Seals, sends and opens. */
  async ask(body: object | string, change: Partial<Authorisation> = {}, head: RequestHead = CHAT): Promise<Opened> {
    const sealed = await this.seal(body, change, head);
    return openAnswer(sealed, await this.relay(sealed.request));
  }

  /** The code of an unsealed refusal. */
  async refusal(request: GuestRequest): Promise<string> {
    const answer = await this.relay(request);
    const body: unknown = JSON.parse(fromUtf8(await readAll(answer.body, LIMIT)));
    if (typeof body !== 'object' || body === null || !('error' in body)) throw new Error(`status ${answer.status}, no error`);
    const { error } = body;
    if (typeof error !== 'object' || error === null || !('code' in error)) throw new Error('an error without a code');
    return `${answer.status} ${error.code}`;
  }

  async receipts(after = 0) {
    const answer = await this.call({ method: 'GET', path: `/v1/receipts?after=${after}` });
    return readJson(guestReceipts, await readAll(answer.body, LIMIT)).receipts;
  }

  async close(): Promise<void> {
    this.connection.close();
    await this.open.close();
    rmSync(this.folder, { recursive: true, force: true });
  }

  private block(): HostBlock {
    return { seqno: this.seqno, rootHash: this.seqno.toString(16).padStart(64, '0'), atSec: this.nowSec };
  }

  private sealedTo: VerifiedGuest | null = null;

  private async guestOnce(): Promise<{ readonly session: ClientSession; readonly receiptKey: Uint8Array }> {
    if (this.session === null || this.sealedTo === null) {
      this.sealedTo = await this.verifiedGuest();
      this.session = await ClientSession.open(nodeCrypto, this.sealedTo, this.nowSec);
    }
    return { session: this.session, receiptKey: this.sealedTo.receiptKey };
  }
}

/** Opens an answer to its receipt. `onData` sees each piece of text as it comes. */
export async function openAnswer(
  sealed: Sealed,
  answer: Answer,
  onData: (text: string) => Promise<void> | void = () => {},
): Promise<Opened> {
  if (answer.status !== 200) throw new Error(`status ${answer.status}`);
  let head: ResponseHead | null = null;
  let text = '';
  for await (const part of sealed.exchange.openResponse(answer.body)) {
    switch (part.type) {
      case 'head':
        head = part.head;
        break;
      case 'data':
        text += fromUtf8(part.data);
        await onData(text);
        break;
      case 'receipt':
        if (head === null) throw new Error('an answer without a head');
        return { head, text, receipt: part.receipt };
    }
  }
  throw new Error('an answer without a receipt');
}
