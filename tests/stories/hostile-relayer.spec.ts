import { type Address, beginCell, type Cell, toNano } from '@ton/core';
import type { BlockchainSnapshot } from '@ton/sandbox';
import { ClientContract } from '../../wrappers/ClientContract';
import { GAS, type MessagePrices, messagePrices, minimumValue } from '../../wrappers/minimum-value';
import { ProxyContract } from '../../wrappers/ProxyContract';
import { WorkerContract } from '../../wrappers/WorkerContract';
import { EVERYTHING } from '../../wrappers/withdrawal';
import { ALL_PRICES, DELAY, feesOf, known, STRANGER_KEY, signedVoucher, signedWorkerVoucher, World } from '../world';
import { Story } from './story';

const AMOUNT = toNano('2');

/** What anybody may trigger for others. */
interface Deed {
  readonly what: string;
  readonly channel: 'Client' | 'Worker';
  readonly payee: string;
  readonly gas: bigint;
  readonly body: (world: World) => Cell;
}

const claimOf = (workerContract: Address, total: bigint) =>
  WorkerContract.claimBody(signedWorkerVoucher({ workerContract, total, tokens: 1n }));

const DEEDS: readonly Deed[] = [
  {
    what: 'claims for a worker',
    channel: 'Worker',
    payee: 'workerOwner',
    gas: GAS.workerClaim,
    body: (world) => claimOf(world.workerChannel.address, AMOUNT),
  },
  {
    what: "completes a client's withdrawal",
    channel: 'Client',
    payee: 'client',
    gas: GAS.clientComplete,
    body: () => ClientContract.completeWithdrawalBody(),
  },
  {
    what: "completes a proxy's withdrawal from a worker",
    channel: 'Worker',
    payee: 'Proxy',
    gas: GAS.workerComplete,
    body: () => WorkerContract.completeWithdrawalBody(),
  },
];

