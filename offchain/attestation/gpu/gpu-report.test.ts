import { concat, equal, toHex, utf8 } from '../../core/bytes';
import { nodeCrypto } from '../../runtime/node-crypto';
import { parseCertificateOf } from '../certificate';
import { derInteger, derOctets, derSequence } from '../der-writer';
import { issueCertificate, toExtension } from '../platform/development-certificates';
import { deviceIdOf, plainReport, writeGpuReport } from '../platform/development-gpu';
import { flips } from '../platform/forgery.test-kit';
import { P384_SHA384 } from '../x509';
import { evidenceOf, gpu, maker, nvidiaRoot, nvidiaRootDer, recorded, secondGpu, validity } from './gpu.test-kit';
import { COMPOSITE_DEVICE_ID, isOfDevice, parseGpuChain, readGpuIdentity, verifyGpuChain } from './gpu-chain';
import { MAX_GPU_REPORT_SIZE, parseGpuReport } from './gpu-report';
import { loadGpuRoot } from './gpu-root';

const NOW_OF_RECORD = Date.UTC(2026, 0, 1) / 1000;
const MALFORMED = expect.objectContaining({ code: 'bad_gpu_evidence' });

describe("a real GPU's report", () => {
  const { report: bytes, chain: ders, nonce } = recorded();
  const report = parseGpuReport(bytes);
  const chain = parseGpuChain(ders);

  test('is read in all its parts', () => {
    expect(toHex(report.nonce)).toBe(toHex(nonce));
    expect(report).toMatchObject({ driver: '590.12', vbios: '96.00.A5.00.01', mode: 'protected-pcie' });
    expect(report.measurements).toHaveLength(64);
    expect(toHex(report.measurements[1] ?? new Uint8Array(0))).toMatch(/^f21c16b08086efe5/);
    expect(toHex(report.firmwareId)).toMatch(/^956ecf09ee4191f1/);
  });

  test("is signed by its leaf, which hangs on NVIDIA's root", async () => {
    expect(await nodeCrypto.verifyP384(chain.leaf.publicKey, report.signedBytes, report.signature)).toBe(true);
    expect(await verifyGpuChain(chain, await nvidiaRoot(), NOW_OF_RECORD, nodeCrypto)).toMatchObject({ ok: true });
    expect(chain.device.commonName).toBe('GH100 A01 GSP BROM');
  });

  test('has a chain of five certificates, no more and no fewer', () => {
    expect(() => parseGpuChain(ders.slice(0, 4))).toThrow('gpu chain of 4 certificates, expected 5');
    expect(() => parseGpuChain([...ders, ...ders.slice(4)])).toThrow('gpu chain of 6 certificates, expected 5');
  });

  test('is of the device and the firmware that its leaf names', () => {
    const identity = readGpuIdentity(chain.leaf);
    expect(identity.ueid).toBe(BigInt('0x72ca27239f0e96f6535f73af84eb1542471a17b2').toString());
    expect(equal(identity.firmwareId, report.firmwareId)).toBe(true);
    expect(isOfDevice(identity, chain.device)).toBe(true);
    expect(isOfDevice(identity, chain.leaf)).toBe(false);
  });

  test('does not hold with one bit changed in any byte of it', async () => {
    const survivors: number[] = [];
    for (const { at, bytes: changed } of flips(bytes)) {
      try {
        const { signedBytes, signature } = parseGpuReport(changed);
        if (await nodeCrypto.verifyP384(chain.leaf.publicKey, signedBytes, signature)) survivors.push(at);
      } catch (error) {
        expect(error).toEqual(MALFORMED);
      }
    }
    expect(survivors).toEqual([]);
  });

  test('does not hold with one bit changed in any byte of its chain', async () => {
    const root = await nvidiaRoot();
    const survivors: string[] = [];
    for (const [place, der] of ders.entries()) {
      for (const { at, bytes: changed } of flips(der)) {
        try {
          const forged = parseGpuChain(ders.map((original, i) => (i === place ? changed : original)));
          if ((await verifyGpuChain(forged, root, NOW_OF_RECORD, nodeCrypto)).ok) survivors.push(`${place}:${at}`);
        } catch (error) {
          expect(error).toMatchObject({ code: expect.stringMatching(/^bad_(?:certificate|der|gpu_evidence)$/) });
        }
      }
    }
    expect(survivors).toEqual([]);
  });

  test('is refused cut off at any byte, and with bytes behind it', () => {
    for (let size = 0; size < bytes.length; size++) expect(() => parseGpuReport(bytes.subarray(0, size))).toThrow(MALFORMED);
    expect(() => parseGpuReport(concat(bytes, Uint8Array.of(0)))).toThrow(MALFORMED);
    expect(() => parseGpuReport(new Uint8Array(MAX_GPU_REPORT_SIZE + 1))).toThrow('gpu report of 8193 bytes, limit 8192');
  });
});

