import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Address } from '@ton/core';
import { type Authorisation, packAuthorisation, RECEIPT_STATUS, statementHash, type Usage } from '../../wrappers/statements';
import { Ledger, numberKey } from '../ledger/ledger';
import { counter, hashText } from '../protocol/fields';
import { signedReceipt } from '../protocol/statements-json';
import { MAX_UNACKNOWLEDGED, WorkerAccounts } from './accounts';

const NOW = 1_800_000_000;
const PROXY = `0:${'a1'.repeat(32)}`;
const OTHER_PROXY = `0:${'a2'.repeat(32)}`;
const CONTRACT = `0:${'b1'.repeat(32)}`;
const OTHER_CONTRACT = `0:${'b2'.repeat(32)}`;
const BOOT = 'c1'.repeat(32);
const PRICES = { uncachedPrompt: 1_000_000n, cachedPrompt: 500_000n, answer: 4_000_000n, reasoning: 4_000_000n };
const USAGE: Usage = { uncachedPrompt: 10, cachedPrompt: 0, answer: 20, reasoning: 0 };
/** What USAGE earns. */
const EARNED = 90n;
const VIEW = { available: 10_000n, announcedWithdrawal: 0n, paid: 0n };

let folder: string;
let ledger: Ledger;
let accounts: WorkerAccounts;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cocoon-worker-'));
  open();
});

afterEach(async () => {
  await ledger.close();
  rmSync(folder, { recursive: true });
});

function open(prices = PRICES, capacity = 100): void {
  ledger = Ledger.open(folder);
  accounts = new WorkerAccounts(ledger, { prices, capacity });
}

async function reopen(prices = PRICES, capacity = 100): Promise<void> {
  await ledger.close();
  open(prices, capacity);
}

function authorisation(seal: bigint, maxAmount = 1000n): Authorisation {
  return { orderHash: 1n, receiptKey: 2n, seal, maxAmount, validUntil: NOW + 300, prices: PRICES };
}

const hashOf = (seal: bigint, maxAmount = 1000n) => statementHash(packAuthorisation(authorisation(seal, maxAmount)));

function begin(seal: bigint, change: Partial<Parameters<WorkerAccounts['begin']>[0]> = {}) {
  return accounts.begin({ proxy: PROXY, contract: CONTRACT, view: VIEW, boot: BOOT, authorisation: authorisation(seal), ...change });
}

function receiptFor(seal: bigint, usage = USAGE) {
  const receipt = { authorisationHash: hashOf(seal), sealedHash: 1n, details: 2n, usage, status: RECEIPT_STATUS.complete, at: NOW };
  return { receipt, signature: new Uint8Array(64) };
}

async function serve(...seals: readonly bigint[]): Promise<void> {
  for (const seal of seals) {
    expect(await begin(seal)).toBe('admitted');
    expect(await accounts.record([receiptFor(seal)])).toBe(1);
  }
}

const voucher = (total: bigint, contract = CONTRACT) => ({
  voucher: { workerContract: Address.parseRaw(contract), total, tokens: total },
  signature: new Uint8Array(64),
});

const sequences = async (after: bigint, proxy = PROXY) => (await accounts.receiptsAfter(proxy, after)).map(({ sequence }) => sequence);

describe('a request', () => {
  it('is admitted while the contract holds enough for it, and reserves its amount', async () => {
    for (let seal = 1n; seal <= 10n; seal++) expect(await begin(seal)).toBe('admitted');
    expect(await begin(11n)).toBe('no_headroom');
    expect(await begin(12n, { authorisation: authorisation(12n, 0n) })).toBe('admitted');
    expect(accounts.view(CONTRACT).reserved).toBe(10_000n);
    await accounts.giveUp(hashOf(3n));
    expect(await begin(11n)).toBe('admitted');
  });

  it('is not admitted on what is announced to be withdrawn, or earned and not paid', async () => {
    await serve(1n);
    const left = (view: typeof VIEW) => accounts.headroom(CONTRACT, view);
    expect(left(VIEW)).toBe(10_000n - EARNED);
    expect(left({ ...VIEW, announcedWithdrawal: 4000n })).toBe(6000n - EARNED);
    expect(left({ ...VIEW, available: 10_000n - EARNED, paid: EARNED })).toBe(10_000n - EARNED);
    expect(left({ ...VIEW, announcedWithdrawal: 10_000n })).toBe(-EARNED);
    expect(await begin(2n, { view: { ...VIEW, announcedWithdrawal: 9000n } })).toBe('no_headroom');
  });

  it('is not admitted on what another contract holds', async () => {
    await begin(1n);
    expect(accounts.headroom(OTHER_CONTRACT, VIEW)).toBe(10_000n);
    expect(accounts.headroom(CONTRACT, VIEW)).toBe(9000n);
  });

  it('is admitted once, also when it comes twice together', async () => {
    expect(await Promise.all([begin(1n), begin(1n)])).toEqual(['admitted', 'already_used']);
    expect(accounts.view(CONTRACT).reserved).toBe(1000n);
  });

  it('is not admitted above the capacity', async () => {
    await reopen(PRICES, 2);
    expect(await Promise.all([begin(1n), begin(2n), begin(3n)])).toEqual(['admitted', 'admitted', 'full']);
    await accounts.record([receiptFor(1n)]);
    expect(await begin(3n)).toBe('admitted');
  });

  it('is given up when the guest has been started anew, or nothing can come any more', async () => {
    await begin(1n, { boot: 'c2'.repeat(32) });
    await begin(2n);
    await accounts.forgetExpired(BOOT, NOW, 900);
    expect(accounts.view(CONTRACT).reserved).toBe(1000n);
    await accounts.forgetExpired(BOOT, NOW + 300 + 900, 900);
    expect(accounts.view(CONTRACT).reserved).toBe(1000n);
    await accounts.forgetExpired(BOOT, NOW + 300 + 901, 900);
    expect(accounts.view(CONTRACT).reserved).toBe(0n);
    expect(await accounts.record([receiptFor(1n), receiptFor(2n)])).toBe(0);
  });

  it('runs for the proxy that sent it only', async () => {
    await begin(1n);
    expect(accounts.isRunning(PROXY, hashText(hashOf(1n)))).toBe(true);
    expect(accounts.isRunning(OTHER_PROXY, hashText(hashOf(1n)))).toBe(false);
  });
});

