import fc from 'fast-check';
import { admit, type Coverage, type CreditState, checkVoucher, covers, NO_COVERAGE, unsecured } from './credit';

const SEED = { seed: 20261120 };
const state: CreditState = {
  deposit: 1000n,
  announcedWithdrawal: 100n,
  voucherTotal: 500n,
  chargedOnChain: 400n,
  paidOnChain: 300n,
  outstanding: 40n,
  reserved: 60n,
};
// 1000 - 100 - (500 - 300) = 700 are free; 40 + 60 of them are spoken for.

describe('the credit rule', () => {
  it.each<[string, bigint, bigint, ReturnType<typeof admit>]>([
    ['admits a request that fills the window exactly', 200n, 300n, { admitted: true }],
    ['refuses one nano above the window', 201n, 300n, { admitted: false, reason: 'credit_exhausted', missing: 1n }],
    ['admits a request that fills the deposit exactly', 600n, 10_000n, { admitted: true }],
    ['refuses one nano above the deposit', 601n, 10_000n, { admitted: false, reason: 'deposit_exhausted', missing: 1n }],
    [
      'names the deposit when both are exceeded, since only the owner can mend that',
      700n,
      300n,
      { admitted: false, reason: 'deposit_exhausted', missing: 100n },
    ],
    ['admits a request that costs nothing', 0n, 100n, { admitted: true }],
    ['says all that is missing', 300n, 300n, { admitted: false, reason: 'credit_exhausted', missing: 100n }],
  ])('%s', (_name, maxAmount, creditWindow, expected) => {
    expect(admit(state, maxAmount, creditWindow)).toEqual(expected);
  });

  it.each<[string, Partial<CreditState>, bigint]>([
    ['an announced withdrawal', { announcedWithdrawal: 101n }, 1n],
    ['a deposit that shrank', { deposit: 999n }, 1n],
    ['a voucher that is not charged yet', { voucherTotal: 501n }, 1n],
    ['a receipt that no voucher covers', { outstanding: 41n }, 1n],
    ['a request in flight', { reserved: 61n }, 1n],
    ['a withdrawal of more than there is', { announcedWithdrawal: 2000n }, 1900n],
  ])('counts %s against the deposit', (_name, change, missing) => {
    expect(admit({ ...state, ...change }, 600n, 10_000n)).toEqual({ admitted: false, reason: 'deposit_exhausted', missing });
  });

  it('frees what was paid on chain', () => {
    expect(admit({ ...state, paidOnChain: 301n }, 601n, 10_000n)).toEqual({ admitted: true });
  });

  it('frees the window of what was settled by receipt, and counts it against the deposit until it is paid', () => {
    const settled = { ...state, chargedOnChain: 530n };
    expect(unsecured(settled)).toBe(10n);
    expect(admit(settled, 230n, 300n)).toEqual({ admitted: true });
    expect(admit(settled, 231n, 300n)).toEqual({ admitted: false, reason: 'credit_exhausted', missing: 1n });
    expect(admit(settled, 600n, 10_000n)).toEqual({ admitted: true });
    expect(admit(settled, 601n, 10_000n)).toEqual({ admitted: false, reason: 'deposit_exhausted', missing: 1n });
    expect(admit({ ...settled, paidOnChain: 330n }, 630n, 10_000n)).toEqual({ admitted: true });
  });

  it('owes a client nothing for what is charged beyond all that is known', () => {
    expect(unsecured({ ...state, chargedOnChain: 541n })).toBe(0n);
  });

  it('never lets more be owed than the deposit holds, whatever is admitted one after the other', () => {
    const amount = fc.bigInt({ min: 0n, max: 1000n });
    fc.assert(
      fc.property(fc.array(amount, { maxLength: 30 }), amount, amount, (asked, deposit, window) => {
        let reserved = 0n;
        for (const maxAmount of asked) {
          const now = {
            deposit,
            announcedWithdrawal: 0n,
            voucherTotal: 0n,
            chargedOnChain: 0n,
            paidOnChain: 0n,
            outstanding: 0n,
            reserved,
          };
          if (admit(now, maxAmount, window).admitted) reserved += maxAmount;
        }
        expect(reserved <= deposit && reserved <= window).toBe(true);
      }),
      SEED,
    );
  });
});

describe('a number is covered', () => {
  it.each<[bigint, boolean]>([
    [1n, true],
    [3n, false],
    [5n, true],
    [6n, false],
  ])('up to and without the open ones: %s', (number, expected) => {
    expect(covers({ total: 0n, upTo: 5n, open: new Set([3n]) }, number)).toBe(expected);
  });
});

