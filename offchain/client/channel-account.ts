/** The channel's contract: read it, open it, bring coins, leave. Needs the chain and, to send, the owner's wallet; never the proxy. */
import type { Address } from '@ton/core';
import type { ChainAccount } from '../chain/chain-client';
import { ClientContract, type ClientState, type ClientTerms, EVERYTHING } from '../chain/contracts';
import type { NetworkChain } from '../chain/network-chain';
import type { OutgoingMessage, SendingWallet } from '../chain/wallet';
import { formatTon, maxNano, minNano } from '../core/money';
import type { ChannelFacts, ChannelFunds } from './channel';
import { ChannelError } from './errors';

export interface ChannelAccountOptions {
  readonly chain: Pick<NetworkChain, 'client' | 'watcher' | 'clock'>;
  readonly terms: ClientTerms;
  readonly sessionKey: bigint;
  /** The owner's; null when the config does not name its key file. */
  readonly wallet: SendingWallet | null;
  /** What opening brings, in nanoTON. */
  readonly openNano: bigint;
  /** What a top-up brings at least, in nanoTON; 0n: never by itself. */
  readonly topUpNano: bigint;
  readonly pollMs: number;
  wait(ms: number): Promise<unknown>;
}

/** An announced withdrawal. */
export interface AnnouncedWithdrawal {
  /** NanoTON; null for everything. */
  readonly amountNano: bigint | null;
  /** Unix seconds. */
  readonly readyAtSec: number;
}

/** The channel's state for people and programs. Amounts in nanoTON. */
export interface ChannelAccountView extends ChannelFacts {
  readonly address: Address;
  /** Everything in the contract, its reserve for rent included. */
  readonly balance: bigint;
  readonly withdrawal: AnnouncedWithdrawal | null;
}

const MAX_LOOKS = 60;

export class ChannelAccount implements ChannelFunds {
  readonly contract: ClientContract;
  private current: ChannelAccountView | null = null;
  private toppingUp: Promise<boolean> | null = null;

  constructor(private readonly options: ChannelAccountOptions) {
    this.contract = ClientContract.create(options.terms);
  }

  get address(): Address {
    return this.contract.address;
  }

  get terms(): ClientTerms {
    return this.options.terms;
  }

  /** Keeps the view fresh with each look of the watcher, until the returned function is called. */
  follow(): () => void {
    return this.options.chain.watcher.onAccount(this.address, (account) => this.update(account));
  }

  facts(): ChannelAccountView | null {
    return this.current;
  }

  async refresh(): Promise<ChannelAccountView | null> {
    this.update(await this.options.chain.client.getAccount(this.address));
    return this.current;
  }

  get howToPay(): string {
    const { wallet, terms } = this.options;
    const isOpen = this.current !== null && this.current.sessionKey !== 0n;
    if (!isOpen) {
      return wallet === null
        ? `open it from the owner's wallet ${terms.owner.toString()}, or name that wallet's key file in "ownerKeyFile"`
        : `it is opened from the owner's wallet ${wallet.address.toString()}, which needs ${formatTon(this.options.openNano)} TON and fees`;
    }
    return `send TON to the channel ${this.address.toString()}, from any wallet`;
  }

  /** Opens the channel if it is not open. @throws ChannelError no_owner_key, not_confirmed; ChainError wallet_underfunded and others */
  async open(): Promise<void> {
    const before = await this.refresh();
    if (before !== null && before.sessionKey !== 0n) return;
    const init = before === null && this.contract.init !== undefined ? { init: this.contract.init } : {};
    const body = ClientContract.openBody({ sessionKey: this.options.sessionKey });
    await this.send({ to: this.address, value: this.options.openNano, bounce: false, body, ...init });
    await this.until('opened', (view) => view.sessionKey !== 0n);
  }

  /** Pays into the deposit. @throws ChannelError no_owner_key, not_confirmed; ChainError */
  async deposit(nano: bigint): Promise<void> {
    const before = (await this.refresh())?.balance ?? 0n;
    await this.send({ to: this.address, value: nano, bounce: false });
    await this.until('topped up', (view) => view.balance > before);
  }

