import type { Candidate, Flow } from './strategy.js';

/** The finalizer of MurmurHash3 (Austin Appleby, public domain): every input bit changes every output bit. Signed 32 bit. */
export function mix(h: number): number {
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}

/** One four-byte block of MurmurHash3_x86_32. */
function block(h: number, word: number): number {
  let k = Math.imul(word, 0xcc9e2d51);
  k = (k << 15) | (k >>> 17);
  h ^= Math.imul(k, 0x1b873593);
  h = (h << 13) | (h >>> 19);
  return (Math.imul(h, 5) + 0xe6546b64) | 0;
}

/** FNV-1a (Fowler, Noll, Vo) over the UTF-16 units, then `mix`. Signed 32 bit; for `rebuild`. */
export function hashText(text: string, seed: number): number {
  let h = 0x811c9dc5 ^ seed;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
  return mix(h);
}

/** The options of strategies that hash the client address. */
export const PREFIX_DEFAULTS = { prefix4: 32, prefix6: 64 };

/**
 * Hashes client addresses by MurmurHash3_x86_32 over the address words, with all but the prefix masked off. The port
 * takes no part: a client's connections stay together. Every client over a unix socket has the same hash.
 */
export class ClientHash {
  private readonly mask: number;
  private readonly mask0: number;
  private readonly mask1: number;
  private readonly mask2: number;
  private readonly mask3: number;

  /** `prefix4` from 0 to 32, `prefix6` from 0 to 128 bits. */
  constructor(prefix4: number, prefix6: number) {
    this.mask = maskWord(prefix4);
    this.mask0 = maskWord(prefix6);
    this.mask1 = maskWord(prefix6 - 32);
    this.mask2 = maskWord(prefix6 - 64);
    this.mask3 = maskWord(prefix6 - 96);
  }

  /** Unsigned 32 bit. */
  of(flow: Flow): number {
    if (flow.family === 4) return mix(block(0, flow.a3 & this.mask) ^ 4) >>> 0;
    let h = block(0, flow.a0 & this.mask0);
    h = block(h, flow.a1 & this.mask1);
    h = block(h, flow.a2 & this.mask2);
    h = block(h, flow.a3 & this.mask3);
    return mix(h ^ 16) >>> 0;
  }
}

function maskWord(bits: number): number {
  if (bits <= 0) return 0;
  return bits >= 32 ? -1 : -1 << (32 - bits);
}

/**
 * The list in an order that every instance agrees on: by key, then id. A copy. Keys are compared by code unit, not by
 * locale.
 */
export function inAgreedOrder(candidates: readonly Candidate[]): Candidate[] {
  return candidates.slice().sort((a, b) => compare(a.key, b.key) || compare(a.id, b.id));
}

function compare(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

/** A hash of each key of an ordered list; a key that occurs again gets another hash, so that both have their share. */
export function hashKeys(ordered: readonly Candidate[], seed: number): Int32Array {
  const hashes = new Int32Array(ordered.length);
  let repeated = 0;
  for (let i = 0; i < ordered.length; i++) {
    const key = ordered[i]!.key;
    repeated = i > 0 && ordered[i - 1]!.key === key ? repeated + 1 : 0;
    hashes[i] = hashText(key, mix(seed + repeated));
  }
  return hashes;
}
