import { concat, toHex, utf8 } from '../core/bytes';
import { FixedClock } from '../core/clock';
import { nodeCrypto } from '../runtime/node-crypto';
import { type Collateral, collateralDigest } from './collateral';
import { INTEL_PCS, INTEL_ROOT_CRL, PCS_HEADER, PCS_PATH } from './pcs-api';
import { type Fetch, PccsError, PcsSource } from './pcs-source';
import { issueCollateral } from './platform/development-collateral';
import { makePki, NOW, realCollateral, refusalsOfPlatform, tdReport } from './platform/forgery.test-kit';
import { answerPccs } from './platform/pccs';
import { writeQuote } from './platform/quote-writer';
import { loadTrustRoot } from './trust-root';

const pki = makePki();
const root = loadTrustRoot({ kind: 'development', der: pki.root.der }, nodeCrypto);
const FMSPC = '0d0e0f000000';
const query = async () => ({ root: await root, fmspc: FMSPC, ca: 'platform' as const });
const issued = (nowSec = NOW - 3600) => issueCollateral(pki.authority, { nowSec });

/** A PCCS that hands out `collateral`, what it was asked, and a way to change what it answers. */
function pccs(
  collateral: () => Collateral = issued,
  change: (path: string, response: Response) => Response | Promise<Response> = (_, r) => r,
) {
  const asked: string[] = [];
  const fetch: Fetch = async (url) => {
    asked.push(url);
    const { status, headers, body } = answerPccs(url, { fmspc: FMSPC, collateral });
    return change(new URL(url).pathname, new Response(Buffer.from(body), { status, headers }));
  };
  return { asked, fetch };
}

const sourceOver = (fetch: Fetch, clock = new FixedClock(NOW)) => new PcsSource({ baseUrl: 'http://pccs/', fetch, clock });
const digestOf = (collateral: Collateral) => collateralDigest(collateral, nodeCrypto);

