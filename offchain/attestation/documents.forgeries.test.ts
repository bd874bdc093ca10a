import { sign } from 'node:crypto';
import { concat, fromUtf8, utf8 } from '../core/bytes';
import { issueRevocationList } from './platform/development-certificates';
import { issueCollateral, signDocument, simulatedQeIdentity, simulatedTcbInfo } from './platform/development-collateral';
import {
  expiredTcbSigning,
  type ForgeryCase,
  foreign,
  honest,
  judge,
  leafOfPck,
  PLAN,
  pem,
  pki,
  qeIdentity,
  tcbInfo,
  tcbInfoBy,
  tcbSigningByCa,
  tcbSigningThatIsCa,
  window,
  withCollateral,
} from './platform/forgeries.test-kit';
import { NOW } from './platform/forgery.test-kit';
import { MAX_DOCUMENT_SIZE, MAX_LIST_LENGTH, type SignedDocument } from './signed-document';

const padded = (document: SignedDocument): SignedDocument => ({ ...document, json: concat(document.json, utf8(' ')) });

describe('a document by who may not sign one is refused:', () => {
  test.each<ForgeryCase>([
    ['TCB info signed by a platform', 'tcb-info', /named for its role/, () => tcbInfoBy(pki.pck, pki.root)],
    ['TCB info signed by a platform, with its whole chain', 'tcb-info', /more than 2/, () => tcbInfoBy(pki.pck, pki.ca, pki.root)],
    ['TCB info signed by a certificate that a platform issued', 'tcb-info', /names another issuer/, () => tcbInfoBy(leafOfPck, pki.root)],
    [
      'TCB info signed by a certificate that a platform issued, with its whole chain',
      'tcb-info',
      /more than 2/,
      () => tcbInfoBy(leafOfPck, pki.pck, pki.ca, pki.root),
    ],
    [
      "TCB info signed by a certificate of the platforms' CA",
      'tcb-info',
      /names another issuer/,
      () => tcbInfoBy(tcbSigningByCa, pki.root),
    ],
    ["TCB info signed by the platforms' CA", 'tcb-info', /named for its role/, () => tcbInfoBy(pki.ca, pki.root)],
    ['TCB info signed by the root', 'tcb-info', /chain of 1/, () => tcbInfoBy(pki.root)],
    ['TCB info signed by a CA that is named for it', 'tcb-info', /signs data only/, () => tcbInfoBy(tcbSigningThatIsCa, pki.root)],
    ['TCB info signed by an expired certificate', 'tcb-info', /valid until/, () => tcbInfoBy(expiredTcbSigning, pki.root)],
    [
      'TCB info under another root',
      'tcb-info',
      /trust root/,
      () => withCollateral({ tcbInfo: signDocument(simulatedTcbInfo(PLAN), foreign.tcbSigning, foreign.root.der) }),
    ],
    ['TCB info under another root, with the true root shown', 'tcb-info', /bad signature/, () => tcbInfoBy(foreign.tcbSigning, pki.root)],
    [
      'TCB info signed by another key than its chain shows',
      'tcb-info',
      /not signed/,
      () =>
        withCollateral({
          tcbInfo: {
            ...honest.tcbInfo,
            signature: sign('sha256', honest.tcbInfo.json, { key: foreign.tcbSigning.key, dsaEncoding: 'ieee-p1363' }),
          },
        }),
    ],
    [
      'QE identity signed by a platform',
      'qe-identity',
      /named for its role/,
      () =>
        withCollateral({
          qeIdentity: { ...signDocument(simulatedQeIdentity(PLAN), pki.pck, pki.root.der), issuerChain: pem(pki.pck, pki.root) },
        }),
    ],
    [
      'QE identity signed by a certificate that a platform issued',
      'qe-identity',
      /names another issuer/,
      () =>
        withCollateral({
          qeIdentity: { ...signDocument(simulatedQeIdentity(PLAN), leafOfPck, pki.root.der), issuerChain: pem(leafOfPck, pki.root) },
        }),
    ],
    [
      'QE identity under another root',
      'qe-identity',
      /trust root/,
      () => withCollateral({ qeIdentity: signDocument(simulatedQeIdentity(PLAN), foreign.tcbSigning, foreign.root.der) }),
    ],
    [
      "QE identity with the TCB info's signature",
      'qe-identity',
      /not signed/,
      () => withCollateral({ qeIdentity: { ...honest.qeIdentity, signature: honest.tcbInfo.signature } }),
    ],
    [
      'a document without a chain',
      'tcb-info',
      /chain of 0/,
      () => withCollateral({ tcbInfo: { ...honest.tcbInfo, issuerChain: new Uint8Array(0) } }),
    ],
    [
      'a signature of another size',
      'tcb-info',
      /not signed/,
      () => withCollateral({ tcbInfo: { ...honest.tcbInfo, signature: honest.tcbInfo.signature.subarray(1) } }),
    ],
  ])('%s (%s)', async (_, name, reason, make) => {
    const [first] = await judge(await make());
    expect(first?.name).toBe(name);
    expect(first?.reason).toMatch(reason);
  });
});

