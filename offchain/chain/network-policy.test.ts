import { makePki } from '../attestation/platform/forgery.test-kit';
import { DEFAULT_LIMITS } from '../attestation/policy';
import type { Network } from '../runtime/network';
import { networkPolicy } from './network-policy';

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

it.each([
  ['names no root', [], 'no_trust_root'],
  ["passes a development root off as Intel's", [{ kind: 'intel' as const, der }], 'bad_trust_root'],
  ['names a root that is no certificate', [{ kind: 'development' as const, der: 'AAAA' }], 'bad_trust_root'],
])('refuses a network that %s', async (_what, trustRoots, code) => {
  await expect(networkPolicy(networkWith(trustRoots), DEFAULT_LIMITS)).rejects.toMatchObject({ code });
});
