import { Address, beginCell, type Cell, contractAddress, type StateInit, toNano } from '@ton/core';
import { ClientContract, type ClientTerms } from '../../wrappers/ClientContract';
import { codeOf } from '../../wrappers/contract-code';
import { OPCODE } from '../../wrappers/opcodes';
import { ProxyContract, packEndpoint } from '../../wrappers/ProxyContract';
import { CHANGE_KIND, RootContract } from '../../wrappers/RootContract';
import { WorkerContract } from '../../wrappers/WorkerContract';
import { EVERYTHING } from '../../wrappers/withdrawal';
import { changedAt } from '../cells';
import { DELAY, DEPOSIT, FEE, known, PAYER, publicKeyOf, SESSION, STAKE, signedVoucher, signedWorkerVoucher, TIMELOCK } from '../world';
import { Start } from './start';
import type { Story } from './story';

const ALL = { amount: EVERYTHING };
const ENDPOINT = { url: 'https://proxy.example:10001', keyPin: null };
const OPEN = ClientContract.openBody({ sessionKey: publicKeyOf(SESSION) });
const ANNOUNCE = ClientContract.requestWithdrawalBody(ALL);
const COMPLETE = ClientContract.completeWithdrawalBody();
const MASTERCHAIN = -1;

/** No key but zero is of small order and easy to come by: 1, the neutral element. */
const WEAK_KEY = 1n << 248n;

/** An address as somebody may have mistaken it: none, or of any workchain. */
type Mistaken = Address | null;

