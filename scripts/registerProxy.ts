/** Stakes, and registers a proxy at its root; again with a larger stake to raise it. Usage: npx blueprint run registerProxy PROXY STAKE */
import type { NetworkProvider } from '@ton/blueprint';
import type { Address } from '@ton/core';
import { parseAddress, parseAmount } from '../wrappers/console/answers';
import { carryOut } from '../wrappers/console/carry-out';
import { atDesk } from '../wrappers/console/desk';
import { type Found, findProxy, findRoot } from '../wrappers/console/found';
import { Refusal } from '../wrappers/console/refusal';
import { date, span, ton } from '../wrappers/console/words';
import { ProxyContract, type ProxyState } from '../wrappers/ProxyContract';
import type { ListingEntry, RootState } from '../wrappers/RootContract';

export function run(provider: NetworkProvider, args: string[]): Promise<void> {
  return atDesk(provider, args, async (desk) => {
    const wallet = await desk.wallet();
    const proxy = await findProxy(desk, await desk.ask.value('address of the ProxyContract', parseAddress));
    const { terms, withdrawal } = proxy.state;
    if (!terms.owner.equals(wallet)) throw new Refusal(`only the owner ${terms.owner} may register it, and the wallet is ${wallet}`);
    const root = await findRoot(desk, terms.root);
    const { minProxyStake, registrationFee } = root.state.governance.params;
    const least = minProxyStake > proxy.state.stake ? minProxyStake : proxy.state.stake;
    const stake = await desk.ask.value('stake in TON', parseAmount, ton(least).split(' ')[0]);
    desk.ask.done();
    requireWelcome(proxy, root, stake);

    const forward = registrationFee + ProxyContract.ROOT_GAS;
    const bound = stake + ProxyContract.RESERVE;
    const missing = bound > proxy.balance ? bound - proxy.balance : 0n;
    const value = missing + forward + ProxyContract.VALUE.register;
    await carryOut(desk, {
      says: [
        `  register the proxy ${proxy.address} at its root ${root.address}`,
        `  stake ${ton(stake)}, of which it holds ${ton(proxy.state.stake)} as stake already`,
        ...(withdrawal === null ? [] : ['  this cancels the announced withdrawal']),
        `  ${ton(value)} go along: ${ton(missing)} for stake and rent, ${ton(registrationFee)} fee, the rest for gas`,
        `  the stake leaves again by announcement, ${span(terms.withdrawDelay)} ahead, once the proxy has left`,
      ],
      to: proxy.address,
      value,
      body: ProxyContract.registerBody({ stake, forward }),
      watch: [root.address],
      effect: async () => {
        const listing = listingOf(await findRoot(desk, root.address), proxy.address);
        return listing?.stake === stake ? [`Listed with a stake of ${ton(stake)} since ${date(listing.since)}.`] : null;
      },
    });
  });
}

/** Refuses what the proxy or its root would refuse. */
function requireWelcome({ address, state }: Found<ProxyState>, root: Found<RootState>, stake: bigint): void {
  const { params } = root.state.governance;
  if (state.operator === null) throw new Refusal('the proxy has no operator, payer key and endpoint yet: run deployProxy first');
  if (stake < params.minProxyStake) throw new Refusal(`stake of ${ton(stake)}, the root asks for ${ton(params.minProxyStake)}`);
  if (stake < state.stake)
    throw new Refusal(`stake of ${ton(stake)}, and ${ton(state.stake)} are staked: a stake falls by withdrawal only`);
  const { withdrawDelay } = state.terms;
  if (withdrawDelay < params.minProxyDelay)
    throw new Refusal(`withdraw delay of ${span(withdrawDelay)}, the root asks for ${span(params.minProxyDelay)}`);
  const listing = listingOf(root, address);
  if (listing?.stake === stake) throw new Refusal(`the proxy is listed with ${ton(stake)} already`);
  const smallest = [...root.state.proxies.values()].reduce<bigint | null>(
    (least, entry) => (least === null || entry.stake < least ? entry.stake : least),
    null,
  );
  if (listing === undefined && root.state.proxies.size >= params.maxProxies && (smallest === null || stake <= smallest))
    throw new Refusal(
      `the list is full: ${params.maxProxies} proxies; a stake above ${ton(smallest ?? 0n)} takes the place of the smallest`,
    );
}

function listingOf(root: Found<RootState>, proxy: Address): ListingEntry | undefined {
  return root.state.proxies.get(BigInt(`0x${proxy.hash.toString('hex')}`));
}