describe('a report', () => {
  const plan = plainReport(new Uint8Array(32).fill(7), gpu);
  const write = (edit: Partial<typeof plan>) => writeGpuReport({ ...plan, ...edit }, gpu.chain[0].key);
  const without = (type: number) => ({ fields: plan.fields.filter(([found]) => found !== type) });
  const withField = (type: number, ...data: readonly Uint8Array[]) => ({
    fields: [...without(type).fields, ...data.map((bytes) => [type, bytes] as const)],
  });

  test('of a simulated GPU is read, so the refusals below are for their edits', () => {
    expect(parseGpuReport(write({}))).toMatchObject({ driver: '590.12', vbios: '96.00.A5.00.01', mode: 'passthrough' });
  });

  test.each<[string, Partial<typeof plan>, RegExp]>([
    ['no measurements', { measurements: [] }, /no measurements/],
    ['a measurement of 32 bytes', { measurements: [new Uint8Array(32)] }, /malformed|measurement/],
    ['no driver', without(3), /no field 3/],
    ['a driver without its end', withField(3, utf8('590.12')), /driver version/],
    ['a driver that is none', withField(3, utf8('<b>\0')), /driver version/],
    ['a driver twice', withField(3, utf8('590.12\0'), utf8('590.12\0')), /field 3 twice/],
    ['an empty driver', withField(3, new Uint8Array(0)), /driver version/],
    ['no vbios', without(6), /no field 6/],
    ['a vbios of 7 bytes', withField(6, new Uint8Array(7)), /of 7 bytes, expected 8/],
    ['a vbios with more digits', withField(6, new Uint8Array(8).fill(1)), /vbios version/],
    ['no firmware id', without(20), /no field 20/],
    ['a firmware id of 32 bytes', withField(20, new Uint8Array(32)), /of 32 bytes, expected 48/],
    ['fields of version 2', withField(34, Uint8Array.of(2, 0)), /unknown version/],
    ['a version of one byte', withField(34, Uint8Array.of(1)), /unknown version/],
    ['an unknown mode', withField(36, Uint8Array.of(3, 0)), /unknown mode/],
    ['a mode of one byte', withField(36, Uint8Array.of(1)), /unknown mode/],
    ['65 fields', { fields: Array.from({ length: 65 }, (_, i) => [100 + i, new Uint8Array(0)] as const) }, /more than 64 fields/],
  ])('with %s is refused', (_, edit, reason) => {
    const forged = write(edit);
    expect(() => parseGpuReport(forged)).toThrow(MALFORMED);
    expect(() => parseGpuReport(forged)).toThrow(reason);
  });

  test.each([
    ['no version', without(34)],
    ['no mode', without(36)],
  ])('with %s says nothing of its mode', (_, edit) => {
    expect(parseGpuReport(write(edit)).mode).toBeNull();
  });

  const bytes = write({});
  // Offsets of the table in gpu-report.ts.
  test.each([
    ['another version of the request', 0],
    ['another request', 1],
    ['an answer that need not be signed', 2],
    ['some measurements only', 3],
    ['another slot', 36],
    ['another version of the answer', 37],
    ['another answer', 38],
    ['a parameter', 39],
    ['one measurement more', 41],
    ['another size of the measurements', 42],
    ['measurements that begin at 0', 45],
    ['a measurement that is not of the DMTF', 46],
    ['a measurement of another size', 47],
    ['a digest of another size', 50],
  ])('with %s is refused', (_, at) => {
    const forged = Uint8Array.from(bytes);
    forged[at] = (forged[at] ?? 0) ^ 1;
    expect(() => parseGpuReport(forged)).toThrow(MALFORMED);
  });
});

