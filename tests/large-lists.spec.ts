import { createHash } from 'node:crypto';
import { beginCell, type Cell, Dictionary, toNano } from '@ton/core';
import { createShardAccount } from '@ton/sandbox';
import '@ton/test-utils';
import { codeOf } from '../wrappers/contract-code';
import { ProxyContract } from '../wrappers/ProxyContract';
import { RootContract } from '../wrappers/RootContract';
import { constantsOf } from './sources';
import { FEE, gasOf, known, type Sent, STAKE, World } from './world';

const ENTRIES = 1_000;
const GAS = constantsOf('gas.tact');
const EMPTY_VALUE = { serialize: () => undefined, parse: () => true };

const hashOf = (name: string): bigint => BigInt(`0x${createHash('sha256').update(name).digest('hex')}`);

/** A root's data with full lists: what years of use could leave. Stakes rise from just above the minimum. */
function fullLists(data: Cell): Cell {
  const governance = known(data.refs[2]).beginParse();
  const limits = beginCell()
    .storeBits(governance.preloadRef().beginParse().loadBits(160))
    .storeUint(ENTRIES, 16)
    .storeUint(ENTRIES, 16)
    .storeUint(ENTRIES, 16)
    .endCell();
  const bits = governance.loadBits(governance.remainingBits);
  const images = Dictionary.empty(Dictionary.Keys.BigUint(256), Dictionary.Values.BitString(328));
  const listings = Dictionary.empty(Dictionary.Keys.BigUint(256), Dictionary.Values.BitString(128));
  const byStake = Dictionary.empty(Dictionary.Keys.BigUint(320), EMPTY_VALUE);
  for (let i = 0; i < ENTRIES; i++) {
    if (i > 0) images.set(hashOf(`image ${i}`), beginCell().storeUint(1, 8).storeUint(0, 320).endCell().bits);
    const stake = STAKE + BigInt(i) * toNano('0.001');
    listings.set(hashOf(`proxy ${i}`), beginCell().storeUint(stake, 64).storeUint(0, 64).endCell().bits);
    byStake.set((stake << 256n) | hashOf(`proxy ${i}`), true);
  }
  return beginCell()
    .storeUint(ENTRIES - 1, 16)
    .storeUint(ENTRIES - 1, 16)
    .storeUint(ENTRIES, 16)
    .storeRef(beginCell().storeDict(images).storeDict(images).endCell())
    .storeRef(beginCell().storeDict(listings).storeDict(byStake).endCell())
    .storeRef(beginCell().storeBits(bits).storeRef(limits).endCell())
    .endCell();
}

describe('a root with a thousand entries in every list', () => {
  let world: World;

  beforeAll(async () => {
    world = await World.create();
    const { root } = world;
    await root.sendTopUp(world.party('rootOwner').getSender(), { value: toNano('1') });
    const data = fullLists(await world.data(root.address));
    const account = createShardAccount({ address: root.address, code: codeOf('RootContract'), data, balance: toNano('5') });
    await world.chain.setShardAccount(root.address, account);
  });

  const gasAtRoot = (sent: Sent): bigint => gasOf(sent, sent.trace.findIndex((line) => /> Root: [a-z]+Root/.test(line)) + 1);

  test('still does everything within the gas that it asks for (INV-R4)', async () => {
    const { proxy, root } = world;
    const bodies = {
      GasRootRegister: ProxyContract.registerBody({ stake: STAKE + toNano('5'), forward: FEE + toNano('0.1') }),
      GasRootLeave: ProxyContract.leaveBody(),
    };
    for (const [name, body] of Object.entries(bodies)) {
      const value = STAKE + toNano('10');
      const sent = await world.send({ from: world.party('proxyOwner'), to: proxy.address, body, value, init: proxy.init });
      expect(sent.trace.at(-1)).toBe('Root > proxyOwner: payment');
      expect(gasAtRoot(sent)).toBeLessThan(BigInt(known(GAS.get(name))));
    }
    const hash = hashOf('one more');
    for (const body of [RootContract.addImageBody({ hash, roles: 1, note: 0n }), RootContract.removeImageBody({ hash })]) {
      const sent = await world.send({ from: world.party('rootOwner'), to: root.address, body });
      expect(sent.trace.at(-1)).toBe('Root > rootOwner: payment');
      expect(gasAtRoot(sent)).toBeLessThan(BigInt(known(GAS.get('GasRootChange'))));
    }
  });

  test('took the place of the smallest stake, and nobody else left', async () => {
    const { proxies } = RootContract.parseState(await world.data(world.root.address));
    expect(proxies.size).toBe(ENTRIES - 1);
    expect(proxies.has(hashOf('proxy 0'))).toBe(false);
    expect(proxies.has(hashOf('proxy 1'))).toBe(true);
  });

  test('is read page by page to its end', async () => {
    const keys: bigint[] = [];
    for (let after: bigint | undefined; ; ) {
      const { entries, next } = await world.root.getListings(after);
      keys.push(...entries.keys());
      if (next === null) break;
      after = next;
    }
    expect(keys.length).toBe(ENTRIES - 1);
    expect([...keys].sort((a, b) => (a < b ? -1 : 1))).toEqual(keys);
  });
});
