import { Address, beginCell, type Cell, Dictionary, toNano } from '@ton/core';
import type { BlockchainSnapshot } from '@ton/sandbox';
import '@ton/test-utils';
import { ClientContract } from '../wrappers/ClientContract';
import { codeOf } from '../wrappers/contract-code';
import { OPCODE } from '../wrappers/opcodes';
import { ProxyContract } from '../wrappers/ProxyContract';
import { MODEL_KIND, RootContract } from '../wrappers/RootContract';
import { WorkerContract } from '../wrappers/WorkerContract';
import { EVERYTHING } from '../wrappers/withdrawal';
import { expectRefused } from './refusal';
import { constantsOf } from './sources';
import { ALL_PRICES, DELAY, FEE, gasOf, known, PAYER, publicKeyOf, STAKE, signedVoucher, signedWorkerVoucher, World } from './world';

const GAS = constantsOf('gas.tact');
const gas = (name: string) => BigInt(known(GAS.get(name)));

/** ConfigParams 21 and 25 of a chain: what gas and forwarding cost in the basechain. Source: block.tlb. */
function pricesOf(config: Cell): { compute: (gas: bigint) => bigint; forward: (cells: number, bits: number) => bigint } {
  const parameters = Dictionary.loadDirect(Dictionary.Keys.Int(32), Dictionary.Values.Cell(), config);
  const limits = known(parameters.get(21)).beginParse().skip(8);
  const flatLimit = limits.loadUintBig(64);
  const flatPrice = limits.loadUintBig(64);
  const gasPrice = limits.skip(8).loadUintBig(64);
  const messages = known(parameters.get(25)).beginParse().skip(8);
  const lump = messages.loadUintBig(64);
  const bitPrice = messages.loadUintBig(64);
  const cellPrice = messages.loadUintBig(64);
  const scaled = (price: bigint) => (price + 0xffffn) >> 16n;
  return {
    compute: (used) => flatPrice + scaled((used - flatLimit) * gasPrice),
    forward: (cells, bits) => lump + scaled(BigInt(cells) * cellPrice + BigInt(bits) * bitPrice),
  };
}

/** A message with a minimum value, ready to be sent from the state that `prepare` leaves. */
interface Case {
  readonly name: string;
  readonly from: string;
  readonly to: (world: World) => Address;
  readonly body: (world: World) => Cell;
  readonly prepare?: (world: World) => Promise<void>;
  /** The constant in contracts/gas.tact, and whether the message uses just that much. */
  readonly gas: string;
  readonly isExact: boolean;
  /** Plain messages that the value pays for. */
  readonly plain: number;
  /** What else the value must cover. */
  readonly more?: (prices: ReturnType<typeof pricesOf>) => bigint;
}

const client = (world: World) => world.clientChannel.address;
const worker = (world: World) => world.workerChannel.address;
const proxy = (world: World) => world.proxy.address;
const root = (world: World) => world.root.address;
const chargeOf = (world: World) =>
  ClientContract.chargeBody(signedVoucher({ channel: client(world), total: toNano('1'), upTo: 1n, open: 1n }));
const claimOf = (world: World) =>
  WorkerContract.claimBody(signedWorkerVoucher({ workerContract: worker(world), total: toNano('1'), tokens: 1n }));
const from = (world: World, name: string, to: Address, body: Cell) => world.send({ from: world.party(name), to, body });
const orderOf = (to: Address, order: Cell) => ProxyContract.orderBody({ to, order });

/** What the ProxyContract itself sends to the root. */
const registrationOf = (world: World) =>
  beginCell()
    .storeUint(OPCODE.root.proxyRootRegister, 32)
    .storeUint(0, 64)
    .storeUint(STAKE, 64)
    .storeAddress(world.proxyTerms.owner)
    .storeUint(world.proxyTerms.withdrawDelay, 32)
    .storeUint(world.proxyTerms.index, 32)
    .endCell();
const departureOf = (world: World) =>
  beginCell().storeUint(OPCODE.root.proxyRootLeave, 32).storeUint(0, 64).storeAddress(world.proxyTerms.owner).endCell();

const announceClient = (amount: bigint) => async (world: World) => {
  await from(world, 'client', client(world), ClientContract.requestWithdrawalBody({ amount }));
  world.wait(DELAY);
};
const announceWorker = (amount: bigint) => async (world: World) => {
  await from(world, 'proxyOwner', proxy(world), orderOf(worker(world), WorkerContract.requestWithdrawalBody({ amount })));
  world.wait(DELAY);
};
const announceProxy = async (world: World) => {
  await from(world, 'proxyOwner', proxy(world), ProxyContract.leaveBody());
  await from(world, 'proxyOwner', proxy(world), ProxyContract.requestWithdrawalBody({ income: EVERYTHING, stake: EVERYTHING }));
  world.wait(DELAY);
};
const exhaust = async (world: World) => {
  const voucher = signedVoucher({ channel: client(world), total: toNano('50'), upTo: 1n, open: 0n });
  await from(world, 'operator', client(world), ClientContract.chargeBody(voucher));
  await world.send({ from: world.party('client'), to: client(world), value: toNano('1') });
};

