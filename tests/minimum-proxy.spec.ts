import { type Address, beginCell, type Cell, Dictionary, toNano } from '@ton/core';
import type { BlockchainSnapshot } from '@ton/sandbox';
import { sizeOf } from './cells';
import '@ton/test-utils';
import { ClientContract } from '../wrappers/ClientContract';
import { codeOf } from '../wrappers/contract-code';
import { type MessagePrices, messagePrices, minimumValue } from '../wrappers/minimum-value';
import { OPCODE } from '../wrappers/opcodes';
import { ProxyContract } from '../wrappers/ProxyContract';
import { RootContract } from '../wrappers/RootContract';
import { openHash } from '../wrappers/statements';
import { WorkerContract } from '../wrappers/WorkerContract';
import { EVERYTHING } from '../wrappers/withdrawal';
import { expectRefused } from './refusal';
import { deepestOpen, NUMBERS, settledAll } from './settling';
import { constantsOf } from './sources';
import { ALL_PRICES, DELAY, FEE, keyOf, known, publicKeyOf, STAKE, signedVoucher, World } from './world';

const GAS = constantsOf('gas.tact');
const gas = (name: string) => BigInt(known(GAS.get(name)));
const FORWARD = FEE + toNano('0.1');

/** What a chain asks for gas and for carrying cells, in nanoTON. Source: block.tlb, ConfigParam 25, for what MessagePrices leaves out. */
class Fees {
  private readonly bitPrice: bigint;
  private readonly cellPrice: bigint;

  private readonly prices: MessagePrices;

  constructor(config: Cell) {
    this.prices = messagePrices(config);
    const parameters = Dictionary.loadDirect(Dictionary.Keys.Int(32), Dictionary.Values.Cell(), config);
    const forward = known(parameters.get(25))
      .beginParse()
      .skip(8 + 64);
    this.bitPrice = forward.loadUintBig(64);
    this.cellPrice = forward.loadUintBig(64);
  }

  /** Gas and two plain messages. */
  minimum(units: bigint): bigint {
    return minimumValue(units, this.prices);
  }

  plain(): bigint {
    return this.prices.lumpPrice;
  }

  carriage(cells: bigint, bits: bigint): bigint {
    return this.plain() + ((cells * this.cellPrice + bits * this.bitPrice + 0xffffn) >> 16n);
  }
}

/** A message to the ProxyContract or the root, ready to be sent from the state that `prepare` leaves. */
interface Case {
  readonly name: string;
  readonly from: string;
  readonly to: 'proxy' | 'root';
  readonly body: (world: World) => Cell;
  readonly prepare?: (world: World) => Promise<unknown>;
  readonly minimum: (fees: Fees, body: Cell) => bigint;
  /** What follows from it, in order, when it brings just that. */
  readonly follows: readonly string[];
  /** From twice the minimum on, what is left returns to the sender by a message of its own. */
  readonly returnsRest?: true;
  /** NanoTON of the contract's own that it pays at most; nothing unless told, since fees are the message's own. */
  readonly pays?: bigint;
}

const owner = (world: World, body: Cell) => world.send({ from: world.party('proxyOwner'), to: world.proxy.address, body });
const PROXY = { from: 'proxyOwner', to: 'proxy' } as const;

/** The dearest message that an order can carry: five receipts by the old key, out of the deepest dictionary. */
const DEAREST = gas('GasClientCharge') + 5n * (gas('GasClientSettleOne') + gas('GasClientSettleOpen'));

/** An order pays for itself, for its way at its size, and for the dearest message there is. */
const orderMinimum = (fees: Fees, body: Cell): bigint => {
  const { cells, bits } = sizeOf(known(body.refs[0]));
  const passing = fees.minimum(gas('GasProxyOrder') + BigInt(cells) * gas('GasProxyOrderCell')) - 2n * fees.plain();
  return passing + fees.carriage(BigInt(cells), BigInt(bits)) + fees.minimum(DEAREST);
};

/** proxy_root_register does not fit into one cell with its head: tag, query, stake, owner, delay, index. */
const REGISTER_BITS = 32n + 64n + 64n + 267n + 32n + 32n;

