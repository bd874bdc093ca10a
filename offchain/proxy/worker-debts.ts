import { Address } from '@ton/core';
import { z } from 'zod';
import { packWorkerVoucher, statementHash, type WorkerVoucher } from '../../wrappers/statements';
import { toBigEndian } from '../core/bytes';
import type { CryptoProvider, Signer } from '../core/crypto';
import type { Ledger, Table } from '../ledger/ledger';
import { counter, nano } from '../protocol/fields';
import type { SignedWorkerVoucher } from '../protocol/statements-json';

const debtSchema = z.strictObject({ total: nano, tokens: counter });
type Debt = z.output<typeof debtSchema>;

/** What this proxy owes each worker's owner, in all, by WorkerContract. Only ever grows. */
export class WorkerDebts {
  private readonly debts: Table<Debt>;

  constructor(
    private readonly ledger: Ledger,
    private readonly payer: Signer,
    private readonly crypto: CryptoProvider,
  ) {
    this.debts = ledger.table('worker-debts', debtSchema);
  }

  get(workerContract: string): Debt {
    return this.debts.get(workerContract) ?? { total: 0n, tokens: 0n };
  }

  /** Inside Ledger.change only. */
  add(workerContract: string, amount: bigint, tokens: bigint): void {
    const debt = this.get(workerContract);
    this.debts.put(workerContract, { total: debt.total + amount, tokens: debt.tokens + tokens });
  }

  /**
   * A voucher for all that is owed, signed by the payer key; also for nothing, since the worker answers with the newest that it has.
   * It rests on nothing that a power cut could take back.
   */
  async voucher(workerContract: string): Promise<SignedWorkerVoucher> {
    const voucher = { workerContract: Address.parseRaw(workerContract), ...this.get(workerContract) };
    await this.ledger.durable();
    return { voucher, signature: await this.payer.sign(toBigEndian(statementHash(packWorkerVoucher(voucher)), 32)) };
  }

  /** Whether the payer key has signed it. */
  async isOurs({ voucher, signature }: SignedWorkerVoucher): Promise<boolean> {
    return this.crypto.verifyEd25519(this.payer.publicKey, toBigEndian(statementHash(packWorkerVoucher(voucher)), 32), signature);
  }

  /** Inside Ledger.change only. Counts a voucher of ours that is above the record. @returns false when it is not */
  raise({ workerContract, total, tokens }: WorkerVoucher): boolean {
    const key = workerContract.toRawString();
    if (total <= this.get(key).total) return false;
    this.debts.put(key, { total, tokens });
    return true;
  }
}
