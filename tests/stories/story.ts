/**
 * A story on one network, and who has what at its end. It owns the book that is kept on the way: what each party gained, and which fees
 * and rent were its own to bear. It trusts World for balances, and the transactions for fees; it never asks a contract what it paid.
 */
import { type Address, type Cell, toNano } from '@ton/core';
import '@ton/test-utils';
import type { BlockchainTransaction } from '@ton/sandbox';
import type { ExitCodeName } from '../../wrappers/errors';
import { ProxyContract } from '../../wrappers/ProxyContract';
import { feesOf, known, type Party, type Sending, type Sent, type World } from '../world';

/** How a message is sent if not with 1 TON and the bounce flag. */
export type Manner = Pick<Sending, 'value' | 'bounce' | 'init'>;

/** What comes with these stays where it came to, so that its receiver bears what taking it costs. All else is the sender's to pay. */
const KEPT = ['payment', 'ownerClientOpen', 'ownerProxyRegister'];

const FAILURE = /refused|failed/;

export class Story {
  private readonly gained = new Map<string, bigint>();
  private readonly borne = new Map<string, bigint>();
  private readonly visitors = new Map<string, Party>();
  private returned = 0n;

  constructor(readonly world: World) {}

  /** Somebody who is not of the World, with coins; in another workchain than the basechain when told so. */
  async join(name: string, workchain = 0): Promise<Party> {
    const party = await this.world.chain.treasury(name, { workchain });
    this.world.name(party.address, name);
    this.visitors.set(name, party);
    return party;
  }

  /** Somebody who has joined. */
  visitor(name: string): Party {
    return known(this.visitors.get(name));
  }

  /** Sends one message, which nobody may refuse. */
  async send(name: string, to: Address, body?: Cell, manner: Manner = {}): Promise<Sent> {
    const sent = await this.attempt(name, to, body, manner);
    expect(sent.trace.filter((line) => FAILURE.test(line))).toEqual([]);
    return sent;
  }

  /** Sends one message, which `to` or whoever it passes the message on to refuses: nothing but coins changes at either. */
  async refused(code: ExitCodeName, name: string, to: Address, body?: Cell, manner: Manner = {}): Promise<void> {
    const before = await this.world.data(to);
    const sent = await this.attempt(name, to, body, manner);
    expect(sent.trace.filter((line) => FAILURE.test(line))).toEqual([expect.stringMatching(new RegExp(` refused \\(${code}\\)$`))]);
    expect(sent.trace.filter((line) => line.endsWith(': bounce'))).toHaveLength(1);
    expect(await this.world.data(to)).toEqualCell(before);
  }

  /** Sends one message that finds nobody who could run it, and comes back. */
  async comesBack(name: string, to: Address, body?: Cell, manner: Manner = {}): Promise<void> {
    const { trace } = await this.attempt(name, to, body, manner);
    expect(trace.at(-1)).toMatch(/: bounce$/);
  }

  /** The proxy's owner lets the ProxyContract send `order`. What is left of its 1 TON returns to who sent it on, the ProxyContract. */
  async order(to: Address, order: Cell): Promise<void> {
    const before = this.costs('proxyOwner');
    const { transactions } = await this.send('proxyOwner', this.world.proxy.address, ProxyContract.orderBody({ to, order }), {
      value: toNano('1'),
    });
    const ofWallet = feesOf(known(transactions[0]));
    this.returned += toNano('1') - (this.costs('proxyOwner') - before - ofWallet);
  }

  /** What all orders so far have left at the ProxyContract of the coins that its owner sent with them, in nanoTON. */
  get change(): bigint {
    return this.returned;
  }

  /** Fees and rent that this party or contract has borne so far, in nanoTON. */
  costs(name: string): bigint {
    return this.borne.get(name) ?? 0n;
  }

  /**
   * Who has gained what since the story began, in nanoTON, the fees and the rent that were its own to bear aside; only those whose
   * number is not zero. Fees are the sender's, of every hop that its message causes; but whoever takes a payment bears what taking costs,
   * and each account bears its own rent.
   */
  table(): Record<string, bigint> {
    const table: Record<string, bigint> = {};
    for (const name of new Set([...this.gained.keys(), ...this.borne.keys()])) {
      const has = (this.gained.get(name) ?? 0n) + this.costs(name);
      if (has !== 0n) table[name] = has;
    }
    return table;
  }

  /** Sends one message, whatever becomes of it. */
  async attempt(name: string, to: Address, body?: Cell, manner: Manner = {}): Promise<Sent> {
    const from = this.visitors.get(name) ?? this.world.party(name);
    const sent = await this.world.send({ from, to, body, ...manner });
    for (const [party, gain] of Object.entries(sent.moved)) add(this.gained, party, gain);
    const [own, ...others] = sent.transactions;
    add(this.borne, name, feesOf(known(own)));
    others.forEach((transaction, i) => {
      const { to: receiver, what } = lineOf(known(sent.trace[i]));
      const rent = rentIn(transaction);
      add(this.borne, receiver, rent);
      const isKept = KEPT.includes(what) && !isSentBack(transaction);
      add(this.borne, isKept ? receiver : name, feesOf(transaction) - rent);
    });
    return sent;
  }
}

function add(book: Map<string, bigint>, name: string, amount: bigint): void {
  book.set(name, (book.get(name) ?? 0n) + amount);
}

function rentIn({ description }: BlockchainTransaction): bigint {
  return description.type === 'generic' ? (description.storagePhase?.storageFeesCollected ?? 0n) : 0n;
}

function isSentBack({ description }: BlockchainTransaction): boolean {
  return description.type === 'generic' && description.bouncePhase !== null && description.bouncePhase !== undefined;
}

/** The parts of a line of World's traces: `from > to: what`, and what went wrong. */
function lineOf(line: string): { readonly to: string; readonly what: string } {
  const [, to, what] = /^\S+ > (\S+): (\w+)/.exec(line) ?? [];
  return { to: known(to), what: known(what) };
}
