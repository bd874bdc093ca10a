import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Address } from '@ton/core';
import { type Authorisation, packAuthorisation, packWorkerVoucher, statementHash } from '../../wrappers/statements';
import { hex, makeGuest, NOW, PRICES, USAGE_COST } from '../client/guest.test-kit';
import { fromBigEndian, fromUtf8, toBigEndian, utf8 } from '../core/bytes';
import { Ledger } from '../ledger/ledger';
import { challengeCall, errorAnswer, type WorkerInfo, workerReceipts, workerVoucherAnswer, workerVoucherCall } from '../protocol/calls';
import { CallError, readJson, writeJson } from '../protocol/json';
import { silentLog } from '../runtime/log';
import { generateSigner, nodeCrypto } from '../runtime/node-crypto';
import { ClientSession } from '../sealing/client-session';
import { encodeGuestRequest } from '../sealing/relay-body';
import { type Connection, readAll } from '../transport/exchange';
import { connectionOver } from '../transport/session';
import { dialLocal } from '../transport/tls';
import { type ContractView, WorkerAccounts } from './accounts';
import { LocalServer, TestGuestServer } from './guest.test-kit';
import { GuestLink } from './guest-link';
import { proxyService } from './proxy-service';

const PROXY = Address.parseRaw(`0:${hex(0xa1)}`);
const CONTRACT = Address.parseRaw(`0:${hex(0xa2)}`);
const payer = generateSigner();

let folder: string;
let ledger: Ledger;
let guest: TestGuestServer;
let link: GuestLink;
let accounts: WorkerAccounts;
let service: LocalServer;
let connection: Connection;
let view: ContractView | null;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'cocoon-worker-'));
  ledger = Ledger.open(folder);
  accounts = new WorkerAccounts(ledger, { prices: PRICES, capacity: 2 });
  guest = new TestGuestServer(await makeGuest());
  await guest.socket.open();
  link = new GuestLink(guest.socket.path, silentLog());
  await link.refresh({ seqno: 1, rootHash: hex(1), atSec: NOW });
  view = { available: 1_000_000n, announcedWithdrawal: 0n, paid: 0n };
  const { owner } = guest.guest.offer;
  const info: WorkerInfo = { owner, prices: PRICES, capacity: 2, guest: null, version: '0.1.0' };
  service = await new LocalServer(
    proxyService({
      proxy: PROXY,
      payerKey: payer.publicKey,
      workerContract: CONTRACT,
      prices: PRICES,
      accounts,
      guest: link,
      crypto: nodeCrypto,
      log: silentLog(),
      info: () => info,
      contract: () => view,
    }),
  ).open();
  connection = connectionOver(await dialLocal(service.path));
});

afterEach(async () => {
  connection.close();
  link.close();
  await service.remove();
  await guest.socket.remove();
  await ledger.close();
  rmSync(folder, { recursive: true });
});

interface Sent {
  readonly status: number;
  readonly code: string | null;
  readonly hash: bigint;
}

let seal = 0n;
async function relay(change: Partial<Authorisation> = {}): Promise<Sent> {
  const exchange = await (await ClientSession.open(nodeCrypto, guest.guest.keys, NOW)).next();
  const authorisation = {
    orderHash: ++seal,
    receiptKey: fromBigEndian(guest.guest.keys.receiptKey),
    seal: exchange.seal,
    maxAmount: 10_000n,
    validUntil: NOW + 300,
    prices: PRICES,
    ...change,
  };
  const hash = statementHash(packAuthorisation(authorisation));
  const head = { method: 'POST', path: '/v1/chat/completions', headers: {} } as const;
  return send(encodeGuestRequest(await exchange.sealRequest(authorisation, hash, head, utf8('{}'))), hash);
}

async function send(body: Uint8Array, hash: bigint): Promise<Sent> {
  const answer = await connection.call({ method: 'POST', path: '/v1/relay', body });
  const bytes = await readAll(answer.body, 100_000);
  return { status: answer.status, code: answer.status === 200 ? null : readJson(errorAnswer, bytes).error.code, hash };
}

const account = () => accounts.view(CONTRACT.toRawString());
const refused = (code: string) => ({ code, status: expect.any(Number), hash: expect.any(BigInt) });

