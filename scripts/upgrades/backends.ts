import { createHash } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';

/** Ports of the servers behind the balancer. */
export interface Backends {
  readonly echo: number;
  readonly sink: number;
  readonly udp: number;
}

async function listen(onSocket: (socket: Socket) => void): Promise<number> {
  const server: Server = createServer({ noDelay: true, allowHalfOpen: true }, socket => {
    socket.on('error', () => socket.destroy());
    onSocket(socket);
  });
  server.listen({ port: 0, host: '127.0.0.1', backlog: 8_192 });
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

/** A process of its own: an echo, a sink that answers with the SHA-256 of what it got, and a UDP echo. */
const udp = createSocket('udp4');
udp.on('message', (data, { port, address }) => udp.send(data, port, address));
udp.bind(0, '127.0.0.1');
await once(udp, 'listening');
udp.setRecvBufferSize(1 << 20);
const backends: Backends = {
  echo: await listen(socket => socket.pipe(socket)),
  sink: await listen(socket => {
    const hash = createHash('sha256');
    socket.on('data', chunk => hash.update(chunk));
    socket.on('end', () => socket.end(hash.digest('hex')));
  }),
  udp: udp.address().port,
};
process.send!(backends);
process.on('disconnect', () => process.exit(0));
