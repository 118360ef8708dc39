const IP_HEADER = 20;
const UDP_HEADER = 8;
const UDP = 17;

/** A UDP datagram with its IPv4 header, as a raw socket sends it. */
export interface RawDatagram {
  readonly bytes: Buffer;
  /** Who it says that it is from: an address as a number, and a port. */
  setSource(address: number, port: number): void;
}

/** To this address and port. The kernel fills in the checksum of the IP header; a UDP checksum of 0 is none (RFC 768). */
export function rawDatagram(to: number, port: number, data: Uint8Array): RawDatagram {
  const bytes = Buffer.alloc(IP_HEADER + UDP_HEADER + data.length);
  bytes[0] = 0x45;
  bytes.writeUInt16BE(bytes.length, 2);
  bytes[8] = 64;
  bytes[9] = UDP;
  bytes.writeUInt32BE(to, 16);
  bytes.writeUInt16BE(port, IP_HEADER + 2);
  bytes.writeUInt16BE(UDP_HEADER + data.length, IP_HEADER + 4);
  bytes.set(data, IP_HEADER + UDP_HEADER);
  return {
    bytes,
    setSource: (address, from) => {
      bytes.writeUInt32BE(address, 12);
      bytes.writeUInt16BE(from, IP_HEADER);
    },
  };
}
