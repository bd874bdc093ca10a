import { equal, toHex } from '../core/bytes';
import { isSameCa, type ProvenCollateral } from './collateral';
import type { TcbPolicy } from './policy';
import type { QeReport, Quote, TdReport } from './quote';
import { type Check, CheckList, PLATFORM_CHECKS } from './report';
import type { PlatformIdentity } from './sgx-extension';
import type { PartLevel } from './signed-document';
import { findModule, type TcbInfo, type TcbLevel } from './tcb-info';
import { converge, type PartStatus, type TcbStatus } from './tcb-status';
import type { EvaluationNumbers, ProvenChain, VerifierMemory } from './verifier-memory';

/** What a platform is worth. */
export interface PlatformVerdict {
  /** All of PLATFORM_CHECKS, in their order. */
  readonly checks: readonly Check[];
  /** The converged status, null when a level could not be found. */
  readonly status: TcbStatus | null;
}

/** What is asked of a platform: a quote that holds by itself, its proven chain, and collateral proven under the same root. */
export interface PlatformQuestion {
  readonly quote: Quote;
  readonly chain: ProvenChain;
  readonly collateral: ProvenCollateral;
  /** The highest evaluation numbers that were ever proven for such platforms. */
  readonly floors: EvaluationNumbers;
  /** Knows what was ever revoked, by this collateral's lists too. */
  readonly memory: Pick<VerifierMemory, 'isRevoked'>;
  readonly policy: TcbPolicy;
  /** Unix seconds. */
  readonly nowSec: number;
}

/**
 * Whether the platform behind a quote is one that policy accepts: not revoked, and with CPU, PCE, TDX module and quoting enclave
 * at a TCB level that is good enough.
 *
 * Source: Intel TDX DCAP Quote Verification Library, steps 4.1.2.4.6 to 4.1.2.4.17. Where that advises to relaunch a guest whose
 * module was updated under it (`TD_RELAUNCH_ADVISED`), the guest is out of date here.
 */
export function verifyPlatform(question: PlatformQuestion): PlatformVerdict {
  const checks: PlatformChecks = new CheckList(PLATFORM_CHECKS);
  checkCurrency(question, checks);
  checkRevocation(question, checks);
  const isThis = checkIdentity(question, checks);
  const levels = [
    checkQuotingEnclave(question.quote.qeReport, question.collateral, checks),
    checkModule(question.quote.td, question.collateral.tcbInfo, checks),
  ] as const;
  const status = isThis ? checkLevel(question, levels, checks) : null;
  return { checks: checks.all(), status };
}

type PlatformChecks = CheckList<(typeof PLATFORM_CHECKS)[number]>;

function checkCurrency({ collateral, floors, policy, nowSec }: PlatformQuestion, checks: PlatformChecks): void {
  const ageSec = nowSec - collateral.issuedAtSec;
  const limit = policy.maxCollateralAgeSec;
  const ageReasons = { pass: `${ageSec} s old`, fail: `${ageSec} s old, limit ${limit}` };
  checks.decide('collateral-age', ageSec <= limit, ageReasons, `at most ${limit}`, `${ageSec}`);
  const [tcbInfo, qeIdentity] = [collateral.tcbInfo.tcbEvaluationDataNumber, collateral.qeIdentity.tcbEvaluationDataNumber];
  const lowest = {
    tcbInfo: Math.max(policy.minEvaluationNumber, floors.tcbInfo),
    qeIdentity: Math.max(policy.minEvaluationNumber, floors.qeIdentity),
  };
  const expected = `at least ${lowest.tcbInfo} and ${lowest.qeIdentity}`;
  const actual = `${tcbInfo} and ${qeIdentity}`;
  const reasons = { pass: `${actual}, TCB info and QE identity`, fail: 'a recovery that is already known is held back' };
  checks.decide('evaluation-number', tcbInfo >= lowest.tcbInfo && qeIdentity >= lowest.qeIdentity, reasons, expected, actual);
}

function checkRevocation({ chain, collateral, memory }: PlatformQuestion, checks: PlatformChecks): void {
  const { root, ca, pck } = chain;
  const isRevokedByRoot = (serial: string) => memory.isRevoked(root, root.certificate, serial);
  if (!isSameCa(ca, collateral.pckCa)) checks.fail('revocation', "the revocation list is of another CA than the platform's");
  else if (isRevokedByRoot(ca.serial)) checks.fail('revocation', "the platform's CA is revoked");
  else if (memory.isRevoked(root, ca, pck.serial)) checks.fail('revocation', 'the platform is revoked');
  else if ([...collateral.issuerSerials].some(isRevokedByRoot)) checks.fail('revocation', 'who signed the collateral is revoked');
  else checks.pass('revocation', 'neither the platform nor its CA is revoked');
}

/** Whether the TCB info is about such platforms. */
function checkIdentity({ chain, collateral }: PlatformQuestion, checks: PlatformChecks): boolean {
  const { tcbInfo } = collateral;
  const expected = `fmspc ${chain.platform.fmspc}, pce ${chain.platform.pceId}`;
  const actual = `fmspc ${toHex(tcbInfo.fmspc)}, pce ${toHex(tcbInfo.pceId)}`;
  checks.decide('platform-identity', expected === actual, { pass: actual, fail: 'TCB info of other platforms' }, expected, actual);
  return expected === actual;
}

