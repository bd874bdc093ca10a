import { Address } from '@ton/core';
import {
  type Authorisation,
  type Order,
  openHash,
  packAuthorisation,
  packOrder,
  packRequest,
  packVoucher,
  statementHash,
  type Voucher,
} from '../../wrappers/statements';
import { offerPrices } from '../billing/prices';
import { ClientContract, type ClientTerms } from '../chain/contracts';
import { type ChannelMoney, setChannel } from '../chain/plain-chain.test-kit';
import { NOW, type TestGuest } from '../client/guest.test-kit';
import { concat, fromBigEndian, toBase64Url, toBigEndian, utf8 } from '../core/bytes';
import type { Signer } from '../core/crypto';
import { type ChannelState, channelCall, channelState, errorAnswer, REQUEST_HEADER, voucherCall, WORKER_HEADER } from '../protocol/calls';
import { readJson, writeJson } from '../protocol/json';
import { generateSigner, nodeCrypto } from '../runtime/node-crypto';
import { ClientSession } from '../sealing/client-session';
import { type ClientRequest, encodeClientRequest, type SignedVoucher } from '../sealing/relay-body';
import { type Answer, type Connection, readAll } from '../transport/exchange';
import { OPERATOR, PROXY, WITHDRAW_DELAY, type World } from './running-proxy.test-kit';
import { WORKER_PRICES } from './worker.test-kit';

// A client that orders and signs what a test says.

export const OFFERED = offerPrices(WORKER_PRICES, 1000n);
/** What the usage of the test guests costs at these prices. */
export const PRICE = 101n;

/** A channel where nothing has happened; its owner, key and deposit are for a test to set. */
export const EMPTY_VIEW = {
  oldKey: null,
  charged: 0n,
  paid: 0n,
  settled: 0n,
  upTo: 0n,
  open: 0n,
  withdrawal: 0n,
  withdrawalAtSec: 0,
} as const;

/** Where a request differs from an honest one. */
export interface OrderChange {
  readonly number?: bigint;
  readonly maxAmount?: bigint;
  readonly authorisation?: (honest: Authorisation) => Authorisation;
  /** Sent in place of the one that the authorisation names. */
  readonly order?: (honest: Order) => Order;
  readonly signer?: Signer;
  readonly voucher?: SignedVoucher;
}

export interface PlacedOrder {
  readonly request: ClientRequest;
  readonly hash: bigint;
}

/** A refusal as it came. */
export interface Refusal {
  readonly code: string;
  readonly check: string | undefined;
  readonly missingNano: string | undefined;
}

export class TestCaller {
  /** The key that it signs with. */
  session = generateSigner();
  readonly terms: ClientTerms;
  readonly channel: Address;
  private lastNumber = 0n;

  /** @param foreign where its channel differs from one to this proxy */
  constructor(
    private readonly world: World,
    owner = 0x50,
    foreign: { readonly terms?: Partial<ClientTerms>; readonly at?: Address } = {},
  ) {
    const address = Address.parseRaw(`0:${owner.toString(16).padStart(64, '0')}`);
    this.terms = { owner: address, proxy: PROXY, operator: OPERATOR, withdrawDelay: WITHDRAW_DELAY, ...foreign.terms };
    this.channel = foreign.at ?? ClientContract.create(this.terms).address;
  }

  get id(): string {
    return this.channel.toRawString();
  }

  /** Sets the channel on chain: one TON and nothing charged where nothing else is said. */
  hold(money: Partial<ChannelMoney> = {}): void {
    const key = fromBigEndian(this.session.publicKey);
    setChannel(this.world.chain, this.terms, key, { deposit: 1_000_000_000n, ...money }, this.channel);
  }

  async order(guest: TestGuest, change: OrderChange = {}): Promise<PlacedOrder> {
    const exchange = await (await ClientSession.open(nodeCrypto, guest.keys, NOW)).next();
    const number = change.number ?? ++this.lastNumber;
    const order: Order = { channel: this.channel, number, salt: fromBigEndian(nodeCrypto.randomBytes(32)) };
    const honest: Authorisation = {
      orderHash: statementHash(packOrder(order)),
      receiptKey: fromBigEndian(guest.keys.receiptKey),
      seal: exchange.seal,
      maxAmount: change.maxAmount ?? 10_000n,
      validUntil: this.world.clock.nowSec() + 300,
      prices: OFFERED,
    };
    const authorisation = change.authorisation?.(honest) ?? honest;
    const hash = statementHash(packAuthorisation(authorisation));
    const signature = await (change.signer ?? this.session).sign(toBigEndian(hash, 32));
    const head = { method: 'POST', path: '/v1/chat/completions', headers: {} } as const;
    const sealed = await exchange.sealRequest(authorisation, hash, head, utf8('{}'));
    return { hash, request: { voucher: change.voucher ?? null, order: change.order?.(order) ?? order, signature, guest: sealed } };
  }

  send(connection: Connection, guest: TestGuest, { request }: PlacedOrder): Promise<Answer> {
    const headers = { [WORKER_HEADER]: guest.digest };
    return connection.call({ method: 'POST', path: '/v1/relay', headers, body: encodeClientRequest(request) });
  }

  /** Orders and reads the answer to its end. @returns the refusal; null for an answer */
  async ask(connection: Connection, guest: TestGuest, change: OrderChange = {}): Promise<Refusal | null> {
    return readOut(await this.send(connection, guest, await this.order(guest, change)));
  }

  async voucher(
    change: Partial<Omit<Voucher, 'open'>>,
    openNumbers: readonly bigint[] = [],
    signer: Signer = this.session,
  ): Promise<SignedVoucher> {
    const voucher = { channel: this.channel, total: 0n, upTo: 0n, ...change, open: openHash(openNumbers) };
    return { voucher, openNumbers, signature: await signer.sign(toBigEndian(statementHash(packVoucher(voucher)), 32)) };
  }

  /** @returns the refusal; null when it was taken */
  async sendVoucher(connection: Connection, voucher: SignedVoucher): Promise<Refusal | null> {
    return readOut(await connection.call({ method: 'POST', path: '/v1/vouchers', body: writeJson(voucherCall, { voucher }) }));
  }

  /** The channel as the proxy shows it to who signs with this key. */
  async state(
    connection: Connection,
    change: { readonly signer?: Signer; readonly ageSec?: number; readonly signedPath?: string } = {},
  ): Promise<ChannelState | Refusal> {
    const path = `/v1/channels/${this.id}`;
    const callHash = fromBigEndian(await nodeCrypto.sha256(concat(utf8(`GET ${change.signedPath ?? path}\n`))));
    const request = { channel: this.channel, callHash, nonce: 1n, at: this.world.clock.nowSec() - (change.ageSec ?? 0) };
    const signature = await (change.signer ?? this.session).sign(toBigEndian(statementHash(packRequest(request)), 32));
    const headers = { [REQUEST_HEADER]: toBase64Url(writeJson(channelCall, { request, signature })) };
    const answer = await connection.call({ method: 'GET', path, headers });
    const body = await readAll(answer.body, 4_000_000);
    return answer.status === 200 ? readJson(channelState, body) : refusalOf(body);
  }
}

async function readOut(answer: Answer): Promise<Refusal | null> {
  const body = await readAll(answer.body, 4_000_000);
  return answer.status === 200 ? null : refusalOf(body);
}

function refusalOf(body: Uint8Array): Refusal {
  const { code, details } = readJson(errorAnswer, body).error;
  return { code, check: details?.check, missingNano: details?.missingNano };
}
