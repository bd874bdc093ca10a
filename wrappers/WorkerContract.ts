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
import { packWorkerVoucher, type WorkerVoucher } from './statements';
import { aboveReserve, type Withdrawal } from './withdrawal';

/** What a worker's channel address follows from. */
export interface WorkerTerms {
  /** The wallet of the worker's owner, who is paid. */
  readonly owner: Address;
  /** The ProxyContract whose money this is. */
  readonly proxy: Address;
  /** Ed25519 key of the proxy's worker vouchers. */
  readonly payerKey: bigint;
  /** Seconds between announcing and completing a withdrawal: the proxy's own delay. */
  readonly withdrawDelay: number;
}

/** The account data of a WorkerContract. Amounts in nanoTON. */
export interface WorkerState {
  /** Paid to the worker's owner so far in all. */
  readonly paid: bigint;
  /** The highest token count of a claimed voucher: a record of the payer's word, not a proof. */
  readonly tokens: bigint;
  readonly withdrawal: Withdrawal | null;
  readonly terms: WorkerTerms;
}

/** The proxy's channel to one worker: the proxy's own money, paid out by worker vouchers. */
export class WorkerContract implements Contract {
  /** What comes with each message by default, in nanoTON: well above the minimum; what is left returns to the sender. */
  static readonly VALUE = {
    claim: toNano('0.02'),
    completeWithdrawal: toNano('0.02'),
  } as const;

  /** NanoTON that stay in the contract for rent until a whole exit. */
  static readonly RESERVE = toNano('0.02');

  private constructor(
    readonly address: Address,
    readonly init?: StateInit,
  ) {}

  /** The channel under these terms; its address follows from them. @throws RangeError for an address of another workchain */
  static create(terms: WorkerTerms): WorkerContract {
    const init = { code: codeOf('WorkerContract'), data: initialData(terms) };
    return new WorkerContract(contractAddress(0, init), init);
  }

  static at(address: Address): WorkerContract {
    return new WorkerContract(address);
  }

  /** What vouchers can be paid from, in an account with this balance. */
  static deposit(balance: bigint): bigint {
    return aboveReserve(balance, WorkerContract.RESERVE);
  }

  /** Account data of a WorkerContract. @throws when the cell has another form */
  static parseState(data: Cell): WorkerState {
    const slice = data.beginParse();
    const paid = slice.loadUintBig(64);
    const tokens = slice.loadUintBig(64);
    const amount = slice.loadUintBig(64);
    const readyAt = slice.loadUintBig(64);
    const terms = parseTerms(slice.loadRef());
    slice.endParse();
    return { paid, tokens, withdrawal: amount === 0n ? null : { amount, readyAt }, terms };
  }

  /** `signature` is the payer key's, 64 bytes over the voucher's hash. */
  static claimBody(message: { readonly voucher: WorkerVoucher; readonly signature: Uint8Array; readonly queryId?: bigint }): Cell {
    return beginCell()
      .storeUint(OPCODE.worker.anyWorkerClaim, 32)
      .storeUint(message.queryId ?? 0n, 64)
      .storeRef(packWorkerVoucher(message.voucher))
      .storeBuffer(Buffer.from(message.signature), 64)
      .endCell();
  }

  /** For the ProxyContract, on its owner's order (ProxyContract.orderBody). `amount` 0n cancels, EVERYTHING is the whole exit. */
  static requestWithdrawalBody(message: { readonly amount: bigint; readonly queryId?: bigint }): Cell {
    return beginCell()
      .storeUint(OPCODE.worker.proxyWorkerRequestWithdrawal, 32)
      .storeUint(message.queryId ?? 0n, 64)
      .storeUint(message.amount, 64)
      .endCell();
  }

  static completeWithdrawalBody(message: { readonly queryId?: bigint } = {}): Cell {
    return beginCell()
      .storeUint(OPCODE.worker.anyWorkerCompleteWithdrawal, 32)
      .storeUint(message.queryId ?? 0n, 64)
      .endCell();
  }

  /** From anyone: all of `value` becomes deposit. */
  async sendTopUp(provider: ContractProvider, via: Sender, message: { readonly value: bigint; readonly comment?: string }): Promise<void> {
    await provider.internal(via, { value: message.value, body: message.comment });
  }

  /** From anyone: pays what the voucher adds to the worker's owner, as far as the balance goes. */
  async sendClaim(
    provider: ContractProvider,
    via: Sender,
    message: { readonly voucher: WorkerVoucher; readonly signature: Uint8Array; readonly value?: bigint; readonly queryId?: bigint },
  ): Promise<void> {
    await provider.internal(via, { value: message.value ?? WorkerContract.VALUE.claim, body: WorkerContract.claimBody(message) });
  }

  /** From anyone, once the delay has passed: pays the ProxyContract. */
  async sendCompleteWithdrawal(
    provider: ContractProvider,
    via: Sender,
    message: { readonly value?: bigint; readonly queryId?: bigint } = {},
  ): Promise<void> {
    const body = WorkerContract.completeWithdrawalBody(message);
    await provider.internal(via, { value: message.value ?? WorkerContract.VALUE.completeWithdrawal, body });
  }

  /** The state by get-method, with what vouchers can be paid from. */
  async getState(provider: ContractProvider): Promise<WorkerState & { readonly deposit: bigint }> {
    const { stack } = await provider.get('get_state', []);
    const paid = stack.readBigNumber();
    const tokens = stack.readBigNumber();
    const amount = stack.readBigNumber();
    const readyAt = stack.readBigNumber();
    const deposit = stack.readBigNumber();
    const terms = parseTerms(stack.readCell());
    return { paid, tokens, withdrawal: amount === 0n ? null : { amount, readyAt }, terms, deposit };
  }
}

function initialData(terms: WorkerTerms): Cell {
  return beginCell().storeUint(0, 64).storeUint(0, 64).storeUint(0, 64).storeUint(0, 64).storeRef(packTerms(terms)).endCell();
}

function packTerms(terms: WorkerTerms): Cell {
  return beginCell()
    .storeAddress(basechain(terms.owner))
    .storeAddress(basechain(terms.proxy))
    .storeUint(terms.payerKey, 256)
    .storeUint(terms.withdrawDelay, 32)
    .endCell();
}

function parseTerms(cell: Cell): WorkerTerms {
  const slice = cell.beginParse();
  const owner = loadBasechain(slice);
  const proxy = loadBasechain(slice);
  const payerKey = slice.loadUintBig(256);
  const withdrawDelay = slice.loadUint(32);
  slice.endParse();
  return { owner, proxy, payerKey, withdrawDelay };
}
