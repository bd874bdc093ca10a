/** Contracts of this project where they lie, with their state. */
import type { Address, Cell } from '@ton/core';
import { ClientContract, type ClientState } from '../ClientContract';
import { type ContractName, codeHashOf, codeOf } from '../contract-code';
import { ProxyContract, type ProxyState } from '../ProxyContract';
import { RootContract, type RootState } from '../RootContract';
import { WorkerContract, type WorkerState } from '../WorkerContract';
import type { Account, Desk } from './desk';
import { Refusal } from './refusal';

export interface Found<T> {
  readonly address: Address;
  /** NanoTON. */
  readonly balance: bigint;
  readonly code: Cell;
  readonly data: Cell;
  readonly state: T;
  /** Whether the code there is the code of this checkout. */
  readonly isThisCheckout: boolean;
}

const NAMES: readonly ContractName[] = ['RootContract', 'ProxyContract', 'ClientContract', 'WorkerContract'];

/** The root at an address. Its code may be another than this checkout's: a root can change its code. @throws Refusal when there is none */
export function findRoot(desk: Desk, address: Address): Promise<Found<RootState>> {
  return find(desk, address, 'RootContract', RootContract.parseState);
}

/** @throws Refusal when there is no proxy of this checkout */
export function findProxy(desk: Desk, address: Address): Promise<Found<ProxyState>> {
  return find(desk, address, 'ProxyContract', ProxyContract.parseState);
}

/** @throws Refusal when there is no channel of a client of this checkout */
export function findClient(desk: Desk, address: Address): Promise<Found<ClientState>> {
  return find(desk, address, 'ClientContract', ClientContract.parseState);
}

/** @throws Refusal when there is no channel of a worker of this checkout */
export function findWorker(desk: Desk, address: Address): Promise<Found<WorkerState>> {
  return find(desk, address, 'WorkerContract', WorkerContract.parseState);
}

/** Which of this checkout's contracts an account is; undefined for another. */
export function nameOfCode(code: Cell | null): ContractName | undefined {
  return NAMES.find((name) => code !== null && codeOf(name).equals(code));
}

async function find<T>(desk: Desk, address: Address, name: ContractName, parse: (data: Cell) => T): Promise<Found<T>> {
  const account = await desk.account(address);
  const { code, data, balance } = active(account, name);
  const actual = nameOfCode(code);
  if (actual !== name && (actual !== undefined || name !== 'RootContract')) throw new Refusal(otherCode(address, name, code, actual));
  let state: T;
  try {
    state = parse(data);
  } catch {
    throw new Refusal(actual === name ? `the data of ${address} are not those of a ${name}` : otherCode(address, name, code, actual));
  }
  return { address, balance, code, data, state, isThisCheckout: actual === name };
}

function active(account: Account, name: ContractName): { readonly code: Cell; readonly data: Cell; readonly balance: bigint } {
  const { address, type, code, data, balance } = account;
  if (type === 'frozen') throw new Refusal(`the account ${address} is frozen`);
  if (code === null || data === null) throw new Refusal(`there is no ${name} at ${address}: nothing is deployed there`);
  return { code, data, balance };
}

function otherCode(address: Address, name: ContractName, code: Cell, actual: ContractName | undefined): string {
  if (actual !== undefined) return `${address} is a ${actual}, not a ${name}`;
  return `${address} is no ${name} of this checkout: its code is ${code.hash().toString('hex')}, expected ${codeHashOf(name)}`;
}
