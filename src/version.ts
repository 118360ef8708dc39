import { readFileSync } from 'node:fs';

interface Package {
  readonly version: string;
}

/** The package's version. The compiled file lies in dist/src. */
export const VERSION = (
  JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as Package
).version;
