import {
  type Address,
  beginCell,
  type Cell,
  type Contract,
  type ContractProvider,
  contractAddress,
  Dictionary,
  type DictionaryValue,
  type Sender,
  type StateInit,
  toNano,
} from '@ton/core';
import { basechain, fromHash, loadBasechain } from './addresses';
import { codeOf } from './contract-code';
import { OPCODE } from './opcodes';

/** What the root asks of proxies, in nanoTON and seconds, and how long its lists may grow. */
export interface RootParams {
  readonly minProxyStake: bigint;
  readonly registrationFee: bigint;
  readonly minProxyDelay: number;
  readonly maxImages: number;
  readonly maxModels: number;
  readonly maxProxies: number;
}

/** Who governs, and by which rules. */
export interface Governance {
  readonly owner: Address;
  /** May remove what the owner adds. */
  readonly guardian: Address;
  /** int32; two networks never share an address, since every address derives from it. */
  readonly networkId: number;
  /** Seconds between an addition and its effect. */
  readonly timelock: number;
  readonly params: RootParams;
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
  readonly governance: Governance;
}

/** A part of a list, in rising order of key. */
export interface Page<T> {
  readonly entries: ReadonlyMap<bigint, T>;
  /** What to pass as `after` for the next page; null at the end of the list. */
  readonly next: bigint | null;
}

/** `after` of a first page. */
const BEGINNING = -1n;

/** Entries of a page, unless told otherwise: what one get-method call can collect within its gas. */
export const PAGE_SIZE = 64;

/** The allowlist, the registry and the governance of one network. */
export class RootContract implements Contract {
  /** What comes with each message by default, in nanoTON: well above the minimum; what is left returns to the sender. */
  static readonly VALUE = {
    addImage: toNano('0.05'),
    addModel: toNano('0.05'),
    removeImage: toNano('0.05'),
    removeModel: toNano('0.05'),
    collectFees: toNano('0.05'),
  } as const;

  /** NanoTON that stay in the contract for rent. */
  static readonly RESERVE = toNano('0.5');

  private constructor(
    readonly address: Address,
    readonly init?: StateInit,
  ) {}

  /** The root of a network; its address follows from its governance. @throws RangeError for an address of another workchain */
  static create(governance: Governance): RootContract {
    const init = { code: codeOf('RootContract'), data: initialData(governance) };
    return new RootContract(contractAddress(0, init), init);
  }

  static at(address: Address): RootContract {
    return new RootContract(address);
  }

  /** Account data of a RootContract. @throws when the cell has another form */
  static parseState(data: Cell): RootState {
    const slice = data.beginParse();
    const counts = [slice.loadUint(16), slice.loadUint(16), slice.loadUint(16)];
    const allowlist = slice.loadRef().beginParse();
    const registry = slice.loadRef().beginParse();
    const governance = parseGovernance(slice.loadRef());
    slice.endParse();
    const images = toMap(allowlist.loadDict(HASH_KEY, IMAGE_VALUE));
    const models = toMap(allowlist.loadDict(HASH_KEY, MODEL_VALUE));
    allowlist.endParse();
    const proxies = toMap(registry.loadDict(HASH_KEY, LISTING_VALUE));
    registry.loadMaybeRef();
    registry.endParse();
    const sizes = [images.size, models.size, proxies.size];
    if (sizes.some((size, i) => size !== counts[i])) throw new RangeError(`lists of ${sizes} entries, counted as ${counts}`);
    return { images, models, proxies, governance };
  }

  static addImageBody(message: { readonly hash: bigint; readonly roles: number; readonly note: bigint; readonly queryId?: bigint }): Cell {
    return addBody(OPCODE.root.ownerRootAddImage, message, message.roles);
  }

  static addModelBody(message: {
    readonly hash: bigint;
    readonly kind: ModelKind;
    readonly note: bigint;
    readonly queryId?: bigint;
  }): Cell {
    return addBody(OPCODE.root.ownerRootAddModel, message, message.kind);
  }

  static removeImageBody(message: { readonly hash: bigint; readonly queryId?: bigint }): Cell {
    return removeBody(OPCODE.root.guardianRootRemoveImage, message);
  }

  static removeModelBody(message: { readonly hash: bigint; readonly queryId?: bigint }): Cell {
    return removeBody(OPCODE.root.guardianRootRemoveModel, message);
  }

  static collectFeesBody(message: { readonly queryId?: bigint } = {}): Cell {
    return beginCell()
      .storeUint(OPCODE.root.ownerRootCollectFees, 32)
      .storeUint(message.queryId ?? 0n, 64)
      .endCell();
  }

