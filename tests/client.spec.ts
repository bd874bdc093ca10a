import { type Address, beginCell, type Cell, toNano } from '@ton/core';
import { sign } from '@ton/crypto';
import type { BlockchainSnapshot } from '@ton/sandbox';
import '@ton/test-utils';
import { ClientContract } from '../wrappers/ClientContract';
import type { ExitCodeName } from '../wrappers/errors';
import { OPCODE } from '../wrappers/opcodes';
import { ProxyContract } from '../wrappers/ProxyContract';
import { packVoucher, STATEMENT_TAG, type Voucher } from '../wrappers/statements';
import { EVERYTHING } from '../wrappers/withdrawal';
import { expectRefused } from './refusal';
import { DEPOSIT, keyOf, known, publicKeyOf, SESSION, STRANGER_KEY, signedVoucher, World } from './world';

describe('ClientContract', () => {
  let world: World;
  let fresh: World;
  let inUse: BlockchainSnapshot;
  let undeployed: BlockchainSnapshot;
  let channel: Address;

  beforeAll(async () => {
    world = await World.inUse();
    inUse = world.snapshot();
    fresh = await World.create();
    undeployed = fresh.snapshot();
    channel = world.clientChannel.address;
  });

  beforeEach(async () => {
    await world.restore(inUse);
    await fresh.restore(undeployed);
  });

  const voucherOf = (change: Partial<Voucher> = {}): Voucher => ({ channel, total: toNano('3'), upTo: 7n, open: 5n, ...change });
  const chargeOf = (change: Partial<Voucher> = {}): Cell => ClientContract.chargeBody(signedVoucher(voucherOf(change)));
  const operator = (body: Cell) => world.send({ from: world.party('operator'), to: channel, body });
  const charge = (change: Partial<Voucher> = {}) => operator(chargeOf(change));
  const state = () => world.clientChannel.getState();

  describe('open', () => {
    const open = (sessionKey = publicKeyOf(SESSION)) => ClientContract.openBody({ sessionKey });

    test('sets the session key, and all its coins become the deposit (INV-R1)', async () => {
      const { init, address } = fresh.clientChannel;
      const sent = await fresh.send({ from: fresh.party('client'), to: address, init, body: open(), value: DEPOSIT });
      expect(sent.trace).toEqual(['client > Client: ownerClientOpen']);
      expect(DEPOSIT - known(sent.moved.Client)).toBe(known(sent.transactions[1]).totalFees.coins);
      const opened = await fresh.clientChannel.getState();
      expect(opened).toMatchObject({ sessionKey: publicKeyOf(SESSION), charged: 0n, paid: 0n, settled: 0n, upTo: 0n, open: 0n });
      expect(opened).toMatchObject({ withdrawal: null, oldKey: null });
      expect(opened.terms.owner).toEqualAddress(fresh.party('client').address);
      expect(opened.deposit).toBe(known(sent.moved.Client) - ClientContract.RESERVE);
    });

    test('is taken once', async () => {
      await expectRefused(world, { from: world.party('client'), to: channel, body: open(publicKeyOf(keyOf('other'))) }, 'alreadyOpen');
    });

    test('keeps a deposit that came before it', async () => {
      await fresh.clientChannel.sendTopUp(fresh.party('stranger').getSender(), { value: DEPOSIT });
      await fresh.send({ from: fresh.party('client'), to: channel, body: open(), value: toNano('1') });
      expect((await fresh.clientChannel.getState()).deposit).toBeGreaterThan(DEPOSIT + toNano('0.97'));
    });
  });

  describe('top up', () => {
    test.each<[string, string, Cell]>([
      ['the owner, plain', 'client', beginCell().endCell()],
      ['a stranger, plain', 'stranger', beginCell().endCell()],
      ['a stranger, with a comment', 'stranger', beginCell().storeUint(0, 32).storeStringTail('for you').endCell()],
      ['a stranger, with a comment of no text', 'stranger', beginCell().storeUint(0, 32).endCell()],
      ['a stranger, with a comment of several cells', 'stranger', beginCell().storeUint(0, 32).storeStringTail('x'.repeat(300)).endCell()],
    ])('is taken from %s (INV-R1)', async (_what, name, body) => {
      const before = await world.data(channel);
      const sent = await world.send({ from: world.party(name), to: channel, body, value: toNano('2') });
      expect(sent.trace).toEqual([`${name} > Client: payment`]);
      expect(toNano('2') - known(sent.moved.Client)).toBe(known(sent.transactions[1]).totalFees.coins);
      expect(await world.data(channel)).toEqualCell(before);
    });
  });

  describe('charge', () => {
    test('pays what the voucher adds to the proxy, exactly, and returns the rest of the gas to the operator (INV-R3)', async () => {
      await charge({ total: toNano('1'), upTo: 3n, open: 0n });
      const sent = await charge();
      expect(sent.trace).toEqual(['operator > Client: operatorClientCharge', 'Client > Proxy: payment', 'Client > operator: payment']);
      const receiving = known(sent.transactions[2]).totalFees.coins;
      expect(sent.moved).toEqual({ Client: -toNano('2'), Proxy: toNano('2') - receiving, operator: receiving - sent.fees });
      expect(await state()).toMatchObject({ charged: toNano('3'), paid: toNano('3'), upTo: 7n, open: 5n, settled: 0n });
    });

    test("comes from the ProxyContract too, on its owner's order", async () => {
      const body = ProxyContract.orderBody({ to: channel, order: chargeOf() });
      const sent = await world.send({ from: world.party('proxyOwner'), to: world.proxy.address, body });
      expect(sent.trace).toEqual([
        'proxyOwner > Proxy: ownerProxyOrder',
        'Proxy > Client: operatorClientCharge',
        'Client > Proxy: payment',
        'Client > Proxy: payment',
      ]);
      expect(sent.moved.Client).toBe(-toNano('3'));
    });

    test('pays a part when the deposit is smaller, and the rest stays owed until a top-up (INV-R2)', async () => {
      const { deposit } = await state();
      const sent = await charge({ total: toNano('25') });
      expect(sent.moved.Client).toBe(-deposit);
      expect(await world.balance(channel)).toBe(ClientContract.RESERVE);
      expect(await state()).toMatchObject({ charged: toNano('25'), paid: deposit, deposit: 0n });

      const inVain = await operator(ClientContract.collectBody());
      expect(inVain.moved.Client).toBeUndefined();
      expect(await state()).toMatchObject({ charged: toNano('25'), paid: deposit });

      await world.clientChannel.sendTopUp(world.party('client').getSender(), { value: toNano('50') });
      const collected = await operator(ClientContract.collectBody());
      expect(collected.trace).toEqual([
        'operator > Client: operatorClientCollect',
        'Client > Proxy: payment',
        'Client > operator: payment',
      ]);
      expect(collected.moved.Client).toBe(deposit - toNano('25'));
      expect(await state()).toMatchObject({ charged: toNano('25'), paid: toNano('25'), upTo: 7n, open: 5n });

      const again = await operator(ClientContract.collectBody());
      expect(again.moved.Client).toBeUndefined();
      expect(await state()).toMatchObject({ charged: toNano('25'), paid: toNano('25') });
    });

    test('is recorded when there is no deposit at all, and stays owed (INV-R2)', async () => {
      await charge({ total: toNano('25') });
      const { paid } = await state();
      const sent = await charge({ total: toNano('26') });
      expect(sent.moved.Client).toBeUndefined();
      expect(await state()).toMatchObject({ charged: toNano('26'), paid, deposit: 0n });
    });

    test('is refused a second time with the same voucher, and with an older one (INV-R6)', async () => {
      await charge();
      const again = { from: world.party('operator'), to: channel };
      await expectRefused(world, { ...again, body: chargeOf() }, 'oldVoucher');
      await expectRefused(world, { ...again, body: chargeOf({ upTo: 8n }) }, 'oldVoucher');
      await expectRefused(world, { ...again, body: chargeOf({ total: toNano('3') - 1n }) }, 'oldVoucher');
    });

    test('of one nano more than before is taken', async () => {
      await charge();
      const sent = await charge({ total: toNano('3') + 1n });
      expect(sent.moved.Client).toBe(-1n);
    });

    test('is refused when another key signed (INV-R6)', async () => {
      const body = ClientContract.chargeBody(signedVoucher(voucherOf(), STRANGER_KEY));
      await expectRefused(world, { from: world.party('operator'), to: channel, body }, 'badSignature');
    });

    test.each<[string, Partial<Voucher>]>([
      ['total', { total: toNano('4') }],
      ['last number', { upTo: 8n }],
      ['set of open numbers', { open: 6n }],
    ])('is refused when the voucher has another %s than was signed (INV-R6)', async (_what, change) => {
      const { signature } = signedVoucher(voucherOf());
      const body = ClientContract.chargeBody({ voucher: voucherOf(change), signature });
      await expectRefused(world, { from: world.party('operator'), to: channel, body }, 'badSignature');
    });

    test('is refused with a voucher that was signed for another channel of the same client (INV-R6)', async () => {
      const other = ClientContract.create({ ...world.clientTerms, withdrawDelay: 1 }).address;
      await expectRefused(world, { from: world.party('operator'), to: channel, body: chargeOf({ channel: other }) }, 'badSignature');
    });

    test('is refused with the same fields that were signed as a statement of another kind (INV-R6)', async () => {
      const fields = packVoucher(voucherOf()).beginParse().skip(32);
      for (const [kind, tag] of Object.entries(STATEMENT_TAG)) {
        const statement = beginCell().storeUint(tag, 32).storeSlice(fields.clone()).endCell();
        const body = ClientContract.chargeBody({ voucher: voucherOf(), signature: sign(statement.hash(), SESSION.secretKey) });
        if (kind !== 'voucher') await expectRefused(world, { from: world.party('operator'), to: channel, body }, 'badSignature');
      }
    });

    test('is refused while the channel is not open, even with a signature that zero would pass (INV-R6)', async () => {
      await fresh.clientChannel.sendTopUp(fresh.party('client').getSender(), { value: DEPOSIT });
      const forged = ClientContract.chargeBody({ voucher: voucherOf(), signature: new Uint8Array(64) });
      for (const body of [chargeOf(), forged, ClientContract.collectBody()]) {
        await expectRefused(fresh, { from: fresh.party('operator'), to: channel, body }, 'noKey');
      }
    });

    test('takes the largest total there is, pays what there is, and still lets the client leave (INV-R8)', async () => {
      const { deposit } = await state();
      const sent = await charge({ total: EVERYTHING, upTo: EVERYTHING, open: (1n << 256n) - 1n });
      expect(sent.moved.Client).toBe(-deposit);
      expect(await state()).toMatchObject({ charged: EVERYTHING, upTo: EVERYTHING, open: (1n << 256n) - 1n });
      const released = await operator(ClientContract.releaseBody({ amount: EVERYTHING }));
      expect(released.moved.Client).toBe(-ClientContract.RESERVE);
    });

    test.each<[string, Cell, ExitCodeName]>([
      ['no field at all', beginCell().storeUint(OPCODE.client.operatorClientCharge, 32).storeUint(0, 64).endCell(), 'malformed'],
      [
        'a signature cut short',
        beginCell()
          .storeUint(OPCODE.client.operatorClientCharge, 32)
          .storeUint(0, 64 + 512)
          .endCell(),
        'malformed',
      ],
      [
        'the voucher in a cell of its own',
        beginCell()
          .storeUint(OPCODE.client.operatorClientCharge, 32)
          .storeUint(0, 64 + 1 + 512)
          .storeRef(beginCell().storeUint(0, 384).endCell())
          .endCell(),
        'badSignature',
      ],
    ])('is refused with %s (INV-R8)', async (_what, body, code) => {
      await expectRefused(world, { from: world.party('operator'), to: channel, body }, code);
    });

    test('of a voucher that the session key signed with a field missing is refused (INV-R8)', async () => {
      const short = beginCell().storeUint(0x76636872, 32).storeAddress(channel).storeUint(toNano('3'), 64).storeUint(7, 64).endCell();
      const body = beginCell()
        .storeUint(OPCODE.client.operatorClientCharge, 32)
        .storeUint(0, 64)
        .storeBit(false)
        .storeBuffer(sign(short.hash(), SESSION.secretKey), 64)
        .storeUint(toNano('3'), 64)
        .storeUint(7, 64)
        .endCell();
      await expectRefused(world, { from: world.party('operator'), to: channel, body }, 'malformed');
    });
  });
});
