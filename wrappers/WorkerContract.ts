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
import type { WorkerVoucher } from './statements';
import { aboveReserve, loadWithdrawal, storeNoWithdrawal, type Withdrawal } from './withdrawal';

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

interface Claim {
  readonly voucher: WorkerVoucher;
  /** The payer key's, 64 bytes over the voucher's hash. */
  readonly signature: Uint8Array;
}

/** The proxy's channel to one worker: the proxy's own money, paid out by worker vouchers. */
export class WorkerContract implements Contract {
  /** What comes with each message by default, in nanoTON: at least twice the minimum, so that what is left returns to the sender. */
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
    const withdrawal = loadWithdrawal(slice);
    const terms = parseTerms(slice.loadRef());
    slice.endParse();
    return { paid, tokens, withdrawal, terms };
  }

  /** The voucher's contract is not sent: the contract puts its own address there. */
  static claimBody(message: Claim & BodyOptions): Cell {
    const { voucher } = message;
    return beginMessage(OPCODE.worker.anyWorkerClaim, message)
      .storeBuffer(Buffer.from(message.signature), 64)
      .storeUint(voucher.total, 64)
      .storeUint(voucher.tokens, 64)
      .endCell();
  }

  /** For the ProxyContract, on its owner's order (ProxyContract.orderBody). `amount` 0n cancels, EVERYTHING is the whole exit. */
  static requestWithdrawalBody(message: { readonly amount: bigint } & BodyOptions): Cell {
    return beginMessage(OPCODE.worker.proxyWorkerRequestWithdrawal, message).storeUint(message.amount, 64).endCell();
  }

  static completeWithdrawalBody(message: BodyOptions = {}): Cell {
    return beginMessage(OPCODE.worker.anyWorkerCompleteWithdrawal, message).endCell();
  }

  /** From anyone: all of `value` becomes deposit. */
  async sendTopUp(provider: ContractProvider, via: Sender, message: { readonly value: bigint; readonly comment?: string }): Promise<void> {
    await provider.internal(via, { value: message.value, body: message.comment });
  }

  /** From anyone: pays what the voucher adds to the worker's owner, as far as the balance goes. */
  async sendClaim(provider: ContractProvider, via: Sender, message: Claim & SendOptions): Promise<void> {
    await provider.internal(via, { value: message.value ?? WorkerContract.VALUE.claim, body: WorkerContract.claimBody(message) });
  }

  /** From anyone, once the delay has passed: pays the ProxyContract. */
  async sendCompleteWithdrawal(provider: ContractProvider, via: Sender, message: SendOptions = {}): Promise<void> {
    const body = WorkerContract.completeWithdrawalBody(message);
    await provider.internal(via, { value: message.value ?? WorkerContract.VALUE.completeWithdrawal, body });
  }

  /** The state by get-method, with what vouchers can be paid from. */
  async getState(provider: ContractProvider): Promise<WorkerState & { readonly deposit: bigint }> {
    const { stack } = await provider.get('get_state', []);
    const { balance } = await provider.getState();
    return { ...WorkerContract.parseState(stack.readCell()), deposit: WorkerContract.deposit(balance) };
  }
}

function initialData(terms: WorkerTerms): Cell {
  return beginCell().storeUint(0, 64).storeUint(0, 64).store(storeNoWithdrawal).storeRef(packTerms(terms)).endCell();
}

function packTerms(terms: WorkerTerms): Cell {
  return beginCell()
    .storeAddress(basechain(terms.owner))
    .storeUint(terms.payerKey, 256)
    .storeUint(terms.withdrawDelay, 32)
    .storeAddress(basechain(terms.proxy))
    .endCell();
}

function parseTerms(cell: Cell): WorkerTerms {
  const slice = cell.beginParse();
  const owner = loadBasechain(slice);
  const payerKey = slice.loadUintBig(256);
  const withdrawDelay = slice.loadUint(32);
  const proxy = loadBasechain(slice);
  slice.endParse();
  return { owner, proxy, payerKey, withdrawDelay };
}
