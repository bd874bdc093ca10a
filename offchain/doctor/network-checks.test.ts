import { Address, beginCell, type Cell, Dictionary } from '@ton/core';
import { HASH_KEY, IMAGE_VALUE, initialRootData, LISTING_VALUE, MODEL_VALUE } from '../../wrappers/root-state';
import { fixture, makePki } from '../attestation/platform/forgery.test-kit';
import { ChainError } from '../chain/chain-error';
import { configureProxy, setProxyContract, TestChain } from '../chain/plain-chain.test-kit';
import { FixedClock } from '../core/clock';
import type { Network } from '../runtime/network';
import { TransportError } from '../transport/exchange';
import { tdxHost } from './emulated-machine.test-kit';
import { examine } from './examine';
import type { Finding } from './finding';
import { checkNetwork, checkPccs, type NetworkReach } from './network-checks';

const NOW = 1_800_000_000;
const ROOT = Address.parseRaw(`0:${'b'.repeat(64)}`);
const OWNER = Address.parseRaw(`0:${'a'.repeat(64)}`);
const INTEL = { kind: 'intel', der: Buffer.from(fixture('intel-sgx-root-ca.der')).toString('base64') } as const;
const DEVELOPMENT = { kind: 'development', der: Buffer.from(makePki().root.der).toString('base64') } as const;
const PIN = new Uint8Array(32).fill(7);

function network(changes: Partial<Network> = {}): Network {
  return {
    name: 'test',
    networkId: -3,
    root: ROOT.toRawString(),
    chain: [{ url: 'http://chain.example/api/v2/jsonRPC' }],
    trustRoots: [INTEL],
    pccs: 'http://pccs.example',
    clock: 'system',
    ...changes,
  };
}

/** A root contract's data with so many images and models, and these proxies. */
function rootData(images: number, models: number, proxies: readonly Address[]): Cell {
  const params = { minProxyStake: 1n, registrationFee: 0n, minProxyDelay: 60, maxImages: 8, maxModels: 8, maxProxies: 8 };
  const fresh = initialRootData({ owner: OWNER, guardian: OWNER, networkId: -3, timelock: 5, params });
  const governance = fresh.refs[1];
  if (governance === undefined) throw new Error('a root without governance');
  const imageDict = Dictionary.empty(HASH_KEY, IMAGE_VALUE);
  for (let i = 1; i <= images; i++) imageDict.set(BigInt(i), { roles: 1, note: 0n, activeFrom: 0n });
  const modelDict = Dictionary.empty(HASH_KEY, MODEL_VALUE);
  for (let i = 1; i <= models; i++) modelDict.set(BigInt(i), { kind: 0, note: 0n, activeFrom: 0n });
  const registry = Dictionary.empty(HASH_KEY, LISTING_VALUE);
  for (const proxy of proxies) registry.set(BigInt(`0x${proxy.hash.toString('hex')}`), { stake: 1n, since: 0n });
  return beginCell()
    .storeUint(images, 16)
    .storeUint(models, 16)
    .storeUint(proxies.length, 16)
    .storeUint(0, 64)
    .storeUint(0, 256)
    .storeRef(beginCell().storeDict(registry).storeBit(false).endCell())
    .storeRef(governance)
    .storeDict(imageDict)
    .storeDict(modelDict)
    .endCell();
}

