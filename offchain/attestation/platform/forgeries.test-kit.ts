import { utf8 } from '../../core/bytes';
import { nodeCrypto } from '../../runtime/node-crypto';
import { parseCertificate } from '../certificate';
import type { Collateral } from '../collateral';
import { toPem } from '../pem';
import type { TcbPolicy } from '../policy';
import type { TdReport } from '../quote';
import type { Check } from '../report';
import { loadTrustRoot, type TrustRoot } from '../trust-root';
import { type Issued, issueCertificate } from './development-certificates';
import { issueCollateral, signDocument, simulatedQeIdentity, simulatedTcbInfo } from './development-collateral';
import { makePki, NOW, type Pki, type PlatformScene, platformOf, refusalsOfPlatform, tdReport } from './forgery.test-kit';
import { SIMULATED_PLATFORM, writeSgxExtension } from './platform-certificate';
import { type QuotingEnclave, writeQuote } from './quote-writer';

// What the tables of forgeries share. The forger holds every key of another root, and of the true one those that a line says.

/** What is forged, the check that must refuse it, its reason, and the forgery. */
export type ForgeryCase = [string, string, RegExp, () => Forgery | Promise<Forgery>];

export const pki = makePki();
export const foreign = makePki();
export const root = rootOf(pki);
export const YEAR = 365 * 86_400;
export const PLAN = { nowSec: NOW - 3600 } as const;
export const honest = issueCollateral(pki.authority, PLAN);
export const validity = { notBeforeSec: NOW - YEAR, notAfterSec: NOW + YEAR };
export const window = { thisUpdateSec: NOW - 3600, nextUpdateSec: NOW + 3600, revoked: [] } as const;
export const serialOf = ({ der }: Issued) => parseCertificate(der).serial;
export const pem = (...chain: readonly Issued[]) => utf8(chain.map(({ der }) => toPem(der)).join(''));

export type Forgery = Partial<Pick<PlatformScene, 'quote' | 'collateral' | 'policy' | 'root' | 'nowSec'>>;

export async function judge(forgery: Forgery): Promise<readonly Check[]> {
  const quote = writeQuote(tdReport(new Uint8Array(64)), pki.platform);
  return refusalsOfPlatform({ quote, collateral: honest, root: await root, nowSec: NOW, ...forgery });
}

export const quoteOf = (td: Partial<TdReport>): Forgery => ({
  quote: writeQuote({ ...tdReport(new Uint8Array(64)), ...td }, pki.platform),
});
export const enclave = (quotingEnclave: Partial<QuotingEnclave>): Forgery => ({
  quote: writeQuote(tdReport(new Uint8Array(64)), { ...pki.platform, quotingEnclave }),
});
export const withCollateral = (changes: Partial<Collateral>): Forgery => ({ collateral: { ...honest, ...changes } });
export const standing = (changes: Parameters<typeof issueCollateral>[1]['standing'], policy: Partial<TcbPolicy> = {}): Forgery => ({
  collateral: issueCollateral(pki.authority, { ...PLAN, standing: changes }),
  policy,
});

/** TCB info that says something else, honestly signed. */
export const tcbInfo = (changes: object): Forgery =>
  withCollateral({ tcbInfo: signDocument({ ...simulatedTcbInfo(PLAN), ...changes }, pki.tcbSigning, pki.root.der) });
export const qeIdentity = (changes: object): Forgery =>
  withCollateral({ qeIdentity: signDocument({ ...simulatedQeIdentity(PLAN), ...changes }, pki.tcbSigning, pki.root.der) });
/** Honest TCB info, signed by somebody who shows this chain. */
export const tcbInfoBy = (signer: Issued, ...above: readonly Issued[]): Forgery => {
  const document = signDocument(simulatedTcbInfo(PLAN), signer, pki.root.der);
  return withCollateral({ tcbInfo: { ...document, issuerChain: pem(signer, ...above) } });
};

export const leafOfPck = issueCertificate({ ...validity, commonName: 'SIMULATED SGX TCB Signing', pathLength: null }, pki.pck);
export const tcbSigningByCa = issueCertificate({ ...validity, commonName: 'SIMULATED SGX TCB Signing', pathLength: null }, pki.ca);
export const tcbSigningThatIsCa = issueCertificate({ ...validity, commonName: 'SIMULATED SGX TCB Signing', pathLength: 0 }, pki.root);
export const expiredTcbSigning = issueCertificate(
  { notBeforeSec: NOW - YEAR, notAfterSec: NOW - 1, commonName: 'SIMULATED SGX TCB Signing', pathLength: null },
  pki.root,
);
export const pckOfPck = issueCertificate(
  { ...validity, commonName: 'SIMULATED SGX PCK Certificate', pathLength: null, extensions: [writeSgxExtension()] },
  pki.pck,
);
/** Another certificate for the CA's name, with a key of its own. */
export const otherCa = issueCertificate({ ...validity, commonName: 'SIMULATED SGX PCK Platform CA', pathLength: 0 }, pki.root);
/** Another certificate for the CA's name and key. */
export const renewedCa = issueCertificate(
  { ...validity, commonName: 'SIMULATED SGX PCK Platform CA', pathLength: 0, key: pki.ca.key },
  pki.root,
);
/** A certificate with a CA's name that may not sign any. */
export const noCa = issueCertificate({ ...validity, commonName: 'SIMULATED SGX PCK Platform CA', pathLength: null }, pki.root);
export const processorCa = issueCertificate({ ...validity, commonName: 'SIMULATED SGX PCK Processor CA', pathLength: 0 }, pki.root);

export function quoteUnder(...chain: readonly [Issued, ...Issued[]]): Forgery {
  return { quote: writeQuote(tdReport(new Uint8Array(64)), platformOf(chain)) };
}

/** A root that allows no CA below it, with a platform and collateral under one all the same. */
export const narrow = makePki({ root: { pathLength: 0 } });

export function rootOf({ root: { der } }: Pki): Promise<TrustRoot> {
  return loadTrustRoot({ kind: 'development', der }, nodeCrypto);
}

export function platformWith(changes: Partial<typeof SIMULATED_PLATFORM>): Forgery {
  const extensions = [writeSgxExtension({ ...SIMULATED_PLATFORM, ...changes })];
  const pck = issueCertificate({ ...validity, commonName: 'SIMULATED SGX PCK Certificate', pathLength: null, extensions }, pki.ca);
  return quoteUnder(pck, pki.ca, pki.root);
}
