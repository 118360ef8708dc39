import type { Random } from './random.js';

/** No input is longer: what a parser does with more is the business of its limits, which have tests of their own. */
export const MAX_INPUT = 4_096;

/** Bytes at which things change: signs, ends of ranges, line ends, quotes. */
const BYTES = [0, 1, 4, 9, 10, 13, 32, 34, 39, 45, 48, 58, 92, 127, 128, 192, 239, 254, 255];
const NUMBERS = [
  ...['0', '-0', '-1', '00', '1e3', '0x10', '1_0', '+1', '.5', '127', '128', '255', '256', '65535', '65536'],
  ...['2147483647', '2147483648', '4294967296', '9007199254740993', '18446744073709551616', '1'.repeat(40)],
];

/** What a mutation may draw on. */
export interface Material {
  readonly random: Random;
  /** Words of the language that is parsed. */
  readonly words: readonly Uint8Array[];
  /** Other inputs. */
  readonly others: readonly Uint8Array[];
}

type Mutation = (input: Buffer, material: Material) => Uint8Array;

const MUTATIONS: readonly Mutation[] = [
  (input, { random }) => {
    input[random.below(input.length)]! ^= 1 << random.below(8);
    return input;
  },
  (input, { random }) => {
    input[random.below(input.length)] = random.once(2) ? random.below(256) : random.pick(BYTES);
    return input;
  },
  (input, { random }) => {
    input[random.below(input.length)]! += random.below(17) - 8;
    return input;
  },
  // Big-endian lengths and counts.
  (input, { random }) => {
    if (input.length > 1)
      input.writeUInt16BE(random.pick([0, 1, 3, 4, 255, 2048, 65535]), random.below(input.length - 1));
    return input;
  },
  (input, { random }) => {
    const [from, to] = range(input, random);
    return Buffer.concat([input.subarray(0, from), input.subarray(to)]);
  },
  (input, { random }) => {
    const [from, to] = range(input, random);
    return insert(input, input.subarray(from, to), random);
  },
  (input, { random }) => {
    const [from, to] = range(input, random);
    const piece = input.subarray(from, Math.min(to, from + 16));
    return insert(input, Buffer.concat(Array(1 + random.below(200)).fill(piece)), random);
  },
  (input, { random, words }) =>
    insert(input, words.length === 0 ? randomBytes(random) : random.pick(words), random),
  (input, { random, words }) => {
    if (words.length > 0) input.set(random.pick(words).subarray(0, input.length), 0);
    return input;
  },
  (input, { random }) => insert(input, randomBytes(random), random),
  (input, { random, others }) => {
    const other = random.pick(others);
    const [from, to] = range(other, random);
    return insert(input, other.subarray(from, to), random);
  },
  (input, { random, others }) => {
    const other = random.pick(others);
    return Buffer.concat([
      input.subarray(0, random.below(input.length + 1)),
      other.subarray(random.below(other.length + 1)),
    ]);
  },
  (input, { random }) => {
    const text = input.toString('latin1');
    const digits = [...text.matchAll(/-?\d+/g)];
    if (digits.length === 0) return input;
    const { index, 0: found } = random.pick(digits);
    const other = random.pick(NUMBERS);
    return Buffer.from(text.slice(0, index) + other + text.slice(index + found.length), 'latin1');
  },
  (input, { random }) => {
    const lines = input.toString('latin1').split('\n');
    const [a, b] = [random.below(lines.length), random.below(lines.length)];
    if (random.once(2)) lines.splice(a, 1);
    else [lines[a], lines[b]] = [lines[b]!, lines[a]!];
    return Buffer.from(lines.join('\n'), 'latin1');
  },
];

/** Another input from this one: a few changes, at most MAX_INPUT bytes. */
export function mutate(input: Uint8Array, material: Material): Uint8Array {
  const { random } = material;
  let now: Uint8Array = Uint8Array.from(input);
  for (let left = 1 + random.size(6); left > 0; left--) {
    if (now.length === 0) now = randomBytes(random);
    now = random.pick(MUTATIONS)(Buffer.from(now), material);
    if (now.length > MAX_INPUT) now = now.subarray(0, MAX_INPUT);
  }
  return now;
}

function range({ length }: Uint8Array, random: Random): [from: number, to: number] {
  const from = random.below(length);
  return [from, Math.min(length, from + 1 + random.size(length))];
}

function insert(input: Buffer, piece: Uint8Array, random: Random): Uint8Array {
  const at = random.below(input.length + 1);
  const behind = random.once(2) ? at : Math.min(input.length, at + piece.length);
  return Buffer.concat([input.subarray(0, at), piece, input.subarray(behind)]);
}

function randomBytes(random: Random): Uint8Array {
  return Uint8Array.from({ length: 1 + random.size(64) }, () => random.below(256));
}
