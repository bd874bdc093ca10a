import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type RequestListener, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { fromUtf8, toHex, utf8 } from '../../core/bytes';
import { gpu, nonceOf, questionOf, recorded, recordedAppraisal, refusalsOf, service } from '../gpu/gpu.test-kit';
import { decodeGpuDocument } from '../gpu/gpu-document';
import { toPem } from '../pem';
import { plainReport, writeAppraisal, writeGpuReport } from './development-gpu';
import { fixture } from './forgery.test-kit';
import { type CollectedGpu, collectedGpuSchema, toDocument } from './gpu-attester';
import { collectEvidence, NvattestAttester, type NvattestOptions } from './nvattest';
import { RemoteGpuAttester } from './remote-gpu-attester';

const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64');
const recordedEvidence = z.array(collectedGpuSchema).parse(JSON.parse(fromUtf8(fixture('hopper.evidence.json'))));
const nonce = recorded().nonce;

/** What NVIDIA's verifier would say of the recorded GPU: the recorded appraisal is another one's. */
const appraisalOfRecorded = () =>
  writeAppraisal({ by: 'nvattest', nonce }, [{ chain: [{ der: recorded().chain[0] ?? new Uint8Array(0) }] }]);

/** The simulated GPU's evidence, in the form of NVIDIA's tools. */
function collectedOf(asked: Uint8Array): CollectedGpu {
  const report = writeGpuReport(plainReport(asked, gpu), gpu.chain[0].key);
  const pem = gpu.chain.map(({ der }) => toPem(der)).join('');
  return { arch: 'HOPPER', nonce: toHex(asked), evidence: base64(report), certificate: base64(utf8(pem)) };
}

const folder = mkdtempSync(join(tmpdir(), 'cocoon-gpu-'));
const calls = join(folder, 'calls.json');
const options: NvattestOptions = {
  command: join(folder, 'nvattest'),
  rimFolder: null,
  rimUrl: null,
  ocspUrl: null,
  timeoutMs: 30_000,
  tempFolder: folder,
};
afterAll(() => rmSync(folder, { recursive: true }));
beforeEach(() => rmSync(calls, { force: true }));

/** Puts a program in the place of NVIDIA's tool, which answers each subcommand with `answers` and writes down how it was called. */
function installTool(answers: Readonly<Record<string, unknown>>, exitCode = 0): void {
  const lines = [
    `#!${process.execPath}`,
    "const fs = require('node:fs');",
    `const answers = ${JSON.stringify(answers)};`,
    'const args = process.argv.slice(2);',
    "const file = args.includes('--gpu-evidence-file') ? fs.readFileSync(args[args.indexOf('--gpu-evidence-file') + 1], 'utf8') : null;",
    `fs.appendFileSync(${JSON.stringify(calls)}, JSON.stringify({ args, env: Object.keys(process.env), file }) + '\\n');`,
    'process.stdout.write(JSON.stringify(answers[args[0]]));',
    `process.exitCode = ${exitCode};`,
  ];
  writeFileSync(options.command, lines.join('\n'), { mode: 0o700 });
}

function installScript(...lines: readonly string[]): void {
  writeFileSync(options.command, [`#!${process.execPath}`, ...lines].join('\n'), { mode: 0o700 });
}

const ok = { result_code: 0, result_message: 'Ok' };
const collectedAnswer = { ...ok, evidences: recordedEvidence };
const attestedAnswer = (token: string) => ({ ...ok, claims: [], detached_eat: JSON.parse(token) });

const callSchema = z.object({ args: z.array(z.string()), env: z.array(z.string()), file: z.string().nullable() });

function callsMade(): readonly z.output<typeof callSchema>[] {
  return readFileSync(calls, 'utf8')
    .trim()
    .split('\n')
    .map((line) => callSchema.parse(JSON.parse(line)));
}

