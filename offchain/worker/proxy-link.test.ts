import { mkdtempSync, rmSync } from 'node:fs';
import type { Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Address } from '@ton/core';
import { packWorkerVoucher, statementHash } from '../../wrappers/statements';
import { WorkerContract } from '../chain/contracts';
import { configureProxy, setWorkerContract, TestChain } from '../chain/plain-chain.test-kit';
import { fromBigEndian, fromHex, toBigEndian } from '../core/bytes';
import { FixedClock } from '../core/clock';
import { until } from '../core/until.test-kit';
import { Ledger } from '../ledger/ledger';
import { workerInfo, workerVoucherCall } from '../protocol/calls';
import { readJson, writeJson } from '../protocol/json';
import { silentLog } from '../runtime/log';
import { generateSigner } from '../runtime/node-crypto';
import { type Connection, readAll } from '../transport/exchange';
import { connectionOver } from '../transport/session';
import { createTlsIdentity, listen, type TlsIdentity, tlsListener, WORKER_PROTOCOL } from '../transport/tls';
import { WorkerAccounts } from './accounts';
import { GuestLink } from './guest-link';
import { ProxyLink } from './proxy-link';

const NOW = 1_800_000_000;
const at = (byte: string) => Address.parseRaw(`0:${byte.repeat(32)}`);
const OWNER = at('01');
const TERMS = { owner: at('02'), root: at('03'), withdrawDelay: 3600, index: 0 };
const PRICES = { uncachedPrompt: 1n, cachedPrompt: 1n, answer: 1n, reasoning: 1n };

let identity: TlsIdentity;
let listener: Server;
let port: number;
let accepted: Connection[];
let folder: string;
let ledger: Ledger;
let accounts: WorkerAccounts;
let clock: FixedClock;
let chain: TestChain;
let link: ProxyLink;
let proxy: Address;
const payer = generateSigner();
const later = generateSigner();

beforeAll(async () => {
  identity = await createTlsIdentity('test proxy');
});

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'cocoon-link-'));
  ledger = Ledger.open(folder);
  accounts = new WorkerAccounts(ledger, { prices: PRICES, capacity: 4 });
  clock = new FixedClock(NOW);
  chain = new TestChain(clock);
  accepted = [];
  listener = tlsListener(identity, [WORKER_PROTOCOL], (socket) => accepted.push(connectionOver(socket)));
  port = await listen(listener, { host: '127.0.0.1', port: 0 });
  proxy = configure();
  link = openLink();
});

afterEach(async () => {
  await link.stop();
  for (const connection of accepted) connection.close();
  await new Promise<void>((resolve) => listener.close(() => resolve()));
  await ledger.close();
  rmSync(folder, { recursive: true });
});

function configure(signer = payer, pin = identity.pin): Address {
  const endpoint = { url: `https://127.0.0.1:${port}`, keyPin: fromHex(pin, 32) };
  return configureProxy(chain, TERMS, { payerKey: fromBigEndian(signer.publicKey), endpoint });
}

function openLink(): ProxyLink {
  return new ProxyLink(proxy, {
    config: { prices: PRICES },
    owner: OWNER,
    accounts,
    guest: new GuestLink(join(folder, 'no-guest'), silentLog()),
    watcher: chain,
    clock,
    log: silentLog(),
    info: () => ({ owner: OWNER.toRawString(), prices: PRICES, capacity: 4, guest: null, version: '0.1.0' }),
    fail: (error) => {
      throw error;
    },
  });
}

const contractOf = (signer = payer) =>
  WorkerContract.create({ owner: OWNER, proxy, payerKey: fromBigEndian(signer.publicKey), withdrawDelay: TERMS.withdrawDelay });

async function connected(count = 1): Promise<Connection> {
  chain.look();
  await until(() => accepted.length >= count && link.connected);
  const connection = accepted.at(-1);
  if (connection === undefined) throw new Error('no connection');
  return connection;
}

async function capacity(connection: Connection): Promise<number> {
  const { body } = await connection.call({ method: 'GET', path: '/v1/worker' });
  return readJson(workerInfo, await readAll(body, 100_000)).capacity;
}

async function giveVoucher(connection: Connection, signer: typeof payer, total: bigint): Promise<number> {
  const voucher = { workerContract: contractOf(signer).address, total, tokens: 0n };
  const signature = await signer.sign(toBigEndian(statementHash(packWorkerVoucher(voucher)), 32));
  const answer = await connection.call({
    method: 'POST',
    path: '/v1/vouchers',
    body: writeJson(workerVoucherCall, { voucher, signature }),
  });
  await readAll(answer.body, 100_000);
  return answer.status;
}

it('dials the endpoint that the chain names, and offers capacity only while the contract can pay', async () => {
  const connection = await connected();
  expect(await capacity(connection)).toBe(0);
  setWorkerContract(chain, contractOf(), 1000n);
  chain.look();
  expect(await capacity(connection)).toBe(4);
  setWorkerContract(chain, contractOf(), 1000n, 0n, 1000n);
  chain.look();
  expect(await capacity(connection)).toBe(0);
  setWorkerContract(chain, contractOf(), 1000n);
  chain.look();
  clock.advance(121);
  expect(await capacity(connection)).toBe(0);
});

it('connects again when the connection is lost', async () => {
  (await connected()).close();
  await until(() => accepted.length === 2);
});

it('stays away from an endpoint with another key than the pinned one', async () => {
  configure(payer, 'ab'.repeat(32));
  chain.look();
  // It tries again, since the first attempt came to nothing.
  for (let attempt = 0; attempt < 2; attempt++) await new Promise<void>((resolve) => listener.once('connection', () => resolve()));
  expect(link.connected).toBe(false);
});

it('serves nothing under a payer key that has changed, and still claims what the old one signed', async () => {
  setWorkerContract(chain, contractOf(), 1000n);
  const connection = await connected();
  expect(await giveVoucher(connection, payer, 500n)).toBe(200);
  expect(link.claimables().map(({ voucher }) => voucher.voucher.total)).toEqual([500n]);

  configure(later);
  setWorkerContract(chain, contractOf(later), 1000n);
  chain.look();
  chain.look();
  expect(link.contract).toBe(contractOf(later).address.toRawString());
  connection.close();
  const next = await connected(2);
  expect(await giveVoucher(next, payer, 600n)).toBe(403);
  expect(await giveVoucher(next, later, 70n)).toBe(200);
  const claims = () => new Map(link.claimables().map(({ contract, voucher }) => [contract.toRawString(), voucher.voucher.total]));
  const both = new Map([
    [contractOf().address.toRawString(), 500n],
    [contractOf(later).address.toRawString(), 70n],
  ]);
  expect(claims()).toEqual(both);

  // Also after this process has ended.
  await link.stop();
  link = openLink();
  chain.look();
  chain.look();
  expect(claims()).toEqual(both);
});

it('takes what is no proxy for none', () => {
  const before = link.contract;
  chain.set(proxy, 10n ** 9n, null);
  chain.look();
  expect(link.contract).toBe(before);
});
