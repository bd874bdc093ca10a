/** A walk that only ever met refusals would prove nothing: what fifty walks must have done. */
import { OPCODE } from '../../wrappers/opcodes';
import type { Tally } from './walk';

/** Every message was accepted at least once, and what is rare but matters has happened. */
const MUST_HAPPEN: readonly string[] = [
  'payment',
  'comment',
  'bounce',
  ...Object.values(OPCODE).flatMap((messages) => Object.keys(messages)),
  'charged by the old key',
  'paid in part',
  'paid the rest',
  'settled an open number',
  'a proxy took the place of another',
  'paid a proxy that is not there',
  'frozen',
  'starved',
  'absent',
  'refused: lowValue',
  'refused: oldVoucher',
  'refused: badSignature',
  'refused: covered',
  'refused: notRising',
  'refused: keyEnded',
  'refused: lapsed',
  'refused: tooEarly',
];

/** @throws Error with what has not happened */
export function requireVariety(tally: Tally): void {
  const missing = MUST_HAPPEN.filter((what) => !tally.has(what));
  if (missing.length > 0) throw new Error(`never happened: ${missing.join(', ')}`);
}
