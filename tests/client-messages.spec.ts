import { Address, beginCell, type Cell, contractAddress, toNano } from '@ton/core';
import type { BlockchainSnapshot } from '@ton/sandbox';
import '@ton/test-utils';
import { ClientContract } from '../wrappers/ClientContract';
import { codeOf } from '../wrappers/contract-code';
import type { ExitCodeName } from '../wrappers/errors';
import { OPCODE } from '../wrappers/opcodes';
import { ProxyContract } from '../wrappers/ProxyContract';
import { EVERYTHING } from '../wrappers/withdrawal';
import { expectRefused, withoutLastBit, withTrailingBit, withTrailingReference } from './refusal';
import { settled } from './settling';
import { BOUNCE_FORMATS, DELAY, NEXT_SESSION, publicKeyOf, SESSION, signedVoucher, World } from './world';

const PARTIES = ['rootOwner', 'guardian', 'proxyOwner', 'operator', 'client', 'workerOwner', 'stranger'] as const;

interface Message {
  readonly name: string;
  readonly body: (channel: Address) => Cell;
  /** Who may send it; the ProxyContract may send what the operator may. */
  readonly from: readonly (typeof PARTIES)[number][];
  /** How it is refused with a bit or a reference too many, or a bit too few: what is signed is refused as not signed. */
  readonly spoilt: ExitCodeName;
}

const chargeOf = (channel: Address): Cell => ClientContract.chargeBody(signedVoucher({ channel, total: toNano('3'), upTo: 7n, open: 5n }));

const MESSAGES: readonly Message[] = [
  { name: 'charge', body: chargeOf, from: ['operator'], spoilt: 'badSignature' },
  {
    name: 'settle',
    body: (channel) => ClientContract.settleBody({ receipts: [settled({ channel, number: 1n })] }),
    from: ['operator'],
    spoilt: 'badSignature',
  },
  { name: 'collect', body: () => ClientContract.collectBody(), from: ['operator'], spoilt: 'malformed' },
  { name: 'release', body: () => ClientContract.releaseBody({ amount: 1n }), from: ['operator'], spoilt: 'malformed' },
  {
    name: 'request a withdrawal',
    body: () => ClientContract.requestWithdrawalBody({ amount: 1n }),
    from: ['client'],
    spoilt: 'malformed',
  },
  { name: 'complete a withdrawal', body: () => ClientContract.completeWithdrawalBody(), from: PARTIES, spoilt: 'malformed' },
  { name: 'open', body: () => ClientContract.openBody({ sessionKey: publicKeyOf(SESSION) }), from: ['client'], spoilt: 'malformed' },
  {
    name: 'rotate the key',
    body: () => ClientContract.rotateKeyBody({ sessionKey: publicKeyOf(NEXT_SESSION) }),
    from: ['client'],
    spoilt: 'malformed',
  },
];

