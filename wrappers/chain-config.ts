/**
 * The price configuration of tests and of the local network: what mainnet's basechain charges since 2026-04-30.
 * The sandbox ships older prices, six times dearer; tests run the fee-critical flows under both, so that no constant depends on either.
 */
import { beginCell, type Cell, Dictionary } from '@ton/core';

/** ConfigParam 21: gas of the basechain. Prices are nanoTON per gas unit, scaled by 2^16. */
export const GAS_PRICES_2026 = {
  flatGasLimit: 100n,
  flatGasPrice: 6_667n,
  gasPrice: 4_369_067n,
  gasLimit: 1_000_000n,
  specialGasLimit: 1_000_000n,
  gasCredit: 10_000n,
  blockGasLimit: 10_000_000n,
  freezeDueLimit: 100_000_000n,
  deleteDueLimit: 1_000_000_000n,
} as const;

/** ConfigParam 25: message forwarding in the basechain. `lumpPrice` is nanoTON, the others are scaled by 2^16. */
export const FORWARD_PRICES_2026 = {
  lumpPrice: 66_667n,
  bitPrice: 4_369_067n,
  cellPrice: 436_906_667n,
  ihrPriceFactor: 98_304,
  firstFraction: 21_845,
  nextFraction: 21_845,
} as const;

/** ConfigParam 18: storage. Prices are nanoTON per second, scaled by 2^16, and count from `since` (unix seconds). */
export const STORAGE_PRICES_2026 = {
  since: 1_777_500_000,
  bitPrice: 0n,
  cellPrice: 135n,
  masterchainBitPrice: 1_000n,
  masterchainCellPrice: 500_000n,
} as const;

/** Size limits of messages and accounts: the emulator inside the sandbox refuses the form that mainnet has today. */
const SIZE_LIMITS_PARAMETER = 43;

const PRICE_BITS = 64;

/**
 * The configuration `base` with mainnet's prices of 2026, without parameter 43.
 *
 * @param base a dictionary of configuration parameters (the sandbox's own, or a mainnet configuration); not changed
 * @throws when `base` is not such a dictionary, or has no storage prices
 */
export function mainnetPrices(base: Cell): Cell {
  const config = Dictionary.loadDirect(Dictionary.Keys.Int(32), Dictionary.Values.Cell(), base);
  config.delete(SIZE_LIMITS_PARAMETER);
  config.set(18, storagePrices(config.get(18)));
  config.set(21, gasPrices());
  config.set(25, forwardPrices());
  return beginCell().storeDictDirect(config).endCell();
}

/** gas_flat_pfx#d1 flat_gas_limit:uint64 flat_gas_price:uint64 other:(gas_prices_ext#de ...). Source: block.tlb, GasLimitsPrices. */
function gasPrices(): Cell {
  const gas = GAS_PRICES_2026;
  return beginCell()
    .storeUint(0xd1, 8)
    .storeUint(gas.flatGasLimit, PRICE_BITS)
    .storeUint(gas.flatGasPrice, PRICE_BITS)
    .storeUint(0xde, 8)
    .storeUint(gas.gasPrice, PRICE_BITS)
    .storeUint(gas.gasLimit, PRICE_BITS)
    .storeUint(gas.specialGasLimit, PRICE_BITS)
    .storeUint(gas.gasCredit, PRICE_BITS)
    .storeUint(gas.blockGasLimit, PRICE_BITS)
    .storeUint(gas.freezeDueLimit, PRICE_BITS)
    .storeUint(gas.deleteDueLimit, PRICE_BITS)
    .endCell();
}

/** msg_forward_prices#ea. Source: block.tlb, MsgForwardPrices. */
function forwardPrices(): Cell {
  const forward = FORWARD_PRICES_2026;
  return beginCell()
    .storeUint(0xea, 8)
    .storeUint(forward.lumpPrice, PRICE_BITS)
    .storeUint(forward.bitPrice, PRICE_BITS)
    .storeUint(forward.cellPrice, PRICE_BITS)
    .storeUint(forward.ihrPriceFactor, 32)
    .storeUint(forward.firstFraction, 16)
    .storeUint(forward.nextFraction, 16)
    .endCell();
}

/** Hashmap 32 StoragePrices with one entry more, in force from `since`. Source: block.tlb, StoragePrices. */
function storagePrices(earlier: Cell | undefined): Cell {
  if (earlier === undefined) throw new RangeError('the configuration has no storage prices (parameter 18)');
  const storage = STORAGE_PRICES_2026;
  const entry = beginCell()
    .storeUint(0xcc, 8)
    .storeUint(storage.since, 32)
    .storeUint(storage.bitPrice, PRICE_BITS)
    .storeUint(storage.cellPrice, PRICE_BITS)
    .storeUint(storage.masterchainBitPrice, PRICE_BITS)
    .storeUint(storage.masterchainCellPrice, PRICE_BITS)
    .endCell().bits;
  const prices = Dictionary.loadDirect(Dictionary.Keys.Uint(32), Dictionary.Values.BitString(entry.length), earlier);
  prices.set(storage.since, entry);
  return beginCell().storeDictDirect(prices).endCell();
}
