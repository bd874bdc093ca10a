/**
 * How receipts are anchored in a ProxyContract: a Merkle tree of SHA-256 over the receipts of each period, and a Merkle mountain range
 * over the roots of all periods. The contract keeps only the range's peaks, so the operator keeps receipts and roots and computes
 * proofs here; whoever has a proof needs nobody but the contract.
 */
import { beginCell, type Cell } from '@ton/core';
import { sha256_sync } from '@ton/crypto';

/** One level of a path upwards. */
export interface MerkleStep {
  /** Whether the sibling stands on the left. */
  readonly left: boolean;
  readonly sibling: bigint;
}

/** The way from a period's root to the peak above it. */
export interface PeakPath {
  /** Key of the peak: its tree has 2^height periods. */
  readonly height: number;
  readonly steps: readonly MerkleStep[];
}

interface Tree {
  /** From the leaves up to the root, which is alone in its level. */
  readonly levels: readonly (readonly bigint[])[];
  readonly root: bigint;
}

const STEPS_PER_CELL = 3;

/** The leaf of a receipt: SHA-256(0x00, hash), so that no node can pass for a receipt. */
export function leafHash(receiptHash: bigint): bigint {
  return sha256(Buffer.concat([Buffer.of(0), bytesOf(receiptHash)]));
}

/** SHA-256(0x01, left, right). */
export function nodeHash(left: bigint, right: bigint): bigint {
  return sha256(Buffer.concat([Buffer.of(1), bytesOf(left), bytesOf(right)]));
}

/** The root over a period's receipts, in their order; an odd node is carried up unchanged. @throws RangeError when there is none */
export function merkleRoot(receiptHashes: readonly bigint[]): bigint {
  return treeOver(receiptHashes.map(leafHash)).root;
}

/** The path from the receipt at `index` to its period's root. @throws RangeError when there is no such receipt */
export function merklePath(receiptHashes: readonly bigint[], index: number): readonly MerkleStep[] {
  return pathIn(treeOver(receiptHashes.map(leafHash)), index);
}

/**
 * merkle_proof$_ of schema.tlb.
 *
 * @param steps the path within the period, then the path to the peak
 */
export function packProof(steps: readonly MerkleStep[]): Cell {
  const rest = steps.slice(STEPS_PER_CELL);
  const here = beginCell().storeMaybeRef(rest.length === 0 ? null : packProof(rest));
  for (const { left, sibling } of steps.slice(0, STEPS_PER_CELL)) here.storeBit(left).storeUint(sibling, 256);
  return here.endCell();
}

/** Reads what a ProxyContract emits with each anchor. @throws when the cell has another form */
export function parseAnchor(body: Cell): { readonly index: bigint; readonly root: bigint } {
  const slice = body.beginParse();
  const anchor = { index: slice.loadUintBig(64), root: slice.loadUintBig(256) };
  slice.endParse();
  return anchor;
}

/** The roots of all periods, in the order of their anchors, and the mountain range that a ProxyContract has made of them. */
export class AnchorLog {
  /** Trees over 2^height roots each, the highest first, no two of one height. */
  private readonly mountains: Tree[] = [];

  constructor(roots: readonly bigint[] = []) {
    for (const root of roots) this.append(root);
  }

  append(root: bigint): void {
    let mountain: Tree = { levels: [[root]], root };
    for (let last = this.mountains.at(-1); last !== undefined && heightOf(last) === heightOf(mountain); last = this.mountains.at(-1)) {
      this.mountains.pop();
      mountain = join(last, mountain);
    }
    this.mountains.push(mountain);
  }

  /** The contract's `peaks`, in rising order of height. */
  peaks(): ReadonlyMap<number, bigint> {
    return new Map(this.mountains.map((mountain): [number, bigint] => [heightOf(mountain), mountain.root]).reverse());
  }

  /** The path from the root anchored as number `index`, which grows with later anchors. @throws RangeError when there is none */
  path(index: number): PeakPath {
    let start = 0;
    for (const mountain of this.mountains) {
      const height = heightOf(mountain);
      if (index < start + 2 ** height) return { height, steps: pathIn(mountain, index - start) };
      start += 2 ** height;
    }
    throw new RangeError(`anchor ${index} of ${start}`);
  }
}

function heightOf(mountain: Tree): number {
  return mountain.levels.length - 1;
}

/** One tree over two of the same height. */
function join(left: Tree, right: Tree): Tree {
  const root = nodeHash(left.root, right.root);
  const levels = left.levels.map((level, height) => [...level, ...(right.levels[height] ?? [])]);
  return { levels: [...levels, [root]], root };
}

function treeOver(leaves: readonly bigint[]): Tree {
  const levels = [leaves];
  let level = leaves;
  while (level.length > 1) {
    level = parentsOf(level);
    levels.push(level);
  }
  const [root] = level;
  if (root === undefined) throw new RangeError('no receipt to anchor, at least 1 expected');
  return { levels, root };
}

function parentsOf(level: readonly bigint[]): readonly bigint[] {
  const parents: bigint[] = [];
  for (const [i, left] of level.entries()) {
    const right = level[i + 1];
    if (i % 2 === 0) parents.push(right === undefined ? left : nodeHash(left, right));
  }
  return parents;
}

function pathIn({ levels }: Tree, index: number): readonly MerkleStep[] {
  const size = levels[0]?.length ?? 0;
  if (!Number.isInteger(index) || index < 0 || index >= size) throw new RangeError(`leaf ${index} of ${size}`);
  return levels.flatMap((level, height) => {
    const at = Math.floor(index / 2 ** height);
    const left = at % 2 === 1;
    const sibling = level[left ? at - 1 : at + 1];
    return sibling === undefined ? [] : [{ left, sibling }];
  });
}

function sha256(bytes: Buffer): bigint {
  return BigInt(`0x${sha256_sync(bytes).toString('hex')}`);
}

function bytesOf(hash: bigint): Buffer {
  return Buffer.from(hash.toString(16).padStart(64, '0'), 'hex');
}
