import { nodeCrypto } from '../runtime/node-crypto';
import { verifyCollateral } from './collateral';
import { issueCollateral } from './platform/development-collateral';
import { makePki, NOW } from './platform/forgery.test-kit';
import { loadTrustRoot } from './trust-root';
import { type Ratchet, VerifierMemory } from './verifier-memory';

const pki = makePki();
const root = loadTrustRoot({ kind: 'development', der: pki.root.der }, nodeCrypto);
const verdictOf = async (evaluationNumber: number) =>
  verifyCollateral(issueCollateral(pki.authority, { nowSec: NOW, evaluationNumber }), await root, NOW, nodeCrypto);

describe("a verifier's memory", () => {
  test('keeps a thousand verdicts, and the latest of them', async () => {
    const memory = new VerifierMemory();
    const verdict = await verdictOf(1);
    for (let i = 0; i <= 1024; i++) memory.keepCollateral(`${i}`, await root, verdict);
    expect(memory.collateral('0', await root, NOW)).toBeNull();
    expect(memory.collateral('1', await root, NOW)).toBe(verdict);
    expect(memory.collateral('1024', await root, NOW)).toBe(verdict);
  });

  test('keeps no verdict that refuses', async () => {
    const memory = new VerifierMemory();
    const refused = await verifyCollateral(issueCollateral(pki.authority, { nowSec: NOW + 1 }), await root, NOW, nodeCrypto);
    memory.keepCollateral('refused', await root, refused);
    expect(memory.collateral('refused', await root, NOW)).toBeNull();
  });

  test('holds a verdict from the first to the last second of the collateral, under its root', async () => {
    const memory = new VerifierMemory();
    memory.keepCollateral('one', await root, await verdictOf(1));
    const month = 30 * 86_400;
    const at = async (nowSec: number) => memory.collateral('one', await root, nowSec) !== null;
    expect([await at(NOW - 1), await at(NOW), await at(NOW + month), await at(NOW + month + 1)]).toEqual([false, true, true, false]);
    const other = await loadTrustRoot({ kind: 'development', der: makePki().root.der }, nodeCrypto);
    expect(memory.collateral('one', other, NOW)).toBeNull();
  });

  test('tells what must outlive it, when that has grown and only then; a memory that begins with it knows the same', async () => {
    const told: Ratchet[] = [];
    const memory = new VerifierMemory(undefined, (ratchet) => told.push(ratchet));
    const see = async (evaluationNumber: number, revoked: readonly string[]) => {
      const collateral = issueCollateral(pki.authority, { nowSec: NOW, evaluationNumber, revoked });
      const { proven, lists } = await verifyCollateral(collateral, await root, NOW, nodeCrypto);
      if (proven === null) throw new RangeError('collateral that does not hold');
      for (const list of lists) memory.noteRevoked(await root, list);
      memory.raiseFloors(await root, proven);
      return proven;
    };
    const proven = await see(5, ['41']);
    expect(told).toHaveLength(3);
    await see(5, ['41']);
    await see(4, []);
    expect(told).toHaveLength(3);
    await see(5, ['41', '42']);
    expect(told).toHaveLength(4);

    const next = new VerifierMemory(told.at(-1));
    const isRevoked = async (serial: string) => next.isRevoked(await root, proven.pckCa, serial);
    expect([await isRevoked('41'), await isRevoked('42'), await isRevoked('43')]).toEqual([true, true, false]);
    const older = (await verdictOf(4)).proven;
    expect(older === null ? null : next.raiseFloors(await root, older)).toEqual({ tcbInfo: 5, qeIdentity: 5 });
  });

  test('raises floors and never lowers them, root by root', async () => {
    const memory = new VerifierMemory();
    const floorsOf = async (evaluationNumber: number) => {
      const { proven } = await verdictOf(evaluationNumber);
      return proven === null ? null : memory.raiseFloors(await root, proven);
    };
    expect(await floorsOf(5)).toEqual({ tcbInfo: 5, qeIdentity: 5 });
    expect(await floorsOf(4)).toEqual({ tcbInfo: 5, qeIdentity: 5 });
    expect(await floorsOf(6)).toEqual({ tcbInfo: 6, qeIdentity: 6 });
    const { proven } = await verdictOf(1);
    const other = await loadTrustRoot({ kind: 'development', der: makePki().root.der }, nodeCrypto);
    expect(proven === null ? null : memory.raiseFloors(other, proven)).toEqual({ tcbInfo: 1, qeIdentity: 1 });
  });
});
