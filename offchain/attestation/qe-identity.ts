import { z } from 'zod';
import { documentFields, hexField, parseDocument, partLevels } from './signed-document';

/**
 * Identity of the TDX quoting enclave, version 2.
 * Source: Intel PCS API v4, `GET /tdx/certification/v4/qe/identity`, "Enclave Identity V2".
 */
const schema = z
  .strictObject({
    id: z.literal('TD_QE'),
    version: z.literal(2),
    ...documentFields,
    miscselect: hexField(4),
    miscselectMask: hexField(4),
    attributes: hexField(16),
    attributesMask: hexField(16),
    mrsigner: hexField(32),
    isvprodid: z.int().min(0).max(0xffff),
    tcbLevels: partLevels,
  })
  .readonly();

/** Which quoting enclave is Intel's, and which of its versions is good. Levels are in Intel's order, the highest first. */
export type QeIdentity = z.output<typeof schema>;

/** @throws EvidenceError bad_collateral */
export function parseQeIdentity(json: Uint8Array): QeIdentity {
  return parseDocument(schema, json, 'qe identity');
}
