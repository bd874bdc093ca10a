import { Address, beginCell, type Cell, toNano } from '@ton/core';
import { createShardAccount } from '@ton/sandbox';
import { run as allowImage } from '../scripts/allowImage';
import { run as allowModel } from '../scripts/allowModel';
import { run as checkClient } from '../scripts/checkClient';
import { run as checkProxy } from '../scripts/checkProxy';
import { run as checkRoot } from '../scripts/checkRoot';
import { run as checkWorker } from '../scripts/checkWorker';
import { run as schedule } from '../scripts/schedule';
import { run as showClient } from '../scripts/showClient';
import { run as showProxy } from '../scripts/showProxy';
import { run as showRoot } from '../scripts/showRoot';
import { run as showWorker } from '../scripts/showWorker';
import { run as withdraw } from '../scripts/withdraw';
import { hex } from '../wrappers/console/words';
import { codeHashOf, codeOf } from '../wrappers/contract-code';
import { expectUnsent, runScript, type Script } from './console';
import { keyOf, PAYER, publicKeyOf, SESSION, STAKE, START, signedVoucher, signedWorkerVoucher, World } from './world';

describe('scripts that look', () => {
  let world: World;
  let fresh: Awaited<ReturnType<World['snapshot']>>;

  beforeAll(async () => {
    world = await World.inUse();
    fresh = world.snapshot();
  });

  beforeEach(async () => {
    await world.restore(fresh);
    world.chain.now = START;
  });

  const as = (name: string, script: Script, args: readonly string[]) => runScript(world.chain, world.party(name), script, args);

  /** What anybody is shown; nothing is sent and nothing is asked. */
  const shown = async (script: Script, address: { toString(): string }): Promise<string> => {
    const said = await as('stranger', script, [address.toString()]);
    expect(said).toMatchObject({ refusal: null, hasSent: false, asked: [] });
    return said.lines.join('\n');
  };

  /** An account with other code or data at the same address. */
  const replace = async (address: Address, account: { readonly code: Cell; readonly data: Cell }) =>
    world.chain.setShardAccount(address, createShardAccount({ address, ...account, balance: toNano('200') }));

  it('showRoot tells who governs, what is listed, and what is about to change', async () => {
    const root = world.root.address.toString();
    await as('rootOwner', allowImage, [root, hex(1n), 'worker', 'a guest']);
    await as('rootOwner', allowModel, [root, hex(2n), 'unproven', 'a model']);
    world.wait(700);
    await as('rootOwner', schedule, [root, 'timelock', '1d']);
    const text = await shown(showRoot, root);
    expect(text).toMatch(new RegExp(`^RootContract ${root}: holds 1\\.9\\d* TON, this checkout's code`));
    for (const line of [
      'network -3',
      `owner ${world.governance.owner}`,
      `guardian ${world.governance.guardian}`,
      'timelock 10 minutes',
      'stakes at least 100 TON, pays 1 TON to register, and announces withdrawals at least 1 hour ahead',
      'images: 1 of 4',
      `${hex(1n)} for worker guest, counts since 2026-09-21 14:23:20 UTC (1 minute 40 seconds ago)`,
      `${hex(2n)} UNPROVEN, counts since`,
      `${world.proxy.address} stakes 100 TON, listed since 2026-09-21 14:13:20 UTC`,
      'the timelock becomes 1 day: can be applied from 2026-09-21 14:35:00 UTC (in 10 minutes) until 2026-09-21 14:45:00 UTC (in 20 minutes)',
      'log: 3 entries, head ',
    ])
      expect(text).toContain(line);
  });

  it('showProxy tells stake, income, settings and announcements', async () => {
    await world.proxy.sendRequestWithdrawal(world.party('proxyOwner').getSender(), { income: toNano('2'), stake: 0n });
    const text = await shown(showProxy, world.proxy.address);
    for (const line of [
      `owner ${world.proxyTerms.owner}`,
      `root ${world.root.address}`,
      'withdrawals are announced 1 hour ahead; index 0',
      'stake 100 TON, free income 14.',
      'has registered at its root',
      `payer key ${hex(publicKeyOf(PAYER))}`,
      'endpoint https://proxy.example:10001, certificate checked in the usual way',
      'announced: 2 TON of income, 0 TON of stake, from 2026-09-21 15:13:20 UTC (in 1 hour)',
      'anchored periods of receipts: 0',
    ])
      expect(text).toContain(line);
  });

  it('showClient tells deposit, debt, keys and announcements', async () => {
    const channel = world.clientChannel.address;
    const voucher = signedVoucher({ channel, total: toNano('12'), upTo: 7n, open: 0n });
    await world.clientChannel.sendCharge(world.party('operator').getSender(), voucher);
    await world.clientChannel.sendRotateKey(world.party('client').getSender(), { sessionKey: publicKeyOf(keyOf('next session')) });
    await as('client', withdraw, [channel.toString(), 'request', 'everything']);
    const text = await shown(showClient, channel);
    expect(text).toMatch(/charged 12 TON in all, paid 9\.9\d* TON, so 2\.0\d* TON are owed/);
    for (const line of [
      `client ${world.clientTerms.owner}`,
      `operator ${world.clientTerms.operator}`,
      `session key ${hex(publicKeyOf(keyOf('next session')))}`,
      `the session key before it, ${hex(publicKeyOf(SESSION))}, counts until 2026-09-21 15:13:20 UTC (in 1 hour)`,
      'the last voucher covers requests up to 7',
      'announced withdrawal: everything, from 2026-09-21 15:13:20 UTC (in 1 hour)',
    ])
      expect(text).toContain(line);
  });

  it('showWorker tells what was paid and what is left', async () => {
    const workerContract = world.workerChannel.address;
    const voucher = signedWorkerVoucher({ workerContract, total: toNano('1'), tokens: 1234n });
    await world.workerChannel.sendClaim(world.party('workerOwner').getSender(), voucher);
    const text = await shown(showWorker, workerContract);
    expect(text).toContain(`worker's owner ${world.workerTerms.owner}`);
    expect(text).toContain("paid 1 TON in all, for 1234 tokens by the payer's word");
    expect(text).toContain('no withdrawal announced');
    expect(text).toMatch(/deposit 3\.9\d* TON/);
  });

  it('shows nothing of an account that is none of ours, or of another kind', async () => {
    const client = world.clientChannel.address.toString();
    expectUnsent(await as('stranger', showWorker, [client]), 'is a ClientContract, not a WorkerContract');
    expectUnsent(await as('stranger', showProxy, [world.party('client').address.toString()]), 'is no ProxyContract of this checkout');
    expectUnsent(await as('stranger', showRoot, [`0:${'0'.repeat(64)}`]), 'nothing is deployed there');
    expectUnsent(await as('stranger', showClient, [client, client]), 'unexpected argument');
  });

  it('checks pass on what this checkout deployed', async () => {
    for (const [script, address] of [
      [checkRoot, world.root.address],
      [checkProxy, world.proxy.address],
      [checkClient, world.clientChannel.address],
      [checkWorker, world.workerChannel.address],
    ] as const) {
      const text = await shown(script, address);
      expect(text).toContain("the code is this checkout's: ");
      expect(text).toMatch(/All checks passed\.$/);
      expect(text).not.toMatch(/FAIL|unknown/);
    }
  });

  it('checkRoot fails on another code', async () => {
    const address = world.root.address;
    const code = beginCell().storeSlice(codeOf('RootContract').beginParse()).storeBit(false).endCell();
    await replace(address, { code, data: await world.data(address) });
    const said = await as('stranger', checkRoot, [address.toString()]);
    expect(said.lines.join('\n')).toContain(
      `FAIL    the code is ${code.hash().toString('hex')}, this checkout's ${codeHashOf('RootContract')}`,
    );
    expectUnsent(said, /^1 check of 7 failed: this is not what this checkout deploys$/);
    expect(await shown(showRoot, address)).toContain("ANOTHER CODE than this checkout's");
  });

  it('checkRoot cannot tell the address of a root whose governance has changed, and says so', async () => {
    const root = world.root.address.toString();
    await as('rootOwner', schedule, [root, 'timelock', '1d']);
    world.wait(600);
    await world.root.sendApply(world.party('stranger').getSender(), { kind: 'timelock' });
    const text = await shown(checkRoot, root);
    expect(text).toContain('unknown the address does not follow from this code and the governance of today');
    expect(text).toContain('No check failed; 1 check could not be made.');
  });

  it('checkProxy, checkClient and checkWorker fail at an address that other terms gave', async () => {
    for (const [script, name, address, from] of [
      [checkProxy, 'ProxyContract', `0:${'1'.repeat(64)}`, world.proxy.address],
      [checkClient, 'ClientContract', `0:${'2'.repeat(64)}`, world.clientChannel.address],
      [checkWorker, 'WorkerContract', `0:${'3'.repeat(64)}`, world.workerChannel.address],
    ] as const) {
      await replace(Address.parse(address), { code: codeOf(name), data: await world.data(from) });
      const said = await as('stranger', script, [address]);
      expect(said.lines.join('\n')).toContain('FAIL    not so: the address follows from this code and these terms');
      expectUnsent(said, /1 check of \d failed/);
    }
  });

  it('checkProxy fails on a proxy that lacks its stake or its settings', async () => {
    const address = world.proxy.address;
    await world.chain.setShardAccount(
      address,
      createShardAccount({ address, code: codeOf('ProxyContract'), data: await world.data(address), balance: STAKE - 1n }),
    );
    const said = await as('stranger', checkProxy, [address.toString()]);
    expect(said.lines.join('\n')).toContain('FAIL    not so: it holds its stake of 100 TON');
  });

  it('checkClient and checkWorker note another operator and another payer key, which are no fault', async () => {
    const endpoint = { url: 'https://proxy.example:10001', keyPin: null };
    const settings = { operator: world.party('stranger').address, payerKey: publicKeyOf(keyOf('next payer')), endpoint };
    await world.proxy.sendConfigure(world.party('proxyOwner').getSender(), settings);
    expect(await shown(checkClient, world.clientChannel.address)).toContain('note    the proxy has another operator now');
    expect(await shown(checkWorker, world.workerChannel.address)).toContain('note    the proxy has another payer key now');
  });
});
