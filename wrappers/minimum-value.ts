/** What a message must bring at least, at the prices of the moment: the arithmetic of contracts/payment.tact. */
import { type Cell, Dictionary, type Slice } from '@ton/core';

/** What gas and a plain message cost in the basechain, in nanoTON. */
export interface MessagePrices {
  /** Per unit of gas above the flat limit, scaled by 2^16. */
  readonly gasPrice: bigint;
  /** Units of gas that cost `flatGasPrice` together. */
  readonly flatGasLimit: bigint;
  readonly flatGasPrice: bigint;
  /** Forwarding one message without a body. */
  readonly lumpPrice: bigint;
}

/** Units of gas by message. Equal to contracts/gas.tact: tests/schema.spec.ts compares the two. */
export const GAS = {
  clientCharge: 9_118n,
  clientSettleOne: 3_621n,
  clientSettleOpen: 6_786n,
  clientRelease: 6_495n,
  clientRequest: 5_848n,
  clientComplete: 7_283n,
  clientRotate: 8_335n,
  workerClaim: 7_379n,
  workerRequest: 5_606n,
  workerComplete: 7_324n,
  proxyFund: 9_926n,
  proxyConfigure: 9_287n,
  proxyRegister: 7_161n,
  proxyLeave: 6_749n,
  proxyRequest: 7_881n,
  proxyComplete: 7_899n,
  proxyOrder: 6_024n,
  proxyOrderCell: 100n,
  proxyAnchor: 14_000n,
  proxyAnchorMerge: 4_000n,
  rootRegister: 200_000n,
  rootLeave: 100_000n,
  rootChange: 20_000n,
  rootCollect: 6_100n,
} as const;

const GAS_PRICES_PARAMETER = 21;
const FORWARD_PRICES_PARAMETER = 25;

/**
 * The minimum value of a message that uses `gas` and causes plain messages only. Less is refused (`lowValue`). From twice as much on,
 * what is left returns to the sender; between the two it goes where the payment goes, or stays when there is no payment.
 *
 * @param gas the message's constant in GAS
 */
export function minimumValue(gas: bigint, prices: MessagePrices): bigint {
  return computeFee(gas, prices) + 2n * prices.lumpPrice;
}

/**
 * The prices of the basechain in a configuration.
 *
 * @param config a dictionary of configuration parameters
 * @throws RangeError when parameter 21 or 25 is missing or has another form
 */
export function messagePrices(config: Cell): MessagePrices {
  const parameters = Dictionary.loadDirect(Dictionary.Keys.Int(32), Dictionary.Values.Cell(), config);
  // gas_flat_pfx#d1 flat_gas_limit:uint64 flat_gas_price:uint64 other:(gas_prices_ext#de gas_price:uint64 ...)
  const gas = parameterOf(parameters, GAS_PRICES_PARAMETER);
  expectTag(gas, 0xd1, GAS_PRICES_PARAMETER);
  const flatGasLimit = gas.loadUintBig(64);
  const flatGasPrice = gas.loadUintBig(64);
  expectTag(gas, 0xde, GAS_PRICES_PARAMETER);
  const gasPrice = gas.loadUintBig(64);
  // msg_forward_prices#ea lump_price:uint64 ...
  const forward = parameterOf(parameters, FORWARD_PRICES_PARAMETER);
  expectTag(forward, 0xea, FORWARD_PRICES_PARAMETER);
  return { gasPrice, flatGasLimit, flatGasPrice, lumpPrice: forward.loadUintBig(64) };
}

/** Rounded up, as GETGASFEE does. */
function computeFee(gas: bigint, { gasPrice, flatGasLimit, flatGasPrice }: MessagePrices): bigint {
  return gas <= flatGasLimit ? flatGasPrice : flatGasPrice + (((gas - flatGasLimit) * gasPrice + 0xffffn) >> 16n);
}

function parameterOf(parameters: Dictionary<number, Cell>, number: number): Slice {
  const parameter = parameters.get(number);
  if (parameter === undefined) throw new RangeError(`the configuration has no parameter ${number}`);
  return parameter.beginParse();
}

/** Source: block.tlb, GasLimitsPrices and MsgForwardPrices. */
function expectTag(slice: Slice, expected: number, number: number): void {
  const tag = slice.loadUint(8);
  if (tag !== expected) throw new RangeError(`tag 0x${tag.toString(16)} in parameter ${number}, expected 0x${expected.toString(16)}`);
}
