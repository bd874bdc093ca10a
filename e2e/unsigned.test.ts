import { z } from 'zod';
import { ClientContract } from '../offchain/chain/contracts';
import { hostileClient, type UnsigningClient } from './hostile-client.test-kit';
import { coinsInto, feesOf } from './money.test-kit';
import { DevNetwork, raw, until } from './network.test-kit';

const anything = z.unknown();
const proxySchema = z.object({
  channels: z.array(z.object({ channel: z.string(), voucherNano: z.string(), outstandingNano: z.string() })),
});

/** About what four short answers cost. */
const CREDIT_WINDOW = 60_000n;
const SETTLE_AFTER_SEC = 120;

describe('a client that never signs a voucher', () => {
  let network: DevNetwork;
  let client: UnsigningClient;

  beforeAll(async () => {
    network = await DevNetwork.start();
    await network.reconfigure('proxy', {
      creditWindowNano: CREDIT_WINDOW.toString(),
      settleAfterSec: SETTLE_AFTER_SEC,
      minSettleNano: '100',
    });
    client = await hostileClient(network);
  });

  afterAll(async () => {
    await client.close();
    await network.stop();
  });

  const stateOf = async () => {
    const { data, balance } = await network.chain.getAccount(client.channel);
    if (data === null) throw new Error('no channel');
    return { ...ClientContract.parseState(data), balance };
  };
  const standing = async () => {
    const { channels } = await network.command('proxy', 'state', proxySchema);
    return channels.find(({ channel }) => raw(channel).equals(client.channel));
  };

  it('is served until the credit window is used, and then refused', async () => {
    await client.askUntilRefused();
    expect(client.costs.length).toBeGreaterThan(1);
    expect(client.owed).toBeLessThanOrEqual(CREDIT_WINDOW);
    expect(await standing()).toMatchObject({ voucherNano: '0', outstandingNano: client.owed.toString() });
    expect(await stateOf()).toMatchObject({ charged: 0n, paid: 0n });
  });

  it('pays by receipt: all of it, to the nano, and nothing more, also when the proxy was killed meanwhile', async () => {
    await network.killAndHeal('proxy');
    const before = await stateOf();
    const { terms } = before;
    const proxyBefore = await network.chain.getAccount(terms.proxy);
    const since = (await network.chain.getAccount(client.channel)).lastLt;

    await network.increaseTime(SETTLE_AFTER_SEC);
    const after = await until('everything is settled', async () => {
      const state = await stateOf();
      return state.charged === client.owed ? state : null;
    });

    expect(after).toMatchObject({ charged: client.owed, paid: client.owed, upTo: 0n, settled: client.lastNumber });
    const transactions = await network.chain.transactionsOf(client.channel, since);
    expect(before.balance - after.balance).toBe(client.owed + feesOf(transactions).storage);

    const proxyAfter = await until('the proxy has it', async () => {
      const account = await network.chain.getAccount(terms.proxy);
      return account.lastLt > proxyBefore.lastLt ? account : null;
    });
    const income = await network.chain.transactionsOf(terms.proxy, proxyBefore.lastLt);
    const received = coinsInto(income, client.channel);
    // One payment carries what is owed and what was left of the operator's coins.
    const left = coinsInto(transactions, terms.operator) - feesOf(transactions).gasAndForwarding;
    expect(received).toBe(client.owed + left);
    expect(left).toBeGreaterThan(0n);
    expect(proxyAfter.balance - proxyBefore.balance).toBe(received - feesOf(income).all);
  });

  it('is served again then, and an honest voucher over everything still works', async () => {
    const settled = client.owed;
    await until('its channel is seen', async () => (await standing())?.outstandingNano === '0');
    await client.ask();
    expect(client.owed).toBeGreaterThan(settled);
    client.sign();
    await client.flush();
    expect(await standing()).toMatchObject({ voucherNano: client.owed.toString(), outstandingNano: '0' });
    await until('the voucher is charged', async () => {
      await network.command('proxy', 'settle', anything);
      return (await stateOf()).paid === client.owed;
    });
    expect(await stateOf()).toMatchObject({ charged: client.owed, paid: client.owed, settled: 0n });
  });
});
