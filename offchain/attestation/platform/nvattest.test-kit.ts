import { writeFileSync } from 'node:fs';
import { toHex, utf8 } from '../../core/bytes';
import { parseCertificateOf } from '../certificate';
import { toPem } from '../pem';
import { P384_SHA384 } from '../x509';
import { plainReport, type SimulatedGpu, writeGpuReport } from './development-gpu';

/**
 * Puts a program in the place of NVIDIA's tool: it signs reports of this GPU for whatever nonce it is asked with, and finds nothing
 * wrong with them. What is NVIDIA's is simulated; how it is run, and what is done with its words, is not.
 */
export function installSimulatedTool(file: string, gpu: SimulatedGpu): void {
  const [leaf] = gpu.chain;
  const template = writeGpuReport(plainReport(new Uint8Array(32), gpu), leaf.key);
  const facts = {
    template: toHex(template),
    key: leaf.key.export({ format: 'pem', type: 'pkcs8' }),
    certificate: Buffer.from(utf8(gpu.chain.map(({ der }) => toPem(der)).join(''))).toString('base64'),
    ueid: BigInt(`0x${parseCertificateOf(P384_SHA384, leaf.der).serial}`).toString(),
  };
  writeFileSync(file, `#!${process.execPath}\nconst facts = ${JSON.stringify(facts)};\n${PROGRAM}`, { mode: 0o700 });
}

const PROGRAM = `
const { createHash, sign } = require('node:crypto');
const { readFileSync } = require('node:fs');
const args = process.argv.slice(2);
const after = (name) => args[args.indexOf(name) + 1];
const nonce = after('--nonce');
const print = (more) => process.stdout.write(JSON.stringify({ result_code: 0, result_message: 'Ok', ...more }));
if (args[0] === 'collect-evidence') {
  const report = Buffer.from(facts.template, 'hex');
  report.set(Buffer.from(nonce, 'hex'), 4);
  const signed = report.subarray(0, -96);
  const evidence = Buffer.concat([signed, sign('sha384', signed, { key: facts.key, dsaEncoding: 'ieee-p1363' })]).toString('base64');
  print({ evidences: [{ arch: 'HOPPER', nonce, evidence, certificate: facts.certificate }] });
} else {
  if (JSON.parse(readFileSync(after('--gpu-evidence-file'), 'utf8'))[0].nonce !== nonce) process.exit(9);
  const token = (claims) => [{ alg: 'none' }, claims].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.') + '.';
  const device = token({
    eat_nonce: nonce, ueid: facts.ueid, measres: 'success', dbgstat: 'disabled', secboot: true,
    'x-nvidia-gpu-driver-version': '590.12', 'x-nvidia-gpu-vbios-version': '96.00.A5.00.01',
    'x-nvidia-gpu-attestation-report-cert-chain': { 'x-nvidia-cert-status': 'valid', 'x-nvidia-cert-ocsp-status': 'good' },
  });
  const digest = createHash('sha256').update(device).digest('hex');
  const overall = token({ 'x-nvidia-overall-att-result': true, eat_nonce: nonce, submods: { 'GPU-0': ['DIGEST', ['SHA-256', digest]] } });
  print({ claims: [], detached_eat: [['JWT', overall], { 'GPU-0': device }] });
}
`;
