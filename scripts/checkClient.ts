/** Checks that a client's channel is what this checkout would deploy. Usage: npx blueprint run checkClient ADDRESS */
import type { NetworkProvider } from '@ton/blueprint';
import { parseAddress } from '../wrappers/console/answers';
import { clientChecks, report } from '../wrappers/console/check';
import { atDesk } from '../wrappers/console/desk';
import { findClient } from '../wrappers/console/found';

export function run(provider: NetworkProvider, args: string[]): Promise<void> {
  return atDesk(provider, args, async (desk) => {
    const address = await desk.ask.value('address of the ClientContract', parseAddress);
    desk.ask.done();
    report(desk, 'ClientContract', address, await clientChecks(desk, await findClient(desk, address)));
  });
}
