import { Address } from '@ton/core';
import { ChainError } from '../chain/chain-error';
import { Pending } from '../chain/pending';
import { TestWallet } from '../chain/plain-chain.test-kit';
import { FixedClock } from '../core/clock';
import { silentLog } from '../runtime/log';
import { type Claimable, Claims } from './claims';

const contract = (at: number) => Address.parseRaw(`0:${at.toString(16).padStart(64, '0')}`);

let clock: FixedClock;
let wallet: TestWallet;
let claimables: Claimable[];
let claims: Claims;

beforeEach(() => {
  clock = new FixedClock(1_800_000_000);
  wallet = new TestWallet(contract(0xff));
  claimables = [];
  claims = new Claims({ wallet, pending: new Pending(clock), log: silentLog(), claimables: () => claimables });
});

function claimable(at: number, total: bigint, available: bigint, paid = 0n): Claimable {
  const voucher = { voucher: { workerContract: contract(at), total, tokens: 0n }, signature: new Uint8Array(64) };
  return { contract: contract(at), view: { available, announcedWithdrawal: 0n, paid }, voucher };
}

it('claims what is worth it, from all contracts in one message', async () => {
  claimables = [claimable(1, 500n, 1000n), claimable(2, 99n, 1000n), claimable(3, 700n, 1000n, 100n)];
  expect(await claims.claim(100n)).toBe(1100n);
  expect(wallet.batches.map(({ length }) => length)).toEqual([2]);
  expect(wallet.receivers).toEqual([contract(1).toRawString(), contract(3).toRawString()]);
});

it('claims once while the chain lags, and again when the claim was lost', async () => {
  claimables = [claimable(1, 500n, 1000n)];
  expect(await Promise.all([claims.claim(0n), claims.claim(0n)])).toEqual([500n, 0n]);
  clock.advance(59);
  expect(await claims.claim(0n)).toBe(0n);
  clock.advance(1);
  expect(await claims.claim(0n)).toBe(500n);
  claimables = [claimable(1, 800n, 500n, 500n)];
  expect(await claims.claim(0n)).toBe(300n);
});

it('spends no gas on a contract that holds nothing, whatever is signed', async () => {
  claimables = [claimable(1, 1n << 60n, 0n)];
  expect(await claims.claim(0n)).toBe(0n);
  claimables = [claimable(1, 1n << 60n, 40n)];
  expect(await claims.claim(41n)).toBe(0n);
  expect(await claims.claim(40n)).toBe(40n);
});

it('tries again at once when nothing was sent', async () => {
  claimables = [claimable(1, 500n, 1000n)];
  wallet.failure = new ChainError('wallet_underfunded', 'no coins');
  await expect(claims.claim(0n)).rejects.toMatchObject({ code: 'wallet_underfunded' });
  wallet.failure = null;
  expect(await claims.claim(0n)).toBe(500n);
});
