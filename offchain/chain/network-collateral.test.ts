import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { verifyCollateral } from '../attestation/collateral';
import { issueCollateral } from '../attestation/platform/development-collateral';
import { makePki, NOW } from '../attestation/platform/forgery.test-kit';
import { loadTrustRoot } from '../attestation/trust-root';
import type { VerifierMemory } from '../attestation/verifier-memory';
import { nodeCrypto } from '../runtime/node-crypto';
import { openVerifierMemory } from './network-collateral';

const pki = makePki();
let folder = '';
let lines: string[] = [];
const log = () => pino({ base: null, timestamp: false }, { write: (line: string) => void lines.push(line) });
const file = () => join(folder, 'collateral-seen.json');

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cocoon-collateral-'));
  lines = [];
});
afterEach(() => rmSync(folder, { recursive: true }));

/** What the memory says of collateral with this evaluation number, and whether it knows serial number 41 of the platforms' CA as revoked. */
async function see(memory: VerifierMemory, evaluationNumber: number, revoked: readonly string[] = []) {
  const root = await loadTrustRoot({ kind: 'development', der: pki.root.der }, nodeCrypto);
  const collateral = issueCollateral(pki.authority, { nowSec: NOW, evaluationNumber, revoked });
  const { proven, lists } = await verifyCollateral(collateral, root, NOW, nodeCrypto);
  if (proven === null) throw new RangeError('collateral that does not hold');
  for (const list of lists) memory.noteRevoked(root, list);
  return { ...memory.raiseFloors(root, proven), isRevoked: memory.isRevoked(root, proven.pckCa, '41') };
}

test('evaluation numbers and revocations outlive a process', async () => {
  expect(await see(openVerifierMemory(folder, log()), 7, ['41'])).toEqual({ tcbInfo: 7, qeIdentity: 7, isRevoked: true });
  expect(await see(openVerifierMemory(folder, log()), 6)).toEqual({ tcbInfo: 7, qeIdentity: 7, isRevoked: true });
  expect(lines).toEqual([]);
});

test('nothing is written before there is anything to remember', () => {
  openVerifierMemory(folder, log());
  expect(existsSync(file())).toBe(false);
});

test('a file that no verifier wrote is refused and left as it is (collateral_seen_malformed)', async () => {
  await see(openVerifierMemory(folder, log()), 7, ['41']);
  const written = readFileSync(file(), 'utf8');
  for (const text of [written.slice(0, -1), '{}', '', written.replace(':7', ':-7'), written.replace('"41"', '"x"')]) {
    writeFileSync(file(), text);
    const expected = { name: 'ConfigError', code: 'collateral_seen_malformed', message: expect.stringContaining(file()) };
    expect(() => openVerifierMemory(folder, log())).toThrow(expect.objectContaining(expected));
    expect(readFileSync(file(), 'utf8')).toBe(text);
  }
});

test('what cannot be written down counts all the same, and the log says so', async () => {
  const memory = openVerifierMemory(folder, log());
  mkdirSync(file());
  await see(memory, 7, ['41']);
  expect(await see(memory, 6)).toEqual({ tcbInfo: 7, qeIdentity: 7, isRevoked: true });
  expect(lines[0]).toContain('cannot be written down');
});
