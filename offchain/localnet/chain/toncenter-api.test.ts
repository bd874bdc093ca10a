import { Address, beginCell, Cell, external, internal, storeMessage, storeMessageRelaxed, toNano } from '@ton/core';
import { IMAGE_ROLE, RootContract } from '../../../wrappers/RootContract';
import { ChainUnderTest, GENESIS_SEC, prices, SEND_MODE, TestWallet } from './chain.test-kit';

const alice = new TestWallet(1);
const bob = new TestWallet(2);
const net = new ChainUnderTest();

beforeAll(async () => {
  await net.open();
  await net.chain.faucet(alice.address, toNano(100));
});
afterAll(async () => {
  await net.remove();
  expect(net.errors).toEqual([]);
});

describe('an unchanged TonClient', () => {
  test('deploys a W5 wallet with its first transfer', async () => {
    const client = net.client();
    expect(await client.isContractDeployed(alice.address)).toBe(false);

    await alice.send(client, [internal({ to: bob.address, value: toNano(1), bounce: false })]);

    expect(await client.isContractDeployed(alice.address)).toBe(true);
    expect(await client.open(alice.contract).getSeqno()).toBe(1);
    expect(await client.getBalance(bob.address)).toBe(toNano(1));
  });

  test('loses no coin but the fees of its transactions', async () => {
    const client = net.client();
    const before = await client.getBalance(alice.address);
    await alice.send(client, [internal({ to: bob.address, value: toNano('0.5'), bounce: false })]);
    const [last] = await client.getTransactions(alice.address, { limit: 1 });
    if (last === undefined) throw new Error('no transaction');
    const forwarding = last.outMessages.values().reduce((sum, { info }) => sum + (info.type === 'internal' ? info.forwardFee : 0n), 0n);
    expect(await client.getBalance(alice.address)).toBe(before - toNano('0.5') - last.totalFees.coins - forwarding);
  });

  test('runs get-methods with numbers and slices as arguments', async () => {
    const client = net.client();
    const params = { minProxyStake: toNano(100), registrationFee: 0n, minProxyDelay: 60, maxImages: 8, maxModels: 8, maxProxies: 8 };
    const root = client.open(RootContract.create({ owner: alice.address, guardian: bob.address, networkId: -239, timelock: 5, params }));
    const add = RootContract.addImageBody({ hash: 7n, roles: IMAGE_ROLE.worker, note: 9n });
    await alice.send(client, [internal({ to: root.address, value: toNano(1), init: root.init, bounce: false })]);
    await alice.send(client, [internal({ to: root.address, value: toNano('0.1'), body: add })]);

    expect(await root.getImage(7n)).toEqual({ roles: 1, activeFrom: BigInt(GENESIS_SEC + 5), note: 9n });
    expect(await root.getImage(8n)).toBeNull();
    expect(await root.getListing(bob.address)).toBeNull();
    expect((await root.getGovernance()).owner.equals(alice.address)).toBe(true);
  });

  test('learns the exit code of a get-method that is not there', async () => {
    const { exit_code } = await net.client().runMethodWithError(alice.address, 'no_such_method');
    expect(exit_code).toBe(11);
    expect((await net.client().runMethodWithError(new TestWallet(9).address, 'seqno')).exit_code).toBe(-13);
  });

  test('pages through transactions without gap or repetition', async () => {
    const client = net.client();
    for (let i = 0; i < 5; i++) await alice.send(client, [internal({ to: bob.address, value: 1000n, bounce: false })]);
    const all = await client.getTransactions(alice.address, { limit: 100 });
    const paged = await client.getTransactions(alice.address, { limit: 2 });
    for (;;) {
      const last = paged.at(-1);
      if (last === undefined) throw new Error('no transactions');
      const page = await client.getTransactions(alice.address, { limit: 2, lt: last.lt.toString(), hash: last.hash().toString('base64') });
      if (page.length === 0) break;
      paged.push(...page);
    }
    expect(all.length).toBeGreaterThan(6);
    expect(paged.map(({ lt }) => lt)).toEqual(all.map(({ lt }) => lt));

    const third = all[2];
    const recent = await client.getTransactions(alice.address, { limit: 100, to_lt: third?.lt.toString() });
    expect(recent.map(({ lt }) => lt)).toEqual(all.slice(0, 2).map(({ lt }) => lt));
  });

  test('finds a transaction by name and by the message that caused it', async () => {
    const client = net.client();
    const [incoming] = await client.getTransactions(bob.address, { limit: 1 });
    const info = incoming?.inMessage?.info;
    if (incoming === undefined || info?.type !== 'internal') throw new Error('no internal message');
    const found = await client.getTransaction(bob.address, incoming.lt.toString(), incoming.hash().toString('base64'));
    expect(found?.lt).toBe(incoming.lt);
    expect((await client.tryLocateResultTx(info.src, info.dest, info.createdLt.toString())).lt).toBe(incoming.lt);
  });

  test('estimates the fee that is charged in the end', async () => {
    const client = net.client();
    const seqno = await client.open(alice.contract).getSeqno();
    const messages = [internal({ to: bob.address, value: 1000n, bounce: false })];
    const body = alice.contract.createTransfer({
      seqno,
      secretKey: Buffer.alloc(64, 1),
      sendMode: SEND_MODE,
      messages,
      timeout: 0xffff_fffe,
    });
    const { source_fees } = await client.estimateExternalMessageFee(alice.address, {
      body,
      initCode: null,
      initData: null,
      ignoreSignature: true,
    });
    await alice.send(client, messages, seqno);
    const [last] = await client.getTransactions(alice.address, { limit: 1 });
    if (last?.description.type !== 'generic' || last.description.computePhase.type !== 'vm') throw new Error('no computation');
    expect(BigInt(source_fees.gas_fee)).toBe(last.description.computePhase.gasFees);
    expect(BigInt(source_fees.fwd_fee)).toBe(last.description.actionPhase?.totalFwdFees);
    const total =
      source_fees.in_fwd_fee + source_fees.storage_fee + source_fees.gas_fee + Number(last.description.actionPhase?.totalActionFees);
    expect(BigInt(total)).toBe(last.totalFees.coins);
    await expect(
      client.estimateExternalMessageFee(alice.address, { body, initCode: null, initData: null, ignoreSignature: false }),
    ).rejects.toThrow('500');
  });

  test('walks from the masterchain to the transactions of a block', async () => {
    const client = net.client();
    const { latestSeqno, initSeqno } = await client.getMasterchainInfo();
    const [shard] = await client.getWorkchainShards(latestSeqno);
    if (shard === undefined) throw new Error('no shard');
    const [newest] = await client.getTransactions(bob.address, { limit: 1 });
    const inBlock = await client.getShardTransactions(0, shard.seqno, shard.shard);
    expect(initSeqno).toBe(0);
    expect(inBlock.map(({ lt }) => lt)).toEqual([newest?.lt.toString()]);
  });
});

