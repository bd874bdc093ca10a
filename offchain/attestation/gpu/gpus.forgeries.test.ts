import { concat, toHex } from '../../core/bytes';
import { nodeCrypto } from '../../runtime/node-crypto';
import { parseCertificateOf } from '../certificate';
import { deviceIdOf, type GpuChainChanges, makeGpuMaker, makeSimulatedGpu, plainReport, writeAppraisal } from '../platform/development-gpu';
import { flips, hex, NOW, rememberingCrypto } from '../platform/forgery.test-kit';
import { GPU_CHECKS } from '../report';
import { P384_SHA384 } from '../x509';
import {
  documentOf,
  evidenceOf,
  gpu,
  keys,
  maker,
  namesOf,
  nonceOf,
  nvidiaRoot,
  policyOf,
  questionOf,
  recorded,
  recordedAppraisal,
  refusalsOf,
  rootOf,
  secondGpu,
  service,
  validity,
} from './gpu.test-kit';
import { encodeGpuDocument, type GpuDocument, MAX_GPU_DOCUMENT_SIZE } from './gpu-document';
import type { GpuQuestion } from './verify-gpus';
import { verifyGpus } from './verify-gpus';

/** Every byte of reports and chains is changed in gpu-report.test.ts; here, of their encoding, every sixteenth byte. */
const STEP = 16;

type Forged = GpuDocument | Uint8Array;
type Case = [what: string, check: string, reason: RegExp, forge: () => Promise<Forged>, changes?: () => Promise<Partial<GpuQuestion>>];

const underMaker = (other: ReturnType<typeof makeGpuMaker>) => async (): Promise<GpuDocument> => {
  const nonce = await nonceOf();
  const forged = makeSimulatedGpu(other, validity);
  return { gpus: [evidenceOf(forged, nonce)], appraisal: writeAppraisal({ by: 'nvattest', nonce }, [forged]) };
};
/** A chain of which one certificate says something else, honestly signed by the one above. */
const withChain = (changes: GpuChainChanges) => async (): Promise<GpuDocument> => {
  const nonce = await nonceOf();
  const forged = makeSimulatedGpu(maker, validity, changes);
  return { gpus: [evidenceOf(forged, nonce)], appraisal: writeAppraisal({ by: 'nvattest', nonce }, [forged]) };
};
/** A maker of which one certificate says something else, whose root is trusted. */
const brokenMaker = (changes: GpuChainChanges): [forge: Case[3], changes: Case[4]] => {
  const broken = makeGpuMaker(validity, changes);
  return [underMaker(broken), async () => ({ policy: await policyOf({ roots: [await rootOf(broken)] }) })];
};
const saying = (edit: Partial<ReturnType<typeof plainReport>>) => async () =>
  documentOf({ gpus: [evidenceOf(gpu, await nonceOf(), edit)] });
const fields = (type: number, data: Uint8Array | null) =>
  plainReport(new Uint8Array(32), gpu).fields.flatMap(([found, old]): (readonly [number, Uint8Array])[] => {
    if (found !== type) return [[found, old]];
    return data === null ? [] : [[found, data]];
  });
const appraised =
  (plan: Partial<Parameters<typeof writeAppraisal>[0]>, of = [gpu]) =>
  async () =>
    documentOf({ appraisal: writeAppraisal({ by: 'nvattest', nonce: await nonceOf(), ...plan }, of) });
const withToken = (edit: (token: string) => string) => async () => {
  const { appraisal } = await documentOf();
  return documentOf({ appraisal: { by: 'nvattest', token: edit(appraisal?.token ?? '') } });
};
const listing = (lists: Parameters<typeof policyOf>[0]) => async () => ({ policy: await policyOf(lists) });
const expired = { notBeforeSec: NOW - 100, notAfterSec: NOW - 1 };
const future = { notBeforeSec: NOW + 1, notAfterSec: NOW + 100 };

