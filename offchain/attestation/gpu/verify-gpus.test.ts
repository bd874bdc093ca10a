import { toHex } from '../../core/bytes';
import { webCrypto } from '../../core/web-crypto';
import { writeAppraisal } from '../platform/development-gpu';
import { GPU_CHECKS } from '../report';
import {
  documentOf,
  evidenceOf,
  gpu,
  namesOf,
  nonceOf,
  nvidiaRoot,
  policyOf,
  questionOf,
  recorded,
  refusalsOf,
  secondGpu,
  service,
} from './gpu.test-kit';
import { verifyGpus } from './verify-gpus';

const BEYOND_THE_REPORT = ['gpu-appraisal', 'gpu-manifests', 'gpu-debug', 'gpu-revocation'];

describe('GPU evidence', () => {
  test('of a simulated GPU with an appraisal passes every check, in Node and with WebCrypto', async () => {
    const question = await questionOf(await documentOf());
    const { checks } = await verifyGpus(question);
    expect(checks.map(({ name, result }) => [name, result])).toEqual(GPU_CHECKS.map((name) => [name, 'pass']));
    expect(checks.find(({ name }) => name === 'gpu-manifests')?.reason).toBe(
      "every measurement is in the reference manifests, says NVIDIA's tool, in the guest",
    );
    expect((await verifyGpus({ ...question, crypto: webCrypto(globalThis.crypto) })).checks).toEqual(checks);
  });

  test('of several GPUs, appraised by the service, passes every check', async () => {
    const nonce = await nonceOf();
    const gpus = [evidenceOf(gpu, nonce), evidenceOf(secondGpu, nonce)];
    const appraisal = writeAppraisal({ by: 'remote', nonce, signer: service }, [secondGpu, gpu]);
    expect(await refusalsOf(await questionOf({ gpus, appraisal }))).toEqual([]);
  });

  test("of a real GPU passes what a report can show, under NVIDIA's root and with its versions listed", async () => {
    const { nonce, ...evidence } = recorded();
    const lists = { modes: ['protected-pcie'], drivers: ['590.12'], vbios: ['96.00.A5.00.01'] } as const;
    const policy = await policyOf({ roots: [await nvidiaRoot()], ...lists });
    const question = await questionOf({ gpus: [evidence], appraisal: null }, { policy });
    const refused = await refusalsOf(question);
    // It was asked with a nonce of somebody else's, and nobody compared it with manifests.
    expect(namesOf(refused)).toEqual(['gpu-nonce', ...BEYOND_THE_REPORT]);
    expect(refused[0]?.actual).toBe(toHex(nonce));
    expect(refused.slice(1).every(({ reason }) => reason.startsWith('not shown by this evidence'))).toBe(true);
  });

  test('that the claims do not name is not asked for, and is missed only where the policy requires it', async () => {
    const question = await questionOf(await documentOf());
    const evidence = () => {
      throw new Error('asked');
    };
    const claims = { ...question.claims, gpu: null };
    expect(namesOf(await refusalsOf({ ...question, claims, evidence }))).toEqual(['gpu-evidence']);
    const policy = await policyOf({ required: false });
    const { checks } = await verifyGpus({ ...question, claims, evidence, policy });
    expect(checks.map(({ name, required, result }) => [name, required, result])).toEqual(
      GPU_CHECKS.map((name) => [name, false, 'not-applicable']),
    );
    expect(await refusalsOf({ ...question, claims: { ...claims, role: 'proxy' }, evidence })).toEqual([]);
  });

  test('that the claims name is required, whatever the policy requires', async () => {
    const policy = await policyOf({ required: false, drivers: [] });
    expect(namesOf(await refusalsOf(await questionOf(await documentOf(), { policy })))).toEqual(['gpu-driver']);
  });
});