describe('what a doctor finds of a network', () => {
  let chain: TestChain;
  let reach: { -readonly [K in keyof NetworkReach]: NetworkReach[K] };
  let greeted: string[];
  let proxy: Address;
  beforeEach(() => {
    chain = new TestChain(new FixedClock(NOW));
    greeted = [];
    const terms = { root: ROOT, owner: OWNER, index: 0, withdrawDelay: 3600 };
    proxy = configureProxy(chain, terms, { payerKey: 1n, endpoint: { url: 'https://proxy.example:10001', keyPin: PIN } });
    chain.set(ROOT, 1n, rootData(1, 2, [proxy]));
    reach = {
      latestBlock: async () => ({ seqno: 42, rootHash: '0'.repeat(64), atSec: NOW - 5 }),
      getAccount: (address) => chain.getAccount(address),
      greet: async (url, pin) => void greeted.push(`${url} ${pin}`),
      get: async () => 200,
      nowSec: NOW,
    };
  });

  const find = async (item: string, of: Network = network()): Promise<Finding> => {
    const found = (await checkNetwork(of, reach)).find((finding) => finding.item.startsWith(item));
    if (found === undefined) throw new Error(`nothing was found of ${item}`);
    return found;
  };

  it('is in order where everything is, with each proxy greeted under its pin', async () => {
    const found = await checkNetwork(network(), reach);
    expect(found.map(({ verdict }) => verdict)).toEqual(['ok', 'ok', 'ok', 'ok']);
    expect(found.map(({ item }) => item)).toEqual(['network', 'chain', 'root', `proxy ${proxy.toRawString().slice(2, 10)}`]);
    expect(greeted).toEqual([`https://proxy.example:10001 ${'07'.repeat(32)}`]);
    expect(found[2]?.words).toBe('lists images: 1, models: 2, proxies: 1');
  });

  it('says SIMULATED of a development root', async () => {
    expect((await find('network', network({ trustRoots: [DEVELOPMENT] }))).words).toContain('SIMULATED');
    expect((await find('network')).words).not.toContain('SIMULATED');
  });

  it.each<readonly [string, Network['trustRoots'], RegExp]>([
    ["calls a development root Intel's", [{ ...DEVELOPMENT, kind: 'intel' }], /has key id .*, Intel's is/],
    ["calls Intel's root a development root", [{ ...INTEL, kind: 'development' }], /is Intel's, and was loaded as a development root/],
    ['names both kinds of root', [INTEL, DEVELOPMENT], /name one kind only/],
    ['names a root that is none', [{ kind: 'intel', der: 'MIIB' }], /trust root is malformed/],
  ])('fails a network.json that %s, as every process that verifies does', async (_what, trustRoots, words) => {
    expect(await find('network', network({ trustRoots }))).toMatchObject({ verdict: 'fail', words: expect.stringMatching(words) });
  });

  it('tells a chain that does not answer, and looks no further', async () => {
    reach.latestBlock = () => Promise.reject(new ChainError('chain_unreachable', 'no answer from chain.example: ECONNREFUSED'));
    const found = await checkNetwork(network(), reach);
    expect(found.slice(1)).toMatchObject([
      { verdict: 'fail', words: expect.stringContaining('ECONNREFUSED') },
      { item: 'root', verdict: 'unseen' },
    ]);
  });

  it("tells an old chain, or a wrong clock; a local chain's time is its own", async () => {
    reach.nowSec = NOW + 600;
    expect(await find('chain')).toMatchObject({ verdict: 'warn', words: expect.stringContaining('605 s old') });
    reach.nowSec = NOW - 600;
    expect(await find('chain')).toMatchObject({ verdict: 'warn' });
    expect(await find('chain', network({ clock: 'chain' }))).toMatchObject({ verdict: 'ok' });
  });

  it('tells a root that is not there, is something else, or cannot be read', async () => {
    chain.set(ROOT, 0n, null);
    expect(await find('root')).toMatchObject({ verdict: 'fail', words: expect.stringContaining('there is no contract') });
    chain.set(ROOT, 0n, beginCell().storeUint(1, 8).endCell());
    expect(await find('root')).toMatchObject({ verdict: 'fail', words: expect.stringContaining('no root contract') });
    chain.isDown = true;
    expect(await find('root')).toMatchObject({ verdict: 'fail', words: 'no answer' });
  });

  it('tells a root that lists nothing, and a network without proxies', async () => {
    chain.set(ROOT, 1n, rootData(0, 1, []));
    expect(await find('root')).toMatchObject({ verdict: 'warn', remedy: expect.stringContaining('nobody can serve') });
    expect(await find('proxies')).toMatchObject({ verdict: 'warn', words: 'none is registered' });
  });

  it('tells a proxy that shows another key, and one whose contract cannot be read', async () => {
    reach.greet = () => Promise.reject(new TransportError('pin_mismatch', 'it shows another key than the one pinned on chain'));
    expect(await find('proxy ')).toMatchObject({ verdict: 'fail', words: expect.stringContaining('another key') });
    chain.set(proxy, 0n, beginCell().endCell());
    expect(await find('proxy ')).toMatchObject({ verdict: 'fail', words: 'its contract cannot be read' });
  });

  it('tells a proxy that has named no endpoint', async () => {
    const silent = setProxyContract(chain, { root: ROOT, owner: OWNER, index: 1, withdrawDelay: 3600 }, 0n);
    chain.set(ROOT, 1n, rootData(1, 1, [silent.address]));
    expect(await find('proxy ')).toMatchObject({ verdict: 'warn', words: 'has named no endpoint' });
    expect(greeted).toEqual([]);
  });

  it('greets twenty proxies, and does not call fine those that it has not greeted', async () => {
    const listed = Array.from({ length: 22 }, (_, index) =>
      configureProxy(
        chain,
        { root: ROOT, owner: OWNER, index, withdrawDelay: 3600 },
        { payerKey: 1n, endpoint: { url: 'https://proxy.example:10001', keyPin: PIN } },
      ),
    );
    chain.set(ROOT, 1n, rootData(1, 1, listed.slice(0, 20)));
    expect((await checkNetwork(network(), reach)).map(({ item }) => item)).not.toContain('proxies');
    chain.set(ROOT, 1n, rootData(1, 1, listed));
    expect(await find('proxies')).toMatchObject({ verdict: 'unseen', words: '2 more, which were not greeted' });
    expect(greeted).toHaveLength(40);
  });

  it('lets defects of its own through', async () => {
    reach.latestBlock = () => Promise.reject(new TypeError('a defect'));
    await expect(checkNetwork(network(), reach)).rejects.toThrow('a defect');
  });

  it('asks no hardware of a machine on a SIMULATED network, and says what it lacks all the same', async () => {
    const machine = tdxHost();
    machine.files.delete('/dev/kvm');
    const simulated = network({ trustRoots: [DEVELOPMENT] });
    const onSimulated = await examine({ place: 'host', network: simulated, pccs: null }, machine, reach);
    expect(onSimulated.find(({ item }) => item === 'kvm')).toMatchObject({
      verdict: 'unseen',
      words: expect.stringContaining('not needed: the network is SIMULATED'),
    });
    const onReal = await examine({ place: 'host', network: network(), pccs: null }, machine, reach);
    expect(onReal.find(({ item }) => item === 'kvm')).toMatchObject({ verdict: 'fail' });
  });
});

describe("what a doctor finds of a cache of Intel's collateral", () => {
  it('asks for root CRL and QE identity', async () => {
    const asked: string[] = [];
    const get = async (url: string) => {
      asked.push(url);
      return 200;
    };
    expect(await checkPccs('https://pccs.example:8081/', { get })).toMatchObject({ verdict: 'ok' });
    expect(asked).toEqual([
      'https://pccs.example:8081/sgx/certification/v4/rootcacrl',
      'https://pccs.example:8081/tdx/certification/v4/qe/identity',
    ]);
    expect(await checkPccs('https://api.trustedservices.intel.com/', { get })).toMatchObject({ verdict: 'ok' });
    expect(asked.slice(-2)).toEqual([
      'https://certificates.trustedservices.intel.com/IntelSGXRootCA.der',
      'https://api.trustedservices.intel.com/tdx/certification/v4/qe/identity',
    ]);
  });

  it('tells one that has not what is asked, one that does not answer, and none', async () => {
    const get = async (url: string) => (url.includes('tdx') ? 404 : 200);
    expect(await checkPccs('https://x', { get })).toMatchObject({
      verdict: 'fail',
      words: 'https://x/tdx/certification/v4/qe/identity answers with status 404',
    });
    const refused = () => Promise.reject(new TypeError('fetch failed', { cause: new Error('self-signed certificate') }));
    expect(await checkPccs('https://x', { get: refused })).toMatchObject({
      verdict: 'fail',
      words: 'https://x does not answer: self-signed certificate',
    });
    const lost = () => Promise.reject(new Error('timeout'));
    expect(await checkPccs('https://x', { get: lost })).toMatchObject({ words: expect.stringContaining('timeout') });
    expect(await checkPccs(null, { get })).toMatchObject({ verdict: 'unseen', words: expect.stringContaining('--pccs URL') });
  });
});
