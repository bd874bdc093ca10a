import { parseCertificate } from '../certificate';
import { readOr } from '../errors';
import { splitPemChain } from '../pem';
import { parseQuote } from '../quote';
import type { Check, CheckName } from '../report';
import { parseRevocationList } from '../revocation-list';
import { BOTH, type Comparison, JAVASCRIPT, type KnownDifference, WASM } from './comparison';

/** They accept what one of our checks refuses. */
interface LaxerDifference extends KnownDifference {
  readonly check: CheckName;
  readonly says: RegExp;
  readonly where?: (comparison: Comparison, check: Check) => boolean;
}

/** What the others let pass: a difference is explained if every check that refuses is here with what it says. */
export const LAXER_DIFFERENCES: readonly LaxerDifference[] = [
  {
    id: 'padding',
    others: BOTH,
    check: 'quote-structure',
    says: /^quote has \d+ bytes too many$/,
    reason: 'They ignore what is behind a quote, which nothing signs; we take exact sizes, and our producers trim.',
  },
  {
    id: 'root-not-shown',
    others: JAVASCRIPT,
    check: 'trust-root',
    says: /does not name/,
    where: ({ case: { subject } }) => shownCertificates(subject.quote) === 2,
    reason: "It takes a platform's chain that stops at the CA and adds the root itself; for us the chain names the root.",
  },
  {
    id: 'root-not-looked-at',
    others: WASM,
    check: 'trust-root',
    says: /does not name/,
    reason: 'It finds a path to its root by itself and ignores what else a chain shows; for us the chain ends in the root, byte for byte.',
  },
  {
    id: 'root-not-read',
    others: WASM,
    check: 'pck-chain',
    says: /^(der has|certificate (?!chain|\d))/,
    where: ({ case: { subject } }) => beginsWithCertificates(parseQuote(subject.quote).pckChain, 2),
    reason: 'As root-not-looked-at: there need not be a certificate.',
  },
  {
    id: 'chain-without-roles',
    others: JAVASCRIPT,
    check: 'pck-chain',
    says: /is not a CA$|has more than 3 certificates$|is not named for its role$|has the unknown critical extension/,
    reason: 'It looks at signatures and dates of a chain only: a platform can certify platforms, and critical extensions are ignored.',
  },
  {
    id: 'names-of-roles',
    others: WASM,
    check: 'pck-chain',
    says: /is not named for its role$/,
    reason: "It does not look at names: any certificate below the root with the platform's extension is a platform.",
  },
  {
    id: 'pem-form',
    others: BOTH,
    check: 'pck-chain',
    says: /^certificate chain is not in strict PEM form/,
    reason: 'They take other forms of the same certificates; we take one, so that no byte of a quote can change unnoticed.',
  },
  {
    id: 'pem-form-of-tcb-info',
    others: BOTH,
    check: 'tcb-info',
    says: /^certificate chain is not in strict PEM form/,
    reason: 'As pem-form, for the chain of TCB info.',
  },
  {
    id: 'pem-form-of-qe-identity',
    others: JAVASCRIPT,
    check: 'qe-identity',
    says: /^certificate chain is not in strict PEM form/,
    reason: 'As pem-form, for the chain of QE identity.',
  },
  {
    id: 'enclave-debug',
    others: WASM,
    check: 'qe-report',
    says: /debug mode$/,
    reason: 'It does not look at the quoting enclave; we refuse one in debug mode.',
  },
  {
    id: 'root-crl-not-verified',
    others: JAVASCRIPT,
    check: 'root-crl',
    says: /^(?!the root has revoked itself$)/,
    reason:
      "It takes serial numbers from any list and ignores lists that it cannot read; we verify a list's form, issuer, signature and dates.",
  },
  {
    id: 'pck-crl-not-verified',
    others: JAVASCRIPT,
    check: 'pck-crl',
    says: /^(?!the issuer is revoked)/,
    reason: "As root-crl-not-verified, for the list of the platforms' CA; the chain of its issuer is not read.",
  },
  {
    id: 'pck-crl-of-another-ca',
    others: JAVASCRIPT,
    check: 'revocation',
    says: /of another CA than the platform's$/,
    reason: 'It takes the list of any CA; we need that of the one that certified the platform.',
  },
  {
    id: 'root-revoked-itself',
    others: WASM,
    check: 'root-crl',
    says: /^the root has revoked itself$/,
    reason: 'It asks no list about the root itself.',
  },
  {
    id: 'root-crl-of-tomorrow',
    others: WASM,
    check: 'root-crl',
    says: /^revocation list is valid from /,
    reason: 'It looks at the end of a list only, not at its beginning.',
  },
  {
    id: 'pck-crl-of-tomorrow',
    others: WASM,
    check: 'pck-crl',
    says: /^revocation list is valid from /,
    reason: "As root-crl-of-tomorrow, for the list of the platforms' CA.",
  },
  {
    id: 'pck-crl-issuer-not-read',
    others: WASM,
    check: 'pck-crl',
    says: /^(?!revocation list|the issuer is revoked)/,
    where: ({ case: { subject } }) => isList(subject.collateral.pckCrl),
    reason: "It takes the issuer of the list from the platform's chain and never reads the chain that comes with the list.",
  },
  {
    id: 'tcb-info-by-a-platform',
    others: BOTH,
    check: 'tcb-info',
    says: /^certificate chain has more than 2 certificates$/,
    reason: "They take TCB info that any certificate below the root has signed: a platform, or what the platforms' CA issued.",
  },
  {
    id: 'root-of-tcb-info-not-looked-at',
    others: WASM,
    check: 'tcb-info',
    says: /^(issuer's chain does not end at the trust root$|der has|certificate (?!chain|\d))/,
    where: ({ case: { subject } }) => beginsWithCertificates(subject.collateral.tcbInfo.issuerChain, 1),
    reason: 'As root-not-looked-at, for the chain of TCB info.',
  },
  {
    id: 'qe-identity-by-a-platform',
    others: JAVASCRIPT,
    check: 'qe-identity',
    says: /^certificate chain has more than 2 certificates$/,
    reason: 'As tcb-info-by-a-platform, for QE identity.',
  },
  {
    id: 'tcb-info-unknown-fields',
    others: BOTH,
    check: 'tcb-info',
    says: /^tcb info is malformed(: missing or unknown fields| at (tdxModule|tcbType))$/,
    reason: 'They ignore fields that they do not use: the module, the type, and what is new. We refuse what we do not know.',
  },
  {
    id: 'qe-identity-unknown-fields',
    others: JAVASCRIPT,
    check: 'qe-identity',
    says: /^qe identity is malformed(: missing or unknown fields| at version)$/,
    reason: 'As tcb-info-unknown-fields; it also takes version 3 of QE identity, of which we know version 2 only.',
  },
  {
    id: 'tcb-info-levels-as-they-come',
    others: WASM,
    check: 'tcb-info',
    says: /^tcb info is malformed at tcbLevels\.\d+\.(tcbStatus|tcb\.sgxtcbcomponents)$/,
    reason: 'It hands an unknown status on to the caller, and compares as many components as there are.',
  },
  {
    id: 'tcb-info-of-tomorrow',
    others: WASM,
    check: 'tcb-info',
    says: /^valid from (\d+) to \d+, now is (\d+)$/,
    where: (_, check) => isBefore(check),
    reason: 'It looks at the end of TCB info only, not at its beginning.',
  },
  {
    id: 'qe-identity-not-read',
    others: WASM,
    check: 'qe-identity',
    says: /^/,
    reason: 'It never reads QE identity: any enclave with a report that a platform signed may be the quoting enclave.',
  },
  {
    id: 'quoting-enclave-not-judged',
    others: WASM,
    check: 'quoting-enclave',
    says: /^/,
    reason: 'As qe-identity-not-read: signer, product, attributes and version are not compared.',
  },
  {
    id: 'pce-not-compared',
    others: BOTH,
    check: 'platform-identity',
    says: /^TCB info of other platforms$/,
    where: (_, { expected, actual }) => expected?.split(',')[0] === actual?.split(',')[0],
    reason: 'They compare the FMSPC only, we the PCE id too, as Intel does.',
  },
  {
    id: 'module-not-judged',
    others: BOTH,
    check: 'tdx-module',
    says: /^/,
    reason: 'They do not look at the TDX module: signer, attributes, version, and level of that version.',
  },
  {
    id: 'revoked-module',
    others: BOTH,
    check: 'tcb-level',
    says: /^Revoked: platform (?!Revoked)\w+, module Revoked, quoting enclave (?!Revoked)\w+$/,
    reason: "As module-not-judged: a revoked module leaves the platform's status as it was.",
  },
  {
    id: 'revoked-is-a-status',
    others: WASM,
    check: 'tcb-level',
    says: /^Revoked: .*(platform|quoting enclave) Revoked/,
    reason: 'A revoked platform is a status for its caller to look at; a revoked quoting enclave is not looked at.',
  },
  {
    id: 'no-level-is-a-status',
    others: WASM,
    check: 'tcb-level',
    says: /^below every known TCB level$/,
    where: ({ theirs }) => theirs.accepted && theirs.status === 'Unknown',
    reason: 'A platform below every level has the status Unknown, for its caller to look at.',
  },
  {
    id: 'components-as-one-number',
    others: WASM,
    check: 'tcb-level',
    says: /^below every known TCB level$/,
    where: ({ theirs }) => theirs.accepted && theirs.status !== 'Unknown',
    reason: 'It compares TDX components as one list, of which the first difference decides; Intel and we compare each.',
  },
];

function shownCertificates(quote: Uint8Array): number {
  return new TextDecoder().decode(parseQuote(quote).pckChain).split('-----BEGIN CERTIFICATE-----').length - 1;
}

/** Whether the first certificates of a chain can be read, so that only those behind them are out of order. */
function beginsWithCertificates(chain: Uint8Array, count: number): boolean {
  const read = () => splitPemChain(chain, 3).slice(0, count).map(parseCertificate).length === count;
  return readOr(read, () => undefined) ?? false;
}

function isList(der: Uint8Array): boolean {
  return (
    readOr(
      () => parseRevocationList(der),
      () => undefined,
    ) !== null
  );
}

/** Of a check that says from when to when, and what time it is. */
function isBefore({ reason }: Check): boolean {
  const [from = 0, , now = 0] = (reason.match(/\d+/g) ?? []).map(Number);
  return now < from;
}
