import { concat, equal, toHex } from '../core/bytes';
import type { Awaitable, CryptoProvider } from '../core/crypto';
import { type Certificate, parseCertificate, SGX_CHAIN, verifyChain } from './certificate';
import { readOr } from './errors';
import { splitPemChain } from './pem';
import { parseQeIdentity, type QeIdentity } from './qe-identity';
import { type Check, CheckList, COLLATERAL_CHECKS } from './report';
import { parseRevocationList, type RevocationList, refuseRevocationList } from './revocation-list';
import type { SignedDocument } from './signed-document';
import { parseTcbInfo, type TcbInfo } from './tcb-info';
import type { TrustRoot } from './trust-root';

/** What must be known of a platform beside its quote, as anybody may hand it out: nothing in it is believed unverified. */
export interface Collateral {
  /** The root's revocation list, DER. */
  readonly rootCrl: Uint8Array;
  /** The list of the CA that certifies platforms, DER. */
  readonly pckCrl: Uint8Array;
  /** PEM: that CA, the root. */
  readonly pckCrlIssuerChain: Uint8Array;
  readonly tcbInfo: SignedDocument;
  readonly qeIdentity: SignedDocument;
}

/** Which platforms' collateral is asked for. */
export interface CollateralQuery {
  readonly root: TrustRoot;
  /** 6 bytes, lower-case hex. */
  readonly fmspc: string;
  /** Which of the root's CAs certified the platform. */
  readonly ca: 'platform' | 'processor';
}

/** Where collateral comes from. It is not trusted: it can withhold, and hand out what is still valid. */
export interface CollateralSource {
  /** Null for platforms that it does not know; throwing fails the check. */
  collateralFor(query: CollateralQuery): Awaitable<Collateral | null>;
  /** Told when what it handed out does not hold, so that it asks for other collateral as soon as it may. */
  drop(query: CollateralQuery): void;
}

/** Collateral that holds under a root. */
export interface ProvenCollateral {
  /** The CA whose revocation list this is. */
  readonly pckCa: Certificate;
  /** Serial numbers of the root's certificates that sign in it: of that CA and of the TCB signing certificates. */
  readonly issuerSerials: ReadonlySet<string>;
  readonly tcbInfo: TcbInfo;
  readonly qeIdentity: QeIdentity;
  /** When the oldest part that is issued regularly was issued, unix seconds; the root's list, which lives a year, is not one. */
  readonly issuedAtSec: number;
  /** Unix seconds, both included: when every certificate, list and document in it is valid. */
  readonly notBeforeSec: number;
  readonly notAfterSec: number;
}

/** The checks that were run, and what they prove; null unless all of them passed. */
export interface CollateralVerdict {
  /** All of COLLATERAL_CHECKS, in their order. */
  readonly checks: readonly Check[];
  readonly proven: ProvenCollateral | null;
  /** The revocation lists that hold, whether the rest does or not. */
  readonly lists: readonly ProvenList[];
}

/** A revocation list that holds under a root. */
export interface ProvenList {
  readonly issuer: Certificate;
  /** Serial numbers, lower-case hex. */
  readonly revoked: ReadonlySet<string>;
}

/**
 * Verifies collateral by itself, under the trust root of the quote that it is for.
 * The documents must be signed by a TCB signing certificate that the root itself issued: a platform's certificate, or anything
 * below one, has another name, another place or another issuer, and is refused by the chain.
 *
 * Never throws for anything that the bytes contain.
 */
export async function verifyCollateral(
  collateral: Collateral,
  root: TrustRoot,
  nowSec: number,
  crypto: CryptoProvider,
): Promise<CollateralVerdict> {
  const checks: CollateralChecks = new CheckList(COLLATERAL_CHECKS);
  checks.pass('collateral-available', 'there is collateral');
  const judge = new Judge(root, nowSec, crypto, checks);
  const rootCrl = await judge.rootCrl(collateral.rootCrl);
  if (rootCrl === null) return { checks: checks.all(), proven: null, lists: [] };
  const byRoot: ProvenList = { issuer: root.certificate, revoked: rootCrl.revoked };
  const pckCrl = await judge.pckCrl(collateral, rootCrl.revoked);
  const lists = pckCrl === null ? [byRoot] : [byRoot, { issuer: pckCrl.issuer, revoked: pckCrl.list.revoked }];
  const tcbInfo = await judge.document('tcb-info', collateral.tcbInfo, parseTcbInfo, rootCrl.revoked);
  const qeIdentity = await judge.document('qe-identity', collateral.qeIdentity, parseQeIdentity, rootCrl.revoked);
  if (pckCrl === null || tcbInfo === null || qeIdentity === null) return { checks: checks.all(), proven: null, lists };
  const proven: ProvenCollateral = {
    pckCa: pckCrl.issuer,
    issuerSerials: judge.issuerSerials,
    tcbInfo,
    qeIdentity,
    issuedAtSec: Math.min(tcbInfo.issueDate, qeIdentity.issueDate, pckCrl.list.thisUpdateSec),
    notBeforeSec: judge.notBeforeSec,
    notAfterSec: judge.notAfterSec,
  };
  return { checks: checks.all(), proven, lists };
}

/** SHA-256 over the sizes of all parts of collateral and the parts; lower-case hex, for use within one process. */
export async function collateralDigest(collateral: Collateral, crypto: CryptoProvider): Promise<string> {
  const { rootCrl, pckCrl, pckCrlIssuerChain, tcbInfo, qeIdentity } = collateral;
  const parts = [rootCrl, pckCrl, pckCrlIssuerChain, ...[tcbInfo, qeIdentity].flatMap((one) => [one.json, one.signature, one.issuerChain])];
  const sizes = new Uint32Array(parts.map((part) => part.length));
  return toHex(await crypto.sha256(concat(new Uint8Array(sizes.buffer), ...parts)));
}

