import { Address, toNano } from '@ton/core';
import { IMAGE_ROLE, MODEL_KIND, type RootContract } from '../../wrappers/RootContract';
import { packChallenge, statementHash } from '../../wrappers/statements';
import { DEFAULT_LIMITS } from '../attestation/policy';
import { failedChecks } from '../attestation/report';
import { VerifierMemory } from '../attestation/verifier-memory';
import { AllowlistView } from '../chain/allowlist';
import { LocalChainProcess, NETWORK_ID } from '../chain/local-chain.test-kit';
import { openNetworkChain, ROOT_READ } from '../chain/network-chain';
import type { SendingWallet } from '../chain/wallet';
import { ChainWatcher } from '../chain/watcher';
import { ClientSettingsSchema } from '../client/config';
import { BLOCK, makeGuest, NOW, noGpuEvidence, ROOT, type TestGuest, testCollateral, testRoot } from '../client/guest.test-kit';
import { GuestVerifier } from '../client/guest-verifier';
import { toBigEndian } from '../core/bytes';
import { FixedClock } from '../core/clock';
import { until } from '../core/until.test-kit';
import { challengeAnswer, challengeCall } from '../protocol/calls';
import { readJson, writeJson } from '../protocol/json';
import { silentLog } from '../runtime/log';
import type { Network } from '../runtime/network';
import { nodeCrypto } from '../runtime/node-crypto';
import { ProxyConfigSchema } from './config';
import { PROXY } from './running-proxy.test-kit';
import { WorkerGuests } from './worker-guests';

// From the root contract on a real chain to the verdicts of client and proxy: one look takes a hash away from both.

const MAX_AGE_SEC = 120;
const chain = new LocalChainProcess();
let guest: TestGuest;
let owner: SendingWallet;
let root: RootContract;

beforeAll(async () => {
  await chain.start();
  guest = await makeGuest();
  owner = await chain.wallet(1);
  await chain.faucet(owner.address, toNano(10));
  root = await chain.deployRoot(owner);
});
afterAll(() => chain.remove());

const imageHash = () => BigInt(`0x${guest.imageHash}`);
const modelHash = () => BigInt(`0x${guest.offer.model.hash}`);

async function list(): Promise<void> {
  const opened = chain.client().open(root);
  await owner.sendVia(async (via) => {
    await opened.sendAddImage(via, { hash: imageHash(), roles: IMAGE_ROLE.worker, note: 0n });
    await opened.sendAddModel(via, { hash: modelHash(), kind: MODEL_KIND.files, note: 0n });
  });
}

/** Client and proxy over one view of the chain, which is read when a test says; both have verified the guest. */
async function verified() {
  const { atSec } = await chain.client().getAccount(root.address);
  // The chain's time is the machine's; that of the evidence is the kit's.
  const offsetSec = atSec - NOW;
  const clock = new FixedClock(NOW + 10);
  const lists = new AllowlistView({ root: root.address, clock: { nowSec: () => clock.nowSec() + offsetSec }, maxAgeSec: MAX_AGE_SEC });
  const watcher = new ChainWatcher({ client: chain.client(), intervalMs: 1_000_000, log: silentLog() });
  const unfollow = lists.follow(watcher);
  await watcher.poll();
  const shifted = <T extends { readonly activeFromSec: number }>(entry: T | null) =>
    entry === null ? null : { ...entry, activeFromSec: entry.activeFromSec - offsetSec };
  const parts = {
    clock,
    crypto: nodeCrypto,
    policy: { ...DEFAULT_LIMITS, trustRoots: [await testRoot()] },
    allowlist: { image: (hash: string) => shifted(lists.image(hash)), model: (hash: string) => shifted(lists.model(hash)) },
    blocks: (seqno: number) => (seqno === BLOCK.seqno ? { rootHash: BLOCK.rootHash, atSec: NOW - 600 } : null),
    collateral: testCollateral(),
  };
  const fetches = { fetchBundle: async () => guest.bundle, fetchGpuEvidence: noGpuEvidence };
  const client = new GuestVerifier({ ...parts, ...fetches, network: ROOT, memory: new VerifierMemory() });
  const { model, keys, owner: paid } = guest.offer;
  const info = { model, keys, engine: { name: 'llama.cpp', version: '1.2.3' }, image: 'cocoon-guest 0.1.0' };
  const proxy = new WorkerGuests(
    { ...parts, proxy: PROXY, root: Address.parseRaw(ROOT), memory: new VerifierMemory(), log: silentLog() },
    {
      evidence: async () => guest.bundle,
      gpuEvidence: noGpuEvidence,
      challenge: async (call) => {
        const { nonce } = readJson(challengeCall, call);
        const challenge = { proxy: PROXY, nonce: BigInt(`0x${nonce}`), at: NOW };
        const signature = await guest.receipt.sign(toBigEndian(statementHash(packChallenge(challenge)), 32));
        return writeJson(challengeAnswer, { challenge, signature });
      },
    },
  );
  const review = () => proxy.review(paid, info);
  return { clock, lists, watcher, client, proxy, review, unfollow };
}

