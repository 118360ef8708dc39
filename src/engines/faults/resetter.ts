import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import type { Endpoint } from '../../address.js';

/** Stands in front of a backend and resets each connection after so many bytes from it: a real RST on a real socket. */
export class Resetter {
  readonly endpoint: Endpoint;
  private readonly server: Server;

  private constructor(server: Server) {
    this.server = server;
    this.endpoint = { kind: 'ip', host: '127.0.0.1', port: (server.address() as AddressInfo).port };
  }

  static async open(backend: Endpoint, afterBytes: number): Promise<Resetter> {
    const server = createServer(client => pass(client, backend, afterBytes));
    server.listen(0, '127.0.0.1').unref();
    await once(server, 'listening');
    return new Resetter(server);
  }

  /** Connections that are open go on to their reset. */
  close(): void {
    this.server.close();
  }
}

function pass(client: Socket, backend: Endpoint, afterBytes: number): void {
  client.on('error', () => {});
  if (afterBytes === 0) {
    // Not at once: a reset while lb4 still connects is a failed dial, and another backend would be tried.
    client.once('data', () => client.resetAndDestroy());
    return;
  }
  const upstream = connect(
    backend.kind === 'unix' ? { path: backend.path } : { host: backend.host, port: backend.port },
  );
  let left = afterBytes;
  upstream.on('data', data => {
    if (data.length < left) {
      left -= data.length;
      client.write(data);
      return;
    }
    // What comes before the reset is delivered first; nothing after it is.
    client.write(data.subarray(0, left), () => client.resetAndDestroy());
    upstream.destroy();
  });
  upstream.on('error', () => client.resetAndDestroy());
  upstream.on('end', () => client.end());
  client.on('close', () => upstream.destroy());
  client.pipe(upstream);
}
