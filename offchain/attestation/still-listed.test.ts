import type { ModelKind, Role } from './claims';
import { hex, makeScene, NOW } from './platform/forgery.test-kit';
import { isStillListed } from './still-listed';
import type { AllowlistView } from './verify-evidence';

const IMAGE = hex(1);
const MODEL = { kind: 'files' as const, hash: hex(2) };

interface Listing {
  readonly roles?: readonly Role[];
  readonly imageAgeSec?: number;
  readonly kind?: ModelKind;
  readonly modelAgeSec?: number;
}

function lists({ roles = ['worker'], imageAgeSec = 100, kind = 'files', modelAgeSec = 100 }: Listing = {}): AllowlistView {
  return {
    image: (hash) => (hash === IMAGE ? { roles, activeFromSec: NOW - imageAgeSec } : null),
    model: (hash) => (hash === MODEL.hash ? { kind, activeFromSec: NOW - modelAgeSec } : null),
  };
}

/** The scene's policy asks for image and model to be active for 100 seconds. */
async function holds(allowlist: AllowlistView, model: typeof MODEL | null = MODEL, role: Role = 'worker') {
  const { input } = await makeScene();
  return isStillListed({ role, imageHash: IMAGE, model }, allowlist, input.policy, NOW);
}

describe('a verdict that was good', () => {
  test('holds while image and model are listed as they were, for as long as policy asks', async () => {
    expect(await holds(lists())).toBe(true);
    expect(await holds(lists({ roles: ['proxy'] }), null, 'proxy')).toBe(true);
  });

  const silent = (): never => {
    throw new Error('the chain is silent');
  };
  test.each<[string, AllowlistView]>([
    ['image is gone', { ...lists(), image: () => null }],
    ['model is gone', { ...lists(), model: () => null }],
    ['image is listed for proxies only', lists({ roles: ['proxy'] })],
    ['image was listed anew', lists({ imageAgeSec: 99 })],
    ['model was listed anew', lists({ modelAgeSec: 99 })],
    ['model is listed as another kind', lists({ kind: 'unproven' })],
    ['image list cannot be read', { ...lists(), image: silent }],
    ['model list cannot be read', { ...lists(), model: silent }],
  ])('does not hold once its %s', async (_, allowlist) => {
    expect(await holds(allowlist)).toBe(false);
  });
});
