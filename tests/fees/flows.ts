/**
 * What each message and each whole flow costs: gas of all our contracts in it, and network fees besides the sender's own wallet, under
 * both price configurations. Measured in the sandbox; nothing here decides whether a number is good (targets.ts does).
 */
import { beginCell, type Cell, toNano } from '@ton/core';
import { merkleRoot } from '../../wrappers/anchors';
import { ClientContract } from '../../wrappers/ClientContract';
import { type ContractName, codeOf } from '../../wrappers/contract-code';
import { GAS, type MessagePrices, messagePrices, minimumValue } from '../../wrappers/minimum-value';
import { ProxyContract } from '../../wrappers/ProxyContract';
import { type ChangeKind, MODEL_KIND, RootContract } from '../../wrappers/RootContract';
import { MAX_OPEN, openHash } from '../../wrappers/statements';
import { WorkerContract } from '../../wrappers/WorkerContract';
import { EVERYTHING } from '../../wrappers/withdrawal';
import { changeOf, NEW_OWNER } from '../changes';
import { settledAll } from '../settling';
import {
  ALL_PRICES,
  DELAY,
  DEPOSIT,
  FEE,
  FUNDING,
  feesOf,
  known,
  NEXT_SESSION,
  PAYER,
  type Prices,
  publicKeyOf,
  SESSION,
  STAKE,
  signedVoucher,
  signedWorkerVoucher,
  TIMELOCK,
  World,
} from '../world';

export interface Flow {
  /** Gas of our contracts, by receiver and message, in the order in which they ran. */
  readonly gas: Readonly<Record<string, number>>;
  /** Fees for gas and messages of the whole flow but for the sender's own wallet, in nanoTON. */
  readonly feesNano: Readonly<Record<Prices, number>>;
}

export interface CodeSize {
  readonly cells: number;
  /** Of the bag of cells, as it travels and as compilers report it. */
  readonly bocBytes: number;
}

/** Units of gas that a message asks for, and what it has to bring for that and two plain messages, in nanoTON. */
export interface Minimum {
  readonly gas: number;
  readonly nano: Readonly<Record<Prices, number>>;
}

export interface Measured {
  readonly code: Readonly<Record<ContractName, CodeSize>>;
  readonly flows: Readonly<Record<string, Flow>>;
  /** By the names of wrappers/minimum-value.ts. */
  readonly minimums: Readonly<Record<string, Minimum>>;
}

/** In the order in which pages list them. */
export const CONTRACTS: readonly ContractName[] = ['RootContract', 'ProxyContract', 'ClientContract', 'WorkerContract'];

const NUMBERS = [1n, 2n, 3n, 4n, 5n];
const MANY = 10_000n;

/** Four hashes whose dictionary is even: a new one forks once. */
const HASHES = [0n, 1n, 2n, 3n].map((i) => i << 254n);

/** All flows and sizes. A few seconds. */
export async function measure(): Promise<Measured> {
  const [mainnet, dear] = [await measureAt('mainnet'), await measureAt('dear')];
  const flows: Record<string, Flow> = {};
  for (const [name, { gas, fees }] of mainnet) {
    flows[name] = { gas: Object.fromEntries(gas), feesNano: { mainnet: Number(fees), dear: Number(known(dear.get(name)).fees) } };
  }
  return { code: sizes(), flows, minimums: await minimums() };
}

/** Gas of all our contracts in a flow. */
export function totalGas(flow: Flow): number {
  return Object.values(flow.gas).reduce((sum, gas) => sum + gas, 0);
}

async function minimums(): Promise<Record<string, Minimum>> {
  const [mainnet, dear] = await Promise.all(ALL_PRICES.map(async (which) => messagePrices((await World.create(which)).chain.config)));
  const entries = Object.entries(GAS).map(([name, gas]): [string, Minimum] => {
    const nano = { mainnet: Number(minimumValue(gas, known(mainnet))), dear: Number(minimumValue(gas, known(dear))) };
    return [name, { gas: Number(gas), nano }];
  });
  return Object.fromEntries(entries);
}

