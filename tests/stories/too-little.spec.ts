import { type Address, type Cell, toNano } from '@ton/core';
import type { BlockchainSnapshot, BlockchainTransaction } from '@ton/sandbox';
import { ClientContract } from '../../wrappers/ClientContract';
import { messagePrices } from '../../wrappers/minimum-value';
import { ProxyContract } from '../../wrappers/ProxyContract';
import { MODEL_KIND, RootContract } from '../../wrappers/RootContract';
import { WorkerContract } from '../../wrappers/WorkerContract';
import { EVERYTHING } from '../../wrappers/withdrawal';
import { settledAll } from '../settling';
import {
  ALL_PRICES,
  DELAY,
  FEE,
  NEXT_SESSION,
  PAYER,
  publicKeyOf,
  STAKE,
  signedVoucher,
  signedWorkerVoucher,
  TIMELOCK,
  World,
} from '../world';
import { Story } from './story';

const CONTRACTS = ['root', 'proxy', 'clientChannel', 'workerChannel'] as const;

interface Case {
  readonly what: string;
  readonly from: string;
  readonly to: (typeof CONTRACTS)[number];
  readonly body: (world: World) => Cell;
  readonly prepare?: (story: Story) => Promise<void>;
  /** NanoTON that are no gas, and that are forwarded. */
  readonly beside?: bigint;
}

const client = (world: World): Address => world.clientChannel.address;
const worker = (world: World): Address => world.workerChannel.address;
const chargeOf = (world: World) =>
  ClientContract.chargeBody(signedVoucher({ channel: client(world), total: toNano('1'), upTo: 1n, open: 1n }));
const claimOf = (world: World) =>
  WorkerContract.claimBody(signedWorkerVoucher({ workerContract: worker(world), total: toNano('1'), tokens: 1n }));
const settleOf = (world: World, numbers: readonly bigint[]) => ClientContract.settleBody({ receipts: settledAll(client(world), numbers) });
const endpoint = { url: 'https://a', keyPin: null };
const FORWARD = FEE + toNano('0.2');
const TIMELOCK_CHANGE = { kind: 'timelock', timelock: TIMELOCK + 1 } as const;

const announceClient = async (story: Story) => {
  await story.send('client', client(story.world), ClientContract.requestWithdrawalBody({ amount: EVERYTHING }));
  story.world.wait(DELAY);
};
const announceWorker = async (story: Story) => {
  await story.order(worker(story.world), WorkerContract.requestWithdrawalBody({ amount: EVERYTHING }));
  story.world.wait(DELAY);
};
const announceProxy = async (story: Story) => {
  const { address } = story.world.proxy;
  await story.send('proxyOwner', address, ProxyContract.requestWithdrawalBody({ income: EVERYTHING, stake: 0n }));
  story.world.wait(DELAY);
};
const overdraw = async (story: Story) => {
  const voucher = signedVoucher({ channel: client(story.world), total: toNano('50'), upTo: 1n, open: 0n });
  await story.send('operator', client(story.world), ClientContract.chargeBody(voucher));
  await story.send('client', client(story.world));
};
const addBoth = async (story: Story) => {
  const { address } = story.world.root;
  await story.send('rootOwner', address, RootContract.addImageBody({ hash: 1n, roles: 1, note: 1n }));
  await story.send('rootOwner', address, RootContract.addModelBody({ hash: 1n, kind: MODEL_KIND.files, note: 1n }));
};
const schedule = async (story: Story) => {
  await story.send('rootOwner', story.world.root.address, RootContract.scheduleBody({ change: TIMELOCK_CHANGE }));
  story.world.wait(TIMELOCK);
};

