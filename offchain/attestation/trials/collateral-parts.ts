import type { Collateral } from '../collateral';

type PartName =
  | 'root CRL'
  | 'PCK CRL'
  | "PCK CRL's issuer chain"
  | `${'TCB info' | 'QE identity'}${'' | "'s signature" | "'s issuer chain"}`;

/** The parts of collateral: what a part is, and the same collateral with other bytes there. */
export function collateralParts(all: Collateral): Readonly<Record<PartName, readonly [Uint8Array, (bytes: Uint8Array) => Collateral]>> {
  const { tcbInfo, qeIdentity } = all;
  return {
    'root CRL': [all.rootCrl, (rootCrl) => ({ ...all, rootCrl })],
    'PCK CRL': [all.pckCrl, (pckCrl) => ({ ...all, pckCrl })],
    "PCK CRL's issuer chain": [all.pckCrlIssuerChain, (pckCrlIssuerChain) => ({ ...all, pckCrlIssuerChain })],
    'TCB info': [tcbInfo.json, (json) => ({ ...all, tcbInfo: { ...tcbInfo, json } })],
    "TCB info's signature": [tcbInfo.signature, (signature) => ({ ...all, tcbInfo: { ...tcbInfo, signature } })],
    "TCB info's issuer chain": [tcbInfo.issuerChain, (issuerChain) => ({ ...all, tcbInfo: { ...tcbInfo, issuerChain } })],
    'QE identity': [qeIdentity.json, (json) => ({ ...all, qeIdentity: { ...qeIdentity, json } })],
    "QE identity's signature": [qeIdentity.signature, (signature) => ({ ...all, qeIdentity: { ...qeIdentity, signature } })],
    "QE identity's issuer chain": [qeIdentity.issuerChain, (issuerChain) => ({ ...all, qeIdentity: { ...qeIdentity, issuerChain } })],
  };
}
