import { BUNDLE_CHECKS, CheckList, failedChecks, toReport } from './report';

const REASONS = { pass: 'equal', fail: 'different' };

describe('a check list', () => {
  test('takes a check that nobody recorded for a failure', () => {
    const checks = new CheckList(BUNDLE_CHECKS);
    checks.pass('bundle-digest', 'equal');
    expect(checks.all().map((check) => [check.name, check.required, check.result])).toEqual([
      ['bundle-digest', true, 'pass'],
      ['bundle-structure', true, 'fail'],
    ]);
    expect(checks.holds('bundle-digest')).toBe(true);
    expect(checks.holds('bundle-digest', 'bundle-structure')).toBe(false);
  });

  test('does not let a later finding soften a failure', () => {
    const checks = new CheckList(BUNDLE_CHECKS);
    checks.fail('bundle-digest', 'different');
    checks.pass('bundle-digest', 'equal');
    checks.notApplicable('bundle-digest', 'not asked');
    expect(checks.all()[0]).toMatchObject({ result: 'fail', required: true });
  });

  test('keeps what was compared', () => {
    const checks = new CheckList(BUNDLE_CHECKS);
    checks.decide('bundle-digest', false, REASONS, 'aa', 'bb');
    checks.decide('bundle-structure', true, REASONS, 'cc', 'cc');
    expect(checks.all()).toEqual([
      { name: 'bundle-digest', required: true, result: 'fail', reason: 'different', expected: 'aa', actual: 'bb' },
      { name: 'bundle-structure', required: true, result: 'pass', reason: 'equal', expected: 'cc', actual: 'cc' },
    ]);
  });
});

describe('a report', () => {
  const facts = { simulated: true, modelProven: false };
  const pass = { required: true, result: 'pass', reason: 'equal', expected: null, actual: null } as const;
  const good = { ...pass, name: 'bundle-digest' } as const;
  const bad = { ...pass, name: 'bundle-structure', result: 'fail', reason: 'different', expected: 'aa', actual: 'bb' } as const;
  const skipped = { ...pass, name: 'gpu-evidence', required: false, result: 'not-applicable', reason: 'not asked' } as const;

  test('is ok only if there are required checks and all of them passed', () => {
    expect(toReport([good, skipped], facts).ok).toBe(true);
    expect(toReport([good, bad], facts).ok).toBe(false);
    expect(toReport([{ ...good, result: 'not-applicable' }], facts).ok).toBe(false);
    expect(toReport([skipped], facts).ok).toBe(false);
    expect(toReport([], facts).ok).toBe(false);
  });

  test('names the required checks that did not pass', () => {
    const unrun = { ...bad, name: 'tcb-level', reason: 'could not run after an earlier failure' } as const;
    expect(failedChecks(toReport([unrun, good, bad, skipped], facts))).toEqual([bad, unrun]);
  });
});
