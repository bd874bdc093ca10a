/** Checks that a root is what this checkout would deploy. Usage: npx blueprint run checkRoot ADDRESS */
import type { NetworkProvider } from '@ton/blueprint';
import { parseAddress } from '../wrappers/console/answers';
import { report, rootChecks } from '../wrappers/console/check';
import { atDesk } from '../wrappers/console/desk';
import { findRoot } from '../wrappers/console/found';

export function run(provider: NetworkProvider, args: string[]): Promise<void> {
  return atDesk(provider, args, async (desk) => {
    const address = await desk.ask.value('address of the RootContract', parseAddress);
    desk.ask.done();
    report(desk, 'RootContract', address, rootChecks(await findRoot(desk, address)));
  });
}