describe('a message to a ClientContract', () => {
  let world: World;
  let inUse: BlockchainSnapshot;
  let channel: Address;

  beforeAll(async () => {
    world = await World.inUse();
    channel = world.clientChannel.address;
    await world.send({ from: world.party('client'), to: channel, body: ClientContract.requestWithdrawalBody({ amount: 1n }) });
    world.wait(DELAY);
    inUse = world.snapshot();
  });

  beforeEach(async () => {
    await world.restore(inUse);
  });

  describe.each(MESSAGES)('to $name', ({ body, from, spoilt }) => {
    test('is refused from everybody else (INV-R3)', async () => {
      for (const name of PARTIES.filter((party) => !from.includes(party))) {
        await expectRefused(world, { from: world.party(name), to: channel, body: body(channel) }, 'notAllowed');
      }
    });

    test('is refused from whoever has the address of somebody who may, in another workchain (INV-R8)', async () => {
      const [first] = from;
      const address = new Address(-1, world.party(first ?? 'client').address.hash);
      const before = await world.data(channel);
      const [line] = await world.receive(address, channel, body(channel), toNano('1'));
      if (from.length < PARTIES.length) {
        expect(line).toMatch(/refused \(notAllowed\)$/);
        expect(await world.data(channel)).toEqualCell(before);
      } else {
        expect(line).not.toMatch(/refused/);
      }
    });

    test.each<[string, (whole: Cell) => Cell]>([
      ['a trailing bit', withTrailingBit],
      ['a trailing reference', withTrailingReference],
      ['a missing bit', withoutLastBit],
    ])('is refused with %s (INV-R8)', async (_what, spoil) => {
      const [first] = from;
      await expectRefused(world, { from: world.party(first ?? 'client'), to: channel, body: spoil(body(channel)) }, spoilt);
    });

    test.each(BOUNCE_FORMATS)(
      'that comes back in a bounce is taken as coins, whatever it says: %s of the body (INV-R1)',
      async (format) => {
        const before = await world.data(channel);
        const held = await world.balance(channel);
        const trace = await world.bounceInto(channel, body(channel), toNano('1'), format);
        expect(trace).toEqual(['Root > Client: bounce']);
        expect(await world.data(channel)).toEqualCell(before);
        expect(await world.balance(channel)).toBeGreaterThan(held + toNano('0.99'));
      },
    );
  });

  test.each<[string, string, Cell, ExitCodeName]>([
    ['an unknown low tag from a stranger', 'stranger', beginCell().storeUint(0xc0c00300, 32).storeUint(0, 64).endCell(), 'notAllowed'],
    [
      'an unknown low tag from the operator',
      'operator',
      beginCell().storeUint(0xc0c00300, 32).storeUint(0, 64).endCell(),
      'unknownMessage',
    ],
    ['the lowest tag there is', 'operator', beginCell().storeUint(1, 32).storeUint(0, 64).endCell(), 'unknownMessage'],
    ['an unknown high tag from a stranger', 'stranger', beginCell().storeUint(0xc0c00309, 32).storeUint(0, 64).endCell(), 'notAllowed'],
    [
      'an unknown high tag from the owner, who says as much as with a new key',
      'client',
      beginCell().storeUint(0xffffffff, 32).storeUint(0, 64).storeUint(publicKeyOf(NEXT_SESSION), 256).endCell(),
      'unknownMessage',
    ],
    ['an unknown high tag from the owner, alone', 'client', beginCell().storeUint(0xffffffff, 32).storeUint(0, 64).endCell(), 'malformed'],
    [
      "another contract's message",
      'operator',
      beginCell().storeUint(OPCODE.root.ownerRootAddImage, 32).storeUint(0, 64).endCell(),
      'unknownMessage',
    ],
    ['31 bits', 'stranger', beginCell().storeUint(0, 31).endCell(), 'malformed'],
    ['a tag alone', 'stranger', beginCell().storeUint(OPCODE.client.anyClientCompleteWithdrawal, 32).endCell(), 'malformed'],
    ['a bare reference', 'stranger', beginCell().storeRef(beginCell().endCell()).endCell(), 'malformed'],
  ])('%s is refused, and the coins come back (INV-R8)', async (_what, name, body, code) => {
    await expectRefused(world, { from: world.party(name), to: channel, body }, code);
  });

  test('is refused without a bounce when it asks for none: its coins stay with the client', async () => {
    const before = await world.data(channel);
    const body = ClientContract.collectBody();
    const sent = await world.send({ from: world.party('stranger'), to: channel, body, bounce: false });
    expect(sent.trace).toEqual(['stranger > Client: operatorClientCollect refused (notAllowed)']);
    expect(sent.moved.Client).toBeGreaterThan(toNano('0.99'));
    expect(await world.data(channel)).toEqualCell(before);
  });
});

