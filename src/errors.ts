/**
 * Every error lb4 raises on purpose: a stable `code` for programs and a message for people.
 * Anything else that is thrown is a bug.
 */
export type ErrorCode =
  | 'LB4_USAGE' // wrong flags or arguments
  | 'LB4_CONFIG' // a configuration that does not hold; `issues` has every fault
  | 'LB4_ADDRESS' // not an address, endpoint or CIDR
  | 'LB4_DURATION' // not a duration
  | 'LB4_LISTEN' // a listener could not be opened
  | 'LB4_ENGINE' // the engine that was asked for cannot work here
  | 'LB4_STRATEGY' // a strategy is unknown or a user's module misbehaves
  | 'LB4_PROXY_HEADER' // a PROXY protocol header that does not hold
  | 'LB4_LIMIT' // more backends, services or descriptors than this process can hold
  | 'LB4_NOT_FOUND' // no service or backend of that name
  | 'LB4_CONFLICT' // it is there already, or what it came from does not allow it
  | 'LB4_PERMISSION' // this process may not do that, or not become that user
  | 'LB4_ADMIN' // a running instance cannot be found, does not answer or refuses
  | 'LB4_UPGRADE' // connections could not be handed over to another process
  | 'LB4_CLOSED'; // the balancer was closed already

export class Lb4Error extends Error {
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'Lb4Error';
    this.code = code;
  }
}

/** One fault in a configuration. `line` and `column` start at 1; they are absent when no file is at fault. */
export interface ConfigIssue {
  readonly severity: 'error' | 'warning';
  /** The key at fault, dotted: `services.pg.strategy`; empty for a syntax error. */
  readonly path: string;
  /** What was expected and what was found, and "did you mean" for near misses. */
  readonly message: string;
  /** File name as given, or the flag (`--to`). */
  readonly source: string;
  readonly line?: number;
  readonly column?: number;
}

/** A configuration with at least one error; `message` holds one line for each. */
export class ConfigError extends Lb4Error {
  readonly issues: readonly ConfigIssue[];

  constructor(issues: readonly ConfigIssue[]) {
    super('LB4_CONFIG', issues.map(formatIssue).join('\n'));
    this.name = 'ConfigError';
    this.issues = issues;
  }
}

/** What an error has to say, one line a fault. */
export function errorLines(error: unknown): string[] {
  if (error instanceof ConfigError) return error.issues.map(formatIssue);
  return [error instanceof Error ? error.message : String(error)];
}

/** `lb4.toml:14:12 services.pg.strategy: expected …, got …` */
export function formatIssue(issue: ConfigIssue): string {
  let place = issue.source;
  if (issue.line !== undefined) place += `:${issue.line}:${issue.column ?? 1}`;
  if (issue.path !== '') place += place === '' ? issue.path : ` ${issue.path}`;
  return `${place}: ${issue.message}`;
}