async function get(path: string): Promise<{ readonly status: number; readonly body: Uint8Array }> {
  const answer = await connection.call({ method: 'GET', path });
  return { status: answer.status, body: await readAll(answer.body, 1_000_000) };
}

async function post(path: string, body: Uint8Array): Promise<{ readonly status: number; readonly body: Uint8Array }> {
  const answer = await connection.call({ method: 'POST', path, body });
  return { status: answer.status, body: await readAll(answer.body, 1_000_000) };
}

describe('POST /v1/relay', () => {
  it('passes the answer on; its receipt is earned and kept for the proxy', async () => {
    expect(await relay()).toMatchObject({ status: 200 });
    expect(account()).toMatchObject({ earned: USAGE_COST, reserved: 0n });
    const { receipts } = readJson(workerReceipts, (await get('/v1/receipts?after=0')).body);
    expect(receipts).toMatchObject([{ sequence: 1n }]);
    expect(readJson(workerReceipts, (await get('/v1/receipts?after=1')).body).receipts).toEqual([]);
  });

  it('refuses prices below its own', async () => {
    const cheaper = Object.keys(PRICES).map((name) => ({ ...PRICES, [name]: 1n }));
    for (const prices of cheaper) expect(await relay({ prices })).toEqual(refused('authorisation_refused'));
    expect(guest.calls).not.toContain('POST /v1/relay');
    expect(await relay({ prices: { ...PRICES, answer: PRICES.answer + 1n } })).toMatchObject({ status: 200 });
  });

  it('refuses while there is no contract that would pay', async () => {
    view = null;
    expect(await relay()).toEqual(refused('not_ready'));
  });

  it('refuses what the contract could not pay', async () => {
    view = { available: 15_000n, announcedWithdrawal: 5001n, paid: 0n };
    expect(await relay()).toEqual(refused('not_ready'));
    view = { available: 15_000n, announcedWithdrawal: 5000n, paid: 0n };
    expect(await relay()).toMatchObject({ status: 200 });
    expect(await relay()).toEqual(refused('not_ready'));
    view = { available: 15_000n, announcedWithdrawal: 5000n, paid: USAGE_COST };
    expect(await relay()).toMatchObject({ status: 200 });
  });

  it('refuses what is malformed', async () => {
    expect(await send(new Uint8Array(10), 0n)).toEqual(refused('bad_request'));
  });

  it('hands on the refusal of the guest, and reserves nothing', async () => {
    guest.before = (call) => {
      if (call.path === '/v1/relay') throw new CallError('key_expired', 'no', {}, true);
    };
    expect(await relay()).toEqual(refused('key_expired'));
    expect(account()).toMatchObject({ earned: 0n, reserved: 0n });
  });

  it('says that nothing ran when the guest is not there (not_ready)', async () => {
    await guest.socket.close();
    expect(await relay()).toEqual(refused('not_ready'));
    expect(account().reserved).toBe(0n);
  });

  it('says that it may have run when the guest was lost, and counts the receipt that is found later (worker_failed)', async () => {
    guest.before = (call) => {
      if (call.path === '/v1/relay') guest.socket.cut();
    };
    const lost = await relay();
    expect(lost).toEqual(refused('worker_failed'));
    expect(account()).toMatchObject({ earned: 0n, reserved: 10_000n });
    expect(accounts.isRunning(PROXY.toRawString(), lost.hash.toString(16).padStart(64, '0'))).toBe(true);
  });

  it('collects from the guest the receipt of an answer that broke off', async () => {
    guest.alter = (pieces) => [...pieces.slice(0, 1), new Error('gone')];
    await expect(relay()).rejects.toThrow();
    expect(account()).toMatchObject({ earned: 0n, reserved: 10_000n });
    await link.collectReceipts((receipts) => accounts.record(receipts));
    await link.collectReceipts((receipts) => accounts.record(receipts));
    expect(account()).toMatchObject({ earned: USAGE_COST, reserved: 0n });
    expect(guest.calls.at(-1)).toBe('GET /v1/receipts?after=1');
  });

  it('gives up what a guest cannot tell any more, since it was started anew', async () => {
    guest.alter = () => [new Error('gone')];
    await expect(relay()).rejects.toThrow();
    guest.restart();
    await link.refresh({ seqno: 2, rootHash: hex(1), atSec: NOW });
    await link.collectReceipts((receipts) => accounts.record(receipts));
    expect(guest.calls.at(-1)).toBe('GET /v1/receipts?after=0');
    await accounts.forgetExpired(link.status?.boot ?? '', NOW, 900);
    expect(account()).toMatchObject({ earned: 0n, reserved: 0n });
  });

  it('runs no more than its capacity at once', async () => {
    guest.alter = () => [new Error('gone')];
    for (let i = 0; i < 2; i++) await expect(relay()).rejects.toThrow();
    guest.alter = (pieces) => pieces;
    expect(await relay()).toEqual(refused('not_ready'));
  });
});

