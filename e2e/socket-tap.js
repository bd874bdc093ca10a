// A preload for tests: copies what proxy and worker send and receive, inside TLS, to files. The product knows nothing of it.
//   NODE_OPTIONS=--require .../e2e/socket-tap.js COCOON_TAP=<folder>
// Bytes of one socket and direction lie together in <folder>/<process>/<pid>.<number>.<in|out>, so that what was sent in one piece is
// found in one piece.

const { appendFileSync, mkdirSync } = require('node:fs');
const { Socket } = require('node:net');
const { join } = require('node:path');
const { TLSSocket } = require('node:tls');

const name = /[/\\](proxy|worker)[/\\]main\.js$/.exec(process.argv[1] ?? '')?.[1];
if (name !== undefined) tap(join(process.env.COCOON_TAP, name));

function tap(folder) {
  mkdirSync(folder, { recursive: true });
  const numbers = new WeakMap();
  let last = 0;
  const keep = (socket, direction, bytes) => {
    if (!numbers.has(socket)) numbers.set(socket, ++last);
    appendFileSync(join(folder, `${process.pid}.${numbers.get(socket)}.${direction}`), bytes);
  };

  // TLS sockets are sockets, too: here their bytes are in clear.
  const { push, _writeGeneric } = Socket.prototype;
  Socket.prototype.push = function (bytes, encoding) {
    if (bytes !== null && bytes !== undefined) keep(this, 'in', bytes);
    return push.call(this, bytes, encoding);
  };
  Socket.prototype._writeGeneric = function (isMany, data, encoding, done) {
    // While it connects it is called once more later.
    if (!this.connecting) {
      const parts = isMany ? data : [{ chunk: data, encoding }];
      for (const part of parts) keep(this, 'out', Buffer.from(part.chunk, part.encoding));
    }
    return _writeGeneric.call(this, isMany, data, encoding, done);
  };

  // HTTP takes bytes from a native handle past JavaScript; from one that does not look native it takes them through the socket. TCP
  // keeps its looks: TLS lies on it, and without TLS only fetch uses it, which reads the socket.
  const probe = new TLSSocket(undefined, { pipe: true });
  for (const handle of [probe._handle, probe._handle._parent]) Object.getPrototypeOf(handle).isStreamBase = false;
  probe.destroy();
}
