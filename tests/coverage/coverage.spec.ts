import { type Address, Cell, contractAddress } from '@ton/core';
import { Blockchain, createShardAccount, GetMethodError } from '@ton/sandbox';
import { runtime, text } from 'ton-assembly';
import { type AcceptedGap, compare, type Gap, gapsOf, sizeOf } from './gaps';
import { instructionsOf } from './instructions';
import { reachedIn, runsIn } from './places';

/** Two get-methods in a dictionary; each calls the same cell, and one holds a branch. */
const PROGRAM = `
SETCP 0
DICTPUSHCONST 19 [
    70001 => {
        CALLREF {
            PUSHINT_4 5
        }
        PUSHCONT_SHORT {
            PUSHINT_4 6
        }
        PUSHCONT_SHORT {
            PUSHINT_4 7
        }
        IFELSE
    }
    70002 => {
        CALLREF {
            PUSHINT_4 5
        }
        INC
        ref {
            DEC
        }
    }
]
DICTIGETJMPZ
THROWARG 11
`;

/** Runs a get-method, the way a record is made of it. */
async function run(code: Cell, method: number): Promise<ReadonlySet<string>> {
  const chain = await Blockchain.create();
  chain.verbosity = { ...chain.verbosity, print: false, vmLogs: 'vm_logs_location' };
  const address: Address = contractAddress(0, { code, data: Cell.EMPTY });
  await chain.setShardAccount(address, createShardAccount({ address, code, data: Cell.EMPTY, balance: 10n ** 9n }));
  const { vmLogs } = await chain.runGetMethod(address, method).catch((error: unknown) => {
    if (error instanceof GetMethodError) return error;
    throw error;
  });
  return runsIn(vmLogs ?? '');
}

function assemble(program: string): Cell {
  const parsed = text.parse('program.tasm', program);
  if (parsed.$ === 'ParseFailure') throw new Error('the program cannot be parsed');
  return runtime.compileCell(parsed.instructions);
}

describe('coverage', () => {
  const code = assemble(PROGRAM);
  const hash = code.hash().toString('hex');
  const instructions = instructionsOf(code, new Set());

  test('counts every instruction once, a shared cell where it comes first', () => {
    expect(instructions.map((instruction) => instruction.text)).toEqual([
      ...['SETCP 0', 'DICTPUSHCONST 19 [', 'CALLREF {', 'PUSHINT_4 5', 'PUSHCONT_SHORT {', 'PUSHINT_4 6'],
      ...['PUSHCONT_SHORT {', 'PUSHINT_4 7', 'IFELSE', 'CALLREF {', 'INC', 'DEC', 'DICTIGETJMPZ', 'THROWARG 11'],
    ]);
  });

  test('tells what a run did not reach: the branch not taken, the method not called, the method that is not there', async () => {
    expect(gapsOf(instructions, reachedIn(hash, await run(code, 70_001)))).toEqual([
      { after: ['PUSHINT_4 5', 'PUSHCONT_SHORT {', 'PUSHINT_4 6', 'PUSHCONT_SHORT {'], instructions: ['PUSHINT_4 7'] },
      { after: ['PUSHCONT_SHORT {', 'PUSHINT_4 6', 'PUSHCONT_SHORT {', 'IFELSE'], instructions: ['CALLREF {', 'INC', 'DEC'] },
      { after: ['PUSHINT_4 6', 'PUSHCONT_SHORT {', 'IFELSE', 'DICTIGETJMPZ'], instructions: ['THROWARG 11'] },
    ]);
  });

  test('adds up what several runs reached', async () => {
    const runs = await Promise.all([70_001, 70_002, 70_003].map((method) => run(code, method)));
    const gaps = gapsOf(
      instructions,
      reachedIn(
        hash,
        runs.flatMap((each) => [...each]),
      ),
    );
    expect(gaps.map((gap) => gap.instructions)).toEqual([['PUSHINT_4 7']]);
    expect(sizeOf(gaps)).toBe(1);
  });

  test('counts nothing of the code that a contract carries of another', () => {
    const carrying = assemble(`SETCP 0 PUSHREF { ${PROGRAM} }`);
    expect(instructionsOf(carrying, new Set()).length).toBe(instructions.length + 2);
    const own = instructionsOf(carrying, new Set([hash]));
    expect(own.map((instruction) => instruction.text)).toEqual(['SETCP 0', 'PUSHREF {']);
  });

  test('gives a contract nothing for what another one reached of the same code', async () => {
    const other = assemble(PROGRAM.replace('THROWARG 11', 'THROWARG 12'));
    expect(reachedIn(hash, await run(other, 70_001)).size).toBe(0);
  });

  test('refuses a place at which the code has no instruction', async () => {
    const reached = reachedIn(hash, await run(code, 70_001));
    expect(() => gapsOf(instructions.slice(1), reached)).toThrow(`no instruction lies at ${hash}:0, where one was executed`);
  });
});

describe('the list of gaps', () => {
  const gap: Gap = { after: ['ISNULL'], instructions: ['THROW 9'] };
  const accepted: AcceptedGap = { ...gap, reason: 'the compiler wrote it, and nothing leads there' };

  test('accepts a gap that it names', () => {
    expect(compare([gap], [accepted])).toEqual({ unlisted: [], stale: [] });
  });

  test('does not accept one that says something else, or comes after something else', () => {
    const others: Gap[] = [
      { ...gap, instructions: ['THROW 9', 'DROP'] },
      { ...gap, after: ['DUP', 'ISNULL'] },
    ];
    for (const other of others) expect(compare([other], [accepted])).toEqual({ unlisted: [other], stale: [accepted] });
  });

  test('accepts one gap by one entry: of two that say the same, the second is unlisted', () => {
    expect(compare([gap, gap], [accepted])).toEqual({ unlisted: [gap], stale: [] });
  });

  test('is stale when it names what is reached', () => {
    expect(compare([], [accepted])).toEqual({ unlisted: [], stale: [accepted] });
  });
});
