/**
 * Deploys the root of a network.
 * Usage: npx blueprint run deployRoot GUARDIAN NETWORK_ID TIMELOCK MIN_STAKE FEE MIN_DELAY MAX_IMAGES MAX_MODELS MAX_PROXIES OWNER DEPOSIT
 * (a negative network id: all arguments after --)
 */
import type { NetworkProvider } from '@ton/blueprint';
import { toNano } from '@ton/core';
import { parseAddress, parseAmount, parseWhole } from '../wrappers/console/answers';
import { carryOut } from '../wrappers/console/carry-out';
import { askParams, parseTimelock } from '../wrappers/console/changes';
import { rootLines } from '../wrappers/console/describe';
import { atDesk } from '../wrappers/console/desk';
import { findRoot } from '../wrappers/console/found';
import { Refusal } from '../wrappers/console/refusal';
import { span, ton } from '../wrappers/console/words';
import { type Governance, RootContract } from '../wrappers/RootContract';

const INT32 = 0x7fff_ffff;

/** What is usual; a network of its own may want other numbers. */
const USUAL = {
  timelock: '2d',
  params: {
    minProxyStake: toNano('100'),
    registrationFee: toNano('1'),
    minProxyDelay: 3 * 86_400,
    maxImages: 64,
    maxModels: 256,
    maxProxies: 256,
  },
  deposit: '1',
} as const;

/** On top of the reserve: the deployment's own gas. */
const GAS = toNano('0.05');

const NETWORK_IDS: Readonly<Record<string, string | undefined>> = { mainnet: '-239', testnet: '-3' };

export function run(provider: NetworkProvider, args: string[]): Promise<void> {
  return atDesk(provider, args, async (desk) => {
    const wallet = await desk.wallet();
    const { ask } = desk;
    const guardian = await ask.value('address of the guardian, who may revoke and cancel', parseAddress);
    const networkId = await ask.value('network id', parseWhole(-INT32 - 1, INT32), NETWORK_IDS[provider.network()]);
    const timelock = await ask.value('timelock of additions and changes', parseTimelock, USUAL.timelock);
    const params = await askParams(ask, USUAL.params);
    const owner = await ask.value('address of the owner', parseAddress, wallet.toString());
    const deposit = await ask.value('coins for rent, in TON', parseAmount, USUAL.deposit);
    if (guardian.equals(owner)) throw new Refusal('owner and guardian watch each other, so they must differ');
    const least = RootContract.RESERVE + GAS;
    if (deposit < least) throw new Refusal(`coins for rent of ${ton(deposit)}, expected at least ${ton(least)}`);

    const governance: Governance = { owner, guardian, networkId, timelock, params };
    const root = RootContract.create(governance);
    if ((await desk.account(root.address)).code !== null)
      throw new Refusal(`the root with these terms is deployed already: ${root.address}`);
    await carryOut(desk, {
      says: [
        `  deploy the root of network ${networkId} at ${root.address}`,
        `  owner ${owner}, guardian ${guardian}, timelock ${span(timelock)}`,
        `  a proxy stakes at least ${ton(params.minProxyStake)}, pays ${ton(params.registrationFee)}, announces withdrawals ${span(params.minProxyDelay)} ahead`,
        `  at most ${params.maxImages} images, ${params.maxModels} models, ${params.maxProxies} proxies`,
        `  ${ton(deposit)} go along and stay there for rent`,
      ],
      to: root.address,
      value: deposit,
      init: root.init,
      effect: async () => {
        if ((await desk.account(root.address)).code === null) return null;
        return rootLines(await findRoot(desk, root.address), await desk.now());
      },
    });
  });
}
