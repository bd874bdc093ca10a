import { nodeCrypto } from '../runtime/node-crypto';
import { intelRoot, makePki, makeScene, NOW, platformOf, REAL_NOW, realQuote, tdReport } from './platform/forgery.test-kit';
import { type QuotingPlatform, writeQuote } from './platform/quote-writer';
import { parseQuote } from './quote';
import { verifyQuote } from './quote-chain';
import { QUOTE_CHECKS } from './report';
import { loadTrustRoot, type TrustRoot } from './trust-root';

async function failures(quote: Uint8Array, root: TrustRoot, nowSec = NOW): Promise<readonly string[]> {
  const { checks } = await verifyQuote(quote, [root], nowSec, nodeCrypto);
  expect(checks.map((check) => check.name)).toEqual(QUOTE_CHECKS);
  expect(checks.every((check) => check.required)).toBe(true);
  return checks.filter((check) => check.result !== 'pass').map((check) => check.name);
}

describe("under Intel's root", () => {
  test.each(['fmspc-90c06f', 'fmspc-b0c06f'] as const)('the real quote %s of version 4 passes every check', async (name) => {
    const verdict = await verifyQuote(realQuote(name), [await intelRoot()], REAL_NOW[name], nodeCrypto);
    expect(verdict.checks.map((check) => check.result)).toEqual(QUOTE_CHECKS.map(() => 'pass'));
    expect(verdict.root?.kind).toBe('intel');
    expect(verdict.chain?.notAfterSec).toBeGreaterThan(REAL_NOW[name]);
  });

  test('the real quote of an out-of-date platform passes, since TCB levels are not looked at here', async () => {
    expect(await failures(realQuote('fmspc-90c06f-outofdate'), await intelRoot(), REAL_NOW['fmspc-90c06f'])).toEqual([]);
  });

  test('the real quote of version 5 chains, and is refused for the service TD that is bound to it (td-attributes)', async () => {
    expect(await failures(realQuote('v5'), await intelRoot(), REAL_NOW['fmspc-90c06f'])).toEqual(['td-attributes']);
  });

  test('a real quote is refused before and after its certificates are valid (pck-chain)', async () => {
    const root = await intelRoot();
    expect(await failures(realQuote('fmspc-90c06f'), root, Date.UTC(2017, 0, 1) / 1000)).toEqual(['pck-chain']);
    expect(await failures(realQuote('fmspc-90c06f'), root, Date.UTC(2049, 0, 1) / 1000)).toEqual(['pck-chain']);
  });

  test('a simulated quote is refused (trust-root), and a real one under a development root', async () => {
    const { quote, root } = await makeScene();
    expect(await failures(quote, await intelRoot())).toEqual(['trust-root', 'pck-chain']);
    expect(await failures(realQuote('fmspc-90c06f'), root)).toEqual(['trust-root', 'pck-chain']);
  });
});

