import { FixedClock, OffsetClock, systemClock } from './clock';

describe('a clock', () => {
  beforeEach(() => jest.useFakeTimers({ now: 1_800_000_000_999 }));
  afterEach(() => jest.useRealTimers());

  it('of the machine shows whole seconds, rounded down', () => {
    expect(systemClock.nowSec()).toBe(1_800_000_000);
  });

  it('with an offset is the machine clock until it is told otherwise, and goes on from there', () => {
    const clock = new OffsetClock();
    expect(clock.nowSec()).toBe(1_800_000_000);
    clock.setNow(1_800_003_600);
    expect(clock.nowSec()).toBe(1_800_003_600);
    jest.advanceTimersByTime(5_000);
    expect(clock.nowSec()).toBe(1_800_003_605);
    clock.setNow(1_800_000_005);
    expect(clock.nowSec()).toBe(1_800_000_005);
  });

  it.each([-2, 2])('with an offset leaves a difference of %i seconds alone, which is the block interval', (difference) => {
    const clock = new OffsetClock();
    clock.setNow(1_800_000_000 + difference);
    expect(clock.nowSec()).toBe(1_800_000_000);
  });

  it.each([-3, 3])('with an offset takes a difference of %i seconds as time travel', (difference) => {
    const clock = new OffsetClock();
    clock.setNow(1_800_000_000 + difference);
    expect(clock.nowSec()).toBe(1_800_000_000 + difference);
  });

  it('that stands still moves only when it is told', () => {
    const clock = new FixedClock(7);
    jest.advanceTimersByTime(60_000);
    expect(clock.nowSec()).toBe(7);
    clock.advance(3);
    expect(clock.nowSec()).toBe(10);
  });
});