/** What a proxy uses to take a payment comes on top of what it is owed. */
const toPayProxy = (prices: ReturnType<typeof pricesOf>) => prices.compute(gas('GasProxyPayment'));

/** Exact cases pay the operator's and the owner's way; the variants of one message never use more gas than its constant. */
const CASES: readonly Case[] = [
  {
    name: 'client: charge',
    from: 'operator',
    to: client,
    body: chargeOf,
    gas: 'GasClientCharge',
    isExact: false,
    plain: 2,
    more: toPayProxy,
  },
  {
    name: 'client: collect',
    from: 'operator',
    to: client,
    body: () => ClientContract.collectBody(),
    prepare: exhaust,
    gas: 'GasClientCollect',
    isExact: false,
    plain: 2,
    more: toPayProxy,
  },
  {
    name: 'client: announce',
    from: 'client',
    to: client,
    body: () => ClientContract.requestWithdrawalBody({ amount: 1n }),
    gas: 'GasClientRequest',
    isExact: true,
    plain: 1,
  },
  {
    name: 'client: cancel',
    from: 'client',
    to: client,
    body: () => ClientContract.requestWithdrawalBody({ amount: 0n }),
    gas: 'GasClientRequest',
    isExact: false,
    plain: 1,
  },
  {
    name: 'client: complete',
    from: 'stranger',
    to: client,
    body: () => ClientContract.completeWithdrawalBody(),
    prepare: announceClient(5n),
    gas: 'GasClientComplete',
    isExact: true,
    plain: 2,
  },
  {
    name: 'client: whole exit',
    from: 'client',
    to: client,
    body: () => ClientContract.completeWithdrawalBody(),
    prepare: announceClient(EVERYTHING),
    gas: 'GasClientComplete',
    isExact: false,
    plain: 2,
  },
  { name: 'worker: claim', from: 'stranger', to: worker, body: claimOf, gas: 'GasWorkerClaim', isExact: true, plain: 2 },
  {
    name: 'worker: complete',
    from: 'stranger',
    to: worker,
    body: () => WorkerContract.completeWithdrawalBody(),
    prepare: announceWorker(5n),
    gas: 'GasWorkerComplete',
    isExact: true,
    plain: 2,
    more: toPayProxy,
  },
  {
    name: 'worker: whole exit',
    from: 'stranger',
    to: worker,
    body: () => WorkerContract.completeWithdrawalBody(),
    prepare: announceWorker(EVERYTHING),
    gas: 'GasWorkerComplete',
    isExact: false,
    plain: 2,
    more: toPayProxy,
  },
  {
    name: 'proxy: fund',
    from: 'operator',
    to: proxy,
    body: (world) => ProxyContract.fundBody({ workerOwner: world.party('stranger').address, amount: toNano('1') }),
    gas: 'GasProxyFund',
    isExact: false,
    plain: 1,
    more: (prices) => prices.forward(Number(gas('WorkerInitCells')), Number(gas('WorkerInitBits'))),
  },
  {
    name: 'proxy: configure',
    from: 'proxyOwner',
    to: proxy,
    body: (world) => {
      const endpoint = { url: 'https://a', keyPin: new Uint8Array(32) };
      return ProxyContract.configureBody({ operator: world.party('stranger').address, payerKey: publicKeyOf(PAYER), endpoint });
    },
    gas: 'GasProxyConfigure',
    isExact: false,
    plain: 1,
  },
  {
    name: 'proxy: register',
    from: 'proxyOwner',
    to: proxy,
    body: () => ProxyContract.registerBody({ stake: STAKE, forward: FEE + toNano('0.1') }),
    gas: 'GasProxyRegister',
    isExact: false,
    plain: 1,
    more: () => FEE + toNano('0.1'),
  },
  {
    name: 'proxy: leave',
    from: 'proxyOwner',
    to: proxy,
    body: () => ProxyContract.leaveBody(),
    gas: 'GasProxyLeave',
    isExact: false,
    plain: 2,
    more: (prices) => prices.compute(gas('GasProxyLeave') + gas('GasRootLeave')) - prices.compute(gas('GasProxyLeave')),
  },
  {
    name: 'proxy: announce',
    from: 'proxyOwner',
    to: proxy,
    body: () => ProxyContract.requestWithdrawalBody({ income: 1n, stake: 0n }),
    gas: 'GasProxyRequest',
    isExact: false,
    plain: 1,
  },
  {
    name: 'proxy: whole exit',
    from: 'proxyOwner',
    to: proxy,
    body: () => ProxyContract.completeWithdrawalBody(),
    prepare: announceProxy,
    gas: 'GasProxyComplete',
    isExact: false,
    plain: 1,
  },
  {
    name: 'proxy: order a charge',
    from: 'proxyOwner',
    to: proxy,
    body: (world) => orderOf(client(world), chargeOf(world)),
    gas: 'GasProxyOrder',
    isExact: false,
    plain: 2,
    more: (prices) =>
      prices.compute(gas('GasProxyOrder') + gas('GasClientCharge')) -
      prices.compute(gas('GasProxyOrder')) +
      toPayProxy(prices) +
      prices.forward(Number(gas('OrderedCells')), Number(gas('OrderedBits'))),
  },
  {
    name: 'root: add an image',
    from: 'rootOwner',
    to: root,
    body: () => RootContract.addImageBody({ hash: 1n, roles: 1, note: 1n }),
    gas: 'GasRootChange',
    isExact: false,
    plain: 1,
  },
  {
    name: 'root: add a model',
    from: 'rootOwner',
    to: root,
    body: () => RootContract.addModelBody({ hash: 1n, kind: MODEL_KIND.files, note: 1n }),
    gas: 'GasRootChange',
    isExact: false,
    plain: 1,
  },
  {
    name: 'root: collect fees',
    from: 'rootOwner',
    to: root,
    body: () => RootContract.collectFeesBody(),
    gas: 'GasRootCollect',
    isExact: false,
    plain: 1,
  },
];

