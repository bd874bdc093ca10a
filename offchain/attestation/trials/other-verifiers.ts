import { readFileSync } from 'node:fs';
import { compileFunction } from 'node:vm';
import { QuoteVerifier } from '@phala/dcap-qvl';
import { buildSync } from 'esbuild';
import { z } from 'zod';
import { toHex } from '../../core/bytes';
import type { Collateral } from '../collateral';
import { derOctets } from '../der-writer';
import { type Issued, issueCertificate, toExtension } from '../platform/development-certificates';
import { fixture, NOW } from '../platform/forgery.test-kit';

/** What is verified, by us and by others. */
export interface Subject {
  readonly quote: Uint8Array;
  readonly collateral: Collateral;
  /** Unix seconds. */
  readonly nowSec: number;
}

export type Verdict =
  | { readonly accepted: true; readonly status: string; readonly advisories: readonly string[] }
  | { readonly accepted: false; readonly reason: string };

/** @phala/dcap-qvl in JavaScript, or @phala/dcap-qvl-web, which is Rust compiled to WebAssembly. */
export type OtherName = 'javascript' | 'wasm';

export interface OtherVerifier {
  readonly name: OtherName;
  verify(subject: Subject): Verdict;
}

/** Both, under Intel's root: what they are made for. */
export function othersUnderIntel(): readonly OtherVerifier[] {
  return [javascriptUnder(fixture('intel-sgx-root-ca.der')), wasmUnder(null)];
}

/** Both, under a development root. */
export function othersUnder(root: Issued): readonly OtherVerifier[] {
  return [javascriptUnder(root.der), wasmUnder(root)];
}

/** The fields that both packages have in their result. */
const resultSchema = z.looseObject({ status: z.string(), advisory_ids: z.array(z.string()) });

function verdictOf(verify: () => unknown): Verdict {
  try {
    const { status, advisory_ids: advisories } = resultSchema.parse(verify());
    return { accepted: true, status, advisories };
  } catch (error) {
    return { accepted: false, reason: textOf(error) };
  }
}

/** The error with its causes: the packages put the telling one inside. */
function textOf(error: unknown): string {
  if (typeof error !== 'object' || error === null || !('message' in error)) return `${error}`;
  return 'cause' in error && error.cause !== undefined ? `${error.message}: ${textOf(error.cause)}` : `${error.message}`;
}

/** Collateral in the form that both packages take. */
function collateralOf({ rootCrl, pckCrl, pckCrlIssuerChain, tcbInfo, qeIdentity }: Collateral) {
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return {
    root_ca_crl: toHex(rootCrl),
    pck_crl: toHex(pckCrl),
    pck_crl_issuer_chain: text(pckCrlIssuerChain),
    tcb_info: text(tcbInfo.json),
    tcb_info_signature: toHex(tcbInfo.signature),
    tcb_info_issuer_chain: text(tcbInfo.issuerChain),
    qe_identity: text(qeIdentity.json),
    qe_identity_signature: toHex(qeIdentity.signature),
    qe_identity_issuer_chain: text(qeIdentity.issuerChain),
  };
}

function javascriptUnder(rootDer: Uint8Array): OtherVerifier {
  const verifier = QuoteVerifier.newWithRootCa(Buffer.from(rootDer));
  return {
    name: 'javascript',
    verify: ({ quote, collateral, nowSec }) => verdictOf(() => verifier.verify(quote, collateralOf(collateral), nowSec)),
  };
}

interface WasmModule {
  start(program: Uint8Array): unknown;
  verify(quote: Uint8Array, collateral: unknown, now: bigint): unknown;
}

/** The package is an ES module with an instance of its own: made a function here, which gives a fresh one each time. */
const makeWasmModule = ((): (() => WasmModule) => {
  const entryPoints = [require.resolve('@phala/dcap-qvl-web')];
  const [script] = buildSync({
    entryPoints,
    bundle: true,
    format: 'iife',
    globalName: 'qvl',
    write: false,
    logLevel: 'silent',
  }).outputFiles;
  // Its options must be an object of the world that it lives in.
  const make = compileFunction(
    `${script?.text ?? ''}; return { start: (module) => qvl.initSync({ module }), verify: (...subject) => qvl.js_verify(...subject) };`,
  );
  return () => make();
})();

function wasmUnder(root: Issued | null): OtherVerifier {
  const program = wasmProgram(root);
  const load = (): WasmModule => {
    const module = makeWasmModule();
    module.start(program);
    return module;
  };
  let module = load();
  return {
    name: 'wasm',
    verify: ({ quote, collateral, nowSec }) => {
      const verdict = verdictOf(() => module.verify(quote, collateralOf(collateral), BigInt(nowSec)));
      // A panic leaves the instance in any state.
      if (!verdict.accepted && verdict.reason === 'unreachable') module = load();
      return verdict;
    },
  };
}

/**
 * The package's program. It has Intel's root certificate in its data, of which it uses name and key only: for another root, a
 * certificate of the same name, key and size as needed is put there.
 */
function wasmProgram(root: Issued | null): Uint8Array {
  const program = readFileSync(require.resolve('@phala/dcap-qvl-web/dcap-qvl-web_bg.wasm'));
  const intel = Buffer.from(fixture('intel-sgx-root-ca.der'));
  const at = program.indexOf(intel);
  if (at < 0 || program.includes(intel, at + 1)) throw new RangeError("the program has not exactly one copy of Intel's root");
  if (root !== null) program.set(anchorOf(root, intel.length), at);
  return program;
}

/** A certificate of the root's name and key, padded to so many bytes. */
function anchorOf({ commonName, key }: Issued, size: number): Uint8Array {
  const issue = (padding: number): Uint8Array => {
    const extensions = [toExtension('1.2.3', false, derOctets(new Uint8Array(padding)))];
    return issueCertificate({ commonName, key, notBeforeSec: NOW, notAfterSec: NOW + 1, pathLength: 1, extensions }, null).der;
  };
  let padding = 0;
  // A signature has 70 to 72 bytes, whatever is signed: some attempt fits.
  for (let attempt = 0; attempt < 1000; attempt++) {
    const der = issue(padding);
    if (der.length === size) return der;
    padding = Math.max(0, padding + Math.sign(size - der.length));
  }
  throw new RangeError(`no certificate of ${commonName} has ${size} bytes`);
}
