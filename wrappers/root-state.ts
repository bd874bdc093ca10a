/** The account data of a RootContract: its lists, its governance, and the head of its log. */
import { type Address, beginCell, type Cell, Dictionary, type DictionaryValue } from '@ton/core';
import { basechain, loadBasechain } from './addresses';
import { CHANGE_KIND, type ChangeKind, packChange, parseChange, type RootParams, type ScheduledChange } from './root-change';

/** Who governs, and by which rules. */
export interface Governance {
  readonly owner: Address;
  /** May remove what the owner adds, and cancel what the owner schedules. */
  readonly guardian: Address;
  /** int32; two networks never share an address, since every address derives from it. */
  readonly networkId: number;
  /** Seconds between an addition or a schedule and its effect. */
  readonly timelock: number;
  readonly params: RootParams;
}

/** The same, with what is about to change. */
export interface GovernanceState extends Governance {
  /** At most one scheduled change of each kind. */
  readonly changes: ReadonlyMap<ChangeKind, ScheduledChange>;
}

/** What an image may do: bits of `roles`. */
export const IMAGE_ROLE = { worker: 1, proxy: 2 } as const;

/** How a model is proven: files hashed at start, dm-verity, or not at all. */
export const MODEL_KIND = { files: 0, verity: 1, unproven: 2 } as const;
export type ModelKind = (typeof MODEL_KIND)[keyof typeof MODEL_KIND];

/** A guest image on the allowlist. */
export interface ImageEntry {
  /** Bits of IMAGE_ROLE. */
  readonly roles: number;
  /** Unix seconds: the entry counts from then on. */
  readonly activeFrom: bigint;
  /** Hash of a text that says what this is. */
  readonly note: bigint;
}

/** A model on the allowlist. */
export interface ModelEntry {
  readonly kind: ModelKind;
  /** Unix seconds: the entry counts from then on. */
  readonly activeFrom: bigint;
  /** Hash of a text that says what this is. */
  readonly note: bigint;
}

/** A proxy in the registry. */
export interface ListingEntry {
  /** NanoTON that it holds as stake. */
  readonly stake: bigint;
  /** Unix seconds of its first registration. */
  readonly since: bigint;
}

/** The account data of a RootContract. Maps are keyed by hash; a proxy's key is the hash of its address. */
export interface RootState {
  readonly images: ReadonlyMap<bigint, ImageEntry>;
  readonly models: ReadonlyMap<bigint, ModelEntry>;
  readonly proxies: ReadonlyMap<bigint, ListingEntry>;
  readonly governance: GovernanceState;
  /** Changes of policy so far. */
  readonly logSize: bigint;
  /** What the entries of the log come to (root-log.ts); 0n before the first. */
  readonly logHead: bigint;
}

export const HASH_KEY = Dictionary.Keys.BigUint(256);

export const IMAGE_VALUE: DictionaryValue<ImageEntry> = {
  serialize: (entry, builder) => builder.storeUint(entry.roles, 8).storeUint(entry.note, 256).storeUint(entry.activeFrom, 64),
  parse: (slice) => ({ roles: slice.loadUint(8), note: slice.loadUintBig(256), activeFrom: slice.loadUintBig(64) }),
};

export const MODEL_VALUE: DictionaryValue<ModelEntry> = {
  serialize: (entry, builder) => builder.storeUint(entry.kind, 8).storeUint(entry.note, 256).storeUint(entry.activeFrom, 64),
  parse: (slice) => ({ kind: toModelKind(slice.loadUint(8)), note: slice.loadUintBig(256), activeFrom: slice.loadUintBig(64) }),
};

export const LISTING_VALUE: DictionaryValue<ListingEntry> = {
  serialize: (entry, builder) => builder.storeUint(entry.stake, 64).storeUint(entry.since, 64),
  parse: (slice) => ({ stake: slice.loadUintBig(64), since: slice.loadUintBig(64) }),
};

