/** Who and what there is in a walk: the parties by name, every contract that they can have with each other, and how it begins. */
import { Address, type Cell, type StateInit, toNano } from '@ton/core';
import { sha256_sync } from '@ton/crypto';
import { ClientContract, type ClientState } from '../../wrappers/ClientContract';
import { ProxyContract, type ProxyState } from '../../wrappers/ProxyContract';
import { type Governance, RootContract, type RootState } from '../../wrappers/RootContract';
import { WorkerContract, type WorkerState } from '../../wrappers/WorkerContract';
import { known } from '../world';
import { signerOf } from './keys';

export const PARTIES = [
  'rootOwner',
  'guardian',
  'heir',
  'ownerA',
  'operatorA',
  'ownerB',
  'operatorB',
  'honestClient',
  'wildClient',
  'worker1',
  'worker2',
  'relayer',
  'stranger',
] as const;
export type Party = (typeof PARTIES)[number];

/** A wallet: it takes whatever it is sent. */
export function addressOf(party: Party): Address {
  return new Address(0, sha256_sync(`walk: ${party}`));
}

/** What a walk takes the account of a contract for. `lastData` is what a frozen account's hash was made of. */
interface AccountOf<Kind, State> {
  readonly kind: Kind;
  readonly name: string;
  readonly address: Address;
  readonly init: StateInit;
  readonly status: 'uninit' | 'active' | 'frozen';
  readonly balance: bigint;
  readonly state: State;
  readonly lastData: Cell | null;
  /** Whether its code is one that fails in every action phase. */
  readonly isBroken: boolean;
}

export type RootAccount = AccountOf<'root', RootState>;
export type ProxyAccount = AccountOf<'proxy', ProxyState>;
export type ClientAccount = AccountOf<'client', ClientState>;
export type WorkerAccount = AccountOf<'worker', WorkerState>;
export type Account = RootAccount | ProxyAccount | ClientAccount | WorkerAccount;

/** All contracts by raw address. */
export type Accounts = Map<string, Account>;

const HOUR = 3_600;
export const TIMELOCK = 600;
export const STAKE = toNano('10');
export const FEE = toNano('1');

/** Two proxies that run from the beginning, and two that nobody has deployed; one of them has too short a delay for the root. */
const PROXIES = [
  { name: 'A', owner: 'ownerA', operator: 'operatorA', index: 0, withdrawDelay: HOUR },
  { name: 'B', owner: 'ownerB', operator: 'operatorB', index: 0, withdrawDelay: 2 * HOUR },
  { name: 'C', owner: 'ownerA', operator: 'operatorA', index: 1, withdrawDelay: HOUR },
  { name: 'D', owner: 'ownerB', operator: 'operatorB', index: 1, withdrawDelay: 60 },
] as const;

const CHANNELS = [
  { client: 'honestClient', proxy: 'A' },
  { client: 'wildClient', proxy: 'A' },
  { client: 'honestClient', proxy: 'B' },
  { client: 'wildClient', proxy: 'B', withdrawDelay: 0 },
  { client: 'honestClient', proxy: 'C' },
  { client: 'wildClient', proxy: 'D' },
] as const;

const WORKERS = ['worker1', 'worker2'] as const;

/** A proxy's payer keys: its first one, and the one that it may change to. */
export const payerKeysOf = (proxy: string) => [signerOf(`payer ${proxy} 1`), signerOf(`payer ${proxy} 2`)] as const;

/** A client's session keys, in the order in which it rotates through them. */
export const sessionKeysOf = (client: Party) => [1, 2, 3].map((i) => signerOf(`session ${client} ${i}`));

export const GOVERNANCE: Governance = {
  owner: addressOf('rootOwner'),
  guardian: addressOf('guardian'),
  networkId: -3,
  timelock: TIMELOCK,
  params: { minProxyStake: STAKE, registrationFee: FEE, minProxyDelay: HOUR, maxImages: 2, maxModels: 2, maxProxies: 2 },
};

/** All contracts that a walk knows, none deployed. Worker channels are there for each payer key that their proxy may have. */
export function undeployed(): Accounts {
  const accounts: Accounts = new Map();
  const blank = (name: string, contract: { readonly address: Address; readonly init?: StateInit }) => {
    const init = known(contract.init);
    return { name, address: contract.address, init, data: known(init.data ?? undefined), ...NOT_DEPLOYED };
  };
  const add = (account: Account) => accounts.set(account.address.toRawString(), account);
  const { data: rootData, ...root } = blank('Root', RootContract.create(GOVERNANCE));
  add({ kind: 'root', ...root, state: RootContract.parseState(rootData) });
  const proxies = new Map<string, (typeof PROXIES)[number] & { readonly address: Address }>();
  for (const proxy of PROXIES) {
    const { index, withdrawDelay } = proxy;
    const terms = { owner: addressOf(proxy.owner), root: root.address, withdrawDelay, index };
    const { data, ...account } = blank(`Proxy ${proxy.name}`, ProxyContract.create(terms));
    add({ kind: 'proxy', ...account, state: ProxyContract.parseState(data) });
    proxies.set(proxy.name, { ...proxy, address: account.address });
    for (const worker of WORKERS) {
      payerKeysOf(proxy.name).forEach(({ publicKey: payerKey }, i) => {
        const channel = WorkerContract.create({ owner: addressOf(worker), payerKey, withdrawDelay, proxy: account.address });
        const { data: fresh, ...rest } = blank(`Worker ${proxy.name} ${worker} ${i + 1}`, channel);
        add({ kind: 'worker', ...rest, state: WorkerContract.parseState(fresh) });
      });
    }
  }
  for (const channel of CHANNELS) {
    const proxy = known(proxies.get(channel.proxy));
    const withdrawDelay = 'withdrawDelay' in channel ? channel.withdrawDelay : proxy.withdrawDelay;
    const owner = addressOf(channel.client);
    const contract = ClientContract.create({ owner, proxy: proxy.address, operator: addressOf(proxy.operator), withdrawDelay });
    const { data, ...account } = blank(`Client ${channel.client} ${channel.proxy}`, contract);
    add({ kind: 'client', ...account, state: ClientContract.parseState(data) });
  }
  return accounts;
}

/** The contract before anybody deployed it. */
export function asMade(account: Account): Account {
  const data = known(account.init.data ?? undefined);
  switch (account.kind) {
    case 'root':
      return { ...account, ...NOT_DEPLOYED, state: RootContract.parseState(data) };
    case 'proxy':
      return { ...account, ...NOT_DEPLOYED, state: ProxyContract.parseState(data) };
    case 'client':
      return { ...account, ...NOT_DEPLOYED, state: ClientContract.parseState(data) };
    case 'worker':
      return { ...account, ...NOT_DEPLOYED, state: WorkerContract.parseState(data) };
  }
}

const NOT_DEPLOYED = { status: 'uninit', balance: 0n, lastData: null, isBroken: false } as const;