  /** From anyone: coins for rent. The first one deploys the contract. */
  async sendTopUp(provider: ContractProvider, via: Sender, message: { readonly value: bigint; readonly comment?: string }): Promise<void> {
    await provider.internal(via, { value: message.value, body: message.comment });
  }

  /** From the owner: counts from now + timelock. */
  async sendAddImage(
    provider: ContractProvider,
    via: Sender,
    message: {
      readonly hash: bigint;
      readonly roles: number;
      readonly note: bigint;
      readonly value?: bigint;
      readonly queryId?: bigint;
    },
  ): Promise<void> {
    await provider.internal(via, { value: message.value ?? RootContract.VALUE.addImage, body: RootContract.addImageBody(message) });
  }

  /** From the owner: counts from now + timelock. */
  async sendAddModel(
    provider: ContractProvider,
    via: Sender,
    message: {
      readonly hash: bigint;
      readonly kind: ModelKind;
      readonly note: bigint;
      readonly value?: bigint;
      readonly queryId?: bigint;
    },
  ): Promise<void> {
    await provider.internal(via, { value: message.value ?? RootContract.VALUE.addModel, body: RootContract.addModelBody(message) });
  }

  /** From the owner or the guardian: at once. */
  async sendRemoveImage(
    provider: ContractProvider,
    via: Sender,
    message: { readonly hash: bigint; readonly value?: bigint; readonly queryId?: bigint },
  ): Promise<void> {
    await provider.internal(via, { value: message.value ?? RootContract.VALUE.removeImage, body: RootContract.removeImageBody(message) });
  }

  /** From the owner or the guardian: at once. */
  async sendRemoveModel(
    provider: ContractProvider,
    via: Sender,
    message: { readonly hash: bigint; readonly value?: bigint; readonly queryId?: bigint },
  ): Promise<void> {
    await provider.internal(via, { value: message.value ?? RootContract.VALUE.removeModel, body: RootContract.removeModelBody(message) });
  }

  /** From the owner: everything above the reserve. */
  async sendCollectFees(
    provider: ContractProvider,
    via: Sender,
    message: { readonly value?: bigint; readonly queryId?: bigint } = {},
  ): Promise<void> {
    await provider.internal(via, { value: message.value ?? RootContract.VALUE.collectFees, body: RootContract.collectFeesBody(message) });
  }

  /** The entry of an image; null when it is not on the list. Whether it is active depends on the time of the chain. */
  async getImage(provider: ContractProvider, hash: bigint): Promise<ImageEntry | null> {
    const { stack } = await provider.get('get_image', [{ type: 'int', value: hash }]);
    const isPresent = stack.readBoolean();
    const entry = { roles: stack.readNumber(), activeFrom: stack.readBigNumber(), note: stack.readBigNumber() };
    return isPresent ? entry : null;
  }

  /** The entry of a model; null when it is not on the list. Whether it is active depends on the time of the chain. */
  async getModel(provider: ContractProvider, hash: bigint): Promise<ModelEntry | null> {
    const { stack } = await provider.get('get_model', [{ type: 'int', value: hash }]);
    const isPresent = stack.readBoolean();
    const entry = { kind: toModelKind(stack.readNumber()), activeFrom: stack.readBigNumber(), note: stack.readBigNumber() };
    return isPresent ? entry : null;
  }

  /** The registry entry of a proxy; null when it is not listed. */
  async getListing(provider: ContractProvider, proxy: Address): Promise<ListingEntry | null> {
    const key = beginCell().storeAddress(proxy).endCell();
    const { stack } = await provider.get('get_listing', [{ type: 'slice', cell: key }]);
    const isPresent = stack.readBoolean();
    const entry = { stake: stack.readBigNumber(), since: stack.readBigNumber() };
    return isPresent ? entry : null;
  }

  async getImages(provider: ContractProvider, after: bigint = BEGINNING, limit: number = PAGE_SIZE): Promise<Page<ImageEntry>> {
    return readPage(provider, 'get_images', after, limit, IMAGE_VALUE);
  }

  async getModels(provider: ContractProvider, after: bigint = BEGINNING, limit: number = PAGE_SIZE): Promise<Page<ModelEntry>> {
    return readPage(provider, 'get_models', after, limit, MODEL_VALUE);
  }

  /** Keys are hashes of proxy addresses: `proxyAddress` turns them into addresses. */
  async getListings(provider: ContractProvider, after: bigint = BEGINNING, limit: number = PAGE_SIZE): Promise<Page<ListingEntry>> {
    return readPage(provider, 'get_listings', after, limit, LISTING_VALUE);
  }

  async getGovernance(provider: ContractProvider): Promise<Governance> {
    const { stack } = await provider.get('get_governance', []);
    return parseGovernance(stack.readCell());
  }

