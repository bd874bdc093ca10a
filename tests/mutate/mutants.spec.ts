import { closureOf, contractsWith, hashOf, readSources } from './contract-sources';
import { wasteful } from './control';
import { type Mutant, mutantsOf } from './mutants';

/** The mutants of one function with these lines. */
function mutantsIn(...lines: readonly string[]): readonly Mutant[] {
  const body = lines.map((line) => `    ${line}\n`).join('');
  return mutantsOf(new Map([['a.tact', `fun subject(a: Int, b: Int, c: Bool, s: Slice) {\n${body}}\n`]]));
}

/** What becomes of the only line. */
function changesOf(line: string): readonly string[] {
  return mutantsIn(line).map(({ mutated }) => mutated);
}

describe('the mutants of a source', () => {
  test('drop each check, and flip what it compares at the boundary and altogether', () => {
    expect(changesOf('throwUnless(7, a > b);')).toEqual(['', 'throwUnless(7, a >= b);', 'throwUnless(7, a <= b);']);
    expect(changesOf('throwUnless(7, a <= b);')).toEqual(['', 'throwUnless(7, a < b);', 'throwUnless(7, a > b);']);
    expect(changesOf('throwUnless(7, a == b);')).toEqual(['', 'throwUnless(7, a != b);']);
    expect(changesOf('throwUnless(7, isOwner(a));')).toEqual(['']);
  });

  test('drop calls that only refuse', () => {
    expect(changesOf('requireValue(a);')).toEqual(['']);
    expect(changesOf('s.endParse();')).toEqual(['']);
    expect(changesOf('send(a);')).toEqual([]);
  });

  test('read on where a dropped check read: the fields behind it keep their places', () => {
    expect(changesOf('throwUnless(7, s.loadUint(32) == a);')[0]).toBe('s.loadUint(32);');
    expect(changesOf('throwUnless(7, is(s.loadRef()) || s.loadBool());')).toContain('s.loadRef(); s.loadBool();');
    expect(changesOf('a = s.loadUint(8);')).toEqual(['s.loadUint(8);']);
  });

  test('drop assignments, which are what a message changes', () => {
    expect(changesOf('a = 0;')).toEqual(['']);
  });

  test('swap connectives, and take out each operand', () => {
    expect(changesOf('let x = is(a) && is(b);')).toEqual(['let x = true && is(b);', 'let x = is(a) || is(b);', 'let x = is(a) && true;']);
    expect(changesOf('let x = is(a) || is(b);')).toEqual(['let x = false || is(b);', 'let x = is(a) && is(b);', 'let x = is(a) || false;']);
    expect(changesOf('let x = c && c && c;')).toHaveLength(5);
    expect(changesOf('let x = s.loadBool() && c;')).toContain('let x = ((s.loadBool()) || true) && c;');
  });

  test('turn around plain conditions and negations', () => {
    expect(changesOf('if (c) { send(a); }')).toEqual(['if (!(c)) { send(a); }']);
    expect(changesOf('let x = c ? a : b;')).toEqual(['let x = !(c) ? a : b;']);
    expect(changesOf('let x = !c;')).toEqual(['let x = c;']);
    expect(changesOf('if (!c) { send(a); }')).toEqual(['if (c) { send(a); }']);
  });

  test('leave out what is added, and turn subtraction around', () => {
    expect(changesOf('let x = now() + a;')).toEqual(['let x = now();']);
    expect(changesOf('let x = (a + b) * 2;')).toEqual(['let x = (a + b);', 'let x = (a) * 2;']);
    expect(changesOf('let x = a - b;')).toEqual(['let x = a + b;']);
    expect(changesOf('a += b;')).toEqual(['a -= b;']);
    expect(changesOf('a -= b;')).toEqual(['a += b;']);
  });

  test('exchange the smaller for the larger', () => {
    expect(changesOf('let x = min(a, b);')).toEqual(['let x = max(a, b);']);
    expect(changesOf('let x = max(a, b);')).toEqual(['let x = min(a, b);']);
  });

  test('take out each mode of a message or a reserve', () => {
    expect(changesOf('sendBuilt(s, SendRemainingValue);')).toEqual(['sendBuilt(s, 0);']);
    expect(changesOf('nativeReserve(a, ReserveExact | ReserveBounceIfActionFail);')).toEqual([
      'nativeReserve(a, 0 | ReserveBounceIfActionFail);',
      'nativeReserve(a, ReserveExact | 0);',
    ]);
  });

  test('are found in receivers, methods and getters of a contract, and not in constants', () => {
    const source = `const Limit: Int = 1 + 1;
contract Shop() {
    receive(msg: Slice) { throwUnless(7, sender() == myAddress()); }
    get fun get_all(): Bool { return now() > Limit; }
}
`;
    const mutants = mutantsOf(new Map([['Shop.tact', source]]));
    expect(mutants.map(({ within, line }) => [within, line])).toEqual([
      ['Shop.receive', 3],
      ['Shop.receive', 3],
      ['Shop.get_all', 4],
      ['Shop.get_all', 4],
    ]);
    expect(mutants[1]?.text).toBe(source.replace('sender() ==', 'sender() !='));
  });

  test('are told apart where two lines of one function are alike', () => {
    const ids = mutantsIn('s.endParse();', 's.endParse();').map(({ id }) => id);
    expect(ids).toEqual(['a.tact subject: s.endParse(); => ', 'a.tact subject: s.endParse(); =>  (2)']);
  });

  test('are hundreds in the contracts, each of another name, each another text', () => {
    const sources = readSources();
    const mutants = mutantsOf(sources);
    expect(mutants.length).toBeGreaterThan(300);
    expect(new Set(mutants.map(({ id }) => id)).size).toBe(mutants.length);
    expect(mutants.filter(({ file, text }) => sources.get(file) === text)).toEqual([]);
  });
});

describe('the contract sources', () => {
  const sources = readSources();

  test('tell which contracts a change reaches: root holds the code of proxy, and proxy that of worker', () => {
    expect(contractsWith('WorkerContract.tact', sources)).toEqual(['ProxyContract', 'RootContract', 'WorkerContract']);
    expect(contractsWith('RootContract.tact', sources)).toEqual(['RootContract']);
    expect(contractsWith('ClientContract.tact', sources)).toEqual(['ClientContract']);
    expect(contractsWith('vm.tact', sources)).toHaveLength(4);
    expect(closureOf('RootContract.tact', sources)).toContain('WorkerContract.tact');
  });

  test('have another hash when a text, a name or a border between texts changes', () => {
    const hash = hashOf(new Map([['a', 'bc']]));
    expect(hashOf(new Map([['a', 'bd']]))).not.toBe(hash);
    expect(hashOf(new Map([['ab', 'c']]))).not.toBe(hash);
    expect(hashOf(new Map([['a', 'bc']]))).toBe(hash);
  });

  test('have a control that wastes gas in each receiver and leaves room for it in each constant', () => {
    const changed = wasteful(
      new Map([
        ['A.tact', 'contract A() {\n    receive(msg: Slice) {\n        send();\n'],
        ['gas.tact', 'const GasOfA: Int = 500;\nconst CellsOfA: Int = 2;\n'],
        ['vm.tact', 'asm fun a() { DROP }\n'],
      ]),
    );
    expect(changed.get('A.tact')).toBe('contract A() {\n    receive(msg: Slice) {\n        waste();\n        send();\n');
    expect(changed.get('gas.tact')).toBe('const GasOfA: Int = 1500;\nconst CellsOfA: Int = 2;\n');
    expect(changed.get('vm.tact')).toContain('asm fun waste() { NOP }');
  });
});
