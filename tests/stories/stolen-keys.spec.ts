import { type Address, toNano } from '@ton/core';
import { ClientContract } from '../../wrappers/ClientContract';
import { ProxyContract } from '../../wrappers/ProxyContract';
import { WorkerContract } from '../../wrappers/WorkerContract';
import { EVERYTHING } from '../../wrappers/withdrawal';
import { COST, settled } from '../settling';
import {
  ALL_PRICES,
  DELAY,
  NEXT_SESSION,
  PAYER,
  publicKeyOf,
  SESSION,
  STAKE,
  STRANGER_KEY,
  signedVoucher,
  signedWorkerVoucher,
} from '../world';
import { Start } from './start';
import type { Story } from './story';

const ALL = { amount: EVERYTHING };
const NEW_PAYER = STRANGER_KEY;
const ENDPOINT = { url: 'https://proxy.example:10001', keyPin: null };

describe.each(ALL_PRICES)('stolen keys at %s prices (INV-R3, INV-R5, INV-R6)', (which) => {
  let start: Start;
  let story: Story;
  /** A channel that the proxy would open to the thief, as if the thief were a worker. */
  let thiefs: WorkerContract;

  beforeAll(async () => {
    start = await Start.at(which);
  });

  beforeEach(async () => {
    story = await start.story();
    const thief = await story.join('thief');
    thiefs = WorkerContract.create({ ...start.world.workerTerms, owner: thief.address });
    start.world.name(thiefs.address, 'ThiefsWorker');
  });

  const voucherOf = (total: bigint, key = SESSION) => signedVoucher({ channel: start.channel, total, upTo: total, open: 0n }, key);
  const chargeOf = (total: bigint, key = SESSION) => ClientContract.chargeBody(voucherOf(total, key));
  const claimOf = (workerContract: Address, total: bigint, key = PAYER) =>
    WorkerContract.claimBody(signedWorkerVoucher({ workerContract, total, tokens: 1n }, key));
  const leave = async () => {
    await story.send('client', start.channel, ClientContract.requestWithdrawalBody(ALL));
    start.world.wait(DELAY);
    await story.send('client', start.channel, ClientContract.completeWithdrawalBody());
  };
  const replaceOperator = async (payer = PAYER) => {
    const next = await story.join('nextOperator');
    const body = ProxyContract.configureBody({ operator: next.address, payerKey: publicKeyOf(payer), endpoint: ENDPOINT });
    await story.send('proxyOwner', start.proxy, body);
    return next;
  };
  /** The proxy takes back what a worker's channel holds. */
  const takeBack = async (from: Address) => {
    await story.order(from, WorkerContract.requestWithdrawalBody(ALL));
    start.world.wait(DELAY);
    await story.send('proxyOwner', from, WorkerContract.completeWithdrawalBody());
  };

  test("the operator's key is stolen: the thief ties up free income for a delay and takes none; the owner charges in its place, and names a new one", async () => {
    const thief = story.world.party('operator').address;
    for (const body of [
      ProxyContract.requestWithdrawalBody({ income: EVERYTHING, stake: EVERYTHING }),
      ProxyContract.completeWithdrawalBody(),
      ProxyContract.configureBody({ operator: thief, payerKey: publicKeyOf(STRANGER_KEY), endpoint: ENDPOINT }),
      ProxyContract.orderBody({ to: start.worker, order: WorkerContract.requestWithdrawalBody(ALL) }),
      ProxyContract.leaveBody(),
    ]) {
      await story.refused('notAllowed', 'operator', start.proxy, body);
    }
    await story.refused('badSignature', 'operator', start.channel, chargeOf(toNano('9'), STRANGER_KEY));
    await story.refused('notAllowed', 'operator', start.channel, ClientContract.requestWithdrawalBody(ALL));
    const fund = ProxyContract.fundBody({ workerOwner: story.visitor('thief').address, amount: toNano('10') });
    await story.send('operator', start.proxy, fund);
    await story.refused('badSignature', 'thief', thiefs.address, claimOf(thiefs.address, toNano('10'), STRANGER_KEY));
    await story.send('operator', start.proxy, ProxyContract.anchorBody({ root: 1n }));

    await story.order(start.channel, chargeOf(toNano('4')));
    await replaceOperator();
    await story.refused('notAllowed', 'operator', start.proxy, fund);
    // On old channels the thief remains the operator: it can still give the client's own coins back to the client.
    await story.send('operator', start.channel, ClientContract.releaseBody(ALL));
    await takeBack(thiefs.address);
    expect(story.table()).toEqual({
      client: start.deposit - toNano('4') - story.costs('Client'),
      Client: -start.deposit + story.costs('Client'),
      Proxy: toNano('4') - story.costs('ThiefsWorker') + story.change,
      ThiefsWorker: story.costs('ThiefsWorker'),
      proxyOwner: -story.change,
    });
  });

  test("the operator's key is stolen: the thief is faster and releases the deposit, which is the client's; what is owed stays owed", async () => {
    await story.send('operator', start.channel, ClientContract.releaseBody(ALL));
    await story.order(start.channel, chargeOf(toNano('4')));
    expect(await start.world.clientChannel.getState()).toMatchObject({ charged: toNano('4'), paid: 0n, deposit: 0n });
    expect(story.table()).toEqual({
      client: start.deposit - story.costs('Client'),
      Client: -start.deposit + story.costs('Client'),
      Proxy: story.change,
      proxyOwner: -story.change,
    });

    const untilReleased = story.costs('Client');
    await story.send('client', start.channel, undefined, { value: toNano('5') });
    await story.order(start.channel, ClientContract.collectBody());
    expect(story.table()).toEqual({
      client: start.deposit - toNano('5') - untilReleased,
      Client: toNano('1') - start.deposit + untilReleased,
      Proxy: toNano('4') + story.change,
      proxyOwner: -story.change,
    });
  });

  test('a new operator serves new channels: the thief of the old key has no say there', async () => {
    const next = await replaceOperator();
    const second = ClientContract.create({ ...start.world.clientTerms, operator: next.address });
    start.world.name(second.address, 'SecondClient');
    const open = ClientContract.openBody({ sessionKey: publicKeyOf(SESSION) });
    await story.send('client', second.address, open, { value: toNano('3'), init: second.init });
    const charge = ClientContract.chargeBody(signedVoucher({ channel: second.address, total: toNano('1'), upTo: 1n, open: 0n }));
    for (const body of [charge, ClientContract.collectBody(), ClientContract.releaseBody(ALL)]) {
      await story.refused('notAllowed', 'operator', second.address, body);
    }
    await story.send('nextOperator', second.address, charge);
    expect(story.table()).toEqual({ client: -toNano('3'), SecondClient: toNano('2'), Proxy: toNano('1') });
  });

  test("the payer's key is stolen: the thief can give a worker what lies in that worker's channel, and itself only its own coins", async () => {
    await story.send('thief', start.worker, claimOf(start.worker, toNano('1000')));
    const given = start.funding - WorkerContract.RESERVE;
    expect(story.table()).toEqual({ workerOwner: given, Worker: -given });

    await story.refused(
      'notAllowed',
      'thief',
      start.proxy,
      ProxyContract.fundBody({ workerOwner: story.visitor('thief').address, amount: 1n }),
    );
    await story.send('thief', thiefs.address, undefined, { value: toNano('2'), init: thiefs.init });
    await story.send('thief', thiefs.address, claimOf(thiefs.address, toNano('1000')));
    // A new key makes new channels, which the stolen one does not open; what lies in old ones comes back.
    await replaceOperator(NEW_PAYER);
    const workerOwner = start.world.party('workerOwner').address;
    const fresh = WorkerContract.create({ ...start.world.workerTerms, payerKey: publicKeyOf(NEW_PAYER) });
    start.world.name(fresh.address, 'NewWorker');
    await story.send('nextOperator', start.proxy, ProxyContract.fundBody({ workerOwner, amount: toNano('3') }));
    await story.refused('badSignature', 'thief', fresh.address, claimOf(fresh.address, toNano('3')));
    await takeBack(start.worker);
    expect(story.table()).toEqual({
      workerOwner: given,
      Worker: -start.funding + story.costs('Worker'),
      thief: -WorkerContract.RESERVE - story.costs('ThiefsWorker'),
      ThiefsWorker: WorkerContract.RESERVE + story.costs('ThiefsWorker'),
      NewWorker: toNano('3'),
      Proxy: WorkerContract.RESERVE - story.costs('Worker') - toNano('3') + story.change,
      proxyOwner: -story.change,
    });
  });

  test("the operator's and the payer's keys are both stolen: free income is gone, the stake and every client's deposit are not", async () => {
    const income = start.estate - STAKE - ProxyContract.RESERVE;
    const fund = (amount: bigint) => ProxyContract.fundBody({ workerOwner: story.visitor('thief').address, amount });
    await story.refused('notEnough', 'operator', start.proxy, fund(income + 1n));
    await story.send('operator', start.proxy, fund(income));
    await story.send('thief', thiefs.address, claimOf(thiefs.address, income));
    await story.refused('notEnough', 'operator', start.proxy, fund(1n));
    const taken = { thief: income - WorkerContract.RESERVE - story.costs('ThiefsWorker') };
    expect(story.table()).toEqual({
      ...taken,
      ThiefsWorker: WorkerContract.RESERVE + story.costs('ThiefsWorker'),
      Proxy: -income,
    });

    await leave();
    await takeBack(thiefs.address);
    await story.send('proxyOwner', start.proxy, ProxyContract.leaveBody());
    await story.send('proxyOwner', start.proxy, ProxyContract.requestWithdrawalBody({ income: EVERYTHING, stake: EVERYTHING }));
    start.world.wait(DELAY);
    await story.send('proxyOwner', start.proxy, ProxyContract.completeWithdrawalBody());
    const lost = taken.thief + story.costs('ThiefsWorker');
    expect(await start.world.balance(start.proxy)).toBe(0n);
    expect(story.table()).toEqual({
      ...taken,
      ThiefsWorker: story.costs('ThiefsWorker'),
      proxyOwner: start.estate - lost - story.costs('Proxy'),
      Proxy: -start.estate + story.costs('Proxy'),
      client: start.deposit - story.costs('Client'),
      Client: -start.deposit + story.costs('Client'),
    });
  });

  test('the session key is stolen: alone it moves nothing; with the proxy it spends until the end of the overlap, and not a second more', async () => {
    await story.send('operator', start.channel, chargeOf(toNano('1')));
    for (const body of [
      chargeOf(toNano('9')),
      ClientContract.collectBody(),
      ClientContract.releaseBody(ALL),
      ClientContract.requestWithdrawalBody(ALL),
      ClientContract.rotateKeyBody({ sessionKey: publicKeyOf(STRANGER_KEY) }),
    ]) {
      await story.refused('notAllowed', 'thief', start.channel, body);
    }
    // The proxy charges what the thief signs.
    await story.send('operator', start.channel, chargeOf(toNano('3')));
    await story.send('client', start.channel, ClientContract.rotateKeyBody({ sessionKey: publicKeyOf(NEXT_SESSION) }));
    await story.refused('badSignature', 'operator', start.channel, chargeOf(toNano('4')));
    const byOldKey = (total: bigint) => ClientContract.chargeBody({ ...voucherOf(total), byOldKey: true });
    await story.send('operator', start.channel, byOldKey(toNano('4')));
    const number = toNano('4') + 1n;
    const receipt = settled({ channel: start.channel, number, byOldKey: true, validUntil: start.world.now + DELAY });
    await story.send('operator', start.channel, ClientContract.settleBody({ receipts: [receipt] }));
    start.world.wait(DELAY);
    await story.send('operator', start.channel, byOldKey(toNano('5')));
    start.world.wait(1);
    await story.refused('keyEnded', 'operator', start.channel, byOldKey(toNano('6')));
    const late = settled({ channel: start.channel, number: toNano('5') + 1n, byOldKey: true, validUntil: start.world.now });
    await story.refused('keyEnded', 'operator', start.channel, ClientContract.settleBody({ receipts: [late] }));

    // The new key goes on from what was charged; the client leaves with the rest.
    await story.send('operator', start.channel, chargeOf(toNano('5') + COST, NEXT_SESSION));
    await leave();
    expect(story.table()).toEqual({
      client: start.deposit - toNano('5') - COST - story.costs('Client'),
      Client: -start.deposit + story.costs('Client'),
      Proxy: toNano('5') + COST,
    });
  });

  test('the session key is stolen: an owner who announces everything when rotating loses what is charged within one delay, and nothing after', async () => {
    await story.send('client', start.channel, ClientContract.rotateKeyBody({ sessionKey: publicKeyOf(NEXT_SESSION) }));
    await story.send('client', start.channel, ClientContract.requestWithdrawalBody(ALL));
    await story.send('operator', start.channel, ClientContract.chargeBody({ ...voucherOf(toNano('2')), byOldKey: true }));
    await story.refused('tooEarly', 'client', start.channel, ClientContract.rotateKeyBody({ sessionKey: publicKeyOf(STRANGER_KEY) }));
    start.world.wait(DELAY);
    await story.send('client', start.channel, ClientContract.completeWithdrawalBody());
    await story.send('operator', start.channel, ClientContract.chargeBody({ ...voucherOf(toNano('9')), byOldKey: true }));
    expect(await start.world.clientChannel.getState()).toMatchObject({ charged: toNano('9'), paid: toNano('2'), deposit: 0n });
    expect(story.table()).toEqual({
      client: start.deposit - toNano('2') - story.costs('Client'),
      Client: -start.deposit + story.costs('Client'),
      Proxy: toNano('2'),
    });
  });
});