const CHANGE_VALUE: DictionaryValue<ScheduledChange> = {
  serialize: (entry, builder) => builder.storeUint(entry.readyAt, 64).storeUint(entry.lapsesAt, 64).storeRef(packChange(entry.change)),
  parse: (slice) => ({ readyAt: slice.loadUintBig(64), lapsesAt: slice.loadUintBig(64), change: parseChange(slice.loadRef()) }),
};

/** @throws when the cell has another form */
export function parseRootState(data: Cell): RootState {
  const slice = data.beginParse();
  const counts = [slice.loadUint(16), slice.loadUint(16), slice.loadUint(16)];
  const logSize = slice.loadUintBig(64);
  const logHead = slice.loadUintBig(256);
  const registry = slice.loadRef().beginParse();
  const governance = parseGovernance(slice.loadRef());
  const images = toMap(slice.loadDict(HASH_KEY, IMAGE_VALUE));
  const models = toMap(slice.loadDict(HASH_KEY, MODEL_VALUE));
  slice.endParse();
  const proxies = toMap(registry.loadDict(HASH_KEY, LISTING_VALUE));
  registry.loadMaybeRef();
  registry.endParse();
  const sizes = [images.size, models.size, proxies.size];
  if (sizes.some((size, i) => size !== counts[i])) throw new RangeError(`lists of ${sizes} entries, counted as ${counts}`);
  return { images, models, proxies, governance, logSize, logHead };
}

/** The data of a fresh RootContract. @throws RangeError for an address of another workchain */
export function initialRootData(governance: Governance): Cell {
  return beginCell()
    .storeUint(0, 16)
    .storeUint(0, 16)
    .storeUint(0, 16)
    .storeUint(0, 64)
    .storeUint(0, 256)
    .storeRef(beginCell().storeBit(false).storeBit(false).endCell())
    .storeRef(packGovernance(governance))
    .storeBit(false)
    .storeBit(false)
    .endCell();
}

/** A map in rising order of key. */
export function toMap<T>(dictionary: Dictionary<bigint, T>): ReadonlyMap<bigint, T> {
  return new Map([...dictionary].sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** @throws RangeError for a number that is no kind of model */
export function toModelKind(value: number): ModelKind {
  for (const kind of Object.values(MODEL_KIND)) if (kind === value) return kind;
  throw new RangeError(`model kind ${value} is unknown`);
}

/** @throws when the cell has another form */
export function parseGovernance(cell: Cell): GovernanceState {
  const slice = cell.beginParse();
  const owner = loadBasechain(slice);
  const timelock = slice.loadUint(32);
  const maxImages = slice.loadUint(16);
  const maxModels = slice.loadUint(16);
  const guardian = loadBasechain(slice);
  const networkId = slice.loadInt(32);
  const minProxyStake = slice.loadUintBig(64);
  const registrationFee = slice.loadUintBig(64);
  const minProxyDelay = slice.loadUint(32);
  const maxProxies = slice.loadUint(16);
  const params = { minProxyStake, registrationFee, minProxyDelay, maxImages, maxModels, maxProxies };
  const scheduled = slice.loadDict(Dictionary.Keys.Uint(8), CHANGE_VALUE);
  slice.endParse();
  const changes = new Map<ChangeKind, ScheduledChange>();
  for (const [key, entry] of scheduled) {
    const { kind } = entry.change;
    if (CHANGE_KIND[kind] !== key) throw new RangeError(`change of kind ${CHANGE_KIND[kind]} scheduled under ${key}`);
    changes.set(kind, entry);
  }
  return { owner, guardian, networkId, timelock, params, changes };
}

/** governance$_ of schema.tlb, with nothing scheduled. */
function packGovernance({ owner, guardian, networkId, timelock, params }: Governance): Cell {
  return beginCell()
    .storeAddress(basechain(owner))
    .storeUint(timelock, 32)
    .storeUint(params.maxImages, 16)
    .storeUint(params.maxModels, 16)
    .storeAddress(basechain(guardian))
    .storeInt(networkId, 32)
    .storeUint(params.minProxyStake, 64)
    .storeUint(params.registrationFee, 64)
    .storeUint(params.minProxyDelay, 32)
    .storeUint(params.maxProxies, 16)
    .storeBit(false)
    .endCell();
}
