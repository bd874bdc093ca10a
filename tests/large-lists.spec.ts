import { createHash } from 'node:crypto';
import { type Address, beginCell, type Cell, Dictionary, toNano } from '@ton/core';
import { type BlockchainSnapshot, createShardAccount } from '@ton/sandbox';
import '@ton/test-utils';
import { codeOf } from '../wrappers/contract-code';
import { ProxyContract } from '../wrappers/ProxyContract';
import { RootContract } from '../wrappers/RootContract';
import { changeOf } from './changes';
import { constantsOf } from './sources';
import { FEE, gasOf, known, type Sent, STAKE, TIMELOCK, World } from './world';

/** As long as a list can be made. */
const ENTRIES = 1_024;
/** Leading bits of an address that somebody could make equal to another's, by that many doublings of work for one address. */
const GROUND_BITS = 40;
const STAKE_BITS = 64;
const HASH_BITS = 256;

const GAS = constantsOf('gas.tact');
const EMPTY_VALUE = { serialize: () => undefined, parse: () => true };

interface Listed {
  readonly stake: bigint;
  readonly hash: bigint;
}

const hashOf = (name: string): bigint => BigInt(`0x${createHash('sha256').update(name).digest('hex')}`);
const addressHash = (address: Address): bigint => BigInt(`0x${address.hash.toString('hex')}`);

/** `value` with this bit turned and chance below it: two such keys part at that bit. */
function partingAt(value: bigint, bit: number, chance: bigint): bigint {
  const low = 1n << BigInt(bit);
  return ((((value >> BigInt(bit)) ^ 1n) << BigInt(bit)) | (chance % low)) & ((1n << 256n) - 1n);
}

/** Listings that make the way to one of them as long as can be: one parts from it at each bit of the stake, one at each bit that can be ground. */
function pathTo({ stake, hash }: Listed): readonly Listed[] {
  const byStake = Array.from({ length: STAKE_BITS }, (_, bit) => ({
    stake: partingAt(stake, bit, 0n),
    hash: hashOf(`bit ${bit} of ${stake}, ${hash}`),
  }));
  const byHash = Array.from({ length: GROUND_BITS }, (_, i) => ({
    stake,
    hash: partingAt(hash, HASH_BITS - 1 - i, hashOf(`bit ${i} of the hash, ${stake}, ${hash}`)),
  }));
  return [...byStake, ...byHash];
}

/** Listings of many honest proxies. */
function crowd(count: number): readonly Listed[] {
  return Array.from({ length: count }, (_, i) => ({ stake: STAKE + BigInt(i) * toNano('0.001'), hash: hashOf(`proxy ${i}`) }));
}

/** root_state$_ of schema.tlb with long lists: what years of use could leave. */
function fullLists(world: World, hashes: readonly bigint[], listed: readonly Listed[]): Cell {
  const params = { ...world.governance.params, maxImages: ENTRIES, maxModels: ENTRIES, maxProxies: ENTRIES };
  const fresh = known(RootContract.create({ ...world.governance, params }).init?.data ?? undefined);
  const images = Dictionary.empty(Dictionary.Keys.BigUint(256), Dictionary.Values.BitString(328));
  for (const hash of hashes) images.set(hash, beginCell().storeUint(1, 8).storeUint(0, 320).endCell().bits);
  const listings = Dictionary.empty(Dictionary.Keys.BigUint(256), Dictionary.Values.BitString(128));
  const byStake = Dictionary.empty(Dictionary.Keys.BigUint(320), EMPTY_VALUE);
  for (const { stake, hash } of listed) {
    listings.set(hash, beginCell().storeUint(stake, 64).storeUint(0, 64).endCell().bits);
    byStake.set((stake << 256n) | hash, true);
  }
  return beginCell()
    .storeUint(hashes.length, 16)
    .storeUint(hashes.length, 16)
    .storeUint(listed.length, 16)
    .storeUint(0, 64 + 256)
    .storeRef(beginCell().storeDict(listings).storeDict(byStake).endCell())
    .storeRef(known(fresh.refs[1]))
    .storeDict(images)
    .storeDict(images)
    .endCell();
}

