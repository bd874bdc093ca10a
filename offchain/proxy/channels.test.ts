import { setChannel, type TestChain } from '../chain/plain-chain.test-kit';
import { NOW } from '../client/guest.test-kit';
import { fromBigEndian } from '../core/bytes';
import { TestCaller } from './caller.test-kit';
import { Channels, IDLE_SEC, parseChannelAddress } from './channels';
import type { Activity } from './requests';
import { OPERATOR, PROXY, WITHDRAW_DELAY, World } from './running-proxy.test-kit';

let world: World;
let chain: TestChain;
let channels: Channels;
let forgotten: string[];
const activities = new Map<string, Activity>();

beforeEach(async () => {
  world = await World.make();
  chain = world.chain;
  forgotten = [];
  activities.clear();
  channels = channelsFor(10_000);
});

afterEach(() => world.end());

function channelsFor(maxWatched: number): Channels {
  return new Channels({
    client: chain,
    watcher: chain,
    clock: world.clock,
    terms: { proxy: PROXY, operator: OPERATOR, withdrawDelay: WITHDRAW_DELAY },
    maxWatched,
    activity: ({ id }) => activities.get(id) ?? 'settled',
    onForgotten: (id) => forgotten.push(id),
  });
}

function held(owner: number): TestCaller {
  const caller = new TestCaller(world, owner);
  caller.hold();
  return caller;
}

it('shows the newest state to whoever holds a channel', async () => {
  const caller = held(1);
  const channel = await channels.find(caller.channel);
  expect(channel.view).toMatchObject({ deposit: 1_000_000_000n, charged: 0n, withdrawal: 0n });
  caller.hold({ deposit: 5n, charged: 7n, paid: 6n, upTo: 3n, withdrawal: 4n });
  chain.look();
  expect(channel.view).toMatchObject({ deposit: 5n, charged: 7n, paid: 6n, upTo: 3n, withdrawal: 4n });
});

it('never goes back to an older state, however late its read comes', async () => {
  const caller = held(1);
  const channel = await channels.find(caller.channel);
  const older = setChannel(chain, caller.terms, fromBigEndian(caller.session.publicKey), { deposit: 9n });
  caller.hold({ deposit: 5n });
  chain.look();
  chain.lookLate(older);
  expect(channel.view.deposit).toBe(5n);
});

it('takes a contract that is gone as empty', async () => {
  const caller = held(1);
  const channel = await channels.find(caller.channel);
  chain.set(caller.channel, 0n, null);
  chain.look();
  expect(channel.view.deposit).toBe(0n);
});

it('asks the chain once for callers who come together', async () => {
  const caller = held(1);
  await Promise.all(Array.from({ length: 20 }, () => channels.find(caller.channel)));
  expect(chain.reads).toBe(1);
});

it('looks up only so many unknown addresses at once (too_many_requests)', async () => {
  const asked = Array.from({ length: 40 }, (_, at) => channels.find(new TestCaller(world, 100 + at).channel));
  const codes = (await Promise.allSettled(asked)).map((result) => (result.status === 'rejected' ? result.reason.code : 'found'));
  expect(codes.filter((code) => code === 'too_many_requests').length).toBe(8);
  expect(codes.filter((code) => code === 'no_channel').length).toBe(32);
});

it('stops watching what nobody has used for long and nothing is outstanding in', async () => {
  const [idle, busy, used] = [held(1), held(2), held(3)];
  for (const caller of [idle, busy, used]) await channels.find(caller.channel);
  activities.set(busy.id, 'busy');
  world.clock.advance(IDLE_SEC + 1);
  chain.look();
  await channels.find(used.channel);
  channels.forgetIdle();
  expect(forgotten).toEqual([idle.id]);
  expect([...chain.watched].sort()).toEqual([busy.id, used.id].sort());
  expect((await channels.find(idle.channel)).id).toBe(idle.id);
});

it('makes room for a new channel by letting go of the one that matters least, never of one that is busy', async () => {
  channels = channelsFor(3);
  const [busy, unsigned, settled, late, later, last] = [held(1), held(2), held(3), held(4), held(5), held(6)];
  activities.set(busy.id, 'busy');
  activities.set(unsigned.id, 'unsigned');
  for (const caller of [busy, unsigned, settled]) await channels.find(caller.channel);
  await channels.find(late.channel);
  expect(forgotten).toEqual([settled.id]);
  activities.set(late.id, 'busy');
  await channels.find(later.channel);
  expect(forgotten).toEqual([settled.id, unsigned.id]);
  activities.set(later.id, 'busy');
  await expect(channels.find(last.channel)).rejects.toMatchObject({ code: 'too_many_requests' });
  expect(chain.watched.length).toBe(3);
});

it('reads a channel again that was not read for long, and refuses while the chain stands still (not_ready)', async () => {
  const caller = held(1);
  await channels.find(caller.channel);
  world.clock.advance(121);
  await channels.find(caller.channel);
  expect(chain.reads).toBe(2);
  chain.standsAtSec = NOW;
  world.clock.advance(121);
  await expect(channels.find(caller.channel)).rejects.toMatchObject({ code: 'not_ready' });
  chain.isDown = true;
  await expect(channels.find(caller.channel)).rejects.toMatchObject({ code: 'not_ready' });
});

it('takes only raw addresses', () => {
  expect(parseChannelAddress(PROXY.toRawString()).equals(PROXY)).toBe(true);
  for (const text of ['', PROXY.toString(), `-1:${'0'.repeat(64)}`, `0:${'0'.repeat(63)}`]) {
    expect(() => parseChannelAddress(text)).toThrow(expect.objectContaining({ code: 'bad_request' }));
  }
});