describe('the API', () => {
  test('refuses a message with a bad signature in the words that toncenter uses, and keeps nothing of it', async () => {
    const seqnoBefore = net.chain.lastBlock.seqno;
    const body = alice.contract.createTransfer({
      secretKey: new TestWallet(3).keys.secretKey,
      seqno: 1,
      sendMode: SEND_MODE,
      messages: [],
    });
    const boc = beginCell()
      .store(storeMessage(external({ to: alice.address, body })))
      .endCell();
    const { status, body: answer } = await net.post('/api/v2/sendBoc', { boc: boc.toBoc().toString('base64') });
    expect(status).toBe(500);
    expect(answer).toEqual({
      ok: false,
      code: 500,
      error: expect.stringMatching(/^LITE_SERVER_UNKNOWN: cannot apply external message.*\n.*exitcode=\d+$/),
    });
    expect(net.chain.lastBlock.seqno).toBe(seqnoBefore);
  });

  test('takes no message from outside that claims to come from a contract', async () => {
    const forged = internal({ to: bob.address, value: toNano(1000), bounce: false });
    const message = beginCell()
      .store(storeMessageRelaxed({ ...forged, info: { ...forged.info, src: alice.address } }))
      .endCell();
    const before = await net.client().getBalance(bob.address);
    for (const boc of [message, Cell.EMPTY]) {
      const { status } = await net.post('/api/v2/sendBoc', { boc: boc.toBoc().toString('base64') });
      expect(status).toBe(422);
    }
    expect(await net.client().getBalance(bob.address)).toBe(before);
  });

  test.each([
    ['getAddressBalance?address=nobody', 422, 'address: not an address'],
    ['getAddressBalance', 422, /^address: /],
    ['getTransactions?address=EQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAM9c&limit=101', 422, /^limit: /],
    ['lookupBlock?workchain=-1&seqno=99999999', 500, 'LITE_SERVER_UNKNOWN: block not found'],
    ['lookupBlock?workchain=5&seqno=1', 422, 'workchain: 0 or -1'],
    ['getEverything', 404, 'method not found'],
  ])('answers %s with %i', async (call, status, error) => {
    const answer = await net.fetch(`/api/v2/${call}`);
    expect(answer.status).toBe(status);
    expect(answer.body).toEqual({ ok: false, code: status, error: error instanceof RegExp ? expect.stringMatching(error) : error });
  });

  test('refuses bodies that are no JSON, no request, or above a mebibyte', async () => {
    const post = (body: string) => net.fetch('/api/v2/jsonRPC', { method: 'POST', body });
    expect(await post('{')).toMatchObject({ status: 422, body: { error: 'body is not JSON' } });
    expect(await post('[]')).toMatchObject({ status: 422, body: { error: 'not a JSON-RPC request' } });
    expect(await post(' '.repeat(1024 * 1024 + 1))).toMatchObject({
      status: 413,
      body: { error: 'body above the limit of 1048576 bytes' },
    });
  });

  test("answers REST and JSON-RPC alike, with the caller's id", async () => {
    const rest = await net.fetch(`/api/v2/getAddressBalance?address=${bob.address}`);
    const rpc = await net.post('/api/v2/jsonRPC', {
      id: 'x',
      jsonrpc: '2.0',
      method: 'getAddressBalance',
      params: { address: bob.address.toRawString() },
    });
    const balance = (await net.client().getBalance(bob.address)).toString();
    expect(rest.body).toEqual({ ok: true, result: balance });
    expect(rpc.body).toEqual({ ok: true, result: balance, id: 'x', jsonrpc: '2.0' });
  });

  test('tells the extended state of accounts that exist and that do not', async () => {
    const states = await Promise.all(
      [alice.address, new TestWallet(9).address].map((address) => net.fetch(`/api/v2/getExtendedAddressInformation?address=${address}`)),
    );
    expect(states.map(({ body }) => body)).toEqual([
      expect.objectContaining({
        result: expect.objectContaining({ account_state: expect.objectContaining({ '@type': 'raw.accountState' }) }),
      }),
      expect.objectContaining({
        result: expect.objectContaining({ account_state: expect.objectContaining({ '@type': 'uninited.accountState' }) }),
      }),
    ]);
    expect((await net.fetch(`/api/v2/getAddressState?address=${alice.address}`)).body).toEqual({ ok: true, result: 'active' });
  });

  test('shows the price configuration that it charges by', async () => {
    const all = await net.fetch('/api/v2/getConfigAll');
    const one = await net.fetch('/api/v2/getConfigParam?config_id=21');
    expect(all.body).toMatchObject({ result: { config: { bytes: prices.toBoc().toString('base64') } } });
    expect(one.body).toMatchObject({ result: { config: { bytes: expect.stringMatching(/^te6/) } } });
    expect((await net.fetch('/api/v2/getConfigParam?config_id=43')).status).toBe(500);
  });

  test('is open to web pages, and its controls are not', async () => {
    const page = { origin: 'https://example.org' };
    const info = await net.fetch('/api/v2/getMasterchainInfo', { headers: page });
    expect(info.headers.get('access-control-allow-origin')).toBe('*');
    const balanceBefore = await net.client().getBalance(bob.address);
    const body = JSON.stringify({ address: bob.address.toRawString(), amountNano: '5' });
    const faucet = await net.fetch('/dev/faucet', { method: 'POST', headers: page, body });
    expect(faucet).toMatchObject({ status: 403, body: { error: 'not for web pages' } });
    expect(faucet.headers.get('access-control-allow-origin')).toBeNull();
    expect(await net.client().getBalance(bob.address)).toBe(balanceBefore);
  });
});