describe.each(ALL_PRICES)('a hostile relayer at %s prices (INV-R3, INV-R6)', (which) => {
  let world: World;
  let announced: BlockchainSnapshot;
  let story: Story;
  let prices: MessagePrices;
  const addressOf = (channel: 'Client' | 'Worker') => (channel === 'Client' ? world.clientChannel : world.workerChannel).address;

  beforeAll(async () => {
    world = await World.inUse(which);
    const beginning = new Story(world);
    await beginning.send('client', addressOf('Client'), ClientContract.requestWithdrawalBody({ amount: AMOUNT }));
    await beginning.order(addressOf('Worker'), WorkerContract.requestWithdrawalBody({ amount: AMOUNT }));
    world.wait(DELAY);
    announced = world.snapshot();
    prices = messagePrices(world.chain.config);
  });

  beforeEach(async () => {
    await world.restore(announced);
    story = new Story(world);
  });

  describe.each(DEEDS)('$what', ({ channel, payee, gas, body }) => {
    const minimum = () => minimumValue(gas, prices);

    test('with too little: nobody gains anything', async () => {
      for (const bounce of [true, false]) {
        await world.restore(announced);
        story = new Story(world);
        const sent = await story.attempt('stranger', addressOf(channel), body(world), { value: minimum() - 1n, bounce });
        expect(sent.trace[0]).toMatch(/ refused \(lowValue\)$/);
        // What a message brings that may not bounce stays with whoever refused it.
        const left = minimum() - 1n - feesOf(known(sent.transactions[1])) + story.costs(channel);
        expect(story.table()).toEqual(bounce ? {} : { stranger: -left, [channel]: left });
      }
    });

    test('with any value up to twice the minimum: the payee gets the amount, and what the relayer brought too much on top', async () => {
      const values = [minimum(), minimum() + 1n, 2n * minimum() - 1n];
      for (const [value, bounce] of values.flatMap((each) => [[each, true] as const, [each, false] as const])) {
        await world.restore(announced);
        story = new Story(world);
        const { transactions } = await story.send('stranger', addressOf(channel), body(world), { value, bounce });
        const excess = value - feesOf(known(transactions[1])) + story.costs(channel);
        expect(excess).toBeGreaterThanOrEqual(0n);
        expect(story.table()).toEqual({ [channel]: -AMOUNT, [payee]: AMOUNT + excess, stranger: -excess });
      }
    });

    test('with any value from there on: the payee gets the amount, the relayer its own coins but for the gas', async () => {
      const values = [2n * minimum(), toNano('0.5'), toNano('1000')];
      for (const [value, bounce] of values.flatMap((each) => [[each, true] as const, [each, false] as const])) {
        await world.restore(announced);
        story = new Story(world);
        await story.send('stranger', addressOf(channel), body(world), { value, bounce });
        expect(story.table()).toEqual({ [channel]: -AMOUNT, [payee]: AMOUNT });
      }
    });

    test("from another workchain: the payee gets the amount, and the way back is the relayer's to pay", async () => {
      await story.join('elsewhere', -1);
      await story.send('elsewhere', addressOf(channel), body(world));
      expect(story.table()).toEqual({ [channel]: -AMOUNT, [payee]: AMOUNT });
    });

    test('with an address, a bit or a reference added, to have it paid elsewhere: refused', async () => {
      const own = world.party('stranger').address;
      for (const add of [
        beginCell().storeAddress(own),
        beginCell().storeBit(true),
        beginCell().storeRef(beginCell().storeAddress(own).endCell()),
      ]) {
        const spoilt = beginCell().storeSlice(body(world).beginParse()).storeBuilder(add).endCell();
        await story.refused(gas === GAS.workerClaim ? 'badSignature' : 'malformed', 'stranger', addressOf(channel), spoilt);
      }
      expect(story.table()).toEqual({});
    });
  });

  test('brings vouchers that it was never given, or was given for another channel: refused, and nobody gains anything', async () => {
    const worker = addressOf('Worker');
    const own = WorkerContract.create({ ...world.workerTerms, owner: world.party('stranger').address }).address;
    const signed = signedWorkerVoucher({ workerContract: worker, total: AMOUNT, tokens: 1n });
    for (const claim of [
      claimOf(own, AMOUNT),
      WorkerContract.claimBody({ ...signed, voucher: { ...signed.voucher, total: AMOUNT + 1n } }),
      WorkerContract.claimBody({ ...signed, voucher: { ...signed.voucher, tokens: 2n } }),
      WorkerContract.claimBody(signedWorkerVoucher(signed.voucher, STRANGER_KEY)),
      WorkerContract.claimBody({ ...signed, signature: signedVoucher({ channel: worker, total: AMOUNT, upTo: 1n, open: 0n }).signature }),
    ]) {
      await story.refused('badSignature', 'stranger', worker, claim);
    }
    const charge = ClientContract.chargeBody(signedVoucher({ channel: addressOf('Client'), total: AMOUNT, upTo: 1n, open: 0n }));
    await story.refused('notAllowed', 'stranger', addressOf('Client'), charge);
    await story.refused(
      'notAllowed',
      'stranger',
      world.proxy.address,
      ProxyContract.orderBody({ to: worker, order: claimOf(worker, AMOUNT) }),
    );
    expect(story.table()).toEqual({});
  });

  test('claims in small steps, out of order and twice: the worker gets the largest total once', async () => {
    const worker = addressOf('Worker');
    for (const total of ['0.5', '1.5']) await story.send('stranger', worker, claimOf(worker, toNano(total)));
    for (const total of ['0.5', '1', '1.5']) await story.refused('oldVoucher', 'stranger', worker, claimOf(worker, toNano(total)));
    await story.send('stranger', worker, claimOf(worker, AMOUNT));
    expect(story.table()).toEqual({ Worker: -AMOUNT, workerOwner: AMOUNT });
  });

  test("completes early, twice, and after the client has taken it back: the client's coins move once, and only as announced", async () => {
    const client = addressOf('Client');
    const complete = ClientContract.completeWithdrawalBody();
    await story.send('stranger', client, complete);
    await story.refused('notAnnounced', 'stranger', client, complete);
    await story.send('client', client, ClientContract.requestWithdrawalBody({ amount: EVERYTHING }));
    await story.refused('tooEarly', 'stranger', client, complete);
    await story.send('client', client, ClientContract.requestWithdrawalBody({ amount: 0n }));
    world.wait(DELAY);
    await story.refused('notAnnounced', 'stranger', client, complete);
    expect(story.table()).toEqual({ Client: -AMOUNT, client: AMOUNT });
  });
});
