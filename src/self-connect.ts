import { readFileSync } from 'node:fs';
import { type Endpoint, isLoopback } from './address.js';

/** Where the system takes the ports from that it gives by itself: first and last. */
const ephemeral = readPortRange();

function readPortRange(): readonly [number, number] {
  try {
    const [low, high] = readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8').trim().split(/\s+/);
    return [Number(low), Number(high)];
  } catch {
    return [1024, 65535];
  }
}

/**
 * A dial to a loopback port on which nobody listens may get that very port as its own, and meet itself (simultaneous open, RFC
 * 9293, 3.5): a connection that looks like one, where there is nobody.
 */
export function mayMeetItself(endpoint: Endpoint): boolean {
  return (
    endpoint.kind === 'ip' &&
    endpoint.port >= ephemeral[0] &&
    endpoint.port <= ephemeral[1] &&
    isLoopback(endpoint.host)
  );
}
