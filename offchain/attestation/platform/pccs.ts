import { concat, fromUtf8, toHex, utf8 } from '../../core/bytes';
import type { Collateral } from '../collateral';
import { PCS_HEADER, PCS_PATH } from '../pcs-api';
import type { SignedDocument } from '../signed-document';

/** What a PCCS answers. */
export interface PccsAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

/** The platforms that a PCCS knows: one family, certified by the platform CA, as a development root has it. */
export interface PccsContent {
  /** 6 bytes, lower-case hex. */
  readonly fmspc: string;
  /** Asked at every request. */
  collateral(): Collateral;
}

/**
 * The answer of a local PCCS to `GET target`, with SIMULATED collateral in every form of the real one.
 * Source: Intel PCS API v4; as Intel's own PCCS, it answers the revocation list of the root in hex.
 */
export function answerPccs(target: string, content: PccsContent): PccsAnswer {
  const { pathname, searchParams } = new URL(target, 'http://pccs');
  const { rootCrl, pckCrl, pckCrlIssuerChain, tcbInfo, qeIdentity } = content.collateral();
  switch (pathname) {
    case PCS_PATH.rootCrl:
      return { status: 200, headers: { 'content-type': 'application/pkix-crl' }, body: utf8(toHex(rootCrl)) };
    case PCS_PATH.pckCrl:
      if (searchParams.get('ca') !== 'platform' || searchParams.get('encoding') !== 'der') return NOT_FOUND;
      return {
        status: 200,
        headers: { 'content-type': 'application/pkix-crl', ...chainHeader('pckCrl', pckCrlIssuerChain) },
        body: pckCrl,
      };
    case PCS_PATH.tcbInfo:
      if (searchParams.get('fmspc')?.toLowerCase() !== content.fmspc) return NOT_FOUND;
      return documentAnswer('tcbInfo', tcbInfo);
    case PCS_PATH.qeIdentity:
      return documentAnswer('enclaveIdentity', qeIdentity);
    default:
      return NOT_FOUND;
  }
}

const NOT_FOUND: PccsAnswer = { status: 404, headers: {}, body: new Uint8Array(0) };

function documentAnswer(field: 'tcbInfo' | 'enclaveIdentity', document: SignedDocument): PccsAnswer {
  return {
    status: 200,
    headers: { 'content-type': 'application/json', ...chainHeader(field, document.issuerChain) },
    // The document's own bytes, which the signature covers.
    body: concat(utf8(`{"${field}":`), document.json, utf8(`,"signature":"${toHex(document.signature)}"}`)),
  };
}

function chainHeader(of: keyof typeof PCS_HEADER, pem: Uint8Array): Readonly<Record<string, string>> {
  return { [PCS_HEADER[of]]: encodeURIComponent(fromUtf8(pem)) };
}