type Verified = Awaited<ReturnType<typeof verified>>;

/** Names of the checks by which the client refuses now; none while it trusts. */
async function clientRefusal({ client }: Verified): Promise<readonly string[]> {
  const verdict = await client.verify(guest.offer);
  return verdict.trusted ? [] : failedChecks(verdict.report).map(({ name }) => name);
}

const proxyOffers = ({ proxy }: Verified) => proxy.offered(guest.digest) !== null;

async function trusted(): Promise<Verified> {
  await list();
  const both = await verified();
  await both.review();
  expect(both.proxy.refused).toBeNull();
  expect([await clientRefusal(both), proxyOffers(both)]).toEqual([[], true]);
  return both;
}

test.each([
  ['image', 'image-listed'],
  ['model', 'model-listed'],
])('one look at the chain after its %s was removed nobody seals to a guest or offers it', async (what, check) => {
  const both = await trusted();
  await owner.sendVia(async (via) => {
    const opened = chain.client().open(root);
    if (what === 'image') await opened.sendRemoveImage(via, { hash: imageHash() });
    else await opened.sendRemoveModel(via, { hash: modelHash() });
  });
  expect([await clientRefusal(both), proxyOffers(both)]).toEqual([[], true]);
  await both.watcher.poll();
  expect([(await clientRefusal(both))[0], proxyOffers(both)]).toEqual([check, false]);
  await both.review();
  expect(both.proxy.refused?.checks[0]).toBe(check);
  both.unfollow();
});

test('a process sees a removal although its watcher does not look again', async () => {
  await list();
  const network: Network = {
    name: 'test',
    networkId: NETWORK_ID,
    root: root.address.toRawString(),
    chain: [{ url: chain.endpoint }],
    trustRoots: [],
    pccs: 'http://127.0.0.1:1',
    clock: 'chain',
  };
  const never = 2_000_000_000;
  const { lists, stop } = await openNetworkChain(network, never, silentLog());
  expect(lists.image(guest.imageHash)).not.toBeNull();
  await owner.sendVia((via) => chain.client().open(root).sendRemoveImage(via, { hash: imageHash() }));
  await until(() => lists.image(guest.imageHash) === null);
  await stop();
});

test('no config lets ten seconds pass between two looks', () => {
  expect(ROOT_READ.everyMs + ROOT_READ.attempts * ROOT_READ.timeoutMs).toBeLessThan(10_000);
  const common = { stateFolder: '.', network: 'network.json', owner: ROOT };
  for (const schema of [ClientSettingsSchema, ProxyConfigSchema]) {
    expect(schema.safeParse({ ...common, pollMs: 10_000 }).success).toBe(true);
    expect(schema.safeParse({ ...common, pollMs: 10_001 }).success).toBe(false);
  }
});

test('a machine of the endpoint that is behind does not bring a removed image back', async () => {
  const both = await trusted();
  const before = await chain.client().getAccount(root.address);
  await owner.sendVia((via) => chain.client().open(root).sendRemoveImage(via, { hash: imageHash() }));
  await both.watcher.poll();
  both.lists.update(before);
  expect([(await clientRefusal(both))[0], proxyOffers(both)]).toEqual(['image-listed', false]);
  both.unfollow();
});

test('verdicts outlive a short outage of the chain, and end when it was last read two minutes ago', async () => {
  const both = await trusted();
  await chain.kill();
  await expect(both.watcher.poll()).rejects.toMatchObject({ code: 'chain_unreachable' });
  both.clock.advance(MAX_AGE_SEC - 10);
  expect([await clientRefusal(both), proxyOffers(both)]).toEqual([[], true]);
  both.clock.advance(10);
  expect([(await clientRefusal(both))[0], proxyOffers(both)]).toEqual(['image-listed', false]);
  await both.review();
  expect(both.proxy.refused?.checks).toContain('image-listed');
});
