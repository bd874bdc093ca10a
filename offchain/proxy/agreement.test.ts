import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Address } from '@ton/core';
import fc from 'fast-check';
import { type Authorisation, openHash, packVoucher, type Receipt, statementHash, type Usage } from '../../wrappers/statements';
import { offerPrices } from '../billing/prices';
import { toBigEndian } from '../core/bytes';
import { Ledger } from '../ledger/ledger';
import type { SignedReceipt } from '../protocol/statements-json';
import { generateSigner, nodeCrypto } from '../runtime/node-crypto';
import { WorkerAccounts } from '../worker/accounts';
import { EMPTY_VIEW } from './caller.test-kit';
import type { RequestRecord } from './request-record';
import { authorisationHashOf, RequestBook } from './requests';
import { WorkerDebts } from './worker-debts';

// The books of a proxy and of its worker, against each other, over any walk of requests, losses and kills.

const NOW = 1_800_000_000;
const BOOT = 'b0'.repeat(32);
const PROXY = `0:${'a1'.repeat(32)}`;
const CONTRACT = Address.parseRaw(`0:${'a2'.repeat(32)}`);
const CHANNELS = [Address.parseRaw(`0:${'c1'.repeat(32)}`), Address.parseRaw(`0:${'c2'.repeat(32)}`)] as const;
const WORKER_PRICES = { uncachedPrompt: 900_001n, cachedPrompt: 450_007n, answer: 2_700_013n, reasoning: 2_700_013n };
const OFFERED = offerPrices(WORKER_PRICES, 1000n);
const RICH = { available: 10n ** 15n, announcedWithdrawal: 0n, paid: 0n };
const LIMITS = { creditWindow: 10n ** 12n, workerCredit: 10n ** 12n, maxOnRecord: 10_000 };

const session = generateSigner();
const payer = generateSigner();

interface Run {
  readonly record: RequestRecord;
  readonly receipt: SignedReceipt;
}

/** Both sides, on disk. */
class Parties {
  readonly folder = mkdtempSync(join(tmpdir(), 'cocoon-agreement-'));
  private ledgers = this.openLedgers();
  debts = new WorkerDebts(this.ledgers.proxy, payer, nodeCrypto);
  book = new RequestBook(this.ledgers.proxy, this.debts, nodeCrypto);
  accounts = this.openAccounts();
  /** Signed by the guest, and still to be shown to the worker. */
  readonly atGuest: SignedReceipt[] = [];
  readonly numbers = [0n, 0n];

  private openLedgers() {
    return { proxy: Ledger.open(join(this.folder, 'proxy')), worker: Ledger.open(join(this.folder, 'worker')) };
  }

  private openAccounts(): WorkerAccounts {
    return new WorkerAccounts(this.ledgers.worker, { prices: WORKER_PRICES, capacity: 1000 });
  }

  async reopen(): Promise<void> {
    await this.close();
    this.ledgers = this.openLedgers();
    this.debts = new WorkerDebts(this.ledgers.proxy, payer, nodeCrypto);
    this.book = new RequestBook(this.ledgers.proxy, this.debts, nodeCrypto);
    this.accounts = this.openAccounts();
  }

  async close(): Promise<void> {
    await this.ledgers.proxy.close();
    await this.ledgers.worker.close();
  }

  channel(at: number) {
    const address = CHANNELS[at % 2] ?? CHANNELS[0];
    const view = { ...EMPTY_VIEW, owner: address, sessionKey: session.publicKey, deposit: 10n ** 12n };
    return { id: address.toRawString(), address, view };
  }

  /** What all clients owe, signed or not. */
  get clientsOwe(): bigint {
    return [0, 1].reduce((sum, at) => {
      const { coverage, outstanding } = this.book.standing(this.channel(at).id);
      return sum + coverage.total + outstanding;
    }, 0n);
  }

  get proxyOwes(): bigint {
    return this.debts.get(CONTRACT.toRawString()).total;
  }

  get workerEarned(): bigint {
    return this.accounts.view(CONTRACT.toRawString()).earned;
  }

