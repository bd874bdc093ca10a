/** Takes a model off the allowlist, at once. Usage: npx blueprint run revokeModel ROOT HASH */
import type { NetworkProvider } from '@ton/blueprint';
import { act } from '../wrappers/console/act';
import { parseAddress, parseHash } from '../wrappers/console/answers';
import { modelWords } from '../wrappers/console/describe';
import { atDesk } from '../wrappers/console/desk';
import { findRoot } from '../wrappers/console/found';
import { Refusal } from '../wrappers/console/refusal';
import { hex } from '../wrappers/console/words';
import { RootContract } from '../wrappers/RootContract';

export function run(provider: NetworkProvider, args: string[]): Promise<void> {
  return atDesk(provider, args, async (desk) => {
    const root = await findRoot(desk, await desk.ask.value('address of the RootContract', parseAddress));
    const { governance, models } = root.state;
    const hash = await desk.ask.value('hash of the model', parseHash);
    const model = models.get(hash);
    if (model === undefined) throw new Refusal(`model ${hex(hash)} is not on the list`);
    const owner = { role: 'owner', address: governance.owner };
    const guardian = { role: 'guardian', address: governance.guardian };
    desk.ask.done();
    await act(desk, [owner, guardian], {
      root,
      says: [`  revoke model ${modelWords(hash, model, await desk.now())}`, '  it stops counting at once'],
      value: RootContract.VALUE.removeModel,
      body: RootContract.removeModelBody({ hash }),
      effect: async () => {
        const { state } = await findRoot(desk, root.address);
        return state.models.has(hash) ? null : [`Off the list: model ${hex(hash)}; ${state.models.size} left.`];
      },
    });
  });
}
