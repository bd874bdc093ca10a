import { inspect } from 'node:util';
import { beginCell, toNano } from '@ton/core';
import { run as showRoot } from '../scripts/showRoot';
import { ClientContract } from '../wrappers/ClientContract';
import { noteOf, parseAmount, parseAmountOrZero, parseDuration, parseHash, parseUrl, parseWhole } from '../wrappers/console/answers';
import { carryOut, type Plan } from '../wrappers/console/carry-out';
import { atDesk, Desk } from '../wrappers/console/desk';
import { isWeakKey } from '../wrappers/console/keys';
import { Refusal } from '../wrappers/console/refusal';
import { counted, date, hex, moment, span, ton } from '../wrappers/console/words';
import { RootContract } from '../wrappers/RootContract';
import { EVERYTHING } from '../wrappers/withdrawal';
import { PreparedPerson, runScript, SandboxNetwork } from './console';
import { keyOf, publicKeyOf, World } from './world';

const P = (1n << 255n) - 19n;
const SIGN = 1n << 255n;

/** A point's y and sign as contracts read a key: little-endian bytes taken as one big-endian number. */
function key(y: bigint): bigint {
  return BigInt(`0x${Buffer.from(hex(y), 'hex').reverse().toString('hex')}`);
}

describe('answers', () => {
  it('amounts have up to nine decimals, are above zero, and stay below everything', () => {
    expect(parseAmount('12.5')).toBe(12_500_000_000n);
    expect(parseAmount('0.000000001')).toBe(1n);
    expect(parseAmount('18446744073')).toBe(18_446_744_073_000_000_000n);
    for (const bad of ['', '1,5', '1.0000000001', '-1', '1e3', '0', '0.0', ' 1', 'everything', '18446744073.709551615', '99999999999'])
      expect(() => parseAmount(bad)).toThrow(Refusal);
    expect(parseAmountOrZero('0')).toBe(0n);
    expect(parseAmountOrZero('0.00')).toBe(0n);
    expect(() => parseAmountOrZero('none')).toThrow(Refusal);
  });

  it('durations are seconds or have a unit', () => {
    expect(['90', '90s', '30m', '12h', '7d', '1 d'].map(parseDuration)).toEqual([90, 90, 1_800, 43_200, 604_800, 86_400]);
    for (const bad of ['', '0', '0d', '1w', '-1', '1.5h', '4294967296', '9999999999d']) expect(() => parseDuration(bad)).toThrow(Refusal);
  });

  it('hashes, whole numbers, urls and notes', () => {
    expect(parseHash(`0x${'Ab'.repeat(32)}`)).toBe(BigInt(`0x${'ab'.repeat(32)}`));
    for (const bad of ['', 'ab', 'g'.repeat(64), 'a'.repeat(65)]) expect(() => parseHash(bad)).toThrow(Refusal);
    expect(parseWhole(-5, 5)('-5')).toBe(-5);
    for (const bad of ['', '6', '-6', '1.5', 'x', '0x1']) expect(() => parseWhole(-5, 5)(bad)).toThrow(Refusal);
    expect(parseUrl('https://proxy.example:1')).toBe('https://proxy.example:1');
    for (const bad of ['', 'http://x', 'https://', 'proxy.example', `https://${'ä'.repeat(60)}`])
      expect(() => parseUrl(bad)).toThrow(Refusal);
    // SHA-256 of the empty text.
    expect(hex(noteOf(''))).toBe('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855');
  });

  it('keys are refused exactly where the contract refuses them', async () => {
    const world = await World.create();
    const y8 = key(0x26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05n);
    const weak = [0n, 1n, P - 1n, P, P + 1n, y8, P - y8].flatMap((y) => [key(y), key(y | SIGN)]);
    const strong = [publicKeyOf(keyOf('one')), publicKeyOf(keyOf('two')), key(2n), key(y8 + 1n), key(P - 2n)];
    const owner = world.party('client').getSender();
    for (const sessionKey of [...weak, ...strong]) {
      const before = world.snapshot();
      await world.clientChannel.sendOpen(owner, { sessionKey, value: toNano('1') });
      const isOpen =
        ClientContract.parseState(await world.data(world.clientChannel.address)).sessionKey === sessionKey && sessionKey !== 0n;
      await world.restore(before);
      expect([hex(sessionKey), isWeakKey(sessionKey)]).toEqual([hex(sessionKey), !isOpen]);
    }
    expect(weak.every(isWeakKey)).toBe(true);
    expect(strong.some(isWeakKey)).toBe(false);
  });
});

