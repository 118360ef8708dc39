import type { Socket } from 'node:dgram';
import type { Server } from 'node:net';

interface Handle {
  readonly fd: number;
}

/**
 * The descriptor of a listening socket; -1 when it is closed. Node has no documented way to it, but these have been there since
 * Node 10 and are what its own cluster module goes by.
 */
export function descriptorOf(socket: Server | Socket): number {
  if (Object.hasOwn(socket, '_handle')) return (socket as unknown as { _handle?: Handle })._handle?.fd ?? -1;
  const symbol = Object.getOwnPropertySymbols(socket).find(one => one.description === 'state symbol');
  if (symbol === undefined) return -1;
  return (socket as unknown as Record<symbol, { handle?: Handle }>)[symbol]?.handle?.fd ?? -1;
}