describe("a GPU's leaf", () => {
  const [, device] = gpu.chain;
  const leafWith = (...extensions: readonly Uint8Array[]) =>
    parseCertificateOf(
      P384_SHA384,
      issueCertificate({ ...validity, curve: 'P-384', commonName: 'X GSP FMC LF', pathLength: null, extensions }, device).der,
    );
  const id = (...parts: readonly Uint8Array[]) => toExtension(COMPOSITE_DEVICE_ID, false, derSequence(...parts));

  test.each([
    ['no device id', leafWith()],
    ['a device id of version 2', leafWith(id(derInteger(2)))],
    ['a device id of a firmware alone', leafWith(id(derInteger(1), derOctets(new Uint8Array(48))))],
    ['a firmware id of 32 bytes', leafWith(deviceIdOf(device, new Uint8Array(32)))],
    ['a device id that is not DER', leafWith(toExtension(COMPOSITE_DEVICE_ID, false, utf8('id')))],
  ])('with %s is refused', (_, leaf) => {
    expect(() => readGpuIdentity(leaf)).toThrow(expect.objectContaining({ code: expect.stringMatching(/^bad_(?:gpu_evidence|der)$/) }));
  });

  test('of a simulated GPU is read', () => {
    const leaf = parseCertificateOf(P384_SHA384, gpu.chain[0].der);
    expect(toHex(readGpuIdentity(leaf).firmwareId)).toBe(toHex(gpu.firmwareId));
    expect(isOfDevice(readGpuIdentity(leaf), parseCertificateOf(P384_SHA384, secondGpu.chain[1].der))).toBe(false);
  });
});

describe('a GPU root', () => {
  const load = (kind: 'nvidia' | 'development', der: Uint8Array) => loadGpuRoot({ kind, der }, nodeCrypto);
  const plan = { ...validity, curve: 'P-384', commonName: 'X Device Identity CA', pathLength: 9 } as const;
  const issued = issueCertificate(plan, null);

  test("is NVIDIA's if and only if it is loaded as NVIDIA's", async () => {
    expect(await load('nvidia', nvidiaRootDer())).toMatchObject({ kind: 'nvidia' });
    expect(await load('development', maker[2].der)).toMatchObject({ kind: 'development' });
    await expect(load('development', nvidiaRootDer())).rejects.toMatchObject({ code: 'bad_gpu_root' });
    await expect(load('nvidia', maker[2].der)).rejects.toMatchObject({ code: 'bad_gpu_root' });
  });

  test.each([
    ['is a leaf', issueCertificate({ ...plan, pathLength: null }, null).der],
    ['is signed by another', issueCertificate(plan, issued).der],
    ['has another name', issueCertificate({ ...plan, commonName: 'X SGX Root CA' }, null).der],
    ['is of P-256', issueCertificate({ ...plan, curve: 'P-256' }, null).der],
    ['is none', evidenceOf(gpu, new Uint8Array(32)).report],
  ])('that %s is refused', async (_, der) => {
    await expect(load('development', der)).rejects.toMatchObject({ code: 'bad_gpu_root' });
  });
});