function sizes(): Record<ContractName, CodeSize> {
  const sizeOf = (name: ContractName): CodeSize => {
    const code = codeOf(name);
    return { cells: cellsOf(code), bocBytes: code.toBoc().length };
  };
  return {
    RootContract: sizeOf('RootContract'),
    ProxyContract: sizeOf('ProxyContract'),
    ClientContract: sizeOf('ClientContract'),
    WorkerContract: sizeOf('WorkerContract'),
  };
}

function cellsOf(root: Cell): number {
  const seen = new Set<string>();
  const walk = (cell: Cell) => {
    const hash = cell.hash().toString('hex');
    if (seen.has(hash)) return;
    seen.add(hash);
    cell.refs.forEach(walk);
  };
  walk(root);
  return seen.size;
}

interface Measurement {
  readonly gas: Map<string, number>;
  fees: bigint;
}

/** Flows by name, at one price configuration. */
class Meter {
  readonly flows = new Map<string, Measurement>();

  private readonly prices: MessagePrices;

  constructor(private readonly world: World) {
    this.prices = messagePrices(world.chain.config);
  }

  /** One fifth above the minimum of a message that uses `gas` at most: enough, and too little for a refund. */
  enough(gas: bigint): bigint {
    return (minimumValue(gas, this.prices) * 6n) / 5n;
  }

  /** Sends one message and adds what follows from it to the flow. */
  async send(
    flow: string,
    from: string,
    to: 'root' | 'proxy' | 'clientChannel' | 'workerChannel',
    value: bigint,
    body?: Cell,
  ): Promise<void> {
    const { address, init } = this.world[to];
    const isNew = (await this.world.balance(address)) === 0n;
    const { transactions, trace } = await this.world.send({
      from: this.world.party(from),
      to: address,
      body,
      value,
      ...(isNew && { init }),
    });
    const measurement = this.flows.get(flow) ?? { gas: new Map(), fees: 0n };
    this.flows.set(flow, measurement);
    transactions.slice(1).forEach((transaction, i) => {
      const line = known(trace[i]);
      if (/refused|failed/.test(line)) throw new Error(`${flow}: ${line}`);
      const { description } = transaction;
      const rent = description.type === 'generic' ? (description.storagePhase?.storageFeesCollected ?? 0n) : 0n;
      measurement.fees += feesOf(transaction) - rent;
      const [, receiver, what] = /> ([A-Z]\w*): (.*)$/.exec(line) ?? [];
      if (receiver === undefined || description.type !== 'generic' || description.computePhase.type !== 'vm') return;
      const key = `${receiver} ${what}`;
      measurement.gas.set(key, (measurement.gas.get(key) ?? 0) + Number(description.computePhase.gasUsed));
    });
  }
}

async function measureAt(prices: Prices): Promise<ReadonlyMap<string, Measurement>> {
  const world = await World.create(prices);
  const meter = new Meter(world);
  await setUp(world, meter);
  await payments(world, meter);
  await settlements(world, meter);
  await policy(world, meter);
  await exits(world, meter);
  return meter.flows;
}

async function setUp(world: World, meter: Meter): Promise<void> {
  const endpoint = { url: 'https://proxy.example:10001', keyPin: null };
  const operator = world.party('operator').address;
  const workerOwner = world.party('workerOwner').address;
  const fund = ProxyContract.fundBody({ workerOwner, amount: FUNDING });
  const { VALUE } = ProxyContract;

  await world.root.sendTopUp(world.party('rootOwner').getSender(), { value: toNano('1') });
  const configure = ProxyContract.configureBody({ operator, payerKey: publicKeyOf(PAYER), endpoint });
  await meter.send('proxy: configure', 'proxyOwner', 'proxy', VALUE.configure, configure);
  const register = ProxyContract.registerBody({ stake: STAKE, forward: FEE + toNano('0.1') });
  await meter.send('proxy: register', 'proxyOwner', 'proxy', STAKE + FEE + toNano('20'), register);
  await meter.send('proxy: fund a new worker', 'operator', 'proxy', VALUE.fund, fund);
  await meter.send('proxy: fund a known worker', 'operator', 'proxy', VALUE.fund, fund);

  const open = ClientContract.openBody({ sessionKey: publicKeyOf(SESSION) });
  await meter.send('client: open with a deposit', 'client', 'clientChannel', DEPOSIT, open);
  await meter.send('client: deposit', 'client', 'clientChannel', DEPOSIT);
  const comment = beginCell().storeUint(0, 32).storeStringTail('deposit').endCell();
  await meter.send('client: deposit with a comment', 'stranger', 'clientChannel', DEPOSIT, comment);
}

