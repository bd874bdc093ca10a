import { guestFiles } from './guest-image';
import { simulatedImageHash } from './simulated-machine';

describe('guest image', () => {
  it('covers every room of the guest and none of its tests', () => {
    const { paths } = guestFiles();
    for (const room of ['attestation', 'billing', 'core', 'guest', 'openai', 'protocol', 'runtime', 'sealing', 'transport']) {
      expect(paths.filter((path) => path.startsWith(`offchain/${room}/`)).length).toBeGreaterThan(0);
    }
    expect(paths).toContain('offchain/guest/guest-image.ts');
    expect(paths).toContain('wrappers/statements.ts');
    expect(paths.filter((path) => path.includes('.test'))).toEqual([]);
    expect(paths.filter((path) => /^offchain\/(chain|ledger|worker|proxy|client)\//.test(path))).toEqual([]);
  });

  it('has a hash that can be known before a guest runs', async () => {
    expect(await simulatedImageHash()).toMatch(/^[0-9a-f]{64}$/);
  });
});