describe('a voucher', () => {
  const last: Coverage = { total: 100n, upTo: 5n, open: new Set([3n]) };
  const receipts = new Map([
    [3n, 10n],
    [6n, 20n],
    [7n, 30n],
  ]);

  it.each<[string, Coverage]>([
    ['the last one again', last],
    ['more than is due', { ...last, total: 101n }],
    ['the cost of an open number that it closes', { total: 110n, upTo: 5n, open: new Set() }],
    ['the cost of the numbers above', { total: 120n, upTo: 6n, open: new Set([3n]) }],
    ['the cost of everything', { total: 160n, upTo: 7n, open: new Set() }],
    ['the numbers that have a receipt, with those in flight open', { total: 160n, upTo: 9n, open: new Set([8n, 9n]) }],
    ['a number without a receipt that is not in flight, at no cost', { total: 160n, upTo: 10n, open: new Set([8n, 9n]) }],
  ])('is accepted with %s', (_name, next) => {
    expect(() => checkVoucher(last, next, receipts, [8n, 9n])).not.toThrow();
  });

  it.each<[string, Coverage, string]>([
    ['a total below the last', { ...last, total: 99n }, 'voucher_too_low'],
    ['one nano less than an open number that it closes', { total: 109n, upTo: 5n, open: new Set() }, 'voucher_too_low'],
    ['one nano less than the numbers above', { total: 159n, upTo: 7n, open: new Set() }, 'voucher_too_low'],
    ['a lower number', { total: 100n, upTo: 4n, open: new Set([3n]) }, 'voucher_falls_back'],
    ['a covered number open again', { total: 100n, upTo: 5n, open: new Set([3n, 4n]) }, 'voucher_falls_back'],
    ['number 0 open', { total: 100n, upTo: 5n, open: new Set([0n, 3n]) }, 'voucher_bad_open'],
    ['an open number above its highest', { total: 100n, upTo: 5n, open: new Set([3n, 6n]) }, 'voucher_bad_open'],
    ['a number in flight covered', { total: 1000n, upTo: 8n, open: new Set([3n]) }, 'voucher_covers_in_flight'],
  ])('is refused with %s (%#)', (_name, next, code) => {
    expect(() => checkVoucher(last, next, receipts, [8n, 9n])).toThrow(expect.objectContaining({ name: 'BillingError', code }));
  });

  it('may leave a number open that is in flight', () => {
    const next: Coverage = { total: 160n, upTo: 8n, open: new Set([8n]) };
    expect(() => checkVoucher(last, next, receipts, [8n])).not.toThrow();
  });

  // A channel's life: requests end in receipts in any order, and a client proposes whatever vouchers it likes.
  const number = fc.bigInt({ min: 1n, max: 20n });
  const proposal = fc.record({
    total: fc.bigInt({ min: 0n, max: 400n }),
    upTo: fc.bigInt({ min: 0n, max: 20n }),
    open: fc.uniqueArray(fc.bigInt({ min: 0n, max: 21n }), { maxLength: 6 }),
  });
  const costs = fc.uniqueArray(fc.tuple(number, fc.bigInt({ min: 0n, max: 50n })), { selector: ([key]) => key, maxLength: 20 });

  const accepts = (from: Coverage, next: Coverage, due: ReadonlyMap<bigint, bigint>, inFlight: readonly bigint[]): boolean => {
    try {
      checkVoucher(from, next, due, inFlight);
      return true;
    } catch {
      return false;
    }
  };

  it('that is accepted never lowers what the proxy is owed, and covers nothing in flight', () => {
    let accepted = 0;
    fc.assert(
      fc.property(costs, fc.uniqueArray(number, { maxLength: 4 }), fc.array(proposal, { maxLength: 12 }), (list, running, proposals) => {
        const inFlight = running.filter((running) => !list.some(([done]) => done === running));
        let held = NO_COVERAGE;
        for (const { total, upTo, open } of proposals) {
          const uncovered = new Map(list.filter(([done]) => !covers(held, done)));
          const owed = (at: Coverage) => list.reduce((sum, [done, cost]) => sum + (covers(at, done) ? 0n : cost), at.total);
          const next = { total, upTo, open: new Set(open) };
          if (!accepts(held, next, uncovered, inFlight)) continue;
          accepted += 1;
          expect(owed(next) >= owed(held)).toBe(true);
          for (const running of inFlight) expect(covers(next, running)).toBe(false);
          for (let done = 1n; done <= 20n; done++) expect(covers(held, done) && !covers(next, done)).toBe(false);
          held = next;
        }
      }),
      { ...SEED, numRuns: 2000 },
    );
    expect(accepted).toBeGreaterThan(200);
  });

  it('is judged the same in whatever order numbers are listed', () => {
    fc.assert(
      fc.property(costs, fc.uniqueArray(number, { maxLength: 4 }), proposal, (list, inFlight, { total, upTo, open }) => {
        const forward = accepts(NO_COVERAGE, { total, upTo, open: new Set(open) }, new Map(list), inFlight);
        const backward = accepts(
          NO_COVERAGE,
          { total, upTo, open: new Set([...open].reverse()) },
          new Map([...list].reverse()),
          [...inFlight].reverse(),
        );
        expect(backward).toBe(forward);
      }),
      { ...SEED, numRuns: 500 },
    );
  });
});
