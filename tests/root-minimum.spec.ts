import type { Address, Cell } from '@ton/core';
import type { BlockchainSnapshot } from '@ton/sandbox';
import '@ton/test-utils';
import { messagePrices, minimumValue } from '../wrappers/minimum-value';
import { ProxyContract } from '../wrappers/ProxyContract';
import { type ChangeKind, RootContract } from '../wrappers/RootContract';
import { ALL_KINDS, changeOf, NEW_OWNER } from './changes';
import { expectRefused } from './refusal';
import { constantsOf } from './sources';
import { ALL_PRICES, gasOf, known, rentOf, TIMELOCK, World } from './world';

const GAS = constantsOf('gas.tact');

/** A message of the root's policy or of the proxy's anchors, ready to be sent from the state that `prepare` leaves. */
interface Case {
  readonly name: string;
  readonly from: string;
  readonly to: 'root' | 'proxy';
  readonly body: (world: World) => Cell;
  readonly prepare?: (world: World) => Promise<void>;
  /** Names of constants in contracts/gas.tact, each as often as it counts. */
  readonly gas: readonly string[];
}

const IMAGE = { hash: 1n, roles: 1, note: 2n };
const MODEL = { hash: 1n, kind: 1, note: 2n } as const;

const act = (world: World, body: Cell) => world.send({ from: world.party('rootOwner'), to: world.root.address, body });
const listed = async (world: World) => {
  await act(world, RootContract.addImageBody(IMAGE));
  await act(world, RootContract.addModelBody(MODEL));
};
const scheduled = (kind: ChangeKind) => async (world: World) => {
  await act(world, RootContract.scheduleBody({ change: changeOf(kind, world) }));
  world.wait(2 * TIMELOCK);
};
const anchored = (count: number) => async (world: World) => {
  for (let i = 0; i < count; i++) await world.proxy.sendAnchor(world.party('operator').getSender(), { root: BigInt(i) });
};

const ROOT = { to: 'root', gas: ['GasRootChange'] } as const;

const CASES: readonly Case[] = [
  { ...ROOT, name: 'add an image', from: 'rootOwner', body: () => RootContract.addImageBody(IMAGE) },
  { ...ROOT, name: 'add a model', from: 'rootOwner', body: () => RootContract.addModelBody(MODEL) },
  { ...ROOT, name: 'remove an image', from: 'rootOwner', body: () => RootContract.removeImageBody({ hash: 1n }), prepare: listed },
  { ...ROOT, name: 'remove a model', from: 'guardian', body: () => RootContract.removeModelBody({ hash: 1n }), prepare: listed },
  ...ALL_KINDS.flatMap((kind): readonly Case[] => [
    {
      ...ROOT,
      name: `schedule a change of the ${kind}`,
      from: 'rootOwner',
      body: (world) => RootContract.scheduleBody({ change: changeOf(kind, world) }),
    },
    {
      ...ROOT,
      name: `cancel a change of the ${kind}`,
      from: 'rootOwner',
      body: () => RootContract.cancelBody({ kind }),
      prepare: scheduled(kind),
    },
    {
      ...ROOT,
      name: `apply a change of the ${kind}`,
      from: kind === 'owner' ? NEW_OWNER : 'stranger',
      body: () => RootContract.applyBody({ kind }),
      prepare: scheduled(kind),
    },
  ]),
  ...[0, 1, 7, 31].map((count): Case => {
    const merges = Math.log2(count + 1);
    return {
      name: `anchor, with ${merges} trees to merge`,
      from: 'operator',
      to: 'proxy',
      body: () => ProxyContract.anchorBody({ root: 5n }),
      prepare: anchored(count),
      gas: ['GasProxyAnchor', ...Array.from({ length: merges }, () => 'GasProxyAnchorMerge')],
    };
  }),
];

describe.each(ALL_PRICES)('at %s prices', (which) => {
  let world: World;
  let inUse: BlockchainSnapshot;

  beforeAll(async () => {
    world = await World.inUse(which);
    inUse = world.snapshot();
  });

  beforeEach(async () => {
    await world.restore(inUse);
  });

  test.each(CASES)(
    '$name: the minimum covers every hop, one nano less changes nothing, from twice as much on the rest returns (INV-R4)',
    async (subject) => {
      await subject.prepare?.(world);
      const before = world.snapshot();
      const to: Address = world[subject.to].address;
      const body = subject.body(world);
      const from = world.party(subject.from);
      const gas = subject.gas.reduce((sum, name) => sum + known(GAS.get(name)), 0);
      const minimum = minimumValue(BigInt(gas), messagePrices(world.chain.config));
      const contract = subject.to === 'root' ? 'Root' : 'Proxy';

      await expectRefused(world, { from, to, body, value: minimum - 1n }, 'lowValue');

      // Short of twice the minimum, what is left stays; the contract's own coins pay for nothing.
      for (const value of [minimum, 2n * minimum - 1n]) {
        await world.restore(before);
        const sent = await world.send({ from, to, body, value });
        expect(sent.trace).toEqual([expect.not.stringMatching(/refused|failed/)]);
        expect(gasOf(sent)).toBeLessThanOrEqual(BigInt(gas));
        expect(known(sent.moved[contract])).toBeGreaterThanOrEqual(0n);
        expect(Object.keys(sent.moved).sort()).toEqual([contract, subject.from].sort());
      }

      await world.restore(before);
      const sent = await world.send({ from, to, body, value: 2n * minimum });
      expect(sent.trace).toEqual([expect.not.stringMatching(/refused|failed/), `${contract} > ${subject.from}: payment`]);
      expect(gasOf(sent)).toBeLessThanOrEqual(BigInt(gas));
      const rent = rentOf(sent, to);
      expect(sent.moved).toEqual({ [subject.from]: rent - sent.fees, ...(rent > 0n ? { [contract]: -rent } : {}) });
    },
  );
});
