import type { Peer } from '../../address.js';

// Numbers and addresses straight from bytes: no strings for the connections of a busy listener.

const DOT = 0x2e;
const COLON = 0x3a;

/** A decimal number from 0 to `max` without leading zeros in bytes[start, end); -1 when it is not one. */
export function readDecimal(bytes: Uint8Array, start: number, end: number, max: number): number {
  if (start >= end || end - start > 5 || (bytes[start] === 0x30 && end - start > 1)) return -1;
  let value = 0;
  for (let i = start; i < end; i++) {
    const digit = bytes[i]! - 0x30;
    if (digit < 0 || digit > 9) return -1;
    value = value * 10 + digit;
  }
  return value <= max ? value : -1;
}

/** Four decimal octets as an unsigned number; -1 when it is not that. */
export function readQuad(bytes: Uint8Array, start: number, end: number): number {
  let value = 0;
  let from = start;
  for (let octets = 1; ; octets++) {
    let to = from;
    while (to < end && bytes[to] !== DOT) to++;
    const octet = readDecimal(bytes, from, to, 255);
    if (octet === -1) return -1;
    value = value * 256 + octet;
    if (to === end) return octets === 4 ? value : -1;
    if (octets === 4) return -1;
    from = to + 1;
  }
}

const groups = new Uint16Array(8);

/** RFC 4291 text, `::` once at most, a dotted quad at the end allowed, no zone. False when it is not that. */
export function readV6(bytes: Uint8Array, start: number, end: number, port: number, out: Peer): boolean {
  let count = 0;
  let gap = -1;
  let i = start;
  if (bytes[i] === COLON) {
    if (end - start < 2 || bytes[i + 1] !== COLON) return false;
    gap = 0;
    i += 2;
  }
  while (i < end) {
    if (count === 8) return false;
    let group = 0;
    let to = i;
    for (; to < end; to++) {
      const digit = hexDigit(bytes[to]!);
      if (digit === -1) break;
      if (to - i === 4) return false;
      group = group * 16 + digit;
    }
    if (to < end && bytes[to] === DOT) {
      const quad = readQuad(bytes, i, end);
      if (quad === -1 || count > 6) return false;
      groups[count++] = quad >>> 16;
      groups[count++] = quad;
      break;
    }
    if (to === i) return false;
    groups[count++] = group;
    if (to === end) break;
    i = to + 1;
    if (bytes[to] !== COLON || i === end) return false;
    if (bytes[i] === COLON) {
      if (gap !== -1) return false;
      gap = count;
      i++;
    }
  }
  if (gap === -1 ? count !== 8 : count === 8) return false;
  if (gap !== -1) {
    groups.copyWithin(8 - count + gap, gap, count);
    groups.fill(0, gap, 8 - count + gap);
  }
  out.setV6(word(0), word(2), word(4), word(6), port);
  return true;
}

function word(group: number): number {
  return ((groups[group]! << 16) | groups[group + 1]!) >>> 0;
}

function hexDigit(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const lower = byte | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}
