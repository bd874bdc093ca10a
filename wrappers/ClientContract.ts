import {
  type Address,
  beginCell,
  type Cell,
  type Contract,
  type ContractProvider,
  contractAddress,
  type Sender,
  type StateInit,
  toNano,
} from '@ton/core';
import { basechain, loadBasechain } from './addresses';
import { codeOf } from './contract-code';
import { type BodyOptions, beginMessage, type SendOptions } from './message';
import { OPCODE } from './opcodes';
import { type SettledReceipt, settlementOf } from './settlement';
import { packOpen, type Voucher } from './statements';
import { aboveReserve, loadWithdrawal, storeNoWithdrawal, type Withdrawal } from './withdrawal';

export type { SettledReceipt } from './settlement';

/** What a channel's address follows from. */
export interface ClientTerms {
  /** The client's wallet: opens, rotates the key, withdraws. */
  readonly owner: Address;
  /** The ProxyContract that is paid. */
  readonly proxy: Address;
  /** The wallet that charges, settles, collects and releases for the proxy. */
  readonly operator: Address;
  /** Seconds between announcing and completing a withdrawal: the proxy's own delay. */
  readonly withdrawDelay: number;
}

/** The session key before the last rotation. */
export interface OldKey {
  readonly key: bigint;
  /** Unix seconds: what it signed counts until then, inclusive. */
  readonly until: number;
}

/** The account data of a ClientContract. Amounts in nanoTON. */
export interface ClientState {
  /** Owed to the proxy so far in all, by voucher and by receipt. */
  readonly charged: bigint;
  /** Paid to the proxy so far in all. */
  readonly paid: bigint;
  /** The highest number settled by receipt since the last charged voucher; 0n for none. */
  readonly settled: bigint;
  /** Of the last charged voucher: every request up to this number is covered, except the open ones. */
  readonly upTo: bigint;
  /** Of the last charged voucher: hash of the dictionary of open numbers, 0n for none. */
  readonly open: bigint;
  /** Ed25519 key of authorisations and vouchers; 0n while the channel is not open. */
  readonly sessionKey: bigint;
  /** Null until the key is rotated for the first time. */
  readonly oldKey: OldKey | null;
  readonly withdrawal: Withdrawal | null;
  readonly terms: ClientTerms;
}

interface Charge {
  readonly voucher: Voucher;
  /** 64 bytes over the voucher's hash. */
  readonly signature: Uint8Array;
  /** Whether the session key before the last rotation signed it. */
  readonly byOldKey?: boolean;
}

interface Settle {
  /** One to five, in rising order of their numbers. */
  readonly receipts: readonly SettledReceipt[];
  /** All open numbers of the last charged voucher; needed when one of the receipts' numbers is not above its `upTo`. */
  readonly open?: readonly bigint[];
}

/** The client's channel to one proxy: the client's own money, paid out by vouchers and receipts. */
export class ClientContract implements Contract {
  /** What comes with each message by default, in nanoTON: at least twice the minimum, so that what is left returns to the sender. */
  static readonly VALUE = {
    charge: toNano('0.02'),
    settle: toNano('0.05'),
    collect: toNano('0.02'),
    release: toNano('0.02'),
    requestWithdrawal: toNano('0.01'),
    completeWithdrawal: toNano('0.02'),
    rotateKey: toNano('0.01'),
  } as const;

  /** NanoTON that stay in the contract for rent until a whole exit. */
  static readonly RESERVE = toNano('0.02');

  private constructor(
    readonly address: Address,
    readonly init?: StateInit,
  ) {}

  /** The channel under these terms; its address follows from them. @throws RangeError for an address of another workchain */
  static create(terms: ClientTerms): ClientContract {
    const init = { code: codeOf('ClientContract'), data: initialData(terms) };
    return new ClientContract(contractAddress(0, init), init);
  }

  static at(address: Address): ClientContract {
    return new ClientContract(address);
  }

