import { fromUtf8, utf8 } from '../core/bytes';
import { encodeCanonicalJson } from './canonical-json';
import { type Claims, decodeClaims, encodeClaims, MAX_CLAIMS_SIZE, SEALING_SUITE } from './claims';
import { hex, WORKER_CLAIMS } from './platform/forgery.test-kit';

const PROXY_CLAIMS: Claims = {
  ...WORKER_CLAIMS,
  role: 'proxy',
  keys: { ...WORKER_CLAIMS.keys, sealing: [] },
  tls: hex(0x77),
  model: null,
  engine: null,
};

describe('claims', () => {
  test('of a worker have these bytes', () => {
    expect(fromUtf8(encodeClaims(WORKER_CLAIMS))).toBe(
      `{"block":{"rootHash":"${hex(0x66)}","seqno":1000},"engine":{"name":"llama.cpp","version":"1.2.3"},"gpu":null,` +
        `"image":"cocoon-guest 0.1.0","issuedAt":1789999940,"keys":{"notAfter":1790086400,"receipt":"${hex(0x44)}",` +
        `"sealing":[{"publicKey":"${hex(0x33)}","suite":"x25519-hkdf-sha256-aes-128-gcm"}]},` +
        `"model":{"hash":"${hex(0x55)}","kind":"files","name":"cocoon-demo"},"network":"0:${hex(0x11)}",` +
        `"owner":"0:${hex(0x22)}","role":"worker","tls":null,"version":1}`,
    );
  });

  test.each([
    ['a worker', WORKER_CLAIMS],
    ['a proxy', PROXY_CLAIMS],
    ['a worker with GPU evidence', { ...WORKER_CLAIMS, gpu: hex(0x88) }],
    ['a worker with an unproven model', { ...WORKER_CLAIMS, model: { ...WORKER_CLAIMS.model, kind: 'unproven' as const } }],
  ])('of %s are read back as they were written', (_, claims) => {
    expect(decodeClaims(encodeClaims(claims))).toEqual(claims);
  });

  const { owner: _, ...withoutOwner } = WORKER_CLAIMS;
  const sealing = { suite: SEALING_SUITE, publicKey: hex(0x33) };
  const withKeys = (keys: object) => ({ ...WORKER_CLAIMS, keys: { ...WORKER_CLAIMS.keys, ...keys } });
  test.each([
    ['another version', { ...WORKER_CLAIMS, version: 2 }],
    ['an unknown field', { ...WORKER_CLAIMS, extra: 1 }],
    ['an unknown field inside', withKeys({ extra: 1 })],
    ['a missing field', withoutOwner],
    ['an unknown role', { ...WORKER_CLAIMS, role: 'client' }],
    ['a worker with a TLS key', { ...WORKER_CLAIMS, tls: hex(0x77) }],
    ['a worker without a model', { ...WORKER_CLAIMS, model: null }],
    ['a worker without an engine', { ...WORKER_CLAIMS, engine: null }],
    ['a worker without a sealing key', withKeys({ sealing: [] })],
    ['a proxy without a TLS key', { ...PROXY_CLAIMS, tls: null }],
    ['a proxy with a model', { ...PROXY_CLAIMS, model: WORKER_CLAIMS.model }],
    ['another suite', withKeys({ sealing: [{ ...sealing, suite: 'x-wing' }] })],
    ['a suite twice', withKeys({ sealing: [sealing, { ...sealing, publicKey: hex(0x34) }] })],
    ['a short key', withKeys({ sealing: [{ ...sealing, publicKey: hex(0x33, 31) }] })],
    ['upper-case hex', withKeys({ receipt: hex(0xaa).toUpperCase() })],
    ['another workchain', { ...WORKER_CLAIMS, network: `-1:${hex(0x11)}` }],
    ['a friendly address', { ...WORKER_CLAIMS, owner: 'EQAREREREREREREREREREREREREREREREREREREREREREeYT' }],
    ['an unknown model kind', { ...WORKER_CLAIMS, model: { ...WORKER_CLAIMS.model, kind: 'magic' } }],
    ['a name that controls the terminal', { ...WORKER_CLAIMS, image: '\u001b[2J' }],
    ['an empty name', { ...WORKER_CLAIMS, image: '' }],
    ['a name of 129 characters', { ...WORKER_CLAIMS, image: 'a'.repeat(129) }],
    ['a negative time', { ...WORKER_CLAIMS, issuedAt: -1 }],
    ['a time above 32 bits', withKeys({ notAfter: 2 ** 32 })],
    ['a number as text', { ...WORKER_CLAIMS, issuedAt: '1789999940' }],
    ['a list', [WORKER_CLAIMS]],
    ['null', null],
  ])('with %s are refused (bad_claims)', (_, value) => {
    expect(() => decodeClaims(encodeCanonicalJson(value))).toThrow(expect.objectContaining({ code: 'bad_claims' }));
  });

  test('that are not in canonical form are refused (bad_json)', () => {
    const spaced = utf8(fromUtf8(encodeClaims(WORKER_CLAIMS)).replace(':', ': '));
    expect(() => decodeClaims(spaced)).toThrow('json is not in canonical form');
  });

  test('above the size limit are refused before they are parsed (bad_json)', () => {
    expect(() => decodeClaims(new Uint8Array(MAX_CLAIMS_SIZE + 1))).toThrow('json of 16385 bytes, limit 16384');
  });

  test('that would be refused are not written either (bad_claims), and the message names the field only', () => {
    expect(() => encodeClaims({ ...WORKER_CLAIMS, owner: 'nobody' })).toThrow('claims are malformed at owner');
  });
});
