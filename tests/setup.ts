import { buildContracts } from '../contracts/build';

/** Compiles the contracts once before the contract tests, so that they never run against stale code. */
export default async function setup(): Promise<void> {
  await buildContracts();
}
