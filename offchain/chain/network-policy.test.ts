import { nvidiaRootDer } from '../attestation/gpu/gpu.test-kit';
import { NO_GPUS } from '../attestation/gpu/gpu-policy';
import { NVIDIA_ROOT_KEY_ID } from '../attestation/gpu/gpu-root';
import { fixture, makePki } from '../attestation/platform/forgery.test-kit';
import { DEFAULT_LIMITS } from '../attestation/policy';
import { TCB_STATUSES } from '../attestation/tcb-status';
import { type Network, NetworkSchema } from '../runtime/network';
import { networkPolicy } from './network-policy';

const intelDer = Buffer.from(fixture('intel-sgx-root-ca.der')).toString('base64');
const der = Buffer.from(makePki().root.der).toString('base64');

function networkWith(trustRoots: Network['trustRoots']): Network {
  return {
    name: 'test',
    networkId: -3,
    root: `0:${'11'.repeat(32)}`,
    chain: [{ url: 'http://127.0.0.1:1' }],
    trustRoots,
    pccs: 'http://127.0.0.1:2',
    clock: 'system',
  };
}

it('takes the trust roots from the network and the limits from who verifies', async () => {
  const policy = await networkPolicy(networkWith([{ kind: 'development', der }]), { ...DEFAULT_LIMITS, maxBlockAgeSec: 7 });
  expect(policy).toMatchObject({ maxBlockAgeSec: 7, allowUnproven: false, trustRoots: [{ kind: 'development' }] });
});

describe('of platforms', () => {
  const roots = [{ kind: 'development' as const, der }];

  it('believes those that are up to date and have no advisory, where the network says nothing', async () => {
    const { acceptedTcb, acceptedAdvisories, maxCollateralAgeSec, minEvaluationNumber } = DEFAULT_LIMITS;
    const limits = { acceptedTcb, acceptedAdvisories, maxCollateralAgeSec, minEvaluationNumber };
    expect(await networkPolicy(networkWith(roots), DEFAULT_LIMITS)).toMatchObject(limits);
    expect(await networkPolicy({ ...networkWith(roots), tcb: {} }, DEFAULT_LIMITS)).toMatchObject(limits);
  });

  it('takes what the network names, and nothing else changes', async () => {
    const tcb = {
      acceptedTcb: ['UpToDate' as const, 'SWHardeningNeeded' as const],
      acceptedAdvisories: ['INTEL-SA-00960'],
      maxCollateralAgeSec: 86_400,
      minEvaluationNumber: 18,
    };
    const policy = await networkPolicy({ ...networkWith(roots), tcb }, DEFAULT_LIMITS);
    expect(policy).toEqual({ ...(await networkPolicy(networkWith(roots), DEFAULT_LIMITS)), ...tcb });
    expect(await networkPolicy({ ...networkWith(roots), tcb: { acceptedTcb: [] } }, DEFAULT_LIMITS)).toMatchObject({ acceptedTcb: [] });
  });

  it('may be told any status that Intel has a name for but Revoked', () => {
    const named = TCB_STATUSES.filter(
      (status) => NetworkSchema.safeParse({ ...networkWith(roots), tcb: { acceptedTcb: [status] } }).success,
    );
    expect(named).toEqual(TCB_STATUSES.filter((status) => status !== 'Revoked'));
  });

  it.each([
    ['revoked platforms', { acceptedTcb: ['Revoked'] }],
    ['a status that nobody knows', { acceptedTcb: ['Fine'] }],
    ['collateral of any age', { maxCollateralAgeSec: -1 }],
    ['an evaluation number that is none', { minEvaluationNumber: 0.5 }],
    ['something else', { debug: true }],
  ])('cannot be told to believe %s', (_what, tcb) => {
    expect(NetworkSchema.safeParse(networkWith(roots)).success).toBe(true);
    expect(NetworkSchema.safeParse({ ...networkWith(roots), tcb: {} }).success).toBe(true);
    expect(NetworkSchema.safeParse({ ...networkWith(roots), tcb }).success).toBe(false);
  });
});

describe('of GPUs', () => {
  const coordinate = 'A'.repeat(64);
  const gpu = {
    required: true,
    roots: [{ kind: 'nvidia' as const, der: Buffer.from(nvidiaRootDer()).toString('base64') }],
    modes: ['passthrough' as const],
    drivers: ['590.12'],
    vbios: ['96.00.A5.00.01'],
    appraiserKeys: [{ kid: 'service-1', x: coordinate, y: coordinate }],
  };
  const development = networkWith([{ kind: 'development', der }]);

  it('believes nothing where the network says nothing', async () => {
    expect((await networkPolicy(development, DEFAULT_LIMITS)).gpu).toEqual(NO_GPUS);
  });

  it('takes what the network names', async () => {
    const { roots, appraiserKeys, ...lists } = (await networkPolicy({ ...development, gpu }, DEFAULT_LIMITS)).gpu;
    expect(lists).toEqual({ required: true, modes: gpu.modes, drivers: gpu.drivers, vbios: gpu.vbios });
    expect(roots).toMatchObject([{ kind: 'nvidia', keyId: NVIDIA_ROOT_KEY_ID }]);
    expect(appraiserKeys).toEqual([{ keyId: 'service-1', publicKey: Uint8Array.of(4, ...new Array<number>(96).fill(0)) }]);
  });

  it.each([
    [
      "passes NVIDIA's root off as a development root",
      { ...gpu, roots: gpu.roots.map((root) => ({ ...root, kind: 'development' as const })) },
      'bad_gpu_root',
    ],
    ['requires a GPU and lists no driver', { ...gpu, drivers: [] }, 'bad_policy'],
    ['requires a GPU and names no root', { ...gpu, roots: [] }, 'no_gpu_root'],
  ])('refuses a network that %s (%#)', async (_what, wrong, code) => {
    await expect(networkPolicy({ ...development, gpu: wrong }, DEFAULT_LIMITS)).rejects.toMatchObject({ code });
  });
});

it.each([
  ['names no root', [], 'no_trust_root'],
  ["passes a development root off as Intel's", [{ kind: 'intel' as const, der }], 'bad_trust_root'],
  ["passes Intel's root off as a development root", [{ kind: 'development' as const, der: intelDer }], 'bad_trust_root'],
  [
    'names roots of both kinds',
    [
      { kind: 'intel' as const, der: intelDer },
      { kind: 'development' as const, der },
    ],
    'mixed_trust_roots',
  ],
  ['names a root that is no certificate', [{ kind: 'development' as const, der: 'AAAA' }], 'bad_trust_root'],
])('refuses a network that %s', async (_what, trustRoots, code) => {
  await expect(networkPolicy(networkWith(trustRoots), DEFAULT_LIMITS)).rejects.toMatchObject({ code });
});
