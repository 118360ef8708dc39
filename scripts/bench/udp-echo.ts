/** A UDP echo backend: node dist/scripts/bench/udp-echo.js PORT */
import { createSocket } from 'node:dgram';

const socket = createSocket('udp4');
socket.bind(Number(process.argv[2]), '127.0.0.1', () => socket.setRecvBufferSize(4 << 20));
socket.on('message', (data, { address, port }) => {
  socket.send(data, port, address, ignore);
});
socket.on('error', ignore);

function ignore(): void {}
