/** Exit codes of the contracts. Equal to contracts/errors.tact: tests/errors.spec.ts compares the two. */
export const EXIT_CODE = {
  /** An amount in all would pass 2^64 - 1: the virtual machine's own code. */
  outOfRange: 5,
  /** More cells than a message may carry on: the virtual machine's own code. */
  tooLarge: 8,
  /** Bits or references are missing or left over, in the message or in a cell that it carries, or an address has anycast or a variable length: the virtual machine's own code. */
  malformed: 9,
  /** What was shown as a dictionary is none: the virtual machine's own code. */
  badDictionary: 10,
  /** The message's tag is not known to this contract. */
  unknownMessage: 130,
  /** The sender may not send this. */
  notAllowed: 401,
  /** The voucher's total is not above what is known already. */
  oldVoucher: 413,
  /** The signature is not by the key that should have signed. */
  badSignature: 414,
  /** A public key is zero, a point of small order, or the session key that counts already. */
  badKey: 415,
  /** No session key or payer key has been set, or an authorisation names zero as receipt key. */
  noKey: 416,
  /** An address is addr_none, outside of the chain, of another workchain, or the root's own where owner or guardian is to be named. */
  badAddress: 417,
  /** The session key before the last rotation has ended. */
  keyEnded: 418,
  /** The value that came with the message does not cover what it causes, at the prices of the moment. */
  lowValue: 420,
  /** There is nothing to pay, or nothing to pay it from. */
  nothingToPay: 421,
  /** More was asked than the contract has for this. */
  notEnough: 422,
  /** More receipts than one message can settle. */
  tooMany: 423,
  /** The channel is open already. */
  alreadyOpen: 430,
  /** No withdrawal is announced, or no such change is scheduled. */
  notAnnounced: 431,
  /** The announced withdrawal or scheduled change is not due yet, or the old session key has not ended. */
  tooEarly: 432,
  /** The announced withdrawal or scheduled change has lapsed. */
  lapsed: 433,
  /** The stake cannot leave while the proxy is listed. */
  stillListed: 434,
  /** The stake would fall: it leaves by announcement only. */
  stakeFalls: 435,
  /** An order for another kind of contract. */
  wrongOrder: 436,
  /** A voucher covers this request. */
  covered: 437,
  /** The numbers of settled requests must rise. */
  notRising: 438,
  /** The authorisation ran out too long ago to be settled. */
  expired: 439,
  /** What is to be added is there already. */
  alreadyPresent: 440,
  /** What is to be removed is not there. */
  notPresent: 441,
  /** The list is full. */
  full: 442,
  /** The roles of an image, the kind of a model or the kind of a change are not known. */
  badKind: 443,
  /** The stake is below what the root asks. */
  lowStake: 444,
  /** The withdraw delay is below what the root asks. */
  shortDelay: 445,
  /** The parameters or the timelock are out of bounds. */
  badParams: 446,
} as const;

export type ExitCodeName = keyof typeof EXIT_CODE;

const NAMES = new Map<number, string>(Object.entries(EXIT_CODE).map(([name, code]) => [code, name]));

/** The name of an exit code, such as `oldVoucher`; undefined for one that our contracts do not give. */
export function exitCodeName(exitCode: number): string | undefined {
  return NAMES.get(exitCode);
}
