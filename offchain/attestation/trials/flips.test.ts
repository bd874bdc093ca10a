import { flipTarget, flipTargets, MEANINGLESS_BITS } from './flips';

const targets = flipTargets();

test('what is changed is accepted unchanged', async () => {
  for (const target of await targets) {
    expect(target.bytes.length).toBeGreaterThan(60);
    expect(await target.judge(target.bytes)).toEqual([]);
  }
});

test('each part of quote, collateral, claims and bundle is there', async () => {
  expect((await targets).map((target) => target.name)).toEqual(NAMES);
});

const NAMES = [
  'real quote of version 4',
  'simulated quote of version 5',
  'real root CRL',
  'real PCK CRL',
  "real PCK CRL's issuer chain",
  'real TCB info',
  "real TCB info's signature",
  "real TCB info's issuer chain",
  'real QE identity',
  "real QE identity's signature",
  "real QE identity's issuer chain",
  'claims',
  'bundle',
] as const;

test.each(NAMES)('%s: one bit changed in any byte is refused by a named check, but for bits that carry no meaning', async (name) => {
  const target = (await targets).find((candidate) => candidate.name === name);
  if (target === undefined) throw new RangeError(`there is no ${name}`);
  const expected = MEANINGLESS_BITS.filter(({ target: of, at, bit }) => of === name && bit === at % 8);
  expect(await flipTarget(target, 'one bit a byte')).toEqual(expected.map(({ target: of, at, bit }) => ({ target: of, at, bit })));
});
