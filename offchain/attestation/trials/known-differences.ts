import { parseQuote, type Quote } from '../quote';
import { hasRun } from '../report';
import { parseRevocationList } from '../revocation-list';
import { converge, PART_STATUSES, TCB_STATUSES } from '../tcb-status';
import { BOTH, type Comparison, JAVASCRIPT, type KnownDifference, WASM } from './comparison';
import { LAXER_DIFFERENCES } from './laxer-differences';
import type { Subject } from './other-verifiers';

/** Why a comparison differs; null unless every part of the difference is known. */
export function explain(comparison: Comparison): readonly KnownDifference[] | null {
  const { ours, theirs } = comparison;
  if (!ours.accepted) return theirs.accepted ? explainLaxer(comparison) : null;
  return theirs.accepted ? explainLevels(comparison) : explainStricter(comparison);
}

function explainLaxer(comparison: Comparison): readonly KnownDifference[] | null {
  const failed = comparison.ours.checks.filter((check) => check.result !== 'pass' && hasRun(check));
  const found = failed.map((check) =>
    LAXER_DIFFERENCES.find(
      ({ others, check: name, says, where }) =>
        others.includes(comparison.other) && name === check.name && says.test(check.reason) && (where?.(comparison, check) ?? true),
    ),
  );
  const known = found.filter((difference) => difference !== undefined);
  return known.length > 0 && known.length === failed.length ? known : null;
}

/** They refuse what we accept. */
interface Stricter extends KnownDifference {
  readonly says: RegExp;
  readonly where: (quote: Quote, subject: Subject) => boolean;
}

const FIRST_COMPONENTS: KnownDifference = {
  id: 'first-components',
  others: BOTH,
  reason: 'They compare the first two TDX components, which are the version of a module, with the platform; Intel and we ask its identity.',
};

const STRICTER: readonly Stricter[] = [
  {
    ...FIRST_COMPONENTS,
    others: JAVASCRIPT,
    says: /^No matching TCB level found$/,
    where: ({ td }) => (td.teeTcbSvn[1] ?? 0) > 0,
  },
  {
    id: 'auth-data-of-32-bytes',
    others: BOTH,
    says: /^QE report hash mismatch$|^unreachable$/,
    where: ({ qeAuthData }) => qeAuthData.length !== 32,
    reason: "They hash 32 bytes of the quoting enclave's authentication data, however many there are; one of them panics.",
  },
  {
    id: 'end-of-a-list-excluded',
    others: WASM,
    says: /^Failed to verify certificate chain$/,
    where: (_, { collateral, nowSec }) =>
      [collateral.rootCrl, collateral.pckCrl].some((der) => parseRevocationList(der).nextUpdateSec === nowSec),
    reason: 'In the very second of the next update a list has ended for it; for us it has in the next one.',
  },
  {
    id: 'version-5-not-read',
    others: WASM,
    says: /^Failed to decode quote$/,
    where: ({ version }) => version === 5,
    reason: 'This version of it knows no quotes of version 5.',
  },
  {
    id: 'cpu-features-refused',
    others: WASM,
    says: /^Reserved bits in TD attributes are set$/,
    where: ({ td: { tdAttributes } }) => ((tdAttributes[3] ?? 0) & 0xc0) !== 0 || ((tdAttributes[7] ?? 0) & 0x80) !== 0,
    reason: 'It takes the bits of PKS, KL or PERFMON, which are CPU features of the guest, for reserved ones.',
  },
];

function explainStricter({ case: { subject }, other, theirs }: Comparison): readonly KnownDifference[] | null {
  const quote = parseQuote(subject.quote);
  const known = STRICTER.find(
    ({ others, says, where }) => others.includes(other) && !theirs.accepted && says.test(theirs.reason) && where(quote, subject),
  );
  return known === undefined ? null : [known];
}

const OTHERWISE = {
  module: {
    id: 'module-level-not-converged',
    others: BOTH,
    reason: "As module-not-judged: status and advisories of the module's level are left out.",
  },
  enclave: {
    id: 'enclave-level-not-converged',
    others: WASM,
    reason: "As quoting-enclave-not-judged: status and advisories of the quoting enclave's level are left out.",
  },
  worst: {
    id: 'worst-status',
    others: JAVASCRIPT,
    reason: 'It takes the worse of two statuses; by Intel and us, ConfigurationNeeded with an out-of-date enclave needs both.',
  },
} as const satisfies Readonly<Record<string, KnownDifference>>;

/** We both accept, with another status or other advisories: theirs must be what their simpler rule makes of the same levels. */
function explainLevels({ case: { subject }, other, ours, theirs }: Comparison): readonly KnownDifference[] | null {
  if (!ours.accepted || !theirs.accepted) return null;
  const level = ours.checks.find((check) => check.name === 'tcb-level')?.reason ?? '';
  const [platform, module, enclave] = /platform (\w+), module (\w+), quoting enclave (\w+)$/.exec(level)?.slice(1) ?? [];
  const ofPlatform = TCB_STATUSES.find((status) => status === platform);
  const ofEnclave = PART_STATUSES.find((status) => status === enclave);
  if (ofPlatform === undefined || ofEnclave === undefined) return null;
  const known: KnownDifference[] = [];
  if (module !== 'UpToDate') known.push(OTHERWISE.module);
  if (other === 'wasm' && ofEnclave !== 'UpToDate') known.push(OTHERWISE.enclave);
  const worse = TCB_STATUSES[Math.max(TCB_STATUSES.indexOf(ofPlatform), TCB_STATUSES.indexOf(ofEnclave))];
  if (other === 'javascript' && worse !== converge(ofPlatform, ofEnclave)) known.push(OTHERWISE.worst);
  const expected = other === 'javascript' ? worse : ofPlatform;
  const isLess = theirs.advisories.every((advisory) => ours.advisories.includes(advisory));
  if (theirs.status === expected && isLess) return known.length > 0 ? known : null;
  // Another level of the platform, or none: only the first two components can lead there.
  return (parseQuote(subject.quote).td.teeTcbSvn[1] ?? 0) > 0 ? [...known, FIRST_COMPONENTS] : null;
}

/** Every difference that is known, each id once. */
export const KNOWN_DIFFERENCES: readonly KnownDifference[] = [
  ...LAXER_DIFFERENCES,
  FIRST_COMPONENTS,
  ...STRICTER.filter(({ id }) => id !== FIRST_COMPONENTS.id),
  ...Object.values(OTHERWISE),
];
