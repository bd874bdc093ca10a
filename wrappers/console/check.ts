/** Whether what is deployed is what this checkout would deploy. */
import { type Address, type Contract, toNano } from '@ton/core';
import { ClientContract, type ClientState } from '../ClientContract';
import { type ContractName, codeHashOf } from '../contract-code';
import { ProxyContract, type ProxyState } from '../ProxyContract';
import { RootContract, type RootState } from '../RootContract';
import { WorkerContract, type WorkerState } from '../WorkerContract';
import { MAX_LISTED, MAX_TIMELOCK_SEC } from './changes';
import type { Desk } from './desk';
import { type Found, findProxy, findRoot } from './found';
import { Refusal } from './refusal';
import { counted, span, ton } from './words';

/** One question and its answer. `unknown`: it could not be checked, which is no pass. `note`: worth knowing, and no fault. */
export interface Check {
  readonly outcome: 'pass' | 'fail' | 'unknown' | 'note';
  readonly says: string;
}

/** Says every check. @throws Refusal when one failed */
export function report(desk: Desk, name: ContractName, address: Address, checks: readonly Check[]): void {
  desk.say([`${name} ${address}:`, ...checks.map(({ outcome, says }) => `  ${LABEL[outcome]} ${says}`)]);
  const failed = checks.filter(({ outcome }) => outcome === 'fail').length;
  if (failed > 0) throw new Refusal(`${counted(failed, 'check')} of ${checks.length} failed: this is not what this checkout deploys`);
  const unknown = checks.filter(({ outcome }) => outcome === 'unknown').length;
  desk.say([unknown === 0 ? 'All checks passed.' : `No check failed; ${counted(unknown, 'check')} could not be made.`]);
}

export function rootChecks(found: Found<RootState>): readonly Check[] {
  const { address, balance, state } = found;
  const { governance, logSize } = state;
  const { params, timelock, owner, guardian } = governance;
  const isFresh = RootContract.create(governance).address.equals(address);
  const lists = [params.maxImages, params.maxModels, params.maxProxies];
  return [
    codeCheck('RootContract', found),
    {
      outcome: 'pass',
      says: `the data are those of a root: ${state.images.size} images, ${state.models.size} models, ${state.proxies.size} proxies`,
    },
    // A changed governance leaves its traces in the log; what it was at first, the state does not say.
    isFresh || logSize === 0n
      ? verdict(isFresh, 'the address follows from this code and this governance')
      : {
          outcome: 'unknown',
          says: 'the address does not follow from this code and the governance of today: either has been changed since',
        },
    verdict(
      timelock >= 1 && timelock <= MAX_TIMELOCK_SEC,
      `the timelock is ${span(timelock)}, within 1 second and ${span(MAX_TIMELOCK_SEC)}`,
    ),
    verdict(Math.max(...lists) <= MAX_LISTED, `no list may grow above ${MAX_LISTED} entries`),
    verdict(!owner.equals(guardian), 'owner and guardian are two'),
    verdict(balance >= RootContract.RESERVE, `it holds ${ton(balance)}, at least ${ton(RootContract.RESERVE)} for rent`),
  ];
}

export async function proxyChecks(desk: Desk, found: Found<ProxyState>): Promise<readonly Check[]> {
  const { address, balance, state } = found;
  const { terms } = state;
  const root = await attempt(() => findRoot(desk, terms.root));
  const listing = root?.state.proxies.get(BigInt(`0x${address.hash.toString('hex')}`));
  return [
    codeCheck('ProxyContract', found),
    addressCheck(ProxyContract.create(terms), address),
    verdict(balance >= state.stake, `it holds its stake of ${ton(state.stake)}`),
    verdict(state.operator !== null && state.endpoint !== null, 'operator, payer key and endpoint are set'),
    verdict(root?.isThisCheckout === true, `its root ${terms.root} is a RootContract of this checkout`),
    listing === undefined
      ? { outcome: state.isListed ? 'note' : 'pass', says: 'the root does not list it' }
      : verdict(listing.stake <= state.stake, `the root lists it with ${ton(listing.stake)}, which it holds as stake`),
  ];
}

export async function clientChecks(desk: Desk, found: Found<ClientState>): Promise<readonly Check[]> {
  const { address, balance, state } = found;
  const { terms } = state;
  const proxy = await attempt(() => findProxy(desk, terms.proxy));
  const operator = proxy?.state.operator ?? null;
  return [
    codeCheck('ClientContract', found),
    addressCheck(ClientContract.create(terms), address),
    verdict(state.paid <= state.charged, `no more was paid than charged: ${ton(state.paid)} of ${ton(state.charged)}`),
    verdict(proxy !== null, `its proxy ${terms.proxy} is a ProxyContract of this checkout`),
    ...(proxy === null
      ? []
      : [
          verdict(
            proxy.state.terms.withdrawDelay === terms.withdrawDelay,
            `its withdraw delay is the proxy's: ${span(terms.withdrawDelay)}`,
          ),
          operator?.equals(terms.operator)
            ? pass('its operator is the one that the proxy has now')
            : note('the proxy has another operator now: it acts on this channel through its owner'),
        ]),
    state.sessionKey === 0n ? note('it is not open yet') : pass('it is open'),
    balance >= ClientContract.RESERVE ? pass(`it holds ${ton(balance)}`) : note(`it holds ${ton(balance)}: nothing can be charged`),
  ];
}

export async function workerChecks(desk: Desk, found: Found<WorkerState>): Promise<readonly Check[]> {
  const { address, balance, state } = found;
  const { terms } = state;
  const proxy = await attempt(() => findProxy(desk, terms.proxy));
  return [
    codeCheck('WorkerContract', found),
    addressCheck(WorkerContract.create(terms), address),
    verdict(proxy !== null, `its proxy ${terms.proxy} is a ProxyContract of this checkout`),
    ...(proxy === null
      ? []
      : [
          verdict(
            proxy.state.terms.withdrawDelay === terms.withdrawDelay,
            `its withdraw delay is the proxy's: ${span(terms.withdrawDelay)}`,
          ),
          proxy.state.payerKey === terms.payerKey
            ? pass('its payer key is the one that the proxy has now')
            : note('the proxy has another payer key now: it pays this worker through another channel'),
        ]),
    balance >= WorkerContract.RESERVE + toNano('0.01')
      ? pass(`it holds ${ton(balance)}`)
      : note(`it holds ${ton(balance)}: vouchers cannot be paid`),
  ];
}

const LABEL = { pass: 'pass   ', fail: 'FAIL   ', unknown: 'unknown', note: 'note   ' } as const;

function codeCheck(name: ContractName, { code }: Found<unknown>): Check {
  const hash = code.hash().toString('hex');
  return hash === codeHashOf(name)
    ? pass(`the code is this checkout's: ${hash}`)
    : { outcome: 'fail', says: `the code is ${hash}, this checkout's ${codeHashOf(name)}` };
}

function addressCheck(expected: Contract, address: Address): Check {
  return verdict(expected.address.equals(address), 'the address follows from this code and these terms');
}

/** A sentence that is true, or is not. */
function verdict(isTrue: boolean, sentence: string): Check {
  return isTrue ? pass(sentence) : { outcome: 'fail', says: `not so: ${sentence}` };
}

function pass(says: string): Check {
  return { outcome: 'pass', says };
}

function note(says: string): Check {
  return { outcome: 'note', says };
}

/** Null where a contract is not what it should be. */
async function attempt<T>(find: () => Promise<T>): Promise<T | null> {
  try {
    return await find();
  } catch (error) {
    if (error instanceof Refusal) return null;
    throw error;
  }
}
