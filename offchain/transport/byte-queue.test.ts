import { setImmediate as turn } from 'node:timers/promises';
import { ByteQueue } from './byte-queue';

const bytes = (size: number) => new Uint8Array(size);
/** Whether a promise has settled by the next turn. */
async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  let settled = false;
  const done = () => {
    settled = true;
  };
  promise.then(done, done);
  await turn();
  return settled;
}
async function sizes(queue: ByteQueue): Promise<number[]> {
  const seen: number[] = [];
  for await (const part of queue) seen.push(part.length);
  return seen;
}

describe('a byte queue', () => {
  it('gives what was written, in order, to its end', async () => {
    const queue = new ByteQueue(100);
    const reading = sizes(queue);
    for (const size of [1, 2, 3]) await queue.push(bytes(size));
    queue.end();
    expect(await reading).toEqual([1, 2, 3]);
  });

  it('holds the writer up from its limit on, and lets it go on when enough was read', async () => {
    const queue = new ByteQueue(10);
    await queue.push(bytes(9));
    const full = queue.push(bytes(5));
    expect(await isSettled(full)).toBe(false);
    const reader = queue[Symbol.asyncIterator]();
    expect((await reader.next()).value).toHaveLength(9);
    expect(await isSettled(full)).toBe(true);
  });

  it('gives a failure behind what was written before it', async () => {
    const queue = new ByteQueue(100);
    await queue.push(bytes(1));
    queue.fail(new Error('broken'));
    const reader = queue[Symbol.asyncIterator]();
    expect((await reader.next()).value).toHaveLength(1);
    await expect(reader.next()).rejects.toThrow('broken');
  });

  it('wakes a reader that waits, whatever ends it', async () => {
    for (const end of [(queue: ByteQueue) => queue.end(), (queue: ByteQueue) => queue.abandon()]) {
      const queue = new ByteQueue(100);
      const reading = sizes(queue);
      await turn();
      end(queue);
      expect(await reading).toEqual([]);
    }
    const queue = new ByteQueue(100);
    const reading = expect(sizes(queue)).rejects.toThrow('broken');
    await turn();
    queue.fail(new Error('broken'));
    await reading;
  });

  it('keeps its first end', async () => {
    const queue = new ByteQueue(100);
    queue.end();
    queue.fail(new Error('too late'));
    expect(await sizes(queue)).toEqual([]);
  });

  it.each<[string, (queue: ByteQueue) => Promise<unknown>]>([
    [
      'stops early',
      async (queue) => {
        for await (const _part of queue) break;
      },
    ],
    ['gives up before it has begun', async (queue) => queue[Symbol.asyncIterator]().return?.()],
    ['abandons it', async (queue) => queue.abandon()],
  ])('never holds a writer up whose reader %s', async (_name, giveUp) => {
    const queue = new ByteQueue(10);
    const full = queue.push(bytes(20));
    await giveUp(queue);
    await full;
    expect(await isSettled(queue.push(bytes(20)))).toBe(true);
  });
});
