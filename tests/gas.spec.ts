import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beginCell, type Cell, toNano } from '@ton/core';
import { ClientContract } from '../wrappers/ClientContract';
import { codeOf } from '../wrappers/contract-code';
import { ProxyContract } from '../wrappers/ProxyContract';
import { MODEL_KIND, RootContract } from '../wrappers/RootContract';
import { WorkerContract } from '../wrappers/WorkerContract';
import { EVERYTHING } from '../wrappers/withdrawal';
import {
  DELAY,
  DEPOSIT,
  FEE,
  feesOf,
  known,
  PAYER,
  publicKeyOf,
  SESSION,
  type Sending,
  STAKE,
  signedVoucher,
  signedWorkerVoucher,
  World,
} from './world';

const TABLE = join(__dirname, 'gas.json');

/** Gas of our contracts by message, and what the flow costs in network fees besides the sender's own wallet, in nanoTON. */
interface Flow {
  readonly gas: Readonly<Record<string, number>>;
  readonly feesNano: number;
}

/** Cells and bytes of a tree of cells, equal ones counted once. */
function sizeOf(root: Cell): { cells: number; bytes: number } {
  const seen = new Map<string, Cell>();
  const walk = (cell: Cell) => {
    const hash = cell.hash().toString('hex');
    if (seen.has(hash)) return;
    seen.set(hash, cell);
    cell.refs.forEach(walk);
  };
  walk(root);
  const bits = [...seen.values()].reduce((sum, cell) => sum + cell.bits.length, 0);
  return { cells: seen.size, bytes: Math.ceil(bits / 8) };
}

