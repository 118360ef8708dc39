import { type AddressInfo, createServer } from 'node:net';

/**
 * One of the demo's servers, in a process of its own so that it can be killed like one: answers each connection with its
 * name once it has read a line. Arguments: name, port (0 = any). Ends when its starter is gone.
 */
const [name = '', port = '0'] = process.argv.slice(2);

const server = createServer(socket => {
  socket.on('error', () => socket.destroy());
  socket.once('data', () => socket.end(`${name}\n`));
});
server.listen(Number(port), '127.0.0.1', () => {
  process.stdout.write(`${(server.address() as AddressInfo).port}\n`);
});
process.stdin.on('end', () => process.exit(0)).resume();
