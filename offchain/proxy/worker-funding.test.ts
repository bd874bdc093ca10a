import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Address } from '@ton/core';
import { ProxyContract, WorkerContract } from '../chain/contracts';
import { Pending } from '../chain/pending';
import { setProxyContract, setWorkerContract, TestChain } from '../chain/plain-chain.test-kit';
import { FixedClock } from '../core/clock';
import { Ledger } from '../ledger/ledger';
import { silentLog } from '../runtime/log';
import { generateSigner, nodeCrypto } from '../runtime/node-crypto';
import { WorkerDebts } from './worker-debts';
import { type FundableWorker, WorkerFunding } from './worker-funding';

const DEPOSIT = 500_000n;
const at = (byte: string) => Address.parseRaw(`0:${byte.repeat(32)}`);
const TERMS = { owner: at('01'), root: at('02'), withdrawDelay: 3600, index: 0 };

let folder: string;
let ledger: Ledger;
let chain: TestChain;
let pending: Pending;
let workers: FundableWorker[];
let funding: WorkerFunding;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cocoon-funding-'));
  ledger = Ledger.open(folder);
  const clock = new FixedClock(1_800_000_000);
  chain = new TestChain(clock);
  pending = new Pending(clock);
  workers = [];
  setProxyContract(chain, TERMS, 0n);
  funding = new WorkerFunding({
    config: { workerDepositNano: DEPOSIT, workerRefillAtNano: 250_000n },
    contract: ProxyContract.create(TERMS),
    client: chain,
    watcher: chain,
    debts: new WorkerDebts(ledger, generateSigner(), nodeCrypto),
    workers: { all: () => workers },
    pending,
    log: silentLog(),
  });
});

afterEach(async () => {
  await ledger.close();
  rmSync(folder, { recursive: true });
});

function worker(owner: string): FundableWorker {
  const contractOwner = at(owner);
  const proxy = ProxyContract.create(TERMS).address;
  return {
    isVerified: true,
    contractOwner,
    contract: WorkerContract.create({ owner: contractOwner, proxy, payerKey: 1n, withdrawDelay: 3600 }),
  };
}

/** One round in which everything that was wished for is sent. */
async function fund(): Promise<number> {
  const wishes = await funding.wishes();
  for (const { id, above } of wishes) pending.ask(id, above);
  return wishes.length;
}

it('promises no income twice: what is under way is not free, though the chain still shows it', async () => {
  setProxyContract(chain, TERMS, 2n * DEPOSIT - 1n);
  workers = [worker('11')];
  expect(await fund()).toBe(1);
  workers = [worker('11'), worker('12')];
  expect(await fund()).toBe(0);
  setProxyContract(chain, TERMS, 2n * DEPOSIT);
  expect(await fund()).toBe(1);
});

it('has one contract for all connections of one owner', async () => {
  setProxyContract(chain, TERMS, 10n * DEPOSIT);
  workers = [worker('11'), worker('11'), { ...worker('12'), isVerified: false }];
  expect(await fund()).toBe(1);
});

it('wants nothing for a contract that has paid more than this record knows', async () => {
  setProxyContract(chain, TERMS, 10n * DEPOSIT);
  workers = [worker('11')];
  const { contract } = workers[0] ?? worker('11');
  if (contract !== null) setWorkerContract(chain, contract, 250_000n, 900_000n);
  expect(await fund()).toBe(0);
  if (contract !== null) setWorkerContract(chain, contract, 249_999n, 900_000n);
  chain.look();
  expect(await fund()).toBe(1);
});
