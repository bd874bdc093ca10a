import { packAuthorisation, packOrder, statementHash } from '../../wrappers/statements';
import { hex } from '../client/guest.test-kit';
import { toBigEndian } from '../core/bytes';
import { until } from '../core/until.test-kit';
import { offers } from '../protocol/calls';
import { readJson } from '../protocol/json';
import { generateSigner, nodeCrypto } from '../runtime/node-crypto';
import { type Connection, readAll } from '../transport/exchange';
import { PRICE, TestCaller } from './caller.test-kit';
import { Scene } from './scene.test-kit';

let scene: Scene;

beforeEach(async () => {
  scene = await Scene.open();
  await scene.attach();
});

afterEach(() => scene.end());

describe('GET /v1/channels', () => {
  it('shows the voucher and what it does not cover, with what the client has signed for it', async () => {
    for (let i = 0; i < 3; i++) await scene.caller.ask(scene.connection, scene.world.guest);
    await scene.caller.sendVoucher(scene.connection, await scene.caller.voucher({ total: PRICE, upTo: 3n }, [2n, 3n]));
    let release = () => {};
    scene.worker.hold = new Promise((resolve) => {
      release = resolve;
    });
    const running = await scene.caller.send(scene.connection, scene.world.guest, await scene.caller.order(scene.world.guest));
    const state = await scene.caller.state(scene.connection);
    if (!('receipts' in state)) throw new Error(state.code);
    expect(state.standing).toEqual({ channel: scene.caller.id, voucherTotal: PRICE, upTo: 3n, outstanding: 2n * PRICE, reserved: 10_000n });
    expect(state.voucher?.voucher).toMatchObject({ total: PRICE, upTo: 3n });
    expect(state.inFlight).toEqual([4n]);
    expect(state.receipts.map(({ order }) => order.number)).toEqual([2n, 3n]);
    for (const { order, authorisation, authorisationSignature, receipt } of state.receipts) {
      expect(order.channel.equals(scene.caller.channel)).toBe(true);
      expect(authorisation.orderHash).toBe(statementHash(packOrder(order)));
      const hash = statementHash(packAuthorisation(authorisation));
      expect(receipt.receipt.authorisationHash).toBe(hash);
      expect(await nodeCrypto.verifyEd25519(scene.caller.session.publicKey, toBigEndian(hash, 32), authorisationSignature)).toBe(true);
    }
    release();
    await readAll(running.body, 100_000);
  });

  it('shows nothing to who does not hold the session key, has signed another call, or comes late', async () => {
    const refusal = { code: 'authorisation_refused', check: 'request', missingNano: undefined };
    expect(await scene.caller.state(scene.connection, { signer: generateSigner() })).toEqual(refusal);
    expect(await scene.caller.state(scene.connection, { ageSec: 121 })).toEqual(refusal);
    expect(await scene.caller.state(scene.connection, { ageSec: -121 })).toEqual(refusal);
    expect(await scene.caller.state(scene.connection, { signedPath: `/v1/channels/${scene.caller.id}/release` })).toEqual(refusal);
    expect(await scene.caller.state(scene.connection, { ageSec: 120 })).toHaveProperty('receipts');
    const answer = await scene.connection.call({ method: 'GET', path: `/v1/channels/${scene.caller.id}` });
    expect(answer.status).toBe(403);
    await readAll(answer.body, 10_000);
  });

  it('cannot be asked with the statement of another channel', async () => {
    const other = new TestCaller(scene.world, 0x51);
    other.hold();
    const path = `/v1/channels/${other.id}`;
    const seen: string[] = [];
    const forward: Connection = {
      ...scene.connection,
      isOpen: true,
      onClose: () => {},
      close: () => {},
      call: (call) => {
        seen.push(call.path);
        return scene.connection.call({ ...call, path });
      },
    };
    expect(await scene.caller.state(forward)).toMatchObject({ code: 'authorisation_refused' });
    expect(seen).toEqual([`/v1/channels/${scene.caller.id}`]);
  });
});

describe('GET /v1/offers', () => {
  const list = async (query = '') => {
    const answer = await scene.connection.call({ method: 'GET', path: `/v1/offers${query}` });
    return readJson(offers, await readAll(answer.body, 1_000_000));
  };

  it('lists what is offered, for all models or for one, for a while', async () => {
    expect((await list()).offers.map(({ keys }) => keys.evidence)).toEqual([scene.world.guest.digest]);
    expect((await list('?model=cocoon-demo')).offers.length).toBe(1);
    expect(await list('?model=other')).toEqual({ expiresAt: scene.world.clock.nowSec() + 60, offers: [] });
  });

  it('lists no worker that has no capacity, or is gone', async () => {
    scene.worker.info = { ...scene.worker.info, capacity: 0 };
    await until(() => {
      scene.proxy.workers.refreshAll();
      return scene.proxy.workers.offers(null).length === 0;
    });
    scene.worker.cut();
    await until(() => scene.proxy.workers.size === 0);
    expect((await list()).offers).toEqual([]);
  });
});

it('lets pages of any origin ask', async () => {
  const answer = await scene.connection.call({ method: 'OPTIONS', path: '/v1/relay' });
  expect(answer).toMatchObject({ status: 204, headers: { 'access-control-allow-origin': '*' } });
  const refused = await scene.connection.call({ method: 'GET', path: '/v1/nothing' });
  expect(refused).toMatchObject({ status: 404, headers: { 'access-control-allow-origin': '*' } });
  await readAll(refused.body, 10_000);
});

describe('POST /v1/stop', () => {
  const stop = async (hash: string) => {
    const answer = await scene.connection.call({ method: 'POST', path: `/v1/stop/${hash}` });
    await readAll(answer.body, 10_000);
    return answer.status;
  };

  it('asks no worker for what does not run', async () => {
    expect(await stop(hex(1))).toBe(204);
    const placed = await scene.caller.order(scene.world.guest);
    await readAll((await scene.caller.send(scene.connection, scene.world.guest, placed)).body, 100_000);
    expect(await stop(placed.hash.toString(16).padStart(64, '0'))).toBe(204);
    expect(scene.worker.countOf('POST /v1/stop')).toBe(0);
  });

  it('takes only hashes', async () => {
    expect(await stop('x')).toBe(400);
  });
});
