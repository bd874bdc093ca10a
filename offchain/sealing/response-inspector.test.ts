import { concat, toBigEndian } from '../core/bytes';
import { nodeCrypto } from '../runtime/node-crypto';
import { ResponseInspector } from './response-inspector';
import { type Asked, answer, ask, flip, join, makePair, type Pair, type Wire } from './sealing.test-kit';

let pair: Pair;
let asked: Asked;
let wire: Wire;
beforeAll(async () => {
  pair = await makePair();
  asked = await ask(pair);
  wire = await answer(pair, asked);
});

async function inspect(...parts: readonly Uint8Array[]): Promise<ResponseInspector> {
  const inspector = new ResponseInspector(nodeCrypto);
  for (const part of parts) await inspector.push(part);
  return inspector;
}

it('finds the receipt of an answer that passes byte by byte', async () => {
  const whole = join(wire);
  const inspector = new ResponseInspector(nodeCrypto);
  for (let at = 0; at < whole.length; at++) {
    expect(inspector.hasReceipt).toBe(false);
    await inspector.push(whole.subarray(at, at + 1));
  }
  expect(inspector.hasReceipt).toBe(true);
  expect(inspector.receipt(asked.hash).receipt.authorisationHash).toBe(asked.hash);
  expect(inspector.receipt(asked.hash).signature).toEqual(wire.clear.subarray(121));
});

it('has no receipt before all of it has passed (truncated)', async () => {
  const inspector = await inspect(join(wire).subarray(0, -1));
  expect(() => inspector.receipt(asked.hash)).toThrow(expect.objectContaining({ code: 'truncated' }));
});

it.each<[string, () => Wire]>([
  ['a chunk was altered', () => ({ ...wire, chunks: wire.chunks.map((chunk, i) => (i === 1 ? flip(chunk, 9) : chunk)) })],
  ['a chunk was left out', () => ({ ...wire, chunks: wire.chunks.slice(1) })],
  ['a chunk was repeated', () => ({ ...wire, chunks: [...wire.chunks, ...wire.chunks.slice(-1)] })],
  ['chunks were swapped', () => ({ ...wire, chunks: [...wire.chunks].reverse() })],
  ['the nonce was altered', () => ({ ...wire, nonce: flip(wire.nonce, 0) })],
  ['the receipt was altered', () => ({ ...wire, clear: flip(wire.clear, 40) })],
])('refuses the receipt of other chunks: %s (receipt_mismatch)', async (_name, attack) => {
  const inspector = await inspect(join(attack()));
  expect(() => inspector.receipt(asked.hash)).toThrow(
    expect.objectContaining({ code: 'receipt_mismatch', message: 'the receipt is for another sealed answer' }),
  );
});

it('refuses the receipt of another authorisation (receipt_mismatch)', async () => {
  const inspector = await inspect(join(wire));
  expect(() => inspector.receipt(asked.hash + 1n)).toThrow(
    expect.objectContaining({ code: 'receipt_mismatch', message: 'the receipt is for another authorisation' }),
  );
});

it('refuses a receipt that is none (bad_tag)', async () => {
  const inspector = await inspect(join({ ...wire, clear: flip(wire.clear, 0) }));
  expect(() => inspector.receipt(asked.hash)).toThrow(expect.objectContaining({ code: 'bad_tag' }));
});

it('refuses bytes behind the receipt (trailing_bytes)', async () => {
  await expect(inspect(join(wire), Uint8Array.of(1))).rejects.toMatchObject({ code: 'trailing_bytes' });
});

it('refuses a chunk that announces too many bytes before they come (oversize)', async () => {
  await expect(inspect(concat(wire.nonce, toBigEndian(65_537, 4)))).rejects.toMatchObject({ code: 'oversize' });
});
