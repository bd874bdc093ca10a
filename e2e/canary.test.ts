import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { fromBase64Url } from '../offchain/core/bytes';
import { controlSocketPath } from '../offchain/runtime/control';
import { connectionOver } from '../offchain/transport/session';
import { dialLocal, dialTls, tlsIdentity } from '../offchain/transport/tls';
import { encodingsOf, headerEncodingsOf, type Patterns, Searcher, searchFolder, searchMemory } from './canary.test-kit';
import { EchoEngine } from './echo-engine.test-kit';
import { DevNetwork, type ProcessName, until } from './network.test-kit';

/** Of the prompt and its answer. */
const CANARY = 'quvexolimbrathyzundarp';
/** Of a header that everybody may read. */
const HEADER_CANARY = 'wojfekilptagruznychomby';
const FORMS = encodingsOf(CANARY);
const HEADER_FORMS = encodingsOf(HEADER_CANARY);
const HEADER_FORMS_OF_HTTP2 = headerEncodingsOf(HEADER_CANARY);

/** Only Linux shows a process's memory as a file; everywhere else the rest is tested. */
const isMemoryReadable = process.platform === 'linux';
const BLIND = ['proxy', 'worker'] as const;

describe('the search for a word', () => {
  const word = 'm~?zzé';
  const patterns = encodingsOf(word);
  const found = (bytes: Buffer, wanted = patterns) => {
    const searcher = new Searcher(wanted);
    searcher.push(bytes, 0);
    return [...searcher.found];
  };
  const around = (inner: Buffer) => Buffer.concat([Buffer.from('xyz'), inner, Buffer.from('uv')]);

  it.each([
    ['utf-8', Buffer.from(word)],
    ['utf-16le', Buffer.from(word, 'utf16le')],
    ['utf-16be', Buffer.from(word, 'utf16le').swap16()],
    ['hex', Buffer.from(Buffer.from(word).toString('hex'))],
    ['HEX', Buffer.from(Buffer.from(word).toString('hex').toUpperCase())],
    ['base64+0', Buffer.from(around(Buffer.from(word)).toString('base64'))],
    ['base64+1', Buffer.from(Buffer.from(`abcd${word}e`).toString('base64'))],
    ['base64+2', Buffer.from(Buffer.from(`ab${word}cd`).toString('base64'))],
    ['base64url+0', Buffer.from(around(Buffer.from(word)).toString('base64url'))],
    ['base64url+1', Buffer.from(Buffer.from(`abcd${word}e`).toString('base64url'))],
    ['base64url+2', Buffer.from(Buffer.from(`ab${word}cd`).toString('base64url'))],
  ])('finds it as %s, and as nothing else', (form, bytes) => {
    // Bits of another alignment can be the same in both base64 alphabets.
    const same = [...patterns].filter(([, pattern]) => pattern.equals(patterns.get(form) ?? Buffer.alloc(0))).map(([name]) => name);
    expect(found(around(bytes))).toEqual(same);
    expect(found(around(bytes.subarray(0, bytes.length / 2)))).toEqual([]);
  });

  it('tells base64url from base64 where they differ', () => {
    expect(patterns.get('base64+0')).not.toEqual(patterns.get('base64url+0'));
  });

  it('finds it across the border of two pieces, and not across a gap', () => {
    const [left, right] = [Buffer.from('m~'), Buffer.from('?zzé')];
    const close = new Searcher(patterns);
    close.push(left, 100);
    close.push(right, 102);
    const apart = new Searcher(patterns);
    apart.push(left, 100);
    apart.push(right, 103);
    expect([[...close.found], [...apart.found]]).toEqual([['utf-8'], []]);
  });

  it("finds it in an HTTP/2 header's Huffman code (RFC 7541, C.4.1)", () => {
    // "www.example.com" is f1e3 c2e5 f23a 6ba0 ab90 f4ff there.
    expect(found(Buffer.from('f1e3c2e5f23a6ba0ab90f4ff', 'hex'), headerEncodingsOf('example'))).toEqual(['hpack+3']);
  });
});

