export interface AddressRecord {
  readonly address: string;
  /** Seconds; absent where the resolver does not tell. */
  readonly ttl?: number;
}

export interface SrvRecord {
  readonly name: string;
  readonly port: number;
  /** Lower is preferred. */
  readonly priority: number;
  readonly weight: number;
}

/** Where names are looked up. Methods reject with Node's DNS errors (`code` ENOTFOUND, ESERVFAIL, …). */
export interface Resolver {
  /** Every IPv4 and IPv6 address of a name, in any order. */
  addresses(host: string): Promise<readonly AddressRecord[]>;
  srv(name: string): Promise<readonly SrvRecord[]>;
  /** Give up what is under way. */
  cancel(): void;
}

const REASONS: Readonly<Record<string, string>> = {
  ENOTFOUND: 'name not found',
  ENODATA: 'no address for the name',
  ESERVFAIL: 'the name server failed',
  EREFUSED: 'the name server refused to answer',
  ECONNREFUSED: 'no name server reachable',
  ETIMEOUT: 'no answer from the name server',
  EAI_AGAIN: 'no answer from the name server for now',
};

/** A look-up's error in plain words. */
export function lookupReason(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  return REASONS[code] ?? (error instanceof Error ? error.message : String(error));
}