describe('a receipt', () => {
  it('counts once, however often it comes', async () => {
    await begin(1n);
    const counts = await Promise.all([accounts.record([receiptFor(1n), receiptFor(1n)]), accounts.record([receiptFor(1n)])]);
    expect(counts).toEqual([1, 0]);
    expect(await accounts.record([receiptFor(1n)])).toBe(0);
    expect(accounts.view(CONTRACT)).toMatchObject({ earned: EARNED, tokens: 30n, reserved: 0n });
    expect(await sequences(0n)).toEqual([1n]);
  });

  it('of no request that was relayed here does not count', async () => {
    expect(await accounts.record([receiptFor(1n)])).toBe(0);
    expect(accounts.view(CONTRACT).earned).toBe(0n);
  });

  it('earns at the prices of its request, also when they have changed since, and never more than it was allowed', async () => {
    await begin(1n);
    await begin(2n, { authorisation: authorisation(2n, 50n) });
    await reopen({ ...PRICES, answer: 8_000_000n });
    await accounts.record([receiptFor(1n)]);
    expect(accounts.view(CONTRACT).earned).toBe(EARNED);
    await accounts.record([{ ...receiptFor(2n), receipt: { ...receiptFor(2n).receipt, authorisationHash: hashOf(2n, 50n) } }]);
    expect(accounts.view(CONTRACT).earned).toBe(EARNED + 50n);
  });

  it('is shown until it is acknowledged, by asking for those behind it', async () => {
    await serve(1n, 2n, 3n);
    expect(await sequences(0n)).toEqual([1n, 2n, 3n]);
    expect(await sequences(0n)).toEqual([1n, 2n, 3n]);
    expect(await sequences(2n)).toEqual([3n]);
    expect(await sequences(0n)).toEqual([3n]);
    expect(await sequences(3n)).toEqual([]);
    await serve(4n);
    expect(await sequences(0n)).toEqual([4n]);
    expect(await sequences(0n, OTHER_PROXY)).toEqual([]);
  });

  it('is there after the process has ended, as are the counts', async () => {
    await serve(1n);
    await begin(2n);
    await accounts.acceptVoucher(PROXY, voucher(50n));
    await reopen();
    expect(accounts.view(CONTRACT)).toMatchObject({ earned: EARNED, tokens: 50n, reserved: 1000n, voucher: { voucher: { total: 50n } } });
    expect(await begin(2n)).toBe('already_used');
    await accounts.record([receiptFor(2n)]);
    expect(await sequences(0n)).toEqual([1n, 2n]);
  });

  it('that the proxy never asks for ends its work in time', async () => {
    await reopen(PRICES, MAX_UNACKNOWLEDGED + 1);
    const free = { ...USAGE, uncachedPrompt: 0, answer: 0 };
    const seals = Array.from({ length: MAX_UNACKNOWLEDGED }, (_, at) => BigInt(at + 1));
    // As they would have come one by one; one write for all, since the disk is not what is looked at here.
    await ledger.change(() => {
      const receipts = ledger.table('receipts', signedReceipt);
      for (const seal of seals) receipts.put(`${PROXY}/${numberKey(seal)}`, receiptFor(seal, free));
      ledger.table('sequences', counter).put(PROXY, BigInt(MAX_UNACKNOWLEDGED));
    });
    await reopen();
    expect(await begin(20_000n)).toBe('unacknowledged');
    expect(await begin(20_001n, { proxy: OTHER_PROXY })).toBe('admitted');
    expect((await sequences(1n)).length).toBe(1000);
    expect(await begin(20_000n)).toBe('admitted');
  }, 60_000);
});

describe('a voucher', () => {
  it('is kept while it is the highest', async () => {
    await serve(1n);
    await accounts.acceptVoucher(PROXY, voucher(50n));
    await accounts.acceptVoucher(PROXY, voucher(EARNED));
    await accounts.acceptVoucher(PROXY, voucher(60n));
    expect(accounts.view(CONTRACT).voucher?.voucher.total).toBe(EARNED);
    expect(accounts.contractsOf(PROXY)).toEqual([CONTRACT]);
    expect(accounts.contractsOf(OTHER_PROXY)).toEqual([]);
  });

  it('above the record, which is from an old backup then, counts as earned', async () => {
    await serve(1n);
    await accounts.acceptVoucher(PROXY, voucher(500n));
    expect(accounts.view(CONTRACT)).toMatchObject({ earned: 500n, tokens: 500n });
    await serve(2n);
    expect(accounts.view(CONTRACT).earned).toBe(500n + EARNED);
  });

  it('of a new contract does not touch what the old one owes', async () => {
    await serve(1n);
    await accounts.acceptVoucher(PROXY, voucher(EARNED));
    await accounts.acceptVoucher(PROXY, voucher(5n, OTHER_CONTRACT));
    expect(accounts.view(CONTRACT).voucher?.voucher.total).toBe(EARNED);
    expect(accounts.view(OTHER_CONTRACT).voucher?.voucher.total).toBe(5n);
    expect([...accounts.contractsOf(PROXY)].sort()).toEqual([CONTRACT, OTHER_CONTRACT].sort());
  });
});
