import { sign } from 'node:crypto';
import { toHex, utf8 } from '../../core/bytes';
import type { Collateral } from '../collateral';
import { toPem } from '../pem';
import type { SignedDocument } from '../signed-document';
import type { PartStatus, TcbStatus } from '../tcb-status';
import { type Issued, issueRevocationList } from './development-certificates';
import { SIMULATED_PLATFORM, type SimulatedPlatform } from './platform-certificate';
import { SIMULATED_QE } from './quote-writer';

/** Who signs the collateral of a development root. */
export interface CollateralAuthority {
  /** The root's certificate, DER. */
  readonly rootDer: Uint8Array;
  /** The root's revocation list, DER. */
  readonly rootCrl: Uint8Array;
  readonly pckCa: Issued;
  readonly tcbSigning: Issued;
}

/** What the documents are to say of a simulated platform. */
export interface Standing {
  readonly platform: TcbStatus;
  readonly module: PartStatus;
  readonly quotingEnclave: PartStatus;
  /** Advisories of the platform's level. */
  readonly advisories: readonly string[];
}

export interface CollateralPlan {
  /** When documents and list are issued, unix seconds. */
  readonly nowSec: number;
  /** For how long they are valid. */
  readonly lifeSec?: number;
  readonly evaluationNumber?: number;
  readonly platform?: SimulatedPlatform;
  /** Everything up to date unless told otherwise. */
  readonly standing?: Partial<Standing>;
  /** Serial numbers that the platforms' CA revokes, lower-case hex. */
  readonly revoked?: readonly string[];
}

const MONTH_SEC = 30 * 86_400;
const SIGNED_BY_INTEL = '00'.repeat(48);

/** TCB info, QE identity and the revocation list of the platforms' CA, all issued now, beside the root's list. */
export function issueCollateral(authority: CollateralAuthority, plan: CollateralPlan): Collateral {
  const { nowSec, lifeSec = MONTH_SEC, revoked = [] } = plan;
  return {
    rootCrl: authority.rootCrl,
    pckCrl: issueRevocationList(authority.pckCa, { thisUpdateSec: nowSec, nextUpdateSec: nowSec + lifeSec, revoked }),
    pckCrlIssuerChain: pemChain(authority.pckCa.der, authority.rootDer),
    tcbInfo: signDocument(simulatedTcbInfo(plan), authority.tcbSigning, authority.rootDer),
    qeIdentity: signDocument(simulatedQeIdentity(plan), authority.tcbSigning, authority.rootDer),
  };
}

/** A document as the TCB signing certificate signs it. */
export function signDocument(value: object, signer: Issued, rootDer: Uint8Array): SignedDocument {
  const json = utf8(JSON.stringify(value));
  return {
    json,
    signature: sign('sha256', json, { key: signer.key, dsaEncoding: 'ieee-p1363' }),
    issuerChain: pemChain(signer.der, rootDer),
  };
}

/** TCB info in Intel's form (see ../tcb-info.ts): one level that the simulated platform has just reached, and one below it. */
export function simulatedTcbInfo(plan: CollateralPlan) {
  const { platform = SIMULATED_PLATFORM, standing = {} } = plan;
  const components = (svns: Iterable<number>) => Array.from(svns, (svn) => ({ svn }));
  const tcb = {
    sgxtcbcomponents: components(platform.cpuSvn),
    pcesvn: platform.pceSvn,
    tdxtcbcomponents: components([5, 0, 3, ...new Uint8Array(13)]),
  };
  const below = { ...tcb, sgxtcbcomponents: components(new Uint8Array(16)), pcesvn: 5 };
  const advisoryIDs = standing.advisories ?? [];
  const module = { mrsigner: SIGNED_BY_INTEL, attributes: '00'.repeat(8), attributesMask: 'FF'.repeat(8) };
  const moduleLevels = [
    { tcb: { isvsvn: 6 }, ...LEVEL_DATE, tcbStatus: standing.module ?? 'UpToDate' },
    { tcb: { isvsvn: 2 }, ...LEVEL_DATE, tcbStatus: 'OutOfDate', advisoryIDs: ['SIMULATED-SA-00001'] },
  ];
  return {
    id: 'TDX',
    version: 3,
    ...dates(plan),
    fmspc: platform.fmspc.toUpperCase(),
    pceId: platform.pceId,
    tcbType: 0,
    tdxModule: module,
    tdxModuleIdentities: [
      { id: 'TDX_03', ...module, tcbLevels: moduleLevels },
      { id: 'TDX_01', ...module, tcbLevels: moduleLevels },
    ],
    tcbLevels: [
      { tcb, ...LEVEL_DATE, tcbStatus: standing.platform ?? 'UpToDate', ...(advisoryIDs.length > 0 ? { advisoryIDs } : {}) },
      { tcb: below, ...LEVEL_DATE, tcbStatus: 'OutOfDate', advisoryIDs: ['SIMULATED-SA-00002'] },
    ],
  };
}

/** QE identity in Intel's form (see ../qe-identity.ts). */
export function simulatedQeIdentity(plan: CollateralPlan) {
  return {
    id: 'TD_QE',
    version: 2,
    ...dates(plan),
    miscselect: '00000000',
    miscselectMask: 'FFFFFFFF',
    attributes: '11000000000000000000000000000000',
    attributesMask: 'FBFFFFFFFFFFFFFF0000000000000000',
    mrsigner: toHex(SIMULATED_QE.mrSigner).toUpperCase(),
    isvprodid: SIMULATED_QE.productId,
    tcbLevels: [
      { tcb: { isvsvn: 4 }, ...LEVEL_DATE, tcbStatus: plan.standing?.quotingEnclave ?? 'UpToDate' },
      { tcb: { isvsvn: 2 }, ...LEVEL_DATE, tcbStatus: 'OutOfDate', advisoryIDs: ['SIMULATED-SA-00003'] },
    ],
  };
}

const LEVEL_DATE = { tcbDate: '2024-11-13T00:00:00Z' } as const;

function dates({ nowSec, lifeSec = MONTH_SEC, evaluationNumber = 1 }: CollateralPlan) {
  const show = (sec: number) => new Date(sec * 1000).toISOString().replace('.000Z', 'Z');
  return { issueDate: show(nowSec), nextUpdate: show(nowSec + lifeSec), tcbEvaluationDataNumber: evaluationNumber };
}

function pemChain(...certificates: readonly Uint8Array[]): Uint8Array {
  return utf8(certificates.map(toPem).join(''));
}
