import { cost, packAuthorisation, packOrder, packReceipt, RECEIPT_STATUS, statementHash } from '../../wrappers/statements';
import type { EvidenceFile } from '../attestation/evidence-file';
import { checkLines, verdictLine } from '../attestation/format-report';
import { CLOCK_SKEW_SEC } from '../attestation/policy';
import { type Check, CheckList, type CheckName, RECEIPT_CHECKS } from '../attestation/report';
import { concat, equal, fromHex, toBigEndian, toHex } from '../core/bytes';
import type { CryptoProvider } from '../core/crypto';
import { formatTon } from '../core/money';
import { COMPLETION_PATHS } from '../openai/requests';
import { hashText } from '../protocol/fields';
import type { ReceiptFile } from '../protocol/receipt-file';
import { encodeRequestContent, encodeResponseHead } from '../sealing/content';
import { detailsOf } from '../sealing/opening';
import { factLines, showTime } from './facts';
import type { EvidenceFinding } from './verify-evidence-file';

/** What is at hand beside the file. */
export interface ReceiptQuestion {
  /** Null where there is none, in the file or beside it. */
  readonly evidence: (Pick<EvidenceFinding, 'verdict' | 'warnings'> & { readonly file: EvidenceFile }) | null;
  /** Body of the request, as it was sent to the gateway; null where it is not at hand. */
  readonly prompt: Uint8Array | null;
  /** Body of the answer, as the gateway gave it; null where it is not at hand. */
  readonly answer: Uint8Array | null;
  /** Unix seconds: the moment that is asked about. */
  readonly nowSec: number;
  readonly crypto: CryptoProvider;
}

const MATCH = { pass: 'as expected', fail: 'not as expected' } as const;

/** The kinds of answer that guests give: the head is committed to with the body, and the gateway does not pass it on. */
const CONTENT_TYPES: readonly string[] = [
  'application/json',
  'text/event-stream',
  'application/json; charset=utf-8',
  'text/event-stream; charset=utf-8',
];

/** What no receipt shows: whose session key it is, and what was accounted. */
const BY_WORD: ReadonlySet<CheckName> = new Set(['authorisation-signature', 'cost']);

/** Whether a receipt holds, evidence aside, and the report on it for a person, its verdict last. */
export async function reportOnReceipt(
  file: ReceiptFile,
  question: ReceiptQuestion,
): Promise<{ readonly isVerified: boolean; readonly lines: readonly string[] }> {
  const checks = await checkReceipt(file, question);
  const isEvidenceGood = question.evidence?.verdict.accepted === true;
  const isVerified = isEvidenceGood && checks.every((check) => !check.required || check.result === 'pass');
  const lines = [
    `Receipt for authorisation ${hashText(statementHash(packAuthorisation(file.authorisation)))}`,
    ...checkLines(checks, { compared: 'all', byWord: BY_WORD }),
    'What it says:',
    ...factLines(factsOf(file)),
    "Taken from the file's word: that the session key is this channel's (the channel's contract holds it), and the cost that was accounted",
    ...(isEvidenceGood ? [] : ['There is no evidence that holds, so nothing shows whose receipt this is']),
    ...(question.evidence?.warnings ?? []),
    verdictLine('Receipt', isVerified, checks),
  ];
  return { isVerified, lines };
}

type ReceiptChecks = CheckList<(typeof RECEIPT_CHECKS)[number]>;

async function checkReceipt(file: ReceiptFile, question: ReceiptQuestion): Promise<readonly Check[]> {
  const { crypto, nowSec } = question;
  const { authorisation, receipt, opening } = file;
  const checks: ReceiptChecks = new CheckList(RECEIPT_CHECKS);
  const same = (name: (typeof RECEIPT_CHECKS)[number], expected: string, actual: string) =>
    checks.decide(name, expected === actual, MATCH, expected, actual);

  same('authorised-order', hashText(statementHash(packOrder(file.order))), hashText(authorisation.orderHash));
  const authorisationHash = statementHash(packAuthorisation(authorisation));
  const isAuthorised = await verifyHash(crypto, fromHex(file.sessionKey, 32), authorisationHash, file.authorisationSignature);
  if (isAuthorised) checks.pass('authorisation-signature', `signed by the session key ${file.sessionKey}`);
  else checks.fail('authorisation-signature', `not signed by the session key ${file.sessionKey}`);

  same('authorised-receipt', hashText(authorisationHash), hashText(receipt.authorisationHash));
  const receiptKey = hashText(authorisation.receiptKey);
  const isSigned = await verifyHash(crypto, fromHex(receiptKey, 32), statementHash(packReceipt(receipt)), file.signature);
  if (isSigned) checks.pass('receipt-signature', `signed by the receipt key that the authorisation names, ${receiptKey}`);
  else checks.fail('receipt-signature', `not signed by the receipt key that the authorisation names, ${receiptKey}`);
  const latest = nowSec + CLOCK_SKEW_SEC;
  const timeReasons = { pass: 'not ahead of the clock', fail: 'ahead of the clock' };
  checks.decide('receipt-not-future', receipt.at <= latest, timeReasons, `at most ${latest}`, `${receipt.at}`);

  same('commitment', toHex(await detailsOf(crypto, opening)), hashText(receipt.details));
  checkGuest(file, question, checks);
  await checkPrompt(file, question, checks);
  await checkAnswer(file, question, checks);

  const due = cost(receipt.usage, authorisation.prices, authorisation.maxAmount);
  checks.decide('cost', due === file.cost, { pass: sumOf(file), fail: sumOf(file) }, `${due}`, `${file.cost}`);
  return checks.all();
}

