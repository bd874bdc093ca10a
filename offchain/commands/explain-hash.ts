import { z } from 'zod';
import { decodeCanonicalJson } from '../attestation/canonical-json';
import { type EventLog, parseEventLog } from '../attestation/event-log';
import { decodeBundle, imageHashOf, type Measurements } from '../attestation/evidence';
import { MAX_EVIDENCE_FILE_SIZE, readEvidenceFile } from '../attestation/evidence-file';
import {
  type ComponentDifference,
  differencesBetween,
  historyOf,
  type MeasuredComponent,
  type MeasuredHistory,
  RUNTIME_REGISTERS,
  replayAll,
} from '../attestation/explain-measurements';
import { parseQuote, type Quote, trimQuote } from '../attestation/quote';
import { equal, fromHex, fromUtf8, toHex, utf8 } from '../core/bytes';
import { MalformedError } from '../core/errors';
import { imageConfigDigest } from '../guest/guest-image';
import { nodeCrypto } from '../runtime/node-crypto';
import { readWith } from './input-file';
import { showsIntelRoot } from './shows-intel-root';
import type { Terminal } from './terminal';

/** Paths, as the command line gives them. */
export interface ExplainHashOptions {
  /** The machine's own event log. */
  readonly log: string;
  /** A quote of the machine, or its evidence: what its registers really hold. */
  readonly quote?: string | undefined;
  /** What the registers should hold: JSON. */
  readonly expected?: string | undefined;
  /** The event log of a machine that is as it should be. */
  readonly reference?: string | undefined;
}

const register = z.string().regex(/^[0-9a-f]{96}$/, 'expected 96 lower-case hex digits');
const expectedSchema = z.strictObject({ mrtd: register, rtmr0: register, rtmr1: register, rtmr2: register, rtmr3: register });

const LINE_FEED = 0x0a;
const SYNTHETIC = utf8('SYNTHETIC');

/** The registers that are compared, by name: what the log gives, what the quote has, what was expected. Null where nothing says it. */
interface RegisterValues {
  readonly name: string;
  readonly replayed: Uint8Array | null;
  readonly quoted: Uint8Array | null;
  readonly expected: Uint8Array | null;
  readonly history: readonly MeasuredComponent[];
  readonly reference: readonly MeasuredComponent[] | null;
}

/**
 * `cocoon explain-hash`: replays an event log into the runtime registers, compares them with a quote's and with expected ones, and names
 * the components that make them differ. Returns whether everything that was compared is the same.
 *
 * @throws ConfigError bad_file, bad_flags
 */
export async function explainHashCommand(options: ExplainHashOptions, terminal: Terminal): Promise<boolean> {
  const log = await readWith(options.log, parseEventLog);
  const quote = options.quote === undefined ? null : await readWith(options.quote, readQuote);
  const reference = options.reference === undefined ? null : await readWith(options.reference, parseEventLog);
  const history = historyOf(log, imageConfigDigest());
  const referenceHistory = reference === null ? null : historyOf(reference, imageConfigDigest());
  const expected = await expectedOf(options.expected, referenceHistory);
  const registers = valuesOf(history, await replayAll(history, nodeCrypto), quote?.td ?? null, expected, referenceHistory);

  terminal.write(`event log    ${options.log}, ${log.events.length} measured events\n`);
  for (const line of await warnings(log, reference, quote)) terminal.write(`${line}\n`);
  if (expected !== null && referenceHistory !== null && !isSameRegisters(await replayAll(referenceHistory, nodeCrypto), expected.rtmr)) {
    terminal.write('note         the reference log does not give the expected registers: what it names may not be all\n');
  }
  for (const values of registers) terminal.write(`\n${linesOf(values).join('\n')}\n`);
  terminal.write(`\n${(await imageHashLines(quote, expected)).join('\n')}\n`);
  const isSame = registers.every(isAsItShouldBe);
  terminal.write(isSame ? '\nEverything that was compared is the same.\n' : '\nThere are differences.\n');
  return isSame;
}

/** `mrtd` is null where the expected values come from a log, which does not hold it. */
type ExpectedMeasurements = { readonly mrTd: Uint8Array | null; readonly rtmr: Measurements['rtmr'] };

async function expectedOf(path: string | undefined, reference: MeasuredHistory | null): Promise<ExpectedMeasurements | null> {
  if (path !== undefined) return readWith(path, readExpected);
  return reference === null ? null : { mrTd: null, rtmr: await replayAll(reference, nodeCrypto) };
}

function readExpected(bytes: Uint8Array): ExpectedMeasurements {
  const parsed = expectedSchema.safeParse(JSON.parse(fromUtf8(bytes)));
  if (!parsed.success) {
    const field = parsed.error.issues[0]?.path.join('.') ?? '';
    throw new MalformedError(
      'bad_expected',
      `expected {"mrtd", "rtmr0", "rtmr1", "rtmr2", "rtmr3"} of 96 hex digits each${field === '' ? '' : `, see ${field}`}`,
    );
  }
  const { mrtd, rtmr0, rtmr1, rtmr2, rtmr3 } = parsed.data;
  return { mrTd: fromHex(mrtd), rtmr: [fromHex(rtmr0), fromHex(rtmr1), fromHex(rtmr2), fromHex(rtmr3)] };
}

/** A quote as the hardware gave it, padding and all, the bundle that carries one, or what a client wrote of that. */
function readQuote(bytes: Uint8Array): Quote {
  if (bytes[0] !== '{'.charCodeAt(0)) return parseQuote(trimQuote(bytes));
  const text = bytes.at(-1) === LINE_FEED ? bytes.subarray(0, -1) : bytes;
  const value = decodeCanonicalJson(text, MAX_EVIDENCE_FILE_SIZE);
  const isFile = typeof value === 'object' && value !== null && 'format' in value;
  return parseQuote(decodeBundle(isFile ? readEvidenceFile(value).bundle : text).quote);
}

