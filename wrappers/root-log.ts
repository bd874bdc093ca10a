/**
 * The log of a RootContract: every change of policy, in order. Each entry leaves the contract as an external message, and the state
 * keeps only a head over all of them: who has the entries can hold them against that one number.
 */
import { beginCell, type Cell, type Slice } from '@ton/core';
import { sha256_sync } from '@ton/crypto';
import { OPCODE } from './opcodes';
import { CHANGE_KIND, type ChangeKind, toChangeKind } from './root-change';
import { type ModelKind, toModelKind } from './root-state';

/** Times are unix seconds; `change` is the hash of the change's cell (root-change.ts). */
export type LogEntry =
  | {
      readonly type: 'addImage';
      readonly at: bigint;
      readonly hash: bigint;
      readonly roles: number;
      readonly activeFrom: bigint;
      readonly note: bigint;
    }
  | {
      readonly type: 'addModel';
      readonly at: bigint;
      readonly hash: bigint;
      readonly kind: ModelKind;
      readonly activeFrom: bigint;
      readonly note: bigint;
    }
  | { readonly type: 'removeImage' | 'removeModel'; readonly at: bigint; readonly hash: bigint }
  | { readonly type: 'schedule'; readonly at: bigint; readonly kind: ChangeKind; readonly readyAt: bigint; readonly change: bigint }
  | { readonly type: 'cancel' | 'apply'; readonly at: bigint; readonly kind: ChangeKind; readonly change: bigint };

/** An entry begins with the tag of the message that made it. */
const TAG = {
  addImage: OPCODE.root.ownerRootAddImage,
  addModel: OPCODE.root.ownerRootAddModel,
  removeImage: OPCODE.root.guardianRootRemoveImage,
  removeModel: OPCODE.root.guardianRootRemoveModel,
  schedule: OPCODE.root.ownerRootSchedule,
  cancel: OPCODE.root.guardianRootCancel,
  apply: OPCODE.root.anyRootApply,
} as const;

/** The bytes of an entry: 85 of an addition, 44 of a removal, 53 of a schedule, 45 of a cancellation or an application. */
export function packLogEntry(entry: LogEntry): Buffer {
  const builder = beginCell().storeUint(TAG[entry.type], 32).storeUint(entry.at, 64);
  switch (entry.type) {
    case 'addImage':
      builder.storeUint(entry.hash, 256).storeUint(entry.roles, 8).storeUint(entry.note, 256).storeUint(entry.activeFrom, 64);
      break;
    case 'addModel':
      builder.storeUint(entry.hash, 256).storeUint(entry.kind, 8).storeUint(entry.note, 256).storeUint(entry.activeFrom, 64);
      break;
    case 'removeImage':
    case 'removeModel':
      builder.storeUint(entry.hash, 256);
      break;
    case 'schedule':
      builder.storeUint(CHANGE_KIND[entry.kind], 8).storeUint(entry.readyAt, 64).storeUint(entry.change, 256);
      break;
    case 'cancel':
    case 'apply':
      builder.storeUint(CHANGE_KIND[entry.kind], 8).storeUint(entry.change, 256);
      break;
  }
  return builder.asSlice().loadBuffer(builder.bits / 8);
}

/**
 * Reads the body of an external message from a RootContract.
 *
 * @returns the entry, and how many came before it
 * @throws when the cell has another form
 */
export function parseLogEntry(body: Cell): { readonly index: bigint; readonly entry: LogEntry } {
  const slice = body.beginParse();
  const index = slice.loadUintBig(64);
  const tag = slice.loadUint(32);
  const entry = loadEntry(tag, slice.loadUintBig(64), slice);
  slice.endParse();
  return { index, entry };
}

/** The head of the log after `entry`: SHA-256(head, entry). The first head is 0n. */
export function nextLogHead(head: bigint, entry: LogEntry): bigint {
  const before = Buffer.from(head.toString(16).padStart(64, '0'), 'hex');
  return BigInt(`0x${sha256_sync(Buffer.concat([before, packLogEntry(entry)])).toString('hex')}`);
}

function loadEntry(tag: number, at: bigint, slice: Slice): LogEntry {
  switch (tag) {
    case TAG.addImage:
      return { type: 'addImage', at, hash: slice.loadUintBig(256), roles: slice.loadUint(8), ...loadActivation(slice) };
    case TAG.addModel:
      return { type: 'addModel', at, hash: slice.loadUintBig(256), kind: toModelKind(slice.loadUint(8)), ...loadActivation(slice) };
    case TAG.removeImage:
      return { type: 'removeImage', at, hash: slice.loadUintBig(256) };
    case TAG.removeModel:
      return { type: 'removeModel', at, hash: slice.loadUintBig(256) };
    case TAG.schedule: {
      const kind = toChangeKind(slice.loadUint(8));
      return { type: 'schedule', at, kind, readyAt: slice.loadUintBig(64), change: slice.loadUintBig(256) };
    }
    case TAG.cancel:
      return { type: 'cancel', at, kind: toChangeKind(slice.loadUint(8)), change: slice.loadUintBig(256) };
    case TAG.apply:
      return { type: 'apply', at, kind: toChangeKind(slice.loadUint(8)), change: slice.loadUintBig(256) };
    default:
      throw new RangeError(`log entry with tag 0x${tag.toString(16)} is unknown`);
  }
}

function loadActivation(slice: Slice): { readonly note: bigint; readonly activeFrom: bigint } {
  return { note: slice.loadUintBig(256), activeFrom: slice.loadUintBig(64) };
}
