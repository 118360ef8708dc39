/** How untrusted text is shown in messages: short, on one line, and without characters that move a terminal's cursor. */

const MAX_SHOWN = 80;
/** Controls, C1, zero-width, bidirectional marks, line separators, lone surrogates. */
const UNSAFE = /[\p{Cc}\p{Cs}\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/gu;

/** Escape what could forge a line or move a cursor, as `\uXXXX`. */
export function escapeText(text: string): string {
  return text.replace(UNSAFE, c => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** `"text"`: quoted, escaped, at most about 80 characters. */
export function quote(text: string): string {
  const shown = text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}…` : text;
  return escapeText(JSON.stringify(shown));
}

/** A value as it reads in "expected …, got …". */
export function show(value: unknown): string {
  if (typeof value === 'string') return quote(value);
  if (value === undefined) return 'nothing';
  if (value === null) return 'null';
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : 'a list';
  if (value instanceof Date) return 'a date';
  if (typeof value === 'object') return 'a table';
  if (typeof value === 'number' || typeof value === 'boolean' || typeof value === 'bigint')
    return String(value);
  return `a ${typeof value}`;
}

/** `services.pg.backends[1].weight`; keys that are not plain words are quoted. */
export function pathText(path: readonly PropertyKey[]): string {
  let text = '';
  for (const part of path) {
    if (typeof part === 'number') text += `[${part}]`;
    else {
      const key = String(part);
      text += (text === '' ? '' : '.') + (/^[A-Za-z0-9_-]{1,80}$/.test(key) ? key : quote(key));
    }
  }
  return text;
}

/** `"a", "b", "c"` */
export function listOf(words: readonly string[]): string {
  return words.map(quote).join(', ');
}

/** ` (did you mean "round-robin"?)`, or nothing when no word is near. */
export function didYouMean(found: string, words: readonly string[]): string {
  let best: string | undefined;
  let bestDistance = Math.min(3, Math.max(1, Math.floor(found.length / 3))) + 1;
  if (found.length > MAX_SHOWN) return '';
  for (const word of words) {
    const distance = editDistance(found.toLowerCase(), word.toLowerCase());
    if (distance < bestDistance) {
      best = word;
      bestDistance = distance;
    }
  }
  return best === undefined ? '' : ` (did you mean ${quote(best)}?)`;
}

/**
 * Optimal string alignment: insertions, deletions, substitutions and swaps of neighbours that turn `a` into `b`.
 * (Damerau 1964; the restricted form.)
 */
export function editDistance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      let cost = Math.min(last[j]! + 1, row[j - 1]! + 1, last[j - 1]! + (same ? 0 : 1));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        cost = Math.min(cost, beforeLast[j - 2]! + 1);
      }
      row.push(cost);
    }
    beforeLast = last;
    last = row;
  }
  return last[b.length]!;
}
