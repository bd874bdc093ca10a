/** What only a schedule can change in a RootContract. */
import { type Address, type Builder, beginCell, type Cell, type Slice } from '@ton/core';
import { basechain, loadBasechain } from './addresses';

/** What the root asks of proxies, in nanoTON and seconds, and how long its lists may grow. */
export interface RootParams {
  readonly minProxyStake: bigint;
  readonly registrationFee: bigint;
  readonly minProxyDelay: number;
  readonly maxImages: number;
  readonly maxModels: number;
  readonly maxProxies: number;
}

/** The kinds of change as the contract counts them. */
export const CHANGE_KIND = { params: 0, owner: 1, guardian: 2, timelock: 3, code: 4 } as const;
export type ChangeKind = keyof typeof CHANGE_KIND;

export type Change =
  | { readonly kind: 'params'; readonly params: RootParams }
  /** Applied by the new owner, and by nobody else. */
  | { readonly kind: 'owner'; readonly owner: Address }
  /** Waits twice the timelock; the guardian cannot cancel it. */
  | { readonly kind: 'guardian'; readonly guardian: Address }
  /** Seconds. */
  | { readonly kind: 'timelock'; readonly timelock: number }
  | { readonly kind: 'code'; readonly code: Cell };

export interface ScheduledChange {
  readonly change: Change;
  /** Unix seconds: the earliest application. */
  readonly readyAt: bigint;
  /** Unix seconds: the latest. */
  readonly lapsesAt: bigint;
}

/** The cell of a change; a log entry names it by its hash. @throws RangeError for an address of another workchain */
export function packChange(change: Change): Cell {
  return beginCell().storeUint(CHANGE_KIND[change.kind], 8).store(storeDetails(change)).endCell();
}

/** @throws when the cell has another form */
export function parseChange(cell: Cell): Change {
  const slice = cell.beginParse();
  const change = loadDetails(toChangeKind(slice.loadUint(8)), slice);
  slice.endParse();
  return change;
}

/** @throws RangeError for a number that is no kind of change */
export function toChangeKind(value: number): ChangeKind {
  switch (value) {
    case CHANGE_KIND.params:
      return 'params';
    case CHANGE_KIND.owner:
      return 'owner';
    case CHANGE_KIND.guardian:
      return 'guardian';
    case CHANGE_KIND.timelock:
      return 'timelock';
    case CHANGE_KIND.code:
      return 'code';
    default:
      throw new RangeError(`kind of change ${value} is unknown`);
  }
}

/** params$_ of schema.tlb. */
function storeParams(params: RootParams): (builder: Builder) => void {
  return (builder) =>
    builder
      .storeUint(params.minProxyStake, 64)
      .storeUint(params.registrationFee, 64)
      .storeUint(params.minProxyDelay, 32)
      .storeUint(params.maxImages, 16)
      .storeUint(params.maxModels, 16)
      .storeUint(params.maxProxies, 16);
}

function loadParams(slice: Slice): RootParams {
  return {
    minProxyStake: slice.loadUintBig(64),
    registrationFee: slice.loadUintBig(64),
    minProxyDelay: slice.loadUint(32),
    maxImages: slice.loadUint(16),
    maxModels: slice.loadUint(16),
    maxProxies: slice.loadUint(16),
  };
}

/** What follows a change's tag. */
function storeDetails(change: Change): (builder: Builder) => void {
  switch (change.kind) {
    case 'params':
      return storeParams(change.params);
    case 'owner':
      return (builder) => builder.storeAddress(basechain(change.owner));
    case 'guardian':
      return (builder) => builder.storeAddress(basechain(change.guardian));
    case 'timelock':
      return (builder) => builder.storeUint(change.timelock, 32);
    case 'code':
      return (builder) => builder.storeRef(change.code);
  }
}

function loadDetails(kind: ChangeKind, slice: Slice): Change {
  switch (kind) {
    case 'params':
      return { kind, params: loadParams(slice) };
    case 'owner':
      return { kind, owner: loadBasechain(slice) };
    case 'guardian':
      return { kind, guardian: loadBasechain(slice) };
    case 'timelock':
      return { kind, timelock: slice.loadUint(32) };
    case 'code':
      return { kind, code: slice.loadRef() };
  }
}
