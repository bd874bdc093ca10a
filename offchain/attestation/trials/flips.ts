/**
 * Trials of attestation: many inputs, few words. Flipped bits, mutated bytes and other verifiers' verdicts, small in `npm test` and
 * without an end in `npm run test:attestation`. Tests only: nothing that runs imports this room.
 */
import type { CryptoProvider } from '../../core/crypto';
import { nodeCrypto } from '../../runtime/node-crypto';
import { verifyCollateral } from '../collateral';
import { encodeBundle } from '../evidence';
import {
  intelRoot,
  makePki,
  makeScene,
  NOW,
  REAL_NOW,
  realCollateral,
  realQuote,
  rememberingCrypto,
  tdReport,
  withBundle,
} from '../platform/forgery.test-kit';
import { writeQuote } from '../platform/quote-writer';
import { verifyQuote } from '../quote-chain';
import { type Check, type CheckName, COLLATERAL_CHECKS, failedChecks, QUOTE_CHECKS } from '../report';
import { loadTrustRoot } from '../trust-root';
import { verifyEvidence } from '../verify-evidence';
import { collateralParts } from './collateral-parts';

/** Something of which no bit may change unnoticed. */
export interface FlipTarget {
  readonly name: string;
  readonly bytes: Uint8Array;
  /** The checks of which one must refuse a changed copy. */
  readonly refusers: readonly CheckName[];
  /** The names of the checks that refuse these bytes. */
  judge(bytes: Uint8Array): Promise<readonly CheckName[]>;
}

/** A bit, as its byte and its place in it, and why it may change: it provably carries no meaning. */
export interface MeaninglessBit {
  readonly target: string;
  readonly at: number;
  readonly bit: number;
  readonly reason: string;
}

/**
 * The bits that carry no meaning. There are none: structures have exact sizes, DER, PEM and JSON have one form each, reserved fields
 * are covered by a signature, and so is every other byte. A signature (r, s) has a second form, (r, n - s), which is many bits away
 * from the first and changes nothing but the digest of what carries it.
 */
export const MEANINGLESS_BITS: readonly MeaninglessBit[] = [];

/** One bit per byte, another in each of eight neighbours, or all of them. */
export type FlipDepth = 'one bit a byte' | 'all bits';

/** What passed although a bit was changed, or was refused by none of the checks that should. Empty where all is well. */
export async function flipTarget(target: FlipTarget, depth: FlipDepth, onByte: (at: number) => void = () => undefined) {
  const missed: { readonly target: string; readonly at: number; readonly bit: number }[] = [];
  const bytes = Uint8Array.from(target.bytes);
  for (const [at, byte] of target.bytes.entries()) {
    for (const bit of depth === 'all bits' ? ALL_BITS : [at % 8]) {
      bytes[at] = byte ^ (1 << bit);
      const refused = await target.judge(Uint8Array.from(bytes));
      if (!refused.some((name) => target.refusers.includes(name))) missed.push({ target: target.name, at, bit });
    }
    bytes[at] = byte;
    onByte(at);
  }
  return missed;
}

const ALL_BITS = [0, 1, 2, 3, 4, 5, 6, 7] as const;

/** Everything that is verified: quotes of both versions, real collateral, claims, and a bundle as it travels. */
export async function flipTargets(): Promise<readonly FlipTarget[]> {
  const crypto = rememberingCrypto();
  return [...(await quoteTargets(crypto)), ...(await collateralTargets(crypto)), ...(await evidenceTargets(crypto))];
}

async function quoteTargets(crypto: CryptoProvider): Promise<readonly FlipTarget[]> {
  const pki = makePki();
  const [intel, development] = [await intelRoot(), await loadTrustRoot({ kind: 'development', der: pki.root.der }, nodeCrypto)];
  const td = { ...tdReport(new Uint8Array(64)), teeTcbSvn2: new Uint8Array(16), mrServiceTd: new Uint8Array(48) };
  const quotes = [
    { name: 'real quote of version 4', bytes: realQuote('fmspc-90c06f'), root: intel, nowSec: REAL_NOW['fmspc-90c06f'] },
    { name: 'simulated quote of version 5', bytes: writeQuote(td, pki.platform), root: development, nowSec: NOW },
  ] as const;
  return quotes.map(({ name, bytes, root, nowSec }) => ({
    name,
    bytes,
    refusers: QUOTE_CHECKS,
    judge: async (changed) => failedOf((await verifyQuote(changed, [root], nowSec, crypto)).checks),
  }));
}

async function collateralTargets(crypto: CryptoProvider): Promise<readonly FlipTarget[]> {
  const root = await intelRoot();
  return Object.entries(collateralParts(realCollateral('fmspc-b0c06f'))).map(([name, [bytes, replace]]) => ({
    name: `real ${name}`,
    bytes,
    refusers: COLLATERAL_CHECKS,
    judge: async (changed) => {
      const { checks, proven } = await verifyCollateral(replace(changed), root, REAL_NOW['fmspc-b0c06f'], crypto);
      return proven === null ? failedOf(checks) : [];
    },
  }));
}

async function evidenceTargets(crypto: CryptoProvider): Promise<readonly FlipTarget[]> {
  const { input, quote, claims } = await makeScene();
  const judge = async (bundle: Uint8Array) => {
    // Whoever hands out a changed bundle names its digest, too.
    const verdict = await verifyEvidence({ ...(await withBundle(input, bundle)), crypto });
    return verdict.accepted ? [] : failedChecks(verdict.report).map((check) => check.name);
  };
  return [
    { name: 'claims', bytes: claims, refusers: ['report-data'], judge: (bytes) => judge(encodeBundle({ quote, claims: bytes })) },
    { name: 'bundle', bytes: input.bundle, refusers: ['bundle-structure', 'report-data', ...QUOTE_CHECKS], judge },
  ];
}

function failedOf(checks: readonly Check[]): readonly CheckName[] {
  return checks.filter((check) => check.result !== 'pass').map((check) => check.name);
}
