import { readFileSync } from 'node:fs';
import { mutate, seededRandom } from '../attestation/platform/mutation.test-kit';
import { ConfigError } from '../core/errors';
import type { VerifyOptions } from './verify';
import { AT, Written } from './verify.test-kit';

let written: Written;
let network: string;
let evidence: string;
let receipt: string;
const run = (options: VerifyOptions) => written.run(options);

beforeAll(async () => {
  written = await Written.open();
  network = written.network();
  ({ evidence, receipt } = written);
});

afterAll(() => written.close());

describe('cocoon verify says in one line what is wrong with', () => {
  it.each<readonly [string, () => Partial<VerifyOptions>, string, RegExp]>([
    ['a file that is not there', () => ({ file: `${written.folder}/absent` }), 'bad_file', /absent does not exist/],
    ['a folder', () => ({ file: written.folder }), 'bad_file', /is a folder/],
    ['a file that is no JSON', () => ({ file: written.file('bad', 'text') }), 'bad_file', /bad: not json/],
    ['an empty file', () => ({ file: written.file('bad', '') }), 'bad_file', /bad: not json/],
    ['JSON in another form', () => ({ file: written.file('bad', '{ "format":1}') }), 'bad_file', /not in canonical form/],
    ['JSON of something else', () => ({ file: written.file('bad', '{"name":"x"}') }), 'bad_file', /neither evidence nor a receipt/],
    ['a list', () => ({ file: written.file('bad', '[]') }), 'bad_file', /neither evidence nor a receipt/],
    [
      'JSON that is nested too deep',
      () => ({ file: written.file('bad', `${'['.repeat(40)}${']'.repeat(40)}`) }),
      'bad_file',
      /nested deeper than 16/,
    ],
    [
      'evidence of a version to come',
      () => ({ file: written.changed(evidence, ['version'], () => 2) }),
      'bad_file',
      /changed\.json: version 2 of "cocoon evidence" is not known here, only 1 is/,
    ],
    [
      'a receipt of a version to come',
      () => ({ file: written.changed(receipt, ['version'], () => 2) }),
      'bad_file',
      /version 2 of "cocoon receipt" is not known/,
    ],
    [
      'evidence with a field too many',
      () => ({ file: written.changed(evidence, ['x'], () => 1) }),
      'bad_file',
      /missing or unknown fields/,
    ],
    [
      'a receipt whose receipt is none',
      () => ({ file: written.changed(receipt, ['receipt'], () => 'AAAA') }),
      'bad_file',
      /malformed at receipt/,
    ],
    [
      'a receipt with a field too many',
      () => ({ file: written.changed(receipt, ['x'], () => 1) }),
      'bad_file',
      /malformed: missing or unknown fields/,
    ],
    [
      'a receipt whose evidence is none',
      () => ({ file: written.changed(receipt, ['evidence', 'bundle'], () => 1) }),
      'bad_file',
      /evidence file is malformed at bundle/,
    ],
    [
      'a receipt whose evidence has a hidden field',
      () => {
        const withHidden = (old: unknown) => JSON.parse(JSON.stringify(old).replace('{', '{"__proto__":1,'));
        return { file: written.changed(receipt, ['evidence'], withHidden) };
      },
      'bad_file',
      /evidence file is malformed: missing or unknown fields/,
    ],
    [
      'a bundle whose claims are none',
      () => ({ file: written.file('bad', '{"claims":"AAAA","quote":"AAAA"}') }),
      'bad_file',
      /bad: not json/,
    ],
    ['a file above the limit', () => ({ file: written.file('bad', new Uint8Array(5_000_000)) }), 'bad_file', /bad: more than \d+ bytes/],
    ['a time that is none', () => ({ at: 'yesterday' }), 'bad_flags', /--at takes unix seconds/],
    ['a day that does not exist', () => ({ at: '2026-02-30T00:00:00Z' }), 'bad_flags', /--at takes unix seconds/],
    ['a prompt beside evidence', () => ({ prompt: receipt }), 'bad_flags', /go with a receipt/],
    ['evidence beside evidence', () => ({ evidence }), 'bad_flags', /go with a receipt/],
    ['a receipt where evidence belongs', () => ({ file: receipt, evidence: receipt }), 'bad_file', /--evidence takes .* this is a receipt/],
    ['a prompt that is not there', () => ({ file: receipt, prompt: `${written.folder}/absent` }), 'bad_file', /absent does not exist/],
    ['--allow-unproven without a network', () => ({ network: undefined, allowUnproven: true }), 'bad_flags', /goes with --network/],
    ['a network that is not there', () => ({ network: `${written.folder}/absent` }), 'config_unreadable', /absent does not exist/],
    [
      "a network that calls a development root Intel's",
      () => ({ network: written.network({ kind: 'intel' }) }),
      'bad_trust_root',
      /Intel's is/,
    ],
  ])('%s', async (_what, options, code, message) => {
    const running = run({ file: evidence, network, at: AT, ...options() });
    await expect(running).rejects.toMatchObject({ name: 'ConfigError', code, message: expect.stringMatching(message) });
    await expect(running).rejects.toMatchObject({ message: expect.not.stringContaining('\n') });
  });
});

it('ends with a verdict or one line for 600 mutated files, and never with anything else', async () => {
  const random = seededRandom(41);
  let read = 0;
  for (const source of [evidence, receipt]) {
    const bytes = readFileSync(source);
    for (let run = 0; run < 300; run++) {
      const file = written.file('mutated', run % 2 === 0 ? mutate(bytes, random) : otherCharacter(bytes, random));
      const outcome = await written.run({ file, network, at: AT }).catch((error: unknown) => error);
      if (outcome instanceof ConfigError) expect(outcome).toMatchObject({ code: 'bad_file', message: expect.not.stringContaining('\n') });
      else expect(outcome).toMatchObject({ last: expect.stringMatching(/^(Evidence|Receipt) (verified|refused)/) });
      if (!(outcome instanceof ConfigError)) read++;
    }
  }
  // Both kinds of mutation were of use: many files could be read, and were judged.
  expect(read).toBeGreaterThan(100);
});

/** A copy with another letter or digit in one place: mostly inside of base64url, so that it can be read. */
function otherCharacter(bytes: Uint8Array, random: () => number): Uint8Array {
  const changed = Uint8Array.from(bytes);
  changed[Math.floor(random() * bytes.length)] = 0x61 + Math.floor(random() * 26);
  return changed;
}
