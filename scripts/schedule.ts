/**
 * Schedules a change of a root's governance.
 * Usage: npx blueprint run schedule ROOT params|owner|guardian|timelock|code DETAILS (code: this checkout's)
 */
import type { NetworkProvider } from '@ton/blueprint';
import { act } from '../wrappers/console/act';
import { parseAddress } from '../wrappers/console/answers';
import { askChange, askKind, changeWords, isSameChange, requireSensible, waitOf } from '../wrappers/console/changes';
import { atDesk } from '../wrappers/console/desk';
import { findRoot } from '../wrappers/console/found';
import { moment, span } from '../wrappers/console/words';
import { RootContract } from '../wrappers/RootContract';

export function run(provider: NetworkProvider, args: string[]): Promise<void> {
  return atDesk(provider, args, async (desk) => {
    const root = await findRoot(desk, await desk.ask.value('address of the RootContract', parseAddress));
    const { governance, logSize } = root.state;
    const kind = await askKind(desk.ask);
    const change = await askChange(desk.ask, kind, governance);
    desk.ask.done();
    requireSensible(change, root, governance);
    const replaced = governance.changes.get(kind);
    await act(desk, [{ role: 'owner', address: governance.owner }], {
      root,
      says: [
        `  schedule: ${changeWords(change)}`,
        ...(replaced === undefined ? [] : [`  replaces what is scheduled: ${changeWords(replaced.change)}`]),
        `  it can be applied ${span(waitOf(kind, governance))} later, for ${span(governance.timelock)}`,
      ],
      value: RootContract.VALUE.schedule,
      body: RootContract.scheduleBody({ change }),
      effect: async () => {
        const { state } = await findRoot(desk, root.address);
        const scheduled = state.governance.changes.get(kind);
        if (scheduled === undefined || state.logSize === logSize || !isSameChange(scheduled.change, change)) return null;
        const now = await desk.now();
        return [`Scheduled: ${changeWords(change)}, from ${moment(scheduled.readyAt, now)} until ${moment(scheduled.lapsesAt, now)}.`];
      },
    });
  });
}
