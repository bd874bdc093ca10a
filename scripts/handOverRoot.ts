/**
 * Hands a root over to a multisig v2, one step each time it is run: the owner schedules; once the timelock is over, the multisig's
 * signers apply, each by running this with their own wallet.
 * Usage: npx blueprint run handOverRoot ROOT MULTISIG
 */
import type { NetworkProvider } from '@ton/blueprint';
import { act, multisigAt } from '../wrappers/console/act';
import { parseAddress } from '../wrappers/console/answers';
import { changeWords, isSameChange, requireDue } from '../wrappers/console/changes';
import { atDesk } from '../wrappers/console/desk';
import { findRoot } from '../wrappers/console/found';
import { Refusal } from '../wrappers/console/refusal';
import { counted, moment, span } from '../wrappers/console/words';
import { type Change, RootContract } from '../wrappers/RootContract';

export function run(provider: NetworkProvider, args: string[]): Promise<void> {
  return atDesk(provider, args, async (desk) => {
    const root = await findRoot(desk, await desk.ask.value('address of the RootContract', parseAddress));
    const multisig = await desk.ask.value('address of the multisig', parseAddress);
    desk.ask.done();
    const { governance } = root.state;
    if (governance.owner.equals(multisig))
      return desk.say([`The root ${root.address} is owned by the multisig ${multisig}: nothing is left to do.`]);
    if (governance.guardian.equals(multisig)) throw new Refusal(`${multisig} is the guardian: owner and guardian must differ`);
    const found = await multisigAt(desk, multisig);
    if (found === null) throw new Refusal(`there is no multisig v2 at ${multisig}`);
    const { threshold, signers } = found.state;
    desk.say([
      `Multisig ${multisig}: ${threshold} of ${counted(signers.length, 'signer')}`,
      ...signers.map((signer) => `  signer ${signer}`),
    ]);

    const change: Change = { kind: 'owner', owner: multisig };
    const scheduled = governance.changes.get('owner');
    const now = await desk.now();
    const isUnderWay = scheduled !== undefined && isSameChange(scheduled.change, change) && now <= Number(scheduled.lapsesAt);
    if (!isUnderWay) {
      const replaced = scheduled === undefined ? [] : [`  replaces what is scheduled: ${changeWords(scheduled.change)}`];
      return act(desk, [{ role: 'owner', address: governance.owner }], {
        root,
        says: [
          `  step 1 of 2, schedule: ${changeWords(change)}`,
          ...replaced,
          `  step 2, ${span(governance.timelock)} later and within as long again: ${counted(threshold, 'signer')} run this script`,
        ],
        value: RootContract.VALUE.schedule,
        body: RootContract.scheduleBody({ change }),
        effect: async () => {
          const latest = (await findRoot(desk, root.address)).state.governance.changes.get('owner');
          if (latest === undefined || !isSameChange(latest.change, change) || latest.readyAt === scheduled?.readyAt) return null;
          const later = await desk.now();
          return [`Scheduled. The signers run this script from ${moment(latest.readyAt, later)} until ${moment(latest.lapsesAt, later)}.`];
        },
      });
    }
    requireDue(scheduled, now);
    await act(desk, [{ role: 'new owner', address: multisig }], {
      root,
      says: [`  step 2 of 2, apply: ${changeWords(change)}`],
      value: RootContract.VALUE.apply,
      body: RootContract.applyBody({ kind: 'owner' }),
      effect: async () => {
        const { owner } = (await findRoot(desk, root.address)).state.governance;
        return owner.equals(multisig) ? [`The root ${root.address} is owned by the multisig ${multisig}.`] : null;
      },
    });
  });
}