  /** The address of a proxy by its key in the registry. */
  static proxyAddress(key: bigint): Address {
    return fromHash(key);
  }
}

const HASH_KEY = Dictionary.Keys.BigUint(256);

const IMAGE_VALUE: DictionaryValue<ImageEntry> = {
  serialize: (entry, builder) => builder.storeUint(entry.roles, 8).storeUint(entry.activeFrom, 64).storeUint(entry.note, 256),
  parse: (slice) => ({ roles: slice.loadUint(8), activeFrom: slice.loadUintBig(64), note: slice.loadUintBig(256) }),
};

const MODEL_VALUE: DictionaryValue<ModelEntry> = {
  serialize: (entry, builder) => builder.storeUint(entry.kind, 8).storeUint(entry.activeFrom, 64).storeUint(entry.note, 256),
  parse: (slice) => ({ kind: toModelKind(slice.loadUint(8)), activeFrom: slice.loadUintBig(64), note: slice.loadUintBig(256) }),
};

const LISTING_VALUE: DictionaryValue<ListingEntry> = {
  serialize: (entry, builder) => builder.storeUint(entry.stake, 64).storeUint(entry.since, 64),
  parse: (slice) => ({ stake: slice.loadUintBig(64), since: slice.loadUintBig(64) }),
};

function addBody(
  opcode: number,
  message: { readonly hash: bigint; readonly note: bigint; readonly queryId?: bigint },
  rolesOrKind: number,
): Cell {
  return beginCell()
    .storeUint(opcode, 32)
    .storeUint(message.queryId ?? 0n, 64)
    .storeUint(message.hash, 256)
    .storeUint(rolesOrKind, 8)
    .storeUint(message.note, 256)
    .endCell();
}

function removeBody(opcode: number, message: { readonly hash: bigint; readonly queryId?: bigint }): Cell {
  return beginCell()
    .storeUint(opcode, 32)
    .storeUint(message.queryId ?? 0n, 64)
    .storeUint(message.hash, 256)
    .endCell();
}

async function readPage<T>(
  provider: ContractProvider,
  method: string,
  after: bigint,
  limit: number,
  value: DictionaryValue<T>,
): Promise<Page<T>> {
  const { stack } = await provider.get(method, [
    { type: 'int', value: after },
    { type: 'int', value: BigInt(limit) },
  ]);
  const entries = toMap(stack.readCell().beginParse().loadDict(HASH_KEY, value));
  const last = [...entries.keys()].at(-1);
  return { entries, next: entries.size < limit || last === undefined ? null : last };
}

/** A map in rising order of key. */
function toMap<T>(dictionary: Dictionary<bigint, T>): ReadonlyMap<bigint, T> {
  return new Map([...dictionary].sort(([a], [b]) => (a < b ? -1 : 1)));
}

function toModelKind(value: number): ModelKind {
  for (const kind of Object.values(MODEL_KIND)) if (kind === value) return kind;
  throw new RangeError(`model kind ${value} is unknown`);
}

function initialData(governance: Governance): Cell {
  const noLists = beginCell().storeBit(false).storeBit(false).endCell();
  return beginCell()
    .storeUint(0, 16)
    .storeUint(0, 16)
    .storeUint(0, 16)
    .storeRef(noLists)
    .storeRef(noLists)
    .storeRef(packGovernance(governance))
    .endCell();
}

function packGovernance(governance: Governance): Cell {
  const { params } = governance;
  return beginCell()
    .storeAddress(basechain(governance.owner))
    .storeAddress(basechain(governance.guardian))
    .storeInt(governance.networkId, 32)
    .storeUint(governance.timelock, 32)
    .storeRef(
      beginCell()
        .storeUint(params.minProxyStake, 64)
        .storeUint(params.registrationFee, 64)
        .storeUint(params.minProxyDelay, 32)
        .storeUint(params.maxImages, 16)
        .storeUint(params.maxModels, 16)
        .storeUint(params.maxProxies, 16)
        .endCell(),
    )
    .endCell();
}

function parseGovernance(cell: Cell): Governance {
  const slice = cell.beginParse();
  const owner = loadBasechain(slice);
  const guardian = loadBasechain(slice);
  const networkId = slice.loadInt(32);
  const timelock = slice.loadUint(32);
  const rest = slice.loadRef().beginParse();
  slice.endParse();
  const params = {
    minProxyStake: rest.loadUintBig(64),
    registrationFee: rest.loadUintBig(64),
    minProxyDelay: rest.loadUint(32),
    maxImages: rest.loadUint(16),
    maxModels: rest.loadUint(16),
    maxProxies: rest.loadUint(16),
  };
  rest.endParse();
  return { owner, guardian, networkId, timelock, params };
}
