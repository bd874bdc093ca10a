import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { packReceipt, type Receipt, statementHash } from '../../wrappers/statements';
import { decodeCanonicalJson, encodeCanonicalJson } from '../attestation/canonical-json';
import { decodeClaims } from '../attestation/claims';
import { MAX_EVIDENCE_FILE_SIZE } from '../attestation/evidence-file';
import { DEFAULT_LIMITS } from '../attestation/policy';
import { expectedByClaims } from '../attestation/recorded-evidence';
import { EVIDENCE_CHECKS, RECEIPT_CHECKS } from '../attestation/report';
import type { ExpectedEvidence } from '../attestation/verify-evidence';
import {
  BLOCK,
  CHAT_URL,
  chat,
  hex,
  makeGuest,
  NOW,
  openTestClient,
  ROOT,
  type TestGuest,
  TestProxy,
  testCollateral,
  testRoot,
  testRootDer,
} from '../client/client.test-kit';
import { EvidenceArchive } from '../client/evidence-archive';
import { toBigEndian } from '../core/bytes';
import { FixedClock } from '../core/clock';
import { type ReceiptFile, receiptFile } from '../protocol/receipt-file';
import { generateSigner, nodeCrypto } from '../runtime/node-crypto';
import type { Opening } from '../sealing/opening';
import { RecordedTerminal } from './terminal.test-kit';
import { type VerifyOptions, verifyCommand } from './verify';

// What a client has written after one answer, and `cocoon verify` over it.

export const PROMPT = chat('What is a cocoon?');
export const AT = String(NOW);
/** A long time after everything was written. */
const LATER = new FixedClock(NOW + 40 * 86_400);

export interface Outcome {
  readonly isVerified: boolean;
  readonly text: string;
  readonly last: string;
  /** Names of the checks that failed. */
  readonly failed: readonly string[];
}

export class Written {
  private networks = 0;

  private constructor(
    readonly folder: string,
    readonly guest: TestGuest,
    /** Paths. */
    readonly evidence: string,
    readonly receipt: string,
    /** Body of the answer. */
    readonly answer: Uint8Array,
  ) {}

  static async open(): Promise<Written> {
    const folder = mkdtempSync(join(tmpdir(), 'cocoon-verify-'));
    const session = generateSigner();
    const guest = await makeGuest();
    const peer = await TestProxy.open(session.publicKey, [guest]);
    const client = await openTestClient(peer, { session });
    const { images, models, clock, proxy } = client;
    const archive = new EvidenceArchive({
      folder: join(folder, 'evidence'),
      sources: {
        crypto: nodeCrypto,
        clock,
        policy: { ...DEFAULT_LIMITS, trustRoots: [await testRoot()] },
        allowlist: { image: (hash) => images.get(hash) ?? null, model: (hash) => models.get(hash) ?? null },
        blocks: () => ({ rootHash: BLOCK.rootHash, atSec: NOW - 600 }),
        collateral: testCollateral(),
        fetchBundle: (digest) => proxy.evidence(digest),
        fetchGpuEvidence: (digest) => proxy.gpuEvidence(digest),
      },
      latestBlock: () => ({ seqno: 1001, rootHash: hex(0x67), atSec: NOW }),
      onTrouble: (error) => {
        throw error;
      },
    });
    const response = await client.fetch(CHAT_URL, PROMPT);
    const answer = new Uint8Array(await response.arrayBuffer());
    const [report] = client.reports;
    if (report === undefined) throw new RangeError('no answer');
    const receipt = join(folder, 'receipt.json');
    writeFileSync(receipt, await archive.receiptFile(report, session.publicKey));
    await client.close();
    await peer.close();
    return new Written(folder, guest, join(folder, 'evidence', `${guest.digest}.json`), receipt, answer);
  }

  close(): void {
    rmSync(this.folder, { recursive: true });
  }

  /** The path of a new file. */
  file(name: string, bytes: Uint8Array | string): string {
    const path = join(this.folder, name);
    writeFileSync(path, bytes);
    return path;
  }

  /** The path of a network.json; of the client's own network unless told otherwise. */
  network({ root = ROOT, der = testRootDer(), kind = 'development' } = {}): string {
    const trustRoots = [{ kind, der: Buffer.from(der).toString('base64') }];
    const url = 'http://127.0.0.1:1';
    const content = { name: 'test', networkId: -3, root, chain: [{ url }], trustRoots, pccs: url, clock: 'chain' };
    return this.file(`network-${this.networks++}.json`, JSON.stringify(content));
  }

  /** The path of a file like `source` with one field of its JSON changed: `path` leads to it. */
  changed(source: string, path: readonly string[], value: (old: unknown) => unknown): string {
    const at = (node: unknown, [key, ...rest]: readonly string[]): unknown => {
      if (key === undefined) return value(node);
      return typeof node === 'object' && node !== null ? { ...node, [key]: at(new Map(Object.entries(node)).get(key), rest) } : node;
    };
    return this.file('changed.json', encodeCanonicalJson(at(contentOf(source), path)));
  }

  /** The receipt file as it was written. */
  receiptContent(): ReceiptFile {
    return receiptFile.parse(contentOf(this.receipt));
  }

  /** The path of a receipt file with another receipt, which the guest itself has signed. */
  async signedReceipt(receipt: Receipt, opening: Opening): Promise<string> {
    const signature = await this.guest.receipt.sign(toBigEndian(statementHash(packReceipt(receipt)), 32));
    const content = receiptFile.encode({ ...this.receiptContent(), receipt, opening, signature });
    return this.file('signed.json', encodeCanonicalJson(content));
  }

  async run(options: VerifyOptions, clock = LATER): Promise<Outcome> {
    const terminal = new RecordedTerminal();
    const isVerified = await verifyCommand(options, terminal, clock);
    const lines = terminal.written.trimEnd().split('\n');
    const failed = lines.filter((line) => line.startsWith('  FAIL  ')).flatMap(namesIn);
    return { isVerified, text: terminal.written, last: lines.at(-1) ?? '', failed };
  }
}

/** What an honest offer of this guest says, as files have it. */
export function expectedOf({ keys, digest }: TestGuest): ExpectedEvidence {
  return expectedByClaims(decodeClaims(keys.claims), digest);
}

/** The checks that a line of a report is about. */
function namesIn(line: string): readonly string[] {
  const [, first = '', last = first, count = '1'] = /^ {2}\S+ +([a-z-]+)(?:\.\.([a-z-]+))? +(?:(\d+) checks: )?/.exec(line) ?? [];
  const all: readonly string[] = [...EVIDENCE_CHECKS, ...RECEIPT_CHECKS];
  const names = all.slice(all.indexOf(first), all.indexOf(last) + 1);
  if (names.length !== Number(count)) throw new RangeError(`a line that does not say which checks it is about: ${line}`);
  return names;
}

function contentOf(path: string): unknown {
  const bytes = readFileSync(path);
  return decodeCanonicalJson(bytes.at(-1) === 0x0a ? bytes.subarray(0, -1) : bytes, 2 * MAX_EVIDENCE_FILE_SIZE);
}
