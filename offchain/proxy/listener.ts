import type { Server } from 'node:net';
import type { Connection, Handler } from '../transport/exchange';
import { http1Server, http2Server, type ServeOptions, type SocketServer } from '../transport/server';
import { connectionOver } from '../transport/session';
import { listen, type TlsIdentity, tlsListener, WORKER_PROTOCOL } from '../transport/tls';

/** What is done with those who connect. */
interface Serving {
  readonly http2: SocketServer;
  readonly http1: SocketServer;
  addWorker(connection: Connection): void;
}

/**
 * One port for all: clients by HTTP/2 or HTTP/1.1, workers by their own protocol. It takes its port before it serves, since the
 * port is part of what the proxy registers on chain.
 */
export class PublicListener {
  private serving: Serving | null = null;

  private constructor(private readonly server: Server) {}

  /** @throws ConfigError port_unusable when the port is taken */
  static async open(
    identity: TlsIdentity,
    host: string,
    port: number,
  ): Promise<{ readonly listener: PublicListener; readonly port: number }> {
    const server = tlsListener(identity, ['h2', 'http/1.1', WORKER_PROTOCOL], (socket) => {
      const serving = listener.serving;
      if (serving === null) socket.destroy();
      else if (socket.alpnProtocol === WORKER_PROTOCOL) serving.addWorker(connectionOver(socket));
      else if (socket.alpnProtocol === 'h2') serving.http2.serve(socket);
      else serving.http1.serve(socket);
    });
    const listener = new PublicListener(server);
    return { listener, port: await listen(server, { host, port }) };
  }

  serve(handler: Handler, options: ServeOptions, addWorker: (connection: Connection) => void): void {
    this.serving = { http2: http2Server(handler, options), http1: http1Server(handler, options), addWorker };
  }

  close(): void {
    this.server.close();
    this.serving?.http2.close();
    this.serving?.http1.close();
  }
}