describe('a rare word in a prompt and in its answer', () => {
  const tap = mkdtempSync(join(tmpdir(), 'cocoon-tap-'));
  let engine: EchoEngine;
  let network: DevNetwork;

  beforeAll(async () => {
    engine = await EchoEngine.start();
    network = await DevNetwork.start({
      args: ['--engine', engine.url],
      env: { NODE_OPTIONS: `--require ${JSON.stringify(join(__dirname, 'socket-tap.js'))}`, COCOON_TAP: tap },
    });
  });

  afterAll(async () => {
    engine.stop();
    await network.stop();
    rmSync(tap, { recursive: true, force: true });
  });

  const prompt = `Say ${CANARY} and ${CANARY}.`;
  const messages = [{ role: 'user' as const, content: prompt }];
  /** Of the streamed answer: what has come, and that it is over. */
  let answer = '';
  let ended: Promise<void>;

  async function inMemory(name: ProcessName, patterns: Patterns): Promise<readonly string[]> {
    return searchMemory(await until(`${name} answers`, () => network.pid(name)), patterns);
  }

  describe('while it is answered', () => {
    beforeAll(async () => {
      const stream = await network.openai.chat.completions.create({ model: network.model, messages, stream: true });
      ended = (async () => {
        for await (const chunk of stream) answer += chunk.choices[0]?.delta.content ?? '';
      })();
      await until('the answer has both words', async () => answer === prompt);
    });

    if (isMemoryReadable) {
      it.each(['client', 'guest'] as const)('is in the memory of the %s, which the search finds', async (name) => {
        expect(await inMemory(name, FORMS)).toContain('utf-8');
      });

      it.each(BLIND)('is not in the memory of the %s', async (name) => {
        expect(await inMemory(name, FORMS)).toEqual([]);
      });
    }

    it.each(BLIND)('is not in the files and logs of the %s', (name) => {
      expect(searchFolder(network.folder(name), FORMS)).toEqual([]);
    });
  });

  describe('when it was answered, streamed and whole', () => {
    beforeAll(async () => {
      engine.release();
      await ended;
      expect(answer).toBe(prompt);
      const whole = await network.openai.chat.completions.create({ model: network.model, messages });
      expect(whole.choices[0]?.message.content).toBe(prompt);
    });

    if (isMemoryReadable) {
      it.each(BLIND)('is not in the memory of the %s', async (name) => {
        expect(await inMemory(name, FORMS)).toEqual([]);
      });
    }

    it.each([...BLIND, 'chain'] as const)('is not in the files and logs of the %s', (name) => {
      expect(searchFolder(network.folder(name), FORMS)).toEqual([]);
    });

    it.each(BLIND)('is not in what the %s sends and receives inside TLS', (name) => {
      expect(searchFolder(join(tap, name), new Map([...FORMS, ...headerEncodingsOf(CANARY)]))).toEqual([]);
    });

    it.each(BLIND)('has answers whose sealed bytes were seen to come to the %s and to leave it', async (name) => {
      const { answers } = await network.command('client', 'answers', answersSchema);
      expect(answers).toHaveLength(2);
      for (const { signature } of answers) {
        const places = searchFolder(join(tap, name), new Map([['signature', Buffer.from(fromBase64Url(signature))]]));
        expect(places).toContainEqual(expect.stringMatching(/\.in: signature$/));
        expect(places).toContainEqual(expect.stringMatching(/\.out: signature$/));
      }
    });
  });

  describe('unlike a word in a header that everybody may read', () => {
    const sockets: Socket[] = [];
    const dialProxy = async (protocol: string) => {
      const certificate = readFileSync(join(network.folder('proxy'), 'keys', 'tls.cert.pem'), 'utf8');
      return dialTls(`https://127.0.0.1:${network.config('proxy').port}`, tlsIdentity('', certificate).pin, protocol);
    };

    beforeAll(async () => {
      sockets.push(await dialProxy('http/1.1'), await dialLocal(controlSocketPath(network.folder('worker'))));
      // The head does not end: it is held where it is read.
      for (const socket of sockets) socket.write(`GET / HTTP/1.1\r\nhost: cocoon\r\nx-canary: ${HEADER_CANARY}\r\nx-more: `);
    });

    afterAll(() => {
      for (const socket of sockets) socket.destroy();
    });

    it.each(BLIND)('which the same search finds in what the %s receives', async (name) => {
      const places = await until('the header', async () => {
        const found = searchFolder(join(tap, name), HEADER_FORMS);
        return found.length > 0 && found;
      });
      expect(places).toEqual([expect.stringMatching(/\.in: utf-8$/)]);
    });

    if (isMemoryReadable) {
      it.each(BLIND)('which the same search finds in the memory of the %s', async (name) => {
        expect(await inMemory(name, HEADER_FORMS)).toContain('utf-8');
      });
    }

    it('which the same search finds in what the proxy receives by HTTP/2 inside TLS', async () => {
      const connection = connectionOver(await dialProxy('h2'));
      await connection.call({ method: 'GET', path: '/v1/proxy', headers: { 'x-canary': HEADER_CANARY } });
      connection.close();
      expect(searchFolder(join(tap, 'proxy'), HEADER_FORMS_OF_HTTP2)).toEqual([expect.stringMatching(/\.in: hpack\+\d$/)]);
    });
  });
});

const answersSchema = z.object({ answers: z.array(z.object({ signature: z.string() })) });
