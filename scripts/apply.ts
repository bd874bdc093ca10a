/** Applies a scheduled change of a root's governance. Usage: npx blueprint run apply ROOT params|owner|guardian|timelock|code */
import type { NetworkProvider } from '@ton/blueprint';
import { act } from '../wrappers/console/act';
import { parseAddress } from '../wrappers/console/answers';
import { askKind, changeWords, requireDue, scheduledChange } from '../wrappers/console/changes';
import { atDesk } from '../wrappers/console/desk';
import { findRoot } from '../wrappers/console/found';
import { RootContract } from '../wrappers/RootContract';

export function run(provider: NetworkProvider, args: string[]): Promise<void> {
  return atDesk(provider, args, async (desk) => {
    const root = await findRoot(desk, await desk.ask.value('address of the RootContract', parseAddress));
    const kind = await askKind(desk.ask);
    desk.ask.done();
    const scheduled = scheduledChange(root.state.governance, kind);
    const { change } = scheduled;
    requireDue(scheduled, await desk.now());
    // Who becomes the owner shows by applying it that it can act.
    const party = change.kind === 'owner' ? { role: 'new owner', address: change.owner } : { role: 'sender', address: await desk.wallet() };
    await act(desk, [party], {
      root,
      says: [`  apply: ${changeWords(change)}`],
      value: RootContract.VALUE.apply,
      body: RootContract.applyBody({ kind }),
      effect: async () => {
        const { state } = await findRoot(desk, root.address);
        return state.governance.changes.has(kind) ? null : [`In force: ${changeWords(change)}.`];
      },
    });
  });
}
