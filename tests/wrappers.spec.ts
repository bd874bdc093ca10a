import { createHash } from 'node:crypto';
import { inspect } from 'node:util';
import { Address, beginCell, Cell, Dictionary } from '@ton/core';
import { AnchorLog, leafHash, type MerkleStep, merklePath, merkleRoot, nodeHash, packProof, parseAnchor } from '../wrappers/anchors';
import { ClientContract, type SettledReceipt } from '../wrappers/ClientContract';
import { FORWARD_PRICES_2026, GAS_PRICES_2026, mainnetPrices } from '../wrappers/chain-config';
import { GAS, messagePrices, minimumValue } from '../wrappers/minimum-value';
import { OPCODE } from '../wrappers/opcodes';
import { ProxyContract } from '../wrappers/ProxyContract';
import { CHANGE_KIND, type Change, RootContract } from '../wrappers/RootContract';
import { packChange, parseChange } from '../wrappers/root-change';
import { type LogEntry, nextLogHead, packLogEntry, parseLogEntry } from '../wrappers/root-log';
import { packAuthorisation, packOpen, packOrder, packPrices, packReceipt, RECEIPT_STATUS, statementHash } from '../wrappers/statements';
import { WorkerContract } from '../wrappers/WorkerContract';

/** A value as text: addresses hold functions of their own, so that two equal ones never are `toEqual`. */
const shown = (value: unknown) => inspect(value, { depth: null, sorted: true });

const address = (fill: number) => new Address(0, Buffer.alloc(32, fill));
const FOREIGN = new Address(-1, Buffer.alloc(32, 1));

/** SHA-256 by another implementation than the wrappers'. */
const sha256 = (hex: string) => createHash('sha256').update(Buffer.from(hex, 'hex')).digest('hex');
const toHex = (hash: bigint) => hash.toString(16).padStart(64, '0');
const toInt = (hex: string) => BigInt(`0x${hex}`);

describe('the tree over a period of receipts', () => {
  const leaf = (hash: bigint) => sha256(`00${toHex(hash)}`);
  const node = (left: string, right: string) => sha256(`01${left}${right}`);

  test('has the root that its definition gives, an odd node carried up unchanged', () => {
    const [a, b, c, d, e] = [leaf(1n), leaf(2n), leaf(3n), leaf(4n), leaf(5n)];
    expect(merkleRoot([1n])).toBe(toInt(a));
    expect(merkleRoot([1n, 2n])).toBe(toInt(node(a, b)));
    expect(merkleRoot([1n, 2n, 3n])).toBe(toInt(node(node(a, b), c)));
    expect(merkleRoot([1n, 2n, 3n, 4n, 5n])).toBe(toInt(node(node(node(a, b), node(c, d)), e)));
  });

  test('leads from each of its receipts to its root, and from nothing else', () => {
    for (let size = 1; size <= 9; size++) {
      const receipts = Array.from({ length: size }, (_, i) => BigInt(i + 1));
      const root = merkleRoot(receipts);
      for (const [i, receipt] of receipts.entries()) {
        expect(climb(leafHash(receipt), merklePath(receipts, i))).toBe(root);
        expect(climb(leafHash(receipt + 100n), merklePath(receipts, i))).not.toBe(root);
      }
      expect(() => merklePath(receipts, size)).toThrow(new RangeError(`leaf ${size} of ${size}`));
      expect(() => merklePath(receipts, -1)).toThrow(new RangeError(`leaf -1 of ${size}`));
    }
  });

  test('is refused over no receipt at all', () => {
    expect(() => merkleRoot([])).toThrow(new RangeError('no receipt to anchor, at least 1 expected'));
  });

  function climb(from: bigint, steps: readonly MerkleStep[]): bigint {
    return steps.reduce((below, { left, sibling }) => {
      const [first, second] = left ? [sibling, below] : [below, sibling];
      return toInt(node(toHex(first), toHex(second)));
    }, from);
  }

  test('hangs below the peak of its anchor, whatever has been anchored since', () => {
    const periods = [[11n, 12n, 13n], [21n], [31n, 32n], [41n], [51n, 52n], [61n], [71n]];
    const log = new AnchorLog();
    for (const [anchored, period] of periods.entries()) {
      log.append(merkleRoot(period));
      for (const [i, receipts] of periods.slice(0, anchored + 1).entries()) {
        const { height, steps } = log.path(i);
        expect(climb(climb(leafHash(receipts[0] ?? 0n), merklePath(receipts, 0)), steps)).toBe(log.peaks().get(height));
      }
      expect(() => log.path(anchored + 1)).toThrow(new RangeError(`anchor ${anchored + 1} of ${anchored + 1}`));
    }
  });
});

