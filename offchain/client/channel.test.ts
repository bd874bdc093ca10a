import { Address } from '@ton/core';
import { packAuthorisation, packOrder, packReceipt, packVoucher, statementHash } from '../../wrappers/statements';
import { toBigEndian } from '../core/bytes';
import type { ChannelState } from '../protocol/calls';
import { generateSigner } from '../runtime/node-crypto';
import type { SignedVoucher } from '../sealing/relay-body';
import {
  CHANNEL,
  CHAT_URL,
  chat,
  hex,
  MemoryStore,
  makeGuest,
  openTestClient,
  type TestClient,
  type TestGuest,
  TestProxy,
  USAGE_COST,
} from './client.test-kit';

const session = generateSigner();
let guest: TestGuest;
let peer: TestProxy;
let store: MemoryStore;
let client: TestClient;

beforeAll(async () => {
  guest = await makeGuest();
});

beforeEach(async () => {
  peer = await TestProxy.open(session.publicKey, [guest]);
  store = new MemoryStore();
  client = await openTestClient(peer, { session, store });
});

afterEach(async () => {
  await client.close();
  await peer.close();
});

async function ask(status = 200): Promise<void> {
  const response = await client.fetch(CHAT_URL, chat('one'));
  await response.text();
  expect(response.status).toBe(status);
}

/** The client as another process would find it, from its record as it is now or was. */
async function reopen(from: MemoryStore = store): Promise<void> {
  client.proxy.close();
  store = from.copy();
  client = await openTestClient(peer, { session, store });
}

async function sign(voucher: SignedVoucher['voucher'], signer = session): Promise<SignedVoucher> {
  return { voucher, signature: await signer.sign(toBigEndian(statementHash(packVoucher(voucher)), 32)), openNumbers: [] };
}

describe('vouchers', () => {
  test('go with the next request', async () => {
    await ask();
    await ask();
    expect(peer.relays.map(({ voucher }) => voucher?.voucher.total ?? null)).toEqual([null, USAGE_COST]);
    expect(peer.countOf('POST /v1/vouchers')).toBe(0);
  });

  test('are sent alone when no request comes', async () => {
    await ask();
    await client.channel.flush();
    expect(peer.voucher?.voucher).toMatchObject({ total: USAGE_COST, upTo: 1n });
    await client.channel.flush();
    expect(peer.countOf('POST /v1/vouchers')).toBe(1);
  });

  test('are sent at the end', async () => {
    await ask();
    await client.channel.close();
    expect(peer.voucher?.voucher.total).toBe(USAGE_COST);
  });

  test('that were not delivered are sent again, unchanged', async () => {
    await ask();
    peer.refuse = () => {
      peer.cut();
      return null;
    };
    await client.fetch(CHAT_URL, chat('two'));
    const carried = peer.relays[1]?.voucher;
    peer.refuse = () => null;
    await reopen();
    await client.channel.flush();
    expect(peer.voucher?.voucher.total).toBeGreaterThanOrEqual(USAGE_COST);
    expect(carried?.voucher.total).toBe(USAGE_COST);
  });

  test('of ten requests at once add up', async () => {
    await Promise.all(Array.from({ length: 10 }, () => ask()));
    await client.channel.flush();
    expect(peer.voucher?.voucher.total).toBe(10n * USAGE_COST);
  });
});

