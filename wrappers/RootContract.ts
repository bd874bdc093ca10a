import {
  type Address,
  beginCell,
  type Cell,
  type Contract,
  type ContractProvider,
  contractAddress,
  type DictionaryValue,
  type Sender,
  type StateInit,
  toNano,
} from '@ton/core';
import { basechain, fromHash } from './addresses';
import { codeOf } from './contract-code';
import { type BodyOptions, beginMessage, type SendOptions } from './message';
import { OPCODE } from './opcodes';
import { CHANGE_KIND, type Change, type ChangeKind, packChange } from './root-change';
import {
  type Governance,
  type GovernanceState,
  HASH_KEY,
  IMAGE_VALUE,
  type ImageEntry,
  initialRootData,
  LISTING_VALUE,
  type ListingEntry,
  MODEL_VALUE,
  type ModelEntry,
  type ModelKind,
  parseGovernance,
  parseRootState,
  type RootState,
  toMap,
  toModelKind,
} from './root-state';

export { CHANGE_KIND, type Change, type ChangeKind, type RootParams, type ScheduledChange } from './root-change';
export {
  type Governance,
  type GovernanceState,
  IMAGE_ROLE,
  type ImageEntry,
  type ListingEntry,
  MODEL_KIND,
  type ModelEntry,
  type ModelKind,
  type RootState,
} from './root-state';

interface ImageAddition {
  readonly hash: bigint;
  /** Bits of IMAGE_ROLE. */
  readonly roles: number;
  readonly note: bigint;
}

interface ModelAddition {
  readonly hash: bigint;
  readonly kind: ModelKind;
  readonly note: bigint;
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
  /** What comes with each message by default, in nanoTON: at least twice the minimum, so that what is left returns to the sender. */
  static readonly VALUE = {
    addImage: toNano('0.05'),
    addModel: toNano('0.05'),
    removeImage: toNano('0.05'),
    removeModel: toNano('0.05'),
    collectFees: toNano('0.05'),
    schedule: toNano('0.05'),
    cancel: toNano('0.05'),
    apply: toNano('0.05'),
  } as const;

  /** NanoTON that stay in the contract for rent. */
  static readonly RESERVE = toNano('0.5');

  private constructor(
    readonly address: Address,
    readonly init?: StateInit,
  ) {}

  /** The root of a network; its address follows from its governance. @throws RangeError for an address of another workchain */
  static create(governance: Governance): RootContract {
    const init = { code: codeOf('RootContract'), data: initialRootData(governance) };
    return new RootContract(contractAddress(0, init), init);
  }

  static at(address: Address): RootContract {
    return new RootContract(address);
  }

  /** Account data of a RootContract. @throws when the cell has another form */
  static parseState(data: Cell): RootState {
    return parseRootState(data);
  }

  static addImageBody(message: ImageAddition & BodyOptions): Cell {
    return addBody(OPCODE.root.ownerRootAddImage, message, message.roles);
  }

  static addModelBody(message: ModelAddition & BodyOptions): Cell {
    return addBody(OPCODE.root.ownerRootAddModel, message, message.kind);
  }

  static removeImageBody(message: { readonly hash: bigint } & BodyOptions): Cell {
    return beginMessage(OPCODE.root.guardianRootRemoveImage, message).storeUint(message.hash, 256).endCell();
  }

  static removeModelBody(message: { readonly hash: bigint } & BodyOptions): Cell {
    return beginMessage(OPCODE.root.guardianRootRemoveModel, message).storeUint(message.hash, 256).endCell();
  }

  static collectFeesBody(message: BodyOptions = {}): Cell {
    return beginMessage(OPCODE.root.ownerRootCollectFees, message).endCell();
  }

  /** Replaces a scheduled change of the same kind. */
  static scheduleBody(message: { readonly change: Change } & BodyOptions): Cell {
    return beginMessage(OPCODE.root.ownerRootSchedule, message).storeRef(packChange(message.change)).endCell();
  }

  static cancelBody(message: { readonly kind: ChangeKind } & BodyOptions): Cell {
    return beginMessage(OPCODE.root.guardianRootCancel, message).storeUint(CHANGE_KIND[message.kind], 8).endCell();
  }

