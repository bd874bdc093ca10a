/** Checks that a worker's channel is what this checkout would deploy. Usage: npx blueprint run checkWorker ADDRESS */
import type { NetworkProvider } from '@ton/blueprint';
import { parseAddress } from '../wrappers/console/answers';
import { report, workerChecks } from '../wrappers/console/check';
import { atDesk } from '../wrappers/console/desk';
import { findWorker } from '../wrappers/console/found';

export function run(provider: NetworkProvider, args: string[]): Promise<void> {
  return atDesk(provider, args, async (desk) => {
    const address = await desk.ask.value('address of the WorkerContract', parseAddress);
    desk.ask.done();
    report(desk, 'WorkerContract', address, await workerChecks(desk, await findWorker(desk, address)));
  });
}
