import { CONNREFUSED, TIMEOUT } from 'node:dns';
import { lookup } from 'node:dns/promises';
import { codeOf, type DnsOptions, dnsResolver, isAbsent } from './dns.js';
import type { AddressRecord, Resolver } from './resolver.js';
import { candidates, parseHosts, parseResolvConf, WatchedFile } from './system-files.js';

export interface SystemOptions extends DnsOptions {
  /** For tests: other files, other servers, and something in getaddrinfo's place. */
  readonly hosts?: string;
  readonly resolvConf?: string;
  readonly servers?: readonly string[];
  readonly lookup?: (host: string) => Promise<readonly AddressRecord[]>;
}

/**
 * Names as this machine understands them. What /etc/hosts has goes through getaddrinfo; else the servers of /etc/resolv.conf
 * are asked, with its search domains, because they tell how long an answer is good for, and because getaddrinfo runs on
 * libuv's four threads, where a few names that hang hold up everything. What DNS does not know goes to getaddrinfo too:
 * there may be mDNS, NIS or whatever else nsswitch.conf(5) names. On other systems than Linux everything does.
 */
export function systemResolver(options: SystemOptions = {}): Resolver {
  return new SystemResolver(options);
}

class SystemResolver implements Resolver {
  private readonly options: SystemOptions;
  private readonly hosts: WatchedFile<ReadonlySet<string>>;
  private readonly conf: WatchedFile<ReturnType<typeof parseResolvConf>>;
  private readonly lookup: (host: string) => Promise<readonly AddressRecord[]>;
  private client: Resolver | undefined;
  /** The version of resolv.conf that the client has read. */
  private version = 0;

  constructor(options: SystemOptions) {
    this.options = options;
    this.hosts = new WatchedFile(options.hosts ?? '/etc/hosts', parseHosts);
    this.conf = new WatchedFile(options.resolvConf ?? '/etc/resolv.conf', parseResolvConf);
    this.lookup = options.lookup ?? (host => lookup(host, { all: true }));
  }

  async addresses(host: string): Promise<readonly AddressRecord[]> {
    if (process.platform !== 'linux' || this.isLocal(host)) return await this.lookup(host);
    let fault: unknown;
    const dns = this.dns();
    for (const name of candidates(host, this.conf.value)) {
      try {
        return await dns.addresses(name);
      } catch (error) {
        // Who does not answer will not answer about longer names either, and getaddrinfo would ask the same ones.
        if (codeOf(error) === TIMEOUT) throw error;
        if (!isAbsent(error)) fault ??= error;
      }
    }
    if (fault !== undefined && codeOf(fault) !== CONNREFUSED) throw fault;
    return await this.lookup(host);
  }

  srv(name: string) {
    return this.dns().srv(name);
  }

  cancel(): void {
    this.client?.cancel();
  }

  private isLocal(host: string): boolean {
    const name = host.toLowerCase().replace(/\.$/, '');
    return name === 'localhost' || name.endsWith('.localhost') || this.hosts.value.has(name);
  }

  /** A client reads resolv.conf once, when it is made; the file changes with the network. */
  private dns(): Resolver {
    void this.conf.value;
    if (this.client === undefined || this.version !== this.conf.version) {
      this.client = dnsResolver(this.options.servers, this.options);
      this.version = this.conf.version;
    }
    return this.client;
  }
}