const CASES: readonly Case[] = [
  {
    name: 'fund a worker',
    from: 'operator',
    to: 'proxy',
    body: (world) => ProxyContract.fundBody({ workerOwner: world.party('stranger').address, amount: toNano('1') }),
    minimum: (fees) => fees.minimum(gas('GasProxyFund')) - fees.plain() + fees.carriage(gas('WorkerInitCells'), gas('WorkerInitBits')),
    follows: ['Proxy > NewWorker: payment'],
    returnsRest: true,
    pays: toNano('1'),
  },
  {
    ...PROXY,
    name: 'configure',
    body: (world) => {
      const endpoint = { url: 'a'.repeat(127), keyPin: new Uint8Array(32) };
      const payerKey = publicKeyOf(keyOf('another payer'));
      return ProxyContract.configureBody({ operator: world.party('stranger').address, payerKey, endpoint });
    },
    minimum: (fees) => fees.minimum(gas('GasProxyConfigure')),
    follows: [],
    returnsRest: true,
  },
  {
    ...PROXY,
    name: 'register',
    body: () => ProxyContract.registerBody({ stake: STAKE, forward: FORWARD }),
    minimum: (fees) => FORWARD + fees.minimum(gas('GasProxyRegister')) - 2n * fees.plain() + fees.carriage(1n, REGISTER_BITS),
    follows: ['Proxy > Root: proxyRootRegister', 'Root > proxyOwner: payment'],
  },
  {
    ...PROXY,
    name: 'leave',
    body: () => ProxyContract.leaveBody(),
    minimum: (fees) => fees.minimum(gas('GasProxyLeave')) + fees.minimum(gas('GasRootLeave')),
    follows: ['Proxy > Root: proxyRootLeave', 'Root > proxyOwner: payment'],
  },
  {
    ...PROXY,
    name: 'announce',
    body: () => ProxyContract.requestWithdrawalBody({ income: 1n, stake: 0n }),
    minimum: (fees) => fees.minimum(gas('GasProxyRequest')),
    follows: [],
    returnsRest: true,
  },
  {
    ...PROXY,
    name: 'complete the whole exit',
    body: () => ProxyContract.completeWithdrawalBody(),
    prepare: async (world) => {
      await owner(world, ProxyContract.leaveBody());
      await owner(world, ProxyContract.requestWithdrawalBody({ income: EVERYTHING, stake: EVERYTHING }));
      world.wait(DELAY);
    },
    minimum: (fees) => fees.minimum(gas('GasProxyComplete')),
    follows: ['Proxy > proxyOwner: payment'],
    pays: EVERYTHING,
  },
  {
    from: 'rootOwner',
    to: 'root',
    name: 'collect fees',
    body: () => RootContract.collectFeesBody(),
    minimum: (fees) => fees.minimum(gas('GasRootCollect')),
    follows: ['Root > rootOwner: payment'],
    pays: EVERYTHING,
  },
];

