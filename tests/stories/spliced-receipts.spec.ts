import { beginCell, type Cell } from '@ton/core';
import { sign } from '@ton/crypto';
import { ClientContract, type SettledReceipt } from '../../wrappers/ClientContract';
import { packAuthorisation, packPrices, statementHash } from '../../wrappers/statements';
import { changedAt } from '../cells';
import { COST, PRICES, settled } from '../settling';
import { known, publicKeyOf, RECEIPT, SESSION, STRANGER_KEY } from '../world';
import { Start } from './start';
import type { Story } from './story';

/** Bits of settled_receipt$_ before and after its reference, and of settled_authorisation$_ (schema.tlb). */
const SIGNATURE = 512;
const REPORTED = 256 + 4 * 32 + 8 + 32;
const MAX_BITS = 1023;

/** Where they are in the body of a settlement. */
const RECEIPT_AT = [0];
const PRICES_AT = [0, 0, 0];

/** A cell with these bits, and the references of another. */
function cellOf(store: (builder: ReturnType<typeof beginCell>) => void, references: readonly Cell[]): Cell {
  const builder = beginCell();
  store(builder);
  for (const reference of references) builder.storeRef(reference);
  return builder.endCell();
}

const PRICES_CELL = packPrices(PRICES);
/** Prices with one more behind them. */
const LONGER_PRICES = beginCell().storeSlice(PRICES_CELL.beginParse()).storeUint(1_000_000_000, 48).endCell();

/** Takes `count` bits from the beginning of what the receipt reports to the end of the sealed hash: both together hash as before. */
function lengthenSealed(receipt: Cell, count: number): Cell {
  const authorisation = known(receipt.refs[0]);
  const longer = cellOf(
    (builder) => builder.storeBits(authorisation.bits).storeBits(receipt.bits.substring(SIGNATURE, count)),
    authorisation.refs,
  );
  const rest = receipt.bits.substring(SIGNATURE + count, REPORTED - count);
  return cellOf((builder) => builder.storeBits(receipt.bits.substring(0, SIGNATURE)).storeBits(rest), [longer]);
}

/** The other way round: the last `count` bits of the sealed hash become the first of what the receipt reports. */
function shortenSealed(receipt: Cell, count: number): Cell {
  const authorisation = known(receipt.refs[0]);
  const kept = authorisation.bits.length - count;
  const shorter = cellOf((builder) => builder.storeBits(authorisation.bits.substring(0, kept)), authorisation.refs);
  return cellOf(
    (builder) =>
      builder
        .storeBits(receipt.bits.substring(0, SIGNATURE))
        .storeBits(authorisation.bits.substring(kept, count))
        .storeBits(receipt.bits.substring(SIGNATURE, REPORTED)),
    [shorter],
  );
}

/** Some counts of bits, and the most that a cell of this size has room for. */
const lengths = (used: number): readonly number[] => [1, 8, 32, 40, 64, MAX_BITS - used];

