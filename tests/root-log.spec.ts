import { createHash } from 'node:crypto';
import { type Address, beginCell, type Cell, toNano } from '@ton/core';
import type { BlockchainSnapshot } from '@ton/sandbox';
import '@ton/test-utils';
import fc from 'fast-check';
import { OPCODE } from '../wrappers/opcodes';
import { ProxyContract } from '../wrappers/ProxyContract';
import { CHANGE_KIND, type ChangeKind, RootContract } from '../wrappers/RootContract';
import { packChange } from '../wrappers/root-change';
import { type LogEntry, nextLogHead, packLogEntry, parseLogEntry } from '../wrappers/root-log';
import { ALL_KINDS, changeOf, NEW_OWNER, otherChangeOf } from './changes';
import { ALL_PRICES, FEE, gasOf, known, type Sent, STAKE, TIMELOCK, World } from './world';

/** A policy's history as this file reckons it, from schema.tlb and SHA-256 alone. */
class History {
  size = 0n;
  head = Buffer.alloc(32);

  extend(entry: Buffer): void {
    this.head = createHash('sha256').update(this.head).update(entry).digest();
    this.size += 1n;
  }
}

/** Big-endian fields of so many bits. */
function bytes(...fields: readonly (readonly [value: bigint, bits: number])[]): Buffer {
  return Buffer.from(fields.map(([value, bits]) => value.toString(16).padStart(bits / 4, '0')).join(''), 'hex');
}

/** Bodies of the external messages that left the root. */
function published(sent: Pick<Sent, 'transactions'>): readonly Cell[] {
  return sent.transactions.flatMap(({ outMessages }) =>
    outMessages.values().flatMap(({ info, body }) => (info.type === 'external-out' ? [body] : [])),
  );
}

/** What a message of policy is expected to leave in the log. */
interface Act {
  readonly from: string;
  readonly body: Cell;
  /** The entry after op and time, from the schema. */
  readonly fields: Buffer;
  readonly parsed: (at: bigint) => LogEntry;
}

const HASH = 0xfedc_ba98n << 200n;
const NOTE = 2n ** 256n - 1n;

