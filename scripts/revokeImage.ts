/** Takes an image off the allowlist, at once. Usage: npx blueprint run revokeImage ROOT HASH */
import type { NetworkProvider } from '@ton/blueprint';
import { act } from '../wrappers/console/act';
import { parseAddress, parseHash } from '../wrappers/console/answers';
import { imageWords } from '../wrappers/console/describe';
import { atDesk } from '../wrappers/console/desk';
import { findRoot } from '../wrappers/console/found';
import { Refusal } from '../wrappers/console/refusal';
import { hex } from '../wrappers/console/words';
import { RootContract } from '../wrappers/RootContract';

export function run(provider: NetworkProvider, args: string[]): Promise<void> {
  return atDesk(provider, args, async (desk) => {
    const root = await findRoot(desk, await desk.ask.value('address of the RootContract', parseAddress));
    const { governance, images } = root.state;
    const hash = await desk.ask.value('hash of the image', parseHash);
    const image = images.get(hash);
    if (image === undefined) throw new Refusal(`image ${hex(hash)} is not on the list`);
    const owner = { role: 'owner', address: governance.owner };
    const guardian = { role: 'guardian', address: governance.guardian };
    desk.ask.done();
    await act(desk, [owner, guardian], {
      root,
      says: [`  revoke image ${imageWords(hash, image, await desk.now())}`, '  it stops counting at once'],
      value: RootContract.VALUE.removeImage,
      body: RootContract.removeImageBody({ hash }),
      effect: async () => {
        const { state } = await findRoot(desk, root.address);
        return state.images.has(hash) ? null : [`Off the list: image ${hex(hash)}; ${state.images.size} left.`];
      },
    });
  });
}
