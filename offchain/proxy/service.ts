/** The calls that clients make. */
import type { Address } from '@ton/core';
import { packRequest, statementHash } from '../../wrappers/statements';
import { concat, fromBase64Url, toBigEndian, utf8 } from '../core/bytes';
import { PeerError } from '../core/errors';
import {
  type ChannelStanding,
  channelCall,
  channelStanding,
  channelState,
  offers,
  type ProxyInfo,
  proxyInfo,
  REQUEST_HEADER,
  voucherCall,
} from '../protocol/calls';
import { bytesValue, hashValue } from '../protocol/fields';
import { CallError, readJson, writeJson } from '../protocol/json';
import { type Answer, type Handler, type IncomingCall, TransportError } from '../transport/exchange';
import { noContent, okJson, routes } from '../transport/routes';
import { type Channel, parseChannelAddress } from './channels';
import { type RelayParts, relay, takeVoucher } from './relay';

export interface ServiceParts extends RelayParts {
  readonly address: Address;
  info(): ProxyInfo;
}

/** How far a request statement's time may be from ours, in seconds. */
const MAX_REQUEST_AGE_SEC = 120;
/** Most receipts, and most numbers, in one answer about a channel. */
const MAX_SHOWN = 1024;

/** Any page may ask: nothing here rests on cookies or on where a call comes from. */
const CORS = {
  'access-control-allow-origin': '*',
  'access-control-allow-methods': 'GET, POST, OPTIONS',
  'access-control-allow-headers': 'content-type, cocoon-worker, cocoon-request',
  'access-control-max-age': '86400',
} as const;

export function proxyService(parts: ServiceParts): Handler {
  const serve = routes(
    [
      { method: 'GET', path: '/v1/proxy', handle: async () => okJson(writeJson(proxyInfo, parts.info())) },
      {
        method: 'GET',
        path: '/v1/offers',
        handle: async (_call, _parameter, query) => {
          const expiresAt = parts.clock.nowSec() + parts.config.offerSec;
          return okJson(writeJson(offers, { expiresAt, offers: parts.workers.offers(query.get('model')) }));
        },
      },
      { method: 'GET', path: '/v1/evidence/:digest', handle: (_call, digest) => evidence(parts, digest, 'evidence') },
      { method: 'GET', path: '/v1/gpu-evidence/:digest', handle: (_call, digest) => evidence(parts, digest, 'gpuEvidence') },
      { method: 'POST', path: '/v1/relay', handle: (call) => relay(parts, call) },
      { method: 'POST', path: '/v1/stop/:hash', handle: (_call, hash) => stop(parts, hash) },
      { method: 'POST', path: '/v1/vouchers', handle: (call) => vouchers(parts, call) },
      { method: 'GET', path: '/v1/channels/:address', handle: (call, address) => channel(parts, call, address) },
    ],
    CORS,
  );
  return async (call) => (call.method === 'OPTIONS' ? { ...noContent(), headers: CORS } : serve(call));
}

async function evidence(parts: ServiceParts, digest: string, which: 'evidence' | 'gpuEvidence'): Promise<Answer> {
  const bytes = parts.workers.find(digest)?.[which](digest) ?? null;
  if (bytes === null) throw new CallError('not_found', 'no worker with this evidence is connected');
  return okJson(bytes, { 'cache-control': 'public, max-age=31536000, immutable' });
}

async function stop(parts: ServiceParts, hash: string): Promise<Answer> {
  const record = parts.requests.byHash(hashValue(hash));
  if (record === undefined || record.receipt !== null) return noContent();
  try {
    await parts.workers.find(record.evidence)?.stop(hash);
  } catch (error) {
    if (!(error instanceof TransportError) && !(error instanceof PeerError)) throw error;
    throw new CallError('worker_gone', 'the worker was lost', {}, true);
  }
  return noContent();
}

async function vouchers(parts: ServiceParts, call: IncomingCall): Promise<Answer> {
  const { voucher } = readJson(voucherCall, call.body);
  const found = await parts.channels.find(voucher.voucher.channel);
  await takeVoucher(parts, found, voucher);
  return okJson(writeJson(channelStanding, standingOf(parts, found)));
}

async function channel(parts: ServiceParts, call: IncomingCall, text: string): Promise<Answer> {
  const found = await parts.channels.find(parseChannelAddress(text));
  await checkRequestStatement(parts, call, found);
  const { voucher, inFlight } = parts.requests.standing(found.id);
  const receipts = parts.requests
    .unpaidRecords(found.id, MAX_SHOWN)
    .flatMap(({ order, authorisation, signature, receipt }) =>
      receipt === null ? [] : [{ order, authorisation, authorisationSignature: signature, receipt }],
    );
  return okJson(
    writeJson(channelState, {
      standing: standingOf(parts, found),
      voucher,
      receipts,
      inFlight: [...inFlight.keys()].slice(0, MAX_SHOWN),
    }),
  );
}

function standingOf(parts: ServiceParts, found: Channel): ChannelStanding {
  const { coverage, reserved } = parts.requests.standing(found.id);
  return { channel: found.id, voucherTotal: coverage.total, upTo: coverage.upTo, outstanding: parts.requests.unsecured(found), reserved };
}

/** Only who holds the session key may see a channel. @throws CallError authorisation_refused */
async function checkRequestStatement(parts: ServiceParts, call: IncomingCall, found: Channel): Promise<void> {
  const header = call.headers[REQUEST_HEADER];
  if (header === undefined) throw new CallError('authorisation_refused', `the ${REQUEST_HEADER} header is missing`, { check: 'request' });
  const { request, signature } = readJson(channelCall, fromBase64Url(header));
  const path = call.path.split('?')[0] ?? '';
  const callHash = bytesValue(await parts.crypto.sha256(concat(utf8(`${call.method} ${path}\n`), call.body)));
  const age = Math.abs(parts.clock.nowSec() - request.at);
  const message = toBigEndian(statementHash(packRequest(request)), 32);
  const isGood =
    request.channel.equals(found.address) &&
    request.callHash === callHash &&
    age <= MAX_REQUEST_AGE_SEC &&
    (await parts.crypto.verifyEd25519(found.view.sessionKey, message, signature));
  if (!isGood) throw new CallError('authorisation_refused', 'the request statement does not fit this call', { check: 'request' });
}
