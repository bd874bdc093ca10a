import { createHash } from 'node:crypto';
import { type Address, beginCell, type Cell, Dictionary, toNano } from '@ton/core';
import { type BlockchainSnapshot, createShardAccount } from '@ton/sandbox';
import '@ton/test-utils';
import { AnchorLog, leafHash, type MerkleStep, merklePath, merkleRoot, nodeHash, packProof, parseAnchor } from '../wrappers/anchors';
import { codeOf } from '../wrappers/contract-code';
import { ProxyContract } from '../wrappers/ProxyContract';
import { expectRefused, withoutLastBit, withTrailingBit, withTrailingReference } from './refusal';
import { constantsOf } from './sources';
import { gasOf, known, type Sent, World } from './world';

/** Periods that are anchored one after another: more than 2^7, so that ranges of every shape up to there occur. */
const PERIODS = 130;

const GAS = constantsOf('gas.tact');
const PEAKS = Dictionary.Keys.Uint(6);

/** SHA-256 of a prefix and hashes, reckoned here and not by the wrappers. */
function sha256(prefix: number, ...hashes: readonly bigint[]): bigint {
  const hash = createHash('sha256').update(Buffer.of(prefix));
  for (const each of hashes) hash.update(Buffer.from(each.toString(16).padStart(64, '0'), 'hex'));
  return BigInt(`0x${hash.digest('hex')}`);
}

function receiptOf(name: string): bigint {
  return BigInt(`0x${createHash('sha256').update(name).digest('hex')}`);
}

/** The receipts of a period: one, two or three, so that an odd node occurs. */
function receiptsOf(period: number): readonly bigint[] {
  return Array.from({ length: 1 + (period % 3) }, (_, i) => receiptOf(`receipt ${i} of period ${period}`));
}

/** The peaks over these roots by definition: for each bit of their number, from the highest, a perfect tree over the next roots. */
function peaksOver(roots: readonly bigint[]): ReadonlyMap<number, bigint> {
  const perfect = (leaves: readonly bigint[]): bigint => {
    if (leaves.length === 1) return known(leaves[0]);
    const half = leaves.length / 2;
    return sha256(1, perfect(leaves.slice(0, half)), perfect(leaves.slice(half)));
  };
  const peaks: [number, bigint][] = [];
  let start = 0;
  for (let height = 20; height >= 0; height--) {
    if ((roots.length & (1 << height)) === 0) continue;
    peaks.unshift([height, perfect(roots.slice(start, start + (1 << height)))]);
    start += 1 << height;
  }
  return new Map(peaks);
}

function replaced(steps: readonly MerkleStep[], i: number, step: MerkleStep): readonly MerkleStep[] {
  return [...steps.slice(0, i), step, ...steps.slice(i + 1)];
}

function external(sent: Sent): readonly Cell[] {
  return sent.transactions.flatMap(({ outMessages }) =>
    outMessages.values().flatMap(({ info, body }) => (info.type === 'external-out' ? [body] : [])),
  );
}