describe("NVIDIA's tool in the guest", () => {
  test('gives a document of the evidence that it collected and what it found of that very evidence', async () => {
    const appraisal = appraisalOfRecorded();
    installTool({ 'collect-evidence': collectedAnswer, attest: attestedAnswer(appraisal?.token ?? '') });
    const document = decodeGpuDocument(await new NvattestAttester(options).attest(nonce));
    const { report, chain } = recorded();
    expect(document).toEqual({ gpus: [{ report, chain }], appraisal });
    const [collect, attest] = callsMade();
    const output = ['--format', 'json', '--log-level', 'off'];
    expect(collect?.args).toEqual(['collect-evidence', '--device', 'gpu', '--nonce', toHex(nonce), ...output]);
    expect(attest?.args.slice(0, 9)).toEqual([
      ...['attest', '--device', 'gpu', '--nonce', toHex(nonce), '--verifier', 'local', '--gpu-evidence-source', 'file'],
    ]);
    expect(attest?.args.slice(11)).toEqual(['--rim-store', 'remote', ...output]);
    expect(JSON.parse(attest?.file ?? '')).toEqual(
      recordedEvidence.map(({ arch, nonce: asked, evidence, certificate }) => ({ arch, nonce: asked, evidence, certificate })),
    );
    // No variable of ours changes what it does, and nothing is left of the file.
    expect([...(collect?.env ?? []), ...(attest?.env ?? [])].filter((name) => name !== '__CF_USER_TEXT_ENCODING')).toEqual([]);
    expect(readdirSync(folder).filter((name) => name.startsWith('gpu-'))).toEqual([]);
  });

  test('takes manifests from a folder, and asks the services that the config names', async () => {
    installTool({ 'collect-evidence': collectedAnswer, attest: attestedAnswer(appraisalOfRecorded()?.token ?? '') });
    const named = { ...options, rimFolder: '/opt/rims', rimUrl: 'http://127.0.0.1:1', ocspUrl: 'http://127.0.0.1:2' };
    await new NvattestAttester(named).attest(nonce);
    expect(callsMade()[1]?.args.slice(11, -4)).toEqual([
      ...['--rim-store', 'dir', '--rim-dir', '/opt/rims', '--rim-url', 'http://127.0.0.1:1', '--ocsp-url', 'http://127.0.0.1:2'],
    ]);
  });

  test('makes evidence that a verifier accepts', async () => {
    const asked = await nonceOf();
    const appraisal = writeAppraisal({ by: 'nvattest', nonce: asked }, [gpu]);
    installTool({ 'collect-evidence': { ...ok, evidences: [collectedOf(asked)] }, attest: attestedAnswer(appraisal?.token ?? '') });
    const document = await new NvattestAttester(options).attest(asked);
    expect(await refusalsOf(await questionOf(document))).toEqual([]);
  });

  test.each<[string, unknown, number, string, RegExp]>([
    [
      'a driver that is not there',
      { result_code: 801, result_message: 'NVML init failed', evidences: null },
      1,
      'gpu_refused',
      /NVML init failed \(result 801/,
    ],
    ['another exit code than its result', collectedAnswer, 3, 'gpu_refused', /Ok \(result 0, exit code 3\)/],
    ['words that would run in a terminal', { result_code: 1, result_message: '\u001b[2Jx', evidences: null }, 1, 'gpu_refused', /\?\[2Jx/],
    ['no evidence', { ...ok, evidences: null }, 0, 'gpu_tool_failed', /gave no evidence/],
    ['evidence of no GPU', { ...ok, evidences: [] }, 0, 'gpu_tool_failed', /printed nothing that is known/],
    [
      'evidence that is not base64',
      { ...ok, evidences: [{ ...recordedEvidence[0], evidence: '!' }] },
      0,
      'gpu_tool_failed',
      /nothing that is known/,
    ],
    ['an answer of another form', ['text'], 0, 'gpu_tool_failed', /exit code 0 and printed nothing that is known/],
  ])('that has %s is an error with its words', async (_, answer, exitCode, code, message) => {
    installTool({ 'collect-evidence': answer }, exitCode);
    const failed = collectEvidence(options, nonce);
    await expect(failed).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
  });

  test('that refuses the GPU is an error, and no document', async () => {
    const refusal = { result_code: 4, result_message: 'Overall result is false', claims: [], detached_eat: {} };
    installTool({ 'collect-evidence': collectedAnswer, attest: refusal });
    await expect(new NvattestAttester(options).attest(nonce)).rejects.toMatchObject({
      code: 'gpu_refused',
      message: expect.stringContaining('attest: Overall result is false (result 4'),
    });
    expect(readdirSync(folder).filter((name) => name.startsWith('gpu-'))).toEqual([]);
  });

  test('that is not there is an error that says what to do', async () => {
    const missing = collectEvidence({ ...options, command: join(folder, 'nothing') }, nonce);
    await expect(missing).rejects.toMatchObject({ code: 'gpu_tool_missing', message: expect.stringMatching(/is not there: install/) });
    writeFileSync(join(folder, 'data'), 'text', { mode: 0o600 });
    await expect(collectEvidence({ ...options, command: join(folder, 'data') }, nonce)).rejects.toMatchObject({
      code: 'gpu_tool_missing',
      message: expect.stringMatching(/cannot be run \(EACCES\)/),
    });
  });

  test('that does not end is ended', async () => {
    installScript('setInterval(() => {}, 1000);');
    await expect(collectEvidence({ ...options, timeoutMs: 300 }, nonce)).rejects.toMatchObject({ code: 'gpu_tool_timeout' });
  });

  test('that prints without end is ended', async () => {
    installScript("const line = 'x'.repeat(65536); const more = () => process.stdout.write(line, more); more();");
    await expect(collectEvidence(options, nonce)).rejects.toMatchObject({
      code: 'gpu_tool_failed',
      message: expect.stringMatching(/more than 1048576 bytes/),
    });
  });
});

describe('evidence that no verifier would take', () => {
  const [evidence] = recordedEvidence;
  const changed = (changes: Partial<CollectedGpu>): CollectedGpu[] => (evidence === undefined ? [] : [{ ...evidence, ...changes }]);

  test.each<[string, CollectedGpu[], Uint8Array, RegExp]>([
    ['of another nonce', changed({}), new Uint8Array(32), /answered to nonce e97b23a1718095a0/],
    ['of a report that is none', changed({ evidence: 'AAAA' }), nonce, /cannot be used: gpu report/],
    ['of a chain that is none', changed({ certificate: 'AAAA' }), nonce, /malformed at gpus\.0\.chain/],
    ['of no GPU', [], nonce, /malformed at gpus/],
  ])('%s is an error where it is made', (_, collected, asked, message) => {
    expect(() => toDocument(collected, asked, null)).toThrow(expect.objectContaining({ code: 'gpu_malformed' }));
    expect(() => toDocument(collected, asked, null)).toThrow(message);
  });
});

describe("NVIDIA's service", () => {
  let server: Server;
  let url = '';
  let listener: RequestListener = () => undefined;
  beforeAll(async () => {
    server = createServer((request, response) => listener(request, response));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    url = typeof address === 'object' && address !== null ? `http://127.0.0.1:${address.port}` : '';
  });
  afterAll(() => {
    server.closeAllConnections();
    server.close();
  });
  const attester = (collected: readonly CollectedGpu[], timeoutMs = 30_000) =>
    new RemoteGpuAttester({ url: `${url}/`, timeoutMs, fetch, collect: async () => collected });

  test('is sent the evidence, and its answer is kept as it came', async () => {
    const received: unknown[] = [];
    listener = (request, response) => {
      const parts: Buffer[] = [];
      request.on('data', (part) => parts.push(part));
      request.on('end', () => {
        received.push(request.method, request.url, request.headers['content-type'], JSON.parse(Buffer.concat(parts).toString()));
        response.end(`${recordedAppraisal()}\n`);
      });
    };
    const document = decodeGpuDocument(await attester(recordedEvidence).attest(nonce));
    expect(document.appraisal).toEqual({ by: 'remote', token: recordedAppraisal() });
    const list = recordedEvidence.map(({ evidence, certificate }) => ({ evidence, certificate }));
    const body = { nonce: toHex(nonce), arch: 'HOPPER', claims_version: '3.0', evidence_list: list };
    expect(received).toEqual(['POST', '/v4/attest/gpu', 'application/json', body]);
  });

  test('makes evidence that a verifier accepts who knows its key', async () => {
    const asked = await nonceOf();
    const appraisal = writeAppraisal({ by: 'remote', nonce: asked, signer: service }, [gpu]);
    listener = (_, response) => response.end(appraisal?.token);
    const document = await attester([collectedOf(asked)]).attest(asked);
    expect(await refusalsOf(await questionOf(document))).toEqual([]);
  });

  test.each<[string, RequestListener, RegExp]>([
    ['refuses', (_, response) => response.writeHead(403).end('no'), /answered with status 403/],
    ['sends elsewhere', (_, response) => response.writeHead(302, { location: '/' }).end(), /cannot be reached/],
    ['hangs up', (request) => request.destroy(), /cannot be reached/],
    ['answers too much', (_, response) => response.end('x'.repeat(32 * 1024 + 1)), /more than 32768 characters/],
  ])('that %s is an error', async (_, answer, message) => {
    listener = answer;
    await expect(attester(recordedEvidence).attest(nonce)).rejects.toMatchObject({
      code: 'gpu_service',
      message: expect.stringMatching(message),
    });
  });

  test('that does not answer is given up', async () => {
    listener = () => undefined;
    const attested = attester(recordedEvidence, 200).attest(nonce);
    await expect(attested).rejects.toMatchObject({ code: 'gpu_service', message: expect.stringMatching(/did not answer within 200 ms/) });
  });

  test('is not asked about GPUs of two architectures', async () => {
    listener = (_, response) => response.end(recordedAppraisal());
    const [first, ...rest] = recordedEvidence;
    const mixed = first === undefined ? [] : [first, { ...first, arch: 'BLACKWELL' }, ...rest];
    await expect(attester(mixed).attest(nonce)).rejects.toMatchObject({
      code: 'gpu_service',
      message: expect.stringMatching(/one architecture/),
    });
  });
});
