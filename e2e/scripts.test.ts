/** The scripts of `blueprint run` on the local chain over HTTP, signed by a wallet's words, as people run them. */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createNetworkProvider } from '@ton/blueprint';
import { Address, beginCell, Cell, contractAddress, toNano } from '@ton/core';
import { mnemonicNew, mnemonicToPrivateKey } from '@ton/crypto';
import { WalletContractV4 } from '@ton/ton';
import { type RunningChild, startChild } from '../offchain/runtime/child';
import { run as allowImage } from '../scripts/allowImage';
import { run as allowModel } from '../scripts/allowModel';
import { run as apply } from '../scripts/apply';
import { run as cancel } from '../scripts/cancel';
import { run as checkClient } from '../scripts/checkClient';
import { run as checkProxy } from '../scripts/checkProxy';
import { run as checkRoot } from '../scripts/checkRoot';
import { run as checkWorker } from '../scripts/checkWorker';
import { run as deployProxy } from '../scripts/deployProxy';
import { run as deployRoot } from '../scripts/deployRoot';
import { run as handOverRoot } from '../scripts/handOverRoot';
import { run as openChannel } from '../scripts/openChannel';
import { run as registerProxy } from '../scripts/registerProxy';
import { run as revokeImage } from '../scripts/revokeImage';
import { run as revokeModel } from '../scripts/revokeModel';
import { run as schedule } from '../scripts/schedule';
import { run as showClient } from '../scripts/showClient';
import { run as showProxy } from '../scripts/showProxy';
import { run as showRoot } from '../scripts/showRoot';
import { run as showWorker } from '../scripts/showWorker';
import { run as topUp } from '../scripts/topUp';
import { run as withdraw } from '../scripts/withdraw';
import { expectDone, expectUnsent, PreparedPerson, runOn, type Said, type Script } from '../tests/console';
import published from '../tests/fixtures/multisig-v2/code.json';
import { multisigData } from '../wrappers/console/multisig-v2';
import { hex } from '../wrappers/console/words';
import { ProxyContract } from '../wrappers/ProxyContract';

const ROOT = join(__dirname, '..');
const BLUEPRINT = join(ROOT, 'node_modules', '@ton', 'blueprint', 'dist', 'cli', 'cli.js');
const KEY = 'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a';
const TIMELOCK_SEC = 600;
const DELAY_SEC = 3_600;

interface Person {
  readonly words: string;
  readonly address: Address;
}

let folder: string;
let chain: RunningChild;
let endpoint: string;
let owner: Person;
let client: Person;
let skewMs = 0;

beforeAll(async () => {
  const { now } = Date;
  jest.spyOn(Date, 'now').mockImplementation(() => now() + skewMs);
  folder = mkdtempSync(join(tmpdir(), 'cocoon-scripts-'));
  const configFile = join(folder, 'chain.json');
  writeFileSync(configFile, JSON.stringify({ stateFolder: join(folder, 'state'), port: 0, blockIntervalMs: 50 }));
  chain = await startChild({ name: 'chain', script: join(ROOT, 'dist', 'offchain', 'localnet', 'chain', 'main'), configFile });
  endpoint = String(chain.details.endpoint);
  [owner, client] = [await withWallet(toNano('500')), await withWallet(toNano('50'))];
});

afterAll(async () => {
  jest.restoreAllMocks();
  await chain?.kill();
  rmSync(folder, { recursive: true, force: true });
});

/** Somebody with a new wallet and coins. */
async function withWallet(amount: bigint): Promise<Person> {
  const words = await mnemonicNew();
  const { publicKey } = await mnemonicToPrivateKey(words);
  const { address } = WalletContractV4.create({ workchain: 0, publicKey });
  await dev('faucet', { address: address.toRawString(), amountNano: amount.toString() });
  return { words: words.join(' '), address };
}

/** Time that passes: for the chain, and for wallets, which sign until when a message counts. */
async function wait(seconds: number): Promise<void> {
  await dev('increaseTime', { seconds });
  skewMs += seconds * 1_000;
}

async function dev(method: string, params: object): Promise<void> {
  const url = endpoint.replace('/api/v2/jsonRPC', `/dev/${method}`);
  const response = await fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(params) });
  if (!response.ok) throw new Error(`${method} answered ${response.status}`);
}

