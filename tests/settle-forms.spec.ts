import { type Address, beginCell, type Cell, toNano } from '@ton/core';
import { sign } from '@ton/crypto';
import type { BlockchainSnapshot } from '@ton/sandbox';
import { changedAt } from './cells';
import '@ton/test-utils';
import { ClientContract, type SettledReceipt } from '../wrappers/ClientContract';
import type { ExitCodeName } from '../wrappers/errors';
import { packAuthorisation, packOrder, packPrices, packReceipt, STATEMENT_TAG, statementHash } from '../wrappers/statements';
import { expectRefused, withoutLastBit, withoutLastReference, withTrailingBit, withTrailingReference } from './refusal';
import { PRICES, settled } from './settling';
import { keyOf, known, publicKeyOf, RECEIPT, SESSION, STRANGER_KEY, signedVoucher, World } from './world';

// Where the parts of a settlement with two receipts lie, as references from the body.
const FIRST: readonly number[] = [];
const RECEIPT_AT = [0];
const AUTHORISATION_AT = [0, 0];
const PRICES_AT = [0, 0, 0];
const NEXT_AT = [1];
const NEXT_RECEIPT_AT = [1, 0];
const NEXT_AUTHORISATION_AT = [1, 0, 0];

const empty = () => beginCell().endCell();
const libraryOf = (cell: Cell) => beginCell().storeUint(2, 8).storeBuffer(cell.hash()).endCell({ exotic: true });
const prunedOf = (cell: Cell) =>
  beginCell().storeUint(1, 8).storeUint(1, 8).storeBuffer(cell.hash()).storeUint(cell.depth(), 16).endCell({ exotic: true });
/** A Merkle proof of the cell with nothing but its hash: of level 0, so a message can carry it. */
const proofOf = (cell: Cell) =>
  beginCell().storeUint(3, 8).storeBuffer(cell.hash(0)).storeUint(cell.depth(0), 16).storeRef(prunedOf(cell)).endCell({ exotic: true });

