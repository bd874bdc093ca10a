import { Address } from '@ton/core';
import { WorkerContract } from '../chain/contracts';
import { setWorkerContract, TestChain } from '../chain/plain-chain.test-kit';
import { FixedClock } from '../core/clock';
import { ContractWatch } from './contract-watch';

const NOW = 1_800_000_000;
const at = (byte: string) => Address.parseRaw(`0:${byte.repeat(32)}`);
const contractWith = (withdrawDelay: number) => WorkerContract.create({ owner: at('01'), proxy: at('02'), payerKey: 3n, withdrawDelay });

let clock: FixedClock;
let chain: TestChain;

beforeEach(() => {
  clock = new FixedClock(NOW);
  chain = new TestChain(clock);
});

function watch(contract = contractWith(3600)): ContractWatch {
  return new ContractWatch(contract.address, chain, clock);
}

it('shows what the contract holds, has announced and has paid', () => {
  const watched = watch();
  expect(watched.view).toBeNull();
  setWorkerContract(chain, contractWith(3600), 5000n, 70n, 600n);
  chain.look();
  expect(watched.view).toMatchObject({ available: 5000n, announcedWithdrawal: 600n, paid: 70n });
  setWorkerContract(chain, contractWith(3600), 5000n, 70n, (1n << 64n) - 1n);
  chain.look();
  expect(watched.freshView).toMatchObject({ announcedWithdrawal: 5000n });
});

it.each([
  [3600, 120],
  [60, 30],
])('trusts a look for so long only, with a delay of %d s for %d s', (delay, trustedSec) => {
  const watched = watch(contractWith(delay));
  setWorkerContract(chain, contractWith(delay), 5000n);
  chain.look();
  clock.advance(trustedSec);
  expect(watched.freshView).not.toBeNull();
  clock.advance(1);
  expect(watched.freshView).toBeNull();
  expect(watched.view).toMatchObject({ available: 5000n });
  chain.look();
  expect(watched.freshView).not.toBeNull();
});

it('never goes back to an older state, and sees when the contract is gone', () => {
  const watched = watch();
  const older = setWorkerContract(chain, contractWith(3600), 9000n);
  setWorkerContract(chain, contractWith(3600), 5000n);
  chain.look();
  chain.lookLate(older);
  expect(watched.view).toMatchObject({ available: 5000n });
  chain.set(contractWith(3600).address, 0n, null);
  chain.look();
  expect(watched.view).toBeNull();
  watched.stop();
  expect(chain.watched).toEqual([]);
});
