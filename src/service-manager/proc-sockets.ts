import { readFileSync, readlinkSync } from 'node:fs';
import { type Endpoint, Peer } from '../address.js';

export interface SocketAddress {
  readonly protocol: 'tcp' | 'udp';
  readonly address: Endpoint;
}

const TABLES = [
  { file: 'tcp', protocol: 'tcp' },
  { file: 'tcp6', protocol: 'tcp' },
  { file: 'udp', protocol: 'udp' },
  { file: 'udp6', protocol: 'udp' },
] as const;

/**
 * What a descriptor of this process is bound to, as /proc tells (Node has no getsockname for a descriptor that it did not
 * open). Undefined when it is no TCP, UDP or unix stream socket.
 */
export function socketOf(fd: number): SocketAddress | undefined {
  const inode = inodeOf(fd);
  if (inode === undefined) return undefined;
  for (const { file, protocol } of TABLES) {
    const local = localAddress(read(file), inode);
    if (local !== undefined) return { protocol, address: local };
  }
  const path = unixPath(read('unix'), inode);
  return path === undefined ? undefined : { protocol: 'tcp', address: { kind: 'unix', path } };
}

function inodeOf(fd: number): string | undefined {
  try {
    return /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/self/fd/${fd}`))?.[1];
  } catch {
    return undefined;
  }
}

function read(table: string): string {
  try {
    return readFileSync(`/proc/self/net/${table}`, 'utf8');
  } catch {
    // No IPv6 on this machine.
    return '';
  }
}

/** The local address of the socket with this inode in a table of the form of /proc/net/tcp. */
export function localAddress(table: string, inode: string): Endpoint | undefined {
  for (const line of table.split('\n')) {
    const fields = line.trim().split(/\s+/);
    if (fields[9] !== inode) continue;
    const [address, port] = fields[1]!.split(':');
    return { kind: 'ip', host: hostOf(address!), port: Number.parseInt(port!, 16) };
  }
  return undefined;
}

/** The path of the listening stream socket with this inode in a table of the form of /proc/net/unix. */
export function unixPath(table: string, inode: string): string | undefined {
  for (const line of table.split('\n')) {
    // Num RefCount Protocol Flags Type St Inode Path; type 0001 is a stream.
    const match = /^\S+ \S+ \S+ \S+ 0001 \S+\s+(\d+) (\/.*)$/.exec(line);
    if (match?.[1] === inode) return match[2];
  }
  return undefined;
}

/** Words of 32 bits in the byte order of the machine; little-endian wherever Node runs on Linux today. */
function hostOf(hex: string): string {
  const words = hex.match(/.{8}/g)!.map(word => Buffer.from(word, 'hex').readUInt32LE(0));
  if (words.length === 1) return new Peer().setV4(words[0]!, 0).address;
  const peer = new Peer();
  if (words.every(word => word === 0)) return '::';
  return peer.setV6(words[0]!, words[1]!, words[2]!, words[3]!, 0).address;
}