describe('the mountain range of anchors', () => {
  test('has one peak for each binary digit of the count, over the roots in their order', () => {
    const log = new AnchorLog([1n, 2n, 3n, 4n, 5n, 6n, 7n]);
    const firstFour = nodeHash(nodeHash(1n, 2n), nodeHash(3n, 4n));
    expect([...log.peaks()]).toEqual([
      [0, 7n],
      [1, nodeHash(5n, 6n)],
      [2, firstFour],
    ]);
    log.append(8n);
    expect([...log.peaks()]).toEqual([[3, nodeHash(firstFour, nodeHash(nodeHash(5n, 6n), nodeHash(7n, 8n)))]]);
    expect([...new AnchorLog().peaks()]).toEqual([]);
  });
});

describe('a proof', () => {
  const steps = (count: number): MerkleStep[] => Array.from({ length: count }, (_, i) => ({ left: i % 2 === 1, sibling: BigInt(i) }));

  test('packs three steps a cell, and each cell says first whether more follow', () => {
    for (const count of [0, 1, 2, 3, 4, 6, 7]) {
      const read: MerkleStep[] = [];
      const sizes: number[] = [];
      for (let cell: Cell | null = packProof(steps(count)); cell !== null; ) {
        const slice = cell.beginParse();
        cell = slice.loadMaybeRef();
        sizes.push(slice.remainingBits / 257);
        while (slice.remainingBits > 0) read.push({ left: slice.loadBit(), sibling: slice.loadUintBig(256) });
      }
      expect(read).toEqual(steps(count));
      expect(sizes.slice(0, -1)).toEqual(sizes.slice(0, -1).map(() => 3));
    }
  });
});

describe('the log of a root', () => {
  const at = 1_790_000_000n;
  const ENTRIES: readonly [LogEntry, number][] = [
    [{ type: 'addImage', at, hash: 1n, roles: 3, activeFrom: at + 600n, note: 2n }, 85],
    [{ type: 'addModel', at, hash: 3n, kind: 1, activeFrom: at + 600n, note: 4n }, 85],
    [{ type: 'removeImage', at, hash: 5n }, 44],
    [{ type: 'removeModel', at, hash: 6n }, 44],
    [{ type: 'schedule', at, kind: 'guardian', readyAt: at + 1_200n, change: 7n }, 53],
    [{ type: 'cancel', at, kind: 'params', change: 8n }, 45],
    [{ type: 'apply', at, kind: 'code', change: 9n }, 45],
  ];

  test.each(ENTRIES)('reads back what an entry says: %j', (entry, size) => {
    const bytes = packLogEntry(entry);
    expect(bytes).toHaveLength(size);
    const body = beginCell().storeUint(41, 64).storeBuffer(bytes).endCell();
    expect(parseLogEntry(body)).toEqual({ index: 41n, entry });
    expect(() => parseLogEntry(beginCell().storeSlice(body.beginParse()).storeBit(true).endCell())).toThrow();
  });

  test('writes an addition and a schedule field by field', () => {
    const addition = packLogEntry({ type: 'addImage', at: 5n, hash: 1n, roles: 2, activeFrom: 6n, note: 3n });
    expect(addition.toString('hex')).toBe(`c0c001030000000000000005${toHex(1n)}02${toHex(3n)}0000000000000006`);
    const schedule = packLogEntry({ type: 'schedule', at: 5n, kind: 'timelock', readyAt: 7n, change: 9n });
    expect(schedule.toString('hex')).toBe(`c0c00108000000000000000503${'7'.padStart(16, '0')}${toHex(9n)}`);
  });

  test('does not take an entry with another tag, or of an unknown kind', () => {
    const entry = (tag: number, kind: number) =>
      beginCell().storeUint(0, 64).storeUint(tag, 32).storeUint(at, 64).storeUint(kind, 8).storeUint(0, 256).endCell();
    expect(() => parseLogEntry(entry(OPCODE.root.ownerRootCollectFees, 0))).toThrow(
      new RangeError('log entry with tag 0xc0c00107 is unknown'),
    );
    expect(() => parseLogEntry(entry(OPCODE.root.anyRootApply, 5))).toThrow(new RangeError('kind of change 5 is unknown'));
  });

  test('comes to one head: the hash of the head before and the entry', () => {
    const removal: LogEntry = { type: 'removeImage', at: 5n, hash: 1n };
    const first = sha256(`${toHex(0n)}c0c001050000000000000005${toHex(1n)}`);
    expect(nextLogHead(0n, removal)).toBe(toInt(first));
    expect(nextLogHead(toInt(first), removal)).toBe(toInt(sha256(`${first}c0c001050000000000000005${toHex(1n)}`)));
  });
});

