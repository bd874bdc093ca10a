import { Address, beginCell, type Cell, contractAddress, toNano } from '@ton/core';
import type { BlockchainSnapshot } from '@ton/sandbox';
import '@ton/test-utils';
import { ClientContract } from '../wrappers/ClientContract';
import { codeOf } from '../wrappers/contract-code';
import type { ExitCodeName } from '../wrappers/errors';
import { OPCODE } from '../wrappers/opcodes';
import { ProxyContract } from '../wrappers/ProxyContract';
import { packVoucher, packWorkerVoucher, type Voucher } from '../wrappers/statements';
import { EVERYTHING } from '../wrappers/withdrawal';
import { expectRefused, withoutLastBit, withTrailingBit, withTrailingReference } from './refusal';
import { DELAY, DEPOSIT, known, publicKeyOf, rentOf, SESSION, STRANGER_KEY, signedVoucher, World } from './world';

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
  const charge = (change: Partial<Voucher> = {}) => world.send({ from: world.party('operator'), to: channel, body: chargeOf(change) });
  const request = (amount: bigint) =>
    world.send({ from: world.party('client'), to: channel, body: ClientContract.requestWithdrawalBody({ amount }) });

  describe('open', () => {
    const open = (sessionKey = publicKeyOf(SESSION)) => ClientContract.openBody({ sessionKey });

    test('sets the session key, and its coins become the deposit (INV-R1)', async () => {
      await fresh.clientChannel.sendOpen(fresh.party('client').getSender(), { sessionKey: publicKeyOf(SESSION), value: DEPOSIT });
      const state = await fresh.clientChannel.getState();
      expect(state).toMatchObject({ sessionKey: publicKeyOf(SESSION), charged: 0n, paid: 0n, upTo: 0n, open: 0n, withdrawal: null });
      expect(state.terms.owner).toEqualAddress(fresh.party('client').address);
      expect(state.deposit).toBe((await fresh.balance(channel)) - ClientContract.RESERVE);
      expect(DEPOSIT - (await fresh.balance(channel))).toBeLessThan(toNano('0.001'));
    });

    test.each<[string, string, ExitCodeName]>([
      ['a stranger', 'stranger', 'notAllowed'],
      ['the operator', 'operator', 'notAllowed'],
      ['the owner, a second time', 'client', 'alreadyOpen'],
    ])('is refused from %s', async (_who, name, code) => {
      await expectRefused(world, { from: world.party(name), to: channel, body: open() }, code);
    });

    test.each<[string, (body: Cell) => Cell]>([
      ['a trailing bit', withTrailingBit],
      ['a trailing reference', withTrailingReference],
      ['a missing bit', withoutLastBit],
    ])('is refused with %s (INV-R8)', async (_what, change) => {
      await fresh.clientChannel.sendTopUp(fresh.party('client').getSender(), { value: DEPOSIT });
      await expectRefused(fresh, { from: fresh.party('client'), to: channel, body: change(open()) }, 'malformed');
    });

    test('is refused when a party of the channel lives in another workchain (INV-R8)', async () => {
      const elsewhere = new Address(-1, fresh.party('operator').address.hash);
      const terms = beginCell()
        .storeAddress(elsewhere)
        .storeAddress(fresh.proxy.address)
        .storeAddress(fresh.party('client').address)
        .storeUint(DELAY, 32)
        .endCell();
      const data = beginCell().storeUint(0, 832).storeRef(terms).endCell();
      const init = { code: codeOf('ClientContract'), data };
      const address = contractAddress(0, init);
      fresh.name(address, 'Odd');
      await fresh.send({ from: fresh.party('client'), to: address, init, bounce: false });
      await expectRefused(fresh, { from: fresh.party('client'), to: address, body: open() }, 'badAddress');
    });
  });

  describe('top up', () => {
    test.each<[string, string, Cell]>([
      ['the owner, plain', 'client', beginCell().endCell()],
      ['a stranger, plain', 'stranger', beginCell().endCell()],
      ['a stranger, with a comment', 'stranger', beginCell().storeUint(0, 32).storeStringTail('for you').endCell()],
    ])('is taken from %s', async (_what, name, body) => {
      const before = await world.data(channel);
      const sent = await world.send({ from: world.party(name), to: channel, body, value: toNano('2') });
      expect(sent.trace).toEqual([`${name} > Client: payment`]);
      expect(known(sent.moved.Client)).toBeGreaterThan(toNano('2') - toNano('0.0002'));
      expect(await world.data(channel)).toEqualCell(before);
    });
  });

  describe('charge', () => {
    test('pays what the voucher adds to the proxy, exactly, and returns the rest of the gas to the operator (INV-R3)', async () => {
      await charge({ total: toNano('1'), upTo: 3n, open: 0n });
      const sent = await charge();
      expect(sent.trace).toEqual(['operator > Client: operatorClientCharge', 'Client > Proxy: payment', 'Client > operator: payment']);
      expect(sent.moved.Client).toBe(-toNano('2'));
      // The operator pays for the gas that the proxy uses to take it, too.
      expect(sent.moved.Proxy).toBe(toNano('2'));
      expect(sent.moved.operator).toBe(-sent.fees);
      const state = await world.clientChannel.getState();
      expect(state).toMatchObject({ charged: toNano('3'), paid: toNano('3'), upTo: 7n, open: 5n });
    });

    test('of a single nano arrives whole (INV-R3)', async () => {
      const sent = await charge({ total: 1n, upTo: 3n, open: 0n });
      expect(sent.moved.Proxy).toBe(1n);
      expect(sent.trace.filter((line) => /refused|failed/.test(line))).toEqual([]);
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
      const deposit = (await world.clientChannel.getState()).deposit;
      const sent = await charge({ total: toNano('25') });
      expect(sent.moved.Client).toBe(-deposit);
      expect(await world.balance(channel)).toBe(ClientContract.RESERVE);
      expect(await world.clientChannel.getState()).toMatchObject({ charged: toNano('25'), paid: deposit, deposit: 0n });

      await expectRefused(world, { from: world.party('operator'), to: channel, body: ClientContract.collectBody() }, 'nothingToPay');
      await world.clientChannel.sendTopUp(world.party('client').getSender(), { value: toNano('50') });
      const collected = await world.send({ from: world.party('operator'), to: channel, body: ClientContract.collectBody() });
      expect(collected.trace).toEqual([
        'operator > Client: operatorClientCollect',
        'Client > Proxy: payment',
        'Client > operator: payment',
      ]);
      expect(collected.moved.Client).toBe(deposit - toNano('25'));
      expect(await world.clientChannel.getState()).toMatchObject({ charged: toNano('25'), paid: toNano('25') });
      await expectRefused(world, { from: world.party('operator'), to: channel, body: ClientContract.collectBody() }, 'nothingToPay');
    });

    test('is recorded when there is no deposit at all, and stays owed (INV-R2)', async () => {
      await charge({ total: toNano('25') });
      const sent = await charge({ total: toNano('26') });
      expect(sent.moved.Client).toBeUndefined();
      expect(await world.clientChannel.getState()).toMatchObject({ charged: toNano('26'), deposit: 0n });
    });

    test.each<[string, string, ExitCodeName]>([
      ['a stranger', 'stranger', 'notAllowed'],
      ['the client itself', 'client', 'notAllowed'],
      ['the owner of the proxy', 'proxyOwner', 'notAllowed'],
    ])('is refused from %s', async (_who, name, code) => {
      await expectRefused(world, { from: world.party(name), to: channel, body: chargeOf() }, code);
    });

    test('is refused a second time with the same voucher (INV-R6)', async () => {
      await charge();
      await expectRefused(world, { from: world.party('operator'), to: channel, body: chargeOf() }, 'oldVoucher');
      await expectRefused(world, { from: world.party('operator'), to: channel, body: chargeOf({ total: toNano('2') }) }, 'oldVoucher');
    });

    test('is refused when another key signed (INV-R6)', async () => {
      const body = ClientContract.chargeBody(signedVoucher(voucherOf(), STRANGER_KEY));
      await expectRefused(world, { from: world.party('operator'), to: channel, body }, 'badSignature');
    });

    test('is refused when the voucher is not the one that was signed (INV-R6)', async () => {
      const { signature } = signedVoucher(voucherOf());
      const body = ClientContract.chargeBody({ voucher: voucherOf({ total: toNano('4') }), signature });
      await expectRefused(world, { from: world.party('operator'), to: channel, body }, 'badSignature');
    });

    test('is refused with a voucher of another channel (INV-R6)', async () => {
      const body = chargeOf({ channel: world.workerChannel.address });
      await expectRefused(world, { from: world.party('operator'), to: channel, body }, 'otherContract');
    });

    test('is refused with a statement of another kind (INV-R6)', async () => {
      const statement = packWorkerVoucher({ workerContract: channel, total: toNano('3'), tokens: 1n });
      await expectRefused(world, { from: world.party('operator'), to: channel, body: bodyWith(statement) }, 'wrongTag');
    });

    test('is refused while the channel is not open (INV-R6)', async () => {
      await fresh.clientChannel.sendTopUp(fresh.party('client').getSender(), { value: DEPOSIT });
      await expectRefused(fresh, { from: fresh.party('operator'), to: channel, body: chargeOf() }, 'noKey');
    });

    const bodyWith = (statement: Cell) =>
      beginCell().storeUint(OPCODE.client.operatorClientCharge, 32).storeUint(0, 64).storeRef(statement).storeUint(0, 512).endCell();

    test.each<[string, () => Cell, ExitCodeName]>([
      ['a trailing bit', () => withTrailingBit(chargeOf()), 'malformed'],
      ['a trailing reference', () => withTrailingReference(chargeOf()), 'malformed'],
      ['a signature cut short', () => withoutLastBit(chargeOf()), 'malformed'],
      ['no voucher', () => beginCell().storeUint(OPCODE.client.operatorClientCharge, 32).storeUint(0, 576).endCell(), 'malformed'],
      ['a trailing bit in the voucher', () => bodyWith(withTrailingBit(packVoucher(voucherOf()))), 'malformed'],
      ['a trailing reference in the voucher', () => bodyWith(withTrailingReference(packVoucher(voucherOf()))), 'malformed'],
      ['a voucher cut short', () => bodyWith(withoutLastBit(packVoucher(voucherOf()))), 'malformed'],
      ['an empty voucher', () => bodyWith(beginCell().endCell()), 'malformed'],
      ['a voucher for nobody', () => bodyWith(voucherFor(null)), 'otherContract'],
      ['a voucher for the same hash in another workchain', () => bodyWith(voucherFor(new Address(-1, channel.hash))), 'otherContract'],
    ])('is refused with %s (INV-R8)', async (_what, body, code) => {
      await expectRefused(world, { from: world.party('operator'), to: channel, body: body() }, code);
    });

    const voucherFor = (address: Address | null) =>
      beginCell().storeUint(0x76636872, 32).storeAddress(address).storeUint(5, 64).storeUint(0, 64).storeUint(0, 256).endCell();

    test('takes the largest total there is and pays what there is (INV-R8)', async () => {
      const deposit = (await world.clientChannel.getState()).deposit;
      const sent = await charge({ total: EVERYTHING, upTo: EVERYTHING, open: (1n << 256n) - 1n });
      expect(sent.moved.Client).toBe(-deposit);
      expect(await world.clientChannel.getState()).toMatchObject({ charged: EVERYTHING, upTo: EVERYTHING, open: (1n << 256n) - 1n });
    });
  });

  describe('collect', () => {
    test.each(['stranger', 'client', 'proxyOwner'])('is refused from the %s', async (name) => {
      await expectRefused(world, { from: world.party(name), to: channel, body: ClientContract.collectBody() }, 'notAllowed');
    });

    test('is refused with a trailing bit (INV-R8)', async () => {
      const body = withTrailingBit(ClientContract.collectBody());
      await expectRefused(world, { from: world.party('operator'), to: channel, body }, 'malformed');
    });
  });

  describe('withdrawal', () => {
    const complete = (name = 'client') =>
      world.send({ from: world.party(name), to: channel, body: ClientContract.completeWithdrawalBody() });
    const refused = (code: ExitCodeName) =>
      expectRefused(world, { from: world.party('client'), to: channel, body: ClientContract.completeWithdrawalBody() }, code);

    test('is announced by the owner, at the price of gas alone (INV-R5)', async () => {
      const sent = await request(toNano('2'));
      expect(sent.trace).toEqual(['client > Client: ownerClientRequestWithdrawal', 'Client > client: payment']);
      expect(sent.moved).toEqual({ client: -sent.fees });
      const state = await world.clientChannel.getState();
      expect(state.withdrawal).toEqual({ amount: toNano('2'), readyAt: BigInt(world.now + DELAY) });
    });

    test('pays the announced amount to the owner after the delay, not a second before, and not twice (INV-R5)', async () => {
      await request(toNano('2'));
      world.wait(DELAY - 1);
      await refused('tooEarly');
      world.wait(1);
      const sent = await complete();
      expect(sent.trace).toEqual(['client > Client: anyClientCompleteWithdrawal', 'Client > client: payment', 'Client > client: payment']);
      expect(known(sent.moved.Client) + toNano('2')).toBe(-rentOf(sent, channel));
      expect(await world.clientChannel.getState()).toMatchObject({ withdrawal: null });
      await refused('notAnnounced');
    });

    test('can be completed by a stranger, who pays the gas and gets its rest back; the owner gets all of the amount (INV-R3)', async () => {
      await request(toNano('2'));
      world.wait(DELAY);
      const sent = await complete('stranger');
      expect(sent.trace).toEqual([
        'stranger > Client: anyClientCompleteWithdrawal',
        'Client > client: payment',
        'Client > stranger: payment',
      ]);
      expect(known(sent.moved.client)).toBeGreaterThan(toNano('2') - toNano('0.0001'));
      expect(known(sent.moved.stranger)).toBeGreaterThan(-toNano('0.01'));
    });

    test('of everything empties the contract, which still answers five years later (INV-R7)', async () => {
      await request(EVERYTHING);
      world.wait(DELAY);
      const before = await world.balance(channel);
      const sent = await complete();
      expect(await world.balance(channel)).toBe(0n);
      expect(sent.moved.Client).toBe(-before);
      world.wait(5 * 31_536_000);
      await world.send({ from: world.party('client'), to: channel, value: DEPOSIT });
      const charged = await charge();
      expect(charged.moved.Client).toBe(-toNano('3') - rentOf(charged, channel));
    });

    test('of more than there is pays what is above the reserve', async () => {
      await request(EVERYTHING - 1n);
      world.wait(DELAY);
      await complete();
      expect(await world.balance(channel)).toBe(ClientContract.RESERVE);
    });

    test('starts its delay anew with each request, and zero cancels it', async () => {
      await request(toNano('2'));
      world.wait(DELAY - 1);
      await request(toNano('1'));
      world.wait(1);
      await refused('tooEarly');
      await request(0n);
      expect((await world.clientChannel.getState()).withdrawal).toBeNull();
      world.wait(DELAY);
      await refused('notAnnounced');
    });

    test('leaves to the proxy what is charged before it completes', async () => {
      await request(EVERYTHING);
      await charge();
      world.wait(DELAY);
      const rest = await world.balance(channel);
      const sent = await complete();
      expect(sent.moved.Client).toBe(-rest);
      expect(await world.clientChannel.getState()).toMatchObject({ charged: toNano('3'), paid: toNano('3') });
    });

    test('of an empty contract is refused, and stays announced', async () => {
      await request(EVERYTHING);
      await charge({ total: toNano('25') });
      world.wait(DELAY);
      await complete();
      await request(EVERYTHING);
      world.wait(DELAY);
      await refused('nothingToPay');
    });

    test.each(['stranger', 'operator', 'proxyOwner'])('is refused when the %s announces it', async (name) => {
      const body = ClientContract.requestWithdrawalBody({ amount: EVERYTHING });
      await expectRefused(world, { from: world.party(name), to: channel, body }, 'notAllowed');
    });

    test('cannot be completed from another workchain, whose gas could not be returned at these prices (INV-R8)', async () => {
      await request(EVERYTHING);
      world.wait(DELAY);
      const elsewhere = await world.chain.treasury('elsewhere', { workchain: -1 });
      world.name(elsewhere.address, 'elsewhere');
      await expectRefused(world, { from: elsewhere, to: channel, body: ClientContract.completeWithdrawalBody() }, 'badAddress');
    });

    test.each<[string, () => Cell]>([
      ['an announcement with a trailing bit', () => withTrailingBit(ClientContract.requestWithdrawalBody({ amount: 1n }))],
      ['an announcement cut short', () => withoutLastBit(ClientContract.requestWithdrawalBody({ amount: 1n }))],
      ['a completion with a trailing bit', () => withTrailingBit(ClientContract.completeWithdrawalBody())],
      ['a completion with a trailing reference', () => withTrailingReference(ClientContract.completeWithdrawalBody())],
    ])('%s is refused (INV-R8)', async (_what, body) => {
      await expectRefused(world, { from: world.party('client'), to: channel, body: body() }, 'malformed');
    });
  });

  describe('anything else', () => {
    test.each<[string, Cell, ExitCodeName]>([
      ['an unknown tag', beginCell().storeUint(0xc0c003ff, 32).storeUint(0, 64).endCell(), 'unknownMessage'],
      ["another contract's message", beginCell().storeUint(OPCODE.worker.anyWorkerClaim, 32).endCell(), 'unknownMessage'],
      ['31 bits', beginCell().storeUint(0, 31).endCell(), 'malformed'],
      ['a bare reference', beginCell().storeRef(beginCell().endCell()).endCell(), 'malformed'],
    ])('%s is refused, and the coins come back (INV-R8)', async (_what, body, code) => {
      await expectRefused(world, { from: world.party('stranger'), to: channel, body }, code);
    });

    test('a bounced message is taken as coins, whatever it says', async () => {
      const before = await world.data(channel);
      await world.bounceInto(channel, ClientContract.requestWithdrawalBody({ amount: EVERYTHING }), toNano('1'));
      expect(await world.data(channel)).toEqualCell(before);
    });
  });
});