describe('a document that says something else is refused:', () => {
  test.each<ForgeryCase>([
    [
      'TCB info that was encoded again',
      'tcb-info',
      /not signed/,
      () =>
        withCollateral({ tcbInfo: { ...honest.tcbInfo, json: utf8(JSON.stringify(JSON.parse(fromUtf8(honest.tcbInfo.json)), null, 1)) } }),
    ],
    ['TCB info of SGX', 'tcb-info', /malformed at id/, () => tcbInfo({ id: 'SGX' })],
    ['TCB info of version 2', 'tcb-info', /malformed at version/, () => tcbInfo({ version: 2 })],
    ['TCB info of an unknown type', 'tcb-info', /malformed at tcbType/, () => tcbInfo({ tcbType: 1 })],
    ['TCB info with an unknown field', 'tcb-info', /malformed: missing or unknown fields/, () => tcbInfo({ more: 1 })],
    ['TCB info without a module', 'tcb-info', /malformed at tdxModule/, () => tcbInfo({ tdxModule: undefined })],
    [
      'TCB info with an unknown status',
      'tcb-info',
      /malformed at tcbLevels.0.tcbStatus/,
      () => tcbInfo({ tcbLevels: simulatedTcbInfo(PLAN).tcbLevels.map((level) => ({ ...level, tcbStatus: 'Fine' })) }),
    ],
    [
      'TCB info with an unknown status of a module',
      'tcb-info',
      /malformed at tdxModuleIdentities.0.tcbLevels.0.tcbStatus/,
      () =>
        tcbInfo({
          tdxModuleIdentities: simulatedTcbInfo(PLAN).tdxModuleIdentities.map((one) => ({
            ...one,
            tcbLevels: one.tcbLevels.map((level) => ({ ...level, tcbStatus: 'ConfigurationNeeded' })),
          })),
        }),
    ],
    [
      'TCB info with fifteen components',
      'tcb-info',
      /sgxtcbcomponents/,
      () =>
        tcbInfo({
          tcbLevels: simulatedTcbInfo(PLAN).tcbLevels.map((level) => ({
            ...level,
            tcb: { ...level.tcb, sgxtcbcomponents: level.tcb.sgxtcbcomponents.slice(1) },
          })),
        }),
    ],
    [
      'TCB info with too many levels',
      'tcb-info',
      /malformed at tcbLevels/,
      () => tcbInfo({ tcbLevels: Array.from({ length: MAX_LIST_LENGTH + 1 }, () => simulatedTcbInfo(PLAN).tcbLevels[0]) }),
    ],
    ['TCB info of 30 February', 'tcb-info', /malformed at issueDate/, () => tcbInfo({ issueDate: '2026-02-30T00:00:00Z' })],
    ['oversized TCB info', 'tcb-info', /limit 262144/, () => tcbInfo({ padding: 'x'.repeat(MAX_DOCUMENT_SIZE) })],
    [
      'TCB info that is no JSON',
      'tcb-info',
      /not JSON/,
      () =>
        withCollateral({
          tcbInfo: {
            ...honest.tcbInfo,
            json: utf8('{'),
            signature: sign('sha256', utf8('{'), { key: pki.tcbSigning.key, dsaEncoding: 'ieee-p1363' }),
          },
        }),
    ],
    [
      'expired TCB info',
      'tcb-info',
      /now is/,
      () => withCollateral({ tcbInfo: issueCollateral(pki.authority, { nowSec: NOW - 3600, lifeSec: 3599 }).tcbInfo }),
    ],
    [
      'TCB info of tomorrow',
      'tcb-info',
      /now is/,
      () => withCollateral({ tcbInfo: issueCollateral(pki.authority, { nowSec: NOW + 1 }).tcbInfo }),
    ],
    [
      'expired QE identity',
      'qe-identity',
      /now is/,
      () => withCollateral({ qeIdentity: issueCollateral(pki.authority, { nowSec: NOW - 3600, lifeSec: 3599 }).qeIdentity }),
    ],
    [
      'QE identity of tomorrow',
      'qe-identity',
      /now is/,
      () => withCollateral({ qeIdentity: issueCollateral(pki.authority, { nowSec: NOW + 1 }).qeIdentity }),
    ],
    [
      'stale QE identity',
      'collateral-age',
      /limit 864000/,
      () => ({
        ...withCollateral({ qeIdentity: issueCollateral(pki.authority, { nowSec: NOW - 11 * 86_400 }).qeIdentity }),
        policy: { maxCollateralAgeSec: 10 * 86_400 },
      }),
    ],
    ['QE identity with an unknown field', 'qe-identity', /malformed: missing or unknown fields/, () => qeIdentity({ more: 1 })],
    ['oversized QE identity', 'qe-identity', /limit 262144/, () => qeIdentity({ padding: 'x'.repeat(MAX_DOCUMENT_SIZE) })],
    ['padding behind TCB info', 'tcb-info', /not signed/, () => withCollateral({ tcbInfo: padded(honest.tcbInfo) })],
    ['padding behind QE identity', 'qe-identity', /not signed/, () => withCollateral({ qeIdentity: padded(honest.qeIdentity) })],
    ['QE identity of the SGX quoting enclave', 'qe-identity', /malformed at id/, () => qeIdentity({ id: 'QE' })],
    ['QE identity of version 1', 'qe-identity', /malformed at version/, () => qeIdentity({ version: 1 })],
    [
      'QE identity with an unknown status',
      'qe-identity',
      /tcbStatus/,
      () => qeIdentity({ tcbLevels: [{ tcb: { isvsvn: 0 }, tcbDate: '2024-11-13T00:00:00Z', tcbStatus: 'SWHardeningNeeded' }] }),
    ],
    ['TCB info where QE identity should be', 'qe-identity', /malformed at/, () => withCollateral({ qeIdentity: honest.tcbInfo })],
    [
      'stale collateral',
      'collateral-age',
      /limit 864000/,
      () => ({ collateral: issueCollateral(pki.authority, { nowSec: NOW - 11 * 86_400 }), policy: { maxCollateralAgeSec: 10 * 86_400 } }),
    ],
    [
      'a stale PCK CRL',
      'collateral-age',
      /limit 864000/,
      () => ({
        ...withCollateral({ pckCrl: issueRevocationList(pki.ca, { ...window, thisUpdateSec: NOW - 11 * 86_400 }) }),
        policy: { maxCollateralAgeSec: 10 * 86_400 },
      }),
    ],
    ['collateral below the evaluation number of policy', 'evaluation-number', /held back/, () => ({ policy: { minEvaluationNumber: 2 } })],
  ])('%s (%s)', async (_, name, reason, make) => {
    const [first] = await judge(await make());
    expect(first?.name).toBe(name);
    expect(first?.reason).toMatch(reason);
  });
});
