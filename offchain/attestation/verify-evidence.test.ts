import { concat } from '../core/bytes';
import { webCrypto } from '../core/web-crypto';
import { type Claims, encodeClaims, MAX_CLAIMS_SIZE, SEALING_SUITE, type WorkerClaims } from './claims';
import { encodeBundle, MAX_BUNDLE_SIZE } from './evidence';
import { formatReport } from './format-report';
import { issueCollateral } from './platform/development-collateral';
import {
  hex,
  intelRoot,
  makePki,
  makeScene,
  NOW,
  REAL_NOW,
  realCollateral,
  realQuote,
  sourceOf,
  WORKER_CLAIMS,
  withBundle,
} from './platform/forgery.test-kit';
import { CLOCK_SKEW_SEC } from './policy';
import { type CheckName, CLAIMS_CHECKS, COLLATERAL_CHECKS, EVIDENCE_CHECKS, GPU_CHECKS, PLATFORM_CHECKS, QUOTE_CHECKS } from './report';
import { type EvidenceInput, type EvidenceVerdict, verifyEvidence } from './verify-evidence';

/** What is asked about the platform, and only of a quote that holds by itself. */
const OF_PLATFORM = [...COLLATERAL_CHECKS, ...PLATFORM_CHECKS];
/** What is asked of the chain, and only about evidence whose quote holds. */
const CHAIN_CHECKS = CLAIMS_CHECKS.slice(CLAIMS_CHECKS.indexOf('block-known'));

/** What a block is asked for, and only on the word of a listed image of this network. */
const BLOCK_CHECKS: readonly CheckName[] = ['block-known', 'block-age', 'block-not-future'];

/** The names of the checks that refused; a refusal always has all checks and no claims. */
function refusals(verdict: EvidenceVerdict): readonly CheckName[] {
  expect(verdict.report.checks.map((check) => check.name)).toEqual(EVIDENCE_CHECKS);
  expect(verdict.report.ok).toBe(verdict.accepted);
  return verdict.report.checks.filter((check) => check.required && check.result !== 'pass').map((check) => check.name);
}

async function refusalsOf(input: EvidenceInput): Promise<readonly CheckName[]> {
  const verdict = await verifyEvidence(input);
  expect(verdict.accepted).toBe(false);
  return refusals(verdict);
}

const scene = makeScene();

describe('honest evidence', () => {
  test('is accepted with its claims, its image hash and the moment at which that ends', async () => {
    const { input, claims } = await scene;
    const verdict = await verifyEvidence(input);
    expect(refusals(verdict)).toEqual([]);
    expect(verdict).toMatchObject({
      accepted: true,
      claims: WORKER_CLAIMS,
      claimsBytes: claims,
      imageHash: expect.stringMatching(/^[0-9a-f]{64}$/),
      expiresAtSec: NOW, // The block is at the limit of its age.
      report: { ok: true, simulated: true, modelProven: true },
    });
    expect(formatReport(verdict.report)).toMatch(/^Evidence verified\nSIMULATED: /);
  });

  test('is accepted with WebCrypto too, as browsers have it, check by check', async () => {
    const { input } = await scene;
    const verdict = await verifyEvidence({ ...input, crypto: webCrypto(globalThis.crypto) });
    expect(verdict).toEqual(await verifyEvidence(input));
    expect(verdict.accepted).toBe(true);
  });

  test('without GPUs says so of each of their checks, which is not a pass', async () => {
    const { report } = await verifyEvidence((await scene).input);
    const gpus = report.checks.slice(-GPU_CHECKS.length);
    expect(gpus.map(({ name, required, result }) => [name, required, result])).toEqual(
      GPU_CHECKS.map((name) => [name, false, 'not-applicable']),
    );
  });

  test('ends with its keys, its certificates, its collateral or its block, whichever is first', async () => {
    const { input, pki } = await scene;
    const policy = { ...input.policy, maxBlockAgeSec: 10 * 86_400 };
    expect(await verifyEvidence({ ...input, policy })).toMatchObject({ expiresAtSec: WORKER_CLAIMS.keys.notAfter });
    const shortLived = await makeScene(encodeClaims(WORKER_CLAIMS), makePki({ ca: { notAfterSec: NOW + 7 } }));
    expect(await verifyEvidence({ ...shortLived.input, policy: { ...shortLived.input.policy, maxBlockAgeSec: 2000 } })).toMatchObject({
      expiresAtSec: NOW + 7,
    });
    const longer = { ...policy, maxBlockAgeSec: 2000 };
    const brief = sourceOf(issueCollateral(pki.authority, { nowSec: NOW - 3600, lifeSec: 3600 + 8 }));
    expect(await verifyEvidence({ ...input, policy: longer, collateral: brief })).toMatchObject({ expiresAtSec: NOW + 8 });
    const strict = { ...longer, maxCollateralAgeSec: 3600 + 9 };
    expect(await verifyEvidence({ ...input, policy: strict })).toMatchObject({ expiresAtSec: NOW + 9 });
  });
});

