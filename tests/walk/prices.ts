/** What gas and carriage cost under one configuration of the chain: the arithmetic of GETGASFEE and GETFORWARDFEE. */
import { type Cell, Dictionary } from '@ton/core';

export interface PriceList {
  readonly compute: (gas: bigint) => bigint;
  readonly forward: (cells: number, bits: number) => bigint;
  /** What a message must bring that uses `gas` and causes plain messages only. */
  readonly minimum: (gas: bigint) => bigint;
}

const scaled = (price: bigint) => (price + 0xffffn) >> 16n;

/** ConfigParams 21 and 25: the basechain's. Source: block.tlb, GasLimitsPrices and MsgForwardPrices. */
export function pricesOf(config: Cell): PriceList {
  const parameters = Dictionary.loadDirect(Dictionary.Keys.Int(32), Dictionary.Values.Cell(), config);
  const open = (number: number) => {
    const parameter = parameters.get(number);
    if (parameter === undefined) throw new RangeError(`the configuration has no parameter ${number}`);
    return parameter.beginParse().skip(8);
  };
  const gas = open(21);
  const flatLimit = gas.loadUintBig(64);
  const flatPrice = gas.loadUintBig(64);
  const gasPrice = gas.skip(8).loadUintBig(64);
  const carriage = open(25);
  const lump = carriage.loadUintBig(64);
  const bitPrice = carriage.loadUintBig(64);
  const cellPrice = carriage.loadUintBig(64);
  const compute = (used: bigint) => (used <= flatLimit ? flatPrice : flatPrice + scaled((used - flatLimit) * gasPrice));
  const forward = (cells: number, bits: number) => lump + scaled(BigInt(cells) * cellPrice + BigInt(bits) * bitPrice);
  return { compute, forward, minimum: (used) => compute(used) + 2n * lump };
}
