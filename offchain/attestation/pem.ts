import { fromBase64Url, fromUtf8, toBase64Url } from '../core/bytes';
import { MalformedError } from '../core/errors';
import { EvidenceError } from './errors';

/** Most bytes of a chain; a platform's has some 3,700. */
export const MAX_CHAIN_SIZE = 16 * 1024;

const PEM_BLOCK = /-----BEGIN CERTIFICATE-----\n([A-Za-z0-9+/=\n]+)-----END CERTIFICATE-----\n/g;

/**
 * The DER bytes of a PEM chain in the one form that quotes carry: blocks with lines of 64 characters, a line feed behind each
 * line, nothing around them but one optional NUL at the end. Source: RFC 7468 section 3, "stricttextualmsg".
 *
 * @throws EvidenceError bad_certificate
 */
export function splitPemChain(pem: Uint8Array, maxCertificates: number): readonly Uint8Array[] {
  if (pem.length > MAX_CHAIN_SIZE) throw bad(`chain of ${pem.length} bytes, limit ${MAX_CHAIN_SIZE}`);
  try {
    const text = fromUtf8(pem.at(-1) === 0 ? pem.subarray(0, -1) : pem);
    const chain: Uint8Array[] = [];
    for (const match of text.matchAll(PEM_BLOCK)) {
      if (chain.length === maxCertificates) throw bad(`chain has more than ${maxCertificates} certificates`);
      chain.push(fromBase64(match[1] ?? ''));
    }
    // Encoding again leaves one form per chain, so that no byte of it can change unnoticed.
    if (chain.map(toPem).join('') !== text) throw bad('chain is not in strict PEM form');
    return chain;
  } catch (cause) {
    if (cause instanceof MalformedError) throw bad(`chain is not in strict PEM form: ${cause.message}`);
    throw cause;
  }
}

/** A certificate as PEM, in the form that `splitPemChain` takes. */
export function toPem(der: Uint8Array): string {
  const base64 = toBase64Url(der).replaceAll('-', '+').replaceAll('_', '/');
  const lines = base64.padEnd(Math.ceil(base64.length / 4) * 4, '=').match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.map((line) => `${line}\n`).join('')}-----END CERTIFICATE-----\n`;
}

function fromBase64(text: string): Uint8Array {
  // At most two, as base64 has it: a search for any number of them at the end takes quadratic time on a stranger's bytes.
  return fromBase64Url(
    text
      .replaceAll('\n', '')
      .replace(/={1,2}$/, '')
      .replaceAll('+', '-')
      .replaceAll('/', '_'),
  );
}

function bad(what: string): EvidenceError {
  return new EvidenceError('bad_certificate', `certificate ${what}`);
}