describe('POST /v1/vouchers', () => {
  const voucher = async (total: bigint, contract = CONTRACT, signer = payer) => {
    const statement = { workerContract: contract, total, tokens: 1n };
    const signature = await signer.sign(toBigEndian(statementHash(packWorkerVoucher(statement)), 32));
    return post('/v1/vouchers', writeJson(workerVoucherCall, { voucher: statement, signature }));
  };
  const newest = (body: Uint8Array) => readJson(workerVoucherAnswer, body).newest?.voucher.total;

  it('keeps the highest, and answers with it', async () => {
    expect(newest((await voucher(0n)).body)).toBe(0n);
    expect(newest((await voucher(500n)).body)).toBe(500n);
    expect(newest((await voucher(400n)).body)).toBe(500n);
    expect(account().voucher?.voucher.total).toBe(500n);
  });

  it('refuses one on another contract, or by another key', async () => {
    expect((await voucher(500n, Address.parseRaw(`0:${hex(0xa3)}`))).status).toBe(403);
    expect((await voucher(500n, CONTRACT, generateSigner())).status).toBe(403);
    expect(account().voucher).toBeNull();
  });
});

describe('the other calls', () => {
  it('sign no challenge that names another proxy', async () => {
    const ask = (proxy: Address) => post('/v1/challenge', writeJson(challengeCall, { proxy, nonce: hex(5), evidence: hex(6) }));
    expect((await ask(PROXY)).status).toBe(200);
    expect((await ask(Address.parseRaw(`0:${hex(0xa3)}`))).status).toBe(403);
    expect(guest.calls.filter((call) => call === 'POST /v1/challenge').length).toBe(1);
  });

  it('stop only what this proxy runs', async () => {
    guest.alter = () => [new Error('gone')];
    const hashes = [hex(1)];
    await expect(relay()).rejects.toThrow();
    const running = guest.receipts[0]?.receipt.receipt.authorisationHash.toString(16).padStart(64, '0') ?? '';
    hashes.push(running);
    for (const hash of hashes) expect((await post(`/v1/stop/${hash}`, new Uint8Array(0))).status).toBe(204);
    expect(guest.calls.filter((call) => call.startsWith('POST /v1/stop'))).toEqual([`POST /v1/stop/${running}`]);
    expect((await post('/v1/stop/x', new Uint8Array(0))).status).toBe(204);
  });

  it('pass evidence on by its digest, and nothing else', async () => {
    expect((await get(`/v1/evidence/${guest.guest.digest}`)).status).toBe(200);
    expect((await get('/v1/evidence/..%2fguest')).status).toBe(400);
    const gpus = await get(`/v1/gpu-evidence/${guest.guest.digest}`);
    expect([gpus.status, fromUtf8(gpus.body)]).toEqual([200, 'gpus']);
    expect((await get('/v1/gpu-evidence/..%2fguest')).status).toBe(400);
    expect((await get('/v1/receipts?after=x')).status).toBe(400);
  });
});

describe('the link to the guest', () => {
  it('is one connection, however many call at once, and is made again when it is lost', async () => {
    guest.socket.cut();
    const before = guest.socket.connections;
    const ask = async () => readAll((await link.call({ method: 'GET', path: '/v1/guest' })).body, 100_000);
    await Promise.all(Array.from({ length: 10 }, ask)).catch(() => undefined);
    await Promise.all(Array.from({ length: 10 }, ask));
    expect(guest.socket.connections - before).toBe(1);
  });

  it('knows nothing of a guest that does not answer', async () => {
    await guest.socket.close();
    await link.refresh({ seqno: 2, rootHash: hex(1), atSec: NOW });
    expect(link.status).toBeNull();
    expect(await relay()).toEqual(refused('not_ready'));
  });
});
