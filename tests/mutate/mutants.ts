import { type AstNode, type Expression, getAstFactory, getParser, type OpBinary, type Statement } from '@tact-lang/compiler';
import { traverse } from '@tact-lang/compiler/dist/ast/iterators';
import type { Sources } from './contract-sources';

/** One change to one contract source. */
export interface Mutant {
  /** Unique among the mutants of these sources, and the same when lines move. */
  readonly id: string;
  readonly file: string;
  readonly line: number;
  /** `ClientContract.charge`, or a free function's name. */
  readonly within: string;
  /** The lines of the change, before and after, in one line each. */
  readonly original: string;
  readonly mutated: string;
  /** The file's whole text after the change. */
  readonly text: string;
}

/** Replaces source.slice(start, end). */
interface Edit {
  readonly start: number;
  readonly end: number;
  readonly replacement: string;
}

const COMPARISONS: ReadonlyMap<string, readonly string[]> = new Map([
  ['==', ['!=']],
  ['!=', ['==']],
  ['<', ['<=', '>=']],
  ['>', ['>=', '<=']],
  ['<=', ['<', '>']],
  ['>=', ['>', '<']],
]);
const EXTREMES: ReadonlyMap<string, string> = new Map([
  ['min', 'max'],
  ['max', 'min'],
]);

/** A statement that refuses: without it, everything is let through. */
const GUARD = /^(throw|nativeThrow|require|endParse)/;
/** Readers move a slice on: they run even where their result no longer counts, else every later field would be misread. */
const READER = /^(load|skip)/;
/** Send and reserve modes. */
const MODE = /^(Send|Reserve)[A-Z]/;

/** All mutants of all sources, in the order of the text. @throws the compiler's error for a source that it cannot parse */
export function mutantsOf(sources: Sources): readonly Mutant[] {
  return [...sources].flatMap(([file, source]) => mutantsOfFile(file, source));
}

function mutantsOfFile(file: string, source: string): readonly Mutant[] {
  const mutants: Mutant[] = [];
  const counts = new Map<string, number>();
  for (const { within, statements } of bodiesOf(file, source)) {
    const edits: Edit[] = [];
    for (const statement of statements) traverse(statement, (node) => edits.push(...editsOf(node, source)));
    const distinct = new Map(edits.map((edit) => [`${edit.start} ${edit.end} ${edit.replacement}`, edit]));
    for (const edit of [...distinct.values()].sort((a, b) => a.start - b.start || a.end - b.end)) {
      const change = shown(source, edit);
      const name = `${file} ${within}: ${change.original} => ${change.mutated}`;
      const count = (counts.get(name) ?? 0) + 1;
      counts.set(name, count);
      const text = source.slice(0, edit.start) + edit.replacement + source.slice(edit.end);
      mutants.push({ id: count === 1 ? name : `${name} (${count})`, file, within, ...change, text });
    }
  }
  return mutants;
}

/** The bodies of all functions and receivers of a file. Constants, structures and assembly have no comparisons to flip. */
function bodiesOf(file: string, source: string): readonly { readonly within: string; readonly statements: readonly Statement[] }[] {
  const { items } = getParser(getAstFactory()).parse({ path: file, code: source, origin: 'user' });
  return items.flatMap((item) => {
    if (item.kind === 'function_def') return [{ within: item.name.text, statements: item.statements }];
    if (item.kind !== 'contract' && item.kind !== 'trait') return [];
    return item.declarations.flatMap((declaration) => {
      if (declaration.kind === 'receiver') return [{ within: `${item.name.text}.receive`, statements: declaration.statements }];
      if (declaration.kind !== 'function_def') return [];
      return [{ within: `${item.name.text}.${declaration.name.text}`, statements: declaration.statements }];
    });
  });
}

function editsOf(node: AstNode, source: string): readonly Edit[] {
  switch (node.kind) {
    case 'statement_expression':
      return nameOfCall(node.expression).match(GUARD)
        ? [
            replace(
              node,
              effectsOf(node.expression, source)
                .map((it) => `${it};`)
                .join(' '),
            ),
          ]
        : [];
    case 'statement_assign':
      return [
        replace(
          node,
          effectsOf(node.expression, source)
            .map((it) => `${it};`)
            .join(' '),
        ),
      ];
    case 'statement_augmentedassign':
      if (node.op === '+=') return [between(node.path, node.expression, '+=', '-=', source)];
      return node.op === '-=' ? [between(node.path, node.expression, '-=', '+=', source)] : [];
    case 'statement_condition':
    case 'conditional':
    case 'statement_while':
    case 'statement_until':
      return isPlain(node.condition) ? [negated(node.condition, source)] : [];
    case 'op_unary':
      return node.op === '!' ? [replace(node, textOf(node.operand, source))] : [];
    case 'op_binary':
      return editsOfBinary(node, source);
    case 'static_call': {
      const other = EXTREMES.get(node.function.text);
      const modes = node.args.filter(isMode).map((mode) => replace(mode, '0'));
      return other === undefined ? modes : [replace(node.function, other), ...modes];
    }
    default:
      return [];
  }
}