const CASES: readonly Case[] = [
  { what: 'charge', from: 'operator', to: 'clientChannel', body: chargeOf },
  { what: 'settle one receipt', from: 'operator', to: 'clientChannel', body: (world) => settleOf(world, [1n]) },
  { what: 'settle five receipts', from: 'operator', to: 'clientChannel', body: (world) => settleOf(world, [1n, 2n, 3n, 4n, 5n]) },
  { what: 'collect', from: 'operator', to: 'clientChannel', body: () => ClientContract.collectBody(), prepare: overdraw },
  { what: 'release', from: 'operator', to: 'clientChannel', body: () => ClientContract.releaseBody({ amount: 5n }) },
  {
    what: "announce a client's withdrawal",
    from: 'client',
    to: 'clientChannel',
    body: () => ClientContract.requestWithdrawalBody({ amount: 5n }),
  },
  {
    what: "complete a client's withdrawal",
    from: 'stranger',
    to: 'clientChannel',
    body: () => ClientContract.completeWithdrawalBody(),
    prepare: announceClient,
  },
  {
    what: 'rotate the session key',
    from: 'client',
    to: 'clientChannel',
    body: () => ClientContract.rotateKeyBody({ sessionKey: publicKeyOf(NEXT_SESSION) }),
  },
  { what: 'claim', from: 'stranger', to: 'workerChannel', body: claimOf },
  {
    what: "complete a withdrawal from a worker's channel",
    from: 'stranger',
    to: 'workerChannel',
    body: () => WorkerContract.completeWithdrawalBody(),
    prepare: announceWorker,
  },
  {
    what: "order a withdrawal from a worker's channel",
    from: 'proxyOwner',
    to: 'proxy',
    body: (world) => ProxyContract.orderBody({ to: worker(world), order: WorkerContract.requestWithdrawalBody({ amount: 5n }) }),
  },
  {
    what: 'order a charge',
    from: 'proxyOwner',
    to: 'proxy',
    body: (world) => ProxyContract.orderBody({ to: client(world), order: chargeOf(world) }),
  },
  {
    what: 'order a settlement of five',
    from: 'proxyOwner',
    to: 'proxy',
    body: (world) => ProxyContract.orderBody({ to: client(world), order: settleOf(world, [1n, 2n, 3n, 4n, 5n]) }),
  },
  {
    what: 'fund a worker',
    from: 'operator',
    to: 'proxy',
    body: (world) => ProxyContract.fundBody({ workerOwner: world.party('workerOwner').address, amount: toNano('1') }),
  },
  {
    what: 'configure a proxy',
    from: 'proxyOwner',
    to: 'proxy',
    body: (world) => ProxyContract.configureBody({ operator: client(world), payerKey: publicKeyOf(PAYER), endpoint }),
  },
  {
    what: 'register',
    from: 'proxyOwner',
    to: 'proxy',
    body: () => ProxyContract.registerBody({ stake: STAKE + 1n, forward: FORWARD }),
    beside: FORWARD,
  },
  { what: 'leave the registry', from: 'proxyOwner', to: 'proxy', body: () => ProxyContract.leaveBody() },
  {
    what: "announce a proxy's withdrawal",
    from: 'proxyOwner',
    to: 'proxy',
    body: () => ProxyContract.requestWithdrawalBody({ income: 5n, stake: 0n }),
  },
  {
    what: "complete a proxy's withdrawal",
    from: 'proxyOwner',
    to: 'proxy',
    body: () => ProxyContract.completeWithdrawalBody(),
    prepare: announceProxy,
  },
  { what: 'anchor', from: 'operator', to: 'proxy', body: () => ProxyContract.anchorBody({ root: 1n }) },
  { what: 'add an image', from: 'rootOwner', to: 'root', body: () => RootContract.addImageBody({ hash: 2n, roles: 1, note: 1n }) },
  {
    what: 'add a model',
    from: 'rootOwner',
    to: 'root',
    body: () => RootContract.addModelBody({ hash: 2n, kind: MODEL_KIND.files, note: 1n }),
  },
  { what: 'remove an image', from: 'guardian', to: 'root', body: () => RootContract.removeImageBody({ hash: 1n }), prepare: addBoth },
  { what: 'remove a model', from: 'guardian', to: 'root', body: () => RootContract.removeModelBody({ hash: 1n }), prepare: addBoth },
  { what: 'schedule a change', from: 'rootOwner', to: 'root', body: () => RootContract.scheduleBody({ change: TIMELOCK_CHANGE }) },
  { what: 'cancel a change', from: 'guardian', to: 'root', body: () => RootContract.cancelBody({ kind: 'timelock' }), prepare: schedule },
  { what: 'apply a change', from: 'stranger', to: 'root', body: () => RootContract.applyBody({ kind: 'timelock' }), prepare: schedule },
  { what: 'collect fees', from: 'rootOwner', to: 'root', body: () => RootContract.collectFeesBody() },
];

