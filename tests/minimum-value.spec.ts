import { type Address, type Cell, type Message, toNano } from '@ton/core';
import type { BlockchainSnapshot, BlockchainTransaction } from '@ton/sandbox';
import '@ton/test-utils';
import { ClientContract } from '../wrappers/ClientContract';
import { type MessagePrices, messagePrices, minimumValue } from '../wrappers/minimum-value';
import { MAX_OPEN, openHash } from '../wrappers/statements';
import { WorkerContract } from '../wrappers/WorkerContract';
import { EVERYTHING } from '../wrappers/withdrawal';
import { COST, settledAll } from './settling';
import { constantsOf } from './sources';
import { ALL_PRICES, DELAY, known, NEXT_SESSION, publicKeyOf, rentOf, signedVoucher, signedWorkerVoucher, World } from './world';

const GAS = constantsOf('gas.tact');
const gas = (name: string) => BigInt(known(GAS.get(name)));

/** Both kinds of channel keep this. */
const RESERVE = ClientContract.RESERVE;

/** A message to a channel, ready to be sent from the state that `prepare` leaves. */
interface Case {
  readonly name: string;
  /** A party, or the ProxyContract itself. */
  readonly from: string;
  readonly to: 'clientChannel' | 'workerChannel';
  readonly body: (world: World) => Cell;
  readonly prepare?: (world: World) => Promise<unknown>;
  /** Units of gas that the minimum pays for. */
  readonly gas: bigint;
  /** NanoTON that it pays: a number, all but the reserve, or all. A message that pays nobody has none. */
  readonly pays?: bigint | 'deposit' | 'everything';
}

const send = (world: World, from: string, to: Address, body: Cell) => world.send({ from: world.party(from), to, body });
const chargeOf = (total: bigint) => (world: World) =>
  ClientContract.chargeBody(signedVoucher({ channel: world.clientChannel.address, total, upTo: 1n, open: 1n }));
const claimOf = (total: bigint) => (world: World) =>
  WorkerContract.claimBody(signedWorkerVoucher({ workerContract: world.workerChannel.address, total, tokens: 1n }));
const announceClient = (amount: bigint) => async (world: World) => {
  await send(world, 'client', world.clientChannel.address, ClientContract.requestWithdrawalBody({ amount }));
  world.wait(DELAY);
};
const announceWorker = (amount: bigint) => async (world: World) => {
  const body = WorkerContract.requestWithdrawalBody({ amount });
  await world.receive(world.proxy.address, world.workerChannel.address, body, toNano('1'));
  world.wait(DELAY);
};
const CLIENT = { to: 'clientChannel' } as const;
const WORKER = { to: 'workerChannel' } as const;

const settleCase = (count: number, from: string, open: readonly bigint[] = []): Case => ({
  ...CLIENT,
  name: `settle ${count}, ${open.length} numbers open`,
  from,
  body: (world) => {
    const numbers = open.length === 0 ? Array.from({ length: count }, (_, i) => BigInt(i + 1)) : open.slice(-count);
    return ClientContract.settleBody({ receipts: settledAll(world.clientChannel.address, numbers), open });
  },
  prepare: (world) => {
    const voucher = { channel: world.clientChannel.address, total: toNano('1'), upTo: open.at(-1) ?? 0n, open: openHash(open) };
    return send(world, 'operator', world.clientChannel.address, ClientContract.chargeBody(signedVoucher(voucher)));
  },
  gas: gas('GasClientCharge') + BigInt(count) * gas('GasClientSettleOne') + (open.length === 0 ? 0n : 5n * gas('GasClientSettleOpen')),
  pays: BigInt(count) * COST,
});

const MANY_OPEN = Array.from({ length: MAX_OPEN }, (_, i) => BigInt(3 * i + 1));