function valuesOf(
  history: MeasuredHistory,
  replayed: Measurements['rtmr'],
  quoted: Measurements | null,
  expected: ExpectedMeasurements | null,
  reference: MeasuredHistory | null,
): readonly RegisterValues[] {
  const mrtd = {
    name: 'mrtd',
    replayed: null,
    quoted: quoted?.mrTd ?? null,
    expected: expected?.mrTd ?? null,
    history: [],
    reference: null,
  };
  const runtime = RUNTIME_REGISTERS.map((index) => ({
    name: `rtmr${index}`,
    replayed: replayed[index],
    quoted: quoted?.rtmr[index] ?? null,
    expected: expected?.rtmr[index] ?? null,
    history: history[index],
    reference: reference?.[index] ?? null,
  }));
  return [mrtd, ...runtime];
}

function isSameRegisters(a: Measurements['rtmr'], b: Measurements['rtmr']): boolean {
  return RUNTIME_REGISTERS.every((index) => equal(a[index], b[index]));
}

/** What a register holds, as far as it is known: by the quote, or by the log. */
function actualOf({ quoted, replayed }: RegisterValues): Uint8Array | null {
  return quoted ?? replayed;
}

function isLogTrue({ quoted, replayed }: RegisterValues): boolean {
  return quoted === null || replayed === null || equal(quoted, replayed);
}

function isAsExpected(values: RegisterValues): boolean {
  const actual = actualOf(values);
  return actual === null || values.expected === null || equal(actual, values.expected);
}

function isAsItShouldBe(values: RegisterValues): boolean {
  return isLogTrue(values) && isAsExpected(values);
}

function linesOf(values: RegisterValues): readonly string[] {
  const { name, replayed, quoted, expected, history } = values;
  const lines = [name];
  if (replayed !== null) lines.push(`  log        ${toHex(replayed)}  (${history.length} measurements)`);
  else lines.push('  log        - (the build-time register is measured before there is a log)');
  if (quoted !== null) lines.push(`  quote      ${isLogTrue(values) && replayed !== null ? 'same' : toHex(quoted)}`);
  if (!isLogTrue(values))
    lines.push("  DIFFERS    the log does not give what the quote has: it is another machine's, incomplete, or was changed");
  const actual = actualOf(values);
  if (expected === null || actual === null) return lines;
  lines.push(`  expected   ${isAsExpected(values) ? 'same' : toHex(expected)}`);
  return isAsExpected(values) ? lines : [...lines, ...reasonsFor(values).map((reason) => `  DIFFERS    ${reason}`)];
}

/** Why a register is not as expected, as far as that can be told. */
function reasonsFor({ name, replayed, history, reference }: RegisterValues): readonly string[] {
  if (replayed === null) return ['the initial contents of the machine: another firmware (TDVF), or another way of loading it'];
  if (reference === null) {
    const parts = [...new Set(history.map(({ component }) => component))];
    return [
      `one of these, or something that is missing: --reference LOG of a machine that is as expected names it`,
      ...parts.map((part) => `  ${part}`),
    ];
  }
  const differences = differencesBetween(history, reference);
  return differences.length === 0 ? [`${name} is not what the reference log gives either`] : differences.map(describe);
}

function describe(difference: ComponentDifference): string {
  switch (difference.kind) {
    case 'changed': {
      const { found, expected } = difference;
      const before = found.component === expected.component ? '' : `, was ${expected.component}`;
      return `${place(found)} ${found.component}${before}: measured ${shortHex(found.digest)}, expected ${shortHex(expected.digest)}`;
    }
    case 'added':
      return `${place(difference.found)} ${difference.found.component}: measured ${shortHex(difference.found.digest)}, not expected at all`;
    case 'missing':
      return `missing: ${difference.expected.component} (${place(difference.expected)} of the reference), expected ${shortHex(difference.expected.digest)}`;
  }
}

function place({ number }: MeasuredComponent): string {
  return number === null ? 'behind the log' : `event ${number}`;
}

function shortHex(bytes: Uint8Array): string {
  return `${toHex(bytes.subarray(0, 8))}...`;
}

async function imageHashLines(quote: Quote | null, expected: ExpectedMeasurements | null): Promise<readonly string[]> {
  if (quote === null) return ['image hash   - (needs the build-time register: --quote FILE)'];
  const lines = [`image hash   ${await imageHashOf(quote.td, nodeCrypto)}`];
  const { mrTd } = expected ?? { mrTd: null };
  if (expected !== null && mrTd !== null) lines.push(`expected     ${await imageHashOf({ mrTd, rtmr: expected.rtmr }, nodeCrypto)}`);
  return lines;
}

async function warnings(log: EventLog, reference: EventLog | null, quote: Quote | null): Promise<readonly string[]> {
  const lines: string[] = [];
  const isSynthetic = (candidate: EventLog | null) => candidate !== null && equal(candidate.vendorInfo, SYNTHETIC);
  if (isSynthetic(log)) lines.push('SYNTHETIC    this log says of itself that no machine has measured it');
  if (isSynthetic(reference)) lines.push('SYNTHETIC    the reference log says of itself that no machine has measured it');
  if (quote !== null && !(await showsIntelRoot(quote))) {
    lines.push("SIMULATED    the quote's chain does not end in Intel's root: no hardware vouches for its registers");
  }
  if (quote !== null) lines.push('not checked  whether the quote is genuine: this explains measurements, it verifies nothing');
  return lines;
}
