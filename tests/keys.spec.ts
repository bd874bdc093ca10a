import '@ton/test-utils';
import { ClientContract } from '../wrappers/ClientContract';
import { ProxyContract } from '../wrappers/ProxyContract';
import { expectRefused } from './refusal';
import { keyOf as keyPairOf, publicKeyOf, SESSION, World } from './world';

// The curve of RFC 8032, section 5.1, computed here again: -x^2 + y^2 = 1 + d x^2 y^2 modulo p, in plain affine arithmetic.
const P = (1n << 255n) - 19n;
const mod = (value: bigint) => ((value % P) + P) % P;
const power = (base: bigint, exponent: bigint): bigint => {
  let result = 1n;
  for (let b = mod(base), e = exponent; e > 0n; e >>= 1n, b = mod(b * b)) if (e & 1n) result = mod(result * b);
  return result;
};
const inverse = (value: bigint) => power(value, P - 2n);
const D = mod(-121665n * inverse(121666n));
const ROOT_OF_MINUS_ONE = power(2n, (P - 1n) / 4n);

type Point = readonly [bigint, bigint];
const add = ([x1, y1]: Point, [x2, y2]: Point): Point => {
  const t = mod(D * x1 * x2 * y1 * y2);
  return [mod((x1 * y2 + x2 * y1) * inverse(1n + t)), mod((y1 * y2 + x1 * x2) * inverse(1n - t))];
};

function squareRoot(value: bigint): bigint | undefined {
  const candidate = power(value, (P + 3n) / 8n);
  if (mod(candidate * candidate - value) === 0n) return candidate;
  const other = mod(candidate * ROOT_OF_MINUS_ONE);
  return mod(other * other - value) === 0n ? other : undefined;
}

/** Every point whose order divides 8: eight times any point of the curve, walked through its cosets. */
function smallOrderPoints(): Point[] {
  const order = (1n << 252n) + 27742317777372353535851937790883648493n;
  for (let y = 2n; ; y++) {
    const x = squareRoot(mod((y * y - 1n) * inverse(D * y * y + 1n)));
    if (x === undefined) continue;
    let torsion: Point = [0n, 1n];
    for (let base: Point = [x, y], e = order; e > 0n; e >>= 1n, base = add(base, base)) if (e & 1n) torsion = add(torsion, base);
    const points: Point[] = [[0n, 1n]];
    for (let point = torsion; point[0] !== 0n || point[1] !== 1n; point = add(point, torsion)) points.push(point);
    if (points.length === 8) return points;
  }
}

/** A public key as contracts read it: 32 bytes little-endian, sign bit on top, taken as one big-endian number. */
function keyOf(y: bigint, sign: bigint): bigint {
  const bytes = Buffer.from((y | (sign << 255n)).toString(16).padStart(64, '0'), 'hex').reverse();
  return BigInt(`0x${bytes.toString('hex')}`);
}

describe('weak keys', () => {
  const points = smallOrderPoints();
  const keys = new Set<bigint>([0n]);
  for (const [, y] of points) {
    for (const sign of [0n, 1n]) {
      keys.add(keyOf(y, sign));
      if (y + P < 1n << 255n) keys.add(keyOf(y + P, sign));
    }
  }

  test('are the points of small order in every encoding: eight points, fourteen encodings', () => {
    expect(points.length).toBe(8);
    for (const [x, y] of points) expect(mod(-x * x + y * y)).toBe(mod(1n + D * x * x * y * y));
    expect(keys.size).toBe(14);
  });

  test('are refused as session keys, and a good key is taken (INV-R6)', async () => {
    const world = await World.create();
    const channel = world.clientChannel.address;
    await world.clientChannel.sendTopUp(world.party('client').getSender(), { value: 10n ** 10n });
    for (const sessionKey of keys) {
      await expectRefused(world, { from: world.party('client'), to: channel, body: ClientContract.openBody({ sessionKey }) }, 'badKey');
    }
    await world.send({ from: world.party('client'), to: channel, body: ClientContract.openBody({ sessionKey: publicKeyOf(SESSION) }) });
    expect((await world.clientChannel.getState()).sessionKey).toBe(publicKeyOf(SESSION));
  });

  test('are refused when a session key is rotated, and a good key is taken (INV-R6)', async () => {
    const world = await World.inUse();
    const channel = world.clientChannel.address;
    const rotate = (sessionKey: bigint) => ClientContract.rotateKeyBody({ sessionKey });
    for (const key of keys) await expectRefused(world, { from: world.party('client'), to: channel, body: rotate(key) }, 'badKey');
    const next = publicKeyOf(keyPairOf('next'));
    await world.send({ from: world.party('client'), to: channel, body: rotate(next) });
    expect((await world.clientChannel.getState()).sessionKey).toBe(next);
  });

  test('are refused as payer keys, and a good key is taken (INV-R6)', async () => {
    const world = await World.inUse();
    const endpoint = { url: 'https://proxy.example', keyPin: null };
    const configure = (payerKey: bigint) => ProxyContract.configureBody({ operator: world.party('operator').address, payerKey, endpoint });
    for (const key of keys) {
      await expectRefused(world, { from: world.party('proxyOwner'), to: world.proxy.address, body: configure(key) }, 'badKey');
    }
    const next = publicKeyOf(keyPairOf('next'));
    await world.send({ from: world.party('proxyOwner'), to: world.proxy.address, body: configure(next) });
    expect((await world.proxy.getState()).payerKey).toBe(next);
  });

  test('have neighbours that are good keys, so that nothing but them is refused', async () => {
    const world = await World.inUse();
    const channel = world.clientChannel.address;
    const opened = world.snapshot();
    for (const [, y] of points) {
      for (const near of [mod(y + 3n), mod(y - 3n)]) {
        await world.restore(opened);
        const sessionKey = keyOf(near, 0n);
        await world.send({ from: world.party('client'), to: channel, body: ClientContract.rotateKeyBody({ sessionKey }) });
        expect((await world.clientChannel.getState()).sessionKey).toBe(sessionKey);
      }
    }
  });
});