describe('evidence is refused for', () => {
  type Change = (input: EvidenceInput) => Partial<EvidenceInput>;
  const expecting =
    (changes: Partial<EvidenceInput['expected']>): Change =>
    ({ expected }) => ({ expected: { ...expected, ...changes } });
  const image =
    (entry: Awaited<ReturnType<EvidenceInput['allowlist']['image']>>): Change =>
    ({ allowlist }) => ({ allowlist: { image: () => entry, model: allowlist.model } });
  const model =
    (entry: Awaited<ReturnType<EvidenceInput['allowlist']['model']>>): Change =>
    ({ allowlist }) => ({ allowlist: { image: allowlist.image, model: () => entry } });
  const broken = () => {
    throw new Error('the chain is silent');
  };
  const offered = WORKER_CLAIMS.model;

  test.each<[string, readonly CheckName[], Change]>([
    ['another digest than the offer names', ['bundle-digest'], expecting({ digest: hex(0) })],
    ['another role', ['claims-role', 'tls-key', ...BLOCK_CHECKS, 'image-role'], expecting({ role: 'proxy', tls: hex(0x77) })],
    ['another network', ['claims-network', ...BLOCK_CHECKS], expecting({ network: `0:${hex(0)}` })],
    ['another owner', ['claims-owner'], expecting({ owner: `0:${hex(0)}` })],
    ['another model name', ['claims-model'], expecting({ model: { ...offered, name: 'another' } })],
    ['another model hash', ['claims-model'], expecting({ model: { ...offered, hash: hex(0) } })],
    ['another model kind', ['claims-model'], expecting({ model: { ...offered, kind: 'verity' } })],
    ['no model where one is claimed', ['claims-model'], expecting({ model: null })],
    ['another sealing key', ['sealing-key'], expecting({ sealing: [{ suite: SEALING_SUITE, publicKey: hex(0) }] })],
    ['no sealing key', ['sealing-key'], expecting({ sealing: [] })],
    ['another receipt key', ['receipt-key'], expecting({ receipt: hex(0) })],
    ['a block that the chain does not have', BLOCK_CHECKS, () => ({ blocks: () => null })],
    ['a block with another hash', BLOCK_CHECKS, () => ({ blocks: () => ({ rootHash: hex(0), atSec: NOW }) })],
    ['a block lookup that fails', BLOCK_CHECKS, () => ({ blocks: broken })],
    ['a stale block', ['block-age'], () => ({ blocks: () => ({ rootHash: hex(0x66), atSec: NOW - 1001 }) })],
    ['a block from the future', ['block-not-future'], () => ({ blocks: () => ({ rootHash: hex(0x66), atSec: NOW + CLOCK_SKEW_SEC + 1 }) })],
    ['an image that is not listed, or was removed', [...BLOCK_CHECKS, 'image-listed', 'image-role', 'image-active'], image(null)],
    [
      'an image list that cannot be read',
      [...BLOCK_CHECKS, 'image-listed', 'image-role', 'image-active'],
      ({ allowlist }) => ({ allowlist: { image: broken, model: allowlist.model } }),
    ],
    ['an image that is listed for another role', [...BLOCK_CHECKS, 'image-role'], image({ roles: ['proxy'], activeFromSec: 0 })],
    ['an image that is listed for no role', [...BLOCK_CHECKS, 'image-role'], image({ roles: [], activeFromSec: 0 })],
    ['an image that is not active yet', ['image-active'], image({ roles: ['worker'], activeFromSec: NOW + 1 })],
    ['an image that is active too briefly', ['image-active'], image({ roles: ['worker'], activeFromSec: NOW - 99 })],
    ['a model that is not listed, or was removed', ['model-listed', 'model-active'], model(null)],
    [
      'a model list that cannot be read',
      ['model-listed', 'model-active'],
      ({ allowlist }) => ({ allowlist: { image: allowlist.image, model: broken } }),
    ],
    ['a model that is listed as another kind', ['model-listed'], model({ kind: 'verity', activeFromSec: 0 })],
    ['a model that is not active yet', ['model-active'], model({ kind: 'files', activeFromSec: NOW + 1 })],
    ['a model that is active too briefly', ['model-active'], model({ kind: 'files', activeFromSec: NOW - 99 })],
  ])('%s (%j)', async (_, names, change) => {
    const { input } = await scene;
    expect(await refusalsOf({ ...input, ...change(input) })).toEqual(names);
  });

  const changed = (changes: Partial<WorkerClaims>): Uint8Array => encodeClaims({ ...WORKER_CLAIMS, ...changes });
  const keys = WORKER_CLAIMS.keys;
  test.each<[string, readonly CheckName[], Uint8Array]>([
    ['keys that have expired', ['keys-not-expired'], changed({ keys: { ...keys, notAfter: NOW } })],
    ['claims from the future', ['issued-not-future'], changed({ issuedAt: NOW + CLOCK_SKEW_SEC + 1 })],
    ['proven claims of another owner', ['claims-owner'], changed({ owner: `0:${hex(0x23)}` })],
    ['proven claims of another network', ['claims-network', ...BLOCK_CHECKS], changed({ network: `0:${hex(0x12)}` })],
    [
      'proven claims of other keys',
      ['sealing-key'],
      changed({ keys: { ...keys, sealing: [{ suite: SEALING_SUITE, publicKey: hex(0x34) }] } }),
    ],
    ['proven claims of another receipt key', ['receipt-key'], changed({ keys: { ...keys, receipt: hex(0x45) } })],
    [
      'evidence of another worker, its owner and all its keys',
      ['claims-owner', 'sealing-key', 'receipt-key'],
      changed({
        owner: `0:${hex(0x23)}`,
        keys: { ...keys, sealing: [{ suite: SEALING_SUITE, publicKey: hex(0x34) }], receipt: hex(0x45) },
      }),
    ],
    [
      "yesterday's evidence, with its keys and its block",
      ['keys-not-expired', 'block-age'],
      changed({ keys: { ...keys, notAfter: NOW - 3600 }, block: { seqno: 500, rootHash: hex(0x66) }, issuedAt: NOW - 86_400 }),
    ],
    [
      "yesterday's evidence, whose guest says that its keys last for ever",
      ['block-age'],
      changed({ keys: { ...keys, notAfter: 0xffff_ffff }, block: { seqno: 500, rootHash: hex(0x66) } }),
    ],
    [
      'proven claims of an unlisted model',
      ['claims-model', 'model-listed', 'model-active'],
      changed({ model: { ...offered, hash: hex(0x56) } }),
    ],
    ['an unknown block', BLOCK_CHECKS, changed({ block: { seqno: 1001, rootHash: hex(0x66) } })],
    [
      'proven bytes that are no claims',
      ['claims-structure', ...CLAIMS_CHECKS.slice(2), ...GPU_CHECKS],
      new TextEncoder().encode('{"version":1}'),
    ],
  ])('%s (%j)', async (_, names, claims) => {
    const { input } = await makeScene(claims);
    expect(await refusalsOf(input)).toEqual(names);
  });

  test('claims that the quote is not over, whatever they say (report-data)', async () => {
    const { input, quote } = await scene;
    const bundle = encodeBundle({ quote, claims: changed({ image: 'another image' }) });
    expect(await refusalsOf(await withBundle(input, bundle))).toEqual(['report-data', ...CHAIN_CHECKS]);
  });

  test("a real quote under Intel's root, which holds and is over other claims (report-data)", async () => {
    const { input, claims } = await scene;
    const real = await withBundle(input, encodeBundle({ quote: realQuote('fmspc-90c06f'), claims }));
    const policy = { ...input.policy, trustRoots: [await intelRoot()] };
    const collateral = sourceOf(realCollateral('fmspc-90c06f'));
    const verdict = await verifyEvidence({ ...real, policy, collateral, nowSec: REAL_NOW['fmspc-90c06f'] });
    const failed = refusals(verdict);
    expect(failed.filter((name) => [...QUOTE_CHECKS, ...OF_PLATFORM].some((check) => check === name))).toEqual([]);
    expect(failed).toContain('report-data');
    expect(verdict).toMatchObject({ accepted: false, report: { simulated: false } });
  });

  test("a simulated quote under Intel's root, and a real one under a development root (trust-root)", async () => {
    const { input, claims } = await scene;
    const policy = { ...input.policy, trustRoots: [await intelRoot()] };
    expect(await refusalsOf({ ...input, policy })).toEqual(['trust-root', 'pck-chain', ...OF_PLATFORM, ...CHAIN_CHECKS]);
    const real = await withBundle(input, encodeBundle({ quote: realQuote('fmspc-90c06f'), claims }));
    expect(await refusalsOf(real)).toEqual(['trust-root', 'pck-chain', ...OF_PLATFORM, 'report-data', ...CHAIN_CHECKS]);
  });

  test("another local network's root (trust-root)", async () => {
    const { input } = await scene;
    const { root } = await makeScene();
    expect(await refusalsOf({ ...input, policy: { ...input.policy, trustRoots: [root] } })).toContain('trust-root');
  });

  test('padding behind the quote (quote-structure)', async () => {
    const { input, quote, claims } = await scene;
    const bundle = encodeBundle({ quote: concat(quote, new Uint8Array(70)), claims });
    expect((await refusalsOf(await withBundle(input, bundle)))[0]).toBe('quote-structure');
  });

  test.each([
    ['bytes behind the bundle', async () => concat((await scene).input.bundle, Uint8Array.of(10))],
    ['a bundle cut off', async () => (await scene).input.bundle.subarray(0, -1)],
    ['an oversized bundle', async () => new Uint8Array(MAX_BUNDLE_SIZE + 1)],
    ['an empty bundle', async () => new Uint8Array(0)],
  ])('%s (bundle-structure), and nothing behind that is said to have passed', async (_, make) => {
    const input = await withBundle((await scene).input, await make());
    expect(await refusalsOf(input)).toEqual(EVIDENCE_CHECKS.filter((name) => name !== 'bundle-digest'));
  });

  test('oversized claims, which no bundle can carry (bundle-structure)', async () => {
    const { quote } = await scene;
    expect(() => encodeBundle({ quote, claims: new Uint8Array(MAX_CLAIMS_SIZE + 1) })).toThrow('claims of 16385 bytes, limit 16384');
  });
});