  static applyBody(message: { readonly kind: ChangeKind } & BodyOptions): Cell {
    return beginMessage(OPCODE.root.anyRootApply, message).storeUint(CHANGE_KIND[message.kind], 8).endCell();
  }

  /** From anyone: coins for rent. The first one deploys the contract. */
  async sendTopUp(provider: ContractProvider, via: Sender, message: { readonly value: bigint; readonly comment?: string }): Promise<void> {
    await provider.internal(via, { value: message.value, body: message.comment });
  }

  /** From the owner: counts from now + timelock. */
  async sendAddImage(provider: ContractProvider, via: Sender, message: ImageAddition & SendOptions): Promise<void> {
    await provider.internal(via, { value: message.value ?? RootContract.VALUE.addImage, body: RootContract.addImageBody(message) });
  }

  /** From the owner: counts from now + timelock. */
  async sendAddModel(provider: ContractProvider, via: Sender, message: ModelAddition & SendOptions): Promise<void> {
    await provider.internal(via, { value: message.value ?? RootContract.VALUE.addModel, body: RootContract.addModelBody(message) });
  }

  /** From the owner or the guardian: at once. */
  async sendRemoveImage(provider: ContractProvider, via: Sender, message: { readonly hash: bigint } & SendOptions): Promise<void> {
    await provider.internal(via, { value: message.value ?? RootContract.VALUE.removeImage, body: RootContract.removeImageBody(message) });
  }

  /** From the owner or the guardian: at once. */
  async sendRemoveModel(provider: ContractProvider, via: Sender, message: { readonly hash: bigint } & SendOptions): Promise<void> {
    await provider.internal(via, { value: message.value ?? RootContract.VALUE.removeModel, body: RootContract.removeModelBody(message) });
  }

  /** From the owner: everything above the reserve. */
  async sendCollectFees(provider: ContractProvider, via: Sender, message: SendOptions = {}): Promise<void> {
    await provider.internal(via, { value: message.value ?? RootContract.VALUE.collectFees, body: RootContract.collectFeesBody(message) });
  }

  /** From the owner: can be applied from now + timelock (a change of the guardian: twice that) for one timelock more. */
  async sendSchedule(provider: ContractProvider, via: Sender, message: { readonly change: Change } & SendOptions): Promise<void> {
    await provider.internal(via, { value: message.value ?? RootContract.VALUE.schedule, body: RootContract.scheduleBody(message) });
  }

  /** From the owner or the guardian; a change of the guardian from the owner alone. */
  async sendCancel(provider: ContractProvider, via: Sender, message: { readonly kind: ChangeKind } & SendOptions): Promise<void> {
    await provider.internal(via, { value: message.value ?? RootContract.VALUE.cancel, body: RootContract.cancelBody(message) });
  }

  /** From anyone; a change of the owner from the new owner alone. */
  async sendApply(provider: ContractProvider, via: Sender, message: { readonly kind: ChangeKind } & SendOptions): Promise<void> {
    await provider.internal(via, { value: message.value ?? RootContract.VALUE.apply, body: RootContract.applyBody(message) });
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

  /** The registry entry of a proxy; null when it is not listed. @throws RangeError for an address of another workchain */
  async getListing(provider: ContractProvider, proxy: Address): Promise<ListingEntry | null> {
    // The get-method looks at the hash alone.
    const key = beginCell().storeAddress(basechain(proxy)).endCell();
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

  async getGovernance(provider: ContractProvider): Promise<GovernanceState> {
    const { stack } = await provider.get('get_governance', []);
    return parseGovernance(stack.readCell());
  }

  /** The log so far: how many entries, and what they come to (root-log.ts). */
  async getLog(provider: ContractProvider): Promise<{ readonly size: bigint; readonly head: bigint }> {
    const { stack } = await provider.get('get_log', []);
    return { size: stack.readBigNumber(), head: stack.readBigNumber() };
  }

  /** The address of a proxy by its key in the registry. */
  static proxyAddress(key: bigint): Address {
    return fromHash(key);
  }
}

function addBody(opcode: number, message: { readonly hash: bigint; readonly note: bigint } & BodyOptions, rolesOrKind: number): Cell {
  return beginMessage(opcode, message).storeUint(message.hash, 256).storeUint(rolesOrKind, 8).storeUint(message.note, 256).endCell();
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