describe('words', () => {
  it('say amounts, times and numbers as a person reads them', () => {
    expect([ton(1n), ton(12_500_000_000n), ton(0n), ton(EVERYTHING)]).toEqual(['0.000000001 TON', '12.5 TON', '0 TON', 'everything']);
    expect([span(0), span(1), span(3_661), span(90_061), span(172_800)]).toEqual([
      '0 seconds',
      '1 second',
      '1 hour 1 minute',
      '1 day 1 hour',
      '2 days',
    ]);
    expect(date(1_790_000_000n)).toBe('2026-09-21 14:13:20 UTC');
    expect(date((1n << 64n) - 1n)).toBe('second 18446744073709551615');
    expect([moment(100, 100), moment(160, 100), moment(40, 100)]).toEqual([
      '1970-01-01 00:01:40 UTC (now)',
      '1970-01-01 00:02:40 UTC (in 1 minute)',
      '1970-01-01 00:00:40 UTC (1 minute ago)',
    ]);
    expect([counted(1, 'signer'), counted(0n, 'signer')]).toEqual(['1 signer', '0 signers']);
  });

  it('print a refusal as its one line', () => {
    expect(inspect(new Refusal('not now'))).toBe('not now');
  });
});

describe('sending', () => {
  let world: World;

  beforeAll(async () => {
    world = await World.inUse();
  });

  const network = (person: PreparedPerson) => new SandboxNetwork(world.chain, world.party('stranger'), person);
  const plan = (changes: Partial<Plan>): Plan => ({
    says: ['  a message'],
    to: world.root.address,
    value: toNano('0.05'),
    effect: async () => ['done'],
    ...changes,
  });

  it('names the exit code when a contract refuses all the same', async () => {
    const body = RootContract.addImageBody({ hash: 1n, roles: 1, note: 0n });
    const person = new PreparedPerson([true]);
    await expect(carryOut(new Desk(network(person), []), plan({ body }))).rejects.toThrow(
      `${world.root.address} refused: notAllowed (exit code 401); the coins came back, less fees`,
    );
    expect(person.lines).not.toContain('done');
  });

  it('does not take what another sender has just sent for its own', async () => {
    const person = new PreparedPerson([true]);
    const stranger = network(person);
    const { address } = world.party('stranger');
    // The wallet's message gets lost; another party's arrives at that moment.
    const send = async () => void (await world.root.sendTopUp(world.party('client').getSender(), { value: toNano('0.05') }));
    jest.spyOn(stranger, 'sender').mockReturnValue({ address, send });
    await expect(carryOut(new Desk(stranger, [], { looks: 2, pauseMs: 1 }), plan({}))).rejects.toThrow(
      'the message has not arrived after 2 looks; it may still come: look again before you send again',
    );
  });

  it('gives up when the message arrived and its effect did not', async () => {
    const desk = new Desk(network(new PreparedPerson([true])), [], { looks: 2, pauseMs: 1 });
    await expect(carryOut(desk, plan({ effect: async () => null }))).rejects.toThrow('the message arrived, but its effect is not there');
  });

  it('waits for an effect that comes later', async () => {
    const person = new PreparedPerson([true]);
    let looks = 0;
    const effect = async () => (++looks < 3 ? null : ['there it is']);
    await carryOut(new Desk(network(person), [], { looks: 5, pauseMs: 1 }), plan({ effect }));
    expect(person.lines.at(-1)).toBe('there it is');
  });

  it('asks for the wallet where blueprint does not know it', async () => {
    const person = new PreparedPerson([world.party('stranger').address.toString(), true]);
    const unknown = network(person);
    const { send } = unknown.sender();
    jest.spyOn(unknown, 'sender').mockReturnValue({ send });
    await carryOut(new Desk(unknown, []), plan({}));
    expect(person.asked).toEqual(['address of the wallet that will sign', 'Send it?']);
  });

  it('says in one line that the node is away, and keeps the trace of a defect', async () => {
    const away = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' });
    const answered = Object.assign(new Error('status 500'), { code: 'ERR_BAD_RESPONSE', response: { data: { error: 'exit code 35' } } });
    const fail = (error: Error) => atDesk(network(new PreparedPerson([])), [], () => Promise.reject(error));
    await expect(fail(away)).rejects.toEqual(new Refusal("the chain's node did not do it: connect ECONNREFUSED"));
    await expect(fail(answered)).rejects.toEqual(new Refusal("the chain's node did not do it: exit code 35"));
    const defect = new TypeError('x is not a function');
    await expect(fail(defect)).rejects.toBe(defect);
  });

  it('refuses data that are not a contract’s, and a frozen account', async () => {
    const { address } = world.root;
    const before = world.snapshot();
    const account = await world.chain.getContract(address);
    const shard = account.account;
    if (!shard.account) throw new Error('no account');
    const { storage } = shard.account;
    if (storage.state.type !== 'active') throw new Error('not active');
    const withState = (state: typeof storage.state | { readonly type: 'frozen'; readonly stateHash: bigint }) =>
      world.chain.setShardAccount(address, {
        ...shard,
        account: shard.account ? { ...shard.account, storage: { ...storage, state } } : null,
      });
    await withState({ type: 'active', state: { ...storage.state.state, data: beginCell().storeBit(true).endCell() } });
    const show = () => runScript(world.chain, world.party('stranger'), showRoot, [address.toString()]);
    expect((await show()).refusal).toBe(`the data of ${address} are not those of a RootContract`);
    await withState({ type: 'frozen', stateHash: 1n });
    expect((await show()).refusal).toBe(`the account ${address} is frozen`);
    await world.restore(before);
  });
});
