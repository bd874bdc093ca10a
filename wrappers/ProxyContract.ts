import {
  type Address,
  beginCell,
  type Cell,
  type Contract,
  type ContractProvider,
  contractAddress,
  Dictionary,
  type Sender,
  type Slice,
  type StateInit,
  toNano,
} from '@ton/core';
import { basechain, loadBasechain } from './addresses';
import { codeOf } from './contract-code';
import { type BodyOptions, beginMessage, type SendOptions } from './message';
import { OPCODE } from './opcodes';
import { aboveReserve } from './withdrawal';

/** What a proxy's address follows from. */
export interface ProxyTerms {
  readonly owner: Address;
  /** The RootContract of its network. */
  readonly root: Address;
  /** Seconds between announcing and completing a withdrawal, here and in the channels to and from this proxy. */
  readonly withdrawDelay: number;
  /** Lets one owner run several proxies. */
  readonly index: number;
}

/** Where clients and workers find the proxy. */
export interface Endpoint {
  /** 1 to 127 bytes of UTF-8. */
  readonly url: string;
  /** SHA-256 of the SubjectPublicKeyInfo of its TLS certificate, 32 bytes; null: the certificate is checked in the usual way. */
  readonly keyPin: Uint8Array | null;
}

/** An announced withdrawal of a proxy, in nanoTON; EVERYTHING for all of it. */
export interface ProxyWithdrawal {
  readonly income: bigint;
  readonly stake: bigint;
  /** Unix seconds: the earliest completion. It lapses `withdrawDelay` later. */
  readonly readyAt: bigint;
}

/** The account data of a ProxyContract. Amounts in nanoTON. */
export interface ProxyState {
  readonly stake: bigint;
  readonly withdrawal: ProxyWithdrawal | null;
  /** Whether the owner's last word to the root was to register: the root says whether it is listed. The stake is bound until the owner leaves. */
  readonly isListed: boolean;
  /** Ed25519 key of worker vouchers; 0n until the owner sets it. */
  readonly payerKey: bigint;
  /** The operator's wallet; null until the owner sets it. */
  readonly operator: Address | null;
  /** Periods of receipts anchored so far. */
  readonly anchors: bigint;
  /** The Merkle mountain range over their roots: by height h, the root of a perfect tree of 2^h periods (anchors.ts). */
  readonly peaks: ReadonlyMap<number, bigint>;
  readonly endpoint: Endpoint | null;
  readonly terms: ProxyTerms;
}

interface Configuration {
  readonly operator: Address;
  /** Ed25519 key of worker vouchers. */
  readonly payerKey: bigint;
  readonly endpoint: Endpoint;
}

/** A proxy's stake and income, the record of its receipts, and the source of its workers' channels. */
export class ProxyContract implements Contract {
  /** What comes with each message by default, in nanoTON: at least twice the minimum, so that what is left returns to the sender. */
  static readonly VALUE = {
    configure: toNano('0.05'),
    fund: toNano('0.05'),
    /** Above what `register` forwards to the root. */
    register: toNano('0.05'),
    leave: toNano('0.05'),
    requestWithdrawal: toNano('0.02'),
    completeWithdrawal: toNano('0.02'),
    order: toNano('0.05'),
    anchor: toNano('0.05'),
  } as const;

  /** NanoTON that stay in the contract for rent until a whole exit. */
  static readonly RESERVE = toNano('0.05');

  /** Coins for the root's gas that `register` forwards on top of the root's registration fee; what is left returns to the owner. */
  static readonly ROOT_GAS = toNano('0.05');

  private constructor(
    readonly address: Address,
    readonly init?: StateInit,
  ) {}

  /** The proxy under these terms; its address follows from them. @throws RangeError for an address of another workchain */
  static create(terms: ProxyTerms): ProxyContract {
    const init = { code: codeOf('ProxyContract'), data: initialData(terms) };
    return new ProxyContract(contractAddress(0, init), init);
  }

  static at(address: Address): ProxyContract {
    return new ProxyContract(address);
  }

  /** What the operator can fund workers from, in an account with this balance and stake. */
  static freeIncome(balance: bigint, stake: bigint): bigint {
    return aboveReserve(balance, stake + ProxyContract.RESERVE);
  }

  /** Account data of a ProxyContract. @throws when the cell has another form */
  static parseState(data: Cell): ProxyState {
    const slice = data.beginParse();
    const stake = slice.loadUintBig(64);
    const income = slice.loadUintBig(64);
    const withdrawStake = slice.loadUintBig(64);
    const readyAt = slice.loadUintBig(64);
    const isListed = slice.loadBit();
    const payerKey = slice.loadUintBig(256);
    const operator = loadOperator(slice);
    const anchors = slice.loadUintBig(64);
    const peaks = new Map([...slice.loadDict(PEAK_HEIGHT, PEAK)].sort(([a], [b]) => a - b));
    const endpoint = slice.loadMaybeRef();
    const terms = parseTerms(slice.loadRef());
    slice.endParse();
    return {
      stake,
      withdrawal: toWithdrawal(income, withdrawStake, readyAt),
      isListed,
      payerKey,
      operator,
      anchors,
      peaks,
      endpoint: endpoint === null ? null : parseEndpoint(endpoint),
      terms,
    };
  }

