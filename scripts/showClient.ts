/** Says how a client's channel stands. Usage: npx blueprint run showClient ADDRESS */
import type { NetworkProvider } from '@ton/blueprint';
import { parseAddress } from '../wrappers/console/answers';
import { clientLines } from '../wrappers/console/describe';
import { atDesk } from '../wrappers/console/desk';
import { findClient } from '../wrappers/console/found';

export function run(provider: NetworkProvider, args: string[]): Promise<void> {
  return atDesk(provider, args, async (desk) => {
    const address = await desk.ask.value('address of the ClientContract', parseAddress);
    desk.ask.done();
    desk.say(clientLines(await findClient(desk, address), await desk.now()));
  });
}
