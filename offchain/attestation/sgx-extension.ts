import { toHex } from '../core/bytes';
import { DER_TAG, type DerElement, DerReader, enterDer, toOid, toSmallNumber } from './der';
import { EvidenceError } from './errors';

/** What a platform's certificate says of the platform. */
export interface PlatformIdentity {
  /** Family, model, stepping, platform type and custom SKU: 6 bytes, lower-case hex. Names the TCB info. */
  readonly fmspc: string;
  /** Provisioning certification enclave: 2 bytes, lower-case hex. */
  readonly pceId: string;
  readonly pceSvn: number;
  /** Security versions of the 16 SGX TCB components. */
  readonly components: readonly number[];
}

/** The extension that Intel gives to platforms' certificates. */
export const SGX_EXTENSION = '1.2.840.113741.1.13.1';

const COMPONENTS = 16;

/**
 * The SGX extension of a platform's certificate.
 *
 * Source: Intel SGX PCK Certificate and Certificate Revocation List Profile Specification, section 1.3.5: pairs of identifier and
 * value; .2 TCB (.1 to .16 components, .17 PCE SVN, .18 CPU SVN), .3 PCE id, .4 FMSPC. The others are of no use here.
 *
 * @throws EvidenceError bad_certificate, bad_der
 */
export function readSgxExtension(extensions: ReadonlyMap<string, Uint8Array>): PlatformIdentity {
  const value = extensions.get(SGX_EXTENSION);
  if (value === undefined) throw bad('has no SGX extension');
  const fields = readPairs(enterDer(value));
  const tcb = readPairs(new DerReader(need(fields, '2', DER_TAG.sequence).content));
  const numberOf = (path: string) => toSmallNumber(need(tcb, path, DER_TAG.integer));
  const components = Array.from({ length: COMPONENTS }, (_, i) => numberOf(`2.${i + 1}`));
  return {
    fmspc: toHex(octets(need(fields, '4', DER_TAG.octetString), 6)),
    pceId: toHex(octets(need(fields, '3', DER_TAG.octetString), 2)),
    pceSvn: numberOf('2.17'),
    components,
  };
}

function readPairs(list: DerReader): ReadonlyMap<string, DerElement> {
  const pairs = new Map<string, DerElement>();
  while (!list.isAtEnd) {
    const pair = list.enter();
    const oid = toOid(pair.next(DER_TAG.oid));
    const value = pair.nextAny();
    pair.end();
    if (pairs.has(oid)) throw bad(`has the SGX field ${oid} twice`);
    pairs.set(oid, value);
  }
  return pairs;
}

function need(fields: ReadonlyMap<string, DerElement>, path: string, tag: number): DerElement {
  const element = fields.get(`${SGX_EXTENSION}.${path}`);
  if (element === undefined) throw bad(`is without the SGX field ${path}`);
  if (element.tag !== tag) throw bad(`has the SGX field ${path} with tag 0x${element.tag.toString(16)}`);
  return element;
}

function octets(element: DerElement, size: number): Uint8Array {
  if (element.content.length !== size) throw bad(`has an SGX field of ${element.content.length} bytes, expected ${size}`);
  return element.content;
}

function bad(what: string): EvidenceError {
  return new EvidenceError('bad_certificate', `certificate ${what}`);
}
