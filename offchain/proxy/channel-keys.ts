import { type Authorisation, packAuthorisation, packVoucher, statementHash, type Voucher } from '../../wrappers/statements';
import { toBigEndian } from '../core/bytes';
import type { Clock } from '../core/clock';
import type { CryptoProvider } from '../core/crypto';
import type { ChannelView } from './channels';

/** A message to the chain takes so long at most, in seconds: what ends sooner is as good as over. */
export const TRAVEL_SEC = 30;

/** The session key, or the one before the last rotation; null: the contract would take neither's signature. */
export type Signing = 'present' | 'old' | null;

/** Which of a channel's keys has signed a statement, as its contract would see it now: an old key counts for a while only. */
export class ChannelKeys {
  constructor(
    private readonly clock: Clock,
    private readonly crypto: CryptoProvider,
  ) {}

  ofVoucher(view: ChannelView, voucher: Voucher, signature: Uint8Array): Promise<Signing> {
    return this.of(view, statementHash(packVoucher(voucher)), signature);
  }

  ofAuthorisation(view: ChannelView, authorisation: Authorisation, signature: Uint8Array): Promise<Signing> {
    return this.of(view, statementHash(packAuthorisation(authorisation)), signature);
  }

  /** Until when what the old key has signed can still be sent to the chain, in unix seconds; null when it cannot. */
  oldKeyEndsAtSec({ oldKey }: ChannelView): number | null {
    if (oldKey === null || oldKey.untilSec < this.clock.nowSec() + TRAVEL_SEC) return null;
    return oldKey.untilSec;
  }

  private async of(view: ChannelView, hash: bigint, signature: Uint8Array): Promise<Signing> {
    const message = toBigEndian(hash, 32);
    if (await this.crypto.verifyEd25519(view.sessionKey, message, signature)) return 'present';
    if (view.oldKey === null || this.oldKeyEndsAtSec(view) === null) return null;
    return (await this.crypto.verifyEd25519(view.oldKey.key, message, signature)) ? 'old' : null;
  }
}
