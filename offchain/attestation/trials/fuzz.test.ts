import { fuzz, fuzzSubjects } from './fuzz';

/** Mutated inputs in all; a million by `npm run test:attestation -- --full`. */
const RUNS = 20_000;
const SEED = 4;

const subjects = fuzzSubjects();

test('all subjects together have all runs, and take what nobody has changed', async () => {
  const shares = (await subjects).reduce((sum, subject) => sum + subject.share, 0);
  expect(shares).toBeCloseTo(1, 9);
  for (const subject of await subjects) expect([subject.name, await subject.takes(subject.bytes)]).toEqual([subject.name, true]);
  expect((await subjects).map((subject) => subject.name)).toEqual(NAMES);
});

const NAMES = [
  ...['quote', 'padded quote', 'PEM chain', 'certificate', 'revocation list', 'TCB info', 'QE identity', 'bundle', 'claims'].map(
    (name) => `parser of a ${name}`,
  ),
  ...['report', 'leaf', 'document', 'appraisal'].map((name) => `parser of a GPU ${name}`),
  ...['root CRL', 'PCK CRL', "PCK CRL's issuer chain"].map((name) => `verifier of collateral, by its ${name}`),
  ...['TCB info', 'QE identity'].flatMap((document) =>
    ['', "'s signature", "'s issuer chain"].map((part) => `verifier of collateral, by its ${document}${part}`),
  ),
  'verifier of a quote',
  'verifier of a bundle',
];

test.each(NAMES)('%s: mutated bytes give typed errors only, and nothing changed is accepted', async (name) => {
  const subject = (await subjects).find((candidate) => candidate.name === name);
  if (subject === undefined) throw new RangeError(`there is no ${name}`);
  const runs = Math.ceil(RUNS * subject.share);
  const result = await fuzz(subject, SEED, runs);
  expect(result.faults).toEqual([]);
  expect(result.refused).toBeGreaterThan(runs / 2);
});
