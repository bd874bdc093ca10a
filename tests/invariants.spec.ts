import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { known } from './world';

const ROWS = readFileSync(join(__dirname, '..', 'docs', 'invariants.md'), 'utf8')
  .split('\n')
  .filter((line) => line.startsWith('| INV-'))
  .map((line) => line.split('|').map((cell) => cell.trim()))
  .map((cells) => ({ id: known(cells[1]), severity: known(cells[2]), attackedIn: known(cells[4]).split(', ') }));

/** The ids that the names of a spec file's tests carry; those in comments attack nothing. */
function idsOf(spec: string): ReadonlySet<string> {
  const text = readFileSync(join(__dirname, `${spec}.spec.ts`), 'utf8').replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, '');
  return new Set(text.match(/INV-[A-Z][0-9]+/g) ?? []);
}

describe('docs/invariants.md', () => {
  test.each(ROWS)('$id is attacked where the page says (INV-R9)', ({ id, severity, attackedIn }) => {
    expect(['critical', 'high', 'medium']).toContain(severity);
    expect(attackedIn.filter((spec) => !idsOf(spec).has(id))).toEqual([]);
  });

  test('has every rule, and every id that a test carries (INV-R9)', () => {
    const ids = new Set(ROWS.map(({ id }) => id));
    for (let rule = 1; rule <= 9; rule++) expect(ids).toContain(`INV-R${rule}`);
    const files = readdirSync(__dirname, { recursive: true, encoding: 'utf8' });
    const specs = files.filter((file) => file.endsWith('.spec.ts') && file !== 'invariants.spec.ts');
    for (const file of specs) {
      const spec = file.slice(0, -'.spec.ts'.length);
      for (const id of idsOf(spec)) expect(ROWS.find((row) => row.id === id)?.attackedIn).toContain(spec);
    }
  });
});