describe("an owner's mistake (INV-R3, INV-R5, INV-R8)", () => {
  let start: Start;
  let story: Story;

  beforeAll(async () => {
    start = await Start.at();
  });

  beforeEach(async () => {
    story = await start.story();
  });

  const elsewhere = () => new Address(MASTERCHAIN, start.world.party('stranger').address.hash);
  const chargeOf = (to: Address, total: bigint) => ClientContract.chargeBody(signedVoucher({ channel: to, total, upTo: 1n, open: 0n }));

  describe("in a client's terms", () => {
    /** A channel under terms that no wrapper would make, named Mistake. */
    const mistaken = (terms: { readonly [Role in 'operator' | 'proxy' | 'owner']?: Mistaken }): { address: Address; init: StateInit } => {
      const sound: ClientTerms = start.world.clientTerms;
      const packed = beginCell()
        .storeAddress(terms.operator === undefined ? sound.operator : terms.operator)
        .storeAddress(terms.proxy === undefined ? sound.proxy : terms.proxy)
        .storeUint(DELAY, 32)
        .storeAddress(terms.owner === undefined ? sound.owner : terms.owner)
        .endCell();
      const data = known(ClientContract.create(sound).init?.data ?? undefined);
      const init = { code: codeOf('ClientContract'), data: changedAt(data, [0], () => packed) };
      const address = contractAddress(0, init);
      start.world.name(address, 'Mistake');
      return { address, init };
    };
    const use = async (terms: ClientTerms) => {
      const { address, init } = ClientContract.create(terms);
      start.world.name(address, 'Mistake');
      await story.send('client', address, OPEN, { value: DEPOSIT, init });
      return address;
    };
    const leave = async (address: Address, name = 'client') => {
      await story.send(name, address, ANNOUNCE);
      start.world.wait(DELAY);
      await story.send(name, address, COMPLETE);
    };

    test('addr_none as operator, as proxy or as owner: the channel cannot be opened, and the deposit comes back', async () => {
      for (const role of ['operator', 'proxy', 'owner'] as const) {
        const { address, init } = mistaken({ [role]: null });
        const { trace } = await story.attempt('client', address, OPEN, { value: DEPOSIT, init });
        expect(trace).toEqual(['client > Mistake: ownerClientOpen refused (notAllowed)', 'Mistake > client: bounce']);
      }
      expect(story.table()).toEqual({});
    });

    test('an owner in another workchain: it can open, and take everything back', async () => {
      const owner = await story.join('elsewhere', MASTERCHAIN);
      const { address, init } = mistaken({ owner: owner.address });
      await story.send('elsewhere', address, OPEN, { value: DEPOSIT, init });
      await leave(address, 'elsewhere');
      expect(await start.world.balance(address)).toBe(0n);
      expect(story.table()).toEqual({ elsewhere: -story.costs('Mistake'), Mistake: story.costs('Mistake') });
    });

    test('a proxy in another workchain: it gets what is charged, and the client the rest', async () => {
      const payee = await story.join('elsewhere', MASTERCHAIN);
      const { address, init } = mistaken({ proxy: payee.address });
      await story.send('client', address, OPEN, { value: DEPOSIT, init });
      await story.send('operator', address, chargeOf(address, toNano('4')));
      await leave(address);
      expect(story.table()).toEqual({
        client: -toNano('4') - story.costs('Mistake'),
        Mistake: story.costs('Mistake'),
        elsewhere: toNano('4'),
      });
    });

    test('the client itself as operator and as proxy: it pays itself, and nobody else', async () => {
      const { address: own } = start.world.party('client');
      const address = await use({ ...start.world.clientTerms, operator: own, proxy: own });
      await story.send('client', address, chargeOf(address, toNano('4')));
      await story.send('client', address, ClientContract.releaseBody(ALL));
      expect(story.table()).toEqual({ client: -story.costs('Mistake'), Mistake: story.costs('Mistake') });
    });

    test("a contract as owner that cannot leave: only the operator's release brings the deposit to it", async () => {
      const { address, init } = mistaken({ owner: start.channel });
      await story.send('stranger', address, undefined, { value: DEPOSIT, init });
      await story.refused('notAllowed', 'client', address, ANNOUNCE);
      await story.send('operator', address, ClientContract.releaseBody(ALL));
      const held = DEPOSIT - story.costs('Mistake');
      expect(story.table()).toEqual({ stranger: -DEPOSIT, Mistake: story.costs('Mistake'), Client: held });
    });

    test('a ProxyContract as owner: its own owner orders what a client would do, and the proxy has it all', async () => {
      const { address, init } = ClientContract.create({ ...start.world.clientTerms, owner: start.proxy });
      start.world.name(address, 'Mistake');
      await story.send('stranger', address, undefined, { value: DEPOSIT, init });
      await story.order(address, OPEN);
      await story.order(address, ANNOUNCE);
      start.world.wait(DELAY);
      await story.send('stranger', address, COMPLETE);
      expect(await start.world.balance(address)).toBe(0n);
      expect(story.table()).toEqual({
        stranger: -DEPOSIT,
        Mistake: story.costs('Mistake'),
        // What the owner sent with its orders too: the coins of an opening are all deposit.
        Proxy: DEPOSIT - story.costs('Mistake') + story.change,
        proxyOwner: -story.change,
      });
    });

    test('no delay: the client leaves in the second in which it announces, which its proxy could have read', async () => {
      const address = await use({ ...start.world.clientTerms, withdrawDelay: 0 });
      await story.send('client', address, ANNOUNCE);
      await story.send('client', address, COMPLETE);
      await story.send('operator', address, chargeOf(address, toNano('4')));
      expect(await start.world.balance(address)).toBe(0n);
      expect(story.table()).toEqual({ client: -story.costs('Mistake'), Mistake: story.costs('Mistake') });
    });

    test('the longest delay: the client cannot leave alone in its lifetime, the operator can let it go at once', async () => {
      const address = await use({ ...start.world.clientTerms, withdrawDelay: 2 ** 32 - 1 });
      await story.send('client', address, ANNOUNCE);
      await story.refused('tooEarly', 'client', address, COMPLETE);
      await story.send('operator', address, ClientContract.releaseBody(ALL));
      expect(story.table()).toEqual({ client: -story.costs('Mistake'), Mistake: story.costs('Mistake') });
    });

    test('a zero or a weak session key: refused, the deposit comes back, and the channel can still be opened', async () => {
      const { address, init } = ClientContract.create({ ...start.world.clientTerms, withdrawDelay: DELAY + 1 });
      start.world.name(address, 'Mistake');
      for (const sessionKey of [0n, WEAK_KEY]) {
        const { trace } = await story.attempt('client', address, ClientContract.openBody({ sessionKey }), { value: DEPOSIT, init });
        expect(trace).toEqual(['client > Mistake: ownerClientOpen refused (badKey)', 'Mistake > client: bounce']);
        await story.refused('badKey', 'client', start.channel, ClientContract.rotateKeyBody({ sessionKey }));
      }
      await story.refused('badKey', 'client', start.channel, ClientContract.rotateKeyBody({ sessionKey: publicKeyOf(SESSION) }));
      expect(story.table()).toEqual({});
      await story.send('client', address, OPEN, { value: DEPOSIT, init });
      expect(story.table()).toEqual({ client: -DEPOSIT, Mistake: DEPOSIT });
    });
  });

  describe("in a worker's terms", () => {
    const fundBody = (workerOwner: Mistaken) =>
      beginCell()
        .storeUint(OPCODE.proxy.operatorProxyFund, 32)
        .storeUint(0, 64)
        .storeAddress(workerOwner)
        .storeUint(toNano('2'), 64)
        .endCell();
    const claimOf = (to: Address, total: bigint) =>
      WorkerContract.claimBody(signedWorkerVoucher({ workerContract: to, total, tokens: 1n }));

    test('addr_none or another workchain as owner: the proxy does not fund it', async () => {
      for (const workerOwner of [null, elsewhere()]) await story.refused('badAddress', 'operator', start.proxy, fundBody(workerOwner));
      expect(story.table()).toEqual({});
    });

    test('the proxy itself as owner: it pays itself', async () => {
      const { address } = WorkerContract.create({ ...start.world.workerTerms, owner: start.proxy });
      start.world.name(address, 'Mistake');
      await story.send('operator', start.proxy, fundBody(start.proxy));
      await story.send('stranger', address, claimOf(address, toNano('1')));
      await story.order(address, WorkerContract.requestWithdrawalBody(ALL));
      start.world.wait(DELAY);
      await story.send('stranger', address, WorkerContract.completeWithdrawalBody());
      expect(story.table()).toEqual({
        Proxy: story.change - story.costs('Mistake'),
        Mistake: story.costs('Mistake'),
        proxyOwner: -story.change,
      });
    });

    test('a zero payer key: no voucher counts, and the proxy takes back what somebody put in', async () => {
      const { address, init } = WorkerContract.create({ ...start.world.workerTerms, payerKey: 0n });
      start.world.name(address, 'Mistake');
      await story.send('stranger', address, undefined, { value: toNano('2'), init });
      await story.refused('noKey', 'workerOwner', address, claimOf(address, toNano('1')));
      await story.order(address, WorkerContract.requestWithdrawalBody(ALL));
      start.world.wait(DELAY);
      await story.send('stranger', address, WorkerContract.completeWithdrawalBody());
      expect(story.table()).toEqual({
        stranger: -toNano('2'),
        Proxy: toNano('2') - story.costs('Mistake') + story.change,
        Mistake: story.costs('Mistake'),
        proxyOwner: -story.change,
      });
    });
  });

  describe('at a proxy', () => {
    const configureBody = (operator: Mistaken, payerKey: bigint) =>
      beginCell()
        .storeUint(OPCODE.proxy.ownerProxyConfigure, 32)
        .storeUint(0, 64)
        .storeAddress(operator)
        .storeUint(payerKey, 256)
        .storeRef(packEndpoint(ENDPOINT))
        .endCell();

    test('addr_none or another workchain as operator, a zero or a weak payer key: refused, and the operator stays', async () => {
      const operator = start.world.party('operator').address;
      for (const mistake of [null, elsewhere()]) {
        await story.refused('badAddress', 'proxyOwner', start.proxy, configureBody(mistake, publicKeyOf(PAYER)));
      }
      for (const key of [0n, WEAK_KEY]) await story.refused('badKey', 'proxyOwner', start.proxy, configureBody(operator, key));
      await story.send('operator', start.proxy, ProxyContract.anchorBody({ root: 1n }));
      expect(story.table()).toEqual({});
    });

    test('the proxy itself as operator: nobody can fund, and the owner sets another', async () => {
      const fund = ProxyContract.fundBody({ workerOwner: start.world.party('workerOwner').address, amount: toNano('2') });
      await story.send('proxyOwner', start.proxy, configureBody(start.proxy, publicKeyOf(PAYER)));
      for (const name of ['operator', 'proxyOwner']) await story.refused('notAllowed', name, start.proxy, fund);
      await story.send('proxyOwner', start.proxy, configureBody(start.world.party('operator').address, publicKeyOf(PAYER)));
      await story.send('operator', start.proxy, fund);
      expect(story.table()).toEqual({ Proxy: -toNano('2'), Worker: toNano('2') });
    });

    test('an order to itself, to the root, to nobody and to another workchain: nothing moves, and the coins come back', async () => {
      const orderTo = (to: Mistaken) =>
        beginCell()
          .storeUint(OPCODE.proxy.ownerProxyOrder, 32)
          .storeUint(0, 64)
          .storeAddress(to)
          .storeRef(ClientContract.collectBody())
          .endCell();
      for (const to of [null, elsewhere()]) await story.refused('badAddress', 'proxyOwner', start.proxy, orderTo(to));
      for (const to of [start.proxy, start.root]) await story.refused('notAllowed', 'proxyOwner', start.proxy, orderTo(to));
      const { address: nobody } = ClientContract.create({ ...start.world.clientTerms, withdrawDelay: DELAY + 1 });
      start.world.name(nobody, 'Nobody');
      const { trace } = await story.attempt('proxyOwner', start.proxy, orderTo(nobody));
      expect(trace.slice(2)).toEqual(['Nobody > Proxy: bounce', 'Proxy > proxyOwner: payment']);
      expect(story.table()).toEqual({});
    });

    test('no delay: the root does not list it, and the stake leaves in the second in which it is announced', async () => {
      const { address, init } = ProxyContract.create({ ...start.world.proxyTerms, withdrawDelay: 0 });
      start.world.name(address, 'Mistake');
      const forward = FEE + toNano('0.2');
      const value = STAKE + forward + toNano('1');
      const register = ProxyContract.registerBody({ stake: STAKE, forward });
      const { trace } = await story.attempt('proxyOwner', address, register, { value, init });
      expect(trace.slice(1)).toEqual([
        'Mistake > Root: proxyRootRegister refused (shortDelay)',
        'Root > Mistake: bounce',
        'Mistake > proxyOwner: payment',
      ]);
      await story.attempt('proxyOwner', address, ProxyContract.leaveBody());
      await story.send('proxyOwner', address, ProxyContract.requestWithdrawalBody({ income: EVERYTHING, stake: EVERYTHING }));
      await story.send('proxyOwner', address, ProxyContract.completeWithdrawalBody());
      expect(await start.world.balance(address)).toBe(0n);
      expect(story.table()).toEqual({ proxyOwner: -story.costs('Mistake'), Mistake: story.costs('Mistake') });
    });

    test('a stake below the minimum: the root refuses it, and it leaves again by announcement', async () => {
      const { address, init } = ProxyContract.create({ ...start.world.proxyTerms, index: 1 });
      start.world.name(address, 'Mistake');
      const forward = FEE + toNano('0.2');
      const register = ProxyContract.registerBody({ stake: STAKE - 1n, forward });
      const { trace } = await story.attempt('proxyOwner', address, register, { value: STAKE + forward + toNano('1'), init });
      expect(trace[1]).toBe('Mistake > Root: proxyRootRegister refused (lowStake)');
      await story.refused('stakeFalls', 'proxyOwner', address, ProxyContract.registerBody({ stake: 0n, forward: 0n }));
      await story.attempt('proxyOwner', address, ProxyContract.leaveBody());
      await story.send('proxyOwner', address, ProxyContract.requestWithdrawalBody({ income: EVERYTHING, stake: EVERYTHING }));
      start.world.wait(DELAY);
      await story.send('proxyOwner', address, ProxyContract.completeWithdrawalBody());
      expect(story.table()).toEqual({ proxyOwner: -story.costs('Mistake'), Mistake: story.costs('Mistake') });
    });

    test('more than it has, asked of its announcement or for its workers: it gets what is free, or nothing', async () => {
      const fund = (amount: bigint) => ProxyContract.fundBody({ workerOwner: start.world.party('workerOwner').address, amount });
      await story.refused('notEnough', 'operator', start.proxy, fund(EVERYTHING));
      await story.refused('nothingToPay', 'operator', start.proxy, fund(0n));
      await story.send('proxyOwner', start.proxy, ProxyContract.requestWithdrawalBody({ income: EVERYTHING - 1n, stake: 0n }));
      start.world.wait(DELAY);
      await story.send('proxyOwner', start.proxy, ProxyContract.completeWithdrawalBody());
      const free = start.estate - story.costs('Proxy') - STAKE - ProxyContract.RESERVE;
      expect(story.table()).toEqual({ proxyOwner: free, Proxy: -free });
    });
  });

  describe('at the root', () => {
    const scheduleOf = (change: Cell) =>
      beginCell().storeUint(OPCODE.root.ownerRootSchedule, 32).storeUint(0, 64).storeRef(change).endCell();
    const addressChange = (kind: 'owner' | 'guardian', address: Mistaken) =>
      beginCell().storeUint(CHANGE_KIND[kind], 8).storeAddress(address).endCell();

    test('addr_none, another workchain or the root itself as new owner or guardian: cannot even be scheduled', async () => {
      for (const kind of ['owner', 'guardian'] as const) {
        for (const address of [null, elsewhere(), start.root]) {
          await story.refused('badAddress', 'rootOwner', start.root, scheduleOf(addressChange(kind, address)));
        }
      }
      expect(story.table()).toEqual({});
    });

    test('no timelock, or one that outlasts everybody: cannot even be scheduled', async () => {
      for (const timelock of [0, 366 * 86_400 + 1, 2 ** 32 - 1]) {
        const change = { kind: 'timelock', timelock } as const;
        await story.refused('badParams', 'rootOwner', start.root, RootContract.scheduleBody({ change }));
      }
      expect(story.table()).toEqual({});
    });

    test('a new owner that cannot act: nobody can apply it, it lapses, and the owner still collects the fees', async () => {
      const held = await start.world.balance(start.root);
      await story.send('rootOwner', start.root, RootContract.scheduleBody({ change: { kind: 'owner', owner: start.proxy } }));
      start.world.wait(TIMELOCK);
      const apply = RootContract.applyBody({ kind: 'owner' });
      for (const name of ['rootOwner', 'guardian', 'proxyOwner']) await story.refused('notAllowed', name, start.root, apply);
      start.world.wait(TIMELOCK + 1);
      await story.refused('lapsed', 'rootOwner', start.root, apply);
      await story.send('rootOwner', start.root, RootContract.collectFeesBody());
      const collected = held - story.costs('Root') - RootContract.RESERVE;
      expect(story.table()).toEqual({ rootOwner: collected, Root: -collected });
    });
  });
});