describe('a settlement', () => {
  let world: World;
  let inUse: BlockchainSnapshot;
  let channel: Address;

  beforeAll(async () => {
    world = await World.inUse();
    inUse = world.snapshot();
    channel = world.clientChannel.address;
  });

  beforeEach(async () => {
    await world.restore(inUse);
  });

  const refused = (body: Cell, code: ExitCodeName | number) =>
    expectRefused(world, { from: world.party('operator'), to: channel, body }, code);
  const bodyOf = (receipts: readonly SettledReceipt[], open?: readonly bigint[]) => ClientContract.settleBody({ receipts, open });
  const one = () => settled({ channel, number: 1n });
  const two = () => bodyOf([one(), settled({ channel, number: 2n })]);

  describe('of something that was not signed', () => {
    test.each<[string, () => SettledReceipt]>([
      ['an order of another channel', () => settled({ channel: world.workerChannel.address, number: 1n })],
      ['an order under another number than the one that was authorised', () => ({ ...one(), order: { ...one().order, number: 2n } })],
      ['an order with another salt', () => ({ ...one(), order: { ...one().order, salt: 2n } })],
      ['the authorisation of another order', () => ({ ...settled({ channel, number: 2n }), order: one().order })],
      ['an authorisation by another key', () => settled({ channel, number: 1n, sessionKey: STRANGER_KEY })],
      ['an authorisation by the receipt key', () => settled({ channel, number: 1n, sessionKey: RECEIPT })],
      ['a larger maximum', () => ({ ...one(), authorisation: { ...one().authorisation, maxAmount: toNano('2') } })],
      ['a later end', () => ({ ...one(), authorisation: { ...one().authorisation, validUntil: 0xffffffff } })],
      ['another seal', () => ({ ...one(), authorisation: { ...one().authorisation, seal: 0n } })],
      ['another receipt key', () => ({ ...one(), authorisation: { ...one().authorisation, receiptKey: publicKeyOf(STRANGER_KEY) } })],
      ['other prices', () => ({ ...one(), authorisation: { ...one().authorisation, prices: { ...PRICES, answer: PRICES.answer + 1n } } })],
      [
        'the receipt of another authorisation',
        () => ({ ...one(), ...receiptOf(settled({ channel, number: 1n, authorisation: { seal: 99n } })) }),
      ],
      ['a receipt by another key', () => settled({ channel, number: 1n, receiptKey: STRANGER_KEY })],
      ['a receipt by the session key', () => settled({ channel, number: 1n, receiptKey: SESSION })],
      ['larger counts', () => ({ ...one(), receipt: { ...one().receipt, usage: { ...one().receipt.usage, answer: 60_000 } } })],
      ['another status', () => ({ ...one(), receipt: { ...one().receipt, status: 1 } })],
      ['another time', () => ({ ...one(), receipt: { ...one().receipt, at: 1 } })],
      ['other sealed bytes', () => ({ ...one(), receipt: { ...one().receipt, sealedHash: 1n } })],
      ['other details', () => ({ ...one(), receipt: { ...one().receipt, details: 1n } })],
      ['both signatures exchanged', () => exchanged(one())],
    ])('is refused: %s (INV-R6)', async (_what, request) => {
      await refused(bodyOf([request()]), 'badSignature');
    });

    test('is refused when only the last of five is wrong (INV-R6)', async () => {
      const four = [1n, 2n, 3n, 4n].map((number) => settled({ channel, number }));
      await refused(bodyOf([...four, settled({ channel, number: 5n, receiptKey: STRANGER_KEY })]), 'badSignature');
      await refused(bodyOf([...four, settled({ channel, number: 5n, sessionKey: STRANGER_KEY })]), 'badSignature');
    });

    test('is refused when the same fields were signed as a statement of another kind (INV-R6)', async () => {
      const { order, authorisation, receipt } = one();
      const retagged = (cell: Cell, tag: number) => beginCell().storeUint(tag, 32).storeSlice(cell.beginParse().skip(32)).endCell();
      for (const tag of Object.values(STATEMENT_TAG)) {
        const authorised = sign(retagged(packAuthorisation(authorisation), tag).hash(), SESSION.secretKey);
        const signed = sign(retagged(packReceipt(receipt), tag).hash(), RECEIPT.secretKey);
        if (tag !== STATEMENT_TAG.authorisation) await refused(bodyOf([{ ...one(), authorisationSignature: authorised }]), 'badSignature');
        if (tag !== STATEMENT_TAG.receipt) await refused(bodyOf([{ ...one(), receiptSignature: signed }]), 'badSignature');
        const orderHash = statementHash(retagged(packOrder(order), tag));
        const ordered = settled({ channel, number: 1n, authorisation: { orderHash } });
        if (tag !== STATEMENT_TAG.order) await refused(bodyOf([ordered]), 'badSignature');
      }
    });

    const receiptOf = ({ receipt, receiptSignature }: SettledReceipt) => ({ receipt, receiptSignature });
    const exchanged = (request: SettledReceipt): SettledReceipt => ({
      ...request,
      authorisationSignature: request.receiptSignature,
      receiptSignature: request.authorisationSignature,
    });
  });

  test('under the receipt key zero is refused before any signature is checked against it (INV-R6)', async () => {
    const forged = { ...settled({ channel, number: 1n, authorisation: { receiptKey: 0n } }), receiptSignature: new Uint8Array(64) };
    await refused(bodyOf([forged]), 'noKey');
  });

  test.each<[string, readonly number[], (part: Cell) => Cell, ExitCodeName]>([
    ['a trailing bit in the message', FIRST, withTrailingBit, 'badSignature'],
    ['a trailing reference in the message', FIRST, withTrailingReference, 'badSignature'],
    ['a message cut short', FIRST, withoutLastBit, 'badSignature'],
    ['no fields in the message', FIRST, (body) => beginCell().storeBits(body.bits.substring(0, 96)).endCell(), 'malformed'],
    ['only a head in the message', FIRST, (body) => beginCell().storeBits(body.bits.substring(0, 97)).endCell(), 'malformed'],
    ['no receipt', FIRST, (body) => beginCell().storeBits(body.bits).endCell(), 'malformed'],
    ['an empty receipt', RECEIPT_AT, empty, 'malformed'],
    ['a trailing bit in the receipt', RECEIPT_AT, withTrailingBit, 'badSignature'],
    ['a trailing reference in the receipt', RECEIPT_AT, withTrailingReference, 'badSignature'],
    ['a receipt cut short', RECEIPT_AT, withoutLastBit, 'badSignature'],
    ['a receipt without its authorisation', RECEIPT_AT, withoutLastReference, 'malformed'],
    ['an empty authorisation', AUTHORISATION_AT, empty, 'malformed'],
    ['a trailing bit in the authorisation', AUTHORISATION_AT, withTrailingBit, 'malformed'],
    ['a trailing reference in the authorisation', AUTHORISATION_AT, withTrailingReference, 'malformed'],
    ['an authorisation cut short', AUTHORISATION_AT, withoutLastBit, 'malformed'],
    ['an authorisation without prices', AUTHORISATION_AT, withoutLastReference, 'malformed'],
    ['a trailing bit in the prices', PRICES_AT, withTrailingBit, 'badSignature'],
    ['prices cut short', PRICES_AT, withoutLastBit, 'badSignature'],
    ['empty prices', PRICES_AT, empty, 'badSignature'],
    ['an empty second settlement', NEXT_AT, empty, 'malformed'],
    ['a trailing bit in the second', NEXT_AT, withTrailingBit, 'badSignature'],
    ['a trailing reference in the second', NEXT_AT, withTrailingReference, 'badSignature'],
    ['a second cut short', NEXT_AT, withoutLastBit, 'badSignature'],
    ['a trailing bit in the second receipt', NEXT_RECEIPT_AT, withTrailingBit, 'badSignature'],
    ['a trailing bit in the second authorisation', NEXT_AUTHORISATION_AT, withTrailingBit, 'malformed'],
    ['a library in place of the receipt', RECEIPT_AT, libraryOf, 'malformed'],
    ['a library in place of the authorisation', AUTHORISATION_AT, libraryOf, 'malformed'],
    ['a library in place of the prices', PRICES_AT, libraryOf, 'badSignature'],
    ['a library in place of the second', NEXT_AT, libraryOf, 'malformed'],
    ['a proof in place of the receipt', RECEIPT_AT, proofOf, 'malformed'],
    ['a proof in place of the prices', PRICES_AT, proofOf, 'badSignature'],
  ])('is refused with %s (INV-R8)', async (_what, path, change, code) => {
    await refused(changedAt(two(), path, change), code);
  });

  test.each([-64, -40, -8, -1, 1, 8, 32, 40, 64])(
    'is refused when %d bits move from one cell to the other, though their hash together stays the same (INV-R3, INV-R6)',
    async (moved) => {
      const body = bodyOf([one()]);
      const receipt = known(body.refs[0]);
      const authorisation = known(receipt.refs[0]);
      const fields = receipt.bits.substring(512, receipt.bits.length - 512);
      const taken = Math.max(0, moved);
      const given = Math.max(0, -moved);
      const kept = authorisation.bits.length - given;
      const longer = beginCell()
        .storeBits(authorisation.bits.substring(0, kept))
        .storeBits(fields.substring(0, taken))
        .storeRef(known(authorisation.refs[0]))
        .endCell();
      const shorter = beginCell()
        .storeBits(receipt.bits.substring(0, 512))
        .storeBits(authorisation.bits.substring(kept, given))
        .storeBits(fields.substring(taken, fields.length - taken))
        .storeRef(longer)
        .endCell();
      await refused(
        changedAt(body, RECEIPT_AT, () => shorter),
        'malformed',
      );
    },
  );

  test.each<[string, (prices: Cell) => Cell]>([
    ['cut short', withoutLastBit],
    ['empty', empty],
  ])('is refused with prices that the client signed, %s (INV-R8)', async (_what, change) => {
    const { order, authorisation } = one();
    const prices = change(packPrices(authorisation.prices));
    const signed = changedAt(packAuthorisation(authorisation), [0], () => prices);
    const request = settled({ channel, number: order.number, receipt: { authorisationHash: statementHash(signed) } });
    const body = bodyOf([{ ...request, authorisationSignature: sign(signed.hash(), SESSION.secretKey) }]);
    await refused(
      changedAt(body, PRICES_AT, () => prices),
      'malformed',
    );
  });

  test('is refused with open numbers that the client signed and that are no dictionary (INV-R8)', async () => {
    const garbage = beginCell().storeUint(1, 64).endCell();
    const voucher = signedVoucher({ channel, total: 1n, upTo: 9n, open: statementHash(garbage) });
    await world.send({ from: world.party('operator'), to: channel, body: ClientContract.chargeBody(voucher) });
    const shown = changedAt(bodyOf([one()], [1n]), [0], () => garbage);
    await refused(shown, 10);
    for (const change of [libraryOf, proofOf]) {
      await refused(
        changedAt(bodyOf([one()], [1n]), [0], () => change(garbage)),
        'covered',
      );
    }
  });

  test('names a receipt key per request: receipts of different guests settle together', async () => {
    const guest = keyOf('another guest');
    const receipts = [one(), settled({ channel, number: 2n, receiptKey: guest, authorisation: { receiptKey: publicKeyOf(guest) } })];
    await world.send({ from: world.party('operator'), to: channel, body: bodyOf(receipts) });
    expect((await world.clientChannel.getState()).settled).toBe(2n);
  });
});
