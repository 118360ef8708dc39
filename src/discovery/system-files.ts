import { readFileSync, statSync } from 'node:fs';

/** A small file and what it says, read again when it was changed. */
export class WatchedFile<T> {
  /** Grows with every change. */
  version = 0;
  private readonly path: string;
  private readonly parse: (text: string) => T;
  private identity: string | undefined;
  private parsed: T;

  constructor(path: string, parse: (text: string) => T) {
    this.path = path;
    this.parse = parse;
    this.parsed = parse('');
  }

  /** As of now. A file that cannot be read is an empty one. */
  get value(): T {
    const identity = this.identify();
    if (identity !== this.identity) {
      this.identity = identity;
      this.version++;
      this.parsed = this.parse(this.read());
    }
    return this.parsed;
  }

  private identify(): string {
    const stat = statSync(this.path, { throwIfNoEntry: false });
    return stat === undefined ? '' : `${stat.ino} ${stat.size} ${stat.mtimeMs}`;
  }

  private read(): string {
    try {
      return readFileSync(this.path, 'utf8');
    } catch {
      return '';
    }
  }
}

/** The names in /etc/hosts, in lower case. */
export function parseHosts(text: string): ReadonlySet<string> {
  return new Set(linesOf(text).flatMap(line => line.toLowerCase().split(/\s+/).slice(1)));
}

/** How names become longer ones: `search`, `domain` and `ndots` of /etc/resolv.conf, see resolv.conf(5). */
export interface Search {
  readonly domains: readonly string[];
  readonly ndots: number;
}

/** Words that are not known mean nothing here. */
export function parseResolvConf(text: string): Search {
  let domains: readonly string[] = [];
  let ndots = 1;
  for (const line of linesOf(text)) {
    const [word, ...values] = line.split(/\s+/);
    // Of several the last counts.
    if (word === 'search') domains = values;
    else if (word === 'domain') domains = values.slice(0, 1);
    else if (word === 'options') ndots = ndotsOf(values) ?? ndots;
  }
  return { domains: domains.filter(domain => domain !== '.'), ndots };
}

function ndotsOf(options: readonly string[]): number | undefined {
  const found = options
    .map(option => /^ndots:(\d+)$/.exec(option)?.[1])
    .findLast(value => value !== undefined);
  return found === undefined ? undefined : Math.min(15, Number(found));
}

/** The names to be asked for, one after the other until there is an answer, as the C library does it. */
export function candidates(host: string, { domains, ndots }: Search): readonly string[] {
  if (host.endsWith('.')) return [host];
  const longer = domains.map(domain => `${host}.${domain}`);
  return host.split('.').length - 1 >= ndots ? [host, ...longer] : [...longer, host];
}

/** Without comments and empty lines. */
function linesOf(text: string): string[] {
  return text
    .split('\n')
    .map(line => line.replace(/[#;].*/, '').trim())
    .filter(line => line !== '');
}
