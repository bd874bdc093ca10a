import { Address } from '@ton/core';
import { z } from 'zod';
import { packWorkerVoucher, statementHash } from '../../wrappers/statements';
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

  /** A voucher for all that is owed, signed by the payer key; null while nothing is. */
  async voucher(workerContract: string): Promise<SignedWorkerVoucher | null> {
    const { total, tokens } = this.get(workerContract);
    if (total === 0n) return null;
    const voucher = { workerContract: Address.parseRaw(workerContract), total, tokens };
    return { voucher, signature: await this.payer.sign(toBigEndian(statementHash(packWorkerVoucher(voucher)), 32)) };
  }

  /** A worker shows a voucher of ours that is higher than our record, which was restored from an old backup: it counts. */
  async adopt(shown: SignedWorkerVoucher): Promise<void> {
    const key = shown.voucher.workerContract.toRawString();
    if (shown.voucher.total <= this.get(key).total) return;
    const message = toBigEndian(statementHash(packWorkerVoucher(shown.voucher)), 32);
    if (!(await this.crypto.verifyEd25519(this.payer.publicKey, message, shown.signature))) return;
    await this.ledger.change(() => {
      if (shown.voucher.total > this.get(key).total) this.debts.put(key, { total: shown.voucher.total, tokens: shown.voucher.tokens });
    });
  }
}