describe('the log of a RootContract', () => {
  let world: World;
  let inUse: BlockchainSnapshot;
  let root: Address;

  beforeAll(async () => {
    world = await World.inUse();
    inUse = world.snapshot();
    root = world.root.address;
  });

  beforeEach(async () => {
    await world.restore(inUse);
  });

  const send = (body: Cell, name = 'rootOwner', value = toNano('1')) => world.send({ from: world.party(name), to: root, body, value });
  const log = async () => {
    const { logSize, logHead } = RootContract.parseState(await world.data(root));
    return { size: logSize, head: logHead };
  };
  const changeHash = (kind: ChangeKind) => BigInt(`0x${packChange(changeOf(kind, world)).hash().toString('hex')}`);

  /** One of each message of policy, in an order in which all succeed. */
  const acts = (): readonly Act[] => {
    const activeFrom = BigInt(world.now + TIMELOCK);
    const added = (kind: bigint) => bytes([HASH, 256], [kind, 8], [NOTE, 256], [activeFrom, 64]);
    const removed = { fields: bytes([HASH, 256]), from: 'guardian' };
    const kind = 'guardian';
    const change = changeHash(kind);
    const readyAt = BigInt(world.now + 2 * TIMELOCK);
    return [
      {
        from: 'rootOwner',
        body: RootContract.addImageBody({ hash: HASH, roles: 3, note: NOTE }),
        fields: added(3n),
        parsed: (at) => ({ type: 'addImage', at, hash: HASH, roles: 3, activeFrom, note: NOTE }),
      },
      {
        from: 'rootOwner',
        body: RootContract.addModelBody({ hash: HASH, kind: 2, note: NOTE }),
        fields: added(2n),
        parsed: (at) => ({ type: 'addModel', at, hash: HASH, kind: 2, activeFrom, note: NOTE }),
      },
      { ...removed, body: RootContract.removeImageBody({ hash: HASH }), parsed: (at) => ({ type: 'removeImage', at, hash: HASH }) },
      { ...removed, body: RootContract.removeModelBody({ hash: HASH }), parsed: (at) => ({ type: 'removeModel', at, hash: HASH }) },
      {
        from: 'rootOwner',
        body: RootContract.scheduleBody({ change: changeOf(kind, world) }),
        fields: bytes([BigInt(CHANGE_KIND[kind]), 8], [readyAt, 64], [change, 256]),
        parsed: (at) => ({ type: 'schedule', at, kind, readyAt, change }),
      },
      {
        from: 'rootOwner',
        body: RootContract.cancelBody({ kind }),
        fields: bytes([BigInt(CHANGE_KIND[kind]), 8], [change, 256]),
        parsed: (at) => ({ type: 'cancel', at, kind, change }),
      },
    ];
  };

  test('is empty at first', async () => {
    const fresh = RootContract.parseState(known(RootContract.create(world.governance).init?.data ?? undefined));
    expect({ size: fresh.logSize, head: fresh.logHead }).toEqual({ size: 0n, head: 0n });
  });

  test('has one entry for each message of policy, in the bytes of the schema, under the tag of the message (INV-G7)', async () => {
    const history = new History();
    for (const i of acts().keys()) {
      const { from, body, fields, parsed } = known(acts()[i]);
      const [entry, ...more] = published(await send(body, from)).map((message) => message.beginParse());
      expect(more).toEqual([]);
      const index = known(entry).loadUintBig(64);
      expect(index).toBe(history.size);
      const expected = Buffer.concat([bytes([body.beginParse().loadUintBig(32), 32], [BigInt(world.now), 64]), fields]);
      expect(known(entry).remainingBits).toBe(8 * expected.length);
      expect(known(entry).loadBuffer(expected.length)).toEqual(expected);
      expect(packLogEntry(parsed(BigInt(world.now)))).toEqual(expected);
      history.extend(expected);
      expect(await log()).toEqual({ size: history.size, head: BigInt(`0x${history.head.toString('hex')}`) });
      world.wait(7);
    }
  });

  test.each(ALL_KINDS)('names a change of the %s by the hash of its cell when it is applied (INV-G7)', async (kind) => {
    const change = changeHash(kind);
    await send(RootContract.scheduleBody({ change: changeOf(kind, world) }));
    world.wait(2 * TIMELOCK);
    const before = await log();
    const [body] = published(await send(RootContract.applyBody({ kind }), kind === 'owner' ? NEW_OWNER : 'stranger'));
    const { index, entry } = parseLogEntry(known(body));
    expect({ index, entry }).toEqual({ index: before.size, entry: { type: 'apply', at: BigInt(world.now), kind, change } });
    expect(await log()).toEqual({ size: before.size + 1n, head: nextLogHead(before.head, entry) });
  });

  test('can be read from the root by its get-method', async () => {
    await send(RootContract.addImageBody({ hash: HASH, roles: 1, note: NOTE }));
    const { stack } = await world.chain.provider(root).get('get_log', []);
    expect({ size: stack.readBigNumber(), head: stack.readBigNumber() }).toEqual(await log());
  });

  test('has no entry for what is no policy: registration, departure, fees, payments in, bounces, refusals (INV-G7)', async () => {
    const before = await log();
    const proxyOwner = world.party('proxyOwner');
    const register = ProxyContract.registerBody({ stake: STAKE, forward: FEE + toNano('0.2') });
    const others = [
      await world.send({ from: proxyOwner, to: world.proxy.address, body: register, value: toNano('2') }),
      await world.send({ from: proxyOwner, to: world.proxy.address, body: ProxyContract.leaveBody() }),
      await send(RootContract.collectFeesBody()),
      await send(beginCell().endCell(), 'stranger'),
      await send(RootContract.addImageBody({ hash: HASH, roles: 4, note: NOTE })),
      await send(RootContract.addImageBody({ hash: HASH, roles: 1, note: NOTE }), 'stranger'),
      await send(RootContract.applyBody({ kind: 'code' }), 'stranger'),
    ];
    await world.bounceInto(root, RootContract.addImageBody({ hash: HASH, roles: 1, note: NOTE }), toNano('1'));
    expect(others.flatMap(published)).toEqual([]);
    expect(await log()).toEqual(before);
  });

  test.each(ALL_PRICES)('is paid for by the message, at %s prices, whatever it brings (INV-R4, INV-G7)', async (which) => {
    const priced = await World.inUse(which);
    const body = RootContract.addImageBody({ hash: HASH, roles: 1, note: NOTE });
    const before = priced.snapshot();
    for (const value of [toNano('0.3'), toNano('1'), toNano('100')]) {
      await priced.restore(before);
      const sent = await priced.send({ from: priced.party('rootOwner'), to: priced.root.address, body, value });
      expect(published(sent)).toHaveLength(1);
      expect(gasOf(sent)).toBeGreaterThan(0n);
      expect(sent.moved.Root ?? 0n).toBeGreaterThanOrEqual(0n);
    }
  });

  test('after any sequence of messages comes to what its entries come to, by two computations (INV-G7)', async () => {
    const hash = fc.bigInt({ min: 1n, max: 3n });
    const kind = fc.constantFrom<ChangeKind>('params', 'guardian', 'timelock');
    const from = fc.constantFrom('rootOwner', 'rootOwner', 'rootOwner', 'guardian', 'stranger');
    const body = fc.oneof(
      hash.map((each) => () => RootContract.addImageBody({ hash: each, roles: 1, note: each })),
      hash.map((each) => () => RootContract.addModelBody({ hash: each, kind: 1, note: each })),
      hash.map((each) => () => RootContract.removeImageBody({ hash: each })),
      hash.map((each) => () => RootContract.removeModelBody({ hash: each })),
      kind.map((each) => () => RootContract.scheduleBody({ change: changeOf(each, world) })),
      kind.map((each) => () => RootContract.scheduleBody({ change: otherChangeOf(each, world) })),
      kind.map((each) => () => RootContract.cancelBody({ kind: each })),
      kind.map((each) => () => RootContract.applyBody({ kind: each })),
    );
    const step = fc.record({ from, body, wait: fc.constantFrom(0, 0, 0, 1, TIMELOCK) });
    const types = new Set<string>();
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 30, maxLength: 30 }), async (steps) => {
        await world.restore(inUse);
        const history = new History();
        let head = 0n;
        for (const { from: name, body: make, wait } of steps) {
          const sent = await send(make(), name);
          const bodies = published(sent);
          // A message of policy that is not refused has its entry, and no other has one.
          expect(bodies).toHaveLength(/refused/.test(known(sent.trace[0])) ? 0 : 1);
          for (const message of bodies) {
            const { index, entry } = parseLogEntry(message);
            expect(index).toBe(history.size);
            const slice = message.beginParse().skip(64);
            history.extend(slice.loadBuffer(slice.remainingBits / 8));
            head = nextLogHead(head, entry);
            types.add(entry.type);
          }
          expect(await log()).toEqual({ size: history.size, head });
          expect(head).toBe(BigInt(`0x${history.head.toString('hex')}`));
          world.wait(wait);
        }
      }),
      { numRuns: 15, seed: 3, endOnFailure: true },
    );
    expect([...types].sort()).toEqual(['addImage', 'addModel', 'apply', 'cancel', 'removeImage', 'removeModel', 'schedule']);
  });

  test('tells an addition from a removal and a replay from a new addition: no two histories share a head (INV-G7)', async () => {
    const heads = new Set<bigint>();
    const add = RootContract.addImageBody({ hash: HASH, roles: 1, note: NOTE });
    const remove = RootContract.removeImageBody({ hash: HASH });
    for (const body of [add, remove, add, remove, add]) {
      await send(body);
      heads.add((await log()).head);
    }
    expect(heads.size).toBe(5);
    expect(
      known(published(await send(remove))[0])
        .beginParse()
        .skip(64)
        .loadUint(32),
    ).toBe(OPCODE.root.guardianRootRemoveImage);
  });
});