describe('the anchors of a ProxyContract', () => {
  let world: World;
  let inUse: BlockchainSnapshot;
  let proxy: Address;

  beforeAll(async () => {
    world = await World.inUse();
    inUse = world.snapshot();
    proxy = world.proxy.address;
  });

  beforeEach(async () => {
    await world.restore(inUse);
  });

  const body = (root: bigint) => ProxyContract.anchorBody({ root });
  const anchor = (root: bigint, name = 'operator') => world.send({ from: world.party(name), to: proxy, body: body(root) });
  const state = async () => ProxyContract.parseState(await world.data(proxy));
  const isAnchored = (receipt: bigint, height: number, steps: readonly MerkleStep[]) =>
    world.proxy.getIsAnchored({ receipt, height, proof: packProof(steps) });

  /** Anchors so many periods; returns what their operator keeps. */
  const periods = async (count: number) => {
    const kept = new AnchorLog();
    for (let period = 0; period < count; period++) {
      const root = merkleRoot(receiptsOf(period));
      kept.append(root);
      await anchor(root);
    }
    return kept;
  };
  /** The whole way from a receipt to its peak. */
  const proofOf = (kept: AnchorLog, period: number, i: number) => {
    const { height, steps } = kept.path(period);
    return { receipt: known(receiptsOf(period)[i]), height, steps: [...merklePath(receiptsOf(period), i), ...steps] };
  };

  test('are made by the operator at the price of gas alone, and each is told to the world (INV-A1)', async () => {
    const before = await state();
    const root = receiptOf('a root');
    for (const index of [0n, 1n, 2n]) {
      const sent = await anchor(root + index);
      expect(sent.trace).toEqual(['operator > Proxy: operatorProxyAnchor', 'Proxy > operator: payment']);
      expect(sent.moved).toEqual({ operator: -sent.fees });
      const bodies = external(sent);
      expect(bodies.map(parseAnchor)).toEqual([{ index, root: root + index }]);
      expect(known(bodies[0])).toEqualCell(
        beginCell()
          .storeUint(index, 64)
          .storeUint(root + index, 256)
          .endCell(),
      );
    }
    const after = await state();
    expect(after).toMatchObject({ anchors: 3n, peaks: peaksOver([root, root + 1n, root + 2n]) });
    expect({ ...after, anchors: 0n, peaks: 0, terms: 0, operator: 0 }).toEqual({ ...before, peaks: 0, terms: 0, operator: 0 });
  });

  test.each(['proxyOwner', 'stranger', 'client', 'workerOwner'])('are not made by the %s (INV-A1)', async (name) => {
    await expectRefused(world, { from: world.party(name), to: proxy, body: body(1n) }, 'notAllowed');
  });

  test('are not made by anybody while no operator is set, nor by an operator that was replaced', async () => {
    const payerKey = (await state()).payerKey;
    const endpoint = { url: 'https://a', keyPin: null };
    await world.proxy.sendConfigure(world.party('proxyOwner').getSender(), {
      operator: world.party('stranger').address,
      payerKey,
      endpoint,
    });
    await expectRefused(world, { from: world.party('operator'), to: proxy, body: body(1n) }, 'notAllowed');
    await anchor(1n, 'stranger');
    const fresh = await World.create();
    await fresh.proxy.sendTopUp(fresh.party('proxyOwner').getSender(), { value: toNano('1') });
    await expectRefused(fresh, { from: fresh.party('operator'), to: proxy, body: body(1n) }, 'notAllowed');
  });

  test.each<[string, Cell]>([
    ['a trailing bit', withTrailingBit(ProxyContract.anchorBody({ root: 1n }))],
    ['a trailing reference', withTrailingReference(ProxyContract.anchorBody({ root: 1n }))],
    ['a missing bit', withoutLastBit(ProxyContract.anchorBody({ root: 1n }))],
  ])('with %s are refused (INV-R8)', async (_what, cell) => {
    await expectRefused(world, { from: world.party('operator'), to: proxy, body: cell }, 'malformed');
  });

  test(`make the mountain range that its definition says, for 0 to ${PERIODS} periods, by contract and wrappers (INV-A1)`, async () => {
    const roots: bigint[] = [];
    const kept = new AnchorLog();
    for (let count = 0; count <= PERIODS; count++) {
      const expected = peaksOver(roots);
      expect(await state()).toMatchObject({ anchors: BigInt(count), peaks: expected });
      expect(kept.peaks()).toEqual(expected);
      const root = merkleRoot(receiptsOf(count));
      roots.push(root);
      kept.append(root);
      await anchor(root);
    }
  });

  test('prove every receipt of every period, the first as well as the last, after all later ones (INV-A1)', async () => {
    const count = 39;
    const kept = await periods(count);
    for (let period = 0; period < count; period++) {
      for (const i of receiptsOf(period).keys()) {
        const { receipt, height, steps } = proofOf(kept, period, i);
        expect(await isAnchored(receipt, height, steps)).toBe(true);
      }
    }
  });

  test('prove a receipt again after each later anchor, by the same path made longer (INV-A1)', async () => {
    const roots = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9].map((period) => merkleRoot(receiptsOf(period)));
    const kept = new AnchorLog();
    let last: readonly MerkleStep[] = [];
    for (const root of roots) {
      kept.append(root);
      await anchor(root);
      const { receipt, height, steps } = proofOf(kept, 0, 0);
      expect(steps.slice(0, last.length)).toEqual(last);
      expect(await isAnchored(receipt, height, steps)).toBe(true);
      last = steps;
    }
    expect(last).toHaveLength(3);
  });

  describe('with eleven periods (peaks of height 3, 1 and 0)', () => {
    let kept: AnchorLog;
    let anchored: BlockchainSnapshot;

    beforeAll(async () => {
      await world.restore(inUse);
      kept = await periods(11);
      anchored = world.snapshot();
    });

    beforeEach(async () => {
      await world.restore(anchored);
    });

    test('prove nothing at another height, or at one that no tree can have (INV-A1)', async () => {
      const { receipt, height, steps } = proofOf(kept, 5, 2);
      expect(height).toBe(3);
      for (const other of [0, 1, 2, 4, 63, 64, -1, 2 ** 31]) expect(await isAnchored(receipt, other, steps)).toBe(false);
    });

    test('prove nothing with a sibling on the wrong side, a wrong sibling, or two steps in the wrong order (INV-A1)', async () => {
      const { receipt, height, steps } = proofOf(kept, 5, 2);
      for (const i of steps.keys()) {
        const { left, sibling } = known(steps[i]);
        expect(await isAnchored(receipt, height, replaced(steps, i, { left: !left, sibling }))).toBe(false);
        expect(await isAnchored(receipt, height, replaced(steps, i, { left, sibling: sibling ^ 1n }))).toBe(false);
        const next = steps[i + 1];
        if (next !== undefined) {
          const swapped = replaced(replaced(steps, i, next), i + 1, known(steps[i]));
          expect(await isAnchored(receipt, height, swapped)).toBe(false);
        }
      }
    });

    test('prove nothing with a path cut short or made longer at either end (INV-A1)', async () => {
      const { receipt, height, steps } = proofOf(kept, 5, 2);
      for (let length = 0; length < steps.length; length++) {
        expect(await isAnchored(receipt, height, steps.slice(0, length))).toBe(false);
        expect(await isAnchored(receipt, height, steps.slice(steps.length - length))).toBe(false);
      }
      const more = { left: true, sibling: 0n };
      expect(await isAnchored(receipt, height, [...steps, more])).toBe(false);
      expect(await isAnchored(receipt, height, [more, ...steps])).toBe(false);
    });

    test('prove no node as if it were a receipt, nor a receipt as if it were a node (INV-A1)', async () => {
      const { height, steps } = kept.path(5);
      const periodRoot = merkleRoot(receiptsOf(5));
      // The rest of the way from a period's root, and from the node above it, is no proof of a receipt.
      expect(await isAnchored(periodRoot, height, steps)).toBe(false);
      const [step, ...above] = steps;
      const { left, sibling } = known(step);
      const parent = left ? nodeHash(sibling, periodRoot) : nodeHash(periodRoot, sibling);
      expect(await isAnchored(parent, height, above)).toBe(false);
      for (const [at, peak] of (await state()).peaks) expect(await isAnchored(peak, at, [])).toBe(false);
      // A leaf given for a receipt is hashed once more.
      const receipt = proofOf(kept, 5, 2);
      expect(await isAnchored(leafHash(receipt.receipt), height, receipt.steps)).toBe(false);
    });

    test('prove no receipt by the path of another, and none that was never anchored (INV-A1)', async () => {
      const { height, steps } = proofOf(kept, 5, 2);
      expect(await isAnchored(known(receiptsOf(5)[1]), height, steps)).toBe(false);
      expect(await isAnchored(known(receiptsOf(4)[1]), height, steps)).toBe(false);
      for (const receipt of [0n, receiptOf('never'), 2n ** 256n - 1n]) expect(await isAnchored(receipt, height, steps)).toBe(false);
    });

    test('answer a malformed proof by failing, never by yes (INV-R8)', async () => {
      const { receipt, height, steps } = proofOf(kept, 5, 2);
      const proof = packProof(steps);
      const ask = (cell: Cell) => world.proxy.getIsAnchored({ receipt, height, proof: cell });
      expect(await ask(proof)).toBe(true);
      const misshapen = [beginCell().endCell(), withTrailingBit(proof), withoutLastBit(proof)];
      for (const cell of misshapen) await expect(ask(cell)).rejects.toThrow(/exit_code: 9/);
    });

    test('stay when the operator, the payer key and the endpoint change, when the proxy leaves and when it is emptied (INV-A1)', async () => {
      const everything = 2n ** 64n - 1n;
      const owner = world.party('proxyOwner').getSender();
      const endpoint = { url: 'https://elsewhere', keyPin: null };
      await world.proxy.sendConfigure(owner, { operator: world.party('stranger').address, payerKey: 7n, endpoint });
      await world.proxy.sendLeave(owner);
      await world.proxy.sendRequestWithdrawal(owner, { income: everything, stake: everything });
      world.wait(world.proxyTerms.withdrawDelay);
      await world.proxy.sendCompleteWithdrawal(owner);
      expect(await world.balance(proxy)).toBe(0n);
      const { receipt, height, steps } = proofOf(kept, 5, 2);
      expect(await isAnchored(receipt, height, steps)).toBe(true);
      await anchor(1n, 'stranger');
      kept.append(1n);
      expect((await state()).peaks).toEqual(kept.peaks());
    });
  });

  test('of ten thousand receipts take one message, and prove each of them (INV-A1)', async () => {
    const receipts = Array.from({ length: 10_000 }, (_, i) => receiptOf(`receipt ${i}`));
    const levels = [receipts.map((receipt) => sha256(0, receipt))];
    for (let level = known(levels[0]); level.length > 1; level = known(levels.at(-1))) {
      const parents = level.flatMap((left, i) => {
        const right = level[i + 1];
        if (i % 2 === 1) return [];
        return [right === undefined ? left : sha256(1, left, right)];
      });
      levels.push(parents);
    }
    const root = known(known(levels.at(-1))[0]);
    expect(merkleRoot(receipts)).toBe(root);
    const sent = await anchor(root);
    expect(sent.trace).toEqual(['operator > Proxy: operatorProxyAnchor', 'Proxy > operator: payment']);

    /** The path by these levels: of 14 steps, or fewer where an odd node is carried up. */
    const pathOf = (index: number) =>
      levels.flatMap((level, height): MerkleStep[] => {
        const at = index >> height;
        const sibling = level[at ^ 1];
        return sibling === undefined ? [] : [{ left: at % 2 === 1, sibling }];
      });
    for (const [i, receipt] of receipts.entries()) {
      let hash = sha256(0, receipt);
      for (const { left, sibling } of pathOf(i)) hash = left ? sha256(1, sibling, hash) : sha256(1, hash, sibling);
      expect(hash).toBe(root);
    }
    for (const i of [0, 1, 4_095, 4_096, 8_191, 8_192, 9_983, 9_984, 9_998, 9_999]) {
      expect(merklePath(receipts, i)).toEqual(pathOf(i));
      expect(await isAnchored(known(receipts[i]), 0, pathOf(i))).toBe(true);
      expect(await isAnchored(known(receipts[i]) + 1n, 0, pathOf(i))).toBe(false);
    }
  });

  describe('with every other height taken', () => {
    /** A range that has every peak up to height 62, but not the one at `free`. */
    const fill = async (free: number, anchors: bigint) => {
      const peaks = Dictionary.empty(PEAKS, Dictionary.Values.BigUint(256));
      for (let height = 0; height < 63; height++) if (height !== free) peaks.set(height, receiptOf(`peak ${height}`));
      const data = withAnchors(await world.data(proxy), anchors, peaks);
      const balance = await world.balance(proxy);
      await world.chain.setShardAccount(proxy, createShardAccount({ address: proxy, code: codeOf('ProxyContract'), data, balance }));
      return new Map([...peaks].sort(([a], [b]) => a - b));
    };

    test.each([0, 1, 2, 5, 8, 16, 32, 62])('take no more gas than they ask for with %i trees to merge (INV-R4)', async (height) => {
      await fill(height, 5n);
      const sent = await anchor(1n);
      expect(sent.trace).toEqual(['operator > Proxy: operatorProxyAnchor', 'Proxy > operator: payment']);
      const asked = known(GAS.get('GasProxyAnchor')) + height * known(GAS.get('GasProxyAnchorMerge'));
      expect(gasOf(sent)).toBeLessThanOrEqual(BigInt(asked));
    });

    test('go on after more of them than there will ever be, 2^63 - 1 (INV-A1)', async () => {
      const peaks = await fill(63, 2n ** 63n - 1n);
      const root = receiptOf('the last straw');
      const sent = await anchor(root);
      expect(sent.moved.Proxy).toBeUndefined();
      const top = [...peaks.values()].reduce((hash, peak) => sha256(1, peak, hash), root);
      expect(await state()).toMatchObject({ anchors: 2n ** 63n, peaks: new Map([[63, top]]) });
    });
  });
});

/** A ProxyContract's data with other anchors: proxy_state$_ of schema.tlb. */
function withAnchors(data: Cell, anchors: bigint, peaks: Dictionary<number, bigint>): Cell {
  const slice = data.beginParse();
  const head = slice.loadBits(4 * 64 + 1 + 256 + 267);
  slice.skip(64);
  slice.loadDict(PEAKS, Dictionary.Values.BigUint(256));
  return beginCell().storeBits(head).storeUint(anchors, 64).storeDict(peaks).storeSlice(slice).endCell();
}