describe('a settlement that was spliced from what was signed (INV-R6)', () => {
  let start: Start;
  let story: Story;

  beforeAll(async () => {
    start = await Start.at();
  });

  beforeEach(async () => {
    story = await start.story();
  });

  const bodyOf = (...receipts: readonly SettledReceipt[]) => ClientContract.settleBody({ receipts });
  const one = (number = 1n) => settled({ channel: start.channel, number });
  const nothingMoved = () => expect(story.table()).toEqual({});

  test('with a longer sealed hash, so that token counts would be read further back: refused at any length', async () => {
    const body = bodyOf(one());
    const sealed = known(known(body.refs[0]).refs[0]).bits.length;
    for (const count of lengths(sealed)) {
      await story.refused(
        'malformed',
        'operator',
        start.channel,
        changedAt(body, RECEIPT_AT, (receipt) => lengthenSealed(receipt, count)),
      );
    }
    nothingMoved();
  });

  test('with a shorter sealed hash, so that token counts would be read further in front: refused at any length', async () => {
    const body = bodyOf(one());
    for (const count of lengths(SIGNATURE + REPORTED)) {
      await story.refused(
        'malformed',
        'operator',
        start.channel,
        changedAt(body, RECEIPT_AT, (receipt) => shortenSealed(receipt, count)),
      );
    }
    nothingMoved();
  });

  test('with the bits where they belong: paid, so that the splices above differ in nothing else', async () => {
    await story.send(
      'operator',
      start.channel,
      changedAt(bodyOf(one()), RECEIPT_AT, (receipt) => lengthenSealed(receipt, 0)),
    );
    expect(story.table()).toEqual({ Client: -COST, Proxy: COST });
  });

  test('from two requests: the receipt of one under the authorisation of the other is refused, whichever part is swapped', async () => {
    const cheap = settled({ channel: start.channel, number: 1n, usage: { uncachedPrompt: 1, cachedPrompt: 0, answer: 0, reasoning: 0 } });
    const dear = settled({ channel: start.channel, number: 2n, authorisation: { seal: 99n } });
    const splices: readonly SettledReceipt[] = [
      { ...cheap, receipt: dear.receipt, receiptSignature: dear.receiptSignature },
      { ...cheap, receipt: dear.receipt },
      { ...cheap, order: dear.order },
      { ...cheap, authorisation: dear.authorisation },
      { ...cheap, authorisation: dear.authorisation, authorisationSignature: dear.authorisationSignature },
      { ...cheap, authorisation: { ...cheap.authorisation, prices: { ...PRICES, answer: PRICES.answer + 1n } } },
      { ...cheap, authorisation: { ...cheap.authorisation, maxAmount: cheap.authorisation.maxAmount + 1n } },
      { ...cheap, authorisation: { ...cheap.authorisation, receiptKey: publicKeyOf(STRANGER_KEY) } },
      { ...cheap, receipt: { ...cheap.receipt, usage: dear.receipt.usage } },
      { ...cheap, authorisationSignature: cheap.receiptSignature, receiptSignature: cheap.authorisationSignature },
    ];
    for (const splice of splices) await story.refused('badSignature', 'operator', start.channel, bodyOf(splice));
    await story.refused('badSignature', 'operator', start.channel, bodyOf(one(), { ...dear, receipt: cheap.receipt }));
    nothingMoved();
  });

  test('from an order of another channel with the same number: refused, since the contract puts its own address there', async () => {
    const other = ClientContract.create({ ...start.world.clientTerms, owner: start.world.party('stranger').address }).address;
    const elsewhere = settled({ channel: other, number: 1n });
    await story.refused('badSignature', 'operator', start.channel, bodyOf(elsewhere));
    // The hash of the order does not travel: nobody can show one that belongs to another order.
    await story.refused('badSignature', 'operator', start.channel, bodyOf({ ...elsewhere, order: one().order }));
    nothingMoved();
  });

  test('from the same receipt twice, in one message and in two: refused the second time', async () => {
    await story.refused('notRising', 'operator', start.channel, bodyOf(one(), one()));
    await story.refused('notRising', 'operator', start.channel, bodyOf(one(1n), one(2n), one(2n)));
    await story.send('operator', start.channel, bodyOf(one()));
    await story.refused('notRising', 'operator', start.channel, bodyOf(one()));
    expect(story.table()).toEqual({ Client: -COST, Proxy: COST });
  });

  test('with bits or a reference behind the prices: refused, since the client did not sign them', async () => {
    for (const spoilt of [
      LONGER_PRICES,
      beginCell().storeSlice(PRICES_CELL.beginParse()).storeBit(true).endCell(),
      beginCell().storeSlice(PRICES_CELL.beginParse()).storeRef(PRICES_CELL).endCell(),
    ]) {
      await story.refused(
        'badSignature',
        'operator',
        start.channel,
        changedAt(bodyOf(one()), PRICES_AT, () => spoilt),
      );
    }
    nothingMoved();
  });

  test('with bits behind the prices that the client did sign: costs what the prices say, and nothing more', async () => {
    const signed = cellOf((builder) => builder.storeBits(packAuthorisation(one().authorisation).bits), [LONGER_PRICES]);
    const own = settled({ channel: start.channel, number: 1n, receipt: { authorisationHash: statementHash(signed) } });
    const authorisationSignature = sign(signed.hash(), SESSION.secretKey);
    await story.send(
      'operator',
      start.channel,
      changedAt(bodyOf({ ...own, authorisationSignature }), PRICES_AT, () => LONGER_PRICES),
    );
    expect(story.table()).toEqual({ Client: -COST, Proxy: COST });
  });

  test('with a receipt that another guest signed, or the client itself: refused', async () => {
    await story.refused(
      'badSignature',
      'operator',
      start.channel,
      bodyOf(settled({ channel: start.channel, number: 1n, receiptKey: STRANGER_KEY })),
    );
    await story.refused(
      'badSignature',
      'operator',
      start.channel,
      bodyOf(settled({ channel: start.channel, number: 1n, receiptKey: SESSION })),
    );
    await story.refused(
      'badSignature',
      'operator',
      start.channel,
      bodyOf(settled({ channel: start.channel, number: 1n, sessionKey: RECEIPT })),
    );
    nothingMoved();
  });
});