  async topUp(missingNano: bigint): Promise<boolean> {
    const { wallet, topUpNano } = this.options;
    // Who has announced a withdrawal is leaving.
    if (wallet === null || topUpNano === 0n || (this.current?.announcedWithdrawal ?? 0n) > 0n) return false;
    this.toppingUp ??= this.deposit(maxNano(topUpNano, missingNano))
      .then(() => true)
      .finally(() => {
        this.toppingUp = null;
      });
    return this.toppingUp;
  }

  /** Announces a withdrawal, in place of an earlier one; null for everything. @throws ChannelError no_owner_key, not_confirmed; ChainError */
  async requestWithdrawal(nano: bigint | null): Promise<AnnouncedWithdrawal> {
    const before = (await this.refresh())?.withdrawal ?? null;
    const amount = nano ?? EVERYTHING;
    const body = ClientContract.requestWithdrawalBody({ amount });
    await this.send({ to: this.address, value: ClientContract.VALUE.requestWithdrawal, bounce: true, body });
    const view = await this.until('announced', ({ withdrawal }) => withdrawal !== null && withdrawal.readyAtSec !== before?.readyAtSec);
    if (view.withdrawal === null) throw new ChannelError('not_confirmed', 'the withdrawal was not announced');
    return view.withdrawal;
  }

  /** Takes an announcement back; the deposit stays where it is. @throws ChannelError no_owner_key, not_confirmed; ChainError */
  async cancelWithdrawal(): Promise<void> {
    const body = ClientContract.requestWithdrawalBody({ amount: 0n });
    await this.send({ to: this.address, value: ClientContract.VALUE.requestWithdrawal, bounce: true, body });
    await this.until('cancelled', ({ withdrawal }) => withdrawal === null);
  }

  /** Takes out what was announced; it goes to the owner. @throws ChannelError no_withdrawal, too_early, no_owner_key, not_confirmed; ChainError */
  async completeWithdrawal(): Promise<void> {
    const withdrawal = (await this.refresh())?.withdrawal ?? null;
    if (withdrawal === null) throw new ChannelError('no_withdrawal', 'no withdrawal is announced');
    const waitSec = withdrawal.readyAtSec - this.options.chain.clock.nowSec();
    if (waitSec > 0) throw new ChannelError('too_early', `the withdrawal is due in ${waitSec} s`, { waitSec });
    const body = ClientContract.completeWithdrawalBody();
    await this.send({ to: this.address, value: ClientContract.VALUE.completeWithdrawal, bounce: true, body });
    await this.until('paid out', (view) => view.withdrawal === null);
  }

  private update(account: ChainAccount): void {
    if (!account.address.equals(this.address)) throw new RangeError('account is not the channel');
    this.current = account.data === null ? null : toView(account.address, ClientContract.parseState(account.data), account.balance);
  }

  private async send(message: OutgoingMessage): Promise<void> {
    const { wallet, terms } = this.options;
    if (wallet === null) {
      throw new ChannelError(
        'no_owner_key',
        `only the owner's wallet ${terms.owner.toString()} can do this: name its key file in "ownerKeyFile"`,
      );
    }
    await wallet.send([message]);
  }

  /** The wallet's part is in a block when it returns; the channel's part comes some blocks later, or not at all. */
  private async until(what: string, isDone: (view: ChannelAccountView) => boolean): Promise<ChannelAccountView> {
    for (let look = 0; look < MAX_LOOKS; look++) {
      const view = await this.refresh();
      if (view !== null && isDone(view)) return view;
      await this.options.wait(this.options.pollMs);
    }
    throw new ChannelError('not_confirmed', `the channel ${this.address.toString()} was not ${what}: the contract refused the message`);
  }
}

function toView(address: Address, state: ClientState, balance: bigint): ChannelAccountView {
  const deposit = ClientContract.deposit(balance);
  const announced = state.withdrawal;
  return {
    address,
    balance,
    deposit,
    sessionKey: state.sessionKey,
    charged: state.charged,
    paid: state.paid,
    announcedWithdrawal: minNano(announced?.amount ?? 0n, deposit),
    withdrawal:
      announced === null
        ? null
        : { amountNano: announced.amount === EVERYTHING ? null : announced.amount, readyAtSec: Number(announced.readyAt) },
  };
}
