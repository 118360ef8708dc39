/** A UDP echo backend: node dist/scripts/bench/udp-echo.js PORT */
import { Batch } from './udp-batch.js';
import { boundSocket } from './udp-socket.js';

/** Wait for the first message and take what else is there. */
const MSG_WAITFORONE = 0x10000;

const socket = boundSocket(Number(process.argv[2]));
const batch = new Batch(true);
for (;;) {
  const count = batch.receive(socket, MSG_WAITFORONE);
  for (let i = 0; i < count; i++) batch.setLength(i, batch.length(i));
  batch.send(socket, count);
}