async function payments(world: World, meter: Meter): Promise<void> {
  const client = world.clientChannel.address;
  const worker = world.workerChannel.address;
  const enough = meter.enough(GAS.clientCharge);
  const charge = (total: bigint, upTo: bigint, open: readonly bigint[] = []) =>
    ClientContract.chargeBody(signedVoucher({ channel: client, total, upTo, open: openHash(open) }));
  await meter.send('client: charge', 'operator', 'clientChannel', enough, charge(toNano('1'), 1n));
  await meter.send('client: charge, with a refund', 'operator', 'clientChannel', ClientContract.VALUE.charge, charge(toNano('2'), 2n));
  const open = Array.from({ length: MAX_OPEN }, (_, i) => BigInt(9 * i + 7));
  await meter.send(
    'client: charge 10,000 requests, 1,024 of them open',
    'operator',
    'clientChannel',
    enough,
    charge(toNano('3'), MANY, open),
  );
  const order = ProxyContract.orderBody({ to: client, order: charge(toNano('4'), 4n) });
  await meter.send("client: charge on the proxy owner's order", 'proxyOwner', 'proxy', ProxyContract.VALUE.order, order);
  await meter.send('client: charge above the deposit', 'operator', 'clientChannel', enough, charge(toNano('50'), 5n));
  await world.send({ from: world.party('client'), to: client, value: toNano('100') });
  await meter.send('client: collect the rest', 'operator', 'clientChannel', enough, ClientContract.collectBody());

  const claim = (total: bigint) => WorkerContract.claimBody(signedWorkerVoucher({ workerContract: worker, total, tokens: total }));
  await meter.send('worker: deposit', 'stranger', 'workerChannel', toNano('1'));
  await meter.send('worker: claim', 'workerOwner', 'workerChannel', meter.enough(GAS.workerClaim), claim(toNano('1')));
  await meter.send('worker: claim, with a refund', 'workerOwner', 'workerChannel', WorkerContract.VALUE.claim, claim(toNano('2')));
}

async function settlements(world: World, meter: Meter): Promise<void> {
  const channel = world.clientChannel.address;
  const above = (numbers: readonly bigint[]) =>
    settledAll(
      channel,
      numbers.map((number) => MANY + number),
    );
  const one = ClientContract.settleBody({ receipts: above([1n]) });
  await meter.send('client: settle one receipt', 'operator', 'clientChannel', meter.enough(GAS.clientCharge + GAS.clientSettleOne), one);
  const five = ClientContract.settleBody({ receipts: above(NUMBERS.map((number) => number + 1n)) });
  await meter.send(
    'client: settle five receipts',
    'operator',
    'clientChannel',
    meter.enough(GAS.clientCharge + 5n * GAS.clientSettleOne),
    five,
  );

  const open = Array.from({ length: MAX_OPEN }, (_, i) => BigInt(9 * i + 7));
  const voucher = { channel, total: toNano('60'), upTo: MANY, open: openHash(open) };
  await world.send({ from: world.party('operator'), to: channel, body: ClientContract.chargeBody(signedVoucher(voucher)) });
  const shown = ClientContract.settleBody({ receipts: settledAll(channel, open.slice(0, 5)), open });
  const gas = GAS.clientCharge + 5n * GAS.clientSettleOne + 5n * GAS.clientSettleOpen;
  await meter.send('client: settle five receipts out of 1,024 open', 'operator', 'clientChannel', meter.enough(gas), shown);

  const rotate = ClientContract.rotateKeyBody({ sessionKey: publicKeyOf(NEXT_SESSION) });
  await meter.send('client: rotate the key', 'client', 'clientChannel', meter.enough(GAS.clientRotate), rotate);

  const receipts = Array.from({ length: Number(MANY) }, (_, i) => BigInt(i + 1));
  const anchor = ProxyContract.anchorBody({ root: merkleRoot(receipts) });
  await meter.send('proxy: anchor 10,000 receipts', 'operator', 'proxy', meter.enough(GAS.proxyAnchor), anchor);
  const next = ProxyContract.anchorBody({ root: 5n });
  await meter.send('proxy: anchor, one merge', 'operator', 'proxy', meter.enough(GAS.proxyAnchor + GAS.proxyAnchorMerge), next);
}

