import { Address, type Slice } from '@ton/core';

/** All contracts and everybody whom they pay live in the basechain. */
const BASECHAIN = 0;

/** `address` itself. @throws RangeError when it is of another workchain */
export function basechain(address: Address): Address {
  if (address.workChain !== BASECHAIN) throw new RangeError(`address of workchain ${address.workChain}, expected ${BASECHAIN}`);
  return address;
}

/** Reads a basechain address. @throws when there is none, or of another workchain */
export function loadBasechain(slice: Slice): Address {
  return basechain(slice.loadAddress());
}

/** The basechain address with this hash. */
export function fromHash(hash: bigint): Address {
  return new Address(BASECHAIN, Buffer.from(hash.toString(16).padStart(64, '0'), 'hex'));
}
