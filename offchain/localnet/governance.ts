/** Deploys the root contract and lists what the local guest is made of. */

import { createHash } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { type Governance, IMAGE_ROLE, MODEL_KIND, RootContract } from '../../wrappers/RootContract';
import type { ModelKind } from '../attestation/claims';
import type { ChainClient } from '../chain/chain-client';
import type { OutgoingMessage, SendingWallet } from '../chain/wallet';
import { hashValue } from '../protocol/fields';
import { LocalnetError, type Parties } from './parties';
import { NETWORK_ID, ROOT_PARAMS, TIMELOCK_SEC } from './settings';

const MAX_LOOKS = 200;
const LOOK_MS = 50;

/** What the allowlist must hold before the guest can be used. */
export interface Listing {
  readonly imageHash: string;
  readonly model: { readonly name: string; readonly kind: ModelKind; readonly hash: string };
}

/** The root of this network; its address follows from who owns it. */
export function rootContract(parties: Parties): RootContract {
  const governance: Governance = {
    owner: parties.address('rootOwner'),
    guardian: parties.address('guardian'),
    networkId: NETWORK_ID,
    timelock: TIMELOCK_SEC,
    params: ROOT_PARAMS,
  };
  return RootContract.create(governance);
}

/**
 * Deploys the root if it is not there and adds what is not listed, in one transaction of its owner.
 * @returns unix seconds from which all of it is active
 */
export async function ensureListed(client: ChainClient, owner: SendingWallet, root: RootContract, listing: Listing): Promise<number> {
  const account = await client.getAccount(root.address);
  const state = account.data === null ? null : RootContract.parseState(account.data);
  const image = hashValue(listing.imageHash);
  const model = hashValue(listing.model.hash);
  const messages: OutgoingMessage[] = [];
  const add = (value: bigint, body: OutgoingMessage['body']) => {
    const isFirst = messages.length === 0 && state === null;
    messages.push({
      to: root.address,
      value: isFirst ? value + RootContract.RESERVE : value,
      bounce: !isFirst,
      ...(isFirst && root.init !== undefined ? { init: root.init } : {}),
      ...(body === undefined ? {} : { body }),
    });
  };
  if (state?.images.has(image) !== true) {
    add(RootContract.VALUE.addImage, RootContract.addImageBody({ hash: image, roles: IMAGE_ROLE.worker, note: noteOf('local guest') }));
  }
  if (state?.models.has(model) !== true) {
    const kind = MODEL_KIND[listing.model.kind];
    add(RootContract.VALUE.addModel, RootContract.addModelBody({ hash: model, kind, note: noteOf(listing.model.name) }));
  }
  if (messages.length > 0) await owner.send(messages);
  return activeFrom(client, root, image, model);
}

/** Waits until both are listed: the wallet's transaction is there before the root's. */
async function activeFrom(client: ChainClient, root: RootContract, image: bigint, model: bigint): Promise<number> {
  for (let attempt = 0; attempt < MAX_LOOKS; attempt++) {
    const { data } = await client.getAccount(root.address);
    const state = data === null ? null : RootContract.parseState(data);
    const listedImage = state?.images.get(image);
    const listedModel = state?.models.get(model);
    if (listedImage !== undefined && listedModel !== undefined)
      return Math.max(Number(listedImage.activeFrom), Number(listedModel.activeFrom));
    await delay(LOOK_MS);
  }
  throw new LocalnetError('not_listed', 'the root contract did not take up the image and the model');
}

function noteOf(text: string): bigint {
  return BigInt(`0x${createHash('sha256').update(text).digest('hex')}`);
}
