/**
 * What a Node program does without further thought: pipe() both ways, one dgram socket a client. The yardstick for what
 * care is worth. Every argument is a service: node dist/scripts/bench/naive-proxy.js tcp:LISTEN_PORT:HOST:PORT,HOST:PORT udp:…
 */
import { createSocket, type Socket as DatagramSocket } from 'node:dgram';
import { connect, createServer } from 'node:net';

interface Target {
  readonly host: string;
  readonly port: number;
}

for (const argument of process.argv.slice(2)) {
  const [protocol, port, ...rest] = argument.split(':');
  const targets = rest.join(':').split(',').map(toTarget);
  if (protocol === 'udp') serveUdp(Number(port), targets);
  else serveTcp(Number(port), targets);
}

function toTarget(text: string): Target {
  const [host, port] = text.split(':');
  return { host: host!, port: Number(port) };
}

function serveTcp(port: number, targets: readonly Target[]): void {
  let turn = 0;
  const server = createServer({ allowHalfOpen: true, noDelay: true }, client => {
    const { host, port } = targets[turn++ % targets.length]!;
    const upstream = connect({ host, port, allowHalfOpen: true, noDelay: true });
    client.pipe(upstream);
    upstream.pipe(client);
    client.on('error', () => upstream.destroy());
    upstream.on('error', () => client.destroy());
  });
  server.listen({ host: '127.0.0.1', port, backlog: 4096 });
}

function serveUdp(port: number, targets: readonly Target[]): void {
  const flows = new Map<string, DatagramSocket>();
  const listener = createSocket('udp4');
  let turn = 0;
  listener.bind(port, '127.0.0.1', () => listener.setRecvBufferSize(4 << 20));
  listener.on('message', (data, client) => {
    const key = `${client.address}:${client.port}`;
    const target = targets[turn % targets.length]!;
    let upstream = flows.get(key);
    if (upstream === undefined) {
      turn++;
      upstream = createSocket('udp4');
      upstream.on('message', answer => listener.send(answer, client.port, client.address));
      flows.set(key, upstream);
    }
    upstream.send(data, target.port, target.host);
  });
}
