import { SteadyClock } from './steady-clock';

it('a steady clock stands still while its source is behind', () => {
  const source = { sec: 100, nowSec: () => source.sec };
  const clock = new SteadyClock(source);
  expect(clock.nowSec()).toBe(100);
  source.sec = 40;
  expect(clock.nowSec()).toBe(100);
  source.sec = 101;
  expect(clock.nowSec()).toBe(101);
});
