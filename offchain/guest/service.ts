/** The calls of the worker, on the machine's local socket: those of docs/protocol.md, worker to guest, and nothing else. */
import { challengeAnswer, challengeCall, guestReceipts, guestStatus, type HostBlock, hostBlock } from '../protocol/calls';
import { hashValue } from '../protocol/fields';
import { CallError, readJson, writeJson } from '../protocol/json';
import type { Handler } from '../transport/exchange';
import { noContent, okJson, routes } from '../transport/routes';
import type { Guest } from './guest';

/** @param onBlock called with each block before the guest sees it: where the network's clock is its chain's, it sets the time */
export function guestService(guest: Guest, onBlock: (block: HostBlock) => void): Handler {
  return routes([
    { method: 'GET', path: '/v1/guest', handle: async () => okJson(writeJson(guestStatus, guest.status())) },
    {
      method: 'GET',
      path: '/v1/evidence/:digest',
      handle: async (_call, digest) => {
        const bundle = guest.evidence(digest);
        if (bundle === null) throw new CallError('not_found', 'no key set of this guest has this evidence');
        return okJson(bundle, { 'cache-control': 'public, max-age=31536000, immutable' });
      },
    },
    {
      method: 'GET',
      path: '/v1/gpu-evidence/:digest',
      handle: async (_call, digest) => {
        const document = guest.gpuEvidence(digest);
        if (document === null) throw new CallError('not_found', 'no key set of this guest has GPU evidence beside this evidence');
        return okJson(document, { 'cache-control': 'public, max-age=31536000, immutable' });
      },
    },
    {
      method: 'POST',
      path: '/v1/challenge',
      handle: async (call) => {
        const { proxy, nonce, evidence } = readJson(challengeCall, call.body);
        return okJson(writeJson(challengeAnswer, await guest.challenge(proxy, nonce, evidence)));
      },
    },
    {
      method: 'POST',
      path: '/v1/block',
      handle: async (call) => {
        const block = readJson(hostBlock, call.body);
        onBlock(block);
        await guest.tellBlock(block);
        return noContent();
      },
    },
    { method: 'POST', path: '/v1/relay', handle: (call) => guest.relay.accept(call.body, call.signal) },
    {
      method: 'POST',
      path: '/v1/stop/:authorisation',
      handle: async (_call, hash) => {
        guest.relay.stop(hashValue(hash));
        return noContent();
      },
    },
    {
      method: 'GET',
      path: '/v1/receipts',
      handle: async (_call, _none, query) => okJson(writeJson(guestReceipts, guest.receiptsAfter(readAfter(query)))),
    },
    {
      method: 'POST',
      path: '/v1/drain',
      handle: async () => {
        guest.drain();
        return noContent();
      },
    },
  ]);
}

/** The number behind which receipts are asked for; none means all of them. @throws CallError bad_request */
function readAfter(query: URLSearchParams): number {
  const after = query.get('after') ?? '0';
  if (!/^[0-9]{1,15}$/.test(after)) throw new CallError('bad_request', 'receipts are asked for with ?after=NUMBER');
  return Number(after);
}
