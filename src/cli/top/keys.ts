const ESCAPE = '\x1b';
const ESCAPES: Readonly<Record<string, string>> = {
  A: 'up',
  B: 'down',
  H: 'home',
  F: 'end',
  '1~': 'home',
  '4~': 'end',
  '5~': 'page up',
  '6~': 'page down',
  '7~': 'home',
  '8~': 'end',
};
const CONTROLS: Readonly<Record<string, string>> = {
  '\x03': 'ctrl-c',
  '\x04': 'ctrl-d',
  '\r': 'enter',
  '\n': 'enter',
  '\x1a': 'ctrl-z',
  [ESCAPE]: 'escape',
};
/** A sequence (CSI, SS3) as terminals send it for a key, or one character. */
const KEY = new RegExp(`${ESCAPE}(?:\\[|O)([\\d;]*[A-Za-z~])|.`, 'gsu');

/**
 * Keys of what a terminal in raw mode has sent at once: characters, and names such as `up` and `ctrl-c`. A key's sequence
 * comes in one piece; sequences that are not known are left out.
 */
export function readKeys(input: string): string[] {
  const keys: string[] = [];
  for (const [text, sequence] of input.matchAll(KEY)) {
    const key = sequence === undefined ? (CONTROLS[text] ?? text) : ESCAPES[sequence];
    if (key !== undefined) keys.push(key);
  }
  return keys;
}
