import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** Compiled it lies in dist/scripts/fuzz. */
const FOLDER = fileURLToPath(new URL('../../../scripts/fuzz/corpus/', import.meta.url));

/** Inputs that once reached code that no other reached: a JSON string a line, each character a byte. */
export function readCorpus(target: string): Uint8Array[] {
  let text: string;
  try {
    text = readFileSync(`${FOLDER}${target}.txt`, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
  return text
    .split('\n')
    .filter(line => line !== '')
    .map(line => Buffer.from(JSON.parse(line) as string, 'latin1'));
}

export function writeCorpus(target: string, inputs: readonly Uint8Array[]): void {
  writeFileSync(`${FOLDER}${target}.txt`, inputs.map(input => `${inputText(input)}\n`).join(''));
}

/** An input as it stands in a corpus, in ASCII. */
export function inputText(input: Uint8Array): string {
  const json = JSON.stringify(Buffer.from(input).toString('latin1'));
  return json.replace(/[\x7f-\xff]/g, c => `\\u00${c.charCodeAt(0).toString(16)}`);
}
