import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer } from 'node:net';

/** A backend that sends everything back, TCP and UDP, on this port of loopback. Returns what ends it. */
export async function echoServer(port: number): Promise<() => void> {
  const sockets = new Set<{ destroy(): void }>();
  const server = createServer({ noDelay: true }, socket => {
    sockets.add(socket);
    socket.on('error', () => {}).on('close', () => sockets.delete(socket));
    socket.pipe(socket);
  });
  server.listen({ host: '127.0.0.1', port, backlog: 4_096 });
  await once(server, 'listening');
  const datagrams = createSocket({ type: 'udp4', recvBufferSize: 4 << 20 });
  datagrams.on('message', (message, from) => datagrams.send(message, from.port, from.address));
  datagrams.bind(port, '127.0.0.1');
  await once(datagrams, 'listening');
  return () => {
    datagrams.close();
    server.close();
    for (const socket of sockets) socket.destroy();
  };
}