function networkOf(person: PreparedPerson, { words }: Person) {
  process.env.WALLET_MNEMONIC = words;
  process.env.WALLET_VERSION = 'v4r2';
  return createNetworkProvider(person, {
    _: [],
    '--custom': endpoint,
    '--custom-version': 'v2',
    '--custom-type': 'custom',
    '--mnemonic': true,
  });
}

async function as(who: Person, script: Script, ...args: readonly string[]): Promise<Said> {
  const person = new PreparedPerson([true]);
  return runOn(await networkOf(person, who), person, script, args);
}

/** What a script shows that sends nothing. */
async function shown(script: Script, address: string): Promise<string> {
  const said = await as(client, script, address);
  expect(said).toMatchObject({ refusal: null, hasSent: false });
  return said.lines.join('\n');
}

/** An address from the plan that a script has written. */
function addressIn(said: Said, pattern: RegExp): string {
  const address = pattern.exec(said.lines.join('\n'))?.[1] ?? '';
  return Address.parse(address).toString();
}

describe('scripts on the local chain', () => {
  let root: string;
  let proxy: string;

  it('make a network: root, lists, a proxy with its stake, a channel', async () => {
    const terms = [client.address.toString(), '20260', `${TIMELOCK_SEC}`, '100', '1', `${DELAY_SEC}`, '4', '4', '4'];
    const deployed = await as(owner, deployRoot, ...terms, owner.address.toString(), '1');
    expectDone(deployed, 'deploy the root of network 20260', 'timelock 10 minutes');
    root = addressIn(deployed, /network 20260 at (\S+)/);
    expectDone(await as(owner, allowImage, root, hex(1n), 'worker', 'a guest'), 'On the list');
    expectDone(await as(owner, allowModel, root, hex(2n), 'files', 'a model'), 'On the list');
    expectUnsent(await as(client, allowImage, root, hex(3n), 'worker', 'a guest'), 'only the owner');

    const settings = [root, `${DELAY_SEC}`, '0', owner.address.toString(), KEY, 'https://proxy.example', 'none'];
    const made = await as(owner, deployProxy, ...settings);
    proxy = addressIn(made, /deploy a proxy at (\S+)/);
    expectDone(made, 'endpoint https://proxy.example');
    expectDone(await as(owner, registerProxy, proxy, '100'), 'Listed with a stake of 100 TON');
    expect(await shown(showProxy, proxy)).toContain('stake 100 TON');
    expect(await shown(checkProxy, proxy)).toContain('All checks passed.');
  });

  it('run from a shell: the plan, the question, the report, and 0', async () => {
    const { code, output } = await blueprint(owner, ['allowImage', root, hex(9n), 'worker', 'a guest'], [[/Send it\?/, 'y\n']]);
    expect(output).toMatch(/allow image 0{63}9 for worker guest[\s\S]*Done in transaction [0-9a-f]{64}\.[\s\S]*On the list/);
    expect(code).toBe(0);
  });

  it('end with 1 and one line, without a trace, where a person is mistaken or the node is away', async () => {
    const mistaken = await blueprint(client, ['allowImage', root, hex(10n), 'worker', 'a guest'], []);
    expect(mistaken.output).toMatch(/only the owner .* may do this, and the wallet is .*$/);
    expect(mistaken.output).not.toMatch(/\n\s+at /);
    expect(mistaken.code).toBe(1);
    const away = await blueprint(client, ['showRoot', root], [], 'http://127.0.0.1:9/api/v2/jsonRPC');
    expect(away.output).toMatch(/the chain's node did not do it: .*ECONNREFUSED.*$/);
    expect(away.output).not.toMatch(/\n\s+at /);
    expect(away.code).toBe(1);
  });

  it('open a channel, fill it, and leave it with everything', async () => {
    const opened = await as(client, openChannel, proxy, KEY, '3');
    const channel = addressIn(opened, /open the channel (\S+)/);
    expectDone(await as(owner, topUp, channel, '1'), 'Deposit: 4.');
    expect(await shown(showClient, channel)).toContain(`session key ${KEY}`);
    expect(await shown(checkClient, channel)).toContain('All checks passed.');
    expectUnsent(await as(owner, withdraw, channel, 'request', 'everything'), 'only the owner');
    expectDone(await as(client, withdraw, channel, 'request', 'everything'), 'Announced: everything');
    expectUnsent(await as(client, withdraw, channel, 'complete'), 'too early');
    await wait(DELAY_SEC);
    expectDone(await as(client, withdraw, channel, 'complete'), '0 TON are left in the channel');
  });

  it('show and check the channel of a worker', async () => {
    const person = new PreparedPerson([]);
    const network = await networkOf(person, owner);
    const contract = network.open(ProxyContract.at(Address.parse(proxy)));
    await contract.sendTopUp(network.sender(), { value: toNano('2') });
    await until(async () => (await contract.getState()).freeIncome > toNano('1'));
    await contract.sendFund(network.sender(), { workerOwner: client.address, amount: toNano('1') });
    const worker = await contract.getWorkerAddress(client.address);
    await until(async () => network.isContractDeployed(worker));
    expect(await shown(showWorker, worker.toString())).toContain('deposit 0.9');
    expect(await shown(checkWorker, worker.toString())).toContain('All checks passed.');
  });

  it('change and cancel what governs, take off the lists, and begin the hand-over to a multisig', async () => {
    expectDone(await as(owner, schedule, root, 'timelock', '20m'), 'Scheduled: the timelock becomes 20 minutes');
    expectUnsent(await as(client, apply, root, 'timelock'), 'too early');
    await wait(TIMELOCK_SEC);
    expectDone(await as(client, apply, root, 'timelock'), 'In force: the timelock becomes 20 minutes.');
    expectDone(await as(client, revokeImage, root, hex(1n)), 'Off the list');
    expectDone(await as(owner, revokeModel, root, hex(2n)), 'Off the list');
    const init = { code: Cell.fromBase64(published.Multisig.boc), data: multisigData(1, [client.address]) };
    const multisig = contractAddress(0, init);
    const network = await networkOf(new PreparedPerson([]), client);
    await network.sender().send({ to: multisig, value: toNano('1'), init, body: beginCell().endCell() });
    await until(() => network.isContractDeployed(multisig));
    expectDone(
      await as(owner, handOverRoot, root, multisig.toString()),
      'Multisig',
      '1 of 1 signer',
      `Scheduled. The signers run this script`,
    );
    expect(await shown(showRoot, root)).toContain(`the owner becomes ${multisig}`);
    expectDone(await as(client, cancel, root, 'owner'), `Cancelled: the owner becomes ${multisig}.`);
    expect(await shown(checkRoot, root)).toContain('No check failed; 1 check could not be made.');
  });
});

/** Waits for the chain. */
async function until(look: () => Promise<boolean>): Promise<void> {
  while (!(await look())) await new Promise((done) => setTimeout(done, 50));
}

/** Runs a script from a shell, and types each answer when its question is there. */
function blueprint(
  { words }: Person,
  args: readonly string[],
  answers: readonly (readonly [RegExp, string])[],
  url = endpoint,
): Promise<{ readonly code: number | null; readonly output: string }> {
  const flags = ['--custom', url, '--custom-version', 'v2', '--custom-type', 'custom', '--mnemonic'];
  const env = { ...process.env, WALLET_MNEMONIC: words, WALLET_VERSION: 'v4r2', TS_NODE_TRANSPILE_ONLY: 'true' };
  const child = spawn(process.execPath, [BLUEPRINT, 'run', ...args, ...flags], { cwd: ROOT, env, stdio: ['pipe', 'pipe', 'pipe'] });
  const open = [...answers];
  let output = '';
  return new Promise((done) => {
    const hear = (part: Buffer) => {
      // Without the terminal's own signs.
      output += part.toString().replaceAll(new RegExp(`${String.fromCharCode(27)}\\[[0-9;]*[A-Za-z]`, 'g'), '');
      const [question, answer] = open[0] ?? [];
      if (question === undefined || answer === undefined || !question.test(output)) return;
      open.shift();
      child.stdin.write(answer);
    };
    child.stdout.on('data', hear);
    child.stderr.on('data', hear);
    child.once('close', (code) => done({ code, output: output.trim() }));
  });
}
