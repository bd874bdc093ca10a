/** Says how a worker's channel stands. Usage: npx blueprint run showWorker ADDRESS */
import type { NetworkProvider } from '@ton/blueprint';
import { parseAddress } from '../wrappers/console/answers';
import { workerLines } from '../wrappers/console/describe';
import { atDesk } from '../wrappers/console/desk';
import { findWorker } from '../wrappers/console/found';

export function run(provider: NetworkProvider, args: string[]): Promise<void> {
  return atDesk(provider, args, async (desk) => {
    const address = await desk.ask.value('address of the WorkerContract', parseAddress);
    desk.ask.done();
    desk.say(workerLines(await findWorker(desk, address), await desk.now()));
  });
}
