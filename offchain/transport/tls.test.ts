import { createHash, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer as createTlsServer, type Server, type TLSSocket } from 'node:tls';
import { codeOf } from '../core/errors';
import { createTlsIdentity, dialLocal, dialTls, listen, loadOrCreateTlsIdentity, tlsIdentity, tlsListener } from './tls';
import { testIdentity } from './ways-to-connect.test-kit';

const servers: { close(): void }[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

/** A listener on a free port that keeps what comes in on each socket until it closes. */
async function openListener(
  protocols: readonly string[],
): Promise<{ readonly url: string; readonly received: Promise<Buffer>; readonly all: Promise<Buffer> }> {
  let socketCame: (socket: TLSSocket) => void = () => undefined;
  const socket = new Promise<TLSSocket>((resolve) => {
    socketCame = resolve;
  });
  const listener = tlsListener(await testIdentity(), protocols, socketCame);
  servers.push(listener);
  const port = await listen(listener, { host: '127.0.0.1', port: 0 });
  const all = socket.then(async (accepted) => {
    const parts: Buffer[] = [];
    accepted.on('data', (part: Buffer) => parts.push(part));
    await once(accepted, 'close');
    return Buffer.concat(parts);
  });
  // A caller may be gone before its handshake has ended here; then it has sent nothing.
  const nothing = new Promise<Buffer>((resolve) => listener.once('tlsClientError', () => resolve(Buffer.alloc(0))));
  const received = Promise.race([all, nothing]);
  return { url: `https://127.0.0.1:${port}`, received, all };
}

async function listenOn(server: Server | ReturnType<typeof createServer>): Promise<string> {
  servers.push(server);
  return `https://127.0.0.1:${await listen(server, { host: '127.0.0.1', port: 0 })}`;
}

/** The code of the error with which a dial fails: a socket that should not be there would be pages long in a report. */
function outcomeOf(dial: Promise<TLSSocket>): Promise<string> {
  return dial.then((socket) => {
    socket.destroy();
    return 'connected';
  }, codeOf);
}

describe('a dial', () => {
  it('with the right pin gives a socket of TLS 1.3 and the protocol asked for', async () => {
    const { url, received } = await openListener(['a', 'b']);
    const socket = await dialTls(url, (await testIdentity()).pin, 'b');
    expect([socket.getProtocol(), socket.alpnProtocol]).toEqual(['TLSv1.3', 'b']);
    socket.end('hello');
    expect((await received).toString()).toBe('hello');
  });

  it('with another pin is refused before a byte of ours is sent (pin_mismatch)', async () => {
    const { url, received } = await openListener(['h2']);
    const { pin } = await createTlsIdentity('another');
    expect(await outcomeOf(dialTls(url, pin, 'h2'))).toBe('pin_mismatch');
    expect(await received).toHaveLength(0);
  });

  it.each(['', 'ABC', '0'.repeat(64)])('with the pin %j is refused (pin_mismatch)', async (pin) => {
    const { url } = await openListener(['h2']);
    expect(await outcomeOf(dialTls(url, pin, 'h2'))).toBe('pin_mismatch');
  });

  it('without a pin takes no certificate that nobody vouches for (connect_failed)', async () => {
    const { url } = await openListener(['h2']);
    expect(await outcomeOf(dialTls(url, null, 'h2'))).toBe('connect_failed');
  });

  it('is refused by a server that does not speak the protocol (connect_failed)', async () => {
    const { url } = await openListener(['h2']);
    expect(await outcomeOf(dialTls(url, (await testIdentity()).pin, 'cocoon-worker/1'))).toBe('connect_failed');
  });

  it('refuses a server that ignores the protocol (connect_failed)', async () => {
    const own = await testIdentity();
    const url = await listenOn(createTlsServer({ key: own.keyPem, cert: own.certPem }));
    await expect(dialTls(url, own.pin, 'h2')).rejects.toMatchObject({ code: 'connect_failed', message: `${url} does not speak h2` });
  });

  it('refuses TLS 1.2 (connect_failed)', async () => {
    const own = await testIdentity();
    const url = await listenOn(createTlsServer({ key: own.keyPem, cert: own.certPem, maxVersion: 'TLSv1.2', ALPNProtocols: ['h2'] }));
    expect(await outcomeOf(dialTls(url, own.pin, 'h2'))).toBe('connect_failed');
  });

  it.each<[string, (url: string) => string]>([
    ['a port where nobody listens', (url) => url],
    ['no address', () => 'not an address'],
    ['an empty text', () => ''],
    ['a port that is none', () => 'https://127.0.0.1:99999'],
  ])('to %s fails (connect_failed)', async (_name, target) => {
    const server = createServer();
    const url = `https://127.0.0.1:${await listen(server, { host: '127.0.0.1', port: 0 })}`;
    const closed = once(server, 'close');
    server.close();
    await closed;
    expect(await outcomeOf(dialTls(target(url), null, 'h2'))).toBe('connect_failed');
  });

  it('to an address without TLS fails, whoever listens there (connect_failed)', async () => {
    const { url } = await openListener(['h2']);
    expect(await outcomeOf(dialTls(url.replace('https:', 'http:'), (await testIdentity()).pin, 'h2'))).toBe('connect_failed');
  });

  it('to a server that hangs up fails (connect_failed)', async () => {
    const url = await listenOn(createServer((socket) => socket.destroy()));
    expect(await outcomeOf(dialTls(url, null, 'h2'))).toBe('connect_failed');
  });

  it('to a server that does not speak TLS fails (connect_failed)', async () => {
    const url = await listenOn(createServer((socket) => socket.on('error', () => undefined).end('HTTP/1.1 400 Bad Request\r\n\r\n')));
    expect(await outcomeOf(dialTls(url, null, 'h2'))).toBe('connect_failed');
  });

  it('to a path where nobody listens fails (connect_failed)', async () => {
    await expect(dialLocal(join(tmpdir(), 'cocoon-nobody'))).rejects.toMatchObject({ name: 'TransportError', code: 'connect_failed' });
  });
});

describe('a listener', () => {
  it('goes on after a caller that does not speak TLS', async () => {
    const { url, all } = await openListener(['h2']);
    const stranger = connect(Number(new URL(url).port), '127.0.0.1');
    stranger.on('error', () => undefined);
    stranger.end('GET / HTTP/1.1\r\n\r\n');
    await once(stranger.resume(), 'close');
    (await dialTls(url, (await testIdentity()).pin, 'h2')).end('hello');
    expect((await all).toString()).toBe('hello');
  });

  it('says when its port is taken (port_unusable)', async () => {
    const server = createServer();
    servers.push(server);
    const port = await listen(server, { host: '127.0.0.1', port: 0 });
    await expect(listen(createServer(), { host: '127.0.0.1', port })).rejects.toMatchObject({
      name: 'ConfigError',
      code: 'port_unusable',
      message: `port ${port} on 127.0.0.1 is in use`,
    });
  });

  it('survives a connection that it could not accept', async () => {
    const server = createServer();
    servers.push(server);
    await listen(server, { host: '127.0.0.1', port: 0 });
    expect(() => {
      for (let i = 0; i < 3; i++) server.emit('error', new Error('accept: too many open files'));
    }).not.toThrow();
  });
});

describe('an identity', () => {
  it('is made once for its path, with its key readable to its owner only', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'cocoon-'));
    const first = await loadOrCreateTlsIdentity(join(folder, 'tls'), 'a name');
    expect(await loadOrCreateTlsIdentity(join(folder, 'tls'), 'a name')).toEqual(first);
    expect(statSync(join(folder, 'tls.key.pem')).mode & 0o777).toBe(0o600);
    rmSync(folder, { recursive: true });
  });

  it('is a certificate that signs itself, with a positive serial number, valid now and for years', async () => {
    const { certPem } = await createTlsIdentity('a name');
    const certificate = new X509Certificate(certPem);
    expect(certificate.subject).toBe('CN=a name');
    expect(certificate.issuer).toBe('CN=a name');
    expect(certificate.verify(certificate.publicKey)).toBe(true);
    expect(certificate.publicKey.asymmetricKeyDetails).toEqual({ namedCurve: 'prime256v1' });
    expect(certificate.serialNumber).toMatch(/^40[0-9A-F]{30}$/);
    const years = (Date.parse(certificate.validTo) - Date.parse(certificate.validFrom)) / (365 * 24 * 3600 * 1000);
    expect(Math.floor(years)).toBe(10);
    expect(Date.parse(certificate.validFrom)).toBeLessThan(Date.now());
  });

  it('is recognised by the hash of its public key, whoever reads it', async () => {
    const made = await createTlsIdentity('a name');
    const spki = new X509Certificate(made.certPem).publicKey.export({ format: 'der', type: 'spki' });
    expect(made.pin).toBe(createHash('sha256').update(spki).digest('hex'));
    expect(tlsIdentity(made.keyPem, made.certPem)).toEqual(made);
  });

  it('has a key of its own each time', async () => {
    expect((await createTlsIdentity('x')).pin).not.toBe((await createTlsIdentity('x')).pin);
  });
});
