import { type Address, toNano } from '@ton/core';
import { run as deployProxy } from '../scripts/deployProxy';
import { run as openChannel } from '../scripts/openChannel';
import { run as registerProxy } from '../scripts/registerProxy';
import { run as topUp } from '../scripts/topUp';
import { run as withdraw } from '../scripts/withdraw';
import { ClientContract } from '../wrappers/ClientContract';
import { hex } from '../wrappers/console/words';
import { ProxyContract } from '../wrappers/ProxyContract';
import { expectDone, expectUnsent, runScript, type Script } from './console';
import { DELAY, keyOf, publicKeyOf, START, signedVoucher, World } from './world';

const PAYER = hex(publicKeyOf(keyOf('another payer')));
const SESSION = hex(publicKeyOf(keyOf('another session')));
const URL = 'https://second.example:10001';
/** The neutral point: y = 1. */
const WEAK = `01${'0'.repeat(62)}`;

describe('scripts that move coins', () => {
  let world: World;
  let fresh: Awaited<ReturnType<World['snapshot']>>;
  let root: string;
  let proxy: string;
  let channel: string;
  let operator: string;

  beforeAll(async () => {
    world = await World.inUse();
    fresh = world.snapshot();
    root = world.root.address.toString();
    proxy = world.proxy.address.toString();
    channel = world.clientChannel.address.toString();
    operator = world.party('operator').address.toString();
  });

  beforeEach(async () => {
    await world.restore(fresh);
    world.chain.now = START;
  });

  const as = (name: string, script: Script, args: readonly string[], answers?: readonly (string | boolean)[]) =>
    runScript(world.chain, world.party(name), script, args, answers);

  /** The proxy that a party would deploy. */
  const proxyOf = (owner: Address) =>
    world.chain.openContract(ProxyContract.create({ owner, root: world.root.address, withdrawDelay: DELAY, index: 0 }));

  describe('deployProxy', () => {
    it('deploys a proxy with its settings, and shows it', async () => {
      const owner = world.party('stranger').address;
      const said = await as('stranger', deployProxy, [root], ['', '', operator, PAYER, 'http://plain', URL, '', true]);
      expectDone(
        said,
        "'http://plain' is not an https url",
        `deploy a proxy at ${proxyOf(owner).address}`,
        '0.05 TON go along for fees; what is left comes back',
      );
      expectDone(said, 'stake 0 TON', `endpoint ${URL}, certificate checked in the usual way`, 'is not registered');
      const state = await proxyOf(owner).getState();
      expect(state).toMatchObject({ payerKey: BigInt(`0x${PAYER}`), endpoint: { url: URL, keyPin: null }, isListed: false });
    });

    it('changes the settings of a proxy that is there, and refuses when there is nothing to change', async () => {
      const settings = [root, `${DELAY}`, '0', operator, PAYER, URL, hex(7n)];
      expectDone(await as('proxyOwner', deployProxy, settings), `change the settings of the proxy ${proxy}`, `key pin ${hex(7n)}`);
      expect((await world.proxy.getState()).payerKey).toBe(BigInt(`0x${PAYER}`));
      expectUnsent(await as('proxyOwner', deployProxy, settings), 'is deployed already, and has these settings');
    });

    it('refuses a short delay, a weak key, an endpoint too long, and a proxy as its own operator', async () => {
      expectUnsent(await as('stranger', deployProxy, [root, '59m']), 'withdraw delay of 59 minutes, the root asks for 1 hour');
      expectUnsent(await as('stranger', deployProxy, [root, '1h', '0', operator, WEAK]), 'a point of small order');
      expectUnsent(await as('stranger', deployProxy, [root, '1h', '0', operator, hex(0n)]), 'a point of small order');
      expectUnsent(
        await as('stranger', deployProxy, [root, '1h', '0', operator, PAYER, `https://${'x'.repeat(120)}`]),
        'url of 128 bytes, limit 127',
      );
      const own = proxyOf(world.party('stranger').address).address.toString();
      expectUnsent(await as('stranger', deployProxy, [root, '1h', '0', own, PAYER, URL, 'none']), 'a proxy cannot be its own operator');
      expectUnsent(await as('stranger', deployProxy, [proxy]), 'is a ProxyContract, not a RootContract');
    });
  });

  describe('registerProxy', () => {
    const settle = async (name: string) => {
      await as(name, deployProxy, [root, '1h', '0', operator, PAYER, URL, 'none']);
      return proxyOf(world.party(name).address).address.toString();
    };

    it('stakes, pays the fee, and is listed', async () => {
      const second = await settle('stranger');
      const said = await as('stranger', registerProxy, [second], ['150', true]);
      expect(said.asked[0]).toBe('stake in TON (default: 100)');
      expectDone(
        said,
        `register the proxy ${second} at its root ${root}`,
        'stake 150 TON, of which it holds 0 TON as stake already',
        '1 TON fee',
      );
      expectDone(said, 'Listed with a stake of 150 TON since 2026-09-21');
      const state = await proxyOf(world.party('stranger').address).getState();
      expect(state).toMatchObject({ stake: toNano('150'), isListed: true });
    });

    it('raises the stake out of income before it takes more from the wallet', async () => {
      const before = await world.balance(world.party('proxyOwner').address);
      expectDone(await as('proxyOwner', registerProxy, [proxy, '110']), 'Listed with a stake of 110 TON', '0 TON for stake and rent');
      const spent = before - (await world.balance(world.party('proxyOwner').address));
      expect(spent).toBeLessThan(toNano('1.1'));
      expect((await world.proxy.getState()).stake).toBe(toNano('110'));
    });

    it('refuses too little, less than before, the same again, a stranger, and no settings', async () => {
      expectUnsent(await as('proxyOwner', registerProxy, [proxy, '99']), 'stake of 99 TON, the root asks for 100 TON');
      await as('proxyOwner', registerProxy, [proxy, '110']);
      expectUnsent(await as('proxyOwner', registerProxy, [proxy, '109']), 'a stake falls by withdrawal only');
      expectUnsent(await as('proxyOwner', registerProxy, [proxy, '110']), 'the proxy is listed with 110 TON already');
      expectUnsent(await as('stranger', registerProxy, [proxy, '110']), 'only the owner');
      const owner = world.party('stranger');
      await proxyOf(owner.address).sendTopUp(owner.getSender(), { value: toNano('1') });
      expectUnsent(await as('stranger', registerProxy, [proxyOf(owner.address).address.toString(), '100']), 'run deployProxy first');
      expectUnsent(await as('stranger', registerProxy, [channel]), 'is a ClientContract, not a ProxyContract');
    });

    it('takes the place of the smallest stake when the list is full, and refuses a stake that is not above it', async () => {
      await as('stranger', registerProxy, [await settle('stranger'), '120']);
      const third = await settle('client');
      expectUnsent(
        await as('client', registerProxy, [third, '100']),
        'the list is full: 2 proxies; a stake above 100 TON takes the place of the smallest',
      );
      expectDone(await as('client', registerProxy, [third, '101']), 'Listed with a stake of 101 TON');
      expect(await world.root.getListing(world.proxy.address)).toBeNull();
    });
  });

  describe('openChannel', () => {
    it('opens a channel whose deposit is what was asked for', async () => {
      const said = await as('stranger', openChannel, [proxy, SESSION, '3']);
      const terms = { ...world.clientTerms, owner: world.party('stranger').address };
      const opened = world.chain.openContract(ClientContract.create(terms));
      expectDone(
        said,
        `open the channel ${opened.address} to the proxy ${proxy}`,
        'a deposit of 3 TON',
        `session key ${SESSION}`,
        'network -3',
      );
      const state = await opened.getState();
      expect(state.sessionKey).toBe(BigInt(`0x${SESSION}`));
      expect(state.deposit).toBeGreaterThanOrEqual(toNano('3'));
      expect(state.deposit).toBeLessThan(toNano('3.02'));
    });

    it('refuses an open channel, a weak key, no deposit, and a proxy that is not listed or has no operator', async () => {
      expectUnsent(await as('client', openChannel, [proxy, SESSION, '3']), `the channel ${channel} is open already: top it up instead`);
      expectUnsent(await as('stranger', openChannel, [proxy, WEAK]), 'a point of small order');
      expectUnsent(await as('stranger', openChannel, [proxy, SESSION, '0']), 'amount of 0 TON, expected more');
      expectUnsent(await as('stranger', openChannel, [proxy, SESSION, '-3']), "'-3' is not an amount of TON");
      expectUnsent(await as('stranger', openChannel, [proxy, SESSION, '18446744074']), 'limit 18446744073');
      await world.proxy.sendLeave(world.party('proxyOwner').getSender());
      expectUnsent(await as('stranger', openChannel, [proxy, SESSION, '3']), `the root ${root} does not list this proxy`);
      const owner = world.party('stranger');
      await proxyOf(owner.address).sendTopUp(owner.getSender(), { value: toNano('1') });
      expectUnsent(await as('stranger', openChannel, [proxyOf(owner.address).address.toString()]), 'the proxy has no operator yet');
    });
  });

  describe('topUp', () => {
    it('says what coins become in each contract', async () => {
      expectDone(await as('stranger', topUp, [channel, '2']), 'the deposit of', /Deposit: 11\.9\d+ TON/);
      expectDone(await as('stranger', topUp, [world.workerChannel.address.toString(), '1']), 'pays the worker of', 'Deposit: 5.9');
      expectDone(await as('stranger', topUp, [proxy, '2']), 'free income of the proxy of', 'Free income: ');
      expectDone(await as('stranger', topUp, [root, '2']), 'rent of the root', 'It holds ');
    });

    it('warns before coins go into a channel that is being left', async () => {
      await as('client', withdraw, [channel, 'request', 'everything']);
      expectDone(await as('stranger', topUp, [channel, '2']), 'note: everything are announced to leave');
    });

    it('refuses an account without a contract, a channel that is not open, and a stranger’s contract', async () => {
      expectUnsent(await as('client', topUp, [`0:${'1'.repeat(64)}`, '2']), 'nothing is deployed at');
      expectUnsent(await as('client', topUp, [operator, '2']), 'is no RootContract of this checkout');
      const terms = { ...world.clientTerms, owner: world.party('stranger').address };
      const unopened = world.chain.openContract(ClientContract.create(terms));
      await unopened.sendTopUp(world.party('stranger').getSender(), { value: toNano('1') });
      expectUnsent(await as('client', topUp, [unopened.address.toString(), '2']), 'this channel is not open: run openChannel');
    });

    it('refuses what its own fee would eat', async () => {
      expectUnsent(await as('client', topUp, [channel, '0.000999999']), 'amount of 0.000999999 TON, at least 0.001 TON');
      expectDone(await as('client', topUp, [channel, '0.001']), 'Deposit: 9.9');
    });
  });

  describe('withdraw', () => {
    it('announces, waits for the delay, and pays a part', async () => {
      expectDone(
        await as('client', withdraw, [channel, 'request', '4']),
        'announce that 4 TON leave',
        'Announced: 4 TON, to be completed from 2026-09-21 15:13:20 UTC (in 1 hour)',
      );
      expectUnsent(
        await as('client', withdraw, [channel, 'complete']),
        'too early: it can be completed from 2026-09-21 15:13:20 UTC, in 1 hour',
      );
      world.wait(DELAY);
      const before = await world.balance(world.party('client').address);
      expectDone(await as('stranger', withdraw, [channel, 'complete']), /Paid to .*: 4(\.0\d*)? TON; 5\.\d+ TON are left/);
      expect((await world.balance(world.party('client').address)) - before).toBeGreaterThan(toNano('3.999'));
    });

    it('pays everything out, the reserve included', async () => {
      await as('client', withdraw, [channel, 'request', 'everything']);
      world.wait(DELAY);
      expectDone(await as('client', withdraw, [channel, 'complete']), /Paid to .*; 0 TON are left in the channel/);
      expect(await world.balance(world.clientChannel.address)).toBe(0n);
      expectUnsent(await as('client', withdraw, [channel, 'request', 'everything']), 'the channel is empty');
    });

    it('replaces an announcement and takes it back', async () => {
      await as('client', withdraw, [channel, 'request', '4']);
      expectDone(await as('client', withdraw, [channel, 'request', '1.5']), 'replaces the announced 4 TON, and the delay begins anew');
      expectDone(
        await as('client', withdraw, [channel, 'cancel']),
        'take back the announced withdrawal of 1.5 TON',
        'No withdrawal is announced any more.',
      );
      expectUnsent(await as('client', withdraw, [channel, 'cancel']), 'no withdrawal is announced');
      expectUnsent(await as('client', withdraw, [channel, 'complete']), 'no withdrawal is announced');
    });

    it('refuses to complete what has nothing to pay any more', async () => {
      await as('client', withdraw, [channel, 'request', '4']);
      const voucher = signedVoucher({ channel: world.clientChannel.address, total: toNano('50'), upTo: 1n, open: 0n });
      await world.send({ from: world.party('operator'), to: world.clientChannel.address, body: ClientContract.chargeBody(voucher) });
      world.wait(DELAY);
      expectUnsent(await as('client', withdraw, [channel, 'complete']), 'there is nothing to pay: the channel holds 0.0');
      await as('client', topUp, [channel, '2']);
      expectDone(await as('client', withdraw, [channel, 'complete']), /Paid to .*: 1\.99\d+ TON/);
    });

    it('refuses more than there is, a stranger, and another contract', async () => {
      expectUnsent(await as('client', withdraw, [channel, 'request', '11']), /11 TON asked, and the deposit is 9\.9\d+ TON/);
      expectUnsent(await as('stranger', withdraw, [channel, 'request', '1']), 'only the owner');
      expectUnsent(await as('client', withdraw, [proxy]), 'is a ProxyContract, not a ClientContract');
      expectUnsent(await as('client', withdraw, [channel, 'now']), "'now' is none of request, complete, cancel");
    });
  });
});
