/** The tags of all messages, by receiver. Equal to contracts/messages.tact and contracts/schema.tlb: tests/schema.spec.ts compares the three. */
export const OPCODE = {
  root: {
    proxyRootRegister: 0xc0c00101,
    proxyRootLeave: 0xc0c00102,
    ownerRootAddImage: 0xc0c00103,
    ownerRootAddModel: 0xc0c00104,
    guardianRootRemoveImage: 0xc0c00105,
    guardianRootRemoveModel: 0xc0c00106,
    ownerRootCollectFees: 0xc0c00107,
    ownerRootSchedule: 0xc0c00108,
    guardianRootCancel: 0xc0c00109,
    anyRootApply: 0xc0c0010a,
  },
  proxy: {
    operatorProxyFund: 0xc0c00201,
    ownerProxyConfigure: 0xc0c00202,
    ownerProxyRegister: 0xc0c00203,
    ownerProxyLeave: 0xc0c00204,
    ownerProxyRequestWithdrawal: 0xc0c00205,
    ownerProxyCompleteWithdrawal: 0xc0c00206,
    ownerProxyOrder: 0xc0c00207,
    operatorProxyAnchor: 0xc0c00208,
  },
  client: {
    operatorClientCharge: 0xc0c00301,
    operatorClientSettle: 0xc0c00302,
    operatorClientCollect: 0xc0c00303,
    operatorClientRelease: 0xc0c00304,
    ownerClientRequestWithdrawal: 0xc0c00305,
    anyClientCompleteWithdrawal: 0xc0c00306,
    ownerClientOpen: 0xc0c00307,
    ownerClientRotateKey: 0xc0c00308,
  },
  worker: {
    anyWorkerClaim: 0xc0c00401,
    proxyWorkerRequestWithdrawal: 0xc0c00402,
    anyWorkerCompleteWithdrawal: 0xc0c00403,
  },
} as const;

const NAMES = new Map<number, string>(
  Object.values(OPCODE).flatMap((messages) => Object.entries(messages).map(([name, code]): [number, string] => [code, name])),
);

/** The message's name, such as `operatorClientCharge`; undefined for a tag that is not ours. */
export function opcodeName(opcode: number): string | undefined {
  return NAMES.get(opcode);
}
