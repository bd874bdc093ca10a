/** Says how a root stands. Usage: npx blueprint run showRoot ADDRESS */
import type { NetworkProvider } from '@ton/blueprint';
import { parseAddress } from '../wrappers/console/answers';
import { rootLines } from '../wrappers/console/describe';
import { atDesk } from '../wrappers/console/desk';
import { findRoot } from '../wrappers/console/found';

export function run(provider: NetworkProvider, args: string[]): Promise<void> {
  return atDesk(provider, args, async (desk) => {
    const address = await desk.ask.value('address of the RootContract', parseAddress);
    desk.ask.done();
    desk.say(rootLines(await findRoot(desk, address), await desk.now()));
  });
}
