import { createHash, generateKeyPairSync, X509Certificate } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { connect as connectTcp, createServer as createTcpServer, type Socket, type Server as TcpServer } from 'node:net';
import { type ConnectionOptions, connect as connectTls, createServer as createTlsServer, type Server, type TLSSocket } from 'node:tls';
import { ConfigError, codeOf } from '../core/errors';
import { writeFileAtomic } from '../runtime/state-folder';
import { TransportError } from './exchange';
import { selfSignedCertificate } from './self-signed';

/** What a TLS server shows: PEM texts, and the pin by which clients recognise it. */
export interface TlsIdentity {
  readonly keyPem: string;
  readonly certPem: string;
  /** SHA-256 of the certificate's SubjectPublicKeyInfo, lower-case hex. */
  readonly pin: string;
}

/** The application protocol of a worker's connection: the proxy makes the calls on it. */
export const WORKER_PROTOCOL = 'cocoon-worker/1';

const DAY_SEC = 24 * 3600;
const TEN_YEARS_SEC = 3650 * DAY_SEC;
const CONNECT_TIMEOUT_MS = 10_000;

/** Makes a self-signed P-256 certificate; whoever has its pin needs no authority. */
export async function createTlsIdentity(commonName: string): Promise<TlsIdentity> {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const nowSec = Math.floor(Date.now() / 1000);
  const der = selfSignedCertificate(privateKey, commonName, nowSec - DAY_SEC, nowSec + TEN_YEARS_SEC);
  return tlsIdentity(privateKey.export({ format: 'pem', type: 'pkcs8' }).toString(), new X509Certificate(der).toString());
}

/** The identity of a key and a certificate that somebody else made. */
export function tlsIdentity(keyPem: string, certPem: string): TlsIdentity {
  return { keyPem, certPem, pin: pinOf(new X509Certificate(certPem)) };
}

function pinOf(certificate: X509Certificate): string {
  return createHash('sha256')
    .update(certificate.publicKey.export({ format: 'der', type: 'spki' }))
    .digest('hex');
}

/** A TLS 1.3 listener that hands over each secured socket with its application protocol. */
export function tlsListener(identity: TlsIdentity, protocols: readonly string[], onSocket: (socket: TLSSocket) => void): Server {
  const server = createTlsServer(
    { key: identity.keyPem, cert: identity.certPem, minVersion: 'TLSv1.3', ALPNProtocols: [...protocols], handshakeTimeout: 10_000 },
    (socket) => {
      socket.on('error', () => socket.destroy());
      socket.setNoDelay(true);
      onSocket(socket);
    },
  );
  server.on('tlsClientError', (_error, socket) => socket.destroy());
  return server;
}

/**
 * A secured socket to `url` ("https://host:port"). With a pin the certificate's key must be the pinned one and nothing else counts;
 * without one the system's roots and the name decide. Nothing is written before that.
 * @throws TransportError connect_failed, pin_mismatch
 */
export async function dialTls(url: string, pin: string | null, protocol: string): Promise<TLSSocket> {
  const address = URL.canParse(url) ? new URL(url) : null;
  if (address?.protocol !== 'https:') throw new TransportError('connect_failed', `${url.slice(0, 200)} is not an https address`);
  const { hostname, port } = address;
  const host = hostname.replace(/^\[|\]$/g, '');
  const isName = !/^[0-9.]+$|:/.test(host);
  const options: ConnectionOptions = {
    host,
    port: port === '' ? 443 : Number(port),
    ...(isName ? { servername: host } : {}),
    minVersion: 'TLSv1.3',
    ALPNProtocols: [protocol],
    rejectUnauthorized: pin === null,
  };
  return new Promise((resolve, reject) => {
    const socket = connectTls(options);
    const fail = (code: string, message: string, cause?: unknown) => {
      socket.destroy();
      reject(new TransportError(code, message, { url }, { cause }));
    };
    socket.setTimeout(CONNECT_TIMEOUT_MS, () => fail('connect_failed', `no connection to ${url} within ${CONNECT_TIMEOUT_MS / 1000} s`));
    socket.on('error', (cause) => fail('connect_failed', `cannot connect to ${url}: ${cause.message}`, cause));
    socket.once('secureConnect', () => {
      const certificate = socket.getPeerX509Certificate();
      if (pin !== null && (certificate === undefined || pinOf(certificate) !== pin)) {
        return fail('pin_mismatch', `${url} shows another key than the one pinned on chain`);
      }
      if (socket.alpnProtocol !== protocol) return fail('connect_failed', `${url} does not speak ${protocol}`);
      socket.setTimeout(0);
      socket.setNoDelay(true);
      resolve(socket);
    });
  });
}

/** A plain listener on a Unix socket or pipe. */
export function localListener(onSocket: (socket: Socket) => void): TcpServer {
  return createTcpServer((socket) => {
    socket.on('error', () => socket.destroy());
    onSocket(socket);
  });
}

/** A socket to a Unix socket's path. @throws TransportError connect_failed */
export function dialLocal(path: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connectTcp(path);
    socket.on('error', (cause) =>
      reject(new TransportError('connect_failed', `cannot connect to ${path}: ${cause.message}`, { path }, { cause })),
    );
    socket.once('connect', () => resolve(socket));
  });
}

/** Listens and gives the port that was taken (0 asks for a free one). @throws ConfigError port_unusable */
export function listen(
  server: TcpServer,
  where: { readonly host: string; readonly port: number } | { readonly path: string },
): Promise<number> {
  return new Promise((resolve, reject) => {
    // Stays on: a listener also reports a connection that it could not accept, and that must not end the process.
    server.on('error', (cause) => reject(cannotListen(where, cause)));
    server.listen(where, () => {
      const address = server.address();
      resolve(address !== null && typeof address === 'object' ? address.port : 0);
    });
  });
}

function cannotListen(where: { readonly host: string; readonly port: number } | { readonly path: string }, cause: Error): Error {
  const place = 'path' in where ? where.path : `port ${where.port} on ${where.host}`;
  const reason = codeOf(cause) === 'EADDRINUSE' ? 'is in use' : `cannot be opened (${codeOf(cause)})`;
  return new ConfigError('port_unusable', `${place} ${reason}`, {}, { cause });
}

/** The identity in `<path>.key.pem` and `<path>.cert.pem`, made once. */
export async function loadOrCreateTlsIdentity(path: string, commonName: string): Promise<TlsIdentity> {
  const [keyFile, certFile] = [`${path}.key.pem`, `${path}.cert.pem`];
  if (existsSync(keyFile) && existsSync(certFile)) return tlsIdentity(readFileSync(keyFile, 'utf8'), readFileSync(certFile, 'utf8'));
  const identity = await createTlsIdentity(commonName);
  writeFileAtomic(certFile, identity.certPem);
  writeFileAtomic(keyFile, identity.keyPem);
  return identity;
}
