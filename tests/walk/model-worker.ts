/** What a WorkerContract does with a message, by contracts/schema.tlb and docs/audit.md. */
import { GAS } from '../../wrappers/minimum-value';
import { WorkerContract, type WorkerState } from '../../wrappers/WorkerContract';
import type { Body } from './bodies';
import { type Arrival, announceWithdrawal, completeWithdrawal, keepCoins, payAbove, refuseUnless, type Transition } from './transition';

export function receiveByWorker(state: WorkerState, arrival: Arrival): Transition<WorkerState> {
  const { body, from, self } = arrival;
  switch (body.op) {
    case 'payment':
    case 'comment':
      return keepCoins(state, body);
    case 'anyWorkerClaim': {
      const { statement, signer } = body.voucher;
      const isSigned = statement.workerContract.equals(self) && signer.publicKey === state.terms.payerKey;
      refuseUnless(isSigned && body.tail !== true, 'badSignature');
      refuseUnless(statement.total > state.paid, 'oldVoucher');
      const asked = statement.total - state.paid;
      const { amount, ...effects } = payAbove(arrival, WorkerContract.RESERVE, state.terms.owner, asked, GAS.workerClaim);
      refuseUnless(amount > 0n, 'nothingToPay');
      const tokens = statement.tokens > state.tokens ? statement.tokens : state.tokens;
      return { state: { ...state, paid: state.paid + amount, tokens }, ...effects };
    }
    case 'proxyWorkerRequestWithdrawal':
      refuseUnless(from.equals(state.terms.proxy), 'notAllowed');
      return announceWithdrawal(state, arrival, body.amount, GAS.workerRequest);
    case 'anyWorkerCompleteWithdrawal':
      return completeWithdrawal(state, arrival, WorkerContract.RESERVE, state.terms.proxy, GAS.workerComplete);
    default:
      refuseUnless(false, 'unknownMessage');
  }
}

/** Gas that sets a message's minimum value; undefined where there is no minimum. */
export function workerGas(body: Body): bigint | undefined {
  switch (body.op) {
    case 'anyWorkerClaim':
      return GAS.workerClaim;
    case 'proxyWorkerRequestWithdrawal':
      return GAS.workerRequest;
    case 'anyWorkerCompleteWithdrawal':
      return GAS.workerComplete;
    default:
      return undefined;
  }
}
