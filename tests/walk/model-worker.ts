/** What a WorkerContract does with a message, by design/contracts. */
import { GAS } from '../../wrappers/minimum-value';
import { WorkerContract, type WorkerState } from '../../wrappers/WorkerContract';
import type { Body } from './bodies';
import { type Arrival, endOf, NOTHING, payAbove, payBack, refuseUnless, returnExcess, type Transition } from './transition';

export function receiveByWorker(state: WorkerState, arrival: Arrival): Transition<WorkerState> {
  const { body, from, self, now } = arrival;
  switch (body.op) {
    case 'payment':
      // One bit is no tag.
      endOf(body);
      return { state, ...NOTHING };
    case 'comment':
      return { state, ...NOTHING };
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
    case 'proxyWorkerRequestWithdrawal': {
      refuseUnless(from.equals(state.terms.proxy), 'notAllowed');
      endOf(body);
      const readyAt = BigInt(now + state.terms.withdrawDelay);
      const withdrawal = body.amount === 0n ? null : { amount: body.amount, readyAt };
      return { state: { ...state, withdrawal }, ...returnExcess(arrival, GAS.workerRequest) };
    }
    case 'anyWorkerCompleteWithdrawal': {
      endOf(body);
      refuseUnless(state.withdrawal !== null, 'notAnnounced');
      refuseUnless(BigInt(now) >= state.withdrawal.readyAt, 'tooEarly');
      const paid = payBack(arrival, WorkerContract.RESERVE, state.terms.proxy, state.withdrawal.amount, GAS.workerComplete);
      return { state: { ...state, withdrawal: null }, ...paid };
    }
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