const PARAMS = { minProxyStake: 1n, registrationFee: 2n, minProxyDelay: 3, maxImages: 4, maxModels: 5, maxProxies: 6 };
const CHANGES: readonly Change[] = [
  { kind: 'params', params: PARAMS },
  { kind: 'owner', owner: address(1) },
  { kind: 'guardian', guardian: address(2) },
  { kind: 'timelock', timelock: 600 },
  { kind: 'code', code: beginCell().storeUint(7, 8).endCell() },
];

describe('a change of policy', () => {
  test.each(CHANGES)('of $kind is read back from its cell', (change) => {
    const cell = packChange(change);
    expect(cell.beginParse().loadUint(8)).toBe(CHANGE_KIND[change.kind]);
    expect(shown(parseChange(cell))).toBe(shown(change));
    expect(() => parseChange(beginCell().storeSlice(cell.beginParse()).storeBit(true).endCell())).toThrow();
  });

  test('of an unknown kind, or to an address of another workchain, is refused', () => {
    expect(() => parseChange(beginCell().storeUint(5, 8).endCell())).toThrow(new RangeError('kind of change 5 is unknown'));
    expect(() => packChange({ kind: 'owner', owner: FOREIGN })).toThrow(new RangeError('address of workchain -1, expected 0'));
    expect(() => packChange({ kind: 'guardian', guardian: FOREIGN })).toThrow(new RangeError('address of workchain -1, expected 0'));
  });

  test('stands in the state of a root under its own kind', () => {
    const schedule = (key: number, change: Change) => {
      const entry = beginCell().storeUint(10, 64).storeUint(20, 64).storeRef(packChange(change)).endCell();
      const entries = Dictionary.empty(Dictionary.Keys.Uint(8), {
        serialize: (cell: Cell, builder) => builder.storeSlice(cell.beginParse()),
        parse: () => Cell.EMPTY,
      });
      return entries.set(key, entry);
    };
    const stateWith = (key: number, change: Change) => {
      const governance = { owner: address(1), guardian: address(2), networkId: -3, timelock: 600, params: PARAMS };
      const fresh = RootContract.create(governance).init?.data ?? Cell.EMPTY;
      const [registry, packed] = fresh.refs;
      if (registry === undefined || packed === undefined) throw new Error('a root without registry and governance');
      const fields = packed.beginParse();
      const unchanged = beginCell().storeBits(fields.loadBits(fields.remainingBits - 1));
      const changed = unchanged.storeDict(schedule(key, change)).endCell();
      return beginCell().storeBits(fresh.bits).storeRef(registry).storeRef(changed).endCell();
    };
    const change: Change = { kind: 'timelock', timelock: 60 };
    const { governance } = RootContract.parseState(stateWith(CHANGE_KIND.timelock, change));
    expect([...governance.changes]).toEqual([['timelock', { change, readyAt: 10n, lapsesAt: 20n }]]);
    expect(() => RootContract.parseState(stateWith(CHANGE_KIND.owner, change))).toThrow(
      new RangeError('change of kind 3 scheduled under 1'),
    );
  });
});

