import { Address, beginCell, type Cell, contractAddress, toNano } from '@ton/core';
import '@ton/test-utils';
import { codeOf } from '../wrappers/contract-code';
import { ProxyContract } from '../wrappers/ProxyContract';
import { EVERYTHING } from '../wrappers/withdrawal';
import { changedAt } from './cells';
import { DELAY, FEE, known, STAKE, World } from './world';

describe('a ProxyContract under terms that no wrapper would make', () => {
  let world: World;
  let proxy: Address;

  /** Nobody is its root; it holds a stake's worth of coins. */
  beforeEach(async () => {
    world = await World.inUse();
    const fresh = known(ProxyContract.create(world.proxyTerms).init?.data ?? undefined);
    const owner = world.party('proxyOwner').address;
    const terms = beginCell().storeAddress(owner).storeAddress(null).storeUint(DELAY, 32).storeUint(0, 32).endCell();
    const init = { code: codeOf('ProxyContract'), data: changedAt(fresh, [0], () => terms) };
    proxy = contractAddress(0, init);
    world.name(proxy, 'Odd');
    await world.send({ from: world.party('stranger'), to: proxy, init, bounce: false, value: STAKE + toNano('1') });
  });

  const send = (body: Cell, value = toNano('3')) => world.send({ from: world.party('proxyOwner'), to: proxy, body, value });

  test.each<[string, string, Cell]>([
    ['registers', 'ownerProxyRegister', ProxyContract.registerBody({ stake: STAKE, forward: FEE })],
    ['leaves', 'ownerProxyLeave', ProxyContract.leaveBody()],
  ])('%s nowhere: no message can go to nobody, nothing changes, the coins come back (INV-R1, INV-R3)', async (_what, op, body) => {
    const before = await world.data(proxy);
    const sent = await send(body);
    expect(sent.trace).toEqual([expect.stringMatching(`^proxyOwner > Odd: ${op} failed in the action phase`), 'Odd > proxyOwner: bounce']);
    expect(sent.moved).toEqual({ proxyOwner: -sent.fees });
    expect(await world.data(proxy)).toEqualCell(before);
  });

  test('gives its owner everything back: no exit asks for a root (INV-R5)', async () => {
    await send(ProxyContract.requestWithdrawalBody({ income: EVERYTHING, stake: EVERYTHING }));
    world.wait(DELAY);
    const held = await world.balance(proxy);
    const sent = await send(ProxyContract.completeWithdrawalBody());
    expect(sent.moved).toEqual({ Odd: -held, proxyOwner: held - sent.fees });
  });

  test.each(['owner', 'root'] as const)('is not made by the wrapper: %s of another workchain (INV-R8)', (who) => {
    const terms = { ...world.proxyTerms, [who]: new Address(-1, Buffer.alloc(32)) };
    expect(() => ProxyContract.create(terms)).toThrow('address of workchain -1, expected 0');
  });
});
