/** Where every walk begins: who is in business, who has left, and who never came. */
import { toNano } from '@ton/core';
import { known } from '../world';
import type { Body } from './bodies';
import { Book } from './book';
import { Chain, type Network } from './chain';
import { holdingsOf, leaveWith } from './exits';
import { ofKind, pickFrom } from './scene';
import { addressOf, FEE, type Party, payerKeysOf, STAKE, sessionKeysOf, undeployed } from './stage';
import { Walker } from './walker';

const ENDPOINT = { url: 'https://proxy.example:10001', keyPin: null } as const;

/** What is deployed, and emptied again by its owner before the walk. */
const EMPTIED: readonly string[] = ['deposit in Client honestClient C', 'remainder in Worker B worker2 1'];

/**
 * A root; proxies A and B listed, with income and two funded workers each; three channels open; a channel and a worker's channel that
 * were left; proxy D without a coin. Proxy C and all else is not deployed.
 */
export async function beginning(network: Network): Promise<Walker> {
  const walker = Walker.start(Chain.empty(network), undeployed(), []);
  const send = async (from: Party, to: { readonly address: Parameters<Walker['at']>[0] }, body: Body, value: bigint) => {
    const { status, init, address } = known(walker.at(to.address));
    const isThere = status === 'active';
    walker.post({ from: addressOf(from), to: address, body, value, bounce: isThere, init: isThere ? undefined : init });
    await walker.drain();
  };
  await send('rootOwner', pickFrom(ofKind(walker.accounts, 'root'), 0), { op: 'payment' }, toNano('1'));
  const [a, b, , d] = ofKind(walker.accounts, 'proxy');
  for (const [proxy, name, owner, party] of [
    [known(a), 'A', 'ownerA', 'operatorA'],
    [known(b), 'B', 'ownerB', 'operatorB'],
    [known(d), 'D', 'ownerB', 'operatorB'],
  ] as const) {
    const payerKey = payerKeysOf(name)[0].publicKey;
    await send(owner, proxy, { op: 'ownerProxyConfigure', operator: addressOf(party), payerKey, endpoint: ENDPOINT }, toNano('1'));
    if (name === 'D') continue;
    await send(owner, proxy, { op: 'ownerProxyRegister', stake: STAKE, forward: FEE + toNano('0.2') }, STAKE + FEE + toNano('20'));
    for (const worker of ['worker1', 'worker2'] as const) {
      await send(party, proxy, { op: 'operatorProxyFund', workerOwner: addressOf(worker), amount: toNano('3') }, toNano('1'));
    }
  }
  const [honestA, wildA, honestB, , honestC] = ofKind(walker.accounts, 'client');
  for (const [channel, client] of [
    [known(honestA), 'honestClient'],
    [known(wildA), 'wildClient'],
    [known(honestB), 'honestClient'],
    [known(honestC), 'honestClient'],
  ] as const) {
    await send(client, channel, { op: 'ownerClientOpen', sessionKey: pickFrom(sessionKeysOf(client), 0).publicKey }, toNano('10'));
  }
  for (const name of EMPTIED) {
    const holding = holdingsOf(walker, new Book()).find((candidate) => candidate.name === name);
    await leaveWith(walker, known(holding), false);
  }
  walker.requireBalance();
  return walker;
}
