import { Address, beginCell, type Cell, contractAddress, toNano } from '@ton/core';
import type { BlockchainSnapshot } from '@ton/sandbox';
import '@ton/test-utils';
import { codeOf } from '../wrappers/contract-code';
import type { ExitCodeName } from '../wrappers/errors';
import { OPCODE } from '../wrappers/opcodes';
import { ProxyContract } from '../wrappers/ProxyContract';
import { WorkerContract } from '../wrappers/WorkerContract';
import { EVERYTHING } from '../wrappers/withdrawal';
import { expectRefused, withoutLastBit, withTrailingBit, withTrailingReference } from './refusal';
import { BOUNCE_FORMATS, DELAY, PAYER, publicKeyOf, signedWorkerVoucher, World } from './world';

const PARTIES = ['rootOwner', 'guardian', 'proxyOwner', 'operator', 'client', 'workerOwner', 'stranger'] as const;

const claimOf = (workerContract: Address): Cell =>
  WorkerContract.claimBody(signedWorkerVoucher({ workerContract, total: toNano('3'), tokens: 7n }));

describe('a message to a WorkerContract', () => {
  let world: World;
  let inUse: BlockchainSnapshot;
  let channel: Address;

  beforeAll(async () => {
    world = await World.inUse();
    channel = world.workerChannel.address;
    await order(WorkerContract.requestWithdrawalBody({ amount: 1n }));
    world.wait(DELAY);
    inUse = world.snapshot();
  });

  beforeEach(async () => {
    await world.restore(inUse);
  });

  const order = (body: Cell) =>
    world.send({ from: world.party('proxyOwner'), to: world.proxy.address, body: ProxyContract.orderBody({ to: channel, order: body }) });

  test.each(PARTIES)('to request a withdrawal is refused from the %s: only the ProxyContract may (INV-R3)', async (name) => {
    const body = WorkerContract.requestWithdrawalBody({ amount: EVERYTHING });
    await expectRefused(world, { from: world.party(name), to: channel, body }, 'notAllowed');
  });

  test('to request a withdrawal is refused from the hash of the ProxyContract in another workchain (INV-R8)', async () => {
    const body = WorkerContract.requestWithdrawalBody({ amount: EVERYTHING });
    const [line] = await world.receive(new Address(-1, world.proxy.address.hash), channel, body, toNano('1'));
    expect(line).toMatch(/refused \(notAllowed\)$/);
  });

  test.each<[string, (whole: Cell) => Cell]>([
    ['a trailing bit', withTrailingBit],
    ['a trailing reference', withTrailingReference],
    ['a missing bit', withoutLastBit],
  ])('is refused with %s (INV-R8)', async (_what, spoil) => {
    const stranger = { from: world.party('stranger'), to: channel };
    await expectRefused(world, { ...stranger, body: spoil(claimOf(channel)) }, 'badSignature');
    await expectRefused(world, { ...stranger, body: spoil(WorkerContract.completeWithdrawalBody()) }, 'malformed');
    const sent = await order(spoil(WorkerContract.requestWithdrawalBody({ amount: 1n })));
    expect(sent.trace.slice(1, 3)).toEqual(['Proxy > Worker: proxyWorkerRequestWithdrawal refused (malformed)', 'Worker > Proxy: bounce']);
  });

  test.each<[string, Cell, ExitCodeName]>([
    ['a claim without any field', beginCell().storeUint(OPCODE.worker.anyWorkerClaim, 32).storeUint(0, 64).endCell(), 'malformed'],
    [
      'a claim with half a signature',
      beginCell()
        .storeUint(OPCODE.worker.anyWorkerClaim, 32)
        .storeUint(0, 64 + 256)
        .endCell(),
      'malformed',
    ],
    ['an unknown tag', beginCell().storeUint(0xc0c004ff, 32).storeUint(0, 64).endCell(), 'unknownMessage'],
    [
      "another contract's message",
      beginCell().storeUint(OPCODE.client.operatorClientCharge, 32).storeUint(0, 64).endCell(),
      'unknownMessage',
    ],
    ['a tag alone', beginCell().storeUint(OPCODE.worker.anyWorkerCompleteWithdrawal, 32).endCell(), 'malformed'],
    ['31 bits', beginCell().storeUint(0, 31).endCell(), 'malformed'],
    ['a bare reference', beginCell().storeRef(beginCell().endCell()).endCell(), 'malformed'],
  ])('is refused, and the coins come back: %s (INV-R8)', async (_what, body, code) => {
    await expectRefused(world, { from: world.party('stranger'), to: channel, body }, code);
  });

  test.each(BOUNCE_FORMATS)('that comes back in a bounce is taken as coins, whatever it says: %s of the body (INV-R1)', async (format) => {
    const before = await world.data(channel);
    const bodies = [
      claimOf(channel),
      WorkerContract.requestWithdrawalBody({ amount: EVERYTHING }),
      WorkerContract.completeWithdrawalBody(),
    ];
    for (const body of bodies) {
      const held = await world.balance(channel);
      expect(await world.bounceInto(channel, body, toNano('1'), format)).toEqual(['Root > Worker: bounce']);
      expect(await world.data(channel)).toEqualCell(before);
      expect(await world.balance(channel)).toBeGreaterThan(held + toNano('0.99'));
    }
  });
});

