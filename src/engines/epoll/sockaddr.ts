import { type Endpoint, Peer } from '../../address.js';
import { AF_INET, AF_INET6, AF_UNIX } from './libc.js';

/** sockaddr_in is 16 bytes, sockaddr_in6 28, sockaddr_un 2 + path + 1. Ports and addresses are big-endian, the family is not. */
const IN_BYTES = 16;
const IN6_BYTES = 28;

/** Read the sockaddr at `at` into `peer`; a unix address becomes family 0. */
export function readSockaddr(data: DataView, at: number, peer: Peer): Peer {
  const family = data.getUint16(at, true);
  if (family === AF_INET) return peer.setV4(data.getUint32(at + 4), data.getUint16(at + 2));
  if (family === AF_INET6) {
    return peer.setV6(
      data.getUint32(at + 8),
      data.getUint32(at + 12),
      data.getUint32(at + 16),
      data.getUint32(at + 20),
      data.getUint16(at + 2),
    );
  }
  peer.family = 0;
  peer.a0 = peer.a1 = peer.a2 = peer.a3 = peer.port = 0;
  return peer;
}

/** Write `peer` as a sockaddr to `at`; with `mapped` an IPv4 peer becomes ::ffff:a.b.c.d. Returns the length. */
export function writeSockaddr(data: DataView, at: number, peer: Peer, mapped: boolean): number {
  if (peer.family === 4 && !mapped) {
    data.setUint16(at, AF_INET, true);
    data.setUint16(at + 2, peer.port);
    data.setUint32(at + 4, peer.a3);
    data.setBigUint64(at + 8, 0n);
    return IN_BYTES;
  }
  data.setUint16(at, AF_INET6, true);
  data.setUint16(at + 2, peer.port);
  data.setUint32(at + 4, 0);
  data.setUint32(at + 8, peer.a0);
  data.setUint32(at + 12, peer.a1);
  data.setUint32(at + 16, peer.family === 4 ? 0xffff : peer.a2);
  data.setUint32(at + 20, peer.a3);
  data.setUint32(at + 24, 0);
  return IN6_BYTES;
}

/** An endpoint ready for connect and bind: built once, used for every dial. */
export interface PackedEndpoint {
  readonly family: number;
  readonly bytes: Uint8Array;
}

export function packEndpoint(endpoint: Endpoint): PackedEndpoint {
  if (endpoint.kind === 'unix') {
    const path = Buffer.from(endpoint.path);
    const bytes = new Uint8Array(2 + path.length + 1);
    new DataView(bytes.buffer).setUint16(0, AF_UNIX, true);
    bytes.set(path, 2);
    return { family: AF_UNIX, bytes };
  }
  const bytes = new Uint8Array(IN6_BYTES);
  const v6 = endpoint.host.includes(':');
  const peer = new Peer().setText(endpoint.host, endpoint.port);
  const length = writeSockaddr(new DataView(bytes.buffer), 0, peer, v6);
  return { family: v6 ? AF_INET6 : AF_INET, bytes: bytes.subarray(0, length) };
}
