import { createServer, type Server } from 'node:http';
import { join } from 'node:path';
import { build } from 'esbuild';
import { type Browser, chromium } from 'playwright-core';
import { z } from 'zod';
import { nodeCrypto } from '../../../runtime/node-crypto';
import { COLLATERAL_CHECKS, EVIDENCE_CHECKS, PLATFORM_CHECKS, QUOTE_CHECKS } from '../../report';
import { answer, type Vector } from './vector';
import { makeVectors } from './vectors';

// The verifier in a page: Chromium, WebCrypto, and the code as a bundler packs it. `npm run test:browser`; not part of `npm test`.

/** Debian's. */
const CHROMIUM = '/usr/bin/chromium';
const FLAGS = [
  '--no-sandbox', // There is none for root, as whom containers run this.
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];
const SEED = 4;
/** Vectors that the page fetches at once. */
const BATCH = 100;

const verdictSchema = z.looseObject({
  accepted: z.boolean(),
  report: z.object({ checks: z.array(z.object({ name: z.string(), result: z.enum(['pass', 'fail', 'not-applicable']) })) }),
});

let vectors: readonly Vector[] = [];
/** What each of them gets, in the order of the vectors. */
const answers = { node: [] as string[], chromium: [] as string[] };
let server: Server;
let browser: Browser;

beforeAll(async () => {
  vectors = await makeVectors(SEED);
  const { outputFiles } = await build({
    entryPoints: [join(__dirname, 'page.ts')],
    bundle: true,
    format: 'iife',
    // Anything of Node in the verifier would not build.
    platform: 'browser',
    target: 'es2022',
    write: false,
  });
  const script = outputFiles[0]?.text ?? '';
  server = createServer((request, response) => {
    const batch = /^\/vectors\/(\d+)$/.exec(request.url ?? '')?.[1];
    if (batch !== undefined) {
      const from = Number(batch) * BATCH;
      response.setHeader('content-type', 'application/json').end(JSON.stringify(vectors.slice(from, from + BATCH)));
    } else if (request.url === '/page.js') response.setHeader('content-type', 'text/javascript').end(script);
    else response.setHeader('content-type', 'text/html').end('<!doctype html><title>attestation</title><script src="/page.js"></script>');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new RangeError('the server has no port');
  // Each launch has an empty profile of its own.
  browser = await chromium.launch({ executablePath: CHROMIUM, headless: true, args: FLAGS });
  const page = await browser.newPage();
  await page.goto(`http://127.0.0.1:${address.port}/`);
  for (const vector of vectors) answers.node.push(await answer(vector, nodeCrypto));
  for (let batch = 0; batch * BATCH < vectors.length; batch++) {
    answers.chromium.push(...z.array(z.string()).parse(await page.evaluate(`answerVectors('/vectors/${batch}')`)));
  }
});

afterAll(async () => {
  await browser?.close();
  await new Promise<void>((resolve) => server.close(() => resolve()));
});

test('Chromium gives the verdicts and reports that Node gives, byte for byte', () => {
  const { node, chromium: page } = answers;
  expect(page.length).toBe(vectors.length);
  const different = vectors.flatMap(({ name }, i) => (node[i] === page[i] ? [] : [{ name, node: node[i], chromium: page[i] }]));
  expect(different).toEqual([]);
});

test('real platforms are judged in Chromium as at the dates of their collateral', () => {
  const at = (name: string) => vectors.findIndex((vector) => vector.name === name);
  const failed = (name: string) =>
    verdictSchema
      .parse(JSON.parse(answers.chromium[at(name)] ?? ''))
      .report.checks.filter((check) => check.result !== 'pass' && OF_PLATFORM.some((known) => known === check.name))
      .map((check) => check.name);
  expect(failed('real fmspc-90c06f')).toEqual([]);
  expect(failed('real fmspc-b0c06f')).toEqual([]);
  expect(failed('real fmspc-90c06f-outofdate')).toEqual(['tcb-level', 'advisories']);
  expect(failed('real v5')[0]).toBe('td-attributes');
});

test('GPUs are judged in Chromium: those that two verifiers passed, one that nobody did, and a real one by what its report shows', () => {
  const of = (name: string) => {
    const at = vectors.findIndex((vector) => vector.name === name);
    const { accepted, report } = verdictSchema.parse(JSON.parse(answers.chromium[at] ?? ''));
    return { accepted, failed: report.checks.filter(({ result }) => result === 'fail').map((check) => check.name) };
  };
  const beyondTheReport = ['gpu-appraisal', 'gpu-manifests', 'gpu-debug', 'gpu-revocation'];
  expect(of('GPU, by the tool')).toEqual({ accepted: true, failed: [] });
  expect(of('GPU, by the service')).toEqual({ accepted: true, failed: [] });
  expect(of('GPU, by nobody')).toEqual({ accepted: false, failed: beyondTheReport });
  expect(of('GPU of other keys').failed[0]).toBe('gpu-nonce');
  expect(of('GPU that nobody made').failed[0]).toBe('gpu-root');
  expect(of('real GPU').failed).toEqual(['gpu-nonce', 'gpu-mode', ...beyondTheReport]);
  for (let i = 0; i < 10; i++) expect(of(`GPU report with a bit changed, ${i}`).accepted).toBe(false);
});

const OF_PLATFORM = [...QUOTE_CHECKS, ...COLLATERAL_CHECKS, ...PLATFORM_CHECKS];

test('some vector is accepted, and every check that looks at something refuses another', () => {
  const verdicts = answers.chromium.map((text) => verdictSchema.parse(JSON.parse(text)));
  expect(verdicts.filter(({ accepted }) => accepted).length).toBeGreaterThan(0);
  const failed = new Set(verdicts.flatMap(({ report }) => report.checks.filter(({ result }) => result === 'fail').map(({ name }) => name)));
  expect(EVIDENCE_CHECKS.filter((name) => !failed.has(name))).toEqual([]);
});