describe('an owner who opens a ClientContract under terms that are a mistake', () => {
  let world: World;
  let inUse: BlockchainSnapshot;

  beforeAll(async () => {
    world = await World.inUse();
    inUse = world.snapshot();
  });

  beforeEach(async () => {
    await world.restore(inUse);
  });

  interface Odd {
    readonly operator?: Address | null;
    readonly proxy?: Address | null;
    readonly owner?: Address | null;
    readonly delay?: number;
  }

  /** A channel that no wrapper would make, open and with a deposit of 10 TON. */
  async function odd(terms: Odd): Promise<Address> {
    const { clientTerms } = world;
    const packed = beginCell()
      .storeAddress(terms.operator === undefined ? clientTerms.operator : terms.operator)
      .storeAddress(terms.proxy === undefined ? clientTerms.proxy : terms.proxy)
      .storeUint(terms.delay ?? DELAY, 32)
      .storeAddress(terms.owner === undefined ? clientTerms.owner : terms.owner)
      .endCell();
    const data = beginCell()
      .storeUint(0, 4 * 64 + 256 + 256 + 128)
      .storeRef(packed)
      .storeMaybeRef(null)
      .endCell();
    const init = { code: codeOf('ClientContract'), data };
    const address = contractAddress(0, init);
    world.name(address, 'Odd');
    await world.send({ from: world.party('stranger'), to: address, init, bounce: false, value: toNano('10') });
    await world.send({ from: world.party('client'), to: address, body: ClientContract.openBody({ sessionKey: publicKeyOf(SESSION) }) });
    return address;
  }

  /** All that is left goes to the owner, alone. */
  async function expectExit(address: Address, delay = DELAY): Promise<void> {
    const owner = { from: world.party('client'), to: address };
    await world.send({ ...owner, body: ClientContract.requestWithdrawalBody({ amount: EVERYTHING }) });
    world.wait(delay);
    const held = await world.balance(address);
    expect(held).toBeGreaterThan(0n);
    const sent = await world.send({ ...owner, body: ClientContract.completeWithdrawalBody() });
    expect(sent.moved).toEqual({ Odd: -held, client: held - sent.fees });
  }

  test.each<[string, Odd]>([
    ['an operator in another workchain', { operator: new Address(-1, Buffer.alloc(32, 7)) }],
    ['a proxy in another workchain', { proxy: new Address(-1, Buffer.alloc(32, 7)) }],
    ['itself as operator and proxy', {}],
  ])('leaves with all of it: %s (INV-R5, INV-R8)', async (what, terms) => {
    const client = world.party('client').address;
    await expectExit(await odd(what === 'itself as operator and proxy' ? { operator: client, proxy: client } : terms));
  });

  test.each<[string, Odd]>([
    ['nobody as operator', { operator: null }],
    ['nobody as proxy', { proxy: null }],
    ['nobody as owner', { owner: null }],
  ])('opens nothing, and gets back what the opening brought: %s (INV-R1, INV-R8)', async (_what, terms) => {
    const address = await odd(terms);
    const body = ClientContract.openBody({ sessionKey: publicKeyOf(SESSION) });
    await expectRefused(world, { from: world.party('client'), to: address, body, value: toNano('5') }, 'notAllowed');
  });

  test('is charged for a proxy in another workchain only if the message brings what the way there costs (INV-R1, INV-R4)', async () => {
    const far = new Address(-1, Buffer.alloc(32, 7));
    world.name(far, 'Far');
    const address = await odd({ proxy: far });
    const before = await world.data(address);
    const charge = { from: world.party('operator'), to: address, body: chargeOf(address) };
    const short = await world.send({ ...charge, value: toNano('0.002') });
    expect(short.trace).toEqual([
      expect.stringMatching(/^operator > Odd: operatorClientCharge failed in the action phase/),
      'Odd > operator: bounce',
    ]);
    expect(short.moved).toEqual({ operator: -short.fees });
    expect(await world.data(address)).toEqualCell(before);
    const paid = await world.send(charge);
    expect(paid.moved).toMatchObject({ Odd: -toNano('3'), Far: toNano('3') });
  });

  test('with no delay at all, leaves in the same second', async () => {
    await expectExit(await odd({ delay: 0 }), 0);
  });

  test('with the longest delay, is not locked: the announcement counts right, and the operator can still release (INV-R8)', async () => {
    const address = await odd({ delay: 0xffffffff });
    await world.send({ from: world.party('client'), to: address, body: ClientContract.requestWithdrawalBody({ amount: EVERYTHING }) });
    const { withdrawal } = ClientContract.parseState(await world.data(address));
    expect(withdrawal).toEqual({ amount: EVERYTHING, readyAt: BigInt(world.now) + 0xffffffffn });
    await expectRefused(world, { from: world.party('client'), to: address, body: ClientContract.completeWithdrawalBody() }, 'tooEarly');
    const held = await world.balance(address);
    const released = await world.send({
      from: world.party('operator'),
      to: address,
      body: ClientContract.releaseBody({ amount: EVERYTHING }),
    });
    expect(released.moved.Odd).toBe(-held);
  });

  test.each<[string, (elsewhere: Address) => Parameters<typeof ClientContract.create>[0]]>([
    ['the operator', (operator) => ({ ...world.clientTerms, operator })],
    ['the proxy', (proxy) => ({ ...world.clientTerms, proxy })],
    ['the owner', (owner) => ({ ...world.clientTerms, owner })],
  ])('gets no such channel from the wrapper: %s of another workchain (INV-R8)', (_who, terms) => {
    expect(() => ClientContract.create(terms(new Address(-1, Buffer.alloc(32))))).toThrow('address of workchain -1, expected 0');
  });

  test("cannot be made to pay through the ProxyContract of another channel's terms (INV-R6)", async () => {
    const address = await odd({ proxy: world.workerChannel.address });
    const order = ProxyContract.orderBody({ to: address, order: chargeOf(address) });
    const sent = await world.send({ from: world.party('proxyOwner'), to: world.proxy.address, body: order });
    expect(sent.trace[1]).toBe('Proxy > Odd: operatorClientCharge refused (notAllowed)');
    expect(sent.moved.Odd).toBeUndefined();
  });
});