  /** Sets the operator, the payer key and the endpoint, all three. */
  static configureBody(message: Configuration & BodyOptions): Cell {
    return beginMessage(OPCODE.proxy.ownerProxyConfigure, message)
      .storeAddress(message.operator)
      .storeUint(message.payerKey, 256)
      .storeRef(packEndpoint(message.endpoint))
      .endCell();
  }

  /** Raises the stake to `stake`, out of what the contract holds and of what comes with the message; `forward` goes to the root. */
  static registerBody(message: { readonly stake: bigint; readonly forward: bigint } & BodyOptions): Cell {
    return beginMessage(OPCODE.proxy.ownerProxyRegister, message).storeUint(message.stake, 64).storeUint(message.forward, 64).endCell();
  }

  static leaveBody(message: BodyOptions = {}): Cell {
    return beginMessage(OPCODE.proxy.ownerProxyLeave, message).endCell();
  }

  /** Deploys the worker's channel if need be, and pays `amount` into it out of free income. */
  static fundBody(message: { readonly workerOwner: Address; readonly amount: bigint } & BodyOptions): Cell {
    return beginMessage(OPCODE.proxy.operatorProxyFund, message).storeAddress(message.workerOwner).storeUint(message.amount, 64).endCell();
  }

  /** Replaces an earlier announcement and starts the delay anew; both 0n cancel, EVERYTHING for all of it. */
  static requestWithdrawalBody(message: { readonly income: bigint; readonly stake: bigint } & BodyOptions): Cell {
    return beginMessage(OPCODE.proxy.ownerProxyRequestWithdrawal, message)
      .storeUint(message.income, 64)
      .storeUint(message.stake, 64)
      .endCell();
  }

  static completeWithdrawalBody(message: BodyOptions = {}): Cell {
    return beginMessage(OPCODE.proxy.ownerProxyCompleteWithdrawal, message).endCell();
  }

  /** Lets the proxy send `order`, a message for a ClientContract or a WorkerContract, with the coins that came with it. */
  static orderBody(message: { readonly to: Address; readonly order: Cell } & BodyOptions): Cell {
    return beginMessage(OPCODE.proxy.ownerProxyOrder, message).storeAddress(message.to).storeRef(message.order).endCell();
  }

  /** Records `root`, the Merkle root of a period's receipts (anchors.ts). */
  static anchorBody(message: { readonly root: bigint } & BodyOptions): Cell {
    return beginMessage(OPCODE.proxy.operatorProxyAnchor, message).storeUint(message.root, 256).endCell();
  }

  /** From anyone: all of `value` becomes free income. */
  async sendTopUp(provider: ContractProvider, via: Sender, message: { readonly value: bigint; readonly comment?: string }): Promise<void> {
    await provider.internal(via, { value: message.value, body: message.comment });
  }

  /** From the owner. */
  async sendConfigure(provider: ContractProvider, via: Sender, message: Configuration & SendOptions): Promise<void> {
    await provider.internal(via, { value: message.value ?? ProxyContract.VALUE.configure, body: ProxyContract.configureBody(message) });
  }

  /**
   * From the owner. `value` brings the coins: the stake as far as the contract does not hold it, what is forwarded, and gas
   * (VALUE.register); what is left counts as free income. `forward` is the root's registration fee and ROOT_GAS.
   */
  async sendRegister(
    provider: ContractProvider,
    via: Sender,
    message: { readonly stake: bigint; readonly forward: bigint; readonly value: bigint } & BodyOptions,
  ): Promise<void> {
    await provider.internal(via, { value: message.value, body: ProxyContract.registerBody(message) });
  }

  /** From the owner: leaves the registry. */
  async sendLeave(provider: ContractProvider, via: Sender, message: SendOptions = {}): Promise<void> {
    await provider.internal(via, { value: message.value ?? ProxyContract.VALUE.leave, body: ProxyContract.leaveBody(message) });
  }

  /** From the operator. */
  async sendFund(
    provider: ContractProvider,
    via: Sender,
    message: { readonly workerOwner: Address; readonly amount: bigint } & SendOptions,
  ): Promise<void> {
    await provider.internal(via, { value: message.value ?? ProxyContract.VALUE.fund, body: ProxyContract.fundBody(message) });
  }

  /** From the owner. */
  async sendRequestWithdrawal(
    provider: ContractProvider,
    via: Sender,
    message: { readonly income: bigint; readonly stake: bigint } & SendOptions,
  ): Promise<void> {
    const body = ProxyContract.requestWithdrawalBody(message);
    await provider.internal(via, { value: message.value ?? ProxyContract.VALUE.requestWithdrawal, body });
  }

