/** What ran, as the TVM's log says it: in which contract's code, and at which place of it. */

/** The environment variable that names the folder for what the test files reached: one file each, one run of an instruction a line. */
export const RECORDS = 'COVERAGE_RECORDS';

/** `HASH:OFFSET`: the hash of a code cell in lower-case hex, and the bit in that cell where an instruction begins. */
export function placeOf(cell: string, offset: number): string {
  return `${cell.toLowerCase()}:${offset}`;
}

/**
 * The instructions that ran, from a log with locations: `HASH HASH:OFFSET`, the first one the hash of the whole code. Contracts share cells,
 * and each has to reach its own.
 */
export function runsIn(log: string): Set<string> {
  const runs = new Set<string>();
  let code: string | undefined;
  for (const [, cell, offset] of log.matchAll(/^code cell hash: ([0-9A-F]{64}) offset: (\d+)/gm)) {
    if (cell === undefined) continue;
    // A run begins at the top of the contract's code. Implicit jumps and returns have no location of their own.
    code ??= cell.toLowerCase();
    runs.add(`${code} ${placeOf(cell, Number(offset))}`);
  }
  return runs;
}

/** The places that were reached in the code with this hash. */
export function reachedIn(code: string, runs: Iterable<string>): Set<string> {
  const reached = new Set<string>();
  for (const run of runs) if (run.startsWith(`${code} `)) reached.add(run.slice(code.length + 1));
  return reached;
}
