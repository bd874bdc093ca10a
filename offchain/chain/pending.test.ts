import { FixedClock } from '../core/clock';
import { Pending } from './pending';

describe('what was asked of a contract', () => {
  const clock = new FixedClock(1_000_000);
  let pending: Pending;
  beforeEach(() => {
    pending = new Pending(clock);
  });

  it('is not waited for before it was asked', () => {
    expect(pending.isWaiting('a', 0n)).toBe(false);
  });

  it('is waited for until the counter has risen', () => {
    pending.ask('a', 5n);
    expect(pending.isWaiting('a', 5n)).toBe(true);
    expect(pending.isWaiting('b', 5n)).toBe(false);
    expect(pending.isWaiting('a', 6n)).toBe(false);
    expect(pending.isWaiting('a', 5n)).toBe(false);
  });

  it('may be asked again when it is late, and then waits twice as long, up to an hour', () => {
    const waits: number[] = [];
    for (let i = 0; i < 8; i++) {
      pending.ask('a', 0n);
      let sec = 0;
      for (; pending.isWaiting('a', 0n); sec += 60) clock.advance(60);
      waits.push(sec);
    }
    expect(waits).toEqual([60, 120, 240, 480, 960, 1920, 3600, 3600]);
  });

  it('begins anew once it was seen, or was never sent', () => {
    pending.ask('a', 0n);
    pending.ask('a', 0n);
    expect(pending.isWaiting('a', 1n)).toBe(false);
    pending.ask('a', 1n);
    clock.advance(60);
    expect(pending.isWaiting('a', 1n)).toBe(false);
    pending.ask('b', 0n);
    pending.forget('b');
    expect(pending.isWaiting('b', 0n)).toBe(false);
  });
});