const CASES: readonly Case[] = [
  { ...CLIENT, name: 'charge', from: 'operator', body: chargeOf(toNano('1')), gas: gas('GasClientCharge'), pays: toNano('1') },
  { ...CLIENT, name: 'charge', from: 'Proxy', body: chargeOf(toNano('1')), gas: gas('GasClientCharge'), pays: toNano('1') },
  { ...CLIENT, name: 'charge a single nano', from: 'operator', body: chargeOf(1n), gas: gas('GasClientCharge'), pays: 1n },
  {
    ...CLIENT,
    name: 'charge above the deposit',
    from: 'operator',
    body: chargeOf(EVERYTHING),
    gas: gas('GasClientCharge'),
    pays: 'deposit',
  },
  {
    ...CLIENT,
    name: 'collect after a top-up',
    from: 'operator',
    body: () => ClientContract.collectBody(),
    prepare: async (world) => {
      await send(world, 'operator', world.clientChannel.address, chargeOf(toNano('50'))(world));
      await world.send({ from: world.party('client'), to: world.clientChannel.address, value: toNano('3') });
    },
    gas: gas('GasClientCharge'),
    pays: 'deposit',
  },
  { ...CLIENT, name: 'collect nothing', from: 'operator', body: () => ClientContract.collectBody(), gas: gas('GasClientCharge'), pays: 0n },
  settleCase(1, 'operator'),
  settleCase(5, 'operator'),
  settleCase(5, 'Proxy'),
  settleCase(5, 'operator', MANY_OPEN),
  {
    ...CLIENT,
    name: 'release a part',
    from: 'operator',
    body: () => ClientContract.releaseBody({ amount: 5n }),
    gas: gas('GasClientRelease'),
    pays: 5n,
  },
  {
    ...CLIENT,
    name: 'release everything',
    from: 'Proxy',
    body: () => ClientContract.releaseBody({ amount: EVERYTHING }),
    gas: gas('GasClientRelease'),
    pays: 'everything',
  },
  {
    ...CLIENT,
    name: 'announce a withdrawal',
    from: 'client',
    body: () => ClientContract.requestWithdrawalBody({ amount: 1n }),
    gas: gas('GasClientRequest'),
  },
  {
    ...CLIENT,
    name: 'take an announcement back',
    from: 'client',
    body: () => ClientContract.requestWithdrawalBody({ amount: 0n }),
    prepare: announceClient(5n),
    gas: gas('GasClientRequest'),
  },
  {
    ...CLIENT,
    name: 'rotate the key',
    from: 'client',
    body: () => ClientContract.rotateKeyBody({ sessionKey: publicKeyOf(NEXT_SESSION) }),
    gas: gas('GasClientRotate'),
  },
  {
    ...CLIENT,
    name: 'complete a withdrawal',
    from: 'stranger',
    body: () => ClientContract.completeWithdrawalBody(),
    prepare: announceClient(5n),
    gas: gas('GasClientComplete'),
    pays: 5n,
  },
  {
    ...CLIENT,
    name: 'complete the whole exit',
    from: 'client',
    body: () => ClientContract.completeWithdrawalBody(),
    prepare: announceClient(EVERYTHING),
    gas: gas('GasClientComplete'),
    pays: 'everything',
  },
  { ...WORKER, name: 'claim', from: 'stranger', body: claimOf(toNano('1')), gas: gas('GasWorkerClaim'), pays: toNano('1') },
  {
    ...WORKER,
    name: 'claim more than there is',
    from: 'workerOwner',
    body: claimOf(EVERYTHING),
    gas: gas('GasWorkerClaim'),
    pays: 'deposit',
  },
  {
    ...WORKER,
    name: 'announce a withdrawal',
    from: 'Proxy',
    body: () => WorkerContract.requestWithdrawalBody({ amount: 1n }),
    gas: gas('GasWorkerRequest'),
  },
  {
    ...WORKER,
    name: 'complete a withdrawal',
    from: 'stranger',
    body: () => WorkerContract.completeWithdrawalBody(),
    prepare: announceWorker(5n),
    gas: gas('GasWorkerComplete'),
    pays: 5n,
  },
  {
    ...WORKER,
    name: 'complete the whole exit',
    from: 'stranger',
    body: () => WorkerContract.completeWithdrawalBody(),
    prepare: announceWorker(EVERYTHING),
    gas: gas('GasWorkerComplete'),
    pays: 'everything',
  },
];

/** What one message did at the channel: its gas fee, its messages' coins in order, and what the balance gained, rent aside. */
interface Effect {
  readonly line: string;
  readonly gasFee: bigint;
  readonly sent: readonly { readonly to: string; readonly coins: bigint }[];
  readonly gained: bigint;
  readonly held: bigint;
}

