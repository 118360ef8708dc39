import { formatAddress } from '../../address.js';
import { converse, type TcpTarget } from './conversation.js';
import type { Probe } from './probe.js';

/** Well when it accepts a connection. `preamble` (a PROXY protocol header) goes first when it is not empty. */
export function tcpProbe(target: TcpTarget, preamble: Uint8Array): Probe {
  return {
    description: `tcp ${formatAddress(target.endpoint)}`,
    check: (timeoutMs, signal) =>
      converse(target, timeoutMs, signal, (socket, done) => {
        if (preamble.length > 0) socket.write(preamble);
        done();
      }),
  };
}
