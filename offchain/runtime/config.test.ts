import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { loadConfig, parseConfig, processConfigShape } from './config';
import { loadNetwork } from './network';

const schema = z.strictObject({
  ...processConfigShape,
  port: z.int().min(0).max(65535).default(10001).describe('port of the gateway'),
  limits: z.strictObject({ bodyBytes: z.int().describe('largest body') }).optional(),
  peers: z.array(z.strictObject({ url: z.url() })).default([]),
});

let folder = '';
let path = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cocoon-config-'));
  path = join(folder, 'config.json');
});
afterEach(() => rmSync(folder, { recursive: true }));

function load(value: unknown) {
  writeFileSync(path, JSON.stringify(value));
  return loadConfig(schema, path);
}

test('fills in defaults and freezes everything', () => {
  const config = load({ stateFolder: 'state', peers: [{ url: 'https://example.org' }] });
  expect(config).toEqual({ stateFolder: 'state', logLevel: 'info', port: 10001, peers: [{ url: 'https://example.org' }] });
  expect([config, config.peers, config.peers[0]].every(Object.isFrozen)).toBe(true);
});

test.each([
  [{}, 'key "stateFolder": expected string, received undefined (folder for keys, ledger, log and control socket; made when it is missing)'],
  [{ stateFolder: 's', port: '1' }, 'key "port": expected number, received string (port of the gateway)'],
  [{ stateFolder: 's', port: 70000 }, 'key "port": too big: expected number to be <=65535 (port of the gateway)'],
  [
    { stateFolder: 's', logLevel: 'loud' },
    'key "logLevel": expected one of "debug"|"info"|"warn"|"error" (the least severe log level that is written)',
  ],
  [{ stateFolder: 's', prot: 1 }, 'unknown key "prot", allowed: stateFolder, logLevel, port, limits, peers'],
  [{ stateFolder: 's', limits: { body: 1 } }, 'key "limits.bodyBytes": expected number, received undefined (largest body)'],
  [{ stateFolder: 's', limits: { bodyBytes: 1, more: 2 } }, 'unknown key "limits.more", allowed: bodyBytes'],
  [{ stateFolder: 's', peers: [{ url: 'https://a' }, { url: 'x', port: 1 }] }, 'key "peers.1.url": invalid URL'],
  [[], 'the file: expected object, received array'],
])('refuses %j in one line that names file, key and what is allowed', (value, message) => {
  expect(() => load(value)).toThrow(
    expect.objectContaining({ name: 'ConfigError', code: 'config_invalid', message: expect.stringContaining(`${path}: ${message}`) }),
  );
});

test('refuses a file that is missing or no JSON, and does not quote what is in it', () => {
  expect(() => loadConfig(schema, path)).toThrow(expect.objectContaining({ code: 'config_unreadable', message: `${path} does not exist` }));
  writeFileSync(path, 'secret words');
  expect(() => loadConfig(schema, path)).toThrow(expect.objectContaining({ code: 'config_not_json', message: `${path} is not JSON` }));
});

test('takes no schema that would let unknown keys pass', () => {
  expect(() => parseConfig(z.object({ a: z.string() }), { a: 'x' }, 'source')).toThrow(TypeError);
});

describe('network.json', () => {
  const network = {
    name: 'local',
    networkId: -3,
    root: `0:${'ab'.repeat(32)}`,
    chain: [{ url: 'http://127.0.0.1:10002/api/v2/jsonRPC' }],
    trustRoots: [{ kind: 'development', der: 'AAAA' }],
    pccs: 'http://127.0.0.1:10003',
    clock: 'chain',
  };

  test('is read as it is written', () => {
    writeFileSync(path, JSON.stringify(network));
    expect(loadNetwork(path)).toEqual(network);
  });

  test.each([
    ['name', 'Local Net'],
    ['networkId', 2 ** 31],
    ['root', `-1:${'ab'.repeat(32)}`],
    ['chain', []],
    ['chain', [{ url: 'ftp://example.org' }]],
    ['trustRoots', []],
    ['trustRoots', [{ kind: 'any', der: 'AAAA' }]],
    ['clock', 'sundial'],
  ])('is refused with %s %j', (key, value) => {
    writeFileSync(path, JSON.stringify({ ...network, [key]: value }));
    expect(() => loadNetwork(path)).toThrow(
      expect.objectContaining({ code: 'config_invalid', message: expect.stringContaining(`key "${key}`) }),
    );
  });
});
