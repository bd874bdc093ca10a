import { FixedClock } from '../core/clock';
import { ReplayMemory } from './replay-memory';

describe('ReplayMemory', () => {
  it('knows an authorisation until its validity has passed', () => {
    const clock = new FixedClock(1000);
    const memory = new ReplayMemory(clock, 10);
    expect(memory.remember(7n, 1600)).toBe('new');
    expect(memory.remember(7n, 1600)).toBe('known');
    clock.advance(600);
    expect(memory.remember(7n, 1600)).toBe('known');
    clock.advance(1);
    expect(memory.remember(8n, 2000)).toBe('new');
    expect(memory.size).toBe(1);
  });

  it('refuses when it is full, and forgets none early to make room', () => {
    const clock = new FixedClock(1000);
    const memory = new ReplayMemory(clock, 2);
    memory.remember(1n, 1100);
    memory.remember(2n, 1200);
    expect(memory.remember(3n, 1300)).toBe('full');
    expect(memory.remember(1n, 1100)).toBe('known');
    clock.advance(101);
    expect(memory.remember(3n, 1300)).toBe('new');
    expect(memory.remember(2n, 1200)).toBe('known');
  });
});
