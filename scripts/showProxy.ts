/** Says how a proxy stands. Usage: npx blueprint run showProxy ADDRESS */
import type { NetworkProvider } from '@ton/blueprint';
import { parseAddress } from '../wrappers/console/answers';
import { proxyLines } from '../wrappers/console/describe';
import { atDesk } from '../wrappers/console/desk';
import { findProxy } from '../wrappers/console/found';

export function run(provider: NetworkProvider, args: string[]): Promise<void> {
  return atDesk(provider, args, async (desk) => {
    const address = await desk.ask.value('address of the ProxyContract', parseAddress);
    desk.ask.done();
    desk.say(proxyLines(await findProxy(desk, address), await desk.now()));
  });
}
