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
import { OPCODE } from './opcodes';
import { packVoucher, type Voucher } from './statements';
import { aboveReserve, type Withdrawal } from './withdrawal';

/** What a channel's address follows from. */
export interface ClientTerms {
  /** The client's wallet: opens, withdraws. */
  readonly owner: Address;
  /** The ProxyContract that is paid. */
  readonly proxy: Address;
  /** The wallet that charges for the proxy. */
  readonly operator: Address;
  /** Seconds between announcing and completing a withdrawal: the proxy's own delay. */
  readonly withdrawDelay: number;
}

/** The account data of a ClientContract. Amounts in nanoTON. */
export interface ClientState {
  /** Ed25519 key of authorisations and vouchers; 0n while the channel is not open. */
  readonly sessionKey: bigint;
  /** Owed to the proxy so far in all, by voucher. */
  readonly charged: bigint;
  /** Paid to the proxy so far in all. */
  readonly paid: bigint;
  /** Of the last charged voucher: every request up to this number is covered, except the open ones. */
  readonly upTo: bigint;
  /** Of the last charged voucher: hash of the dictionary of open numbers, 0n for none. */
  readonly open: bigint;
  readonly withdrawal: Withdrawal | null;
  readonly terms: ClientTerms;
}

/** The client's channel to one proxy: the client's own money, paid out by vouchers. */
export class ClientContract implements Contract {
  /** What comes with each message by default, in nanoTON: well above the minimum; what is left returns to the sender. */
  static readonly VALUE = {
    charge: toNano('0.02'),
    collect: toNano('0.02'),
    requestWithdrawal: toNano('0.01'),
    completeWithdrawal: toNano('0.02'),
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

  /** The deposit that vouchers can be paid from, in an account with this balance. */
  static deposit(balance: bigint): bigint {
    return aboveReserve(balance, ClientContract.RESERVE);
  }

  /** Account data of a ClientContract. @throws when the cell has another form */
  static parseState(data: Cell): ClientState {
    const slice = data.beginParse();
    const sessionKey = slice.loadUintBig(256);
    const charged = slice.loadUintBig(64);
    const paid = slice.loadUintBig(64);
    const upTo = slice.loadUintBig(64);
    const open = slice.loadUintBig(256);
    const amount = slice.loadUintBig(64);
    const readyAt = slice.loadUintBig(64);
    const terms = parseTerms(slice.loadRef());
    slice.endParse();
    return { sessionKey, charged, paid, upTo, open, withdrawal: amount === 0n ? null : { amount, readyAt }, terms };
  }

  static openBody(message: { readonly sessionKey: bigint; readonly queryId?: bigint }): Cell {
    return beginCell()
      .storeUint(OPCODE.client.ownerClientOpen, 32)
      .storeUint(message.queryId ?? 0n, 64)
      .storeUint(message.sessionKey, 256)
      .endCell();
  }

  /** `signature` is the session key's, 64 bytes over the voucher's hash. */
  static chargeBody(message: { readonly voucher: Voucher; readonly signature: Uint8Array; readonly queryId?: bigint }): Cell {
    return beginCell()
      .storeUint(OPCODE.client.operatorClientCharge, 32)
      .storeUint(message.queryId ?? 0n, 64)
      .storeRef(packVoucher(message.voucher))
      .storeBuffer(Buffer.from(message.signature), 64)
      .endCell();
  }

  static collectBody(message: { readonly queryId?: bigint } = {}): Cell {
    return beginCell()
      .storeUint(OPCODE.client.operatorClientCollect, 32)
      .storeUint(message.queryId ?? 0n, 64)
      .endCell();
  }

  /** Replaces an earlier announcement and starts the delay anew; `amount` 0n cancels, EVERYTHING is the whole exit. */
  static requestWithdrawalBody(message: { readonly amount: bigint; readonly queryId?: bigint }): Cell {
    return beginCell()
      .storeUint(OPCODE.client.ownerClientRequestWithdrawal, 32)
      .storeUint(message.queryId ?? 0n, 64)
      .storeUint(message.amount, 64)
      .endCell();
  }

  static completeWithdrawalBody(message: { readonly queryId?: bigint } = {}): Cell {
    return beginCell()
      .storeUint(OPCODE.client.anyClientCompleteWithdrawal, 32)
      .storeUint(message.queryId ?? 0n, 64)
      .endCell();
  }

  /** From the owner: sets the session key, once. All of `value` becomes deposit. */
  async sendOpen(
    provider: ContractProvider,
    via: Sender,
    message: { readonly sessionKey: bigint; readonly value: bigint; readonly queryId?: bigint },
  ): Promise<void> {
    await provider.internal(via, { value: message.value, body: ClientContract.openBody(message) });
  }

  /** From anyone: all of `value` becomes deposit. */
  async sendTopUp(provider: ContractProvider, via: Sender, message: { readonly value: bigint; readonly comment?: string }): Promise<void> {
    await provider.internal(via, { value: message.value, body: message.comment });
  }

  /** From the operator: pays what the voucher adds to the ProxyContract, as far as the deposit goes. */
  async sendCharge(
    provider: ContractProvider,
    via: Sender,
    message: { readonly voucher: Voucher; readonly signature: Uint8Array; readonly value?: bigint; readonly queryId?: bigint },
  ): Promise<void> {
    await provider.internal(via, { value: message.value ?? ClientContract.VALUE.charge, body: ClientContract.chargeBody(message) });
  }

  /** From the operator: pays what was owed when the deposit ran out. */
  async sendCollect(
    provider: ContractProvider,
    via: Sender,
    message: { readonly value?: bigint; readonly queryId?: bigint } = {},
  ): Promise<void> {
    await provider.internal(via, { value: message.value ?? ClientContract.VALUE.collect, body: ClientContract.collectBody(message) });
  }

  /** From the owner. */
  async sendRequestWithdrawal(
    provider: ContractProvider,
    via: Sender,
    message: { readonly amount: bigint; readonly value?: bigint; readonly queryId?: bigint },
  ): Promise<void> {
    const body = ClientContract.requestWithdrawalBody(message);
    await provider.internal(via, { value: message.value ?? ClientContract.VALUE.requestWithdrawal, body });
  }

  /** From anyone, once the delay has passed: pays the owner. */
  async sendCompleteWithdrawal(
    provider: ContractProvider,
    via: Sender,
    message: { readonly value?: bigint; readonly queryId?: bigint } = {},
  ): Promise<void> {
    const body = ClientContract.completeWithdrawalBody(message);
    await provider.internal(via, { value: message.value ?? ClientContract.VALUE.completeWithdrawal, body });
  }

  /** The state by get-method, with the deposit that vouchers can be paid from. */
  async getState(provider: ContractProvider): Promise<ClientState & { readonly deposit: bigint }> {
    const { stack } = await provider.get('get_state', []);
    const sessionKey = stack.readBigNumber();
    const charged = stack.readBigNumber();
    const paid = stack.readBigNumber();
    const upTo = stack.readBigNumber();
    const open = stack.readBigNumber();
    const amount = stack.readBigNumber();
    const readyAt = stack.readBigNumber();
    const deposit = stack.readBigNumber();
    const terms = parseTerms(stack.readCell());
    return { sessionKey, charged, paid, upTo, open, withdrawal: amount === 0n ? null : { amount, readyAt }, terms, deposit };
  }
}

function initialData(terms: ClientTerms): Cell {
  return beginCell()
    .storeUint(0, 256)
    .storeUint(0, 64)
    .storeUint(0, 64)
    .storeUint(0, 64)
    .storeUint(0, 256)
    .storeUint(0, 64)
    .storeUint(0, 64)
    .storeRef(packTerms(terms))
    .endCell();
}

function packTerms(terms: ClientTerms): Cell {
  return beginCell()
    .storeAddress(basechain(terms.operator))
    .storeAddress(basechain(terms.proxy))
    .storeAddress(basechain(terms.owner))
    .storeUint(terms.withdrawDelay, 32)
    .endCell();
}

function parseTerms(cell: Cell): ClientTerms {
  const slice = cell.beginParse();
  const operator = loadBasechain(slice);
  const proxy = loadBasechain(slice);
  const owner = loadBasechain(slice);
  const withdrawDelay = slice.loadUint(32);
  slice.endParse();
  return { owner, proxy, operator, withdrawDelay };
}
