/** Cancels a scheduled change of a root's governance. Usage: npx blueprint run cancel ROOT params|owner|guardian|timelock|code */
import type { NetworkProvider } from '@ton/blueprint';
import { act } from '../wrappers/console/act';
import { parseAddress } from '../wrappers/console/answers';
import { askKind, changeWords, scheduledChange } from '../wrappers/console/changes';
import { atDesk } from '../wrappers/console/desk';
import { findRoot } from '../wrappers/console/found';
import { RootContract } from '../wrappers/RootContract';

export function run(provider: NetworkProvider, args: string[]): Promise<void> {
  return atDesk(provider, args, async (desk) => {
    const root = await findRoot(desk, await desk.ask.value('address of the RootContract', parseAddress));
    const { governance } = root.state;
    const kind = await askKind(desk.ask);
    desk.ask.done();
    const { change } = scheduledChange(governance, kind);
    const owner = { role: 'owner', address: governance.owner };
    const guardian = { role: 'guardian', address: governance.guardian };
    // A guardian must not be able to stay for ever.
    await act(desk, kind === 'guardian' ? [owner] : [owner, guardian], {
      root,
      says: [`  cancel what is scheduled: ${changeWords(change)}`],
      value: RootContract.VALUE.cancel,
      body: RootContract.cancelBody({ kind }),
      effect: async () => {
        const { state } = await findRoot(desk, root.address);
        return state.governance.changes.has(kind) ? null : [`Cancelled: ${changeWords(change)}.`];
      },
    });
  });
}
