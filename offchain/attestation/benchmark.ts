/**
 * How many quotes one core verifies: `npm run bench:attestation`. A SIMULATED platform's quote and collateral, which have every
 * form and size of the real ones, on node:crypto. Rates are by processor time, so that other work on the machine does not count.
 */
import { generateKeyPairSync } from 'node:crypto';
import { parseArgs } from 'node:util';
import { utf8 } from '../core/bytes';
import { messageOf } from '../core/errors';
import { nodeCrypto } from '../runtime/node-crypto';
import { appraisePlatform } from './appraise-platform';
import type { CollateralSource } from './collateral';
import { toPem } from './pem';
import { issueCertificate, issueRevocationList } from './platform/development-certificates';
import { issueCollateral } from './platform/development-collateral';
import { writeSgxExtension } from './platform/platform-certificate';
import { SIMULATED_TD, writeQuote } from './platform/quote-writer';
import { DEFAULT_LIMITS } from './policy';
import { verifyQuote } from './quote-chain';
import { loadTrustRoot } from './trust-root';
import { VerifierMemory } from './verifier-memory';

const NOW = 1_790_000_000;
const YEAR = 365 * 86_400;
/** As many as Intel revokes of one kind of platform. */
const REVOKED = 100;

/** Enough for the compiler to have settled. */
const WARM_UP = 2_000;
const WARM_RUNS = 10_000;
const COLD_RUNS = 2_000;

interface Subject {
  verify(memory: VerifierMemory): Promise<void>;
}

async function makeSubject(): Promise<Subject> {
  const validity = { notBeforeSec: NOW - YEAR, notAfterSec: NOW + YEAR };
  const root = issueCertificate({ ...validity, commonName: 'SIMULATED SGX Root CA', pathLength: 1 }, null);
  const pckCa = issueCertificate({ ...validity, commonName: 'SIMULATED SGX PCK Platform CA', pathLength: 0 }, root);
  const tcbSigning = issueCertificate({ ...validity, commonName: 'SIMULATED SGX TCB Signing', pathLength: null }, root);
  const extensions = [writeSgxExtension()];
  const pck = issueCertificate({ ...validity, commonName: 'SIMULATED SGX PCK Certificate', pathLength: null, extensions }, pckCa);
  const rootCrl = issueRevocationList(root, { thisUpdateSec: NOW - YEAR, nextUpdateSec: NOW + YEAR, revoked: [] });
  const zeros = new Uint8Array(48);
  const quote = writeQuote(
    { ...SIMULATED_TD, mrTd: zeros, rtmr: [zeros, zeros, zeros, zeros], reportData: new Uint8Array(64) },
    {
      pckKey: pck.key,
      pckChain: utf8([pck, pckCa, root].map((certificate) => toPem(certificate.der)).join('')),
      attestationKey: generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey,
    },
  );
  const revoked = Array.from({ length: REVOKED }, (_, i) => `4${i.toString(16).padStart(39, '0')}`);
  const collateral = issueCollateral({ rootDer: root.der, rootCrl, pckCa, tcbSigning }, { nowSec: NOW - 3600, revoked });
  const source: CollateralSource = { collateralFor: () => collateral, drop: () => undefined };
  const trustRoots = [await loadTrustRoot({ kind: 'development', der: root.der }, nodeCrypto)];
  return {
    verify: async (memory) => {
      const quoted = await verifyQuote(quote, trustRoots, NOW, nodeCrypto, memory);
      const parts = { collateral: source, memory, policy: DEFAULT_LIMITS, nowSec: NOW, crypto: nodeCrypto };
      if (!(await appraisePlatform(quoted, parts)).holds) throw new RangeError('the benchmark measures a refusal');
    },
  };
}

/** Runs per second of processor time. */
async function rateOf(runs: number, run: () => Promise<void>): Promise<number> {
  const start = process.cpuUsage();
  for (let i = 0; i < runs; i++) await run();
  const { user, system } = process.cpuUsage(start);
  return (runs * 1_000_000) / (user + system);
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { help: { type: 'boolean' } } });
  if (values.help === true) {
    process.stdout.write(
      'npm run bench:attestation\n\nVerifies thousands of SIMULATED quotes on one core and prints how many a second; takes no options.\n',
    );
    return;
  }
  const { verify } = await makeSubject();
  const kept = new VerifierMemory();
  const warm = () => verify(kept);
  const cold = () => verify(new VerifierMemory());
  await rateOf(WARM_UP, warm);
  await rateOf(WARM_UP / 10, cold);
  const lines = [
    `warm (collateral and chain proven before): ${Math.round(await rateOf(WARM_RUNS, warm))} a second`,
    `cold (nothing proven before):              ${Math.round(await rateOf(COLD_RUNS, cold))} a second`,
  ];
  process.stdout.write(`SIMULATED quotes on one core\n${lines.join('\n')}\n`);
}

main().catch((error: unknown) => {
  process.stderr.write(`${messageOf(error)}\n`);
  process.exitCode = 1;
});