/** No message needs more than this for gas; and far more. */
const MOST = toNano('0.05');
const PLENTY = toNano('3');

/** Whether every message but the wallet's own was run to its end, or was coins alone: what those do when they arrive is not looked at. */
function wentThrough(transactions: readonly BlockchainTransaction[]): boolean {
  return transactions.slice(1).every(({ description, inMessage }) => {
    if (inMessage?.body.bits.length === 0) return true;
    if (description.type !== 'generic' || description.computePhase.type !== 'vm') return false;
    return description.computePhase.exitCode === 0 && description.actionPhase?.success === true;
  });
}

describe.each(ALL_PRICES)('too little value at %s prices (INV-R4)', (which) => {
  let world: World;
  let inUse: BlockchainSnapshot;
  /** What forwarding the smallest message costs, in nanoTON. */
  let lumpPrice: bigint;

  beforeAll(async () => {
    world = await World.inUse(which);
    inUse = world.snapshot();
    lumpPrice = messagePrices(world.chain.config).lumpPrice;
  });

  const states = async () => Promise.all(CONTRACTS.map(async (name) => (await world.data(world[name].address)).hash().toString('hex')));

  test.each(CASES)(
    'to $what: nothing changes and nobody loses anything but fees; one nano more, and all of it happens',
    async (subject) => {
      await world.restore(inUse);
      await subject.prepare?.(new Story(world));
      const beforehand = world.snapshot();
      const before = await states();
      const to = world[subject.to].address;
      const body = subject.body(world);
      const goesThroughWith = async (value: bigint): Promise<boolean> => {
        await world.restore(beforehand);
        const { transactions } = await world.party(subject.from).send({ to, value, body });
        return wentThrough(transactions);
      };
      const tellWith = async (value: bigint) => {
        await world.restore(beforehand);
        const story = new Story(world);
        const { trace } = await story.attempt(subject.from, to, body, { value });
        return { trace, table: story.table(), after: await states() };
      };

      // The least value with which it goes through, found by trying.
      const beside = subject.beside ?? 0n;
      let [tooLittle, enough] = [beside, beside + MOST];
      expect([await goesThroughWith(tooLittle), await goesThroughWith(enough)]).toEqual([false, true]);
      while (enough - tooLittle > 1n) {
        const middle = (tooLittle + enough) / 2n;
        if (await goesThroughWith(middle)) enough = middle;
        else tooLittle = middle;
      }
      const least = await tellWith(enough);
      expect(least.trace.filter((line) => /refused|failed|bounce/.test(line))).toEqual([]);
      expect(least.after).toEqual((await tellWith(PLENTY)).after);

      for (const value of [tooLittle, tooLittle - 1n, (tooLittle * 9n) / 10n, tooLittle / 2n, tooLittle / 4n, tooLittle / 20n, 1n]) {
        const { table, after } = await tellWith(value);
        expect(after).toEqual(before);
        // All that is not fees has come back, but for what would not have paid for a message to bring it.
        const left = -(table[subject.from] ?? 0n);
        expect(Object.values(table).reduce((sum, has) => sum + has, 0n)).toBe(0n);
        expect(Object.values(table).filter((has) => has < 0n)).toHaveLength(left === 0n ? 0 : 1);
        expect(left).toBeGreaterThanOrEqual(0n);
        expect(left).toBeLessThan(lumpPrice);
      }
    },
  );
});