describe('under a development root', () => {
  const reportData = new Uint8Array(64);
  const pki = makePki();
  const load = (der: Uint8Array) => loadTrustRoot({ kind: 'development', der }, nodeCrypto);
  const write = (changes: Partial<QuotingPlatform>) => writeQuote(tdReport(reportData), { ...pki.platform, ...changes });

  test('a simulated quote passes every check, of version 4 and 5', async () => {
    const root = await load(pki.root.der);
    expect(await failures(write({}), root)).toEqual([]);
    const td15 = { ...tdReport(reportData), teeTcbSvn2: new Uint8Array(16), mrServiceTd: new Uint8Array(48) };
    const version5 = writeQuote(td15, pki.platform);
    expect(parseQuote(version5).version).toBe(5);
    expect(await failures(version5, root)).toEqual([]);
  });

  test('a quote of another root with the same names is refused (trust-root)', async () => {
    const other = await load(makePki().root.der);
    expect(await failures(write({}), other)).toEqual(['trust-root', 'pck-chain']);
  });

  test('a quote whose chain borrows the trusted root is refused (pck-chain)', async () => {
    const other = makePki();
    const quote = writeQuote(tdReport(reportData), platformOf([other.pck, other.ca, pki.root]));
    expect(await failures(quote, await load(pki.root.der))).toEqual(['pck-chain']);
  });

  test('a quote without a chain is refused (trust-root)', async () => {
    const quote = write({ pckChain: new Uint8Array(0) });
    expect(await failures(quote, await load(pki.root.der))).toEqual(['trust-root', 'pck-chain', 'qe-report']);
  });

  test('a quote with a malformed chain is refused (pck-chain)', async () => {
    const quote = write({ pckChain: Uint8Array.of(1, 2, 3) });
    expect(await failures(quote, await load(pki.root.der))).toEqual(['trust-root', 'pck-chain', 'qe-report']);
  });

  test("a quoting enclave's report that another key signed is refused (qe-report)", async () => {
    expect(await failures(write({ pckKey: makePki().pck.key }), await load(pki.root.der))).toEqual(['qe-report']);
  });

  test('a quoting enclave in debug mode is refused (qe-report)', async () => {
    const quote = write({ quotingEnclave: { attributes: Uint8Array.from({ length: 16 }, (_, i) => (i === 0 ? 0x13 : 0)) } });
    const { checks } = await verifyQuote(quote, [await load(pki.root.der)], NOW, nodeCrypto);
    expect(checks.find((check) => check.name === 'qe-report')).toMatchObject({
      result: 'fail',
      reason: 'the quoting enclave runs in debug mode',
    });
  });

  test('another attestation key with a signature of its own is refused (attestation-key)', async () => {
    const mine = parseQuote(write({}));
    const other = write({ attestationKey: makePki().pck.key });
    const forged = Uint8Array.from(other);
    // The other quote, with the quoting enclave's honest report and signature in place of its own.
    forged.set(mine.qeReport.bytes, mine.qeReport.bytes.byteOffset);
    forged.set(mine.qeReportSignature, mine.qeReportSignature.byteOffset);
    expect(await failures(forged, await load(pki.root.der))).toEqual(['attestation-key']);
  });

  test('a quote that its attestation key did not sign is refused (quote-signature)', async () => {
    const quote = write({});
    const { reportData: place } = parseQuote(quote).td;
    const forged = Uint8Array.from(quote);
    forged[place.byteOffset] = 1;
    expect(await failures(forged, await load(pki.root.der))).toEqual(['quote-signature']);
  });

  test.each([
    ['debug mode', '0100001000000000', 'td-debug'],
    ['another bit of the debug group', '8000001000000000', 'td-debug'],
    ['migration', '0000003000000000', 'td-attributes'],
    ['a reserved low bit', '0001001000000000', 'td-attributes'],
    ['a reserved high bit', '0000001000000040', 'td-attributes'],
    ['#VE on private pages', '0000000000000000', 'td-attributes'],
  ])('a guest with %s is refused (%s)', async (_, attributes, name) => {
    const td = { ...tdReport(reportData), tdAttributes: Buffer.from(attributes, 'hex') };
    expect(await failures(writeQuote(td, pki.platform), await load(pki.root.der))).toEqual([name]);
  });

  test.each(['000000d000000000', '0000001000000080'])('a guest with the CPU features %s is accepted', async (attributes) => {
    const td = { ...tdReport(reportData), tdAttributes: Buffer.from(attributes, 'hex') };
    expect(await failures(writeQuote(td, pki.platform), await load(pki.root.der))).toEqual([]);
  });

  test('a malformed quote fails its structure, and nothing else is said to have passed (quote-structure)', async () => {
    expect(await failures(new Uint8Array(100), await load(pki.root.der))).toEqual(QUOTE_CHECKS);
  });

  test('nobody is trusted where no root is named (trust-root)', async () => {
    const { checks } = await verifyQuote(write({}), [], NOW, nodeCrypto);
    expect(checks.find((check) => check.name === 'trust-root')?.result).toBe('fail');
  });
});
