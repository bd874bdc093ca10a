/**
 * One network in the sandbox, as every contract test meets it: named parties, a fixed clock, the four contracts deployed and in use.
 * It trusts the sandbox's executor to be the TVM; it knows nothing that is off chain.
 */
import { createHash } from 'node:crypto';
import { Address, beginCell, Cell, type Message, type StateInit, toNano } from '@ton/core';
import { type KeyPair, keyPairFromSeed, sign } from '@ton/crypto';
import {
  Blockchain,
  type BlockchainSnapshot,
  type BlockchainTransaction,
  internal,
  type SandboxContract,
  type TreasuryContract,
} from '@ton/sandbox';
import { ClientContract, type ClientTerms } from '../wrappers/ClientContract';
import { mainnetPrices } from '../wrappers/chain-config';
import { exitCodeName } from '../wrappers/errors';
import { opcodeName } from '../wrappers/opcodes';
import { ProxyContract, type ProxyTerms } from '../wrappers/ProxyContract';
import { type Governance, RootContract } from '../wrappers/RootContract';
import { packVoucher, packWorkerVoucher, type Voucher, type WorkerVoucher } from '../wrappers/statements';
import { WorkerContract, type WorkerTerms } from '../wrappers/WorkerContract';

/** Mainnet's prices of 2026, and the six times dearer ones that the sandbox ships: every constant must hold under both. */
export type Prices = 'mainnet' | 'dear';
export const ALL_PRICES: readonly Prices[] = ['mainnet', 'dear'];

export const START = 1_790_000_000;
export const DELAY = 3_600;
export const TIMELOCK = 600;
export const STAKE = toNano('100');
export const FEE = toNano('1');
export const DEPOSIT = toNano('10');
export const FUNDING = toNano('5');
export const YEAR = 31_536_000;
export const FIVE_YEARS = 5 * YEAR;

export function keyOf(name: string): KeyPair {
  return keyPairFromSeed(createHash('sha256').update(name).digest());
}

export function publicKeyOf(pair: KeyPair): bigint {
  return BigInt(`0x${pair.publicKey.toString('hex')}`);
}

export const SESSION = keyOf('session');
/** What the client's owner rotates the session key to. */
export const NEXT_SESSION = keyOf('next session');
export const PAYER = keyOf('payer');
/** The receipt key of the guest that answers. */
export const RECEIPT = keyOf('receipt');
export const STRANGER_KEY = keyOf('stranger');

export type Party = SandboxContract<TreasuryContract>;

/** What one message did, in order: `operator > client: operatorClientCharge`, with `refused (code)` when it failed. */
export type Trace = readonly string[];

/** A message from a party, as a wallet would send it. */
export interface Sending {
  readonly from: Party;
  readonly to: Address;
  readonly body?: Cell;
  readonly value?: bigint;
  readonly bounce?: boolean;
  readonly init?: StateInit;
}

export interface Sent {
  readonly trace: Trace;
  readonly transactions: readonly BlockchainTransaction[];
  /** What each named account gained, in nanoTON; only those whose balance changed. */
  readonly moved: Readonly<Record<string, bigint>>;
  /** Network fees of all transactions, the wallet's own included. */
  readonly fees: bigint;
}

export class World {
  private constructor(
    readonly chain: Blockchain,
    private readonly parties: ReadonlyMap<string, Party>,
    private readonly names: Map<string, string>,
    readonly governance: Governance,
    readonly proxyTerms: ProxyTerms,
    readonly clientTerms: ClientTerms,
    readonly workerTerms: WorkerTerms,
  ) {}

  /** Parties with coins; the four contracts are known by name, and not deployed. */
  static async create(prices: Prices = 'mainnet'): Promise<World> {
    const plain = await Blockchain.create();
    const chain = prices === 'dear' ? plain : await Blockchain.create({ config: mainnetPrices(plain.config) });
    chain.now = START;
    const parties = new Map<string, Party>();
    const names = new Map<string, string>();
    for (const name of ['rootOwner', 'guardian', 'proxyOwner', 'operator', 'client', 'workerOwner', 'stranger']) {
      const party = await chain.treasury(name);
      parties.set(name, party);
      names.set(party.address.toRawString(), name);
    }
    const party = (name: string) => known(parties.get(name)).address;
    const params = { minProxyStake: STAKE, registrationFee: FEE, minProxyDelay: DELAY, maxImages: 4, maxModels: 4, maxProxies: 2 };
    const governance = { owner: party('rootOwner'), guardian: party('guardian'), networkId: -3, timelock: TIMELOCK, params };
    const root = RootContract.create(governance).address;
    const proxyTerms = { owner: party('proxyOwner'), root, withdrawDelay: DELAY, index: 0 };
    const proxy = ProxyContract.create(proxyTerms).address;
    const clientTerms = { owner: party('client'), proxy, operator: party('operator'), withdrawDelay: DELAY };
    const workerTerms = { owner: party('workerOwner'), proxy, payerKey: publicKeyOf(PAYER), withdrawDelay: DELAY };
    const world = new World(chain, parties, names, governance, proxyTerms, clientTerms, workerTerms);
    world.name(root, 'Root');
    world.name(proxy, 'Proxy');
    world.name(ClientContract.create(clientTerms).address, 'Client');
    world.name(WorkerContract.create(workerTerms).address, 'Worker');
    return world;
  }

