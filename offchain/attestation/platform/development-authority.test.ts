import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { nodeCrypto } from '../../runtime/node-crypto';
import { loadTrustRoot } from '../trust-root';
import { openDevelopmentAuthority } from './development-authority';
import { issueCollateral } from './development-collateral';
import { DEVELOPMENT_FILES } from './development-files';
import { createDevelopmentRoot } from './development-root';
import { NOW, refusalsOfPlatform } from './forgery.test-kit';
import { openSimulatedPlatform } from './simulated';

const machine = { mrTd: new Uint8Array(48).fill(1), configDigest: new Uint8Array(48).fill(2) };
let parent = '';
let folder = '';

beforeEach(async () => {
  parent = await mkdtemp(join(tmpdir(), 'cocoon-authority-'));
  folder = join(parent, 'platform');
});

afterEach(() => rm(parent, { recursive: true, force: true }));

describe("a development root's authority", () => {
  test('makes collateral under which its own platform is up to date, decades ahead too', async () => {
    const root = await loadTrustRoot({ kind: 'development', der: await createDevelopmentRoot(folder, NOW) }, nodeCrypto);
    const platform = await openSimulatedPlatform({ folder, ...machine });
    const authority = await openDevelopmentAuthority(folder);
    const quote = await platform.quote(new Uint8Array(64));
    for (const nowSec of [NOW, NOW + 29 * 365 * 86_400]) {
      expect(await refusalsOfPlatform({ quote, root, collateral: issueCollateral(authority, { nowSec }), nowSec })).toEqual([]);
    }
    const outOfDate = issueCollateral(authority, { nowSec: NOW, standing: { platform: 'OutOfDate' } });
    expect(await refusalsOfPlatform({ quote, root, collateral: outOfDate, nowSec: NOW })).toMatchObject([{ name: 'tcb-level' }]);
  });

  test('says SIMULATED in the name of every certificate that it shows', async () => {
    await createDevelopmentRoot(folder, NOW);
    const { pckCa, tcbSigning } = await openDevelopmentAuthority(folder);
    expect([pckCa.commonName, tcbSigning.commonName]).toEqual(['SIMULATED SGX PCK Platform CA', 'SIMULATED SGX TCB Signing']);
  });

  const refused = { name: 'ConfigError', code: 'bad_development_root' };

  test('is refused without its files (bad_development_root)', async () => {
    await expect(openDevelopmentAuthority(folder)).rejects.toMatchObject(refused);
  });

  test.each(['tcbSigningKey', 'tcbSigning', 'pckChain'] as const)('is refused with a broken %s (bad_development_root)', async (name) => {
    await createDevelopmentRoot(folder, NOW);
    await openDevelopmentAuthority(folder);
    for (const content of ['broken', '']) {
      await writeFile(join(folder, DEVELOPMENT_FILES[name]), content);
      await expect(openDevelopmentAuthority(folder)).rejects.toMatchObject({ ...refused, message: expect.stringContaining(folder) });
    }
  });
});
