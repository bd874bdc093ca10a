/** Every message that the walk can send, as data: what the model reads, and the cell that the contract reads. */
import { type Address, beginCell, type Cell } from '@ton/core';
import { ClientContract, type SettledReceipt } from '../../wrappers/ClientContract';
import { OPCODE } from '../../wrappers/opcodes';
import { type Endpoint, ProxyContract } from '../../wrappers/ProxyContract';
import { type Change, type ChangeKind, type ModelKind, RootContract } from '../../wrappers/RootContract';
import type { Voucher, WorkerVoucher } from '../../wrappers/statements';
import { WorkerContract } from '../../wrappers/WorkerContract';
import type { Signer } from './keys';

/** A statement with the key that signed it; the channel that it names may be another than the one that it is sent to. */
export interface Signed<Statement> {
  readonly statement: Statement;
  readonly signature: Uint8Array;
  readonly signer: Signer;
}

/** A request that was authorised and answered, with the keys that said so. */
export interface Answered {
  readonly settled: SettledReceipt;
  readonly authorisedBy: Signer;
  readonly answeredBy: Signer;
  /** What it costs, in nanoTON. */
  readonly cost: bigint;
}

export type Contract = 'root' | 'proxy' | 'client' | 'worker';

export type ClientBody =
  | { readonly op: 'operatorClientCharge'; readonly voucher: Signed<Voucher>; readonly byOldKey: boolean }
  | {
      readonly op: 'operatorClientSettle';
      readonly receipts: readonly (Answered & { readonly byOldKey: boolean })[];
      readonly open: readonly bigint[];
    }
  | { readonly op: 'operatorClientCollect' }
  | { readonly op: 'operatorClientRelease'; readonly amount: bigint }
  | { readonly op: 'ownerClientRequestWithdrawal'; readonly amount: bigint }
  | { readonly op: 'anyClientCompleteWithdrawal' }
  | { readonly op: 'ownerClientOpen'; readonly sessionKey: bigint }
  | { readonly op: 'ownerClientRotateKey'; readonly sessionKey: bigint };

export type WorkerBody =
  | { readonly op: 'anyWorkerClaim'; readonly voucher: Signed<WorkerVoucher> }
  | { readonly op: 'proxyWorkerRequestWithdrawal'; readonly amount: bigint }
  | { readonly op: 'anyWorkerCompleteWithdrawal' };

export type ProxyBody =
  | { readonly op: 'operatorProxyFund'; readonly workerOwner: Address; readonly amount: bigint }
  | { readonly op: 'operatorProxyAnchor'; readonly root: bigint }
  | { readonly op: 'ownerProxyConfigure'; readonly operator: Address; readonly payerKey: bigint; readonly endpoint: Endpoint }
  | { readonly op: 'ownerProxyRegister'; readonly stake: bigint; readonly forward: bigint }
  | { readonly op: 'ownerProxyLeave' }
  | { readonly op: 'ownerProxyRequestWithdrawal'; readonly income: bigint; readonly stake: bigint }
  | { readonly op: 'ownerProxyCompleteWithdrawal' }
  | { readonly op: 'ownerProxyOrder'; readonly to: Address; readonly order: Body };

export type RootBody =
  | {
      readonly op: 'proxyRootRegister';
      readonly stake: bigint;
      readonly owner: Address;
      readonly withdrawDelay: number;
      readonly index: number;
    }
  | { readonly op: 'proxyRootLeave'; readonly owner: Address }
  | { readonly op: 'ownerRootAddImage'; readonly hash: bigint; readonly roles: number; readonly note: bigint }
  | { readonly op: 'ownerRootAddModel'; readonly hash: bigint; readonly kind: ModelKind; readonly note: bigint }
  | { readonly op: 'guardianRootRemoveImage'; readonly hash: bigint }
  | { readonly op: 'guardianRootRemoveModel'; readonly hash: bigint }
  | { readonly op: 'ownerRootCollectFees' }
  | { readonly op: 'ownerRootSchedule'; readonly change: Change }
  | { readonly op: 'guardianRootCancel'; readonly kind: ChangeKind }
  | { readonly op: 'anyRootApply'; readonly kind: ChangeKind };

/** `payment` is empty, `comment` has text. `unknown` has a tag of no message, a query id and a key. `bounce` is what a refusal sends back. */
export type OtherBody =
  | { readonly op: 'payment' }
  | { readonly op: 'comment' }
  | { readonly op: 'unknown'; readonly contract: Contract }
  | { readonly op: 'bounce' };

/** `tail`: one bit more than the message has. */
export type Body = (ClientBody | WorkerBody | ProxyBody | RootBody | OtherBody) & { readonly tail?: boolean };