describe('a WorkerContract under terms that no ProxyContract would make', () => {
  let world: World;

  beforeEach(async () => {
    world = await World.inUse();
  });

  const odd = async (owner: Address | null, proxy: Address | null, delay = DELAY): Promise<Address> => {
    const terms = beginCell().storeAddress(owner).storeUint(publicKeyOf(PAYER), 256).storeUint(delay, 32).storeAddress(proxy).endCell();
    const init = { code: codeOf('WorkerContract'), data: beginCell().storeUint(0, 256).storeRef(terms).endCell() };
    const address = contractAddress(0, init);
    world.name(address, 'Odd');
    await world.send({ from: world.party('stranger'), to: address, init, bounce: false, value: toNano('10') });
    return address;
  };

  test('pays nobody as owner: the payment fails, nothing changes, the coins come back (INV-R1, INV-R8)', async () => {
    const address = await odd(null, world.proxy.address);
    const before = await world.data(address);
    for (const value of [toNano('1'), toNano('0.001')]) {
      const sent = await world.send({ from: world.party('stranger'), to: address, body: claimOf(address), value });
      expect(sent.trace).toEqual([expect.stringMatching(/anyWorkerClaim failed in the action phase/), 'Odd > stranger: bounce']);
      expect(sent.moved).toEqual({ stranger: -sent.fees });
      expect(await world.data(address)).toEqualCell(before);
    }
  });

  test('takes no announcement for nobody as proxy, and still pays its owner (INV-R8)', async () => {
    const address = await odd(world.party('workerOwner').address, null);
    const body = WorkerContract.requestWithdrawalBody({ amount: EVERYTHING });
    for (const name of PARTIES) await expectRefused(world, { from: world.party(name), to: address, body }, 'notAllowed');
    const sent = await world.send({ from: world.party('stranger'), to: address, body: claimOf(address) });
    expect(sent.moved.Odd).toBe(-toNano('3'));
  });

  test('counts the longest delay right (INV-R8)', async () => {
    const address = await odd(world.party('workerOwner').address, world.party('stranger').address, 0xffffffff);
    const stranger = { from: world.party('stranger'), to: address };
    await world.send({ ...stranger, body: WorkerContract.requestWithdrawalBody({ amount: EVERYTHING }) });
    const { withdrawal } = WorkerContract.parseState(await world.data(address));
    expect(withdrawal).toEqual({ amount: EVERYTHING, readyAt: BigInt(world.now) + 0xffffffffn });
    await expectRefused(world, { ...stranger, body: WorkerContract.completeWithdrawalBody() }, 'tooEarly');
  });

  test.each(['owner', 'proxy'] as const)('is not made by the wrapper: %s of another workchain (INV-R8)', (who) => {
    const terms = { ...world.workerTerms, [who]: new Address(-1, Buffer.alloc(32)) };
    expect(() => WorkerContract.create(terms)).toThrow('address of workchain -1, expected 0');
  });
});
