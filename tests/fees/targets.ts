import { type Measured, totalGas } from './flows';

/** What a number must not pass, and what the reference network's contracts use for the same. */
export interface Target {
  readonly name: string;
  readonly unit: 'gas' | 'bytes';
  readonly limit: number;
  /** Null where the reference has no such thing. */
  readonly reference: number | null;
  readonly measured: number;
}

/** By flow: limit, reference. */
const GAS_TARGETS = {
  'client: deposit': [1_200, 22_017],
  'client: charge': [7_500, 15_937],
  'client: settle one receipt': [10_000, null],
  'client: settle five receipts': [23_500, null],
  'client: unilateral exit': [9_000, 26_185],
  'client: cooperative exit': [4_500, 30_151],
  'worker: claim': [5_500, 22_550],
  'root: allow the fourth hash of a list': [8_500, 8_299],
} as const;

/** @throws Error when a flow with a target was not measured */
export function targetsOf({ flows, code }: Measured): readonly Target[] {
  const gas = Object.entries(GAS_TARGETS).map(([name, [limit, reference]]): Target => {
    const flow = flows[name];
    if (flow === undefined) throw new Error(`no flow is named ${name}`);
    return { name, unit: 'gas', limit, reference, measured: totalGas(flow) };
  });
  return [
    ...gas,
    { name: 'client: code', unit: 'bytes', limit: 1_500, reference: 1_661, measured: code.ClientContract.bocBytes },
    { name: 'worker: code', unit: 'bytes', limit: 700, reference: 787, measured: code.WorkerContract.bocBytes },
  ];
}

export function isMet({ measured, limit }: Target): boolean {
  return measured <= limit;
}
