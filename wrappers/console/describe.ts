/** The states of the contracts, in words. */
import { ClientContract, type ClientState } from '../ClientContract';
import { ProxyContract, type ProxyState } from '../ProxyContract';
import { IMAGE_ROLE, type ImageEntry, MODEL_KIND, type ModelEntry, type ModelKind, RootContract, type RootState } from '../RootContract';
import { WorkerContract, type WorkerState } from '../WorkerContract';
import type { Withdrawal } from '../withdrawal';
import { changeWords } from './changes';
import type { Found } from './found';
import { counted, date, hex, moment, span, ton } from './words';

/** A root, its rules, its lists and what is about to change. */
export function rootLines(found: Found<RootState>, now: number): readonly string[] {
  const { state } = found;
  const { governance } = state;
  const { params } = governance;
  return [
    head('RootContract', found),
    `  network ${governance.networkId}`,
    `  owner ${governance.owner}`,
    `  guardian ${governance.guardian}`,
    `  timelock ${span(governance.timelock)}`,
    `  a proxy stakes at least ${ton(params.minProxyStake)}, pays ${ton(params.registrationFee)} to register, and announces withdrawals at least ${span(params.minProxyDelay)} ahead`,
    `  images: ${state.images.size} of ${params.maxImages}`,
    ...[...state.images].map(([hash, image]) => `    ${imageWords(hash, image, now)}`),
    `  models: ${state.models.size} of ${params.maxModels}`,
    ...[...state.models].map(([hash, model]) => `    ${modelWords(hash, model, now)}`),
    `  proxies: ${state.proxies.size} of ${params.maxProxies}`,
    ...[...state.proxies].map(
      ([key, { stake, since }]) => `    ${RootContract.proxyAddress(key)} stakes ${ton(stake)}, listed since ${date(since)}`,
    ),
    `  scheduled changes: ${governance.changes.size === 0 ? 'none' : ''}`.trimEnd(),
    ...[...governance.changes.values()].map(
      ({ change, readyAt, lapsesAt }) =>
        `    ${changeWords(change)}: can be applied from ${moment(readyAt, now)} until ${moment(lapsesAt, now)}`,
    ),
    `  log: ${state.logSize} ${state.logSize === 1n ? 'entry' : 'entries'}, head ${hex(state.logHead)}`,
  ];
}

/** A proxy, its stake and income, and where to find it. */
export function proxyLines(found: Found<ProxyState>, now: number): readonly string[] {
  const { state, balance } = found;
  const { terms, withdrawal } = state;
  return [
    head('ProxyContract', found),
    `  owner ${terms.owner}`,
    `  root ${terms.root}`,
    `  withdrawals are announced ${span(terms.withdrawDelay)} ahead; index ${terms.index}`,
    `  stake ${ton(state.stake)}, free income ${ton(ProxyContract.freeIncome(balance, state.stake))}`,
    `  ${state.isListed ? 'has registered at its root' : 'is not registered'}`,
    ...(state.operator === null || state.endpoint === null
      ? ['  not configured: no operator, payer key or endpoint']
      : [
          `  operator ${state.operator}`,
          `  payer key ${hex(state.payerKey)}`,
          `  endpoint ${state.endpoint.url}, ${state.endpoint.keyPin === null ? 'certificate checked in the usual way' : `key pin ${Buffer.from(state.endpoint.keyPin).toString('hex')}`}`,
        ]),
    withdrawal === null
      ? '  no withdrawal announced'
      : `  announced: ${ton(withdrawal.income)} of income, ${ton(withdrawal.stake)} of stake, from ${moment(withdrawal.readyAt, now)} until ${moment(withdrawal.readyAt + BigInt(terms.withdrawDelay), now)}`,
    `  anchored periods of receipts: ${state.anchors}`,
  ];
}

/** A client's channel: what is owed, paid and left. */
export function clientLines(found: Found<ClientState>, now: number): readonly string[] {
  const { state, balance } = found;
  const { terms, oldKey } = state;
  return [
    head('ClientContract', found),
    `  client ${terms.owner}`,
    `  proxy ${terms.proxy}`,
    `  operator ${terms.operator}`,
    `  withdrawals are announced ${span(terms.withdrawDelay)} ahead`,
    state.sessionKey === 0n ? '  not open: no session key' : `  session key ${hex(state.sessionKey)}`,
    ...(oldKey === null ? [] : [`  the session key before it, ${hex(oldKey.key)}, counts until ${moment(oldKey.until, now)}`]),
    `  deposit ${ton(ClientContract.deposit(balance))}`,
    `  charged ${ton(state.charged)} in all, paid ${ton(state.paid)}, so ${ton(state.charged - state.paid)} are owed`,
    `  the last voucher covers requests up to ${state.upTo}${state.open === 0n ? '' : ', except some'}`,
    ...(state.settled === 0n ? [] : [`  settled by receipt since then: up to ${state.settled}`]),
    withdrawalWords(state.withdrawal, now),
  ];
}

/** A worker's channel: what was paid and is left. */
export function workerLines(found: Found<WorkerState>, now: number): readonly string[] {
  const { state, balance } = found;
  const { terms } = state;
  return [
    head('WorkerContract', found),
    `  worker's owner ${terms.owner}`,
    `  proxy ${terms.proxy}`,
    `  payer key ${hex(terms.payerKey)}`,
    `  withdrawals are announced ${span(terms.withdrawDelay)} ahead`,
    `  deposit ${ton(WorkerContract.deposit(balance))}`,
    `  paid ${ton(state.paid)} in all, for ${counted(state.tokens, 'token')} by the payer's word`,
    withdrawalWords(state.withdrawal, now),
  ];
}

/** An image on the allowlist. */
export function imageWords(hash: bigint, image: ImageEntry, now: number): string {
  return `${hex(hash)} for ${roleWords(image.roles)}, ${countsWords(image.activeFrom, now)}, note ${hex(image.note)}`;
}

/** A model on the allowlist. */
export function modelWords(hash: bigint, model: ModelEntry, now: number): string {
  return `${hex(hash)} ${kindWords(model.kind)}, ${countsWords(model.activeFrom, now)}, note ${hex(model.note)}`;
}

/** Bits of IMAGE_ROLE. */
export function roleWords(roles: number): string {
  const names = [...((roles & IMAGE_ROLE.worker) === 0 ? [] : ['worker guest']), ...((roles & IMAGE_ROLE.proxy) === 0 ? [] : ['proxy'])];
  return names.join(' and ');
}

export function kindWords(kind: ModelKind): string {
  switch (kind) {
    case MODEL_KIND.files:
      return 'as files';
    case MODEL_KIND.verity:
      return 'by dm-verity';
    case MODEL_KIND.unproven:
      return 'UNPROVEN';
  }
}

function countsWords(activeFrom: bigint, now: number): string {
  return `${Number(activeFrom) <= now ? 'counts since' : 'will count from'} ${moment(activeFrom, now)}`;
}

function withdrawalWords(withdrawal: Withdrawal | null, now: number): string {
  return withdrawal === null
    ? '  no withdrawal announced'
    : `  announced withdrawal: ${ton(withdrawal.amount)}, from ${moment(withdrawal.readyAt, now)}`;
}

function head(name: string, { address, balance, isThisCheckout, code }: Found<unknown>): string {
  const checkout = isThisCheckout ? "this checkout's code" : `ANOTHER CODE than this checkout's: ${code.hash().toString('hex')}`;
  return `${name} ${address}: holds ${ton(balance)}, ${checkout}`;
}
