import { checkLines, formatReport } from './format-report';
import { type Check, EVIDENCE_CHECKS, GPU_CHECKS, toReport } from './report';

const pass = { required: true, result: 'pass', reason: 'equal', expected: null, actual: null } as const;
const good = { ...pass, name: 'bundle-digest' } as const;
const bad = { ...pass, name: 'bundle-structure', result: 'fail', reason: 'different', expected: 'aa', actual: 'bb' } as const;
const notAsked = (name: Check['name']): Check => ({ ...pass, name, required: false, result: 'not-applicable', reason: 'not asked' });
const skipped = notAsked('gpu-evidence');

describe('a report on evidence', () => {
  const facts = { simulated: true, modelProven: false };

  test('is a table for people that says SIMULATED and MODEL NOT PROVEN, and what differed', () => {
    expect(formatReport(toReport([good, bad, skipped], facts))).toBe(
      [
        'Evidence refused (1 of 3 checks failed)',
        'SIMULATED: the trust root is a development root, no hardware vouches for this machine',
        'MODEL NOT PROVEN: nothing shows which weights answer',
        '  pass  bundle-digest     equal',
        '  FAIL  bundle-structure  different',
        '                          expected aa',
        '                          found    bb',
        '  n/a   gpu-evidence      not asked',
      ].join('\n'),
    );
  });

  test('of hardware and proven weights says neither', () => {
    expect(formatReport(toReport([good], { simulated: false, modelProven: true }))).toBe('Evidence verified\n  pass  bundle-digest  equal');
  });

  test('says once what holds for many checks in a row, and which they are; the report itself keeps them all', () => {
    const report = toReport([good, ...GPU_CHECKS.map(notAsked)], { simulated: false, modelProven: true });
    expect(formatReport(report)).toBe(
      [
        'Evidence verified',
        '  pass  bundle-digest                 equal',
        '  n/a   gpu-evidence..gpu-revocation  14 checks: not asked',
      ].join('\n'),
    );
    expect(report.checks).toHaveLength(15);
  });
});

describe('checks in a row are lines of their own', () => {
  const [first, second] = EVIDENCE_CHECKS;
  const of = (a: Partial<Check>, b: Partial<Check>, compared: 'all' | 'failed' = 'all', byWord: ReadonlySet<Check['name']> = new Set()) =>
    checkLines(
      [
        { ...pass, name: first, ...a },
        { ...pass, name: second, ...b },
      ],
      { compared, byWord },
    );

  test('unless outcome and reason are the same', () => {
    expect(of({}, {})).toEqual(['  pass  bundle-digest..bundle-structure  2 checks: equal']);
    expect(of({}, { result: 'fail' })).toHaveLength(2);
    expect(of({}, { result: 'not-applicable' })).toHaveLength(2);
    expect(of({}, { reason: 'alike' })).toHaveLength(2);
  });

  test('where it is shown what was compared', () => {
    const values = { expected: 'aa', actual: 'aa' };
    expect(of(values, values)).toEqual([
      '  pass  bundle-digest     equal',
      `${' '.repeat(26)}aa`,
      '  pass  bundle-structure  equal',
      `${' '.repeat(26)}aa`,
    ]);
    expect(of(values, {})).toHaveLength(3);
    expect(of({}, values)).toHaveLength(3);
    expect(of(values, values, 'failed')).toHaveLength(1);
    const differed = { result: 'fail', expected: 'aa', actual: 'bb' } as const;
    expect(of(differed, differed, 'failed')).toHaveLength(6);
  });

  test("where one is by the file's word and the other is not", () => {
    expect(of({}, {}, 'all', new Set([second]))).toEqual([
      '  pass  bundle-digest     equal',
      "  pass  bundle-structure  equal (by the file's word)",
    ]);
    expect(of({}, {}, 'all', new Set([first, second]))).toHaveLength(1);
    // What failed is nobody's word.
    expect(of({ result: 'fail' }, { result: 'fail' }, 'all', new Set([second]))).toHaveLength(1);
  });

  test('where others are between them', () => {
    const other = { ...pass, name: 'quote-structure', reason: 'alike' } as const;
    const lines = checkLines([good, other, { ...pass, name: 'trust-root' }], { compared: 'all' });
    expect(lines).toHaveLength(3);
  });
});