  /** The same with everything deployed: root, a configured and listed proxy with 20 TON of income, an open channel, a funded worker. */
  static async inUse(prices: Prices = 'mainnet'): Promise<World> {
    const world = await World.create(prices);
    await world.root.sendTopUp(world.party('rootOwner').getSender(), { value: toNano('1') });
    const proxyOwner = world.party('proxyOwner').getSender();
    const endpoint = { url: 'https://proxy.example:10001', keyPin: null };
    await world.proxy.sendConfigure(proxyOwner, { operator: world.party('operator').address, payerKey: publicKeyOf(PAYER), endpoint });
    await world.proxy.sendRegister(proxyOwner, { stake: STAKE, forward: FEE + toNano('0.1'), value: STAKE + FEE + toNano('20') });
    await world.clientChannel.sendOpen(world.party('client').getSender(), { sessionKey: publicKeyOf(SESSION), value: DEPOSIT });
    const workerOwner = world.party('workerOwner').address;
    await world.proxy.sendFund(world.party('operator').getSender(), { workerOwner, amount: FUNDING });
    return world;
  }

  party(name: string): Party {
    return known(this.parties.get(name));
  }

  /** Makes traces say `name` for this address, and for no other. */
  name(address: Address, name: string): void {
    for (const [raw, holder] of this.names) if (holder === name) this.names.delete(raw);
    this.names.set(address.toRawString(), name);
  }

  get root(): SandboxContract<RootContract> {
    return this.chain.openContract(RootContract.create(this.governance));
  }

  get proxy(): SandboxContract<ProxyContract> {
    return this.chain.openContract(ProxyContract.create(this.proxyTerms));
  }

  get clientChannel(): SandboxContract<ClientContract> {
    return this.chain.openContract(ClientContract.create(this.clientTerms));
  }

  get workerChannel(): SandboxContract<WorkerContract> {
    return this.chain.openContract(WorkerContract.create(this.workerTerms));
  }

  get now(): number {
    return this.chain.now ?? START;
  }

  wait(seconds: number): void {
    this.chain.now = this.now + seconds;
  }

  snapshot(): BlockchainSnapshot {
    return this.chain.snapshot();
  }

  async restore(snapshot: BlockchainSnapshot): Promise<void> {
    await this.chain.loadFrom(snapshot);
  }

  async balance(address: Address): Promise<bigint> {
    return (await this.chain.getContract(address)).balance;
  }

  /** Account data; an empty cell for an account without any. */
  async data(address: Address): Promise<Cell> {
    const account = (await this.chain.getContract(address)).accountState;
    return account?.type === 'active' ? (account.state.data ?? Cell.EMPTY) : Cell.EMPTY;
  }

  /** Sends one message and everything that follows from it. No coin appears or vanishes: that is checked here, for every test. */
  async send(sending: Sending): Promise<Sent> {
    const before = await this.balances();
    const { transactions } = await sending.from.send({
      to: sending.to,
      body: sending.body ?? Cell.EMPTY,
      value: sending.value ?? toNano('1'),
      bounce: sending.bounce ?? true,
      init: sending.init,
    });
    const after = await this.balances();
    const moved: Record<string, bigint> = {};
    for (const [name, balance] of after) {
      const gain = balance - (before.get(name) ?? 0n);
      if (gain !== 0n) moved[name] = gain;
    }
    const fees = transactions.map(feesOf).reduce((a, b) => a + b, 0n);
    const gained = Object.values(moved).reduce((a, b) => a + b, 0n);
    if (gained + fees !== 0n) throw new Error(`coins appeared or vanished: ${gained} moved, ${fees} of fees`);
    // The first transaction is the wallet's own.
    return { trace: transactions.slice(1).map((transaction) => this.describe(transaction)), transactions, moved, fees };
  }

  /** A message of this contract with `body` comes back to it, in one of the chain's two formats. */
  async bounceInto(address: Address, body: Cell, value: bigint, format: BounceFormat = 'start'): Promise<Trace> {
    const message = internal({ from: this.root.address, to: address, value, bounced: true, body: BOUNCE_BODY[format](body) });
    return (await this.deliver(message)).trace;
  }

  /** A message from an address that is not a party's: only the chain itself could make it. */
  async receive(from: Address, to: Address, body: Cell, value: bigint): Promise<Trace> {
    return (await this.arrive(from, to, body, value)).trace;
  }

