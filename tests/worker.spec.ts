import { type Address, beginCell, type Cell, contractAddress, toNano } from '@ton/core';
import type { BlockchainSnapshot } from '@ton/sandbox';
import '@ton/test-utils';
import { codeOf } from '../wrappers/contract-code';
import type { ExitCodeName } from '../wrappers/errors';
import { OPCODE } from '../wrappers/opcodes';
import { ProxyContract } from '../wrappers/ProxyContract';
import { packVoucher, packWorkerVoucher, type WorkerVoucher } from '../wrappers/statements';
import { WorkerContract } from '../wrappers/WorkerContract';
import { EVERYTHING } from '../wrappers/withdrawal';
import { expectRefused, withoutLastBit, withTrailingBit, withTrailingReference } from './refusal';
import { DELAY, FIVE_YEARS, FUNDING, known, rentOf, STRANGER_KEY, signedWorkerVoucher, World } from './world';

describe('WorkerContract', () => {
  let world: World;
  let inUse: BlockchainSnapshot;
  let channel: Address;

  beforeAll(async () => {
    world = await World.inUse();
    inUse = world.snapshot();
    channel = world.workerChannel.address;
  });

  beforeEach(async () => {
    await world.restore(inUse);
  });

  const voucherOf = (change: Partial<WorkerVoucher> = {}): WorkerVoucher => ({
    workerContract: channel,
    total: toNano('3'),
    tokens: 1_000n,
    ...change,
  });
  const claimOf = (change: Partial<WorkerVoucher> = {}): Cell => WorkerContract.claimBody(signedWorkerVoucher(voucherOf(change)));
  const claim = (change: Partial<WorkerVoucher> = {}, name = 'stranger') =>
    world.send({ from: world.party(name), to: channel, body: claimOf(change) });
  const bodyWith = (statement: Cell) =>
    beginCell().storeUint(OPCODE.worker.anyWorkerClaim, 32).storeUint(0, 64).storeRef(statement).storeUint(0, 512).endCell();
  const order = (body: Cell) =>
    world.send({ from: world.party('proxyOwner'), to: world.proxy.address, body: ProxyContract.orderBody({ to: channel, order: body }) });
  const request = (amount: bigint) => order(WorkerContract.requestWithdrawalBody({ amount }));
  const complete = (name = 'stranger') =>
    world.send({ from: world.party(name), to: channel, body: WorkerContract.completeWithdrawalBody() });

  test('is funded by the proxy at the address that the wrapper derives, and knows its terms', async () => {
    const state = await world.workerChannel.getState();
    expect(state).toMatchObject({ paid: 0n, tokens: 0n, withdrawal: null });
    expect(state.terms).toMatchObject({ payerKey: world.workerTerms.payerKey, withdrawDelay: DELAY });
    expect(FUNDING - (await world.balance(channel))).toBeLessThan(toNano('0.0001'));
    expect(await world.proxy.getWorkerAddress(world.party('workerOwner').address)).toEqualAddress(channel);
  });

  describe('claim', () => {
    test('pays what the voucher adds to the owner, exactly, whoever presents it; gas returns to whoever paid it (INV-R3)', async () => {
      await claim({ total: toNano('1'), tokens: 300n });
      const sent = await claim();
      expect(sent.trace).toEqual(['stranger > Worker: anyWorkerClaim', 'Worker > workerOwner: payment', 'Worker > stranger: payment']);
      expect(sent.moved.Worker).toBe(-toNano('2'));
      const receipt = known(sent.transactions[2]).totalFees.coins;
      expect(sent.moved.workerOwner).toBe(toNano('2') - receipt);
      expect(sent.moved.stranger).toBe(receipt - sent.fees);
      expect(await world.workerChannel.getState()).toMatchObject({ paid: toNano('3'), tokens: 1_000n });
    });

    test('pays a part when the balance is smaller, and the same voucher pays the rest after a top-up (INV-R2)', async () => {
      const deposit = (await world.workerChannel.getState()).deposit;
      await claim({ total: toNano('8') });
      expect(await world.workerChannel.getState()).toMatchObject({ paid: deposit, deposit: 0n });
      expect(await world.balance(channel)).toBe(WorkerContract.RESERVE);
      await expectRefused(world, { from: world.party('stranger'), to: channel, body: claimOf({ total: toNano('8') }) }, 'nothingToPay');
      await world.send({ from: world.party('stranger'), to: channel, value: toNano('20') });
      const sent = await claim({ total: toNano('8') });
      expect(sent.moved.Worker).toBe(deposit - toNano('8'));
      expect((await world.workerChannel.getState()).paid).toBe(toNano('8'));
    });

    test('keeps the highest token count when vouchers come out of order', async () => {
      await claim({ total: toNano('1'), tokens: 900n });
      await claim({ total: toNano('2'), tokens: 500n });
      expect(await world.workerChannel.getState()).toMatchObject({ paid: toNano('2'), tokens: 900n });
    });

    test('is refused a second time with the same voucher (INV-R6)', async () => {
      await claim();
      await expectRefused(world, { from: world.party('workerOwner'), to: channel, body: claimOf() }, 'oldVoucher');
      await expectRefused(world, { from: world.party('workerOwner'), to: channel, body: claimOf({ total: toNano('2') }) }, 'oldVoucher');
    });

    test.each<[string, () => Cell, ExitCodeName]>([
      ['another key', () => WorkerContract.claimBody(signedWorkerVoucher(voucherOf(), STRANGER_KEY)), 'badSignature'],
      [
        'the payer key on another voucher',
        () =>
          WorkerContract.claimBody({
            voucher: voucherOf({ total: toNano('4') }),
            signature: signedWorkerVoucher(voucherOf()).signature,
          }),
        'badSignature',
      ],
      ['a voucher of another contract', () => claimOf({ workerContract: world.clientChannel.address }), 'otherContract'],
      ["a client's voucher", () => bodyWith(packVoucher({ channel, total: toNano('3'), upTo: 1n, open: 0n })), 'wrongTag'],
    ])('is refused with %s (INV-R6)', async (_what, body, code) => {
      await expectRefused(world, { from: world.party('workerOwner'), to: channel, body: body() }, code);
    });

    test.each<[string, () => Cell]>([
      ['a trailing bit', () => withTrailingBit(claimOf())],
      ['a trailing reference', () => withTrailingReference(claimOf())],
      ['a signature cut short', () => withoutLastBit(claimOf())],
      ['a trailing bit in the voucher', () => bodyWith(withTrailingBit(packWorkerVoucher(voucherOf())))],
      ['a voucher cut short', () => bodyWith(withoutLastBit(packWorkerVoucher(voucherOf())))],
      ['an empty voucher', () => bodyWith(beginCell().endCell())],
    ])('is refused with %s (INV-R8)', async (_what, body) => {
      await expectRefused(world, { from: world.party('workerOwner'), to: channel, body: body() }, 'malformed');
    });

    test('is refused from another workchain, whose gas could not be returned at these prices (INV-R8)', async () => {
      const elsewhere = await world.chain.treasury('elsewhere', { workchain: -1 });
      world.name(elsewhere.address, 'elsewhere');
      await expectRefused(world, { from: elsewhere, to: channel, body: claimOf() }, 'badAddress');
    });

    test('is refused when there is no payer key to check against (INV-R6)', async () => {
      const terms = beginCell()
        .storeAddress(world.party('workerOwner').address)
        .storeAddress(world.proxy.address)
        .storeUint(0, 256)
        .storeUint(DELAY, 32)
        .endCell();
      const init = { code: codeOf('WorkerContract'), data: beginCell().storeUint(0, 256).storeRef(terms).endCell() };
      const keyless = contractAddress(0, init);
      world.name(keyless, 'Keyless');
      await world.send({ from: world.party('stranger'), to: keyless, init, bounce: false });
      await expectRefused(world, { from: world.party('stranger'), to: keyless, body: claimOf({ workerContract: keyless }) }, 'noKey');
    });
  });

  describe('withdrawal', () => {
    const refused = (code: ExitCodeName) =>
      expectRefused(world, { from: world.party('stranger'), to: channel, body: WorkerContract.completeWithdrawalBody() }, code);

    test('is announced through the proxy, at the price of gas alone', async () => {
      const sent = await request(toNano('2'));
      expect(sent.trace).toEqual([
        'proxyOwner > Proxy: ownerProxyOrder',
        'Proxy > Worker: proxyWorkerRequestWithdrawal',
        'Worker > Proxy: payment',
      ]);
      expect(sent.moved.Worker).toBeUndefined();
      const state = await world.workerChannel.getState();
      expect(state.withdrawal).toEqual({ amount: toNano('2'), readyAt: BigInt(world.now + DELAY) });
    });

    test('pays the proxy after the delay, not a second before, and not twice (INV-R5)', async () => {
      await request(toNano('2'));
      world.wait(DELAY - 1);
      await refused('tooEarly');
      world.wait(1);
      const sent = await complete();
      expect(sent.trace).toEqual([
        'stranger > Worker: anyWorkerCompleteWithdrawal',
        'Worker > Proxy: payment',
        'Worker > stranger: payment',
      ]);
      expect(sent.moved.Worker).toBe(-toNano('2') - rentOf(sent, channel));
      await refused('notAnnounced');
    });

    test('of everything empties the contract, which still answers five years later (INV-R7)', async () => {
      await request(EVERYTHING);
      world.wait(DELAY);
      await complete();
      expect(await world.balance(channel)).toBe(0n);
      world.wait(FIVE_YEARS);
      await world.send({ from: world.party('stranger'), to: channel, value: FUNDING });
      const sent = await claim();
      expect(sent.moved.Worker).toBe(-toNano('3') - rentOf(sent, channel));
    });

    test('leaves to the worker what is claimed before it completes', async () => {
      await request(EVERYTHING);
      const sent = await claim();
      expect(sent.moved.Worker).toBe(-toNano('3'));
    });

    test('starts its delay anew with each request, and zero cancels it', async () => {
      await request(toNano('2'));
      world.wait(DELAY - 1);
      await request(toNano('1'));
      world.wait(1);
      await refused('tooEarly');
      await request(0n);
      expect((await world.workerChannel.getState()).withdrawal).toBeNull();
    });

    test('of an empty contract is refused', async () => {
      await claim({ total: toNano('8') });
      await request(toNano('1'));
      world.wait(DELAY);
      await refused('nothingToPay');
    });

    test.each(['stranger', 'operator', 'proxyOwner', 'workerOwner'])('is refused when the %s announces it itself', async (name) => {
      const body = WorkerContract.requestWithdrawalBody({ amount: EVERYTHING });
      await expectRefused(world, { from: world.party(name), to: channel, body }, 'notAllowed');
    });

    test('is refused with a trailing bit (INV-R8)', async () => {
      const body = withTrailingBit(WorkerContract.completeWithdrawalBody());
      await expectRefused(world, { from: world.party('stranger'), to: channel, body }, 'malformed');
      const sent = await order(withTrailingBit(WorkerContract.requestWithdrawalBody({ amount: 1n })));
      expect(sent.trace.slice(1)).toEqual(['Proxy > Worker: proxyWorkerRequestWithdrawal refused (malformed)', 'Worker > Proxy: bounce']);
    });

    test('cannot be completed from another workchain (INV-R8)', async () => {
      await request(EVERYTHING);
      world.wait(DELAY);
      const elsewhere = await world.chain.treasury('elsewhere', { workchain: -1 });
      world.name(elsewhere.address, 'elsewhere');
      await expectRefused(world, { from: elsewhere, to: channel, body: WorkerContract.completeWithdrawalBody() }, 'badAddress');
    });
  });

  test.each<[string, Cell, ExitCodeName]>([
    ['an unknown tag', beginCell().storeUint(0xc0c004ff, 32).endCell(), 'unknownMessage'],
    ["another contract's message", beginCell().storeUint(OPCODE.client.operatorClientCharge, 32).endCell(), 'unknownMessage'],
    ['31 bits', beginCell().storeUint(0, 31).endCell(), 'malformed'],
  ])('%s is refused, and the coins come back (INV-R8)', async (_what, body, code) => {
    await expectRefused(world, { from: world.party('stranger'), to: channel, body }, code);
  });

  test('a comment is a payment in', async () => {
    const body = beginCell().storeUint(0, 32).storeStringTail('well done').endCell();
    const sent = await world.send({ from: world.party('stranger'), to: channel, body });
    expect(sent.trace).toEqual(['stranger > Worker: payment']);
  });

  test('a bounced message is taken as coins, whatever it says', async () => {
    const before = await world.data(channel);
    await world.bounceInto(channel, WorkerContract.requestWithdrawalBody({ amount: EVERYTHING }), toNano('1'));
    expect(await world.data(channel)).toEqualCell(before);
  });
});
