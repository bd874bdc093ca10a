import { webCrypto } from '../core/web-crypto';
import { nodeCrypto } from '../runtime/node-crypto';
import { appraisePlatform } from './appraise-platform';
import { type Issued, issueRevocationList } from './platform/development-certificates';
import { issueCollateral } from './platform/development-collateral';
import { serialOf } from './platform/forgeries.test-kit';
import {
  intelRoot,
  makePki,
  NOW,
  type PlatformScene,
  REAL_NOW,
  realCollateral,
  realQuote,
  refusalsOfPlatform,
  sourceOf,
  tdReport,
} from './platform/forgery.test-kit';
import { writeQuote } from './platform/quote-writer';
import { DEFAULT_LIMITS } from './policy';
import { verifyQuote } from './quote-chain';
import { loadTrustRoot } from './trust-root';
import { VerifierMemory } from './verifier-memory';

const DAY_SEC = 86_400;
const names = async (scene: PlatformScene) => (await refusalsOfPlatform(scene)).map((check) => check.name);

describe("a real platform under Intel's root", () => {
  const real = async (quote: string, platform: keyof typeof REAL_NOW): Promise<PlatformScene> => ({
    quote: realQuote(quote),
    root: await intelRoot(),
    collateral: realCollateral(platform),
    nowSec: REAL_NOW[platform],
  });

  test.each(['fmspc-90c06f', 'fmspc-b0c06f'] as const)(
    'that is up to date (%s) is accepted one day after its collateral was issued',
    async (name) => {
      expect(await refusalsOfPlatform(await real(name, name))).toEqual([]);
    },
  );

  test('is accepted with WebCrypto too, as browsers have it', async () => {
    const scene = await real('fmspc-90c06f', 'fmspc-90c06f');
    expect(await refusalsOfPlatform({ ...scene, crypto: webCrypto(globalThis.crypto) })).toEqual([]);
  });

  test('that is out of date is refused (tcb-level)', async () => {
    const refusals = await refusalsOfPlatform(await real('fmspc-90c06f-outofdate', 'fmspc-90c06f'));
    expect(refusals).toMatchObject([{ name: 'tcb-level', reason: 'below every known TCB level' }]);
  });

  test('is refused with the collateral of other platforms (platform-identity)', async () => {
    const scene = await real('fmspc-b0c06f', 'fmspc-90c06f');
    expect(await names(scene)).toContain('platform-identity');
  });

  test('is refused before its collateral was issued and after it has ended (pck-crl, tcb-info, qe-identity)', async () => {
    const scene = await real('fmspc-90c06f', 'fmspc-90c06f');
    const documents = ['pck-crl', 'tcb-info', 'qe-identity'];
    expect(await names({ ...scene, nowSec: Date.UTC(2026, 1, 18, 10) / 1000 })).toEqual(documents);
    expect(await names({ ...scene, nowSec: Date.UTC(2026, 2, 21) / 1000 })).toEqual(documents);
  });

  test('is refused when its collateral is older than policy allows, though it is valid (collateral-age)', async () => {
    const scene = await real('fmspc-90c06f', 'fmspc-90c06f');
    expect(await names({ ...scene, nowSec: REAL_NOW['fmspc-90c06f'] + 14 * DAY_SEC })).toEqual(['collateral-age']);
  });

  test('is refused below the evaluation number that policy asks for (evaluation-number)', async () => {
    const scene = await real('fmspc-90c06f', 'fmspc-90c06f');
    expect(await names({ ...scene, policy: { minEvaluationNumber: 18 } })).toEqual([]);
    expect(await names({ ...scene, policy: { minEvaluationNumber: 19 } })).toEqual(['evaluation-number']);
  });
});

