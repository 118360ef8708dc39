/** CRC-32C (Castagnoli, RFC 3720 B.4), reflected polynomial. */
const POLYNOMIAL = 0x82f63b78;

const table = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ POLYNOMIAL : crc >>> 1;
  return crc >>> 0;
});

/**
 * CRC-32C of bytes[0, end), as an unsigned number, with the four bytes from `blank` on taken as zeros: that is how a
 * PROXY header contains its own checksum.
 */
export function crc32c(bytes: Uint8Array, end: number, blank = -4): number {
  let crc = 0xffffffff;
  for (let i = 0; i < end; i++) {
    const byte = i >= blank && i < blank + 4 ? 0 : bytes[i]!;
    crc = (crc >>> 8) ^ table[(crc ^ byte) & 255]!;
  }
  return ~crc >>> 0;
}