describe('an unproven model', () => {
  const claims = encodeClaims({ ...WORKER_CLAIMS, model: { ...WORKER_CLAIMS.model, kind: 'unproven' } });
  const ask = async (allowUnproven: boolean) => {
    const { input } = await makeScene(claims);
    const { image } = input.allowlist;
    return {
      ...input,
      expected: { ...input.expected, model: { ...WORKER_CLAIMS.model, kind: 'unproven' as const } },
      policy: { ...input.policy, allowUnproven },
      allowlist: { image, model: () => ({ kind: 'unproven' as const, activeFromSec: 0 }) },
    };
  };

  test('is refused unless the policy allows it (model-proven)', async () => {
    const verdict = await verifyEvidence(await ask(false));
    expect(refusals(verdict)).toEqual(['model-proven']);
    expect(formatReport(verdict.report)).toContain('MODEL NOT PROVEN');
  });

  test('is accepted under a development root where the policy allows it, and the report says MODEL NOT PROVEN', async () => {
    const verdict = await verifyEvidence(await ask(true));
    expect(verdict).toMatchObject({ accepted: true, report: { modelProven: false, simulated: true } });
    expect(verdict.report.checks.find((check) => check.name === 'model-proven')).toMatchObject({
      result: 'not-applicable',
      required: false,
    });
    expect(formatReport(verdict.report)).toContain('MODEL NOT PROVEN: ');
  });

  test("is refused by the policy itself under Intel's root (bad_policy)", async () => {
    const input = await ask(true);
    const policy = { ...input.policy, trustRoots: [await intelRoot()] };
    await expect(verifyEvidence({ ...input, policy })).rejects.toMatchObject({ code: 'bad_policy' });
  });
});

