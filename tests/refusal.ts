import { beginCell, type Cell } from '@ton/core';
import '@ton/test-utils';
import { type ExitCodeName, exitCodeName } from '../wrappers/errors';
import { rentOf, type Sending, type World } from './world';

/**
 * The message is refused with this exit code: nothing changes, nothing is sent but the bounce, and all coins but fees and rent come back.
 *
 * @param code one of ours by name, or one of the virtual machine's own by number
 */
export async function expectRefused(world: World, sending: Sending, code: ExitCodeName | number): Promise<void> {
  const data = await world.data(sending.to);
  const sent = await world.send(sending);
  const rent = rentOf(sent, sending.to);
  const name = typeof code === 'number' ? (exitCodeName(code) ?? code) : code;
  expect(sent.trace[0]).toMatch(new RegExp(` refused \\(${name}\\)$`));
  expect(sent.trace.slice(1)).toEqual([expect.stringMatching(/: bounce$/)]);
  expect(new Set(Object.values(sent.moved))).toEqual(new Set(rent === 0n ? [-sent.fees] : [rent - sent.fees, -rent]));
  expect(await world.data(sending.to)).toEqualCell(data);
}

/** The body with one bit more at its end. */
export function withTrailingBit(body: Cell): Cell {
  return beginCell().storeSlice(body.beginParse()).storeBit(true).endCell();
}

/** The body with one reference more. */
export function withTrailingReference(body: Cell): Cell {
  return beginCell().storeSlice(body.beginParse()).storeRef(beginCell().endCell()).endCell();
}

/** The body without its last bit. */
export function withoutLastBit(body: Cell): Cell {
  const slice = body.beginParse();
  const builder = beginCell().storeBits(slice.loadBits(slice.remainingBits - 1));
  while (slice.remainingRefs > 0) builder.storeRef(slice.loadRef());
  return builder.endCell();
}

/** The body without its last reference. */
export function withoutLastReference(body: Cell): Cell {
  const slice = body.beginParse();
  const builder = beginCell().storeBits(slice.loadBits(slice.remainingBits));
  while (slice.remainingRefs > 1) builder.storeRef(slice.loadRef());
  return builder.endCell();
}