  /** The same, with its transactions: the first is the receiver's. */
  async arrive(from: Address, to: Address, body: Cell, value: bigint): Promise<Pick<Sent, 'trace' | 'transactions'>> {
    return this.deliver(internal({ from, to, value, bounce: true, body }));
  }

  private async deliver(message: Message): Promise<Pick<Sent, 'trace' | 'transactions'>> {
    const { transactions } = await this.chain.sendMessage(message);
    return { trace: transactions.map((transaction) => this.describe(transaction)), transactions };
  }

  private async balances(): Promise<Map<string, bigint>> {
    const balances = new Map<string, bigint>();
    for (const [raw, name] of this.names) balances.set(name, await this.balance(Address.parseRaw(raw)));
    return balances;
  }

  private describe(transaction: BlockchainTransaction): string {
    const message = known(transaction.inMessage ?? undefined);
    if (message.info.type !== 'internal') return 'external';
    const from = this.names.get(message.info.src.toRawString()) ?? message.info.src.toRawString();
    const to = this.names.get(message.info.dest.toRawString()) ?? message.info.dest.toRawString();
    return `${from} > ${to}: ${what(message)}${refusal(transaction)}`;
  }
}

/** What comes back of a message that bounces: the first 256 bits of its body, or all of it and why it failed. */
export type BounceFormat = 'start' | 'whole';
export const BOUNCE_FORMATS: readonly BounceFormat[] = ['start', 'whole'];

/** Source: block.tlb, NewBounceBody for the second: a refused message of 1 TON, failed in the compute phase with exit code 9. */
const BOUNCE_BODY: Readonly<Record<BounceFormat, (body: Cell) => Cell>> = {
  start: (body) => {
    const slice = body.beginParse();
    const start = slice.loadBits(Math.min(256, slice.remainingBits));
    return beginCell().storeUint(0xffffffff, 32).storeBits(start).endCell();
  },
  whole: (body) => {
    const info = beginCell().storeCoins(toNano('1')).storeBit(false).storeUint(1, 64).storeUint(START, 32).endCell();
    return beginCell().storeUint(0xfffffffe, 32).storeRef(body).storeRef(info).storeUint(0, 8).storeInt(9, 32).storeBit(false).endCell();
  },
};

/** A voucher of the client, signed. */
export function signedVoucher(voucher: Voucher, key: KeyPair = SESSION): { readonly voucher: Voucher; readonly signature: Uint8Array } {
  return { voucher, signature: sign(packVoucher(voucher).hash(), key.secretKey) };
}

/** A voucher of the proxy for a worker, signed. */
export function signedWorkerVoucher(
  voucher: WorkerVoucher,
  key: KeyPair = PAYER,
): { readonly voucher: WorkerVoucher; readonly signature: Uint8Array } {
  return { voucher, signature: sign(packWorkerVoucher(voucher).hash(), key.secretKey) };
}

/** Gas of the transaction that the message itself caused, without what follows from it. */
export function gasOf(sent: Pick<Sent, 'transactions'>, index = 1): bigint {
  const description = sent.transactions[index]?.description;
  if (description?.type !== 'generic' || description.computePhase.type !== 'vm') throw new Error('no compute phase');
  return description.computePhase.gasUsed;
}

/** Rent that was collected from `address` on the way. */
export function rentOf(sent: Pick<Sent, 'transactions'>, address: Address): bigint {
  let rent = 0n;
  for (const { description, inMessage } of sent.transactions) {
    if (description.type === 'generic' && inMessage?.info.dest?.toString() === address.toString()) {
      rent += description.storagePhase?.storageFeesCollected ?? 0n;
    }
  }
  return rent;
}

/** A value that a test has just made sure of. */
export function known<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('expected a value');
  return value;
}

function what(message: Message): string {
  if (message.info.type !== 'internal') return 'external';
  if (message.info.bounced) return 'bounce';
  const body = message.body.beginParse();
  if (body.remainingBits < 32) return 'payment';
  const op = body.loadUint(32);
  return op === 0 ? 'payment' : (opcodeName(op) ?? `0x${op.toString(16)}`);
}

/** How the compute or action phase failed. A plain wallet that receives coins never fails; an account that is not deployed runs nothing. */
function refusal(transaction: BlockchainTransaction): string {
  const { description } = transaction;
  if (description.type !== 'generic') return ' (not a message)';
  if (description.computePhase.type === 'skipped') return '';
  if (description.computePhase.exitCode !== 0) {
    return ` refused (${exitCodeName(description.computePhase.exitCode) ?? description.computePhase.exitCode})`;
  }
  const action = description.actionPhase;
  return action && !action.success ? ` failed in the action phase (${action.resultCode})` : '';
}

export function feesOf(transaction: BlockchainTransaction): bigint {
  let fees = transaction.totalFees.coins;
  for (const message of transaction.outMessages.values()) if (message.info.type === 'internal') fees += message.info.forwardFee;
  return fees;
}
