import { concat, utf8 } from '../core/bytes';
import { nodeCrypto } from '../runtime/node-crypto';
import { verifyCollateral } from './collateral';
import { derSequence } from './der-writer';
import { issueCertificate, issueRevocationList, toExtension } from './platform/development-certificates';
import { issueCollateral } from './platform/development-collateral';
import {
  type ForgeryCase,
  foreign,
  honest,
  judge,
  narrow,
  otherCa,
  PLAN,
  pem,
  pki,
  processorCa,
  rootOf,
  serialOf,
  validity,
  window,
  withCollateral,
} from './platform/forgeries.test-kit';
import { NOW } from './platform/forgery.test-kit';
import { MAX_CRL_SIZE } from './revocation-list';

const platformCa = { ...validity, commonName: 'SIMULATED SGX PCK Platform CA', pathLength: 0 } as const;
const caOfPck = issueCertificate(platformCa, pki.pck);
const expiredCa = issueCertificate({ ...platformCa, notAfterSec: NOW - 1, key: pki.ca.key }, pki.root);

describe('a forged revocation list, or a revoked certificate, is refused:', () => {
  test.each<ForgeryCase>([
    ['a root CRL signed by another key', 'root-crl', /bad signature/, () => withCollateral({ rootCrl: foreign.authority.rootCrl })],
    ['a root CRL of the CA', 'root-crl', /another issuer/, () => withCollateral({ rootCrl: honest.pckCrl })],
    ['a root CRL that is garbage', 'root-crl', /der has/, () => withCollateral({ rootCrl: utf8('garbage') })],
    ['no root CRL', 'root-crl', /der has/, () => withCollateral({ rootCrl: new Uint8Array(0) })],
    ['a root CRL with bytes behind it', 'root-crl', /behind/, () => withCollateral({ rootCrl: concat(honest.rootCrl, Uint8Array.of(0)) })],
    ['an oversized root CRL', 'root-crl', /limit 1048576/, () => withCollateral({ rootCrl: new Uint8Array(MAX_CRL_SIZE + 1) })],
    [
      'an expired root CRL',
      'root-crl',
      /valid until/,
      () => withCollateral({ rootCrl: issueRevocationList(pki.root, { ...window, nextUpdateSec: NOW - 1 }) }),
    ],
    [
      'a root CRL of tomorrow',
      'root-crl',
      /valid from/,
      () => withCollateral({ rootCrl: issueRevocationList(pki.root, { ...window, thisUpdateSec: NOW + 1 }) }),
    ],
    [
      'a root that revoked itself',
      'root-crl',
      /itself/,
      () => withCollateral({ rootCrl: issueRevocationList(pki.root, { ...window, revoked: [serialOf(pki.root)] }) }),
    ],
    [
      'a PCK CRL signed by another key of the same name',
      'pck-crl',
      /bad signature/,
      () => withCollateral({ pckCrl: issueRevocationList(foreign.ca, window) }),
    ],
    ['a PCK CRL of the root', 'pck-crl', /another issuer/, () => withCollateral({ pckCrl: honest.rootCrl })],
    ['no PCK CRL', 'pck-crl', /der has/, () => withCollateral({ pckCrl: new Uint8Array(0) })],
    ['a PCK CRL with bytes behind it', 'pck-crl', /behind/, () => withCollateral({ pckCrl: concat(honest.pckCrl, Uint8Array.of(0)) })],
    ['an oversized PCK CRL', 'pck-crl', /limit 1048576/, () => withCollateral({ pckCrl: new Uint8Array(MAX_CRL_SIZE + 1) })],
    [
      "a PCK CRL of a CA that is a platform's leaf",
      'pck-crl',
      /names another issuer/,
      () => withCollateral({ pckCrl: issueRevocationList(caOfPck, window), pckCrlIssuerChain: pem(caOfPck, pki.root) }),
    ],
    [
      'a PCK CRL of an expired CA',
      'pck-crl',
      /valid until/,
      () => withCollateral({ pckCrl: issueRevocationList(expiredCa, window), pckCrlIssuerChain: pem(expiredCa, pki.root) }),
    ],
    ['a PCK CRL that is garbage', 'pck-crl', /der has/, () => withCollateral({ pckCrl: utf8('garbage') })],
    [
      'an expired PCK CRL',
      'pck-crl',
      /valid until/,
      () => withCollateral({ pckCrl: issueRevocationList(pki.ca, { ...window, nextUpdateSec: NOW - 1 }) }),
    ],
    [
      'a PCK CRL of tomorrow',
      'pck-crl',
      /valid from/,
      () => withCollateral({ pckCrl: issueRevocationList(pki.ca, { ...window, thisUpdateSec: NOW + 1 }) }),
    ],
    [
      'a PCK CRL of a CA under another root',
      'pck-crl',
      /trust root/,
      () => withCollateral({ pckCrl: issueRevocationList(foreign.ca, window), pckCrlIssuerChain: pem(foreign.ca, foreign.root) }),
    ],
    [
      'a PCK CRL by a platform',
      'pck-crl',
      /named for its role/,
      () => withCollateral({ pckCrl: issueRevocationList(pki.pck, window), pckCrlIssuerChain: pem(pki.pck, pki.root) }),
    ],
    [
      'a PCK CRL whose chain is a certificate longer',
      'pck-crl',
      /more than 2/,
      () => withCollateral({ pckCrlIssuerChain: pem(pki.pck, pki.ca, pki.root) }),
    ],
    [
      'a delta CRL',
      'pck-crl',
      /full list/,
      () =>
        withCollateral({
          pckCrl: issueRevocationList(pki.ca, { ...window, extensions: [toExtension('2.5.29.27', false, Uint8Array.of(2, 1, 1))] }),
        }),
    ],
    [
      'a CRL of some certificates only',
      'pck-crl',
      /critical extension/,
      () =>
        withCollateral({ pckCrl: issueRevocationList(pki.ca, { ...window, extensions: [toExtension('2.5.29.28', true, derSequence())] }) }),
    ],
    [
      "a CRL of another CA than the platform's",
      'revocation',
      /another CA/,
      () => withCollateral({ pckCrl: issueRevocationList(otherCa, window), pckCrlIssuerChain: pem(otherCa, pki.root) }),
    ],
    [
      'a CRL of the processor CA',
      'revocation',
      /another CA/,
      () => withCollateral({ pckCrl: issueRevocationList(processorCa, window), pckCrlIssuerChain: pem(processorCa, pki.root) }),
    ],
    [
      'a revoked platform',
      'revocation',
      /platform is revoked/,
      () => ({ collateral: issueCollateral(pki.authority, { ...PLAN, revoked: [serialOf(foreign.pck), serialOf(pki.pck)] }) }),
    ],
    [
      'a platform of a revoked CA',
      'pck-crl',
      /issuer is revoked/,
      () => withCollateral({ rootCrl: issueRevocationList(pki.root, { ...window, revoked: [serialOf(pki.ca)] }) }),
    ],
    [
      'a revoked TCB signing certificate',
      'tcb-info',
      /issuer is revoked/,
      () => withCollateral({ rootCrl: issueRevocationList(pki.root, { ...window, revoked: [serialOf(pki.tcbSigning)] }) }),
    ],
  ])('%s (%s)', async (_, name, reason, make) => {
    const [first] = await judge(await make());
    expect(first?.name).toBe(name);
    expect(first?.reason).toMatch(reason);
  });
});

test('a revocation list of a CA that its root does not allow is refused (pck-crl)', async () => {
  const { checks } = await verifyCollateral(issueCollateral(narrow.authority, PLAN), await rootOf(narrow), NOW, nodeCrypto);
  const refused = checks.find((check) => check.name === 'pck-crl');
  expect(refused).toMatchObject({ result: 'fail', reason: "issuer's certificate 1 allows 0 CAs below it, there are 1" });
});