type CollateralChecks = CheckList<(typeof COLLATERAL_CHECKS)[number]>;
type DocumentCheck = 'tcb-info' | 'qe-identity';

/** One verification: what all its steps need, and the time in which everything that it has seen so far is valid. */
class Judge {
  notBeforeSec = 0;
  notAfterSec = Number.POSITIVE_INFINITY;
  readonly issuerSerials = new Set<string>();
  /** The TCB signing certificate that was proven last, with its chain as PEM. */
  private signer: { readonly chain: Uint8Array; readonly certificate: Certificate } | null = null;

  constructor(
    private readonly root: TrustRoot,
    private readonly nowSec: number,
    private readonly crypto: CryptoProvider,
    private readonly checks: CollateralChecks,
  ) {}

  async rootCrl(der: Uint8Array): Promise<RevocationList | null> {
    const refuse = (reason: string) => this.checks.fail('root-crl', reason);
    const issuer = this.root.certificate;
    const list = await this.list(der, issuer, refuse);
    if (list === null) return null;
    if (list.revoked.has(issuer.serial)) refuse('the root has revoked itself');
    else this.checks.pass('root-crl', `${list.revoked.size} revoked, until ${list.nextUpdateSec}`);
    return this.checks.holds('root-crl') ? list : null;
  }

  async pckCrl(
    collateral: Collateral,
    revokedByRoot: ReadonlySet<string>,
  ): Promise<{ readonly list: RevocationList; readonly issuer: Certificate } | null> {
    const refuse = (reason: string) => this.checks.fail('pck-crl', reason);
    const issuer = await this.chainLeaf(collateral.pckCrlIssuerChain, SGX_CHAIN.pckCa, revokedByRoot, refuse);
    if (issuer === null) return null;
    const list = await this.list(collateral.pckCrl, issuer, refuse);
    if (list === null) return null;
    this.checks.pass('pck-crl', `${list.revoked.size} revoked, until ${list.nextUpdateSec}`);
    return { list, issuer };
  }

  async document<T extends TcbInfo | QeIdentity>(
    name: DocumentCheck,
    document: SignedDocument,
    parse: (json: Uint8Array) => T,
    revokedByRoot: ReadonlySet<string>,
  ): Promise<T | null> {
    const refuse = (reason: string) => this.checks.fail(name, reason);
    // Both documents have the same signer nearly always.
    const known = this.signer !== null && equal(this.signer.chain, document.issuerChain) ? this.signer.certificate : null;
    const signer = known ?? (await this.chainLeaf(document.issuerChain, SGX_CHAIN.tcbSigning, revokedByRoot, refuse));
    if (signer === null) return null;
    this.signer = { chain: document.issuerChain, certificate: signer };
    if (!(await this.crypto.verifyP256(signer.publicKey, document.json, document.signature))) {
      refuse('not signed by the TCB signing certificate');
      return null;
    }
    const value = readOr(() => parse(document.json), refuse);
    if (value === null) return null;
    const { issueDate, nextUpdate, tcbEvaluationDataNumber } = value;
    if (this.nowSec < issueDate || this.nowSec > nextUpdate) {
      refuse(`valid from ${issueDate} to ${nextUpdate}, now is ${this.nowSec}`);
      return null;
    }
    this.narrow(issueDate, nextUpdate);
    this.checks.pass(name, `evaluation number ${tcbEvaluationDataNumber}, until ${nextUpdate}`);
    return value;
  }

  private async list(der: Uint8Array, issuer: Certificate, refuse: (reason: string) => void): Promise<RevocationList | null> {
    const list = readOr(() => parseRevocationList(der), refuse);
    if (list === null) return null;
    const reason = await refuseRevocationList(list, issuer, this.nowSec, this.crypto);
    if (reason !== null) {
      refuse(`revocation list ${reason}`);
      return null;
    }
    this.narrow(list.thisUpdateSec, list.nextUpdateSec);
    return list;
  }

  private async chainLeaf(
    pem: Uint8Array,
    shape: (typeof SGX_CHAIN)['pckCa' | 'tcbSigning'],
    revokedByRoot: ReadonlySet<string>,
    refuse: (reason: string) => void,
  ): Promise<Certificate | null> {
    const chain = readOr(() => splitPemChain(pem, shape.roles.length).map(parseCertificate), refuse);
    if (chain === null) return null;
    const verdict = await verifyChain(chain, shape, this.root.certificate, this.nowSec, this.crypto);
    const [leaf] = chain;
    if (!verdict.ok || leaf === undefined) {
      refuse(verdict.ok ? 'chain without a certificate' : `issuer's ${verdict.reason}`);
      return null;
    }
    if (revokedByRoot.has(leaf.serial)) {
      refuse('the issuer is revoked by the root');
      return null;
    }
    this.narrow(verdict.notBeforeSec, verdict.notAfterSec);
    this.issuerSerials.add(leaf.serial);
    return leaf;
  }

  private narrow(notBeforeSec: number, notAfterSec: number): void {
    this.notBeforeSec = Math.max(this.notBeforeSec, notBeforeSec);
    this.notAfterSec = Math.min(this.notAfterSec, notAfterSec);
  }
}

/** Whether two certificates are of one CA: its name and its key. A CA's certificate may have been made again. */
export function isSameCa(a: Certificate, b: Certificate): boolean {
  return equal(a.subject, b.subject) && equal(a.publicKey, b.publicKey);
}
