/** What a RootContract does with a message, by contracts/schema.tlb and docs/audit.md. */
import { type Address, beginCell, type Cell } from '@ton/core';
import { GAS } from '../../wrappers/minimum-value';
import { ProxyContract } from '../../wrappers/ProxyContract';
import { type Change, type GovernanceState, type ListingEntry, RootContract, type RootState } from '../../wrappers/RootContract';
import { packChange } from '../../wrappers/root-change';
import { type LogEntry, nextLogHead, packLogEntry } from '../../wrappers/root-log';
import { statementHash } from '../../wrappers/statements';
import type { Body, RootBody } from './bodies';
import type { PriceList } from './prices';
import {
  type Arrival,
  atLeastZero,
  type Effects,
  endOf,
  isBasechain,
  keepCoins,
  plain,
  refuseUnless,
  requireValue,
  returnExcess,
  type Transition,
} from './transition';

const MOST_LISTED = 1_024;
const LONGEST_TIMELOCK = 366 * 86_400;
const ALL_ROLES = 3;

type Of<Name extends Body['op']> = Extract<Body, { readonly op: Name }>;

export const hashOf = (address: Address) => BigInt(`0x${address.hash.toString('hex')}`);

export function receiveByRoot(state: RootState, arrival: Arrival): Transition<RootState> {
  const { body, from } = arrival;
  const { owner, guardian } = state.governance;
  switch (body.op) {
    case 'payment':
    case 'comment':
      return keepCoins(state, body);
    case 'ownerRootAddImage':
      refuseUnless(from.equals(owner), 'notAllowed');
      return addImage(state, arrival, body);
    case 'ownerRootAddModel':
      refuseUnless(from.equals(owner), 'notAllowed');
      return addModel(state, arrival, body);
    case 'proxyRootRegister':
      return register(state, arrival, body);
    case 'proxyRootLeave':
      return leave(state, arrival, body);
    case 'anyRootApply':
      return apply(state, arrival, body);
    default:
  }
  refuseUnless(from.equals(owner) || from.equals(guardian), 'notAllowed');
  switch (body.op) {
    case 'guardianRootRemoveImage':
    case 'guardianRootRemoveModel':
      return remove(state, arrival, body);
    case 'guardianRootCancel':
      return cancel(state, arrival, body);
    default:
  }
  refuseUnless(from.equals(owner), 'notAllowed');
  switch (body.op) {
    case 'ownerRootSchedule':
      return schedule(state, arrival, body);
    case 'ownerRootCollectFees': {
      endOf(body);
      const amount = atLeastZero(arrival.held - RootContract.RESERVE);
      refuseUnless(amount > 0n, 'nothingToPay');
      requireValue(arrival, GAS.rootCollect);
      return { state, sends: [plain(owner, amount, true)], kept: arrival.held - amount };
    }
    default:
      refuseUnless(false, 'unknownMessage');
  }
}

function addImage(state: RootState, arrival: Arrival, body: Of<'ownerRootAddImage'>): Transition<RootState> {
  const { hash, roles, note } = body;
  const { governance, images } = state;
  endOf(body);
  refuseUnless(roles > 0 && roles <= ALL_ROLES, 'badKind');
  refuseUnless(images.size < governance.params.maxImages, 'full');
  refuseUnless(!images.has(hash), 'alreadyPresent');
  const activeFrom = BigInt(arrival.now + governance.timelock);
  const entry: LogEntry = { type: 'addImage', at: BigInt(arrival.now), hash, roles, activeFrom, note };
  return logged({ ...state, images: inOrder(new Map(images).set(hash, { roles, activeFrom, note })) }, arrival, entry);
}

function addModel(state: RootState, arrival: Arrival, body: Of<'ownerRootAddModel'>): Transition<RootState> {
  const { hash, kind, note } = body;
  const { governance, models } = state;
  endOf(body);
  refuseUnless(models.size < governance.params.maxModels, 'full');
  refuseUnless(!models.has(hash), 'alreadyPresent');
  const activeFrom = BigInt(arrival.now + governance.timelock);
  const entry: LogEntry = { type: 'addModel', at: BigInt(arrival.now), hash, kind, activeFrom, note };
  return logged({ ...state, models: inOrder(new Map(models).set(hash, { kind, activeFrom, note })) }, arrival, entry);
}