describe('a settlement', () => {
  const channel = ClientContract.create({ owner: address(1), proxy: address(2), operator: address(3), withdrawDelay: 60 }).address;
  const settled = (number: bigint): SettledReceipt => {
    const order = { channel, number, salt: number + 1n };
    const authorisation = {
      orderHash: statementHash(packOrder(order)),
      receiptKey: number + 2n,
      seal: number + 3n,
      maxAmount: number + 4n,
      validUntil: 1_790_000_000,
      prices: { uncachedPrompt: number + 5n, cachedPrompt: 6n, answer: 7n, reasoning: 8n },
    };
    const receipt = {
      authorisationHash: statementHash(packAuthorisation(authorisation)),
      sealedHash: number + 9n,
      details: number + 10n,
      usage: { uncachedPrompt: 11, cachedPrompt: 12, answer: 13, reasoning: 14 },
      status: RECEIPT_STATUS.capped,
      at: 1_790_000_001,
    };
    const [authorisationSignature, receiptSignature] = [new Uint8Array(64).fill(Number(number)), new Uint8Array(64).fill(200)];
    return { order, authorisation, authorisationSignature, receipt, receiptSignature, byOldKey: number % 2n === 0n };
  };

  test('carries what the contract needs to rebuild each signed statement, its own address and the links aside', () => {
    const receipts = [1n, 2n, 3n, 4n, 5n].map((i) => settled(i * 20n + (i % 2n)));
    const body = ClientContract.settleBody({ receipts, open: [7n, 9n], queryId: 5n }).beginParse();
    expect(body.loadUint(32)).toBe(OPCODE.client.operatorClientSettle);
    expect(body.loadUint(64)).toBe(5);
    expect(body.loadMaybeRef()?.hash()).toEqual(packOpen([7n, 9n])?.hash());

    let settlement = body;
    for (const [i, { order, authorisation, authorisationSignature, receipt, receiptSignature, byOldKey }] of receipts.entries()) {
      expect(settlement.loadBit()).toBe(byOldKey);
      expect(settlement.loadBuffer(64)).toEqual(Buffer.from(authorisationSignature));
      const rest = settlement.loadRef().beginParse();
      const next = settlement.loadMaybeRef();
      const orderCell = beginCell().storeUint(0x6f726472, 32).storeAddress(channel).storeSlice(settlement).endCell();
      expect(orderCell.hash()).toEqual(packOrder(order).hash());

      expect(rest.loadBuffer(64)).toEqual(Buffer.from(receiptSignature));
      const allowed = rest.loadRef().beginParse();
      const allowedBits = allowed.loadBits(256 + 256 + 64 + 32);
      const prices = allowed.loadRef();
      expect(prices.hash()).toEqual(packPrices(authorisation.prices).hash());
      const authorisationCell = beginCell().storeUint(0x61757468, 32).storeBuffer(orderCell.hash()).storeBits(allowedBits).storeRef(prices);
      expect(authorisationCell.endCell().hash()).toEqual(packAuthorisation(authorisation).hash());

      const receiptCell = beginCell().storeUint(0x72637074, 32).storeBuffer(authorisationCell.endCell().hash());
      expect(receiptCell.storeSlice(allowed).storeSlice(rest).endCell().hash()).toEqual(packReceipt(receipt).hash());
      expect(next === null).toBe(i === receipts.length - 1);
      if (next !== null) settlement = next.beginParse();
    }
  });

  test('shows no dictionary unless told to, names the new key unless told otherwise, and needs a receipt', () => {
    const { byOldKey: _, ...receipt } = settled(2n);
    const body = ClientContract.settleBody({ receipts: [receipt] })
      .beginParse()
      .skip(96);
    expect(body.loadMaybeRef()).toBeNull();
    expect(body.loadBit()).toBe(false);
    expect(() => ClientContract.settleBody({ receipts: [] })).toThrow(new RangeError('no receipt to settle, at least 1 expected'));
  });
});

describe('a fresh contract', () => {
  const terms = { owner: address(1), proxy: address(2), operator: address(3), withdrawDelay: 60 };
  const dataOf = (contract: { readonly init?: { readonly data?: Cell | null } }) => contract.init?.data ?? Cell.EMPTY;

  test('of each kind has zeros, nothing announced, and its terms', () => {
    const client = {
      charged: 0n,
      paid: 0n,
      settled: 0n,
      upTo: 0n,
      open: 0n,
      sessionKey: 0n,
      oldKey: null,
      withdrawal: null,
      terms,
    };
    expect(shown(ClientContract.parseState(dataOf(ClientContract.create(terms))))).toBe(shown(client));
    const workerTerms = { owner: address(1), payerKey: 9n, withdrawDelay: 60, proxy: address(2) };
    const worker = WorkerContract.parseState(dataOf(WorkerContract.create(workerTerms)));
    expect(shown(worker)).toBe(shown({ paid: 0n, tokens: 0n, withdrawal: null, terms: workerTerms }));
    const proxyTerms = { owner: address(1), root: address(2), withdrawDelay: 60, index: 4 };
    const proxy = {
      stake: 0n,
      withdrawal: null,
      isListed: false,
      payerKey: 0n,
      operator: null,
      anchors: 0n,
      peaks: new Map(),
      endpoint: null,
      terms: proxyTerms,
    };
    expect(shown(ProxyContract.parseState(dataOf(ProxyContract.create(proxyTerms))))).toBe(shown(proxy));
    const governance = { owner: address(1), guardian: address(2), networkId: -239, timelock: 600, params: PARAMS };
    const root = {
      images: new Map(),
      models: new Map(),
      proxies: new Map(),
      governance: { ...governance, changes: new Map() },
      logSize: 0n,
      logHead: 0n,
    };
    expect(shown(RootContract.parseState(dataOf(RootContract.create(governance))))).toBe(shown(root));
  });

  test('has no address outside the basechain in its terms', () => {
    expect(() => ClientContract.create({ ...terms, owner: FOREIGN })).toThrow(new RangeError('address of workchain -1, expected 0'));
  });
});

