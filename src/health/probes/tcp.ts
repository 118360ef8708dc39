import { formatAddress } from '../../address.js';
import { WELL } from '../finding.js';
import type { Probe } from './probe.js';
import { converse, type TcpTarget } from './wire.js';

/** Well when it accepts a connection. */
export function tcpProbe(target: TcpTarget): Probe {
  return {
    description: `tcp ${formatAddress(target.endpoint)}`,
    check: (timeoutMs, signal) => converse(target, timeoutMs, signal, async () => WELL),
  };
}