describe('after a crash or a lost answer', () => {
  test('a receipt that never arrived is fetched, verified and paid', async () => {
    peer.alter = (pieces) => [...pieces.slice(0, 1), new Error('gone')];
    await ask(502);
    const lost = peer.orders.size;
    expect(client.book.outstanding).toBe(0n);
    peer.alter = (pieces) => pieces;
    await reopen();
    await client.channel.flush();
    expect(peer.voucher?.voucher.total).toBe(BigInt(lost) * USAGE_COST);
  });

  test('a request that the proxy never saw costs nothing once it has expired', async () => {
    peer.refuse = (request) => {
      peer.orders.delete(request.order.number);
      peer.cut();
      return null;
    };
    peer.answer = { status: 200, events: [] };
    peer.show = (state) => ({ ...state, receipts: [], inFlight: [] });
    await client.fetch(CHAT_URL, chat('one'));
    const used = client.book.lastNumber;
    expect(used).toBeGreaterThan(0n);
    peer.refuse = () => null;
    peer.orders.clear();
    client.clock.advance(300 + 900 + 1);
    await client.channel.flush();
    expect(peer.voucher?.voucher).toMatchObject({ total: 0n, upTo: used, open: 0n });
  });

  test('an expired number is not released while the proxy cannot be asked', async () => {
    peer.refuse = () => {
      peer.cut();
      return null;
    };
    await client.fetch(CHAT_URL, chat('one'));
    await peer.close();
    client.clock.advance(1_000_000);
    await expect(client.channel.flush()).rejects.toMatchObject({ code: 'proxy_unreachable' });
    expect(client.book.voucher).toBeNull();
  });

  test('a record restored from an older copy goes on behind what was used since, and pays nothing twice', async () => {
    await ask();
    const older = store.copy();
    await ask();
    await ask();
    await client.channel.flush();
    const { voucher } = peer;
    await reopen(older);
    await ask();
    await client.channel.flush();
    expect(peer.relays.at(-1)?.order.number).toBe(4n);
    expect(voucher?.voucher.total).toBe(3n * USAGE_COST);
    expect(peer.voucher?.voucher.total).toBe(4n * USAGE_COST);
  });

  test('a record restored from an older copy pays for what it had forgotten, once, by its own signatures', async () => {
    await ask();
    const older = store.copy();
    await ask();
    await ask();
    await reopen(older);
    await client.channel.flush();
    expect(peer.voucher?.voucher).toMatchObject({ total: 3n * USAGE_COST, upTo: 3n, open: 0n });
    client.channel.distrustRecord();
    await client.channel.flush();
    expect(peer.voucher?.voucher.total).toBe(3n * USAGE_COST);
  });

  test('a record that was lost altogether is built again from what the proxy shows', async () => {
    await ask();
    await client.channel.flush();
    await ask();
    await reopen(new MemoryStore());
    await ask();
    await client.channel.flush();
    expect(peer.relays.at(-1)?.order.number).toBe(3n);
    expect(peer.voucher?.voucher).toMatchObject({ total: 3n * USAGE_COST, upTo: 3n, open: 0n });
  });

  test('a proxy restored from an older copy is given the newer voucher', async () => {
    await ask();
    await client.channel.flush();
    peer.voucher = null;
    await reopen();
    await client.channel.flush();
    expect(peer.voucher).toMatchObject({ voucher: { total: USAGE_COST } });
  });
});

describe('receipts that the proxy has settled on chain', () => {
  const settle = (charged: bigint, deposit = 1_000_000_000n) => {
    if (client.facts === null) throw new Error('no channel');
    client.facts = { ...client.facts, deposit, charged, paid: charged };
  };

  test('are in the next voucher, whatever the chain has charged by then', async () => {
    await ask();
    settle(USAGE_COST);
    await ask();
    settle(2n * USAGE_COST);
    await client.channel.flush();
    expect(peer.voucher?.voucher).toMatchObject({ total: 2n * USAGE_COST, upTo: 2n, open: 0n });
  });

  test('are asked for when the chain has charged more than this record knows', async () => {
    await ask();
    const older = store.copy();
    await ask();
    await reopen(older);
    await client.channel.ready();
    const asked = peer.countOf('GET /v1/channels');
    await client.channel.ready();
    expect(peer.countOf('GET /v1/channels')).toBe(asked);
    settle(3n * USAGE_COST);
    await client.channel.ready();
    expect(peer.countOf('GET /v1/channels')).toBe(asked + 1);
  });

  test('make no deposit look larger than it is, also when the proxy hides them', async () => {
    await ask();
    await ask();
    await reopen(new MemoryStore());
    peer.show = (state) => ({ ...state, receipts: [], voucher: null });
    settle(1_000_000n, 1n);
    await ask(402);
    expect(peer.relays).toHaveLength(2);
  });
});

