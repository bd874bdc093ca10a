/** The calls that a proxy makes on the connection that this worker dialled. */
import type { Address } from '@ton/core';
import type { Logger } from 'pino';
import { type Prices, packAuthorisation, packWorkerVoucher, statementHash } from '../../wrappers/statements';
import { isAtLeast } from '../billing/prices';
import { toBigEndian } from '../core/bytes';
import type { CryptoProvider } from '../core/crypto';
import { challengeCall, type WorkerInfo, workerInfo, workerReceipts, workerVoucherAnswer, workerVoucherCall } from '../protocol/calls';
import { CallError, readJson, writeJson } from '../protocol/json';
import { decodeGuestRequest, SEALED_MEDIA_TYPE } from '../sealing/relay-body';
import { ResponseInspector } from '../sealing/response-inspector';
import type { Answer, Handler, IncomingCall } from '../transport/exchange';
import { noContent, okJson, type Route, routes } from '../transport/routes';
import type { Arrived, ContractView, WorkerAccounts } from './accounts';
import type { GuestLink } from './guest-link';

/** What a proxy's calls need. */
export interface ProxyServiceParts {
  /** The proxy's contract. */
  readonly proxy: Address;
  readonly payerKey: Uint8Array;
  readonly workerContract: Address;
  readonly prices: Prices;
  readonly accounts: WorkerAccounts;
  readonly guest: GuestLink;
  readonly crypto: CryptoProvider;
  readonly log: Logger;
  info(): WorkerInfo;
  /** As lately read from the chain; null while there is no contract, or no late look. */
  contract(): ContractView | null;
}

/** The bundle, and beside it the GPU evidence that its claims name. */
const EVIDENCE_PATHS = ['/v1/evidence', '/v1/gpu-evidence'] as const;

const HASH = /^[0-9a-f]{64}$/;

/** The handler of one proxy's connection. */
export function proxyService(parts: ProxyServiceParts): Handler {
  const id = parts.proxy.toRawString();
  return routes([
    { method: 'GET', path: '/v1/worker', handle: async () => okJson(writeJson(workerInfo, parts.info())) },
    ...EVIDENCE_PATHS.map(
      (path): Route => ({
        method: 'GET',
        path: `${path}/:digest`,
        handle: async (call, digest) => {
          if (!HASH.test(digest)) throw new CallError('bad_request', 'not a digest');
          return parts.guest.call({ method: 'GET', path: `${path}/${digest}` }, call.signal);
        },
      }),
    ),
    {
      method: 'POST',
      path: '/v1/challenge',
      handle: async (call) => {
        // The guest signs only for the proxy whose contract named this endpoint: one proxy cannot pass its challenge on as another's.
        const asked = readJson(challengeCall, call.body);
        if (!asked.proxy.equals(parts.proxy)) throw new CallError('authorisation_refused', 'the challenge names another proxy');
        return parts.guest.call({ method: 'POST', path: '/v1/challenge', body: writeJson(challengeCall, asked) }, call.signal);
      },
    },
    { method: 'POST', path: '/v1/relay', handle: (call) => relay(parts, call) },
    {
      method: 'POST',
      path: '/v1/stop/:hash',
      handle: async (call, hash) => {
        // A proxy stops its own requests only.
        if (!HASH.test(hash) || !parts.accounts.isRunning(id, hash)) return noContent();
        return parts.guest.call({ method: 'POST', path: `/v1/stop/${hash}` }, call.signal);
      },
    },
    {
      method: 'GET',
      path: '/v1/receipts',
      handle: async (_call, _parameter, query) => {
        const after = query.get('after') ?? '0';
        if (!/^[0-9]{1,20}$/.test(after)) throw new CallError('bad_request', 'after is not a number');
        const receipts = await parts.accounts.receiptsAfter(id, BigInt(after));
        return okJson(writeJson(workerReceipts, { receipts }));
      },
    },
    {
      method: 'POST',
      path: '/v1/vouchers',
      handle: async (call) => {
        const { voucher, signature } = readJson(workerVoucherCall, call.body);
        if (!voucher.workerContract.equals(parts.workerContract))
          throw new CallError('voucher_refused', 'the voucher is for another contract');
        const message = toBigEndian(statementHash(packWorkerVoucher(voucher)), 32);
        if (!(await parts.crypto.verifyEd25519(parts.payerKey, message, signature))) {
          throw new CallError('voucher_refused', "the voucher is not signed by the proxy's payer key");
        }
        await parts.accounts.acceptVoucher(id, { voucher, signature });
        return okJson(writeJson(workerVoucherAnswer, { newest: parts.accounts.view(parts.workerContract.toRawString()).voucher }));
      },
    },
  ]);
}

async function relay(parts: ProxyServiceParts, call: IncomingCall): Promise<Answer> {
  const { authorisation } = decodeGuestRequest(call.body);
  const hash = statementHash(packAuthorisation(authorisation));
  if (!isAtLeast(authorisation.prices, parts.prices)) {
    throw new CallError('authorisation_refused', "the authorised prices are below the worker's", { check: 'prices' });
  }
  const boot = parts.guest.status?.boot;
  if (boot === undefined) throw new CallError('not_ready', 'the guest does not answer', {}, true);
  const view = parts.contract();
  if (view === null) throw new CallError('not_ready', 'the proxy has not funded its contract with this worker', {}, true);
  const arrival = { proxy: parts.proxy.toRawString(), contract: parts.workerContract.toRawString(), view, boot, authorisation };
  refuse(await parts.accounts.begin(arrival));

  const answer = await callGuest(parts, hash, call);
  if (answer.status !== 200) {
    // The guest refuses before it runs anything.
    await parts.accounts.giveUp(hash);
    return answer;
  }
  return { status: 200, headers: { 'content-type': SEALED_MEDIA_TYPE }, body: pass(parts, hash, answer) };
}

/** @throws CallError for whatever is not admitted */
function refuse(arrived: Arrived): void {
  switch (arrived) {
    case 'admitted':
      return;
    case 'already_used':
      throw new CallError('already_used', 'the authorisation is already used');
    case 'full':
      throw new CallError('not_ready', 'as many requests run as may', {}, true);
    case 'unacknowledged':
      throw new CallError('not_ready', 'too many receipts wait for the proxy', {}, true);
    case 'no_headroom':
      throw new CallError('not_ready', 'the proxy owes this worker as much as its contract holds', {}, true);
  }
}

async function callGuest(parts: ProxyServiceParts, hash: bigint, call: IncomingCall): Promise<Answer> {
  try {
    return await parts.guest.call({ method: 'POST', path: '/v1/relay', body: call.body }, call.signal);
  } catch (error) {
    // Otherwise it may run: the guest shows its receipt, or its restart or the time gives it up.
    if (error instanceof CallError && error.code === 'not_ready') await parts.accounts.giveUp(hash);
    throw error;
  }
}

/** Passes the answer on. The receipt is on disk before its last byte leaves; if the answer breaks off the guest still has it. */
async function* pass(parts: ProxyServiceParts, hash: bigint, answer: Answer): AsyncGenerator<Uint8Array> {
  const inspector = new ResponseInspector(parts.crypto);
  for await (const bytes of answer.body) {
    await inspector.push(bytes);
    if (inspector.hasReceipt) {
      const { receipt, signature } = inspector.receipt(hash);
      await parts.accounts.record([{ receipt, signature }]);
    }
    yield bytes;
  }
  if (!inspector.hasReceipt) parts.log.warn({ proxy: parts.proxy.toRawString() }, 'answer ended without a receipt');
}
