import { encodeBundle, evidenceDigest } from '../attestation/evidence';
import { encodeEvidenceFile } from '../attestation/evidence-file';
import { makePki, REAL_NOW, realCollateral, realQuote } from '../attestation/platform/forgery.test-kit';
import { hex, MODEL, makeGuest, NOW } from '../client/client.test-kit';
import { toBase64Url } from '../core/bytes';
import { FixedClock } from '../core/clock';
import { nodeCrypto } from '../runtime/node-crypto';
import type { VerifyOptions } from './verify';
import { AT, expectedOf, Written } from './verify.test-kit';

let written: Written;
let network: string;
let evidence: string;
const run = (options: VerifyOptions, clock?: FixedClock) => written.run(options, clock);

beforeAll(async () => {
  written = await Written.open();
  network = written.network();
  ({ evidence } = written);
});

afterAll(() => written.close());

describe('cocoon verify of evidence', () => {
  it('verifies what a client wrote, under the roots of its network, and says SIMULATED', async () => {
    const { isVerified, text, last, failed } = await run({ file: evidence, network, at: AT });
    expect(failed).toEqual([]);
    expect(isVerified).toBe(true);
    expect(last).toBe('Evidence verified');
    expect(text).toContain('SIMULATED: the trust root is a development root');
    expect(text).toContain(`Asked about 2026-09-21T14:13:20Z (${NOW}), under network test with development root`);
    expect(text).toContain(`Evidence ${written.guest.digest}`);
  });

  it("says which facts are the file's word", async () => {
    const { text } = await run({ file: evidence, network, at: AT });
    const byWord = [...text.matchAll(/pass {2}([a-z-]+) .*\(by the file's word\)/g)].map(([, name]) => name);
    expect(byWord).toEqual([
      'bundle-digest',
      'claims-role',
      'claims-owner',
      'claims-model',
      'sealing-key',
      'receipt-key',
      'block-known',
      'block-age',
      'block-not-future',
      'image-listed',
      'image-role',
      'image-active',
      'model-listed',
      'model-active',
    ]);
    expect(text).toMatch(/block +block 1000, root hash 6{16}\.\.\., made 2026-09-21T14:03:20Z/);
    expect(text).toMatch(/allowlist +read at block 1001/);
  });

  it('shows what was compared', async () => {
    const { text } = await run({ file: evidence, network, at: AT });
    expect(text).toMatch(new RegExp(`claims-owner +as expected .*\\n +${written.guest.offer.owner}\\n`));
    expect(text).toMatch(new RegExp(`keys-not-expired .*\\n +expected before ${NOW + 86_400}\\n +found +${NOW}\\n`));
  });

  it("refuses it under Intel's root, which alone counts without --network (trust-root)", async () => {
    const { isVerified, text, last, failed } = await run({ file: evidence, at: AT });
    expect(isVerified).toBe(false);
    expect(failed[0]).toBe('trust-root');
    expect(last).toMatch(/^Evidence refused \(\d+ of \d+ checks failed\)$/);
    expect(text).not.toContain('verified');
    expect(text).toContain('--network network.json');
  });

  it('refuses it for another network, and under the root of another (claims-network, trust-root)', async () => {
    const otherNetwork = await run({ file: evidence, network: written.network({ root: `0:${hex(0x12)}` }), at: AT });
    expect(otherNetwork).toMatchObject({ isVerified: false, failed: expect.arrayContaining(['claims-network']) });
    const otherRoot = await run({ file: evidence, network: written.network({ der: makePki().root.der }), at: AT });
    expect(otherRoot).toMatchObject({ isVerified: false, last: expect.stringMatching(/^Evidence refused/) });
    expect(otherRoot.failed[0]).toBe('trust-root');
  });

  it("says SIMULATED of evidence that does not hang on Intel's root, whoever is asked about, and of none that has no quote", async () => {
    const shown = "SIMULATED: the quote's chain does not end in Intel's root";
    expect((await run({ file: evidence, at: AT })).text).toContain(shown);
    expect((await run({ file: evidence, network: written.network({ der: makePki().root.der }), at: AT })).text).toContain(shown);
    expect((await run({ file: written.receipt, at: AT })).text.match(/SIMULATED: the quote's/g)).toHaveLength(2);
    const none = written.changed(evidence, ['bundle'], () => toBase64Url(Uint8Array.of(1)));
    expect((await run({ file: none, at: AT })).text).not.toContain('SIMULATED');
  });

  it('asks about now unless it is told otherwise: what is old fails, and it says when it was written', async () => {
    const { isVerified, text, failed } = await run({ file: evidence, network });
    expect(isVerified).toBe(false);
    expect(failed).toEqual(expect.arrayContaining(['tcb-info', 'collateral-age', 'keys-not-expired']));
    expect(text).toContain(`which is now`);
    expect(text).toContain(`--at ${NOW} asks about then`);
    expect((await run({ file: evidence, network }, new FixedClock(NOW))).isVerified).toBe(true);
    expect((await run({ file: evidence, network, at: '2026-09-21T14:13:20Z' })).isVerified).toBe(true);
  });

  it('verifies the chain of a real quote under the built-in root, and refuses that it is over these claims (report-data)', async () => {
    const bundle = encodeBundle({ quote: realQuote('fmspc-90c06f'), claims: written.guest.keys.claims });
    const digest = await evidenceDigest(bundle, nodeCrypto);
    const file = written.file(
      'real.json',
      encodeEvidenceFile({
        seenAtSec: REAL_NOW['fmspc-90c06f'],
        bundle,
        expected: { ...expectedOf(written.guest), digest },
        collateral: realCollateral('fmspc-90c06f'),
        block: null,
        gpuEvidence: null,
        allowlist: { asOf: null, image: null, model: null },
      }),
    );
    const { isVerified, text, failed } = await run({ file, at: String(REAL_NOW['fmspc-90c06f']) });
    expect(isVerified).toBe(false);
    expect(failed[0]).toBe('report-data');
    expect(text).toMatch(/pass {2}tcb-level/);
    expect(text).not.toContain('SIMULATED');
  });

  it('takes a bundle alone, and refuses it for all that is not in it (collateral-available)', async () => {
    const { isVerified, text, failed } = await run({ file: written.file('bundle.json', written.guest.bundle), network, at: AT });
    expect(isVerified).toBe(false);
    expect(failed[0]).toBe('collateral-available');
    expect(text).toContain('a bundle alone');
    expect(text).toMatch(/pass {2}quote-signature/);
  });

  it('refuses a model that nothing proves, unless it is allowed, and says MODEL NOT PROVEN', async () => {
    const kind = () => 'unproven';
    const listed = written.changed(evidence, ['allowlist', 'model', 'kind'], kind);
    expect((await run({ file: listed, network, at: AT })).failed).toEqual(['model-listed']);
    const unproven = await makeGuest({ ...MODEL, kind: 'unproven' });
    const bundle = written.changed(listed, ['bundle'], () => toBase64Url(unproven.bundle));
    const file = written.changed(bundle, ['expected'], () => ({ ...expectedOf(unproven) }));
    expect((await run({ file, network, at: AT })).failed).toEqual(['model-proven']);
    const { isVerified, text } = await run({ file, network, at: AT, allowUnproven: true });
    expect(isVerified).toBe(true);
    expect(text).toContain('MODEL NOT PROVEN: nothing shows which weights answer');
  });
});
