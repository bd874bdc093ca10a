import { ConfigError } from '../core/errors';
import { nodeCrypto } from '../runtime/node-crypto';
import { rootOf as gpuRoot, nvidiaRoot } from './gpu/gpu.test-kit';
import { type GpuPolicy, NO_GPUS } from './gpu/gpu-policy';
import { intelRoot, makePki, NOW } from './platform/forgery.test-kit';
import { assertPolicy, DEFAULT_LIMITS, type EvidencePolicy } from './policy';
import { INTEL_ROOT_KEY_ID, loadTrustRoot, type TrustRoot } from './trust-root';

const development = () => loadTrustRoot({ kind: 'development', der: makePki().root.der }, nodeCrypto);
const policyOf = (...trustRoots: TrustRoot[]): EvidencePolicy => ({ ...DEFAULT_LIMITS, trustRoots });

const ONE_GPU = { required: true, modes: ['passthrough'], drivers: ['590.12'], vbios: ['96.00.A5.00.01'] } as const;
const withGpu = async (gpu: Partial<GpuPolicy>) => ({ ...policyOf(await development()), gpu: { ...NO_GPUS, ...gpu } });

describe('a policy', () => {
  test('with roots of one kind is accepted', async () => {
    const policy = policyOf(await development(), await development());
    const intel = policyOf(await intelRoot());
    expect(() => assertPolicy(policy)).not.toThrow();
    expect(() => assertPolicy({ ...policy, allowUnproven: true })).not.toThrow();
    expect(() => assertPolicy(intel)).not.toThrow();
    const simulated = await gpuRoot();
    const gpus = { ...NO_GPUS, ...ONE_GPU, roots: [await nvidiaRoot()] };
    expect(() => assertPolicy({ ...intel, gpu: gpus })).not.toThrow();
    expect(() => assertPolicy({ ...policy, gpu: { ...gpus, roots: [simulated] } })).not.toThrow();
  });

  test.each([
    ['no root', 'no_trust_root', async () => policyOf()],
    ['both kinds of root', 'mixed_trust_roots', async () => policyOf(await intelRoot(), await development())],
    ["unproven models under Intel's root", 'bad_policy', async () => ({ ...policyOf(await intelRoot()), allowUnproven: true })],
    ['a negative age', 'bad_policy', async () => ({ ...policyOf(await development()), minImageAgeSec: -1 })],
    ['an age that is no number', 'bad_policy', async () => ({ ...policyOf(await development()), minModelAgeSec: Number.NaN })],
    ['an evaluation number that is no number', 'bad_policy', async () => ({ ...policyOf(await development()), minEvaluationNumber: 0.5 })],
    [
      'an endless collateral age',
      'bad_policy',
      async () => ({ ...policyOf(await development()), maxCollateralAgeSec: Number.POSITIVE_INFINITY }),
    ],
    ['revoked platforms', 'bad_policy', async () => ({ ...policyOf(await development()), acceptedTcb: ['Revoked' as const] })],
    ['an endless age', 'bad_policy', async () => ({ ...policyOf(await development()), maxBlockAgeSec: Number.POSITIVE_INFINITY })],
    ['a GPU required of nobody', 'no_gpu_root', async () => withGpu({ required: true })],
    ['a GPU required of no driver', 'bad_policy', async () => withGpu({ ...ONE_GPU, roots: [await nvidiaRoot()], drivers: [] })],
    ['a GPU required of no vbios', 'bad_policy', async () => withGpu({ ...ONE_GPU, roots: [await nvidiaRoot()], vbios: [] })],
    ['a GPU required in no mode', 'bad_policy', async () => withGpu({ ...ONE_GPU, roots: [await nvidiaRoot()], modes: [] })],
    ['both kinds of GPU root', 'mixed_gpu_roots', async () => withGpu({ roots: [await nvidiaRoot(), await gpuRoot()] })],
    [
      "a development GPU root beside Intel's",
      'mixed_gpu_roots',
      async () => ({ ...policyOf(await intelRoot()), gpu: { ...NO_GPUS, roots: [await gpuRoot()] } }),
    ],
  ])('with %s is refused (%s)', async (_, code, make) => {
    const policy = await make();
    expect(() => assertPolicy(policy)).toThrow(ConfigError);
    expect(() => assertPolicy(policy)).toThrow(expect.objectContaining({ code }));
  });
});

describe('a trust root', () => {
  const refused = { code: 'bad_trust_root' };

  test("that is Intel's has the pinned key id, and cannot be loaded as a development root", async () => {
    const root = await intelRoot();
    expect(root.keyId).toBe(INTEL_ROOT_KEY_ID);
    await expect(loadTrustRoot({ kind: 'development', der: root.certificate.der }, nodeCrypto)).rejects.toMatchObject(refused);
  });

  test("that is a development root cannot be loaded as Intel's", async () => {
    await expect(loadTrustRoot({ kind: 'intel', der: makePki().root.der }, nodeCrypto)).rejects.toMatchObject(refused);
  });

  test.each([
    ['no CA', () => makePki({ root: { pathLength: null } }).root.der, 'is not a CA'],
    ['named as something else', () => makePki({ root: { commonName: 'SIMULATED Root' } }).root.der, 'is not named as an SGX root'],
    ['signed by another key', () => makePki({ ca: { commonName: 'SIMULATED SGX Root CA' } }).ca.der, 'is not self-signed'],
    ['changed', () => makePki().root.der.map((byte, i, all) => (i === all.length - 1 ? byte ^ 1 : byte)), 'is not self-signed'],
    ['not a certificate', () => Uint8Array.of(1, 2, 3), 'is malformed'],
  ])('that is %s is refused (bad_trust_root)', async (_, make, reason) => {
    const loading = loadTrustRoot({ kind: 'development', der: make() }, nodeCrypto);
    await expect(loading).rejects.toMatchObject({ ...refused, message: expect.stringContaining(reason) });
  });

  test('may have been made at any time: validity is a question of the moment of verification', async () => {
    const { root } = makePki({ root: { notBeforeSec: NOW - 10, notAfterSec: NOW - 5 } });
    await expect(loadTrustRoot({ kind: 'development', der: root.der }, nodeCrypto)).resolves.toMatchObject({ kind: 'development' });
  });
});