async function measure(): Promise<Readonly<Record<string, Flow>>> {
  const flows: Record<string, Flow> = {};
  const world = await World.create();
  const flow = async (name: string, sending: Omit<Sending, 'from'> & { readonly from: string }) => {
    const { transactions, trace } = await world.send({ ...sending, from: world.party(sending.from) });
    const gas: Record<string, number> = {};
    let feesNano = 0n;
    transactions.slice(1).forEach((transaction, i) => {
      const message = /> (\S+): (.*)$/.exec(known(trace[i]));
      feesNano += feesOf(transaction);
      const [, receiver, what] = message ?? [];
      const { description } = transaction;
      if (receiver === undefined || !/^[A-Z]/.test(receiver)) return;
      if (description.type !== 'generic' || description.computePhase.type !== 'vm') return;
      const key = `${receiver} ${what}`;
      gas[`${key}${key in gas ? ' (rest)' : ''}`] = Number(description.computePhase.gasUsed);
    });
    flows[name] = { gas, feesNano: Number(feesNano) };
  };

  const { root, proxy, clientChannel, workerChannel } = world;
  const endpoint = { url: 'https://proxy.example:10001', keyPin: null };
  const operator = world.party('operator').address;
  const workerOwner = world.party('workerOwner').address;
  const open = ClientContract.openBody({ sessionKey: publicKeyOf(SESSION) });
  await flow('client: open and deposit', {
    from: 'client',
    to: clientChannel.address,
    body: open,
    value: DEPOSIT,
    init: clientChannel.init,
  });
  const configure = ProxyContract.configureBody({ operator, payerKey: publicKeyOf(PAYER), endpoint });
  await world.send({ from: world.party('rootOwner'), to: root.address, init: root.init, bounce: false });
  await flow('proxy: configure', { from: 'proxyOwner', to: proxy.address, body: configure, init: proxy.init });
  const register = ProxyContract.registerBody({ stake: STAKE, forward: FEE + toNano('0.1') });
  await flow('proxy: register', { from: 'proxyOwner', to: proxy.address, body: register, value: STAKE + FEE + toNano('20') });
  const fund = ProxyContract.fundBody({ workerOwner, amount: toNano('5') });
  await flow('proxy: fund a new worker', { from: 'operator', to: proxy.address, body: fund });
  await flow('proxy: fund a known worker', { from: 'operator', to: proxy.address, body: fund });

  await flow('client: top up', { from: 'client', to: clientChannel.address });
  const comment = beginCell().storeUint(0, 32).storeStringTail('deposit').endCell();
  await flow('client: top up with a comment', { from: 'client', to: clientChannel.address, body: comment });
  const charge = (total: bigint) =>
    ClientContract.chargeBody(signedVoucher({ channel: clientChannel.address, total, upTo: total, open: total }));
  await flow('client: first charge', { from: 'operator', to: clientChannel.address, body: charge(toNano('1')) });
  await flow('client: charge', { from: 'operator', to: clientChannel.address, body: charge(toNano('2')) });
  const order = ProxyContract.orderBody({ to: clientChannel.address, order: charge(toNano('3')) });
  await flow('client: charge on the order of the proxy owner', { from: 'proxyOwner', to: proxy.address, body: order });
  await flow('client: charge above the deposit', { from: 'operator', to: clientChannel.address, body: charge(toNano('50')) });
  await world.send({ from: world.party('client'), to: clientChannel.address, value: toNano('60') });
  await flow('client: collect', { from: 'operator', to: clientChannel.address, body: ClientContract.collectBody() });

  const claim = (total: bigint) =>
    WorkerContract.claimBody(signedWorkerVoucher({ workerContract: workerChannel.address, total, tokens: total }));
  await flow('worker: top up', { from: 'stranger', to: workerChannel.address });
  await flow('worker: first claim', { from: 'workerOwner', to: workerChannel.address, body: claim(toNano('1')) });
  await flow('worker: claim', { from: 'workerOwner', to: workerChannel.address, body: claim(toNano('2')) });

  const hash = 1n;
  await flow('root: add an image', { from: 'rootOwner', to: root.address, body: RootContract.addImageBody({ hash, roles: 1, note: 1n }) });
  const model = RootContract.addModelBody({ hash, kind: MODEL_KIND.files, note: 1n });
  await flow('root: add a model', { from: 'rootOwner', to: root.address, body: model });
  await flow('root: remove an image', { from: 'guardian', to: root.address, body: RootContract.removeImageBody({ hash }) });
  await flow('root: remove a model', { from: 'guardian', to: root.address, body: RootContract.removeModelBody({ hash }) });
  await flow('root: collect fees', { from: 'rootOwner', to: root.address, body: RootContract.collectFeesBody() });

  const whole = { amount: EVERYTHING };
  await flow('client: announce', { from: 'client', to: clientChannel.address, body: ClientContract.requestWithdrawalBody(whole) });
  const take = ProxyContract.orderBody({ to: workerChannel.address, order: WorkerContract.requestWithdrawalBody(whole) });
  await flow('worker: announce', { from: 'proxyOwner', to: proxy.address, body: take });
  await flow('proxy: leave', { from: 'proxyOwner', to: proxy.address, body: ProxyContract.leaveBody() });
  const all = ProxyContract.requestWithdrawalBody({ income: EVERYTHING, stake: EVERYTHING });
  await flow('proxy: announce', { from: 'proxyOwner', to: proxy.address, body: all });
  world.wait(DELAY);
  await flow('client: whole exit', { from: 'client', to: clientChannel.address, body: ClientContract.completeWithdrawalBody() });
  await flow('worker: whole exit', { from: 'stranger', to: workerChannel.address, body: WorkerContract.completeWithdrawalBody() });
  await flow('proxy: whole exit', { from: 'proxyOwner', to: proxy.address, body: ProxyContract.completeWithdrawalBody() });

  return flows;
}

test('gas, fees and code sizes are those of tests/gas.json (GAS_UPDATE=1 writes it anew)', async () => {
  const names = ['RootContract', 'ProxyContract', 'ClientContract', 'WorkerContract'] as const;
  const code = Object.fromEntries(names.map((name) => [name, sizeOf(codeOf(name))]));
  const measured = { code, flows: await measure() };
  if (process.env.GAS_UPDATE === '1') writeFileSync(TABLE, `${JSON.stringify(measured, null, 2)}\n`);
  expect(measured).toEqual(JSON.parse(readFileSync(TABLE, 'utf8')));
});
