import { z } from 'zod';
import {
  advisoriesField,
  documentFields,
  hexField,
  MAX_LIST_LENGTH,
  type PartLevel,
  parseDocument,
  partLevels,
  timeField,
} from './signed-document';
import { TCB_STATUSES } from './tcb-status';

const COMPONENTS = 16;

/** Category and type of a component are for people. */
const components = z
  .array(z.strictObject({ svn: z.int().min(0).max(0xff), category: z.string().max(64).optional(), type: z.string().max(64).optional() }))
  .length(COMPONENTS)
  .transform((list) => list.map(({ svn }) => svn));

/** Who signs TDX modules, and which attributes they may have. */
const moduleFields = { mrsigner: hexField(48), attributes: hexField(8), attributesMask: hexField(8) };

/**
 * TCB info of TDX platforms, version 3.
 * Source: Intel PCS API v4, `GET /tdx/certification/v4/tcb`, "TCB info V3".
 */
const schema = z
  .strictObject({
    id: z.literal('TDX'),
    version: z.literal(3),
    ...documentFields,
    fmspc: hexField(6),
    pceId: hexField(2),
    tcbType: z.literal(0),
    tdxModule: z.strictObject(moduleFields),
    tdxModuleIdentities: z
      .array(z.strictObject({ id: z.string().regex(/^TDX_[0-9A-Fa-f]{2}$/), ...moduleFields, tcbLevels: partLevels }))
      .max(MAX_LIST_LENGTH)
      .default([]),
    tcbLevels: z
      .array(
        z.strictObject({
          tcb: z.strictObject({
            sgxtcbcomponents: components,
            pcesvn: z.int().min(0).max(0xffff),
            tdxtcbcomponents: components,
          }),
          tcbDate: timeField,
          tcbStatus: z.enum(TCB_STATUSES),
          advisoryIDs: advisoriesField.default([]),
        }),
      )
      .max(MAX_LIST_LENGTH),
  })
  .readonly();

/** What Intel says of the platforms with one FMSPC. Levels are in Intel's order, the highest first. */
export type TcbInfo = z.output<typeof schema>;

export type TcbLevel = Readonly<TcbInfo['tcbLevels'][number]>;

/** What a TDX module must be like. */
export interface ModuleIdentity {
  readonly mrsigner: Uint8Array;
  readonly attributes: Uint8Array;
  readonly attributesMask: Uint8Array;
  /** Null for modules of version 0, whose security versions are components of the platform's TCB levels. */
  readonly tcbLevels: readonly PartLevel[] | null;
}

/** @throws EvidenceError bad_collateral */
export function parseTcbInfo(json: Uint8Array): TcbInfo {
  return parseDocument(schema, json, 'tcb info');
}

/** The identity of TDX modules of this version, null for an unknown one. */
export function findModule(info: TcbInfo, version: number): ModuleIdentity | null {
  if (version === 0) return { ...info.tdxModule, tcbLevels: null };
  const id = `TDX_${version.toString(16).padStart(2, '0')}`.toUpperCase();
  return info.tdxModuleIdentities.find((identity) => identity.id.toUpperCase() === id) ?? null;
}
