/** The compiled contracts, as `node contracts/build.js` wrote them to code.json. The only importer of compiled code. */
import { Cell } from '@ton/core';
import compiled from './code.json';

export type ContractName = keyof typeof compiled;

const loaded = new Map<ContractName, Cell>();

/** The code cell of a contract. */
export function codeOf(name: ContractName): Cell {
  let code = loaded.get(name);
  if (code === undefined) {
    code = Cell.fromBase64(compiled[name].boc);
    loaded.set(name, code);
  }
  return code;
}

/** The hash of a contract's code cell, in hex: what `show` and `check` compare with the chain. */
export function codeHashOf(name: ContractName): string {
  return compiled[name].hash;
}