describe('a root with 1,024 entries in every list', () => {
  let world: World;
  let deployed: BlockchainSnapshot;
  let root: Address;
  let proxy: Address;

  beforeAll(async () => {
    world = await World.create();
    root = world.root.address;
    proxy = world.proxy.address;
    await world.root.sendTopUp(world.party('rootOwner').getSender(), { value: toNano('1') });
    await world.proxy.sendTopUp(world.party('proxyOwner').getSender(), { value: 20n * STAKE });
    deployed = world.snapshot();
  });

  const fill = async (hashes: readonly bigint[], listed: readonly Listed[]) => {
    await world.restore(deployed);
    const data = fullLists(world, hashes, listed);
    await world.chain.setShardAccount(
      root,
      createShardAccount({ address: root, code: codeOf('RootContract'), data, balance: toNano('5') }),
    );
  };
  const hashes = Array.from({ length: ENTRIES - 1 }, (_, i) => hashOf(`image ${i}`));

  const order = (body: Cell) => world.send({ from: world.party('proxyOwner'), to: proxy, body, value: toNano('3') });
  const register = (stake: bigint) => order(ProxyContract.registerBody({ stake, forward: FEE + toNano('0.5') }));
  const expectWithin = (sent: Sent, constant: string) => {
    const index = sent.trace.findIndex((line) => /> Root: \w+Root\w+$/.test(line));
    expect(sent.trace.at(-1)).toMatch(/^Root > \w+: payment$/);
    const used = gasOf(sent, index + 1);
    expect(used).toBeLessThanOrEqual(BigInt(known(GAS.get(constant))));
    return used;
  };
  const listings = async () => RootContract.parseState(await world.data(root)).proxies;

  test('changes its policy within the gas that it asks for (INV-R4)', async () => {
    await fill(hashes, crowd(ENTRIES));
    const hash = hashOf('one more');
    const kind = 'params';
    const bodies = [
      RootContract.addImageBody({ hash, roles: 1, note: 0n }),
      RootContract.addModelBody({ hash, kind: 1, note: 0n }),
      RootContract.removeImageBody({ hash }),
      RootContract.removeModelBody({ hash }),
      RootContract.scheduleBody({ change: changeOf(kind, world) }),
      RootContract.applyBody({ kind }),
    ];
    for (const body of bodies) {
      expectWithin(await world.send({ from: world.party('rootOwner'), to: root, body }), 'GasRootChange');
      world.wait(TIMELOCK);
    }
  });

  test('is full, and has room for one where one left (INV-G3)', async () => {
    await fill([...hashes, hashOf('the last')], crowd(ENTRIES));
    const sent = await world.send({
      from: world.party('rootOwner'),
      to: root,
      body: RootContract.addImageBody({ hash: 1n, roles: 1, note: 0n }),
    });
    expect(sent.trace[0]).toBe('rootOwner > Root: ownerRootAddImage refused (full)');
  });

  test('lets a proxy in for the smallest stake, raise its stake and leave within the gas that it asks for (INV-R4, INV-G4)', async () => {
    await fill(hashes, crowd(ENTRIES));
    expectWithin(await register(STAKE + toNano('5')), 'GasRootRegister');
    const after = await listings();
    expect(after.size).toBe(ENTRIES);
    expect([hashOf('proxy 0'), hashOf('proxy 1'), addressHash(proxy)].map((hash) => after.has(hash))).toEqual([false, true, true]);
    expectWithin(await register(STAKE + toNano('6')), 'GasRootRegister');
    expectWithin(await order(ProxyContract.leaveBody()), 'GasRootLeave');
    expect((await listings()).size).toBe(ENTRIES - 1);
  });

  describe('chosen to make one way as long as can be', () => {
    const stake = 2n * STAKE;
    const raised = stake + (1n << 40n);
    const self = () => ({ stake, hash: addressHash(proxy) });
    const smallest = { stake: 0n, hash: hashOf('the smallest') >> BigInt(GROUND_BITS) };
    const fillAround = async (listed: readonly Listed[]) => fill(hashes, [...listed, ...crowd(ENTRIES - listed.length)]);

    test('lets a proxy leave within the gas that it asks for, so that no crowd can keep it listed (INV-R4, INV-R5)', async () => {
      await fillAround([self(), ...pathTo(self())]);
      expectWithin(await order(ProxyContract.leaveBody()), 'GasRootLeave');
      expect((await listings()).has(addressHash(proxy))).toBe(false);
    });

    test('lets a proxy raise its stake from one long way to another within the gas that it asks for (INV-R4)', async () => {
      await fillAround([self(), ...pathTo(self()), ...pathTo({ ...self(), stake: raised })]);
      expectWithin(await register(raised), 'GasRootRegister');
      expect((await listings()).get(addressHash(proxy))?.stake).toBe(raised);
    });

    test('lets a proxy in on a long way, for the smallest stake on another, within the gas that it asks for (INV-R4, INV-G4)', async () => {
      await fillAround([smallest, ...pathTo(smallest), ...pathTo(self())]);
      expect((await listings()).size).toBe(ENTRIES);
      expectWithin(await register(stake), 'GasRootRegister');
      const after = await listings();
      expect([after.has(smallest.hash), after.has(addressHash(proxy))]).toEqual([false, true]);
    });
  });

  test('is read page by page to its end', async () => {
    await fill(hashes, crowd(ENTRIES));
    const keys: bigint[] = [];
    for (let after: bigint | undefined; ; ) {
      const { entries, next } = await world.root.getListings(after);
      keys.push(...entries.keys());
      if (next === null) break;
      after = next;
    }
    expect(keys.length).toBe(ENTRIES);
    expect([...keys].sort((a, b) => (a < b ? -1 : 1))).toEqual(keys);
  });
});
