import { type Address, type Cell, toNano } from '@ton/core';
import type { BlockchainSnapshot } from '@ton/sandbox';
import { ClientContract } from '../wrappers/ClientContract';
import { ProxyContract } from '../wrappers/ProxyContract';
import { openHash, type Voucher } from '../wrappers/statements';
import { WorkerContract } from '../wrappers/WorkerContract';
import { EVERYTHING } from '../wrappers/withdrawal';
import { deepestOpen, NUMBERS, settled } from './settling';
import { constantsOf } from './sources';
import {
  DELAY,
  FEE,
  gasOf,
  keyOf,
  known,
  NEXT_SESSION,
  publicKeyOf,
  SESSION,
  STAKE,
  signedVoucher,
  signedWorkerVoucher,
  World,
} from './world';

const GAS = constantsOf('gas.tact');
const constant = (name: string) => BigInt(known(GAS.get(name)));
const most = (gas: readonly bigint[]) => gas.reduce((a, b) => (a > b ? a : b), 0n);

/**
 * Each constant is what the dearest way to send its message uses, to the unit: less would starve a message that brings the minimum,
 * more would ask for coins that nothing needs. With a refund a message is dearest, so all of these bring enough for one.
 */
describe('the constants of contracts/gas.tact are what the dearest message uses', () => {
  let world: World;
  let inUse: BlockchainSnapshot;
  let client: Address;
  let worker: Address;
  let proxy: Address;

  beforeAll(async () => {
    world = await World.inUse();
    inUse = world.snapshot();
    [client, worker, proxy] = [world.clientChannel.address, world.workerChannel.address, world.proxy.address];
    world.name(WorkerContract.create({ ...world.workerTerms, owner: world.party('stranger').address }).address, 'NewWorker');
  });

  beforeEach(async () => {
    await world.restore(inUse);
  });

  const send = (from: string, to: Address, body: Cell, value?: bigint) => world.send({ from: world.party(from), to, body, value });
  /** Gas of the contract that the message goes to, which must have taken it. */
  const used = async (from: string, to: Address, body: Cell, value?: bigint): Promise<bigint> => {
    const sent = await send(from, to, body, value);
    expect(sent.trace[0]).not.toMatch(/refused|failed/);
    return gasOf(sent);
  };
  /** The same for a message of the ProxyContract. */
  const usedByProxy = async (to: Address, body: Cell): Promise<bigint> => {
    const arrived = await world.arrive(proxy, to, body, toNano('1'));
    expect(arrived.trace[0]).not.toMatch(/refused|failed/);
    return gasOf(arrived, 0);
  };
  /** What each way uses, all from the same state. */
  const each = async (ways: readonly (() => Promise<bigint>)[]): Promise<bigint> => {
    const before = world.snapshot();
    const gas: bigint[] = [];
    for (const way of ways) {
      await world.restore(before);
      gas.push(await way());
    }
    await world.restore(before);
    return most(gas);
  };
  const rotate = () => send('client', client, ClientContract.rotateKeyBody({ sessionKey: publicKeyOf(NEXT_SESSION) }));
  const voucherOf = (change: Partial<Voucher> = {}): Voucher => ({ channel: client, total: toNano('1'), upTo: 1n, open: 1n, ...change });

  test('GasClientCharge: by the old key, on the order of the proxy, which collecting never exceeds (INV-R4)', async () => {
    await rotate();
    const old = ClientContract.chargeBody({ ...signedVoucher(voucherOf()), byOldKey: true });
    const now = ClientContract.chargeBody(signedVoucher(voucherOf(), NEXT_SESSION));
    const ways = [old, now, ClientContract.collectBody()].flatMap((body) => [
      () => used('operator', client, body),
      () => usedByProxy(client, body),
    ]);
    expect(await each(ways)).toBe(constant('GasClientCharge'));
  });

  test('GasClientSettleOne: by the old key, one to five (INV-R4)', async () => {
    await rotate();
    const perReceipt: bigint[] = [];
    for (const count of [1, 2, 3, 4, 5]) {
      const above = (await settling(NUMBERS.slice(0, count))) - constant('GasClientCharge');
      perReceipt.push(ceilOf(above, BigInt(count)));
    }
    expect(most(perReceipt)).toBe(constant('GasClientSettleOne'));
  });

  test('GasClientSettleOpen: five numbers, each at the end of the deepest dictionary (INV-R4)', async () => {
    const open = deepestOpen(NUMBERS);
    await send('operator', client, ClientContract.chargeBody(signedVoucher(voucherOf({ upTo: EVERYTHING, open: openHash(open) }))));
    await rotate();
    const above: bigint[] = [];
    for (const count of [1, 2, 3, 4, 5]) {
      const without = constant('GasClientCharge') + BigInt(count) * constant('GasClientSettleOne');
      above.push((await settling(NUMBERS.slice(0, count), open)) - without);
    }
    expect(ceilOf(most(above), 5n)).toBe(constant('GasClientSettleOpen'));
  });

  /** What a settlement of these numbers uses, from this state. */
  const settling = (numbers: readonly bigint[], open?: readonly bigint[]): Promise<bigint> => {
    const receipts = numbers.map((number) => settled({ channel: client, number, byOldKey: true }));
    const body = ClientContract.settleBody({ receipts, open });
    return each([() => used('operator', client, body), () => usedByProxy(client, body)]);
  };

  test('GasClientRequest: an announcement or its end (INV-R4)', async () => {
    const request = (amount: bigint) => () => used('client', client, ClientContract.requestWithdrawalBody({ amount }));
    expect(await each([request(1n), request(EVERYTHING), request(0n)])).toBe(constant('GasClientRequest'));
  });

  test('GasClientRotate: when there was an old key before (INV-R4)', async () => {
    const first = await each([() => used('client', client, ClientContract.rotateKeyBody({ sessionKey: publicKeyOf(NEXT_SESSION) }))]);
    await rotate();
    world.wait(DELAY + 1);
    const again = await used('client', client, ClientContract.rotateKeyBody({ sessionKey: publicKeyOf(SESSION) }));
    expect(most([first, again])).toBe(constant('GasClientRotate'));
  });

  test('GasClientComplete: a part or all of it, for anybody (INV-R4)', async () => {
    const ways = [1n, EVERYTHING].flatMap((amount) =>
      ['client', 'stranger'].map((name) => async () => {
        await send('client', client, ClientContract.requestWithdrawalBody({ amount }));
        world.wait(DELAY);
        return used(name, client, ClientContract.completeWithdrawalBody());
      }),
    );
    expect(await each(ways)).toBe(constant('GasClientComplete'));
  });

  test('GasClientRelease: a part or all of it, by the operator or the proxy (INV-R4)', async () => {
    const ways = [1n, EVERYTHING].flatMap((amount) => {
      const body = ClientContract.releaseBody({ amount });
      return [() => used('operator', client, body), () => usedByProxy(client, body)];
    });
    expect(await each(ways)).toBe(constant('GasClientRelease'));
  });

  test('GasWorkerClaim (INV-R4)', async () => {
    const claim = (total: bigint, tokens: bigint) =>
      WorkerContract.claimBody(signedWorkerVoucher({ workerContract: worker, total, tokens }));
    const ways = [claim(toNano('1'), 1n), claim(EVERYTHING, EVERYTHING)].map((body) => () => used('stranger', worker, body));
    expect(await each(ways)).toBe(constant('GasWorkerClaim'));
  });

  test('GasWorkerRequest (INV-R4)', async () => {
    const ways = [0n, 1n, EVERYTHING].map((amount) => () => usedByProxy(worker, WorkerContract.requestWithdrawalBody({ amount })));
    expect(await each(ways)).toBe(constant('GasWorkerRequest'));
  });

  test('GasWorkerComplete: a part or all of it (INV-R4)', async () => {
    const ways = [1n, EVERYTHING].map((amount) => async () => {
      await world.receive(proxy, worker, WorkerContract.requestWithdrawalBody({ amount }), toNano('1'));
      world.wait(DELAY);
      return used('stranger', worker, WorkerContract.completeWithdrawalBody());
    });
    expect(await each(ways)).toBe(constant('GasWorkerComplete'));
  });

  test('GasProxyFund (INV-R4)', async () => {
    const fund = (name: string) => () =>
      used('operator', proxy, ProxyContract.fundBody({ workerOwner: world.party(name).address, amount: toNano('1') }));
    expect(await each([fund('workerOwner'), fund('stranger')])).toBe(constant('GasProxyFund'));
  });

  test('GasProxyConfigure: with the longest URL and a pin (INV-R4)', async () => {
    const configure = (url: string, keyPin: Uint8Array | null) => () =>
      used(
        'proxyOwner',
        proxy,
        ProxyContract.configureBody({
          operator: world.party('stranger').address,
          payerKey: publicKeyOf(keyOf('another payer')),
          endpoint: { url, keyPin },
        }),
      );
    const ways = [configure('a', null), configure('a'.repeat(127), null), configure('a'.repeat(127), new Uint8Array(32))];
    expect(await each(ways)).toBe(constant('GasProxyConfigure'));
  });

  test('GasProxyRegister (INV-R4)', async () => {
    const register = (stake: bigint) => () =>
      used('proxyOwner', proxy, ProxyContract.registerBody({ stake, forward: FEE + toNano('0.1') }), STAKE + FEE + toNano('1'));
    expect(await each([register(STAKE), register(STAKE + 1n)])).toBe(constant('GasProxyRegister'));
  });

  test('GasProxyLeave (INV-R4)', async () => {
    expect(await used('proxyOwner', proxy, ProxyContract.leaveBody())).toBe(constant('GasProxyLeave'));
  });

  test('GasProxyRequest and GasProxyComplete: income, stake or both (INV-R4)', async () => {
    await send('proxyOwner', proxy, ProxyContract.leaveBody());
    const requests: bigint[] = [];
    const completions: bigint[] = [];
    const before = world.snapshot();
    for (const [income, stake] of [
      [1n, 0n],
      [0n, 1n],
      [1n, 1n],
      [EVERYTHING, EVERYTHING],
      [1n, EVERYTHING],
      [0n, 0n],
    ] as const) {
      await world.restore(before);
      requests.push(await used('proxyOwner', proxy, ProxyContract.requestWithdrawalBody({ income, stake })));
      world.wait(DELAY);
      if (income + stake > 0n) completions.push(await used('proxyOwner', proxy, ProxyContract.completeWithdrawalBody()));
    }
    expect([most(requests), most(completions)]).toEqual([constant('GasProxyRequest'), constant('GasProxyComplete')]);
  });

  test('GasProxyOrder and GasProxyOrderCell: from the smallest order to the largest (INV-R4)', async () => {
    const open = Array.from({ length: 1_024 }, (_, i) => BigInt(i * 7 + 1));
    const receipts = [1n, 8n, 15n, 22n, 29n].map((number) => settled({ channel: client, number }));
    const orders: readonly (readonly [Address, Cell])[] = [
      [client, ClientContract.collectBody()],
      [client, ClientContract.chargeBody(signedVoucher(voucherOf()))],
      [client, ClientContract.settleBody({ receipts: receipts.slice(0, 1) })],
      [client, ClientContract.settleBody({ receipts })],
      [client, ClientContract.settleBody({ receipts, open })],
      [worker, WorkerContract.requestWithdrawalBody({ amount: 1n })],
    ];
    const measured: { cells: bigint; gas: bigint }[] = [];
    for (const [to, order] of orders) {
      await world.restore(inUse);
      const sent = await send('proxyOwner', proxy, ProxyContract.orderBody({ to, order }));
      expect(sent.trace[0]).not.toMatch(/refused|failed/);
      measured.push({ cells: cellsOf(order), gas: gasOf(sent) });
    }
    const smallest = known(measured[0]);
    const perCell = most(measured.filter(({ cells }) => cells > 1n).map(({ cells, gas }) => ceilOf(gas - smallest.gas, cells - 1n)));
    expect(perCell).toBe(constant('GasProxyOrderCell'));
    expect(most(measured.map(({ cells, gas }) => gas - cells * perCell))).toBe(constant('GasProxyOrder'));
    expect(most(measured.map(({ cells }) => cells))).toBeLessThan(constant('MaxOrderedCells'));
  });

  const ceilOf = (value: bigint, by: bigint) => (value + by - 1n) / by;
  const cellsOf = (root: Cell): bigint => {
    const seen = new Set<string>();
    const walk = (cell: Cell) => {
      const size = seen.size;
      seen.add(cell.hash().toString('hex'));
      if (seen.size > size) cell.refs.forEach(walk);
    };
    walk(root);
    return BigInt(seen.size);
  };
});
