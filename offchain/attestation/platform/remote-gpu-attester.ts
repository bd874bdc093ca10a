import { toHex } from '../../core/bytes';
import { codeOf } from '../../core/errors';
import { MAX_APPRAISAL_SIZE } from '../gpu/gpu-appraisal';
import { type CollectedGpu, type GpuAttester, toDocument } from './gpu-attester';
import { PlatformError } from './platform-error';

/** How a service that speaks as NVIDIA's does is reached. */
export interface RemoteGpuOptions {
  /** Such as https://nras.attestation.nvidia.com. */
  readonly url: string;
  readonly timeoutMs: number;
  readonly fetch: typeof fetch;
  /** Collects the evidence, in this machine. */
  collect(nonce: Uint8Array): Promise<readonly CollectedGpu[]>;
}

/**
 * NVIDIA's remote service: it is sent the evidence, compares it with its reference manifests and signs what it found.
 *
 * Source: NVIDIA Remote Attestation Service, POST /v4/attest/gpu; what comes back is the document's token, as it came.
 */
export class RemoteGpuAttester implements GpuAttester {
  readonly by = 'remote';

  constructor(private readonly options: RemoteGpuOptions) {}

  async attest(nonce: Uint8Array): Promise<Uint8Array> {
    const collected = await this.options.collect(nonce);
    const [arch, ...others] = new Set(collected.map((gpu) => gpu.arch));
    if (arch === undefined || others.length > 0)
      throw new PlatformError('gpu_service', 'the service takes GPUs of one architecture at a time');
    const evidenceList = collected.map(({ evidence, certificate }) => ({ evidence, certificate }));
    const body = JSON.stringify({ nonce: toHex(nonce), arch, claims_version: '3.0', evidence_list: evidenceList });
    return toDocument(collected, nonce, { by: this.by, token: await this.ask(body) });
  }

  private async ask(body: string): Promise<string> {
    const { url, timeoutMs, fetch } = this.options;
    const where = `the GPU attestation service ${new URL(url).host}`;
    try {
      const answer = await fetch(`${url.replace(/\/+$/, '')}/v4/attest/gpu`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body,
        redirect: 'error',
        signal: AbortSignal.timeout(timeoutMs),
      });
      if (answer.status !== 200) {
        await answer.body?.cancel();
        throw new PlatformError('gpu_service', `${where} answered with status ${answer.status}`);
      }
      return await readText(answer, where);
    } catch (cause) {
      if (cause instanceof PlatformError) throw cause;
      const isTimeout = typeof cause === 'object' && cause !== null && 'name' in cause && cause.name === 'TimeoutError';
      const why = isTimeout ? `did not answer within ${timeoutMs} ms` : `cannot be reached (${codeOf(cause)})`;
      throw new PlatformError('gpu_service', `${where} ${why}`, {}, { cause });
    }
  }
}

/** The answer's text, of which no more is read than a token may have. */
async function readText(answer: Response, where: string): Promise<string> {
  const decoder = new TextDecoder('utf-8', { fatal: false });
  let text = '';
  for await (const part of answer.body ?? []) {
    text += decoder.decode(part, { stream: true });
    if (text.length > MAX_APPRAISAL_SIZE)
      throw new PlatformError('gpu_service', `${where} answered with more than ${MAX_APPRAISAL_SIZE} characters`);
  }
  return (text + decoder.decode()).trim();
}