describe('an attested proxy', () => {
  const tls = hex(0x77);
  const proxy: Claims = { ...WORKER_CLAIMS, role: 'proxy', keys: { ...WORKER_CLAIMS.keys, sealing: [] }, tls, model: null, engine: null };
  const ask = async (changes: Partial<EvidenceInput['expected']> = {}) => {
    const { input } = await makeScene(encodeClaims(proxy));
    return {
      ...input,
      expected: { ...input.expected, role: 'proxy' as const, sealing: [], model: null, tls, ...changes },
      allowlist: { image: () => ({ roles: ['proxy' as const], activeFromSec: 0 }), model: () => null },
    };
  };

  test('is accepted with its TLS key, without a model', async () => {
    const verdict = await verifyEvidence(await ask());
    expect(refusals(verdict)).toEqual([]);
    expect(verdict).toMatchObject({ accepted: true, report: { modelProven: true } });
  });

  test('is refused for another TLS key, and where none was shown (tls-key)', async () => {
    expect(await refusalsOf(await ask({ tls: hex(0x78) }))).toEqual(['tls-key']);
    expect(await refusalsOf(await ask({ tls: null }))).toEqual(['tls-key']);
  });

  test('is refused where a worker is asked for (claims-role)', async () => {
    const input = await ask({ role: 'worker', model: WORKER_CLAIMS.model });
    expect(await refusalsOf(input)).toEqual([
      'claims-role',
      'claims-model',
      ...BLOCK_CHECKS,
      'image-role',
      'model-listed',
      'model-active',
      'model-proven',
    ]);
  });
});