function remove(
  state: RootState,
  arrival: Arrival,
  body: Of<'guardianRootRemoveImage' | 'guardianRootRemoveModel'>,
): Transition<RootState> {
  const { hash, op } = body;
  endOf(body);
  const images = new Map(state.images);
  const models = new Map(state.models);
  const isImage = op === 'guardianRootRemoveImage';
  refuseUnless(isImage ? images.delete(hash) : models.delete(hash), 'notPresent');
  const entry: LogEntry = { type: isImage ? 'removeImage' : 'removeModel', at: BigInt(arrival.now), hash };
  return logged({ ...state, images, models }, arrival, entry);
}

function schedule(state: RootState, arrival: Arrival, body: Of<'ownerRootSchedule'>): Transition<RootState> {
  const { change } = body;
  const { governance } = state;
  endOf(body);
  requireSound(change, arrival.self);
  const delay = governance.timelock * (change.kind === 'guardian' ? 2 : 1);
  const readyAt = BigInt(arrival.now + delay);
  const lapsesAt = readyAt + BigInt(governance.timelock);
  const changes = new Map(governance.changes).set(change.kind, { change, readyAt, lapsesAt });
  const entry: LogEntry = { type: 'schedule', at: BigInt(arrival.now), kind: change.kind, readyAt, change: changeHash(change) };
  return logged(withChanges(state, changes), arrival, entry);
}

function requireSound(change: Change, self: Address): void {
  switch (change.kind) {
    case 'params': {
      const { maxImages, maxModels, maxProxies } = change.params;
      refuseUnless(
        [maxImages, maxModels, maxProxies].every((most) => most <= MOST_LISTED),
        'badParams',
      );
      return;
    }
    case 'owner':
      refuseUnless(!change.owner.equals(self), 'badAddress');
      return;
    case 'guardian':
      refuseUnless(!change.guardian.equals(self), 'badAddress');
      return;
    case 'timelock':
      refuseUnless(change.timelock > 0 && change.timelock <= LONGEST_TIMELOCK, 'badParams');
      return;
    case 'code':
      return;
  }
}

function cancel(state: RootState, arrival: Arrival, body: Of<'guardianRootCancel'>): Transition<RootState> {
  const { kind } = body;
  const { governance } = state;
  endOf(body);
  refuseUnless(arrival.from.equals(governance.owner) || kind !== 'guardian', 'notAllowed');
  const scheduled = governance.changes.get(kind);
  refuseUnless(scheduled !== undefined, 'notAnnounced');
  const entry: LogEntry = { type: 'cancel', at: BigInt(arrival.now), kind, change: changeHash(scheduled.change) };
  return logged(withChanges(state, without(governance.changes, kind)), arrival, entry);
}

function apply(state: RootState, arrival: Arrival, body: Of<'anyRootApply'>): Transition<RootState> {
  const { kind } = body;
  const { governance } = state;
  endOf(body);
  const scheduled = governance.changes.get(kind);
  refuseUnless(scheduled !== undefined, 'notAnnounced');
  refuseUnless(BigInt(arrival.now) >= scheduled.readyAt, 'tooEarly');
  refuseUnless(BigInt(arrival.now) <= scheduled.lapsesAt, 'lapsed');
  const { change } = scheduled;
  if (change.kind === 'owner') refuseUnless(arrival.from.equals(change.owner), 'notAllowed');
  const changes = without(governance.changes, kind);
  const entry: LogEntry = { type: 'apply', at: BigInt(arrival.now), kind, change: changeHash(change) };
  return logged({ ...state, governance: { ...governance, ...effectOf(change), changes } }, arrival, entry);
}