describe('collateral from a PCCS', () => {
  test('is what the PCCS has, to the byte, and holds', async () => {
    const whole = issued();
    const { asked, fetch } = pccs(() => whole);
    const source = sourceOver(fetch);
    expect(await digestOf(await source.collateralFor(await query()))).toBe(await digestOf(whole));
    expect(asked.sort()).toEqual([
      'http://pccs/sgx/certification/v4/pckcrl?ca=platform&encoding=der',
      'http://pccs/sgx/certification/v4/rootcacrl',
      'http://pccs/tdx/certification/v4/qe/identity',
      'http://pccs/tdx/certification/v4/tcb?fmspc=0d0e0f000000',
    ]);
    const quote = writeQuote(tdReport(new Uint8Array(64)), pki.platform);
    expect(await refusalsOfPlatform({ quote, root: await root, collateral: source, nowSec: NOW })).toEqual([]);
  });

  test('of a real platform comes through to the byte, too', async () => {
    const whole = realCollateral('fmspc-90c06f');
    expect(await digestOf(await sourceOver(pccs(() => whole).fetch).collateralFor(await query()))).toBe(await digestOf(whole));
  });

  test("comes from Intel's own service with the root's list from beside it", async () => {
    const asked: string[] = [];
    const fetch: Fetch = async (url) => {
      asked.push(url);
      return new Response('', { status: 404 });
    };
    const source = new PcsSource({ baseUrl: INTEL_PCS, fetch, clock: new FixedClock(NOW) });
    await expect(source.collateralFor(await query())).rejects.toThrow(PccsError);
    expect(asked).toContain(INTEL_ROOT_CRL);
  });

  test('that is refused has none of its words read, and holds no connection', async () => {
    const cancelled: string[] = [];
    const fetch: Fetch = async (url) => {
      const body = new ReadableStream({ cancel: () => void cancelled.push(new URL(url).pathname) });
      return new Response(body, { status: 503 });
    };
    await expect(sourceOver(fetch).collateralFor(await query())).rejects.toMatchObject({ code: 'pccs_refused' });
    expect(cancelled.sort()).toEqual([PCS_PATH.pckCrl, PCS_PATH.rootCrl, PCS_PATH.tcbInfo, PCS_PATH.qeIdentity].sort());
  });

  test('is asked for once by all who come together, and again after an hour', async () => {
    const { asked, fetch } = pccs();
    const clock = new FixedClock(NOW);
    const source = sourceOver(fetch, clock);
    const [one, two] = await Promise.all([source.collateralFor(await query()), source.collateralFor(await query())]);
    expect(two).toBe(one);
    clock.advance(3599);
    expect(await source.collateralFor(await query())).toBe(one);
    expect(asked).toHaveLength(4);
    clock.advance(1);
    expect(await source.collateralFor(await query())).not.toBe(one);
    expect(asked).toHaveLength(8);
  });

  test('is asked for again after it was dropped, and when the clock went back', async () => {
    const { asked, fetch } = pccs();
    const clock = new FixedClock(NOW);
    const source = sourceOver(fetch, clock);
    await source.collateralFor(await query());
    source.drop(await query());
    clock.advance(30);
    await source.collateralFor(await query());
    expect(asked).toHaveLength(8);
    clock.advance(-31);
    await source.collateralFor(await query());
    expect(asked).toHaveLength(12);
  });

  test('is kept while the PCCS cannot be reached, but not when it was dropped (pccs_unreachable)', async () => {
    let isDown = false;
    const { fetch } = pccs(issued, (_, response) => {
      if (isDown) throw new TypeError('fetch failed');
      return response;
    });
    const clock = new FixedClock(NOW);
    const source = sourceOver(fetch, clock);
    const first = await source.collateralFor(await query());
    isDown = true;
    clock.advance(86_400);
    expect(await source.collateralFor(await query())).toBe(first);
    source.drop(await query());
    clock.advance(30);
    await expect(source.collateralFor(await query())).rejects.toMatchObject({ code: 'pccs_unreachable' });
  });

  test('is asked for twice in a minute at most, however many strangers show a platform without any', async () => {
    const { asked, fetch } = pccs();
    const clock = new FixedClock(NOW);
    const source = sourceOver(fetch, clock);
    const other = { ...(await query()), fmspc: '90c06f000000' };
    const refused = () => expect(source.collateralFor(other)).rejects.toMatchObject({ code: 'pccs_refused' });
    for (let strangers = 0; strangers < 10; strangers++) await refused();
    clock.advance(29);
    await refused();
    expect(asked).toHaveLength(4);
    clock.advance(1);
    await refused();
    expect(asked).toHaveLength(8);
    await source.collateralFor(await query());
    expect(asked).toHaveLength(12);
  });

  test('that does not hold is asked for twice in a minute at most, and names its reason every time (collateral-age)', async () => {
    const { asked, fetch } = pccs();
    const clock = new FixedClock(NOW);
    const source = sourceOver(fetch, clock);
    const quote = writeQuote(tdReport(new Uint8Array(64)), pki.platform);
    const policy = { maxCollateralAgeSec: 3599 };
    for (let strangers = 0; strangers < 10; strangers++) {
      const refusals = await refusalsOfPlatform({ quote, root: await root, collateral: source, nowSec: NOW, policy });
      expect(refusals.map((check) => check.name)).toEqual(['collateral-age']);
    }
    expect(asked).toHaveLength(4);
    clock.advance(30);
    expect(await refusalsOfPlatform({ quote, root: await root, collateral: source, nowSec: NOW })).toEqual([]);
    expect(asked).toHaveLength(8);
  });

  test('of another family is not there (pccs_refused)', async () => {
    const { fetch } = pccs();
    const other = { ...(await query()), fmspc: '90c06f000000' };
    await expect(sourceOver(fetch).collateralFor(other)).rejects.toMatchObject({
      code: 'pccs_refused',
      message: 'pccs answered 404 for /tdx/certification/v4/tcb',
    });
  });

  const replace = (path: string, make: (response: Response) => Response | Promise<Response>) => (at: string, response: Response) =>
    at === path ? make(response) : response;
  const withBody = (path: string, body: (before: Uint8Array) => Uint8Array | string) =>
    replace(path, async (response) => {
      const changed = body(new Uint8Array(await response.arrayBuffer()));
      return new Response(typeof changed === 'string' ? changed : Buffer.from(changed), { headers: response.headers });
    });

  test.each<[string, (path: string, response: Response) => Response | Promise<Response>]>([
    ['a list in DER instead of hex', withBody(PCS_PATH.rootCrl, () => pki.authority.rootCrl)],
    ['a list in upper-case hex with a line feed', withBody(PCS_PATH.rootCrl, () => `${toHex(pki.authority.rootCrl).toUpperCase()}\n`)],
    ['a line feed behind a document', withBody(PCS_PATH.tcbInfo, (before) => concat(before, utf8('\n')))],
    [
      'a chain without its last line feed',
      replace(PCS_PATH.qeIdentity, async (response) => {
        const chain = response.headers.get(PCS_HEADER.enclaveIdentity) ?? '';
        return new Response(await response.arrayBuffer(), { headers: { [PCS_HEADER.enclaveIdentity]: chain.replace(/%0A$/, '') } });
      }),
    ],
  ])('may come with %s', async (_, change) => {
    const whole = issued();
    expect(await digestOf(await sourceOver(pccs(() => whole, change).fetch).collateralFor(await query()))).toBe(await digestOf(whole));
  });

  test.each<[string, string, (path: string, response: Response) => Response | Promise<Response>]>([
    ['a status that is no answer', 'pccs_refused', replace(PCS_PATH.rootCrl, () => new Response('', { status: 503 }))],
    ['an endless answer', 'pccs_too_large', withBody(PCS_PATH.tcbInfo, () => new Uint8Array(512 * 1024 + 1))],
    ['an endless list', 'pccs_too_large', withBody(PCS_PATH.pckCrl, () => new Uint8Array(2 * 1024 * 1024 + 1))],
    ['a list that is neither DER nor hex', 'bad_collateral', withBody(PCS_PATH.rootCrl, () => '<html>')],
    ['a list that is not text', 'bad_collateral', withBody(PCS_PATH.pckCrl, () => Uint8Array.of(0xff, 0xfe))],
    ['no list', 'bad_collateral', withBody(PCS_PATH.pckCrl, () => '0')],
    ['a document without a signature', 'bad_collateral', withBody(PCS_PATH.tcbInfo, () => '{"tcbInfo":{}}')],
    ['a document of another name', 'bad_collateral', withBody(PCS_PATH.tcbInfo, () => `{"other":{},"signature":"${'00'.repeat(64)}"}`)],
    ['a short signature', 'bad_collateral', withBody(PCS_PATH.qeIdentity, () => `{"enclaveIdentity":{},"signature":"${'00'.repeat(63)}"}`)],
    [
      'an oversized chain',
      'bad_collateral',
      replace(
        PCS_PATH.tcbInfo,
        async (response) => new Response(await response.arrayBuffer(), { headers: { [PCS_HEADER.tcbInfo]: 'x'.repeat(32 * 1024 + 1) } }),
      ),
    ],
    [
      'a chain that is not percent-encoded',
      'bad_collateral',
      replace(PCS_PATH.tcbInfo, async (response) => new Response(await response.arrayBuffer(), { headers: { [PCS_HEADER.tcbInfo]: '%' } })),
    ],
  ])('with %s is refused (%s), and nothing of it is kept', async (_, code, change) => {
    let isBroken = true;
    const { fetch } = pccs(issued, (path, response) => (isBroken ? change(path, response) : response));
    const clock = new FixedClock(NOW);
    const source = sourceOver(fetch, clock);
    await expect(source.collateralFor(await query())).rejects.toMatchObject({ code });
    isBroken = false;
    clock.advance(30);
    await expect(source.collateralFor(await query())).resolves.toBeDefined();
  });

  test('without a chain is refused by the verifier (tcb-info)', async () => {
    const { fetch } = pccs(
      issued,
      replace(PCS_PATH.tcbInfo, async (response) => new Response(await response.arrayBuffer())),
    );
    const quote = writeQuote(tdReport(new Uint8Array(64)), pki.platform);
    const refusals = await refusalsOfPlatform({ quote, root: await root, collateral: sourceOver(fetch), nowSec: NOW });
    expect(refusals.map((check) => check.name)).toEqual(['tcb-info']);
  });

  test('is not fetched through redirects, and not for ever', async () => {
    const inits: Parameters<Fetch>[1][] = [];
    const { fetch } = pccs();
    await sourceOver((url, init) => {
      inits.push(init);
      return fetch(url, init);
    }).collateralFor(await query());
    expect(inits.map((init) => init.redirect)).toEqual(['error', 'error', 'error', 'error']);
    expect(inits.every((init) => init.signal instanceof AbortSignal)).toBe(true);
  });
});

describe('a local PCCS', () => {
  const content = { fmspc: FMSPC, collateral: issued };
  test.each([
    '/',
    '/sgx/certification/v4/pckcrl?ca=processor&encoding=der',
    '/sgx/certification/v4/pckcrl?ca=platform',
    '/tdx/certification/v4/tcb',
    '/tdx/certification/v4/tcb?fmspc=90c06f000000',
    '/sgx/certification/v4/tcb?fmspc=0d0e0f000000',
  ])('knows nothing of %s (404)', (target) => {
    expect(answerPccs(target, content)).toMatchObject({ status: 404 });
  });

  test('takes a family in capitals, as Intel writes it', () => {
    expect(answerPccs('/tdx/certification/v4/tcb?fmspc=0D0E0F000000', content)).toMatchObject({ status: 200 });
  });
});
