import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decodeEvidenceFile } from '../attestation/evidence-file';
import { DEFAULT_LIMITS } from '../attestation/policy';
import { receiptFile } from '../protocol/receipt-file';
import { generateSigner, nodeCrypto } from '../runtime/node-crypto';
import {
  BLOCK,
  CHAT_URL,
  chat,
  hex,
  makeGuest,
  NOW,
  openTestClient,
  type TestClient,
  type TestGuest,
  TestProxy,
  testCollateral,
  testRoot,
  USAGE_COST,
} from './client.test-kit';
import { EvidenceArchive } from './evidence-archive';

const session = generateSigner();
const NEWEST = { seqno: 1001, rootHash: hex(0x67), atSec: NOW };
let folder: string;
let guest: TestGuest;
let peer: TestProxy;
let client: TestClient;
let archive: EvidenceArchive;
let troubles: unknown[];

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'cocoon-archive-'));
  guest = await makeGuest();
  peer = await TestProxy.open(session.publicKey, [guest]);
  client = await openTestClient(peer, { session });
  troubles = [];
  archive = await openArchive();
});

afterEach(async () => {
  await client.close();
  await peer.close();
  rmSync(folder, { recursive: true });
});

async function openArchive(): Promise<EvidenceArchive> {
  const { images, models, clock, proxy } = client;
  return new EvidenceArchive({
    folder: join(folder, 'evidence'),
    sources: {
      crypto: nodeCrypto,
      clock,
      policy: { ...DEFAULT_LIMITS, trustRoots: [await testRoot()] },
      allowlist: { image: (hash) => images.get(hash) ?? null, model: (hash) => models.get(hash) ?? null },
      blocks: (seqno) => (seqno === BLOCK.seqno ? { rootHash: BLOCK.rootHash, atSec: NOW - 600 } : null),
      collateral: testCollateral(),
      fetchBundle: (digest) => proxy.evidence(digest),
      fetchGpuEvidence: (digest) => proxy.gpuEvidence(digest),
    },
    latestBlock: () => NEWEST,
    onTrouble: (error) => troubles.push(error),
  });
}

function fileOf(digest: string): string {
  return join(folder, 'evidence', `${digest}.json`);
}

test('writes what the guest was verified by, for the owner alone', async () => {
  await archive.keep(guest.digest);
  const bytes = readFileSync(fileOf(guest.digest));
  expect(bytes.at(-1)).toBe(0x0a);
  expect(decodeEvidenceFile(bytes.subarray(0, -1))).toMatchObject({
    seenAtSec: NOW,
    expected: { digest: guest.digest, owner: guest.offer.owner, receipt: guest.offer.keys.receipt },
    block: { seqno: BLOCK.seqno, atSec: NOW - 600 },
    allowlist: { asOf: NEWEST, image: { hash: guest.imageHash }, model: { hash: guest.offer.model.hash } },
  });
  expect(statSync(fileOf(guest.digest)).mode & 0o777).toBe(0o600);
  expect(troubles).toEqual([]);
});

test('asks the proxy for a bundle that it was given before once, and for one that it has written never', async () => {
  await archive.fetchBundle(guest.digest);
  await Promise.all([archive.keep(guest.digest), archive.keep(guest.digest)]);
  await archive.keep(guest.digest);
  expect(peer.countOf('GET /v1/evidence/')).toBe(1);
  const written = statSync(fileOf(guest.digest)).mtimeMs;
  await (await openArchive()).keep(guest.digest);
  expect(peer.countOf('GET /v1/evidence/')).toBe(1);
  expect(statSync(fileOf(guest.digest)).mtimeMs).toBe(written);
});

test.each([
  ['cut short', (whole: Uint8Array) => whole.subarray(0, whole.length / 2)],
  ['empty', () => new Uint8Array(0)],
  ['another document', () => new TextEncoder().encode('{}\n')],
])('writes a file anew that is %s, before it goes into a receipt', async (_what, damage) => {
  expect((await client.fetch(CHAT_URL, chat('one'))).status).toBe(200);
  const [report] = client.reports;
  if (report === undefined) throw new RangeError('no answer');
  await archive.keep(guest.digest);
  const whole = readFileSync(fileOf(guest.digest));
  writeFileSync(fileOf(guest.digest), damage(whole));
  expect(JSON.parse(await archive.receiptFile(report, session.publicKey))).toMatchObject({ evidence: { format: 'cocoon evidence' } });
  expect(readFileSync(fileOf(guest.digest)).equals(whole)).toBe(true);
  expect(troubles).toEqual([]);
});

test('writes nothing that does not hold, says so, and tries again at the next answer', async () => {
  const image = client.images.get(guest.imageHash);
  client.images.clear();
  await archive.keep(guest.digest);
  expect(troubles).toMatchObject([{ code: 'evidence_refused' }]);
  expect(existsSync(fileOf(guest.digest))).toBe(false);
  client.images.set(guest.imageHash, image ?? { roles: [], activeFromSec: 0 });
  await archive.keep(guest.digest);
  expect(existsSync(fileOf(guest.digest))).toBe(true);
});

test('says why a bundle could not be had, and the receipt stands without evidence', async () => {
  expect((await client.fetch(CHAT_URL, chat('one'))).status).toBe(200);
  peer.guests.splice(0, 1);
  const [report] = client.reports;
  if (report === undefined) throw new RangeError('no answer');
  expect(JSON.parse(await archive.receiptFile(report, session.publicKey))).toMatchObject({ evidence: null });
  expect(troubles).toMatchObject([{ code: 'not_found' }]);
});

test("gives an answer's receipt with its authorisation, its cost and its guest's evidence", async () => {
  expect((await client.fetch(CHAT_URL, chat('one'))).status).toBe(200);
  const [report] = client.reports;
  if (report === undefined) throw new RangeError('no answer');
  const file = receiptFile.parse(JSON.parse(await archive.receiptFile(report, session.publicKey)));
  expect(file).toMatchObject({
    cost: USAGE_COST,
    authorisation: report.placed.authorisation,
    receipt: report.receipt.receipt,
    evidence: { format: 'cocoon evidence', seenAt: NOW },
  });
  await archive.close();
});

test('keeps the newest files when there are many', async () => {
  const old = Array.from({ length: 256 }, (_, index) => fileOf(index.toString(16).padStart(64, '0')));
  old.forEach((path, index) => {
    writeFileSync(path, '{}');
    utimesSync(path, 1000 + index, 1000 + index);
  });
  writeFileSync(join(folder, 'evidence', 'notes.txt'), 'mine');
  await archive.keep(guest.digest);
  expect(readdirSync(join(folder, 'evidence'))).toHaveLength(257);
  expect(existsSync(old[0] ?? '')).toBe(false);
  expect(existsSync(old[1] ?? '')).toBe(true);
  expect(existsSync(fileOf(guest.digest))).toBe(true);
});