  /** A request up to the guest. @returns null when a side refuses it */
  async start(at: number, usage: Usage, maxAmount: bigint): Promise<Run | null> {
    const channel = this.channel(at);
    const number = (this.numbers[at % 2] ?? 0n) + 1n;
    this.numbers[at % 2] = number;
    const authorisation: Authorisation = {
      orderHash: BigInt(at + 1),
      receiptKey: 1n,
      seal: number,
      maxAmount,
      validUntil: NOW + 300,
      prices: OFFERED,
    };
    const authorisationHash = authorisationHashOf(authorisation);
    const record: RequestRecord = {
      order: { channel: channel.address, number, salt: 0n },
      authorisation,
      authorisationHash,
      signature: new Uint8Array(64),
      workerContract: CONTRACT.toRawString(),
      workerPrices: WORKER_PRICES,
      evidence: 'e0'.repeat(32),
      receipt: null,
      isDelivered: false,
      isVoid: false,
      isSettling: false,
      at: NOW,
    };
    if (!(await this.book.begin(channel, record, LIMITS)).admitted) return null;
    const arrived = await this.accounts.begin({ proxy: PROXY, contract: CONTRACT.toRawString(), view: RICH, boot: BOOT, authorisation });
    if (arrived !== 'admitted') return null;
    const receipt: Receipt = {
      authorisationHash: BigInt(`0x${authorisationHash}`),
      sealedHash: 1n,
      details: 1n,
      usage,
      status: 0,
      at: NOW,
    };
    return { record, receipt: { receipt, signature: new Uint8Array(64) } };
  }

  /** Everything that is still on its way arrives: guest to worker, worker to proxy. */
  async exchange(): Promise<void> {
    await this.accounts.record(this.atGuest.splice(0));
    for (let after = 0n; ; ) {
      const page = await this.accounts.receiptsAfter(PROXY, after);
      if (page.length === 0) return;
      for (const { receipt } of page) await this.book.complete(receipt, false, NOW);
      after = page.at(-1)?.sequence ?? after;
    }
  }

  /** The client signs for everything that has a receipt. */
  async sign(at: number): Promise<void> {
    const channel = this.channel(at);
    const { coverage, outstanding, inFlight } = this.book.standing(channel.id);
    const open = [...inFlight.keys()];
    const voucher = {
      channel: channel.address,
      total: coverage.total + outstanding,
      upTo: this.numbers[at % 2] ?? 0n,
      open: openHash(open),
    };
    const signature = await session.sign(toBigEndian(statementHash(packVoucher(voucher)), 32));
    await this.book.acceptVoucher(channel, { voucher, openNumbers: open, signature });
  }
}

/** Where the receipt gets before the connection breaks: `guest` keeps it, `worker` has it on disk, `proxy` has counted it. */
type Fate = 'guest' | 'worker' | 'proxy' | 'twice';
type Step =
  | { readonly type: 'request'; readonly at: number; readonly usage: Usage; readonly maxAmount: bigint; readonly fate: Fate }
  | { readonly type: 'exchange' }
  | { readonly type: 'sign'; readonly at: number }
  | { readonly type: 'kill' };

const usage = fc.record({
  uncachedPrompt: fc.nat(5000),
  cachedPrompt: fc.nat(5000),
  answer: fc.nat(5000),
  reasoning: fc.nat(5000),
});
const request = fc.record({
  type: fc.constant('request' as const),
  at: fc.nat(1),
  usage,
  maxAmount: fc.bigInt(0n, 30_000n),
  fate: fc.constantFrom<Fate>('guest', 'worker', 'proxy', 'twice'),
});
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 5, arbitrary: request },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('exchange' as const) }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('sign' as const), at: fc.nat(1) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('kill' as const) }) },
);

async function take(parties: Parties, step: Step): Promise<void> {
  switch (step.type) {
    case 'request': {
      const run = await parties.start(step.at, step.usage, step.maxAmount);
      if (run === null) return;
      parties.atGuest.push(run.receipt);
      if (step.fate === 'guest') return;
      await parties.accounts.record([run.receipt]);
      if (step.fate === 'worker') return;
      await parties.book.complete(run.receipt, true, NOW);
      if (step.fate === 'twice')
        await Promise.all([parties.book.complete(run.receipt, false, NOW), parties.accounts.record([run.receipt])]);
      return;
    }
    case 'exchange':
      return parties.exchange();
    case 'sign':
      return parties.sign(step.at);
    case 'kill':
      return parties.reopen();
  }
}

test('on any walk the proxy owes no more than clients owe it, no less is earned than owed, and both agree once receipts are exchanged', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
      const parties = new Parties();
      try {
        for (const step of steps) {
          await take(parties, step);
          expect(parties.proxyOwes).toBeLessThanOrEqual(parties.clientsOwe);
          expect(parties.proxyOwes).toBeLessThanOrEqual(parties.workerEarned);
        }
        await parties.exchange();
        expect(parties.workerEarned).toBe(parties.proxyOwes);
        await parties.reopen();
        expect(parties.workerEarned).toBe(parties.proxyOwes);
        for (const at of [0, 1]) {
          await parties.sign(at);
          expect(parties.book.standing(parties.channel(at).id)).toMatchObject({ outstanding: 0n, reserved: 0n });
        }
        expect(parties.proxyOwes).toBeLessThanOrEqual(parties.clientsOwe);
      } finally {
        await parties.close();
        rmSync(parties.folder, { recursive: true });
      }
    }),
    { numRuns: 60, seed: 5 },
  );
}, 120_000);