function effectOf(change: Change): Partial<GovernanceState> {
  switch (change.kind) {
    case 'params':
      return { params: change.params };
    case 'owner':
      return { owner: change.owner };
    case 'guardian':
      return { guardian: change.guardian };
    case 'timelock':
      return { timelock: change.timelock };
    case 'code':
      return {};
  }
}

function register(state: RootState, arrival: Arrival, body: Of<'proxyRootRegister'>): Transition<RootState> {
  const { stake, owner, withdrawDelay, index } = body;
  const { params } = state.governance;
  const { self, from, held, value, prices } = arrival;
  endOf(body);
  refuseUnless(from.equals(ProxyContract.create({ owner, root: self, withdrawDelay, index }).address), 'notAllowed');
  refuseUnless(stake >= params.minProxyStake, 'lowStake');
  refuseUnless(withdrawDelay >= params.minProxyDelay, 'shortDelay');
  refuseUnless(value >= params.registrationFee + prices.compute(GAS.rootRegister) + prices.forward(0, 0), 'lowValue');
  const key = hashOf(from);
  const proxies = new Map(state.proxies);
  const since = proxies.get(key)?.since ?? BigInt(arrival.now);
  if (!proxies.has(key) && proxies.size >= params.maxProxies) {
    const smallest = smallestOf(proxies);
    refuseUnless(smallest !== undefined && stake > smallest.stake, 'full');
    proxies.delete(smallest.key);
  }
  proxies.set(key, { stake, since });
  const kept = held + params.registrationFee;
  return { state: { ...state, proxies: inOrder(proxies) }, sends: [plain(owner, 0n, true)], kept };
}

function smallestOf(proxies: ReadonlyMap<bigint, ListingEntry>): { readonly key: bigint; readonly stake: bigint } | undefined {
  const ranked = [...proxies].map(([key, { stake }]) => ({ key, stake }));
  return ranked.sort((a, b) =>
    a.stake === b.stake ? Number(a.key > b.key) - Number(a.key < b.key) : Number(a.stake > b.stake) * 2 - 1,
  )[0];
}

function leave(state: RootState, arrival: Arrival, body: Of<'proxyRootLeave'>): Transition<RootState> {
  refuseUnless(isBasechain(arrival.from), 'badAddress');
  const proxies = new Map(state.proxies);
  refuseUnless(proxies.delete(hashOf(arrival.from)), 'notPresent');
  endOf(body);
  requireValue(arrival, GAS.rootLeave);
  return { state: { ...state, proxies }, sends: [plain(body.owner, 0n, true)], kept: arrival.held };
}

function logged(state: RootState, arrival: Arrival, entry: LogEntry): Transition<RootState> {
  const emits: Cell = beginCell().storeUint(state.logSize, 64).storeBuffer(packLogEntry(entry)).endCell();
  const effects: Effects = returnExcess(arrival, GAS.rootChange);
  return { state: { ...state, logSize: state.logSize + 1n, logHead: nextLogHead(state.logHead, entry) }, ...effects, emits };
}

const changeHash = (change: Change) => statementHash(packChange(change));

function withChanges(state: RootState, changes: GovernanceState['changes']): RootState {
  return { ...state, governance: { ...state.governance, changes } };
}

function without<K, V>(map: ReadonlyMap<K, V>, key: K): ReadonlyMap<K, V> {
  const rest = new Map(map);
  rest.delete(key);
  return rest;
}

function inOrder<V>(map: ReadonlyMap<bigint, V>): ReadonlyMap<bigint, V> {
  return new Map([...map].sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** The value from which on a message is not refused for its value, in nanoTON. */
export function rootMinimum(state: RootState, body: RootBody, prices: PriceList): bigint {
  switch (body.op) {
    case 'proxyRootRegister':
      return state.governance.params.registrationFee + prices.compute(GAS.rootRegister) + prices.forward(0, 0);
    case 'proxyRootLeave':
      return prices.minimum(GAS.rootLeave);
    case 'ownerRootCollectFees':
      return prices.minimum(GAS.rootCollect);
    default:
      return prices.minimum(GAS.rootChange);
  }
}