/** What ties the receipt to a machine that was proven. Of evidence that does not hold there are no claims: nothing is decided then. */
function checkGuest(file: ReceiptFile, { evidence }: ReceiptQuestion, checks: ReceiptChecks): void {
  const { opening, authorisation } = file;
  if (evidence === null) {
    // Anybody can make a receipt for a key of their own: without evidence it is nobody's.
    checks.fail('committed-evidence', 'no evidence is at hand to show whose receipt key this is: --evidence FILE');
    return;
  }
  const { file: evidenceFile, verdict } = evidence;
  const same = (name: (typeof RECEIPT_CHECKS)[number], expected: string, actual: string) =>
    checks.decide(name, expected === actual, MATCH, expected, actual);
  same('committed-evidence', evidenceFile.expected.digest, toHex(opening.evidenceDigest));
  if (!verdict.accepted) return;
  same('committed-model', verdict.claims.model?.hash ?? 'none', toHex(opening.modelHash));
  same('committed-image', verdict.imageHash, toHex(opening.imageHash));
  same('attested-receipt-key', verdict.claims.keys.receipt, hashText(authorisation.receiptKey));
}

/** The head that the client sealed with a prompt follows from its path, of which there are few. */
async function checkPrompt({ opening }: ReceiptFile, { prompt, crypto }: ReceiptQuestion, checks: ReceiptChecks): Promise<void> {
  if (prompt === null) return checks.notApplicable('committed-prompt', 'no prompt was named: --prompt FILE');
  for (const path of COMPLETION_PATHS) {
    const head = { method: 'POST', path, headers: { 'content-type': 'application/json' } } as const;
    if (!equal(await crypto.sha256(encodeRequestContent(head, prompt)), opening.requestHash)) continue;
    return checks.pass('committed-prompt', `${prompt.length} bytes, sent to ${path}`);
  }
  checks.fail('committed-prompt', `these ${prompt.length} bytes are not what was asked: it takes the request's body, byte for byte`);
}

async function checkAnswer({ opening }: ReceiptFile, { answer, crypto }: ReceiptQuestion, checks: ReceiptChecks): Promise<void> {
  if (answer === null) return checks.notApplicable('committed-answer', 'no answer was named: --answer FILE');
  for (const type of CONTENT_TYPES) {
    const head = encodeResponseHead({ status: 200, headers: { 'content-type': type } });
    if (!equal(await crypto.sha256(concat(head, answer)), opening.responseHash)) continue;
    return checks.pass('committed-answer', `${answer.length} bytes of ${type}`);
  }
  checks.fail('committed-answer', `these ${answer.length} bytes are not what was answered: it takes the answer's body, byte for byte`);
}

function sumOf({ receipt: { usage }, authorisation: { prices, maxAmount } }: ReceiptFile): string {
  const terms = [
    `${usage.uncachedPrompt} x ${prices.uncachedPrompt}`,
    `${usage.cachedPrompt} x ${prices.cachedPrompt}`,
    `${usage.answer} x ${prices.answer}`,
    `${usage.reasoning} x ${prices.reasoning}`,
  ];
  return `(${terms.join(' + ')}) / 1000000, rounded up, at most ${maxAmount} nanoTON`;
}

function factsOf({ order, receipt, cost: costNano }: ReceiptFile): readonly (readonly [string, string])[] {
  const { usage, status } = receipt;
  const word = Object.entries(RECEIPT_STATUS).find(([, value]) => value === status)?.[0] ?? 'unknown';
  return [
    ['channel', `${order.channel.toRawString()}, number ${order.number}`],
    ['status', word],
    ['tokens', `${usage.uncachedPrompt} prompt, ${usage.cachedPrompt} cached, ${usage.answer} answer, ${usage.reasoning} reasoning`],
    ['cost', `${formatTon(costNano)} TON`],
    ['at', `${showTime(receipt.at)} by the guest's clock, which is its host's`],
  ];
}

async function verifyHash(crypto: CryptoProvider, key: Uint8Array, hash: bigint, signature: Uint8Array): Promise<boolean> {
  return crypto.verifyEd25519(key, toBigEndian(hash, 32), signature);
}