describe('a verifier', () => {
  test('asks nobody about a quote that does not hold, and the chain nothing about a platform that does not', async () => {
    const { input } = await scene;
    const asked: string[] = [];
    const note = (what: string) => (): null => {
      asked.push(what);
      return null;
    };
    const root = (await makeScene()).root;
    const policy = { ...input.policy, trustRoots: [root] };
    const allowlist = { image: note('image'), model: note('model') };
    const collateral = { ...input.collateral, collateralFor: note('collateral') };
    await verifyEvidence({ ...input, policy, allowlist, blocks: note('block'), collateral });
    expect(asked).toEqual([]);
    await verifyEvidence({ ...input, allowlist, blocks: note('block'), collateral });
    expect(asked.splice(0)).toEqual(['collateral']);
    await verifyEvidence({ ...input, allowlist, blocks: note('block') });
    expect(asked.sort()).toEqual(['image', 'model']);
  });

  test('shows the code of a failed lookup only, never its text', async () => {
    const blocks = () => {
      throw new Error('bytes from the network');
    };
    const { report } = await verifyEvidence({ ...(await scene).input, blocks });
    expect(report.checks.find((check) => check.name === 'block-known')?.reason).toBe('block 1000: could not be looked up (unknown)');
  });

  test('refuses to work with a policy that names no root (no_trust_root)', async () => {
    const { input } = await scene;
    const policy = { ...input.policy, trustRoots: [] };
    await expect(verifyEvidence({ ...input, policy })).rejects.toMatchObject({ code: 'no_trust_root' });
  });
});