describe.each(ALL_PRICES)('minimum values of proxy and root at %s prices', (which) => {
  let world: World;
  let inUse: BlockchainSnapshot;
  let fees: Fees;

  beforeAll(async () => {
    world = await World.inUse(which);
    inUse = world.snapshot();
    fees = new Fees(world.chain.config);
    world.name(WorkerContract.create({ ...world.workerTerms, owner: world.party('stranger').address }).address, 'NewWorker');
  });

  beforeEach(async () => {
    await world.restore(inUse);
  });

  test.each(CASES)('$from: $name: the minimum covers every hop, one nano less changes nothing (INV-R4)', async (subject) => {
    await subject.prepare?.(world);
    const before = world.snapshot();
    const to: Address = world[subject.to].address;
    const from = world.party(subject.from);
    const body = subject.body(world);
    const minimum = subject.minimum(fees, body);
    await expectRefused(world, { from, to, body, value: minimum - 1n }, 'lowValue');
    await world.restore(before);
    const { trace, moved } = await world.send({ from, to, body, value: minimum });
    expect(trace[0]).not.toMatch(/refused|failed/);
    expect(trace.slice(1)).toEqual(subject.follows);
    expect(moved[subject.to === 'root' ? 'Root' : 'Proxy'] ?? 0n).toBeGreaterThanOrEqual(-(subject.pays ?? 0n));
  });

  test('a registration at its minimum binds all that is held but the reserve, and not a nano more (INV-R1)', async () => {
    const [from, to] = [world.party('proxyOwner'), world.proxy.address];
    const all = (await world.balance(to)) - ProxyContract.RESERVE;
    const value = FORWARD + fees.minimum(gas('GasProxyRegister')) - 2n * fees.plain() + fees.carriage(1n, REGISTER_BITS);
    const bodyOf = (stake: bigint) => ProxyContract.registerBody({ stake, forward: FORWARD });
    await expectRefused(world, { from, to, body: bodyOf(all + 1n), value }, 'notEnough');
    await world.restore(inUse);
    await world.send({ from, to, body: bodyOf(all), value });
    expect(await world.proxy.getState()).toMatchObject({ stake: all, isListed: true });
  });

  const returning = CASES.filter(({ returnsRest }) => returnsRest);
  test.each(returning)('$from: $name: from twice the minimum on, not a nano before, the rest returns (INV-R3, INV-R4)', async (subject) => {
    const { from, to, body, follows, minimum, pays = 0n } = subject;
    const before = world.snapshot();
    const sending = { from: world.party(from), to: world[to].address, body: body(world) };
    const twice = 2n * minimum(fees, sending.body);
    expect((await world.send({ ...sending, value: twice - 1n })).trace.slice(1)).toEqual(follows);
    await world.restore(before);
    const { trace, moved } = await world.send({ ...sending, value: twice });
    expect(trace.slice(1)).toEqual([...follows, `Proxy > ${from}: payment`]);
    expect(moved.Proxy ?? 0n).toBe(-pays);
  });

  test.each<[string, (channel: Address) => Cell]>([
    ['a charge', (channel) => ClientContract.chargeBody(signedVoucher({ channel, total: toNano('1'), upTo: 1n, open: 1n }))],
    ['a collection', () => ClientContract.collectBody()],
    ['a release', () => ClientContract.releaseBody({ amount: 1n })],
    ['five receipts', (channel) => ClientContract.settleBody({ receipts: settledAll(channel, NUMBERS) })],
  ])('an order for %s at its minimum covers what the channel asks for, one nano less is refused (INV-R4)', async (_what, orderOf) => {
    const channel = world.clientChannel.address;
    const body = ProxyContract.orderBody({ to: channel, order: orderOf(channel) });
    await expectOrder(body);
  });

  test('an order for the dearest settlement at its minimum covers what the channel asks for, one nano less is refused (INV-R4)', async () => {
    const channel = world.clientChannel.address;
    const open = deepestOpen(NUMBERS);
    const voucher = { channel, total: toNano('1'), upTo: EVERYTHING, open: openHash(open) };
    await world.send({ from: world.party('operator'), to: channel, body: ClientContract.chargeBody(signedVoucher(voucher)) });
    await world.clientChannel.sendRotateKey(world.party('client').getSender(), { sessionKey: publicKeyOf(keyOf('next')) });
    const order = ClientContract.settleBody({ receipts: settledAll(channel, NUMBERS, { byOldKey: true }), open });
    await expectOrder(ProxyContract.orderBody({ to: channel, order }));
  });

  async function expectOrder(body: Cell): Promise<void> {
    const order = { from: world.party('proxyOwner'), to: world.proxy.address, body };
    const minimum = orderMinimum(fees, body);
    const before = world.snapshot();
    await expectRefused(world, { ...order, value: minimum - 1n }, 'lowValue');
    await world.restore(before);
    const { trace } = await world.send({ ...order, value: minimum });
    expect(trace.slice(0, 2)).toEqual(['proxyOwner > Proxy: ownerProxyOrder', expect.stringMatching(/^Proxy > Client: \w+$/)]);
    expect(trace[2]).toMatch(/^Client > \w+: payment/);
  }

  test.each<[string, string, (world: World) => Cell, bigint]>([
    [
      'registration',
      'GasRootRegister',
      ({ proxyTerms }) =>
        beginCell()
          .storeUint(OPCODE.root.proxyRootRegister, 32)
          .storeUint(0, 64)
          .storeUint(STAKE, 64)
          .storeAddress(proxyTerms.owner)
          .storeUint(proxyTerms.withdrawDelay, 32)
          .storeUint(proxyTerms.index, 32)
          .endCell(),
      FEE,
    ],
    [
      'departure',
      'GasRootLeave',
      ({ proxyTerms }) => beginCell().storeUint(OPCODE.root.proxyRootLeave, 32).storeUint(0, 64).storeAddress(proxyTerms.owner).endCell(),
      0n,
    ],
  ])("the minimum of a proxy's %s at the root covers every hop, one nano less is refused (INV-R4)", async (what, name, bodyOf, fee) => {
    const minimum = fee + fees.minimum(gas(name)) - (what === 'registration' ? fees.plain() : 0n);
    const [proxy, root] = [world.proxy.address, world.root.address];
    const [refused, bounce] = await world.receive(proxy, root, bodyOf(world), minimum - 1n);
    expect([refused, bounce]).toEqual([expect.stringMatching(/ refused \(lowValue\)$/), 'Root > Proxy: bounce']);
    const trace = await world.receive(proxy, root, bodyOf(world), minimum);
    expect(trace).toEqual([expect.not.stringMatching(/refused|failed/), 'Root > proxyOwner: payment']);
  });
});

test('the size of what a worker channel is deployed with is the one that funding pays for (exact size)', async () => {
  const world = await World.create();
  const code = codeOf('WorkerContract');
  const data = known(world.workerChannel.init?.data ?? undefined);
  expect(sizeOf(code, data)).toEqual({ cells: Number(gas('WorkerInitCells')), bits: Number(gas('WorkerInitBits')) });
});
