import { hex, makeGuest, NOW, USAGE_COST } from '../client/client.test-kit';
import { concat, fromBigEndian, toBase64Url, utf8 } from '../core/bytes';
import { nodeCrypto } from '../runtime/node-crypto';
import { detailsOf } from '../sealing/opening';
import type { VerifyOptions } from './verify';
import { AT, expectedOf, PROMPT, Written } from './verify.test-kit';

let written: Written;
let network: string;
let receipt: string;
const run = (options: VerifyOptions) => written.run(options);

beforeAll(async () => {
  written = await Written.open();
  network = written.network();
  ({ receipt } = written);
});

afterAll(() => written.close());

describe('cocoon verify of a receipt', () => {
  it('verifies it with its evidence, and says SIMULATED', async () => {
    const { isVerified, text, last, failed } = await run({ file: receipt, network, at: AT });
    expect(failed).toEqual([]);
    expect(isVerified).toBe(true);
    expect(last).toBe('Receipt verified');
    expect(text).toContain('\nEvidence verified\n');
    expect(text).toMatch(/SIMULATED.*\nReceipt verified\n$/);
    expect(text).toMatch(/pass {2}attested-receipt-key/);
    expect(text).toMatch(/n\/a {3}committed-prompt .*--prompt FILE/);
    expect(text).toContain('tokens   10 prompt, 0 cached, 20 answer, 0 reasoning');
    expect(text).toContain(`(10 x 1000000 + 0 x 500000 + 20 x 4000000 + 0 x 4000000) / 1000000`);
    expect(text).toMatch(new RegExp(`cost .*\\n +${USAGE_COST}\\n`));
  });

  it('verifies its commitments to what was asked and answered, byte for byte', async () => {
    const prompt = written.file('prompt', String(PROMPT.body));
    const good = await run({ file: receipt, network, at: AT, prompt, answer: written.file('answer', written.answer) });
    expect(good.isVerified).toBe(true);
    expect(good.text).toMatch(/pass {2}committed-prompt +\d+ bytes, sent to \/v1\/chat\/completions/);
    expect(good.text).toMatch(/pass {2}committed-answer +\d+ bytes of application\/json/);
    const bad = await run({
      file: receipt,
      network,
      at: AT,
      prompt: written.file('prompt', `${PROMPT.body} `),
      answer: written.file('answer', concat(written.answer, utf8('\n'))),
    });
    expect(bad.failed).toEqual(['committed-prompt', 'committed-answer']);
    expect(bad.isVerified).toBe(false);
  });

  it('refuses one without evidence: anybody can make it (committed-evidence)', async () => {
    const file = written.changed(receipt, ['evidence'], () => null);
    const { isVerified, text, failed } = await run({ file, network, at: AT });
    expect(isVerified).toBe(false);
    expect(failed).toEqual(['committed-evidence', 'committed-model', 'committed-image', 'attested-receipt-key']);
    expect(text).toContain('nothing shows whose receipt this is');
    expect(text).not.toContain('verified');
    expect((await run({ file, network, at: AT, evidence: written.evidence })).last).toBe('Receipt verified');
  });

  it('refuses it when its evidence does not hold', async () => {
    const { isVerified, text, last, failed } = await run({ file: receipt, network, at: String(NOW + 86_400) });
    expect(isVerified).toBe(false);
    expect(failed).toEqual(['keys-not-expired', 'committed-model', 'committed-image', 'attested-receipt-key']);
    expect(text).toContain('There is no evidence that holds');
    expect(last).toBe('Receipt refused (3 of 13 checks failed)');
  });

  const flip = (text: unknown) => {
    const bytes = Buffer.from(String(text), 'base64url');
    bytes[bytes.length - 1] = (bytes[bytes.length - 1] ?? 0) ^ 1;
    return bytes.toString('base64url');
  };

  it.each<readonly [string, readonly string[], (old: unknown) => unknown, readonly string[]]>([
    ['another order', ['order'], flip, ['authorised-order']],
    ['another session key', ['sessionKey'], () => hex(0x07), ['authorisation-signature']],
    ['another signature of the session key', ['authorisationSignature'], flip, ['authorisation-signature']],
    ['another authorisation', ['authorisation'], flip, ['authorisation-signature', 'authorised-receipt']],
    ['another signature of the guest', ['signature'], flip, ['receipt-signature']],
    ['another receipt', ['receipt'], flip, ['receipt-signature']],
    ['another opening', ['opening'], flip, ['commitment']],
    ['another cost', ['cost'], () => '91', ['cost']],
    ['a block that its evidence does not name', ['evidence', 'block', 'rootHash'], () => hex(0x68), ['block-known']],
  ])('refuses %s', async (_what, path, change, names) => {
    const { isVerified, failed, last } = await run({ file: written.changed(receipt, path, change), network, at: AT });
    expect(failed.slice(0, names.length)).toEqual(names);
    expect(isVerified).toBe(false);
    expect(last).toMatch(/^Receipt refused/);
  });

  it("refuses another guest's evidence (committed-evidence, attested-receipt-key)", async () => {
    const other = await makeGuest();
    const bundle = written.changed(receipt, ['evidence', 'bundle'], () => toBase64Url(other.bundle));
    const expected = () => ({ ...expectedOf(other) });
    const file = written.changed(bundle, ['evidence', 'expected'], expected);
    const { failed, text } = await run({ file, network, at: AT });
    expect(text).toContain('\nEvidence verified\n');
    expect(failed).toEqual(['committed-evidence', 'attested-receipt-key']);
  });

  it.each(['modelHash', 'imageHash'] as const)('refuses one whose guest signed for another %s than its evidence proves', async (field) => {
    const { receipt: signed, opening } = written.receiptContent();
    const lied = { ...opening, [field]: new Uint8Array(32).fill(9) };
    const details = fromBigEndian(await detailsOf(nodeCrypto, lied));
    const file = await written.signedReceipt({ ...signed, details }, lied);
    expect((await run({ file, network, at: AT })).failed).toEqual([field === 'modelHash' ? 'committed-model' : 'committed-image']);
  });

  it('refuses one that is ahead of the moment that is asked about (receipt-not-future)', async () => {
    const failures = async (nowSec: number) => (await run({ file: receipt, network, at: String(nowSec) })).failed;
    expect(await failures(NOW - 61)).toEqual(['receipt-not-future']);
    expect(await failures(NOW - 60)).toEqual([]);
  });
});