describe.each(ALL_PRICES)('minimum values at %s prices', (which) => {
  let world: World;
  let inUse: BlockchainSnapshot;
  let prices: ReturnType<typeof pricesOf>;

  beforeAll(async () => {
    world = await World.inUse(which);
    inUse = world.snapshot();
    prices = pricesOf(world.chain.config);
    world.name(WorkerContract.create({ ...world.workerTerms, owner: world.party('stranger').address }).address, 'NewWorker');
  });

  beforeEach(async () => {
    await world.restore(inUse);
  });

  test.each(CASES)('$name: the minimum covers every hop, one nano less changes nothing (INV-R4)', async (subject) => {
    await subject.prepare?.(world);
    const to = subject.to(world);
    const body = subject.body(world);
    const minimum = prices.compute(gas(subject.gas)) + BigInt(subject.plain) * prices.forward(0, 0) + (subject.more?.(prices) ?? 0n);
    const before = world.snapshot();
    const used = gasOf(await world.send({ from: world.party(subject.from), to, body, value: minimum + toNano('1') }));
    expect(used).toBeLessThanOrEqual(gas(subject.gas));
    if (subject.isExact) expect(used).toBe(gas(subject.gas));
    await world.restore(before);
    await expectRefused(world, { from: world.party(subject.from), to, body, value: minimum - 1n }, 'lowValue');
    await world.restore(before);
    const sent = await world.send({ from: world.party(subject.from), to, body, value: minimum });
    // Nothing hangs on what a plain payment does when it arrives: one too small to run anything is credited all the same.
    expect(sent.trace.filter((line) => /refused|failed|bounce/.test(line) && !/: payment/.test(line))).toEqual([]);
    expect(sent.trace.length).toBeGreaterThan(1);
  });

  test.each<[string, string, (world: World) => Cell, bigint]>([
    ['registration', 'GasRootRegister', registrationOf, FEE],
    ['departure', 'GasRootLeave', departureOf, 0n],
  ])('root: the minimum of a %s covers every hop, one nano less is refused (INV-R4)', async (_what, name, body, fee) => {
    const minimum = prices.compute(gas(name)) + prices.forward(0, 0) + fee;
    const [refused, bounce] = await world.receive(proxy(world), root(world), body(world), minimum - 1n);
    expect([refused, bounce]).toEqual([expect.stringMatching(/ refused \(lowValue\)$/), 'Root > Proxy: bounce']);
    const trace = await world.receive(proxy(world), root(world), body(world), minimum);
    expect(trace).toEqual([expect.not.stringMatching(/refused|failed/), 'Root > proxyOwner: payment']);
  });

  test('an order to a channel at its minimum carries enough for the channel, which then uses all that its constant says (INV-R4)', async () => {
    const sent = await world.send({ from: world.party('proxyOwner'), to: proxy(world), body: orderOf(client(world), chargeOf(world)) });
    expect(gasOf(sent, 2)).toBe(gas('GasClientCharge'));
    await exhaust(world);
    const collected = await from(world, 'proxyOwner', proxy(world), orderOf(client(world), ClientContract.collectBody()));
    expect(gasOf(collected, 2)).toBe(gas('GasClientCollect'));
    const announced = await from(
      world,
      'proxyOwner',
      proxy(world),
      orderOf(worker(world), WorkerContract.requestWithdrawalBody({ amount: 1n })),
    );
    expect(gasOf(announced, 2)).toBe(gas('GasWorkerRequest'));
  });
});

const OWNER = new Address(0, Buffer.alloc(32, 1));

test('the size of what a worker channel is deployed with is the one that funding pays for', () => {
  const init = known(WorkerContract.create({ owner: OWNER, proxy: OWNER, payerKey: 1n, withdrawDelay: 1 }).init);
  const cells = new Map<string, Cell>();
  const walk = (cell: Cell) => {
    cells.set(cell.hash().toString('hex'), cell);
    cell.refs.forEach(walk);
  };
  walk(codeOf('WorkerContract'));
  walk(known(init.data ?? undefined));
  expect(cells.size).toBe(Number(gas('WorkerInitCells')));
  expect([...cells.values()].reduce((bits, cell) => bits + cell.bits.length, 0)).toBe(Number(gas('WorkerInitBits')));
});