describe.each(ALL_PRICES)('minimum values at %s prices', (which) => {
  let world: World;
  let inUse: BlockchainSnapshot;
  let prices: MessagePrices;

  beforeAll(async () => {
    world = await World.inUse(which);
    inUse = world.snapshot();
    prices = messagePrices(world.chain.config);
  });

  beforeEach(async () => {
    await world.restore(inUse);
  });

  async function effectOf(subject: Case, body: Cell, value: bigint): Promise<Effect> {
    const { address } = world[subject.to];
    const before = await world.balance(address);
    const done = await deliver(subject, body, value);
    const transaction = known(done.transactions[subject.from === 'Proxy' ? 0 : 1]);
    const rent = rentOf({ transactions: [transaction] }, address);
    return {
      line: known(done.trace[0]),
      gasFee: gasFeeOf(transaction),
      sent: [...transaction.outMessages.values()].map(outgoing),
      gained: (await world.balance(address)) - before + rent,
      held: before - rent,
    };
  }

  async function deliver(subject: Case, body: Cell, value: bigint) {
    const to = world[subject.to].address;
    if (subject.from === 'Proxy') return world.arrive(world.proxy.address, to, body, value);
    return world.send({ from: world.party(subject.from), to, body, value });
  }

  /** Who sent the message, and who is paid by the channel. */
  const senderOf = (subject: Case) => (subject.from === 'Proxy' ? world.proxy : world.party(subject.from)).address.toRawString();
  const amountOf = ({ pays }: Case, held: bigint) => (pays === 'everything' ? held : pays === 'deposit' ? held - RESERVE : (pays ?? 0n));
  const minimumOf = (subject: Case) => minimumValue(subject.gas, prices);

  test.each(CASES)('$from: $name: one nano less than the minimum is refused and changes nothing (INV-R4)', async (subject) => {
    await subject.prepare?.(world);
    const { address } = world[subject.to];
    const data = await world.data(address);
    const { line, sent, gained, gasFee } = await effectOf(subject, subject.body(world), minimumOf(subject) - 1n);
    expect(line).toMatch(/ refused \(lowValue\)$/);
    const { lumpPrice } = prices;
    expect(sent).toEqual([{ to: senderOf(subject), coins: minimumOf(subject) - 1n - gasFee - lumpPrice }]);
    expect(gained).toBe(0n);
    expect(await world.data(address)).toEqualCell(data);
  });

  test.each(CASES.filter(({ pays }) => pays !== undefined))(
    '$from: $name: the minimum pays for one message, with what is left on top; twice as much for a second, to the sender (INV-R3, INV-R4)',
    async (subject) => {
      await subject.prepare?.(world);
      const before = world.snapshot();
      const body = subject.body(world);
      const minimum = minimumOf(subject);
      const { lumpPrice } = prices;
      for (const value of [minimum, 2n * minimum - 1n]) {
        await world.restore(before);
        const { line, sent, gained, held, gasFee } = await effectOf(subject, body, value);
        const amount = amountOf(subject, held);
        expect(line).not.toMatch(/refused|failed/);
        expect(gained).toBe(-amount);
        expect(sent.map(({ coins }) => coins)).toEqual([amount + value - gasFee - lumpPrice]);
      }
      for (const value of [2n * minimum, toNano('3')]) {
        await world.restore(before);
        const { line, sent, gained, held, gasFee } = await effectOf(subject, body, value);
        const amount = amountOf(subject, held);
        expect(line).not.toMatch(/refused|failed/);
        expect(gained).toBe(-amount);
        expect(sent.map(({ coins }) => coins)).toEqual([amount, value - gasFee - 2n * lumpPrice]);
        expect(sent[1]?.to).toBe(senderOf(subject));
      }
    },
  );

  test.each(CASES.filter(({ pays }) => pays === undefined))(
    '$from: $name: what the minimum leaves becomes deposit; from twice as much on it returns to the sender (INV-R3, INV-R4)',
    async (subject) => {
      await subject.prepare?.(world);
      const before = world.snapshot();
      const body = subject.body(world);
      const minimum = minimumOf(subject);
      const { lumpPrice } = prices;
      for (const value of [minimum, 2n * minimum - 1n]) {
        await world.restore(before);
        const { line, sent, gained, gasFee } = await effectOf(subject, body, value);
        expect(line).not.toMatch(/refused|failed/);
        expect(sent).toEqual([]);
        expect(gained).toBe(value - gasFee);
      }
      for (const value of [2n * minimum, toNano('3')]) {
        await world.restore(before);
        const { line, sent, gained, gasFee } = await effectOf(subject, body, value);
        expect(line).not.toMatch(/refused|failed/);
        expect(gained).toBe(0n);
        expect(sent).toEqual([{ to: senderOf(subject), coins: value - gasFee - lumpPrice }]);
      }
    },
  );
});

function gasFeeOf({ description }: BlockchainTransaction): bigint {
  if (description.type !== 'generic' || description.computePhase.type !== 'vm') throw new Error('no compute phase');
  return description.computePhase.gasFees;
}

function outgoing({ info }: Message): { readonly to: string; readonly coins: bigint } {
  if (info.type !== 'internal') throw new Error('not an internal message');
  return { to: info.dest.toRawString(), coins: info.value.coins };
}
