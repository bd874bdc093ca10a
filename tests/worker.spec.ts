import { type Address, beginCell, type Cell, toNano } from '@ton/core';
import { sign } from '@ton/crypto';
import type { BlockchainSnapshot } from '@ton/sandbox';
import '@ton/test-utils';
import type { ExitCodeName } from '../wrappers/errors';
import { ProxyContract } from '../wrappers/ProxyContract';
import { packWorkerVoucher, STATEMENT_TAG, type WorkerVoucher } from '../wrappers/statements';
import { WorkerContract } from '../wrappers/WorkerContract';
import { EVERYTHING } from '../wrappers/withdrawal';
import { expectRefused } from './refusal';
import { DELAY, FIVE_YEARS, FUNDING, known, PAYER, rentOf, STRANGER_KEY, signedWorkerVoucher, World } from './world';

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
  const order = (body: Cell) =>
    world.send({ from: world.party('proxyOwner'), to: world.proxy.address, body: ProxyContract.orderBody({ to: channel, order: body }) });
  const request = (amount: bigint) => order(WorkerContract.requestWithdrawalBody({ amount }));
  const complete = (name = 'stranger') =>
    world.send({ from: world.party(name), to: channel, body: WorkerContract.completeWithdrawalBody() });
  const state = async () => {
    const { terms: _, ...rest } = await world.workerChannel.getState();
    return rest;
  };

  test('is funded by the proxy at the address that the wrapper derives, and knows its terms', async () => {
    expect(await state()).toMatchObject({ paid: 0n, tokens: 0n, withdrawal: null });
    const { terms } = await world.workerChannel.getState();
    expect(terms).toMatchObject({ payerKey: world.workerTerms.payerKey, withdrawDelay: DELAY });
    expect(terms.owner).toEqualAddress(world.party('workerOwner').address);
    expect(terms.proxy).toEqualAddress(world.proxy.address);
    expect(FUNDING - (await world.balance(channel))).toBeLessThan(toNano('0.0001'));
    expect(await world.proxy.getWorkerAddress(world.party('workerOwner').address)).toEqualAddress(channel);
  });

  test.each<[string, Cell]>([
    ['a plain transfer', beginCell().endCell()],
    ['a comment', beginCell().storeUint(0, 32).storeStringTail('well done').endCell()],
  ])('takes %s from anyone as deposit (INV-R1)', async (_what, body) => {
    const before = await world.data(channel);
    const sent = await world.send({ from: world.party('stranger'), to: channel, body, value: toNano('2') });
    expect(sent.trace).toEqual(['stranger > Worker: payment']);
    expect(toNano('2') - known(sent.moved.Worker)).toBe(known(sent.transactions[1]).totalFees.coins);
    expect(await world.data(channel)).toEqualCell(before);
  });

  describe('claim', () => {
    test('pays what the voucher adds to the owner, exactly, whoever presents it; gas returns to whoever paid it (INV-R3)', async () => {
      await claim({ total: toNano('1'), tokens: 300n });
      const sent = await claim();
      expect(sent.trace).toEqual(['stranger > Worker: anyWorkerClaim', 'Worker > workerOwner: payment', 'Worker > stranger: payment']);
      const receiving = known(sent.transactions[2]).totalFees.coins;
      expect(sent.moved).toEqual({ Worker: -toNano('2'), workerOwner: toNano('2') - receiving, stranger: receiving - sent.fees });
      expect(await state()).toMatchObject({ paid: toNano('3'), tokens: 1_000n });
    });

    test.each(['rootOwner', 'guardian', 'proxyOwner', 'operator', 'client', 'workerOwner', 'stranger'])(
      'is taken from the %s, and pays the owner (INV-R3)',
      async (name) => {
        const sent = await claim({}, name);
        expect(sent.moved.Worker).toBe(-toNano('3'));
        expect(sent.trace[1]).toBe('Worker > workerOwner: payment');
      },
    );

    test('is taken from another workchain too, at the price of the way back (INV-R3)', async () => {
      const elsewhere = await world.chain.treasury('elsewhere', { workchain: -1 });
      world.name(elsewhere.address, 'elsewhere');
      const sent = await world.send({ from: elsewhere, to: channel, body: claimOf() });
      expect(sent.moved.Worker).toBe(-toNano('3'));
      expect(sent.moved.workerOwner).toBe(toNano('3') - known(sent.transactions[2]).totalFees.coins);
    });

    test('pays a part when the balance is smaller, and the same voucher pays the rest after a top-up (INV-R2)', async () => {
      const { deposit } = await state();
      await claim({ total: toNano('8') });
      expect(await state()).toMatchObject({ paid: deposit, deposit: 0n });
      expect(await world.balance(channel)).toBe(WorkerContract.RESERVE);
      await expectRefused(world, { from: world.party('stranger'), to: channel, body: claimOf({ total: toNano('8') }) }, 'nothingToPay');
      await world.send({ from: world.party('stranger'), to: channel, value: toNano('20') });
      const sent = await claim({ total: toNano('8') });
      expect(sent.moved.Worker).toBe(deposit - toNano('8'));
      expect((await state()).paid).toBe(toNano('8'));
    });

    test('of a single nano is taken (INV-R2)', async () => {
      const sent = await claim({ total: 1n });
      expect(sent.moved.Worker).toBe(-1n);
      expect((await state()).paid).toBe(1n);
    });

    test('keeps the highest token count when vouchers come out of order', async () => {
      await claim({ total: toNano('1'), tokens: 900n });
      await claim({ total: toNano('2'), tokens: 500n });
      expect(await state()).toMatchObject({ paid: toNano('2'), tokens: 900n });
    });

    test('takes the largest total and count there are, pays what there is, and the proxy can still leave (INV-R8)', async () => {
      const { deposit } = await state();
      const sent = await claim({ total: EVERYTHING, tokens: EVERYTHING });
      expect(sent.moved.Worker).toBe(-deposit);
      expect(await state()).toMatchObject({ paid: deposit, tokens: EVERYTHING });
      await request(EVERYTHING);
      world.wait(DELAY);
      await complete();
      expect(await world.balance(channel)).toBe(0n);
    });

    test('is refused a second time with the same voucher, and with an older one (INV-R6)', async () => {
      await claim();
      await expectRefused(world, { from: world.party('workerOwner'), to: channel, body: claimOf() }, 'oldVoucher');
      await expectRefused(world, { from: world.party('workerOwner'), to: channel, body: claimOf({ total: toNano('2') }) }, 'oldVoucher');
      await expectRefused(world, { from: world.party('workerOwner'), to: channel, body: claimOf({ total: 0n }) }, 'oldVoucher');
    });

    test.each<[string, () => Cell]>([
      ['another key', () => WorkerContract.claimBody(signedWorkerVoucher(voucherOf(), STRANGER_KEY))],
      ['another total than was signed', () => signedFor(voucherOf(), { total: toNano('4') })],
      ['another count than was signed', () => signedFor(voucherOf(), { tokens: 2n })],
      ['a voucher of another contract', () => claimOf({ workerContract: world.clientChannel.address })],
      [
        'a voucher for another worker of the same proxy',
        () => claimOf({ workerContract: WorkerContract.create({ ...world.workerTerms, owner: world.party('stranger').address }).address }),
      ],
    ])('is refused with %s (INV-R6)', async (_what, body) => {
      await expectRefused(world, { from: world.party('workerOwner'), to: channel, body: body() }, 'badSignature');
    });

    const signedFor = (voucher: WorkerVoucher, change: Partial<WorkerVoucher>) =>
      WorkerContract.claimBody({ voucher: { ...voucher, ...change }, signature: signedWorkerVoucher(voucher).signature });

    test('is refused with the same fields that were signed as a statement of another kind (INV-R6)', async () => {
      const fields = packWorkerVoucher(voucherOf()).beginParse().skip(32);
      for (const [kind, tag] of Object.entries(STATEMENT_TAG)) {
        const statement = beginCell().storeUint(tag, 32).storeSlice(fields.clone()).endCell();
        const body = WorkerContract.claimBody({ voucher: voucherOf(), signature: sign(statement.hash(), PAYER.secretKey) });
        if (kind !== 'workerVoucher') await expectRefused(world, { from: world.party('workerOwner'), to: channel, body }, 'badSignature');
      }
    });

    test('is refused when there is no payer key to check against (INV-R6)', async () => {
      const keyless = WorkerContract.create({ ...world.workerTerms, payerKey: 0n });
      world.name(keyless.address, 'Keyless');
      await world.send({ from: world.party('stranger'), to: keyless.address, init: keyless.init, bounce: false });
      const voucher = voucherOf({ workerContract: keyless.address });
      for (const signature of [signedWorkerVoucher(voucher).signature, new Uint8Array(64)]) {
        const body = WorkerContract.claimBody({ voucher, signature });
        await expectRefused(world, { from: world.party('stranger'), to: keyless.address, body }, 'noKey');
      }
    });
  });

  describe('withdrawal', () => {
    const refused = (code: ExitCodeName) =>
      expectRefused(world, { from: world.party('stranger'), to: channel, body: WorkerContract.completeWithdrawalBody() }, code);

    test('is announced through the proxy, at the price of gas alone (INV-R5)', async () => {
      const before = await state();
      const sent = await request(toNano('2'));
      expect(sent.trace).toEqual([
        'proxyOwner > Proxy: ownerProxyOrder',
        'Proxy > Worker: proxyWorkerRequestWithdrawal',
        'Worker > Proxy: payment',
      ]);
      expect(sent.moved.Worker).toBeUndefined();
      expect(await state()).toEqual({ ...before, withdrawal: { amount: toNano('2'), readyAt: BigInt(world.now + DELAY) } });
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

    test('of more than there is pays what is above the reserve (INV-R7)', async () => {
      await request(EVERYTHING - 1n);
      world.wait(DELAY);
      await complete();
      expect(await world.balance(channel)).toBe(WorkerContract.RESERVE);
    });

    test('leaves to the worker what is claimed before it completes (INV-R2)', async () => {
      await request(EVERYTHING);
      world.wait(DELAY);
      const claimed = await claim();
      expect(claimed.moved.Worker).toBe(-toNano('3') - rentOf(claimed, channel));
      const held = await world.balance(channel);
      const sent = await complete();
      expect(sent.moved.Worker).toBe(-held);
    });

    test('starts its delay anew with each request, and zero cancels it', async () => {
      await request(toNano('2'));
      world.wait(DELAY - 1);
      await request(toNano('1'));
      world.wait(1);
      await refused('tooEarly');
      await request(0n);
      expect((await state()).withdrawal).toBeNull();
      world.wait(DELAY);
      await refused('notAnnounced');
    });

    test('of an empty contract is refused, and stays announced', async () => {
      await claim({ total: toNano('8') });
      await request(toNano('1'));
      world.wait(DELAY);
      await refused('nothingToPay');
      expect((await state()).withdrawal?.amount).toBe(toNano('1'));
    });
  });
});
