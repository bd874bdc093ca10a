import type { EvidenceFile, SeenBlock } from '../attestation/evidence-file';
import { checkLines, verdictLine, warningsOf } from '../attestation/format-report';
import { type FileQuestion, verifyEvidenceFile } from '../attestation/recorded-evidence';
import type { CheckName } from '../attestation/report';
import type { EvidenceVerdict } from '../attestation/verify-evidence';
import { factLines, showTime } from './verify-report';

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

/** The verdict on an evidence file, and the report on it for a person, its verdict last. */
export async function reportOnEvidence(
  file: EvidenceFile,
  question: FileQuestion,
): Promise<{ readonly verdict: EvidenceVerdict; readonly lines: readonly string[] }> {
  const verdict = await verifyEvidenceFile(file, question);
  const { report } = verdict;
  const byWord = new Set<CheckName>(question.network === null ? [...BY_WORD, 'claims-network'] : BY_WORD);
  const lines = [
    `Evidence ${file.expected.digest}`,
    ...checkLines(report.checks, { compared: 'all', byWord }),
    "Taken from the file's word, since nothing was asked over a network:",
    ...factLines(factsOf(file, question.network === null)),
    ...warningsOf(report),
    verdictLine('Evidence', report.ok, report.checks),
  ];
  return { verdict, lines };
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
