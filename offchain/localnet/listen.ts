import type { Server } from 'node:http';
import { ConfigError } from '../core/errors';
import { systemErrorCode } from '../runtime/system-error';

/** Opens a port, 0 for a free one, and returns which. @throws ConfigError port_unusable */
export function listenOn(server: Server, host: string, port: number): Promise<number> {
  return new Promise((done, fail) => {
    server.once('error', (error) => {
      const reason = systemErrorCode(error) === 'EADDRINUSE' ? 'is in use' : `cannot be opened (${systemErrorCode(error)})`;
      fail(new ConfigError('port_unusable', `port ${port} on ${host} ${reason}`, { host, port }, { cause: error }));
    });
    server.listen(port, host, () => {
      const address = server.address();
      done(typeof address === 'object' && address !== null ? address.port : port);
    });
  });
}

/** Ends a server and what is connected to it. */
export function closeServer(server: Server): Promise<void> {
  return new Promise((done) => {
    server.close(() => done());
    server.closeAllConnections();
  });
}
