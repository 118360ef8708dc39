import { once } from 'node:events';
import { connect } from 'node:net';
import { Refused, type Session } from './writer.js';

/**
 * A connection through a balancer that says its name, and what it writes: one key. A server that refuses the write (READONLY)
 * does not end the session: that is the balancer's to do.
 */
export async function redisSession(port: number, name: string): Promise<Session> {
  const socket = connect({ host: '127.0.0.1', port, noDelay: true });
  let open = true;
  let text = '';
  const lines: string[] = [];
  const waiting: { resolve(line: string): void; reject(error: Error): void }[] = [];
  socket.on('data', chunk => {
    text += String(chunk);
    for (;;) {
      const end = text.indexOf('\r\n');
      if (end < 0) return;
      const line = text.slice(0, end);
      text = text.slice(end + 2);
      const first = waiting.shift();
      if (first === undefined) lines.push(line);
      else first.resolve(line);
    }
  });
  socket.on('error', () => {});
  socket.on('close', () => {
    open = false;
    for (const { reject } of waiting.splice(0)) reject(new Error('closed'));
  });
  const next = (): Promise<string> =>
    new Promise((resolve, reject) => {
      const line = lines.shift();
      if (line !== undefined) resolve(line);
      else if (open) waiting.push({ resolve, reject });
      else reject(new Error('closed'));
    });
  const ask = (command: string): Promise<string> => {
    socket.write(`${command}\r\n`);
    return next();
  };
  await once(socket, 'connect');
  await ask(`CLIENT SETNAME ${name}`);
  await ask('CONFIG GET port');
  // An array of two texts, each behind its length; the second one is the port.
  await next();
  await next();
  await next();
  const server = await next();
  return {
    get open() {
      return open;
    },
    async write() {
      const answer = await ask(`SET lab ${name}`);
      if (answer !== '+OK') throw new Refused(server);
      return server;
    },
    close() {
      socket.destroy();
    },
  };
}
