import { createHash } from 'node:crypto';
import { Address, type Builder, beginCell, type Cell, ExternalAddress, toNano } from '@ton/core';
import type { BlockchainSnapshot } from '@ton/sandbox';
import '@ton/test-utils';
import { ClientContract } from '../wrappers/ClientContract';
import type { ExitCodeName } from '../wrappers/errors';
import { OPCODE } from '../wrappers/opcodes';
import { ProxyContract } from '../wrappers/ProxyContract';
import { RootContract } from '../wrappers/RootContract';
import { openHash } from '../wrappers/statements';
import { WorkerContract } from '../wrappers/WorkerContract';
import { EVERYTHING } from '../wrappers/withdrawal';
import { expectRefused, withoutLastBit, withTrailingBit, withTrailingReference } from './refusal';
import { COST, settledAll } from './settling';
import { constantsOf } from './sources';
import { ALL_PRICES, DELAY, known, PAYER, publicKeyOf, SESSION, type Sent, signedVoucher, World } from './world';

describe('an order of the owner to a ProxyContract', () => {
  let world: World;
  let inUse: BlockchainSnapshot;
  let proxy: Address;

  beforeAll(async () => {
    world = await World.inUse();
    inUse = world.snapshot();
    proxy = world.proxy.address;
  });

  beforeEach(async () => {
    await world.restore(inUse);
  });

  const owner = () => world.party('proxyOwner');
  const send = (body: Cell, name = 'proxyOwner', value = toNano('1')) => world.send({ from: world.party(name), to: proxy, body, value });
  const refused = (body: Cell, code: ExitCodeName, name = 'proxyOwner', value = toNano('1')) =>
    expectRefused(world, { from: world.party(name), to: proxy, body, value }, code);

  const client = () => world.clientChannel.address;
  const chargeBody = (total = toNano('1')) => ClientContract.chargeBody(signedVoucher({ channel: client(), total, upTo: 1n, open: 0n }));
  const settleBody = (numbers: readonly bigint[]) => ClientContract.settleBody({ receipts: settledAll(client(), numbers) });
  const orderOf = (order: Cell, to = client()) => ProxyContract.orderBody({ to, order });
  const clientState = () => world.clientChannel.getState();

  describe('stands for an operator whose key is lost (INV-R5)', () => {
    /** The channel pays just this into the ProxyContract; the owner's coins end there, too, or with the channel's owner. */
    const expectPaid = (sent: Sent, op: string, amount: bigint) => {
      expect(sent.trace).toEqual([
        'proxyOwner > Proxy: ownerProxyOrder',
        `Proxy > Client: ${op}`,
        'Client > Proxy: payment',
        'Client > Proxy: payment',
      ]);
      expect(sent.moved.Client).toBe(-amount);
      expect(known(sent.moved.Proxy) - amount + known(sent.moved.proxyOwner)).toBe(-sent.fees);
    };

    test('and charges a voucher', async () => {
      expectPaid(await send(orderOf(chargeBody())), 'operatorClientCharge', toNano('1'));
      expect(await clientState()).toMatchObject({ charged: toNano('1'), paid: toNano('1') });
    });

    test('and collects what was owed when the deposit had run out', async () => {
      await send(orderOf(chargeBody(toNano('50'))));
      const owed = toNano('50') - (await clientState()).paid;
      await world.clientChannel.sendTopUp(world.party('client').getSender(), { value: toNano('60') });
      expectPaid(await send(orderOf(ClientContract.collectBody())), 'operatorClientCollect', owed);
      expect((await clientState()).paid).toBe(toNano('50'));
    });

    test.each([1, 5])('and settles %i by receipt', async (count) => {
      const numbers = Array.from({ length: count }, (_, i) => BigInt(i + 1));
      expectPaid(await send(orderOf(settleBody(numbers))), 'operatorClientSettle', BigInt(count) * COST);
      expect(await clientState()).toMatchObject({ charged: BigInt(count) * COST, settled: BigInt(count) });
    });

    test('and settles five out of 1,024 open numbers, the largest order there is', async () => {
      const open = Array.from({ length: 1_024 }, (_, i) => BigInt(`0x${createHash('sha256').update(`${i}`).digest('hex').slice(0, 15)}`));
      const numbers = [...open].sort((x, y) => (x < y ? -1 : 1)).slice(-5);
      const voucher = { channel: client(), total: 1n, upTo: 2n ** 63n, open: openHash(open) };
      await send(orderOf(ClientContract.chargeBody(signedVoucher(voucher))));
      const order = ClientContract.settleBody({ receipts: settledAll(client(), numbers), open });
      expectPaid(await send(orderOf(order)), 'operatorClientSettle', 5n * COST);
    });

    test('and releases the deposit to the client, not to itself', async () => {
      const sent = await send(orderOf(ClientContract.releaseBody({ amount: toNano('4') })));
      expect(sent.trace).toEqual([
        'proxyOwner > Proxy: ownerProxyOrder',
        'Proxy > Client: operatorClientRelease',
        'Client > client: payment',
        'Client > Proxy: payment',
      ]);
      expect(sent.moved.Client).toBe(-toNano('4'));
      const payment = sent.transactions[3]?.inMessage?.info;
      expect(payment?.type === 'internal' ? payment.value.coins : null).toBe(toNano('4'));
    });

    test('and takes back what a worker has not earned: request and completion', async () => {
      const to = world.workerChannel.address;
      const requested = await send(orderOf(WorkerContract.requestWithdrawalBody({ amount: EVERYTHING }), to));
      expect(requested.trace).toEqual([
        'proxyOwner > Proxy: ownerProxyOrder',
        'Proxy > Worker: proxyWorkerRequestWithdrawal',
        'Worker > Proxy: payment',
      ]);
      expect(requested.moved.Worker).toBeUndefined();
      world.wait(DELAY);
      const held = await world.balance(to);
      const sent = await send(orderOf(WorkerContract.completeWithdrawalBody(), to));
      expect(sent.moved.Worker).toBe(-held);
      expect(await world.balance(to)).toBe(0n);
    });

    test('although a new operator was set, whom the old channels do not know', async () => {
      const payerKey = publicKeyOf(PAYER);
      const endpoint = { url: 'https://a', keyPin: null };
      await send(ProxyContract.configureBody({ operator: world.party('stranger').address, payerKey, endpoint }));
      await expectRefused(world, { from: world.party('stranger'), to: client(), body: chargeBody() }, 'notAllowed');
      expectPaid(await send(orderOf(chargeBody())), 'operatorClientCharge', toNano('1'));
    });
  });

  describe('that is refused brings its coins back to the owner, and takes none of the proxy (INV-R1, INV-R3)', () => {
    const expectReturned = (sent: Sent, refusal: RegExp) => {
      expect(sent.trace[0]).toBe('proxyOwner > Proxy: ownerProxyOrder');
      expect(sent.trace[1]).toMatch(refusal);
      expect(sent.trace.slice(2)).toEqual([expect.stringMatching(/ > Proxy: bounce$/), 'Proxy > proxyOwner: payment']);
      expect(sent.moved).toEqual({ proxyOwner: -sent.fees });
    };

    test('by a channel', async () => {
      await send(orderOf(chargeBody()));
      expectReturned(await send(orderOf(chargeBody()), 'proxyOwner', toNano('7')), /operatorClientCharge refused \(oldVoucher\)$/);
      expectReturned(await send(orderOf(ClientContract.openBody({ sessionKey: 7n }))), /ownerClientOpen refused \(notAllowed\)$/);
      expectReturned(await send(orderOf(beginCell().storeUint(0xc0c003ff, 32).storeUint(0, 64).endCell())), /refused \(\w+\)$/);
    });

    test('by a channel to another proxy', async () => {
      const foreign = world.chain.openContract(ClientContract.create({ ...world.clientTerms, proxy: world.party('stranger').address }));
      world.name(foreign.address, 'Foreign');
      await foreign.sendOpen(world.party('client').getSender(), { sessionKey: publicKeyOf(SESSION), value: toNano('5') });
      const charge = ClientContract.chargeBody(signedVoucher({ channel: foreign.address, total: 1n, upTo: 1n, open: 0n }));
      expectReturned(await send(orderOf(charge, foreign.address)), /operatorClientCharge refused \(notAllowed\)$/);
    });

    test('by an address where nothing is', async () => {
      const nowhere = new Address(0, Buffer.alloc(32, 9));
      world.name(nowhere, 'Nowhere');
      expectReturned(await send(orderOf(chargeBody(), nowhere)), /^Proxy > Nowhere: operatorClientCharge$/);
    });

    test('by the proxy itself, which is not its own owner', async () => {
      expectReturned(await send(orderOf(chargeBody(), proxy)), /^Proxy > Proxy: operatorClientCharge refused \(notAllowed\)$/);
    });

    test('by the root, whatever channel it is taken for', async () => {
      expectReturned(await send(orderOf(chargeBody(), world.root.address)), /^Proxy > Root: operatorClientCharge refused \(notAllowed\)$/);
    });
  });

  test('sends the coins that came with it, and none of its own (INV-R1)', async () => {
    const sent = await send(orderOf(chargeBody(), world.party('stranger').address), 'proxyOwner', toNano('7'));
    expect(sent.trace).toEqual(['proxyOwner > Proxy: ownerProxyOrder', 'Proxy > stranger: operatorClientCharge']);
    expect(sent.moved.Proxy).toBeUndefined();
    expect(known(sent.moved.stranger) + known(sent.moved.proxyOwner)).toBe(-sent.fees);
  });

  test('cannot speak to the root, or to a proxy, in the name of the proxy (INV-R6)', async () => {
    const register = beginCell().storeUint(OPCODE.root.proxyRootRegister, 32).storeUint(0, 64).endCell();
    for (const order of [register, RootContract.collectFeesBody(), ProxyContract.leaveBody()]) {
      await refused(orderOf(order, world.root.address), 'wrongOrder');
    }
    for (const receiver of [0xc0c002, 0xc0c005, 0, 0xffffff])
      await refused(orderOf(beginCell().storeUint(receiver, 24).endCell()), 'wrongOrder');
  });

  test.each<[string, () => Cell, ExitCodeName]>([
    ['a plain transfer', () => orderOf(beginCell().storeUint(0, 32).endCell()), 'wrongOrder'],
    ['an empty order', () => orderOf(beginCell().endCell()), 'malformed'],
    [
      'an order of 23 bits',
      () =>
        orderOf(
          beginCell()
            .storeUint(0xc0c003 >> 1, 23)
            .endCell(),
        ),
      'malformed',
    ],
    [
      'an order in a cell of a library',
      () => orderOf(beginCell().storeUint(2, 8).storeUint(1, 256).endCell({ exotic: true })),
      'malformed',
    ],
    ['a receiver in another workchain', () => orderOf(chargeBody(), new Address(-1, owner().address.hash)), 'badAddress'],
    ['no receiver', () => orderTo(beginCell().storeAddress(null)), 'badAddress'],
    ['a receiver outside of the chain', () => orderTo(beginCell().storeAddress(new ExternalAddress(1n, 8))), 'badAddress'],
    [
      'no order',
      () => beginCell().storeUint(OPCODE.proxy.ownerProxyOrder, 32).storeUint(0, 64).storeAddress(client()).endCell(),
      'malformed',
    ],
    ['a trailing bit', () => withTrailingBit(orderOf(chargeBody())), 'malformed'],
    ['a trailing reference', () => withTrailingReference(orderOf(chargeBody())), 'malformed'],
    ['a missing bit', () => withoutLastBit(orderOf(chargeBody())), 'malformed'],
  ])('is refused with %s (INV-R8)', async (_what, body, code) => {
    await refused(body(), code);
  });

  test('is passed on up to 2,100 cells, and refused with one more (INV-R8)', async () => {
    const largest = await send(orderOf(orderOfCells(LARGEST)));
    expect(largest.trace[1]).toMatch(/^Proxy > Client: \w+ refused \(\w+\)$/);
    expect(largest.moved).toEqual({ proxyOwner: -largest.fees });
    await expectRefused(world, { from: owner(), to: proxy, body: orderOf(orderOfCells(LARGEST + 1)) }, CELL_OVERFLOW);
  });

  test.each(['stranger', 'operator', 'client', 'workerOwner'])('is refused from the %s', async (name) => {
    await refused(orderOf(chargeBody()), 'notAllowed', name);
  });

  test.each(ALL_PRICES)('has a minimum at %s prices that covers every hop: the channel takes the order, too (INV-R4)', async (which) => {
    const priced = await World.inUse(which);
    const channel = priced.clientChannel.address;
    const before = priced.snapshot();
    for (const count of [1, 5]) {
      const numbers = Array.from({ length: count }, (_, i) => BigInt(i + 1));
      const body = ProxyContract.orderBody({ to: channel, order: ClientContract.settleBody({ receipts: settledAll(channel, numbers) }) });
      const sending = (value: bigint) => ({ from: priced.party('proxyOwner'), to: priced.proxy.address, body, value });
      // The least that the proxy takes, whatever its constants are.
      let [low, high] = [0n, toNano('1')];
      while (high - low > 1n) {
        await priced.restore(before);
        const middle = (low + high) / 2n;
        const [first] = (await priced.send(sending(middle))).trace;
        if (/refused/.test(known(first))) low = middle;
        else high = middle;
      }
      await priced.restore(before);
      await expectRefused(priced, sending(high - 1n), 'lowValue');
      await priced.restore(before);
      const sent = await priced.send(sending(high));
      expect(sent.trace.slice(0, 3)).toEqual([
        'proxyOwner > Proxy: ownerProxyOrder',
        'Proxy > Client: operatorClientSettle',
        'Client > Proxy: payment',
      ]);
      expect(sent.moved.Client).toBe(-BigInt(count) * COST);
    }
  });
});