  /** The deposit that vouchers and receipts can be paid from, in an account with this balance. */
  static deposit(balance: bigint): bigint {
    return aboveReserve(balance, ClientContract.RESERVE);
  }

  /** Account data of a ClientContract. @throws when the cell has another form */
  static parseState(data: Cell): ClientState {
    const slice = data.beginParse();
    const charged = slice.loadUintBig(64);
    const paid = slice.loadUintBig(64);
    const settled = slice.loadUintBig(64);
    const upTo = slice.loadUintBig(64);
    const open = slice.loadUintBig(256);
    const sessionKey = slice.loadUintBig(256);
    const withdrawal = loadWithdrawal(slice);
    const terms = parseTerms(slice.loadRef());
    const oldKey = parseOldKey(slice.loadMaybeRef());
    slice.endParse();
    return { charged, paid, settled, upTo, open, sessionKey, oldKey, withdrawal, terms };
  }

  static openBody(message: { readonly sessionKey: bigint } & BodyOptions): Cell {
    return beginMessage(OPCODE.client.ownerClientOpen, message).storeUint(message.sessionKey, 256).endCell();
  }

  /** The voucher's channel is not sent: the contract puts its own address there. */
  static chargeBody(message: Charge & BodyOptions): Cell {
    const { voucher } = message;
    return beginMessage(OPCODE.client.operatorClientCharge, message)
      .storeBit(message.byOldKey ?? false)
      .storeBuffer(Buffer.from(message.signature), 64)
      .storeUint(voucher.total, 64)
      .storeUint(voucher.upTo, 64)
      .storeUint(voucher.open, 256)
      .endCell();
  }

  /** @throws RangeError when there is no receipt; StatementError when there are too many open numbers, or one repeats */
  static settleBody(message: Settle & BodyOptions): Cell {
    return beginMessage(OPCODE.client.operatorClientSettle, message)
      .storeMaybeRef(packOpen(message.open ?? []))
      .storeBuilder(settlementOf(message.receipts))
      .endCell();
  }

  static collectBody(message: BodyOptions = {}): Cell {
    return beginMessage(OPCODE.client.operatorClientCollect, message).endCell();
  }

  /** `amount` EVERYTHING is the whole exit. */
  static releaseBody(message: { readonly amount: bigint } & BodyOptions): Cell {
    return beginMessage(OPCODE.client.operatorClientRelease, message).storeUint(message.amount, 64).endCell();
  }

  /** Replaces an earlier announcement and starts the delay anew; `amount` 0n cancels, EVERYTHING is the whole exit. */
  static requestWithdrawalBody(message: { readonly amount: bigint } & BodyOptions): Cell {
    return beginMessage(OPCODE.client.ownerClientRequestWithdrawal, message).storeUint(message.amount, 64).endCell();
  }

  static completeWithdrawalBody(message: BodyOptions = {}): Cell {
    return beginMessage(OPCODE.client.anyClientCompleteWithdrawal, message).endCell();
  }

  static rotateKeyBody(message: { readonly sessionKey: bigint } & BodyOptions): Cell {
    return beginMessage(OPCODE.client.ownerClientRotateKey, message).storeUint(message.sessionKey, 256).endCell();
  }

  /** From the owner: sets the session key, once. All of `value` is for the deposit. */
  async sendOpen(
    provider: ContractProvider,
    via: Sender,
    message: { readonly sessionKey: bigint; readonly value: bigint } & BodyOptions,
  ): Promise<void> {
    await provider.internal(via, { value: message.value, body: ClientContract.openBody(message) });
  }

  /** From anyone: all of `value` becomes deposit. */
  async sendTopUp(provider: ContractProvider, via: Sender, message: { readonly value: bigint; readonly comment?: string }): Promise<void> {
    await provider.internal(via, { value: message.value, body: message.comment });
  }

