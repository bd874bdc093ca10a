/** Opens the wallet's channel to a proxy. Usage: npx blueprint run openChannel PROXY SESSION_KEY DEPOSIT */
import type { NetworkProvider } from '@ton/blueprint';
import { toNano } from '@ton/core';
import { ClientContract, type ClientTerms } from '../wrappers/ClientContract';
import { parseAddress, parseAmount, parseKey } from '../wrappers/console/answers';
import { carryOut } from '../wrappers/console/carry-out';
import { clientLines } from '../wrappers/console/describe';
import { atDesk } from '../wrappers/console/desk';
import { findClient, findProxy, findRoot } from '../wrappers/console/found';
import { Refusal } from '../wrappers/console/refusal';
import { hex, span, ton } from '../wrappers/console/words';

/** The opening's own gas. */
const GAS = toNano('0.01');

export function run(provider: NetworkProvider, args: string[]): Promise<void> {
  return atDesk(provider, args, async (desk) => {
    const owner = await desk.wallet();
    const proxy = await findProxy(desk, await desk.ask.value('address of the ProxyContract', parseAddress));
    const { operator, terms: proxyTerms } = proxy.state;
    if (operator === null) throw new Refusal('the proxy has no operator yet: nobody could charge this channel');
    const root = await findRoot(desk, proxyTerms.root);
    if (!root.state.proxies.has(BigInt(`0x${proxy.address.hash.toString('hex')}`)))
      throw new Refusal(`the root ${root.address} does not list this proxy`);
    const terms: ClientTerms = { owner, proxy: proxy.address, operator, withdrawDelay: proxyTerms.withdrawDelay };
    const channel = ClientContract.create(terms);
    if ((await desk.account(channel.address)).code !== null && (await findClient(desk, channel.address)).state.sessionKey !== 0n)
      throw new Refusal(`the channel ${channel.address} is open already: top it up instead`);
    const sessionKey = await desk.ask.value('public session key', parseKey);
    const deposit = await desk.ask.value('deposit in TON', parseAmount);
    desk.ask.done();

    const value = deposit + ClientContract.RESERVE + GAS;
    await carryOut(desk, {
      says: [
        `  open the channel ${channel.address} to the proxy ${proxy.address}`,
        `  root ${root.address}, network ${root.state.governance.networkId}`,
        `  session key ${hex(sessionKey)}: who has its secret can spend the deposit at this proxy`,
        `  ${ton(value)} go along: a deposit of ${ton(deposit)}, the rest for rent and fees`,
        `  you get it back by release at once, or ${span(terms.withdrawDelay)} after you announce it`,
      ],
      to: channel.address,
      value,
      body: ClientContract.openBody({ sessionKey }),
      init: channel.init,
      effect: async () => {
        if ((await desk.account(channel.address)).code === null) return null;
        const found = await findClient(desk, channel.address);
        return found.state.sessionKey === sessionKey ? clientLines(found, await desk.now()) : null;
      },
    });
  });
}
