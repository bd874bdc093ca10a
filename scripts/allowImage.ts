/** Puts a guest image on the allowlist. Usage: npx blueprint run allowImage ROOT HASH worker|proxy|both NOTE */
import type { NetworkProvider } from '@ton/blueprint';
import { act } from '../wrappers/console/act';
import { noteOf, parseAddress, parseHash } from '../wrappers/console/answers';
import { imageWords, roleWords } from '../wrappers/console/describe';
import { atDesk } from '../wrappers/console/desk';
import { findRoot } from '../wrappers/console/found';
import { Refusal } from '../wrappers/console/refusal';
import { hex, span } from '../wrappers/console/words';
import { IMAGE_ROLE, RootContract } from '../wrappers/RootContract';

const ROLES = { worker: IMAGE_ROLE.worker, proxy: IMAGE_ROLE.proxy, both: IMAGE_ROLE.worker | IMAGE_ROLE.proxy } as const;

export function run(provider: NetworkProvider, args: string[]): Promise<void> {
  return atDesk(provider, args, async (desk) => {
    const root = await findRoot(desk, await desk.ask.value('address of the RootContract', parseAddress));
    const { governance, images } = root.state;
    const hash = await desk.ask.value('hash of the image', parseHash);
    if (images.has(hash)) throw new Refusal(`the image is on the list already: revoke it first to change it`);
    const { maxImages } = governance.params;
    if (images.size >= maxImages) throw new Refusal(`the list is full: ${images.size} images, limit ${maxImages}`);
    const roles = ROLES[await desk.ask.choice('role of the image', ['worker', 'proxy', 'both'] as const)];
    const note = noteOf(await desk.ask.value('note (what this image is; its hash goes on chain)', (text) => text));
    desk.ask.done();
    await act(desk, [{ role: 'owner', address: governance.owner }], {
      root,
      says: [
        `  allow image ${hex(hash)} for ${roleWords(roles)}`,
        `  it counts ${span(governance.timelock)} later; until then it can be revoked unused`,
      ],
      value: RootContract.VALUE.addImage,
      body: RootContract.addImageBody({ hash, roles, note }),
      effect: async () => {
        const image = (await findRoot(desk, root.address)).state.images.get(hash);
        return image === undefined ? null : [`On the list: ${imageWords(hash, image, await desk.now())}.`];
      },
    });
  });
}