function editsOfBinary(node: OpBinary, source: string): readonly Edit[] {
  const flipped = COMPARISONS.get(node.op);
  if (flipped !== undefined) return flipped.map((other) => between(node.left, node.right, node.op, other, source));
  switch (node.op) {
    case '&&':
      return [between(node.left, node.right, '&&', '||', source), ...withoutOperand(node, 'true', source)];
    case '||':
      return [between(node.left, node.right, '||', '&&', source), ...withoutOperand(node, 'false', source)];
    case '+':
    case '*':
      return [replace(node, beforeOperator(node, source))];
    case '-':
      return [between(node.left, node.right, '-', '+', source)];
    case '|':
      return [node.left, node.right].filter(isMode).map((mode) => replace(mode, '0'));
    default:
      return [];
  }
}

/** Each operand in turn made neutral, so that it no longer counts. In `a && b && c` the left operand has its own turn. */
function withoutOperand(node: OpBinary, neutral: 'true' | 'false', source: string): readonly Edit[] {
  return [node.left, node.right]
    .filter((operand) => !(operand.kind === 'op_binary' && operand.op === node.op))
    .map((operand) => {
      const isQuiet = effectsOf(operand, source).length === 0;
      return replace(operand, isQuiet ? neutral : `((${textOf(operand, source)}) ${neutral === 'true' ? '||' : '&&'} ${neutral})`);
    });
}

/** The left operand alone, with the parentheses around it. */
function beforeOperator(node: OpBinary, source: string): string {
  return source.slice(node.loc.interval.startIdx, between(node.left, node.right, node.op, '', source).start).trimEnd();
}

/** A condition that is one value: a comparison or a connective has mutants of its own. */
function isPlain(condition: Expression): boolean {
  if (condition.kind === 'op_unary') return condition.op !== '!';
  return condition.kind !== 'op_binary';
}

function isMode(expression: Expression): boolean {
  return expression.kind === 'id' && MODE.test(expression.text);
}

function nameOfCall(expression: Expression): string {
  if (expression.kind === 'static_call') return expression.function.text;
  return expression.kind === 'method_call' ? expression.method.text : '';
}

/** The outermost calls in an expression that read on in a slice. */
function effectsOf(expression: Expression, source: string): readonly string[] {
  const reads: { readonly start: number; readonly end: number }[] = [];
  traverse(expression, (node) => {
    if (node.kind !== 'method_call' || !READER.test(node.method.text)) return;
    const { startIdx: start, endIdx: end } = node.loc.interval;
    if (!reads.some((read) => read.start <= start && end <= read.end)) reads.push({ start, end });
  });
  return reads.map(({ start, end }) => source.slice(start, end));
}

function replace(node: AstNode & { readonly loc: Expression['loc'] }, replacement: string): Edit {
  return { start: node.loc.interval.startIdx, end: node.loc.interval.endIdx, replacement };
}

function negated(condition: Expression, source: string): Edit {
  return replace(condition, `!(${textOf(condition, source)})`);
}

/** Replaces the operator between two expressions. */
function between(left: Expression, right: Expression, operator: string, replacement: string, source: string): Edit {
  const start = source.indexOf(operator, left.loc.interval.endIdx);
  if (start === -1 || start >= right.loc.interval.startIdx) throw new Error(`no ${operator} where the parser saw one`);
  return { start, end: start + operator.length, replacement };
}

function textOf(expression: Expression, source: string): string {
  return source.slice(expression.loc.interval.startIdx, expression.loc.interval.endIdx);
}

function shown(source: string, { start, end, replacement }: Edit): Pick<Mutant, 'line' | 'original' | 'mutated'> {
  const first = source.lastIndexOf('\n', start - 1) + 1;
  const after = source.indexOf('\n', end);
  const last = after === -1 ? source.length : after;
  const inOneLine = (text: string) => text.trim().replace(/\s+/g, ' ');
  return {
    line: source.slice(0, start).split('\n').length,
    original: inOneLine(source.slice(first, last)),
    mutated: inOneLine(source.slice(first, start) + replacement + source.slice(end, last)),
  };
}
