import { parseTarget } from '../../src/address.js';
import type { BackendConfig } from '../../src/config/schema.js';
import type { Discovered } from '../../src/discovery/entry.js';
import type { AddressRecord, Resolver, SrvRecord } from '../../src/discovery/resolver.js';

export function entry(address: string, overrides: Partial<BackendConfig> = {}): BackendConfig {
  return {
    id: address,
    address: parseTarget(address),
    weight: 1,
    backup: false,
    max_connections: 0,
    disabled: false,
    ...overrides,
  };
}

/** `id=host:port*weight` with `+b` for backups: a list in one line each. */
export function lines(list: readonly Discovered[]): string[] {
  return list.map(({ id, endpoint, weight, backup }) => {
    const at = endpoint.kind === 'ip' ? `${endpoint.host}:${endpoint.port}` : endpoint.path;
    return `${id}=${at}*${weight}${backup ? '+b' : ''}`;
  });
}

type Answer<T> = readonly T[] | Error | Promise<readonly T[]>;

export function dnsError(code: string): Error {
  return Object.assign(new Error(`query ${code}`), { code });
}

/** A resolver with answers that the test sets: addresses, an error, or a promise that is settled later. */
export class FakeResolver implements Resolver {
  readonly hosts = new Map<string, Answer<AddressRecord>>();
  readonly services = new Map<string, Answer<SrvRecord>>();
  /** Names asked for, in order. */
  readonly asked: string[] = [];
  cancelled = false;

  set(host: string, ...addresses: string[]): void {
    this.hosts.set(
      host,
      addresses.map(address => ({ address })),
    );
  }

  async addresses(host: string): Promise<readonly AddressRecord[]> {
    return this.answer(host, this.hosts.get(host));
  }

  async srv(name: string): Promise<readonly SrvRecord[]> {
    return this.answer(name, this.services.get(name));
  }

  cancel(): void {
    this.cancelled = true;
  }

  private async answer<T>(name: string, answer: Answer<T> = dnsError('ENOTFOUND')): Promise<readonly T[]> {
    this.asked.push(name);
    if (answer instanceof Error) throw answer;
    return answer;
  }
}