  /** From the operator: pays what the voucher adds to the ProxyContract, as far as the deposit goes. */
  async sendCharge(provider: ContractProvider, via: Sender, message: Charge & SendOptions): Promise<void> {
    await provider.internal(via, { value: message.value ?? ClientContract.VALUE.charge, body: ClientContract.chargeBody(message) });
  }

  /** From the operator: pays what the receipts' requests cost to the ProxyContract, as far as the deposit goes. */
  async sendSettle(provider: ContractProvider, via: Sender, message: Settle & SendOptions): Promise<void> {
    await provider.internal(via, { value: message.value ?? ClientContract.VALUE.settle, body: ClientContract.settleBody(message) });
  }

  /** From the operator: pays what was owed when the deposit ran out. */
  async sendCollect(provider: ContractProvider, via: Sender, message: SendOptions = {}): Promise<void> {
    await provider.internal(via, { value: message.value ?? ClientContract.VALUE.collect, body: ClientContract.collectBody(message) });
  }

  /** From the operator: pays the owner at once. */
  async sendRelease(provider: ContractProvider, via: Sender, message: { readonly amount: bigint } & SendOptions): Promise<void> {
    await provider.internal(via, { value: message.value ?? ClientContract.VALUE.release, body: ClientContract.releaseBody(message) });
  }

  /** From the owner. */
  async sendRequestWithdrawal(provider: ContractProvider, via: Sender, message: { readonly amount: bigint } & SendOptions): Promise<void> {
    const body = ClientContract.requestWithdrawalBody(message);
    await provider.internal(via, { value: message.value ?? ClientContract.VALUE.requestWithdrawal, body });
  }

  /** From anyone, once the delay has passed: pays the owner. */
  async sendCompleteWithdrawal(provider: ContractProvider, via: Sender, message: SendOptions = {}): Promise<void> {
    const body = ClientContract.completeWithdrawalBody(message);
    await provider.internal(via, { value: message.value ?? ClientContract.VALUE.completeWithdrawal, body });
  }

  /** From the owner: the new key counts at once, the old one for the withdraw delay more. */
  async sendRotateKey(provider: ContractProvider, via: Sender, message: { readonly sessionKey: bigint } & SendOptions): Promise<void> {
    await provider.internal(via, { value: message.value ?? ClientContract.VALUE.rotateKey, body: ClientContract.rotateKeyBody(message) });
  }

  /** The state by get-method, with the deposit that vouchers and receipts can be paid from. */
  async getState(provider: ContractProvider): Promise<ClientState & { readonly deposit: bigint }> {
    const { stack } = await provider.get('get_state', []);
    const { balance } = await provider.getState();
    return { ...ClientContract.parseState(stack.readCell()), deposit: ClientContract.deposit(balance) };
  }
}

function initialData(terms: ClientTerms): Cell {
  return beginCell()
    .storeUint(0, 64)
    .storeUint(0, 64)
    .storeUint(0, 64)
    .storeUint(0, 64)
    .storeUint(0, 256)
    .storeUint(0, 256)
    .store(storeNoWithdrawal)
    .storeRef(packTerms(terms))
    .storeMaybeRef(null)
    .endCell();
}

function packTerms(terms: ClientTerms): Cell {
  return beginCell()
    .storeAddress(basechain(terms.operator))
    .storeAddress(basechain(terms.proxy))
    .storeUint(terms.withdrawDelay, 32)
    .storeAddress(basechain(terms.owner))
    .endCell();
}

function parseTerms(cell: Cell): ClientTerms {
  const slice = cell.beginParse();
  const operator = loadBasechain(slice);
  const proxy = loadBasechain(slice);
  const withdrawDelay = slice.loadUint(32);
  const owner = loadBasechain(slice);
  slice.endParse();
  return { owner, proxy, operator, withdrawDelay };
}

function parseOldKey(cell: Cell | null): OldKey | null {
  if (cell === null) return null;
  const slice = cell.beginParse();
  const key = slice.loadUintBig(256);
  const until = slice.loadUint(64);
  slice.endParse();
  return { key, until };
}
