/** Puts a model on the allowlist. Usage: npx blueprint run allowModel ROOT HASH files|verity|unproven NOTE */
import type { NetworkProvider } from '@ton/blueprint';
import { act } from '../wrappers/console/act';
import { noteOf, parseAddress, parseHash } from '../wrappers/console/answers';
import { kindWords, modelWords } from '../wrappers/console/describe';
import { atDesk } from '../wrappers/console/desk';
import { findRoot } from '../wrappers/console/found';
import { Refusal } from '../wrappers/console/refusal';
import { hex, span } from '../wrappers/console/words';
import { MODEL_KIND, RootContract } from '../wrappers/RootContract';

export function run(provider: NetworkProvider, args: string[]): Promise<void> {
  return atDesk(provider, args, async (desk) => {
    const root = await findRoot(desk, await desk.ask.value('address of the RootContract', parseAddress));
    const { governance, models } = root.state;
    const hash = await desk.ask.value('hash of the model', parseHash);
    if (models.has(hash)) throw new Refusal('the model is on the list already: revoke it first to change it');
    const { maxModels } = governance.params;
    if (models.size >= maxModels) throw new Refusal(`the list is full: ${models.size} models, limit ${maxModels}`);
    const kind = MODEL_KIND[await desk.ask.choice('how the model is proven', ['files', 'verity', 'unproven'] as const)];
    const note = noteOf(await desk.ask.value('note (what this model is; its hash goes on chain)', (text) => text));
    desk.ask.done();
    await act(desk, [{ role: 'owner', address: governance.owner }], {
      root,
      says: [
        `  allow model ${hex(hash)} ${kindWords(kind)}`,
        `  it counts ${span(governance.timelock)} later; until then it can be revoked unused`,
      ],
      value: RootContract.VALUE.addModel,
      body: RootContract.addModelBody({ hash, kind, note }),
      effect: async () => {
        const model = (await findRoot(desk, root.address)).state.models.get(hash);
        return model === undefined ? null : [`On the list: ${modelWords(hash, model, await desk.now())}.`];
      },
    });
  });
}