describe('a channel whose key was rotated', () => {
  test('says which key came before, and until when it counts', () => {
    const fresh = ClientContract.create({ owner: address(1), proxy: address(2), operator: address(3), withdrawDelay: 60 }).init?.data;
    const [terms] = fresh?.refs ?? [];
    if (fresh === undefined || fresh === null || terms === undefined) throw new Error('a channel without terms');
    const old = beginCell().storeUint(77, 256).storeUint(1_790_000_060, 64).endCell();
    const bits = fresh.beginParse().loadBits(fresh.bits.length - 1);
    const data = beginCell().storeBits(bits).storeRef(terms).storeMaybeRef(old).endCell();
    expect(ClientContract.parseState(data).oldKey).toEqual({ key: 77n, until: 1_790_000_060 });
  });
});

test('an anchor is read from what the proxy emits', () => {
  const body = beginCell().storeUint(3, 64).storeUint(8, 256).endCell();
  expect(parseAnchor(body)).toEqual({ index: 3n, root: 8n });
  expect(() => parseAnchor(beginCell().storeSlice(body.beginParse()).storeBit(true).endCell())).toThrow();
});

describe('the minimum value of a message', () => {
  const gasPrices = beginCell().storeUint(0xd1, 8).storeUint(100, 64).storeUint(1_000, 64).storeUint(0xde, 8).storeUint(0x18000, 64);
  const config = (gas: Cell | null, forward: Cell | null) => {
    const parameters = Dictionary.empty(Dictionary.Keys.Int(32), Dictionary.Values.Cell());
    parameters.set(0, Cell.EMPTY);
    if (gas !== null) parameters.set(21, gas);
    if (forward !== null) parameters.set(25, forward);
    return beginCell().storeDictDirect(parameters).endCell();
  };
  const forwardPrices = beginCell().storeUint(0xea, 8).storeUint(7, 64).endCell();

  test('is the price of its gas, rounded up, and of two plain messages', () => {
    const prices = messagePrices(config(gasPrices.endCell(), forwardPrices));
    expect(prices).toEqual({ gasPrice: 0x18000n, flatGasLimit: 100n, flatGasPrice: 1_000n, lumpPrice: 7n });
    expect(minimumValue(100n, prices)).toBe(1_014n);
    expect(minimumValue(101n, prices)).toBe(1_016n);
    expect(minimumValue(102n, prices)).toBe(1_017n);
  });

  test('follows the prices of the chain', () => {
    const storage = beginCell().storeUint(0xcc, 8).storeUint(0, 32).storeUint(0, 64).storeUint(0, 64).storeUint(0, 64).storeUint(0, 64);
    const entry = Dictionary.empty(Dictionary.Keys.Uint(32), Dictionary.Values.BitString(296)).set(0, storage.endCell().bits);
    const base = Dictionary.empty(Dictionary.Keys.Int(32), Dictionary.Values.Cell());
    base.set(18, beginCell().storeDictDirect(entry).endCell());
    const { flatGasLimit, flatGasPrice, gasPrice } = GAS_PRICES_2026;
    const prices = messagePrices(mainnetPrices(beginCell().storeDictDirect(base).endCell()));
    expect(prices).toEqual({ flatGasLimit, flatGasPrice, gasPrice, lumpPrice: FORWARD_PRICES_2026.lumpPrice });
    expect(minimumValue(GAS.clientCharge, prices)).toBeLessThan(ClientContract.VALUE.charge / 2n);
  });

  test('is not computed from a configuration without these prices, or with another form of them', () => {
    expect(() => messagePrices(config(null, forwardPrices))).toThrow(new RangeError('the configuration has no parameter 21'));
    expect(() => messagePrices(config(gasPrices.endCell(), null))).toThrow(new RangeError('the configuration has no parameter 25'));
    expect(() => messagePrices(config(forwardPrices, forwardPrices))).toThrow(new RangeError('tag 0xea in parameter 21, expected 0xd1'));
    expect(() => messagePrices(config(gasPrices.endCell(), gasPrices.endCell()))).toThrow(
      new RangeError('tag 0xd1 in parameter 25, expected 0xea'),
    );
  });
});