async function policy(world: World, meter: Meter): Promise<void> {
  const act = (flow: string, body: Cell, from = 'rootOwner') => meter.send(flow, from, 'root', meter.enough(GAS.rootChange), body);
  const [first, ...others] = HASHES.map((hash) => RootContract.addImageBody({ hash, roles: 1, note: 1n }));
  await act('root: allow the first hash of a list', known(first));
  for (const other of others.slice(0, 2)) await world.send({ from: world.party('rootOwner'), to: world.root.address, body: other });
  await act('root: allow the fourth hash of a list', known(others[2]));
  await act('root: allow a model', RootContract.addModelBody({ hash: 1n, kind: MODEL_KIND.files, note: 1n }));
  await act('root: revoke one of four hashes', RootContract.removeImageBody({ hash: known(HASHES[3]) }), 'guardian');
  for (const kind of KINDS) {
    await act(`root: schedule a change of the ${kind}`, RootContract.scheduleBody({ change: changeOf(kind, world) }));
    await act(`root: cancel a change of the ${kind}`, RootContract.cancelBody({ kind }));
  }
  for (const kind of KINDS.filter((each) => each !== 'code')) {
    await world.send({
      from: world.party('rootOwner'),
      to: world.root.address,
      body: RootContract.scheduleBody({ change: changeOf(kind, world) }),
    });
  }
  world.wait(2 * TIMELOCK);
  await act('root: apply a change of the params', RootContract.applyBody({ kind: 'params' }), 'stranger');
  await act('root: apply a change of the guardian', RootContract.applyBody({ kind: 'guardian' }), 'stranger');
  await act('root: apply a change of the owner', RootContract.applyBody({ kind: 'owner' }), NEW_OWNER);
  await meter.send('root: collect fees', NEW_OWNER, 'root', meter.enough(GAS.rootCollect), RootContract.collectFeesBody());
}

const KINDS: readonly ChangeKind[] = ['params', 'owner', 'guardian', 'timelock', 'code'];

async function exits(world: World, meter: Meter): Promise<void> {
  const whole = { amount: EVERYTHING };
  const before = world.snapshot();
  const release = ClientContract.releaseBody(whole);
  await meter.send('client: cooperative exit', 'operator', 'clientChannel', meter.enough(GAS.clientRelease), release);
  await world.restore(before);

  const exit = 'client: unilateral exit';
  const request = ClientContract.requestWithdrawalBody(whole);
  await meter.send(exit, 'client', 'clientChannel', meter.enough(GAS.clientRequest), request);
  const order = ProxyContract.orderBody({ to: world.workerChannel.address, order: WorkerContract.requestWithdrawalBody(whole) });
  await meter.send('worker: exit of the proxy', 'proxyOwner', 'proxy', ProxyContract.VALUE.order, order);
  await meter.send('proxy: leave the registry', 'proxyOwner', 'proxy', ProxyContract.VALUE.leave, ProxyContract.leaveBody());
  const all = ProxyContract.requestWithdrawalBody({ income: EVERYTHING, stake: EVERYTHING });
  await meter.send('proxy: exit', 'proxyOwner', 'proxy', meter.enough(GAS.proxyRequest), all);
  world.wait(DELAY);
  await meter.send(exit, 'client', 'clientChannel', meter.enough(GAS.clientComplete), ClientContract.completeWithdrawalBody());
  const complete = WorkerContract.completeWithdrawalBody();
  await meter.send('worker: exit of the proxy', 'stranger', 'workerChannel', meter.enough(GAS.workerComplete), complete);
  await meter.send('proxy: exit', 'proxyOwner', 'proxy', meter.enough(GAS.proxyComplete), ProxyContract.completeWithdrawalBody());
}