describe('what is remembered', () => {
  const pki = makePki();
  const quote = writeQuote(tdReport(new Uint8Array(64)), pki.platform);
  const issued = (plan: Partial<Parameters<typeof issueCollateral>[1]> = {}) =>
    issueCollateral(pki.authority, { nowSec: NOW - 3600, ...plan });
  const root = loadTrustRoot({ kind: 'development', der: pki.root.der }, nodeCrypto);
  const scene = async (
    collateral: PlatformScene['collateral'] = issued(),
  ): Promise<PlatformScene & { readonly memory: VerifierMemory }> => ({
    quote,
    root: await root,
    collateral,
    nowSec: NOW,
    memory: new VerifierMemory(),
  });

  test('saves all signatures of chain and collateral but the two of the quote itself', async () => {
    let asked = 0;
    const counting: typeof nodeCrypto = {
      ...nodeCrypto,
      verifyP256: (...signature) => {
        asked++;
        return nodeCrypto.verifyP256(...signature);
      },
    };
    const question = { ...(await scene()), crypto: counting };
    expect(await refusalsOfPlatform(question)).toEqual([]);
    expect(asked).toBe(10);
    asked = 0;
    expect(await refusalsOfPlatform(question)).toEqual([]);
    expect(asked).toBe(2);
  });

  test('gives the same report as the first time', async () => {
    const { memory, nowSec, collateral } = await scene();
    const source = 'drop' in collateral ? collateral : sourceOf(collateral);
    const ask = async () => {
      const quoted = await verifyQuote(quote, [await root], nowSec, nodeCrypto, memory);
      return {
        quoted,
        appraised: await appraisePlatform(quoted, { collateral: source, memory, policy: DEFAULT_LIMITS, nowSec, crypto: nodeCrypto }),
      };
    };
    const first = await ask();
    const second = await ask();
    expect(second).toEqual(first);
    expect(second.quoted.chain).toBe(first.quoted.chain);
  });

  test('does not outlive the validity of chain and collateral (pck-crl, tcb-info, qe-identity, pck-chain)', async () => {
    const question = await scene();
    expect(await names(question)).toEqual([]);
    expect(await names({ ...question, nowSec: NOW - 3601 })).toEqual(['pck-crl', 'tcb-info', 'qe-identity']);
    expect(await names({ ...question, nowSec: NOW + 30 * DAY_SEC })).toEqual(['pck-crl', 'tcb-info', 'qe-identity']);
    expect(await names({ ...question, nowSec: NOW + 366 * DAY_SEC })).toContain('pck-chain');
  });

  test('is of no use under another root (trust-root)', async () => {
    const question = await scene();
    expect(await names(question)).toEqual([]);
    const other = await loadTrustRoot({ kind: 'development', der: makePki().root.der }, nodeCrypto);
    expect(await names({ ...question, root: other })).toEqual(['trust-root']);
  });

  test('refuses collateral with a lower evaluation number than was seen before, of either document (evaluation-number)', async () => {
    const question = await scene(issued({ evaluationNumber: 18 }));
    expect(await names(question)).toEqual([]);
    const older = issued({ evaluationNumber: 17, nowSec: NOW - 60 });
    expect(await names({ ...question, collateral: older })).toEqual(['evaluation-number']);
    const newer = issued({ evaluationNumber: 19 });
    expect(await names({ ...question, collateral: { ...newer, tcbInfo: older.tcbInfo } })).toEqual(['evaluation-number']);
    expect(await names({ ...question, collateral: { ...newer, qeIdentity: older.qeIdentity } })).toEqual(['evaluation-number']);
    expect(await names({ ...question, collateral: newer })).toEqual([]);
  });

  test('is also what was revoked: lists of the past, valid as they are, bring nobody back (revocation)', async () => {
    const older = issued();
    const question = await scene(older);
    expect(await names(question)).toEqual([]);
    const platformGone = issued({ revoked: [serialOf(pki.pck)] });
    expect(await names({ ...question, collateral: platformGone })).toEqual(['revocation']);
    expect(await names({ ...question, collateral: older })).toEqual(['revocation']);
    expect(await names(await scene(older))).toEqual([]);
  });

  test.each<[string, Issued]>([
    ["the platform's CA", pki.ca],
    ['the TCB signing certificate', pki.tcbSigning],
  ])('is also that the root revoked %s, by a list in which it is not yet (revocation)', async (_, certificate) => {
    const older = issued();
    const question = await scene(older);
    expect(await names(question)).toEqual([]);
    const window = { thisUpdateSec: NOW - 60, nextUpdateSec: NOW + DAY_SEC };
    const rootCrl = issueRevocationList(pki.root, { ...window, revoked: [serialOf(certificate)] });
    expect(await names({ ...question, collateral: { ...older, rootCrl } })).toHaveLength(certificate === pki.ca ? 1 : 2);
    expect(await names({ ...question, collateral: older })).toEqual(['revocation']);
  });

  test('does not raise the evaluation number for collateral that does not hold (tcb-info)', async () => {
    const question = await scene(issued({ evaluationNumber: 18 }));
    const forged = issueCollateral(makePki().authority, { nowSec: NOW - 3600, evaluationNumber: 99 });
    expect(await names({ ...question, collateral: forged })).toContain('root-crl');
    expect(await names(question)).toEqual([]);
  });

  test.each<[string, boolean, () => Promise<Partial<PlatformScene>>]>([
    ['collateral that holds', false, async () => ({})],
    ['an out-of-date platform', false, async () => ({ collateral: issued({ standing: { platform: 'OutOfDate' } }) })],
    ['collateral that does not hold', true, async () => ({ collateral: issued({ lifeSec: 1 }) })],
    ['collateral that is too old', true, async () => ({ policy: { maxCollateralAgeSec: 10 } })],
  ])('of %s: the source is told to drop it: %s', async (_, isDropped, change) => {
    const question = { ...(await scene()), ...(await change()) };
    const { collateral } = question;
    let drops = 0;
    const source = { collateralFor: () => ('drop' in collateral ? null : collateral), drop: () => drops++ };
    await refusalsOfPlatform({ ...question, collateral: source });
    expect(drops).toBe(isDropped ? 1 : 0);
  });

  test('asks for collateral by root, family and CA', async () => {
    const asked: unknown[] = [];
    const question = await scene({
      collateralFor: (query) => {
        asked.push(query);
        return null;
      },
      drop: () => undefined,
    });
    expect(await refusalsOfPlatform(question)).toMatchObject([{ name: 'collateral-available', reason: 'not there' }]);
    expect(asked).toEqual([{ root: await root, fmspc: '0d0e0f000000', ca: 'platform' }]);
  });

  test('a source that fails is named by its code only (collateral-available)', async () => {
    const question = await scene({
      collateralFor: () => {
        throw Object.assign(new Error('bytes from the network'), { code: 'pccs_refused' });
      },
      drop: () => undefined,
    });
    expect(await refusalsOfPlatform(question)).toMatchObject([
      { name: 'collateral-available', reason: 'could not be looked up (pccs_refused)' },
    ]);
  });
});