const LARGEST = known(constantsOf('gas.tact').get('MaxOrderedCells'));
/** The virtual machine's own exit code for more cells than were to be counted. */
const CELL_OVERFLOW = 8;

/** An order to a receiver that a wrapper does not write. */
function orderTo(to: Builder): Cell {
  const order = ClientContract.collectBody();
  return beginCell().storeUint(OPCODE.proxy.ownerProxyOrder, 32).storeUint(0, 64).storeBuilder(to).storeRef(order).endCell();
}

/** A message for a ClientContract that has so many different cells. */
function orderOfCells(count: number): Cell {
  let number = 0;
  const tree = (size: number): Cell => {
    number += 1;
    const cell = beginCell()
      .storeUint(number === 1 ? OPCODE.client.operatorClientSettle : number, 32)
      .storeUint(0, 64);
    let rest = size - 1;
    for (let branches = 4; branches > 0 && rest > 0; branches--) {
      const share = Math.ceil(rest / branches);
      cell.storeRef(tree(share));
      rest -= share;
    }
    return cell.endCell();
  };
  const order = tree(count);
  expect(cellsOf(order).size).toBe(count);
  return order;
}

/** Every different cell of a tree, by its hash. */
function cellsOf(root: Cell): ReadonlyMap<string, Cell> {
  const cells = new Map<string, Cell>();
  const walk = (cell: Cell) => {
    cells.set(cell.hash().toString('hex'), cell);
    cell.refs.forEach(walk);
  };
  walk(root);
  return cells;
}