  /** From the owner, once the delay has passed and before as much time again has. */
  async sendCompleteWithdrawal(provider: ContractProvider, via: Sender, message: SendOptions = {}): Promise<void> {
    const body = ProxyContract.completeWithdrawalBody(message);
    await provider.internal(via, { value: message.value ?? ProxyContract.VALUE.completeWithdrawal, body });
  }

  /** From the owner. */
  async sendOrder(
    provider: ContractProvider,
    via: Sender,
    message: { readonly to: Address; readonly order: Cell } & SendOptions,
  ): Promise<void> {
    await provider.internal(via, { value: message.value ?? ProxyContract.VALUE.order, body: ProxyContract.orderBody(message) });
  }

  /** From the operator. */
  async sendAnchor(provider: ContractProvider, via: Sender, message: { readonly root: bigint } & SendOptions): Promise<void> {
    await provider.internal(via, { value: message.value ?? ProxyContract.VALUE.anchor, body: ProxyContract.anchorBody(message) });
  }

  /** The state by get-method, with what the operator can fund workers from. */
  async getState(provider: ContractProvider): Promise<ProxyState & { readonly freeIncome: bigint }> {
    const { stack } = await provider.get('get_state', []);
    const { balance } = await provider.getState();
    const state = ProxyContract.parseState(stack.readCell());
    return { ...state, freeIncome: ProxyContract.freeIncome(balance, state.stake) };
  }

  /** The address of this proxy's channel to a worker, under its present payer key. */
  async getWorkerAddress(provider: ContractProvider, workerOwner: Address): Promise<Address> {
    const owner = beginCell().storeAddress(workerOwner).endCell();
    const { stack } = await provider.get('get_worker_address', [{ type: 'slice', cell: owner }]);
    return stack.readAddress();
  }

  /** Whether the receipt with this hash is in an anchored period: `proof` leads from it to the peak of this height (anchors.ts). */
  async getIsAnchored(
    provider: ContractProvider,
    question: { readonly receipt: bigint; readonly height: number; readonly proof: Cell },
  ): Promise<boolean> {
    const { stack } = await provider.get('get_is_anchored', [
      { type: 'int', value: question.receipt },
      { type: 'int', value: BigInt(question.height) },
      { type: 'cell', cell: question.proof },
    ]);
    return stack.readBoolean();
  }
}

const PEAK_HEIGHT = Dictionary.Keys.Uint(6);
const PEAK = Dictionary.Values.BigUint(256);

function initialData(terms: ProxyTerms): Cell {
  return beginCell()
    .storeUint(0, 64)
    .storeUint(0, 64)
    .storeUint(0, 64)
    .storeUint(0, 64)
    .storeBit(false)
    .storeUint(0, 256)
    .storeAddress(null)
    .storeUint(0, 64)
    .storeDict(Dictionary.empty(PEAK_HEIGHT, PEAK))
    .storeMaybeRef(null)
    .storeRef(packTerms(terms))
    .endCell();
}

function packTerms(terms: ProxyTerms): Cell {
  return beginCell()
    .storeAddress(basechain(terms.owner))
    .storeAddress(basechain(terms.root))
    .storeUint(terms.withdrawDelay, 32)
    .storeUint(terms.index, 32)
    .endCell();
}

function parseTerms(cell: Cell): ProxyTerms {
  const slice = cell.beginParse();
  const owner = loadBasechain(slice);
  const root = loadBasechain(slice);
  const withdrawDelay = slice.loadUint(32);
  const index = slice.loadUint(32);
  slice.endParse();
  return { owner, root, withdrawDelay, index };
}

/** @throws RangeError when the URL or the pin does not fit */
export function packEndpoint(endpoint: Endpoint): Cell {
  const url = Buffer.from(endpoint.url, 'utf8');
  if (url.length < 1 || url.length > 127) throw new RangeError(`endpoint url of ${url.length} bytes, limit 127`);
  const builder = beginCell().storeBit(endpoint.keyPin !== null);
  if (endpoint.keyPin !== null) {
    if (endpoint.keyPin.length !== 32) throw new RangeError(`key pin of ${endpoint.keyPin.length} bytes, expected 32`);
    builder.storeBuffer(Buffer.from(endpoint.keyPin));
  }
  return builder.storeRef(beginCell().storeBuffer(url).endCell()).endCell();
}

/** @throws when the cell has another form */
export function parseEndpoint(cell: Cell): Endpoint {
  const slice = cell.beginParse();
  const keyPin = slice.loadBit() ? new Uint8Array(slice.loadBuffer(32)) : null;
  const text = slice.loadRef().beginParse();
  slice.endParse();
  const url = text.loadBuffer(text.remainingBits / 8).toString('utf8');
  text.endParse();
  return { url, keyPin };
}

function loadOperator(slice: Slice): Address | null {
  const operator = slice.loadMaybeAddress();
  return operator === null ? null : basechain(operator);
}

function toWithdrawal(income: bigint, stake: bigint, readyAt: bigint): ProxyWithdrawal | null {
  return income === 0n && stake === 0n ? null : { income, stake, readyAt };
}
