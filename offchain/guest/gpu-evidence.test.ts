import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gpu, policyOf } from '../attestation/gpu/gpu.test-kit';
import { decodeGpuDocument } from '../attestation/gpu/gpu-document';
import { installSimulatedTool } from '../attestation/platform/nvattest.test-kit';
import { failedChecks } from '../attestation/report';
import { parseConfig } from '../runtime/config';
import { GuestConfigSchema } from './config';
import { DEMO_MODEL_PATH } from './engine/demo-model';
import { GuestRig, OWNER } from './guest.test-kit';

jest.setTimeout(60_000);

describe('a guest whose config names a GPU attester', () => {
  const engine = { kind: 'embedded', modelPath: DEMO_MODEL_PATH } as const;
  let folder: string;
  let command: string;
  let rig: GuestRig | null = null;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'cocoon-gpu-'));
    command = join(folder, 'nvattest');
  });
  afterEach(async () => {
    await rig?.close();
    rig = null;
    rmSync(folder, { recursive: true });
  });

  it('shows GPU evidence that a verifier accepts, made anew for each key set', async () => {
    installSimulatedTool(command, gpu);
    rig = await GuestRig.start({ engine, gpu: { kind: 'nvattest', command } });
    const policy = await policyOf();
    const status = await rig.ready();
    const verdict = await rig.verdict(status, policy);
    expect(failedChecks(verdict.report)).toEqual([]);
    expect(verdict.accepted && verdict.claims.gpu).toMatch(/^[0-9a-f]{64}$/);

    await rig.tellBlock(23 * 3600 + 300);
    const replaced = await rig.until(({ keys }) => keys !== null && keys.evidence !== status.keys?.evidence);
    expect(failedChecks((await rig.verdict(replaced, policy)).report)).toEqual([]);
    const [first, second] = await Promise.all([status, replaced].map(({ keys }) => rig?.gpuEvidence(keys?.evidence ?? '')));
    expect(decodeGpuDocument(first ?? new Uint8Array(0)).gpus).toHaveLength(1);
    expect(second).not.toEqual(first);
  });

  it('has no keys, and says why, until the tool gives evidence', async () => {
    rig = await GuestRig.start({ engine, gpu: { kind: 'nvattest', command } });
    await rig.tellBlock();
    const failed = await rig.until(({ state }) => state === 'failed');
    expect(failed).toMatchObject({ keys: null, reason: expect.stringMatching(/no evidence: .*nvattest is not there: install/) });
    installSimulatedTool(command, gpu);
    await rig.tellBlock(1);
    expect((await rig.until(({ state }) => state === 'ready')).keys).not.toBeNull();
  });

  it("has no keys when NVIDIA's tool refuses the GPU", async () => {
    const answer = { result_code: 4, result_message: 'Overall result is false', evidences: null };
    writeFileSync(command, `#!${process.execPath}\nprocess.stdout.write(${JSON.stringify(JSON.stringify(answer))});`, { mode: 0o700 });
    rig = await GuestRig.start({ engine, gpu: { kind: 'nvattest', command } });
    await rig.tellBlock();
    expect(await rig.until(({ state }) => state === 'failed')).toMatchObject({
      keys: null,
      reason: expect.stringContaining('Overall result is false'),
    });
  });

  it('without a GPU names none, and has no document', async () => {
    rig = await GuestRig.start({ engine });
    const status = await rig.ready();
    const verdict = await rig.verdict(status);
    expect(verdict.accepted && verdict.claims.gpu).toBeNull();
    await expect(rig.gpuEvidence(status.keys?.evidence ?? '')).rejects.toThrow('GPU evidence answered 404');
  });

  it('takes the service at an https address only, since nothing else would authenticate it', () => {
    const parse = (gpuConfig: object) =>
      parseConfig(
        GuestConfigSchema,
        { stateFolder: folder, network: 'n', socket: 's', owner: OWNER, platform: { kind: 'tdx' }, engine, gpu: gpuConfig },
        'test',
      ).gpu;
    expect(parse({ kind: 'remote' })).toMatchObject({ url: 'https://nras.attestation.nvidia.com', command: '/usr/bin/nvattest' });
    expect(() => parse({ kind: 'remote', url: 'http://127.0.0.1:1' })).toThrow(/url/);
    expect(() => parse({ kind: 'amd' })).toThrow(/gpu/);
  });
});
