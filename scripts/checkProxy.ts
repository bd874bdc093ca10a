/** Checks that a proxy is what this checkout would deploy. Usage: npx blueprint run checkProxy ADDRESS */
import type { NetworkProvider } from '@ton/blueprint';
import { parseAddress } from '../wrappers/console/answers';
import { proxyChecks, report } from '../wrappers/console/check';
import { atDesk } from '../wrappers/console/desk';
import { findProxy } from '../wrappers/console/found';

export function run(provider: NetworkProvider, args: string[]): Promise<void> {
  return atDesk(provider, args, async (desk) => {
    const address = await desk.ask.value('address of the ProxyContract', parseAddress);
    desk.ask.done();
    report(desk, 'ProxyContract', address, await proxyChecks(desk, await findProxy(desk, address)));
  });
}