const FORGERIES: readonly Case[] = [
  // Nonces: evidence of another key set, another worker, another time.
  ['of another nonce', 'gpu-nonce', /other keys/, async () => documentOf({ gpus: [evidenceOf(gpu, new Uint8Array(32))] })],
  [
    'of another sealing key',
    'gpu-nonce',
    /other keys/,
    async () =>
      documentOf({ gpus: [evidenceOf(gpu, await nonceOf({ ...keys, sealing: [{ ...keys.sealing[0], publicKey: hex(0x35) }] }))] }),
  ],
  [
    'of another receipt key',
    'gpu-nonce',
    /other keys/,
    async () => documentOf({ gpus: [evidenceOf(gpu, await nonceOf({ ...keys, receipt: hex(0x45) }))] }),
  ],
  // Another GPU.
  [
    "with another GPU's chain",
    'gpu-signature',
    /not signed by the GPU's attestation key/,
    async () => documentOf({ gpus: [{ ...evidenceOf(gpu, await nonceOf()), chain: secondGpu.chain.map(({ der }) => der) }] }),
  ],
  [
    "signed by another GPU under this one's chain",
    'gpu-signature',
    /not signed/,
    async () => documentOf({ gpus: [{ ...evidenceOf(secondGpu, await nonceOf()), chain: gpu.chain.map(({ der }) => der) }] }),
  ],
  ['of other firmware than its certificate', 'gpu-identity', /other firmware/, saying({ fields: fields(20, new Uint8Array(48)) })],
  [
    'whose leaf was made for another device',
    'gpu-identity',
    /another GPU than the one that signed it/,
    async () => {
      const forged = makeSimulatedGpu(maker, validity, { leaf: { extensions: [deviceIdOf(secondGpu.chain[1], gpu.firmwareId)] } });
      return documentOf({ gpus: [evidenceOf({ ...forged, firmwareId: gpu.firmwareId }, await nonceOf())] });
    },
  ],
  ['whose leaf names no device', 'gpu-identity', /does not say for which device/, withChain({ leaf: { extensions: [] } })],
  [
    'of one GPU that answers twice',
    'gpu-identity',
    /2 reports of 1 GPUs/,
    async () => documentOf({ gpus: [evidenceOf(gpu, await nonceOf()), evidenceOf(gpu, await nonceOf())] }),
  ],
  // Chains.
  ['under another root', 'gpu-root', /root that the policy does not name/, underMaker(makeGpuMaker(validity))],
  [
    "under a development root where NVIDIA's is named",
    'gpu-root',
    /does not name/,
    documentOf,
    async () => listing({ roots: [await nvidiaRoot()] })(),
  ],
  [
    "of a real GPU where NVIDIA's root is not named",
    'gpu-root',
    /does not name/,
    async () => documentOf({ gpus: [recorded()].map(({ report, chain }) => ({ report, chain })) }),
  ],
  ['where no root is named', 'gpu-root', /does not name/, documentOf, listing({ roots: [] })],
  [
    'under a foreign chain with the true root on top',
    'gpu-chain',
    /certificate 3 has a bad signature/,
    async () => {
      const foreign = makeSimulatedGpu(makeGpuMaker(validity), validity);
      const chain = foreign.chain.map(({ der }, i) => (i === 4 ? maker[2].der : der));
      return documentOf({ gpus: [{ ...evidenceOf(foreign, await nonceOf()), chain }] });
    },
  ],
  [
    'with its chain in another order',
    'gpu-chain',
    /certificate 1 names another issuer/,
    async () => {
      const [leaf, device, provisioner, family, root] = gpu.chain.map(({ der }) => der);
      const chain = [leaf, device, family, provisioner, root].filter((der) => der !== undefined);
      return documentOf({ gpus: [{ ...evidenceOf(gpu, await nonceOf()), chain }] });
    },
  ],
  ['with an expired leaf', 'gpu-chain', /certificate 0 was valid until/, withChain({ leaf: expired })],
  ['with a leaf of tomorrow', 'gpu-chain', /certificate 0 is valid from/, withChain({ leaf: future })],
  ['with an expired device', 'gpu-chain', /certificate 1 was valid until/, withChain({ device: expired })],
  ['with an expired family', 'gpu-chain', /certificate 3 was valid until/, ...brokenMaker({ family: expired })],
  ['with an expired root', 'gpu-chain', /certificate 4 was valid until/, ...brokenMaker({ root: expired })],
  ['with a leaf that is a CA', 'gpu-chain', /certificate 0 is not one that signs data only/, withChain({ leaf: { pathLength: 0 } })],
  ['with a device that is no CA', 'gpu-chain', /certificate 1 is not a CA/, withChain({ device: { pathLength: null } })],
  ['with a provisioner that is no CA', 'gpu-chain', /certificate 2 is not a CA/, ...brokenMaker({ provisioner: { pathLength: null } })],
  ['with a family that allows no CA below', 'gpu-chain', /certificate 3 allows 0 CAs/, ...brokenMaker({ family: { pathLength: 0 } })],
  ['with a leaf of another role', 'gpu-chain', /certificate 0 is not named/, withChain({ leaf: { commonName: 'X GSP BROM' } })],
  ['with a device of another role', 'gpu-chain', /certificate 1 is not named/, withChain({ device: { commonName: 'X GSP FMC LF' } })],
  ['with a leaf of P-256', 'gpu-structure', /not for ECDSA with SHA-384/, p256Leaf],
  // Modes and versions.
  ['in protected PCIe', 'gpu-mode', /protected-pcie is not listed/, saying({ fields: fields(36, Uint8Array.of(2, 0)) })],
  ['that does not say its mode', 'gpu-mode', /not shown by this evidence/, saying({ fields: fields(36, null) })],
  ['of a driver that knows no modes', 'gpu-mode', /not shown by this evidence/, saying({ fields: fields(34, null) })],
  ['where no mode is listed', 'gpu-mode', /passthrough is not listed/, documentOf, listing({ modes: [] })],
  ['of another driver', 'gpu-driver', /590\.12 is not listed/, documentOf, listing({ drivers: ['590.13', '590.1', '590.120'] })],
  ['where no driver is listed', 'gpu-driver', /is not listed/, documentOf, listing({ drivers: [] })],
  ['of another vbios', 'gpu-vbios', /96\.00\.A5\.00\.01 is not listed/, documentOf, listing({ vbios: ['96.00.A5.00.02'] })],
  ['where no vbios is listed', 'gpu-vbios', /is not listed/, documentOf, listing({ vbios: [] })],
  // Appraisals.
  ['that nobody appraised', 'gpu-appraisal', /not shown by this evidence/, async () => documentOf({ appraisal: null })],
  ['that nobody appraised (debug)', 'gpu-debug', /not shown by this evidence/, async () => documentOf({ appraisal: null })],
  ['in debug mode', 'gpu-debug', /not known to be off/, appraised({ claims: { dbgstat: 'enabled' } })],
  ['whose debug mode is not said', 'gpu-debug', /not known to be off/, appraised({ claims: { dbgstat: null, secboot: null } })],
  ['that did not boot securely', 'gpu-debug', /not known to be off/, appraised({ claims: { secboot: false } })],
  ['with a measurement that NVIDIA does not know', 'gpu-manifests', /measurements differ/, appraised({ claims: { measres: 'fail' } })],
  ['with a revoked certificate', 'gpu-revocation', /not known to be good/, revoked('revoked', 'revoked')],
  ['of whose certificates the service knows nothing', 'gpu-revocation', /not known to be good/, revoked('valid', 'unknown')],
  ["that NVIDIA's tool refused", 'gpu-appraisal', /refused it/, appraised({ passed: false })],
  ['appraised with another nonce', 'gpu-appraisal', /other keys/, appraised({ nonce: new Uint8Array(32) })],
  ['appraised in part with another nonce', 'gpu-appraisal', /other keys/, appraised({ claims: { eat_nonce: hex(0) } })],
  ["with another GPU's appraisal", 'gpu-appraisal', /of other GPUs/, appraised({}, [secondGpu])],
  ['with an appraisal of more GPUs', 'gpu-appraisal', /of other GPUs/, appraised({}, [gpu, secondGpu])],
  [
    'of two GPUs, of which one appraised GPU stands for both',
    'gpu-appraisal',
    /malformed at x-nvidia-gpu-vbios-version/,
    async () => {
      const nonce = await nonceOf();
      const gpus = [gpu, secondGpu].sort((a, b) => (ueidOf(a) < ueidOf(b) ? -1 : 1));
      const [first = gpu, second = gpu] = gpus;
      const claims = { 'x-nvidia-gpu-vbios-version': `96.00.A5.00.01, ${ueidOf(second)} 590.12 96.00.A5.00.01` };
      return { gpus: gpus.map((one) => evidenceOf(one, nonce)), appraisal: writeAppraisal({ by: 'nvattest', nonce, claims }, [first]) };
    },
  ],
  ['appraised with another driver', 'gpu-appraisal', /of other GPUs/, appraised({ claims: { 'x-nvidia-gpu-driver-version': '550.1' } })],
  ['with a recorded appraisal', 'gpu-appraisal', /of other GPUs/, withToken(recordedAppraisal)],
  ['appraised by a service that signs nothing', 'gpu-appraisal', /information only/, appraised({ by: 'remote' })],
  [
    'appraised by a service with another key',
    'gpu-appraisal',
    /information only/,
    appraised({ by: 'remote', signer: { ...service, key: gpu.chain[0].key } }),
  ],
  [
    'appraised by a service under another algorithm',
    'gpu-appraisal',
    /information only/,
    appraised({ by: 'remote', signer: { ...service, algorithm: 'ES256' } }),
  ],
  [
    'appraised by a service under another name of its key',
    'gpu-appraisal',
    /information only/,
    appraised({ by: 'remote', signer: { ...service, keyId: 'service-2' } }),
  ],
  [
    'appraised by a service whose keys nobody named',
    'gpu-appraisal',
    /information only/,
    appraised({ by: 'remote', signer: service }),
    listing({ appraiserKeys: [] }),
  ],
  ['with an appraisal that is not json', 'gpu-appraisal', /is not json/, withToken(() => '[')],
  ['with an appraisal of no GPU', 'gpu-appraisal', /other tokens/, appraised({}, [])],
  [
    'with a token changed after it was hashed',
    'gpu-appraisal',
    /another digest/,
    withToken((token) => token.replace(/\."\}\]$/, '.AA"}]')),
  ],
  // Documents.
  [
    'with a chain of four',
    'gpu-structure',
    /malformed at gpus\.0\.chain/,
    edited((text) => text.replace(/"chain":\["[^"]*",/, '"chain":[')),
  ],
  ['of no GPU', 'gpu-structure', /malformed at gpus/, edited((text) => text.replace(/"gpus":\[.*\]/, '"gpus":[]'))],
  ['of version 2', 'gpu-structure', /malformed at version/, edited((text) => text.replace('"version":1', '"version":2'))],
  ['with an unknown field', 'gpu-structure', /malformed/, edited((text) => text.replace('"version":1', '"version":1,"x":1'))],
  ['that is not canonical', 'gpu-structure', /not in canonical form/, edited((text) => text.replace('"version":1', '"version": 1'))],
  ['with a report that is not base64url', 'gpu-structure', /base64url/, edited((text) => text.replace('"report":"', '"report":"!'))],
  ['with a report cut off', 'gpu-structure', /malformed/, cutReport],
  ['that is empty', 'gpu-structure', /not json/, async () => new Uint8Array(0)],
  ['that is oversized', 'gpu-evidence', /limit/, async () => new Uint8Array(MAX_GPU_DOCUMENT_SIZE + 1)],
  ['of nine GPUs', 'gpu-structure', /malformed at gpus/, nineGpus],
];

/** How an appraisal names a GPU. */
function ueidOf({ chain: [leaf] }: typeof gpu): string {
  return BigInt(`0x${parseCertificateOf(P384_SHA384, leaf.der).serial}`).toString();
}

async function p256Leaf(): Promise<GpuDocument> {
  const nonce = await nonceOf();
  const forged = makeSimulatedGpu(maker, validity, { leaf: { curve: 'P-256' } });
  return documentOf({ gpus: [{ report: evidenceOf(gpu, nonce).report, chain: forged.chain.map(({ der }) => der) }] });
}

function revoked(certificates: string, service: string): Case[3] {
  const chain = { 'x-nvidia-cert-status': certificates, 'x-nvidia-cert-ocsp-status': service };
  return appraised({ claims: { 'x-nvidia-gpu-attestation-report-cert-chain': chain } });
}

function edited(edit: (text: string) => string): Case[3] {
  return async () => {
    const text = Buffer.from(encodeGpuDocument(await documentOf())).toString();
    const changed = edit(text);
    expect(changed).not.toBe(text);
    return new Uint8Array(Buffer.from(changed));
  };
}

async function cutReport(): Promise<GpuDocument> {
  const { report, chain } = evidenceOf(gpu, await nonceOf());
  return documentOf({ gpus: [{ report: report.subarray(0, -1), chain }] });
}

/** The claims of a token over one GPU of this name, in base64url. */
function submodsOf(name: string): string {
  return Buffer.from(JSON.stringify({ submods: { [name]: 'x' }, eat_nonce: 'x', 'x-nvidia-overall-att-result': true })).toString(
    'base64url',
  );
}

async function nineGpus(): Promise<Uint8Array> {
  const text = Buffer.from(encodeGpuDocument(await documentOf())).toString();
  const [one = ''] = /\{"chain".*?\}/.exec(text) ?? [];
  return new Uint8Array(Buffer.from(text.replace(one, Array.from({ length: 9 }, () => one).join(','))));
}

describe('GPU evidence is refused', () => {
  test.each(FORGERIES)('%s (%s)', async (...[, check, reason, forge, changes]: Case) => {
    const refused = await refusalsOf(await questionOf(await forge(), await changes?.()));
    const found = refused.find(({ name }) => name === check);
    expect({ refused: namesOf(refused), reason: found?.reason }).toEqual({
      refused: expect.arrayContaining([check]),
      reason: expect.stringMatching(reason),
    });
  });

  /** Terminals obey this: it clears the screen and says that all is well. */
  const COMMAND = '\u001b[2JEvidence verified';
  test.each<[string, () => Promise<GpuDocument>]>([
    ['nonce', appraised({ claims: { eat_nonce: COMMAND } })],
    ['GPU', appraised({ claims: { ueid: COMMAND } })],
    ['driver', appraised({ claims: { 'x-nvidia-gpu-driver-version': COMMAND } })],
    ['vbios', appraised({ claims: { 'x-nvidia-gpu-vbios-version': COMMAND } })],
    ['token', withToken((token) => token.replace('"GPU-0"', JSON.stringify(COMMAND)))],
    ['list of tokens', withToken((token) => token.replace(/"eyJ[^.]*\.[^.]*\./, `"eyJhbGciOiJub25lIn0.${submodsOf(COMMAND)}.`))],
  ])("whose appraisal has a terminal's command for its %s, which no report repeats (gpu-appraisal)", async (_, forge) => {
    const { checks } = await verifyGpus(await questionOf(await forge()));
    expect(checks.find(({ name }) => name === 'gpu-appraisal')?.result).toBe('fail');
    for (const { reason, expected, actual } of checks) expect(`${reason}${expected}${actual}`).toMatch(/^[\x20-\x7e]*$/);
  });

  test.each<[string, GpuQuestion['evidence']]>([
    ['that is missing', null],
    ['that is not there', () => null],
    ['that cannot be fetched', () => Promise.reject(new Error('no'))],
    ['of other bytes than the claims name', async () => concat(encodeGpuDocument(await documentOf()), Uint8Array.of(10))],
    ['that is good, and another than the claims name', async () => encodeGpuDocument(await documentOf())],
  ])('%s (gpu-evidence), and nothing behind that is said to have passed', async (_, evidence) => {
    const { checks } = await verifyGpus({ ...(await questionOf(await documentOf())), evidence });
    expect(checks.map(({ result }) => result)).toEqual(GPU_CHECKS.map(() => 'fail'));
  });

  test('with one bit changed in any byte, since the claims name every one of them (gpu-evidence)', async () => {
    const encoded = encodeGpuDocument(await documentOf());
    const question = await questionOf(encoded);
    const crypto = rememberingCrypto();
    for (const { bytes } of flips(encoded)) {
      const { checks } = await verifyGpus({ ...question, crypto, evidence: () => bytes });
      expect(checks[0]).toMatchObject({ name: 'gpu-evidence', result: 'fail' });
    }
  });

  test('with one bit changed in its encoded reports and chains, even where claims are made for it', async () => {
    const document = await documentOf();
    const encoded = encodeGpuDocument(document);
    const policy = await policyOf();
    const crypto = { ...rememberingCrypto(), verifyP384: remembering() };
    // Behind the GPUs stands the version; before them the appraisal, which nobody signs but the machine that shows it.
    const start = Buffer.from(encoded).indexOf('"gpus"');
    const survivors: number[] = [];
    for (const { at, bytes } of flips(encoded)) {
      if (at < start || at % STEP !== 0) continue;
      const refused = await refusalsOf(await questionOf(bytes, { policy, crypto }));
      if (refused.length === 0) survivors.push(at);
    }
    expect(survivors).toEqual([]);
  });
});

/** Of thousands of variants, nearly all share the same few signatures. */
function remembering(): typeof nodeCrypto.verifyP384 {
  const known = new Map<string, boolean>();
  return async (key, message, signature) => {
    const id = toHex(await nodeCrypto.sha256(concat(key, signature, message)));
    const answer = known.get(id) ?? (await nodeCrypto.verifyP384(key, message, signature));
    known.set(id, answer);
    return answer;
  };
}
