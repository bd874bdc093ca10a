import { nodeCrypto } from '../../runtime/node-crypto';
import { encodeClaims } from '../claims';
import { formatReport } from '../format-report';
import { makeSimulatedGpu, writeAppraisal } from '../platform/development-gpu';
import { makeScene, NOW, WORKER_CLAIMS } from '../platform/forgery.test-kit';
import { failedChecks, GPU_CHECKS } from '../report';
import { verifyEvidence } from '../verify-evidence';
import { documentOf, evidenceOf, maker, nonceOf, policyOf, validity } from './gpu.test-kit';
import { encodeGpuDocument, type GpuDocument, gpuDocumentHash } from './gpu-document';

describe('evidence of a worker with a GPU', () => {
  async function sceneWithGpu(document: Partial<GpuDocument> = {}) {
    const encoded = encodeGpuDocument(await documentOf(document));
    const claims = encodeClaims({ ...WORKER_CLAIMS, gpu: await gpuDocumentHash(encoded, nodeCrypto) });
    const { input } = await makeScene(claims);
    const asked: string[] = [];
    const gpuEvidence = () => {
      asked.push('gpu');
      return encoded;
    };
    return { asked, input: { ...input, policy: { ...input.policy, gpu: await policyOf() }, gpuEvidence } };
  }

  test('is accepted', async () => {
    const { input } = await sceneWithGpu();
    const { accepted, report } = await verifyEvidence(input);
    expect(failedChecks(report)).toEqual([]);
    expect(accepted).toBe(true);
    const shown = formatReport(report);
    for (const name of GPU_CHECKS) expect(shown).toMatch(new RegExp(`^  pass  ${name} `, 'm'));
    expect(shown).toMatch(/^ {2}pass {2}gpu-manifests +every measurement is in the reference manifests, says NVIDIA's tool/m);
  });

  test('holds for no longer than the certificates of its GPU', async () => {
    const expiresAt = async (document: Partial<GpuDocument> = {}) => {
      const { input } = await sceneWithGpu(document);
      const verdict = await verifyEvidence({ ...input, policy: { ...input.policy, maxBlockAgeSec: 2000 } });
      return verdict.accepted ? verdict.expiresAtSec : null;
    };
    expect(await expiresAt()).toBe(NOW + 1000);
    const gpu = makeSimulatedGpu(maker, validity, { device: { notAfterSec: NOW + 60 } });
    const nonce = await nonceOf();
    const gpus = [evidenceOf(gpu, nonce)];
    expect(await expiresAt({ gpus, appraisal: writeAppraisal({ by: 'nvattest', nonce }, [gpu]) })).toBe(NOW + 60);
  });

  test('is refused by whoever has not listed its GPU, and when its GPU evidence is left out', async () => {
    const { input } = await sceneWithGpu();
    const unlisted = await verifyEvidence({ ...input, policy: { ...input.policy, gpu: await policyOf({ drivers: ['590.13'] }) } });
    expect(failedChecks(unlisted.report).map(({ name }) => name)).toEqual(['gpu-driver']);
    const { gpuEvidence: _, ...without } = input;
    expect(failedChecks((await verifyEvidence(without)).report)[0]).toMatchObject({ name: 'gpu-evidence' });
  });

  test('does not have its GPU evidence fetched when it is refused anyway', async () => {
    const { input, asked } = await sceneWithGpu();
    const { report } = await verifyEvidence({ ...input, allowlist: { ...input.allowlist, model: () => null } });
    expect(asked).toEqual([]);
    expect(failedChecks(report).map(({ name }) => name)).toEqual(['model-listed', 'model-active', ...GPU_CHECKS]);
  });

  test('without a GPU is refused where the policy requires one', async () => {
    const { input } = await makeScene();
    const { report } = await verifyEvidence({ ...input, policy: { ...input.policy, gpu: await policyOf() } });
    expect(failedChecks(report)[0]).toMatchObject({ name: 'gpu-evidence', reason: expect.stringContaining('the policy requires a GPU') });
  });
});