describe('a proxy that lies about the channel', () => {
  const lie = async (change: (state: ChannelState) => ChannelState) => {
    await ask();
    // The answer's receipt is not here yet: the proxy is asked for it.
    peer.alter = (pieces) => [...pieces.slice(0, 1), new Error('gone')];
    await ask(502);
    const before = { total: client.book.total, outstanding: client.book.outstanding, last: client.book.lastNumber };
    peer.show = change;
    client.channel.distrustRecord();
    await client.channel.ready();
    return before;
  };

  test('cannot pass off a receipt of another request', async () => {
    const before = await lie((state) => {
      const [first] = peer.orders.values();
      return { ...state, receipts: state.receipts.map((entry) => (first?.receipt ? { ...entry, receipt: first.receipt } : entry)) };
    });
    expect(client.book.total + client.book.outstanding).toBe(before.total + before.outstanding);
  });

  test('cannot pass off a receipt with an altered count', async () => {
    const before = await lie((state) => ({
      ...state,
      receipts: state.receipts.map((entry) => ({
        ...entry,
        receipt: { ...entry.receipt, receipt: { ...entry.receipt.receipt, usage: { ...entry.receipt.receipt.usage, answer: 21 } } },
      })),
    }));
    expect(client.book.total + client.book.outstanding).toBe(before.total + before.outstanding);
  });

  test('cannot pass off a receipt that another key signed', async () => {
    const forger = generateSigner();
    const forged: Uint8Array[] = [];
    for (const order of peer.orders.values())
      if (order.receipt) forged.push(await forger.sign(toBigEndian(statementHash(packReceipt(order.receipt.receipt)), 32)));
    const before = await lie((state) => ({
      ...state,
      receipts: state.receipts.map((entry) => ({ ...entry, receipt: { ...entry.receipt, signature: forged[0] ?? new Uint8Array(64) } })),
    }));
    expect(client.book.total + client.book.outstanding).toBe(before.total + before.outstanding);
  });

  test('cannot make this client take over a voucher of another channel', async () => {
    const other = await sign({ channel: Address.parseRaw(`0:${hex(0x31)}`), total: 5000n, upTo: 9n, open: 0n });
    const before = await lie((state) => ({ ...state, voucher: other }));
    expect(client.book.total).toBe(before.total);
  });

  test('cannot make this client take over a voucher of another key', async () => {
    const other = await sign({ channel: CHANNEL, total: 5000n, upTo: 9n, open: 0n }, generateSigner());
    const before = await lie((state) => ({ ...state, voucher: other }));
    expect(client.book.total).toBe(before.total);
  });

  test('cannot make a client that has forgotten pay for an order that it never signed, or pay one twice', async () => {
    await ask();
    await client.channel.flush();
    await ask();
    const forger = generateSigner();
    const channel = Address.parseRaw(`0:${hex(0x31)}`);
    const changes: readonly ((entry: ChannelState['receipts'][number]) => Promise<ChannelState['receipts'][number]>)[] = [
      async (entry) => ({ ...entry, order: { ...entry.order, number: 77n } }),
      // Of another channel under the same key, with everything signed as it should be there.
      async (entry) => {
        const order = { ...entry.order, channel };
        const authorisation = { ...entry.authorisation, orderHash: statementHash(packOrder(order)) };
        const authorisationHash = statementHash(packAuthorisation(authorisation));
        const receipt = { ...entry.receipt.receipt, authorisationHash };
        return {
          order,
          authorisation,
          authorisationSignature: await session.sign(toBigEndian(authorisationHash, 32)),
          receipt: { receipt, signature: await guest.receipt.sign(toBigEndian(statementHash(packReceipt(receipt)), 32)) },
        };
      },
      async (entry) => ({ ...entry, authorisationSignature: new Uint8Array(64) }),
      async (entry) => {
        const authorisation = { ...entry.authorisation, maxAmount: entry.authorisation.maxAmount + 1n };
        const hash = toBigEndian(statementHash(packAuthorisation(authorisation)), 32);
        return { ...entry, authorisation, authorisationSignature: await forger.sign(hash) };
      },
    ];
    for (const change of changes) {
      const honest = peer.state();
      const receipts = await Promise.all(honest.receipts.map(change));
      await reopen(new MemoryStore());
      // The covered one comes again, too.
      const [first] = peer.orders.values();
      if (first?.receipt) receipts.unshift({ ...first, authorisationSignature: first.signature, receipt: first.receipt });
      const shown = receipts.map(({ order, authorisation, authorisationSignature, receipt }) => ({
        order,
        authorisation,
        authorisationSignature,
        receipt,
      }));
      peer.show = (state) => ({ ...state, receipts: shown });
      await client.channel.ready();
      expect(client.book.total + client.book.outstanding).toBe(USAGE_COST);
    }
  });

  test('cannot make this client pay for a number that it has not used', async () => {
    const before = await lie((state) => ({
      ...state,
      receipts: state.receipts.map((entry) => ({ ...entry, order: { ...entry.order, number: entry.order.number + 100n } })),
    }));
    expect(client.book.total + client.book.outstanding).toBe(before.total + before.outstanding);
    const { voucher, openNumbers } = await client.book.makeVoucher();
    expect(voucher.total).toBe(before.total + before.outstanding);
    expect(openNumbers.some((number) => number > 100n)).toBe(true);
  });
});