export const PAYMENT: Body = { op: 'payment' };

/** The cell of a message. The same data gives the same cell. */
export function encode(body: Body): Cell {
  const cell = encodeFields(body);
  return body.tail === true ? withTail(cell) : cell;
}

function withTail(cell: Cell): Cell {
  return beginCell().storeSlice(cell.beginParse()).storeBit(true).endCell();
}

function encodeFields(body: Body): Cell {
  switch (body.op) {
    case 'payment':
      return beginCell().endCell();
    case 'comment':
      return beginCell().storeUint(0, 32).storeStringTail('a comment').endCell();
    case 'unknown':
      return beginCell().storeUint(UNKNOWN_TAG[body.contract], 32).storeUint(0, 64).storeUint(3n, 256).endCell();
    case 'bounce':
      throw new Error('only the chain makes bounces');
    case 'operatorClientCharge':
      return ClientContract.chargeBody({ ...unsign(body.voucher), byOldKey: body.byOldKey });
    case 'operatorClientSettle':
      return ClientContract.settleBody({
        receipts: body.receipts.map(({ settled, byOldKey }) => ({ ...settled, byOldKey })),
        open: body.open,
      });
    case 'operatorClientCollect':
      return ClientContract.collectBody();
    case 'operatorClientRelease':
      return ClientContract.releaseBody(body);
    case 'ownerClientRequestWithdrawal':
      return ClientContract.requestWithdrawalBody(body);
    case 'anyClientCompleteWithdrawal':
      return ClientContract.completeWithdrawalBody();
    case 'ownerClientOpen':
      return ClientContract.openBody(body);
    case 'ownerClientRotateKey':
      return ClientContract.rotateKeyBody(body);
    case 'anyWorkerClaim':
      return WorkerContract.claimBody(unsign(body.voucher));
    case 'proxyWorkerRequestWithdrawal':
      return WorkerContract.requestWithdrawalBody(body);
    case 'anyWorkerCompleteWithdrawal':
      return WorkerContract.completeWithdrawalBody();
    case 'operatorProxyFund':
      return ProxyContract.fundBody(body);
    case 'operatorProxyAnchor':
      return ProxyContract.anchorBody(body);
    case 'ownerProxyConfigure':
      return ProxyContract.configureBody(body);
    case 'ownerProxyRegister':
      return ProxyContract.registerBody(body);
    case 'ownerProxyLeave':
      return ProxyContract.leaveBody();
    case 'ownerProxyRequestWithdrawal':
      return ProxyContract.requestWithdrawalBody(body);
    case 'ownerProxyCompleteWithdrawal':
      return ProxyContract.completeWithdrawalBody();
    case 'ownerProxyOrder':
      return ProxyContract.orderBody({ to: body.to, order: encode(body.order) });
    case 'proxyRootRegister':
      return beginCell()
        .storeUint(OPCODE.root.proxyRootRegister, 32)
        .storeUint(0, 64)
        .storeUint(body.stake, 64)
        .storeAddress(body.owner)
        .storeUint(body.withdrawDelay, 32)
        .storeUint(body.index, 32)
        .endCell();
    case 'proxyRootLeave':
      return beginCell().storeUint(OPCODE.root.proxyRootLeave, 32).storeUint(0, 64).storeAddress(body.owner).endCell();
    case 'ownerRootAddImage':
      return RootContract.addImageBody(body);
    case 'ownerRootAddModel':
      return RootContract.addModelBody(body);
    case 'guardianRootRemoveImage':
      return RootContract.removeImageBody(body);
    case 'guardianRootRemoveModel':
      return RootContract.removeModelBody(body);
    case 'ownerRootCollectFees':
      return RootContract.collectFeesBody();
    case 'ownerRootSchedule':
      return RootContract.scheduleBody(body);
    case 'guardianRootCancel':
      return RootContract.cancelBody(body);
    case 'anyRootApply':
      return RootContract.applyBody(body);
  }
}

/** Whose message this is by its tag; undefined for a plain payment and for what the chain itself makes. */
export function receiverOf(body: Body): Contract | undefined {
  if (body.op === 'unknown') return body.contract;
  for (const contract of ['root', 'proxy', 'client', 'worker'] as const) if (body.op in OPCODE[contract]) return contract;
  return undefined;
}

/** Above every tag of each receiver. */
const UNKNOWN_TAG = { root: 0xc0c001ff, proxy: 0xc0c002ff, client: 0xc0c003ff, worker: 0xc0c004ff } as const;

function unsign<T>({ statement, signature }: Signed<T>): { readonly voucher: T; readonly signature: Uint8Array } {
  return { voucher: statement, signature };
}