/** The quoting enclave is Intel's. Returns the level of its version, null when there is none or it is another enclave. */
function checkQuotingEnclave(report: QeReport, { qeIdentity }: ProvenCollateral, checks: PlatformChecks): PartLevel | null {
  const refuse = (reason: string): null => {
    checks.fail('quoting-enclave', reason);
    return null;
  };
  if (!equal(report.mrSigner, qeIdentity.mrsigner)) return refuse('signed by somebody else');
  if (report.productId !== qeIdentity.isvprodid) return refuse(`product ${report.productId}, expected ${qeIdentity.isvprodid}`);
  if (!equal(masked(report.miscSelect, qeIdentity.miscselectMask), qeIdentity.miscselect)) return refuse('other misc select bits');
  if (!equal(masked(report.attributes, qeIdentity.attributesMask), qeIdentity.attributes)) return refuse('other attributes');
  const level = qeIdentity.tcbLevels.find(({ tcb }) => report.securityVersion >= tcb.isvsvn);
  if (level === undefined) return refuse(`version ${report.securityVersion} is below every known level`);
  checks.pass('quoting-enclave', `version ${report.securityVersion}, ${level.tcbStatus}`);
  return level;
}

/**
 * The TDX module is one that Intel signed, without attributes, and of a known version. Returns the level of its security version,
 * null when there is none.
 * Source: Intel TDX Module ABI specification, TEE_TCB_SVN: byte 0 is the module's security version, byte 1 its major version.
 */
function checkModule(td: TdReport, info: TcbInfo, checks: PlatformChecks): PartLevel | null {
  const refuse = (reason: string): null => {
    checks.fail('tdx-module', reason);
    return null;
  };
  const [svn = 0, version = 0] = td.teeTcbSvn;
  const identity = findModule(info, version);
  if (identity === null) return refuse(`module version ${version} is unknown`);
  if (!equal(td.mrSignerSeam, identity.mrsigner)) return refuse('signed by somebody else');
  const hasAttributes = td.seamAttributes.some((byte) => byte !== 0);
  if (hasAttributes || !equal(masked(td.seamAttributes, identity.attributesMask), identity.attributes)) return refuse('other attributes');
  const level = identity.tcbLevels === null ? OF_PLATFORM : identity.tcbLevels.find(({ tcb }) => svn >= tcb.isvsvn);
  if (level === undefined) return refuse(`version ${version}.${svn} is below every known level`);
  checks.pass('tdx-module', `version ${version}.${svn}, ${level.tcbStatus}`);
  return level;
}

/** Modules of version 0 have no levels of their own. */
const OF_PLATFORM: PartLevel = { tcb: { isvsvn: 0 }, tcbDate: 0, tcbStatus: 'UpToDate', advisoryIDs: [] };

function checkLevel(
  { quote, chain, collateral, policy }: PlatformQuestion,
  parts: readonly [PartLevel | null, PartLevel | null],
  checks: PlatformChecks,
): TcbStatus | null {
  const level = findLevel(collateral.tcbInfo, chain.platform, quote.td.teeTcbSvn);
  if (level === null) {
    checks.fail('tcb-level', 'below every known TCB level');
    return null;
  }
  const [enclave, module] = parts;
  if (enclave === null || module === null) return null;
  const statuses: readonly PartStatus[] = [module.tcbStatus, enclave.tcbStatus];
  const status = statuses.reduce<TcbStatus>(converge, level.tcbStatus);
  const whole = `${status}: platform ${level.tcbStatus}, module ${module.tcbStatus}, quoting enclave ${enclave.tcbStatus}`;
  const accepted = policy.acceptedTcb.length === 0 ? 'none' : policy.acceptedTcb.join(', ');
  checks.decide('tcb-level', policy.acceptedTcb.includes(status), { pass: whole, fail: whole }, accepted, status);
  const advisories = [...new Set([level, module, enclave].flatMap((one) => one.advisoryIDs))];
  const unaccepted = advisories.filter((advisory) => !policy.acceptedAdvisories.includes(advisory));
  const found = advisories.length === 0 ? 'none' : advisories.join(', ');
  const known = policy.acceptedAdvisories.length === 0 ? 'none' : policy.acceptedAdvisories.join(', ');
  checks.decide('advisories', unaccepted.length === 0, { pass: found, fail: `${unaccepted.join(', ')} not accepted` }, known, found);
  return status;
}

/**
 * The first level, from the highest on, that the platform reaches in every component.
 * The first two TDX components are the module's version and are its own identity's to judge, unless that version is 0.
 */
function findLevel(info: TcbInfo, platform: PlatformIdentity, teeTcbSvn: Uint8Array): TcbLevel | null {
  const firstTdx = (teeTcbSvn[1] ?? 0) > 0 ? 2 : 0;
  const reaches = (have: ArrayLike<number>, need: readonly number[], from: number) =>
    need.every((svn, i) => i < from || (have[i] ?? -1) >= svn);
  const fits = ({ tcb }: TcbLevel) =>
    platform.pceSvn >= tcb.pcesvn &&
    reaches(platform.components, tcb.sgxtcbcomponents, 0) &&
    reaches(teeTcbSvn, tcb.tdxtcbcomponents, firstTdx);
  return info.tcbLevels.find(fits) ?? null;
}

function masked(bytes: Uint8Array, mask: Uint8Array): Uint8Array {
  return bytes.map((byte, i) => byte & (mask[i] ?? 0));
}