describe('the controls', () => {
  test('make coins, blocks and time', async () => {
    const target = Address.parse(`0:${'ab'.repeat(32)}`);
    await net.post('/dev/faucet', { address: target.toString(), amountNano: '12345' });
    expect(await net.client().getBalance(target)).toBe(12345n);

    const { seqno, timeSec } = net.chain.lastBlock;
    expect((await net.post('/dev/mine', { blocks: 3 })).body).toMatchObject({
      ok: true,
      result: { seqno: seqno + 3, blockTimeSec: timeSec },
    });
    expect((await net.post('/dev/increaseTime', { seconds: 100 })).body).toMatchObject({
      result: { blockTimeSec: timeSec + 100, nowSec: timeSec + 100 },
    });
    expect((await net.fetch('/dev/info')).body).toMatchObject({
      result: { seqno: seqno + 4, rootHash: net.chain.lastBlock.rootHash.toString('hex') },
    });
  });

  test.each([
    ['faucet', { address: 'x', amountNano: '1' }, /^address/],
    ['faucet', { address: `0:${'ab'.repeat(32)}`, amountNano: '-1' }, /nanoTON/],
    ['mine', { blocks: 0 }, /^blocks/],
    ['mine', { count: 1 }, /^params/],
    ['increaseTime', { seconds: -1 }, /^seconds/],
  ])('refuse %s with %j', async (name, params, error) => {
    expect(await net.post(`/dev/${name}`, params)).toMatchObject({ status: 422, body: { ok: false, error: expect.stringMatching(error) } });
  });
});
