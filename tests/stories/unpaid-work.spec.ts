import { toNano } from '@ton/core';
import { ClientContract, type SettledReceipt } from '../../wrappers/ClientContract';
import { packOpen } from '../../wrappers/statements';
import { EVERYTHING } from '../../wrappers/withdrawal';
import { COST, settled, settledAll } from '../settling';
import { ALL_PRICES, DELAY, known, publicKeyOf, STRANGER_KEY, signedVoucher } from '../world';
import { Start } from './start';
import type { Story } from './story';

/** A mean client's price for ten requests. */
const PITTANCE = 1n;

describe.each(ALL_PRICES)('unpaid work at %s prices (INV-R2, INV-R6)', (which) => {
  let start: Start;
  let story: Story;

  beforeAll(async () => {
    start = await Start.at(which);
  });

  beforeEach(async () => {
    story = await start.story();
  });

  const chargeOf = (total: bigint, upTo: bigint, open: readonly bigint[] = []) => {
    const hash = packOpen(open)?.hash().toString('hex') ?? '0';
    return ClientContract.chargeBody(signedVoucher({ channel: start.channel, total, upTo, open: BigInt(`0x${hash}`) }));
  };
  const settleOf = (receipts: readonly SettledReceipt[], open?: readonly bigint[]) => ClientContract.settleBody({ receipts, open });
  const charge = (total: bigint, upTo: bigint, open?: readonly bigint[]) =>
    story.send('operator', start.channel, chargeOf(total, upTo, open));
  const settle = (numbers: readonly bigint[], open?: readonly bigint[]) =>
    story.send('operator', start.channel, settleOf(settledAll(start.channel, numbers), open));
  const paid = (amount: bigint) => ({ Client: -amount, Proxy: amount });

  describe('a client declares unpaid work covered', () => {
    /** Ten requests, one of them paid. */
    const lie = () => chargeOf(COST + PITTANCE, 10n);

    test('and cannot post that itself, nor a receipt of its own making: only the payee charges', async () => {
      await charge(COST, 1n);
      const own = settled({
        channel: start.channel,
        number: 9n,
        receiptKey: STRANGER_KEY,
        authorisation: { receiptKey: publicKeyOf(STRANGER_KEY) },
      });
      for (const name of ['client', 'stranger']) {
        await story.refused('notAllowed', name, start.channel, lie());
        await story.refused('notAllowed', name, start.channel, settleOf([own]));
      }
      expect(story.table()).toEqual(paid(COST));
    });

    test('and the proxy settles by receipt before it: all work is paid, the lie adds nothing', async () => {
      await charge(COST, 1n);
      await settle([2n, 3n, 4n, 5n, 6n]);
      await settle([7n, 8n, 9n, 10n]);
      await story.refused('oldVoucher', 'operator', start.channel, lie());
      expect(story.table()).toEqual(paid(10n * COST));
    });

    test('and a proxy that charges it has itself to thank: it loses the work that it agreed was paid', async () => {
      await charge(COST, 1n);
      await story.send('operator', start.channel, lie());
      for (const number of [2n, 10n])
        await story.refused('covered', 'operator', start.channel, settleOf(settledAll(start.channel, [number])));
      await settle([11n]);
      expect(story.table()).toEqual(paid(2n * COST + PITTANCE));
    });

    test('and leaves in the same minute: what the proxy settles within one delay is paid, what it settles later stays owed', async () => {
      await charge(COST, 1n);
      await story.send('client', start.channel, ClientContract.requestWithdrawalBody({ amount: EVERYTHING }));
      start.world.wait(DELAY);
      await settle([2n, 3n]);
      await story.send('client', start.channel, ClientContract.completeWithdrawalBody());
      await settle([4n]);
      expect(await start.world.clientChannel.getState()).toMatchObject({ charged: 4n * COST, paid: 3n * COST });
      expect(story.table()).toEqual({
        client: start.deposit - 3n * COST - story.costs('Client'),
        Client: story.costs('Client') - start.deposit,
        Proxy: 3n * COST,
      });
    });
  });

  describe('a client authorises one number twice', () => {
    const twice = () => {
      const guests = [
        settled({ channel: start.channel, number: 2n }),
        settled({ channel: start.channel, number: 2n, order: { salt: 77n }, receipt: { details: 78n } }),
      ];
      return [known(guests[0]), known(guests[1])] as const;
    };

    test('and pays for one of them: the other receipt is refused in the same message and in any later one', async () => {
      const [first, second] = twice();
      await story.refused('notRising', 'operator', start.channel, settleOf([first, second]));
      await story.send('operator', start.channel, settleOf([first]));
      await story.refused('notRising', 'operator', start.channel, settleOf([second]));
      await charge(5n * COST, 4n);
      await story.refused('covered', 'operator', start.channel, settleOf([second]));
      expect(story.table()).toEqual(paid(5n * COST));
    });

    test('to two guests: the proxy that serves both loses one answer, whichever it settles', async () => {
      const guest = STRANGER_KEY;
      const [first] = twice();
      const second = settled({
        channel: start.channel,
        number: 2n,
        receiptKey: guest,
        authorisation: { receiptKey: publicKeyOf(guest), seal: 99n },
      });
      await story.send('operator', start.channel, settleOf([second]));
      await story.refused('notRising', 'operator', start.channel, settleOf([first]));
      await story.refused('notRising', 'operator', start.channel, settleOf([first, settled({ channel: start.channel, number: 3n })]));
      await settle([3n]);
      expect(story.table()).toEqual(paid(2n * COST));
    });
  });

  describe('a proxy charges a voucher after settling by receipt', () => {
    test('an old one, below what was settled: refused, and nothing is paid twice', async () => {
      await settle([1n, 2n, 3n]);
      await story.refused('oldVoucher', 'operator', start.channel, chargeOf(2n * COST, 2n));
      await story.refused('oldVoucher', 'operator', start.channel, chargeOf(3n * COST, 3n));
      expect(story.table()).toEqual(paid(3n * COST));
    });

    test('one that contains what was settled: it adds the difference, and settles nothing again', async () => {
      await settle([1n, 2n, 3n]);
      await charge(5n * COST, 5n);
      for (const number of [1n, 3n, 5n])
        await story.refused('covered', 'operator', start.channel, settleOf(settledAll(start.channel, [number])));
      expect(story.table()).toEqual(paid(5n * COST));
    });

    test('one that leaves open what was settled: that is settled again, and all in all it is paid once', async () => {
      await charge(COST, 1n);
      await settle([2n]);
      // Signed before 2 was settled, when 3 and 4 were paid: its total is without 2.
      await charge(3n * COST, 4n, [2n]);
      await settle([2n], [2n]);
      await story.refused('notRising', 'operator', start.channel, settleOf(settledAll(start.channel, [2n]), [2n]));
      expect(await start.world.clientChannel.getState()).toMatchObject({ charged: 4n * COST, paid: 4n * COST, settled: 2n });
      expect(story.table()).toEqual(paid(4n * COST));
    });

    test('in the wrong order it harms itself alone: an answer below the highest settled number waits for a voucher', async () => {
      await charge(COST, 1n);
      await settle([3n]);
      await story.refused('notRising', 'operator', start.channel, settleOf(settledAll(start.channel, [2n])));
      await story.refused('oldVoucher', 'operator', start.channel, chargeOf(2n * COST, 2n));
      expect(story.table()).toEqual(paid(2n * COST));
      await charge(3n * COST, 3n);
      expect(story.table()).toEqual(paid(3n * COST));
    });

    test('in the documented order, newest voucher first and then receipts by rising number: every answer is paid, each once', async () => {
      await charge(6n * COST, 8n, [3n, 5n]);
      await settle([3n, 5n, 9n], [3n, 5n]);
      await settle([10n]);
      await charge(11n * COST, 11n);
      expect(story.table()).toEqual(paid(11n * COST));
      expect(await start.world.clientChannel.getState()).toMatchObject({ charged: 11n * COST, settled: 0n, upTo: 11n });
      expect(start.deposit - ClientContract.RESERVE).toBeGreaterThan(toNano('9'));
    });
  });
});
