import { Address, type Cell, toNano } from '@ton/core';
import type { BlockchainSnapshot } from '@ton/sandbox';
import '@ton/test-utils';
import { ClientContract } from '../wrappers/ClientContract';
import { ProxyContract } from '../wrappers/ProxyContract';
import { expectRefused, withoutLastBit, withTrailingBit, withTrailingReference } from './refusal';
import { BOUNCE_FORMATS, DELAY, FEE, PAYER, publicKeyOf, STAKE, World } from './world';

const PARTIES = ['rootOwner', 'guardian', 'proxyOwner', 'operator', 'client', 'workerOwner', 'stranger'] as const;

interface Message {
  readonly name: string;
  /** Who alone may send it. */
  readonly from: 'proxyOwner' | 'operator';
  readonly body: (world: World) => Cell;
}

const MESSAGES: readonly Message[] = [
  {
    name: 'fund a worker',
    from: 'operator',
    body: (world) => ProxyContract.fundBody({ workerOwner: world.party('workerOwner').address, amount: toNano('1') }),
  },
  { name: 'anchor a period', from: 'operator', body: () => ProxyContract.anchorBody({ root: 1n }) },
  {
    name: 'configure',
    from: 'proxyOwner',
    body: (world) =>
      ProxyContract.configureBody({
        operator: world.party('stranger').address,
        payerKey: publicKeyOf(PAYER),
        endpoint: { url: 'https://a', keyPin: null },
      }),
  },
  { name: 'register', from: 'proxyOwner', body: () => ProxyContract.registerBody({ stake: STAKE, forward: FEE + toNano('0.1') }) },
  { name: 'leave', from: 'proxyOwner', body: () => ProxyContract.leaveBody() },
  { name: 'request a withdrawal', from: 'proxyOwner', body: () => ProxyContract.requestWithdrawalBody({ income: 5n, stake: 0n }) },
  { name: 'complete a withdrawal', from: 'proxyOwner', body: () => ProxyContract.completeWithdrawalBody() },
  {
    name: 'order something of a channel',
    from: 'proxyOwner',
    body: (world) => ProxyContract.orderBody({ to: world.clientChannel.address, order: ClientContract.collectBody() }),
  },
];

describe('a message to a ProxyContract', () => {
  let world: World;
  let inUse: BlockchainSnapshot;
  let proxy: Address;

  beforeAll(async () => {
    world = await World.inUse();
    proxy = world.proxy.address;
    const body = ProxyContract.requestWithdrawalBody({ income: 1n, stake: 0n });
    await world.send({ from: world.party('proxyOwner'), to: proxy, body });
    world.wait(DELAY);
    // The rent of that time is paid now, so that balances can be compared to the nano.
    await world.send({ from: world.party('stranger'), to: proxy });
    inUse = world.snapshot();
  });

  beforeEach(async () => {
    await world.restore(inUse);
  });

  describe.each(MESSAGES)('to $name', ({ body, from }) => {
    test('is refused from every other party, the guardian of the root and its owner included (INV-R3)', async () => {
      for (const name of PARTIES.filter((party) => party !== from)) {
        await expectRefused(world, { from: world.party(name), to: proxy, body: body(world), value: toNano('3') }, 'notAllowed');
      }
    });

    test('is refused from the contracts around it, itself included (INV-R3)', async () => {
      const before = await world.data(proxy);
      for (const contract of [world.root, world.clientChannel, world.workerChannel, world.proxy]) {
        const [first] = await world.receive(contract.address, proxy, body(world), toNano('3'));
        expect(first).toMatch(/ refused \(notAllowed\)$/);
      }
      expect(await world.data(proxy)).toEqualCell(before);
    });

    test('is refused from whoever has the address of who may, in another workchain (INV-R8)', async () => {
      const before = await world.data(proxy);
      const twin = new Address(-1, world.party(from).address.hash);
      const [first] = await world.receive(twin, proxy, body(world), toNano('3'));
      expect(first).toMatch(/ refused \(notAllowed\)$/);
      expect(await world.data(proxy)).toEqualCell(before);
    });

    test.each<[string, (whole: Cell) => Cell]>([
      ['a trailing bit', withTrailingBit],
      ['a trailing reference', withTrailingReference],
      ['a missing bit', withoutLastBit],
    ])('is refused with %s (INV-R8)', async (_what, spoil) => {
      await expectRefused(world, { from: world.party(from), to: proxy, body: spoil(body(world)), value: toNano('3') }, 'malformed');
    });

    test.each(BOUNCE_FORMATS)(
      'that comes back in a bounce is coins of the owner, whatever it says: %s of the body (INV-R3)',
      async (format) => {
        const before = { data: await world.data(proxy), balance: await world.balance(proxy) };
        expect(await world.bounceInto(proxy, body(world), toNano('1'), format)).toEqual([
          'Root > Proxy: bounce',
          'Proxy > proxyOwner: payment',
        ]);
        expect(await world.data(proxy)).toEqualCell(before.data);
        expect(await world.balance(proxy)).toBe(before.balance);
      },
    );
  });
});
