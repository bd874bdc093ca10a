import { EvidenceError } from '../attestation/errors';
import { decodeBundle } from '../attestation/evidence';
import type { EvidenceFile, SeenBlock } from '../attestation/evidence-file';
import { checkLines, verdictLine, warningsOf } from '../attestation/format-report';
import { parseQuote } from '../attestation/quote';
import { type FileQuestion, verifyEvidenceFile } from '../attestation/recorded-evidence';
import type { CheckName, Report } from '../attestation/report';
import type { EvidenceVerdict } from '../attestation/verify-evidence';
import { factLines, showTime } from './facts';
import { showsIntelRoot } from './shows-intel-root';

/** What no file can prove: what a chain said, and what an offer said. */
const BY_WORD: readonly CheckName[] = [
  'bundle-digest',
  'claims-role',
  'claims-owner',
  'claims-model',
  'sealing-key',
  'receipt-key',
  'tls-key',
  'block-known',
  'block-age',
  'block-not-future',
  'image-listed',
  'image-role',
  'image-active',
  'model-listed',
  'model-active',
];

/** What was found of an evidence file. */
export interface EvidenceFinding {
  readonly verdict: EvidenceVerdict;
  /** The report for a person, its verdict last. */
  readonly lines: readonly string[];
  /** Those of the lines that must stand wherever a person sees what hangs on this evidence. */
  readonly warnings: readonly string[];
}

/** The verdict on an evidence file, and the report on it. */
export async function reportOnEvidence(file: EvidenceFile, question: FileQuestion): Promise<EvidenceFinding> {
  const verdict = await verifyEvidenceFile(file, question);
  const { report } = verdict;
  const byWord = new Set<CheckName>(question.network === null ? [...BY_WORD, 'claims-network'] : BY_WORD);
  const warnings = await warningsFor(file, report);
  const lines = [
    `Evidence ${file.expected.digest}`,
    ...checkLines(report.checks, { compared: 'all', byWord }),
    "Taken from the file's word, since nothing was asked over a network:",
    ...factLines(factsOf(file, question.network === null)),
    ...warnings,
    verdictLine('Evidence', report.ok, report.checks),
  ];
  return { verdict, lines, warnings };
}

/** Of a root that nobody asked about a report knows nothing: it is SIMULATED all the same unless it is Intel's. */
async function warningsFor({ bundle }: EvidenceFile, report: Report): Promise<readonly string[]> {
  const known = warningsOf(report);
  if (report.simulated || (await showsIntelRootOf(bundle))) return known;
  return ["SIMULATED: the quote's chain does not end in Intel's root, no hardware vouches for this machine", ...known];
}

async function showsIntelRootOf(bundle: Uint8Array): Promise<boolean> {
  try {
    return await showsIntelRoot(parseQuote(decodeBundle(bundle).quote));
  } catch (error) {
    // Without a quote nothing is shown of any root.
    if (error instanceof EvidenceError) return true;
    throw error;
  }
}

function factsOf(file: EvidenceFile, isNetworkByWord: boolean): readonly (readonly [string, string])[] {
  const { expected, block, allowlist } = file;
  const { asOf, image, model } = allowlist;
  return [
    ['written', showTime(file.seenAtSec)],
    ['offer', `a ${expected.role} of owner ${expected.owner}, with these keys${isNetworkByWord ? `, on network ${expected.network}` : ''}`],
    ['block', block === null ? 'not in the file' : showBlock(block)],
    ['allowlist', asOf === null ? 'read at no block that the file names' : `read at ${showBlock(asOf)}`],
    [
      'image',
      image === null ? 'not in the file' : `${image.hash} for ${image.roles.join(', ') || 'nobody'} from ${showTime(image.activeFromSec)}`,
    ],
    ['model', model === null ? 'not in the file' : `${model.hash} (${model.kind}) from ${showTime(model.activeFromSec)}`],
  ];
}

function showBlock({ seqno, rootHash, atSec }: SeenBlock): string {
  return `block ${seqno}, root hash ${rootHash.slice(0, 16)}..., made ${showTime(atSec)}`;
}
