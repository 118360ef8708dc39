import { type Endpoint, formatAddress, type Listen } from '../address.js';
import { Lb4Error } from '../errors.js';
import type { ListenPlan, PassedSocket } from '../pool/plan.js';

/** The sockets that were open before this process was started, and which listen addresses they serve. */
export class PassedSockets {
  private readonly list: readonly PassedSocket[];
  private readonly used = new Set<PassedSocket>();

  constructor(list: readonly PassedSocket[]) {
    this.list = list;
  }

  /**
   * How to listen there: with the passed socket of that name, or with the one that has the address already, or with a
   * new one. Throws Lb4Error LB4_LISTEN for a name that was not passed, or not for this protocol.
   */
  plan(listen: Listen, protocol: 'tcp' | 'udp'): ListenPlan {
    if (listen.kind === 'fd') {
      const socket = this.named(listen.name, protocol);
      return { bind: socket.address, fd: socket.fd };
    }
    const address = formatAddress(listen);
    const found = this.list.find(one => one.protocol === protocol && formsOf(one.address).includes(address));
    if (found === undefined) return { bind: listen, fd: -1 };
    this.used.add(found);
    return { bind: found.address, fd: found.fd };
  }

  /** What nobody has asked for, in words. */
  get unused(): string[] {
    return this.list.filter(one => !this.used.has(one)).map(describe);
  }

  private named(name: string, protocol: 'tcp' | 'udp'): PassedSocket {
    const found = this.list.find(one => one.name === name && one.protocol === protocol);
    if (found !== undefined) {
      this.used.add(found);
      return found;
    }
    const passed = this.list.map(describe).join(', ');
    throw new Lb4Error(
      'LB4_LISTEN',
      `cannot listen on ${protocol} fd:${name}: expected a passed socket of that name, got ${passed || 'none'}`,
    );
  }
}

function describe({ name, protocol, address }: PassedSocket): string {
  return `${name} (${protocol} ${formatAddress(address)})`;
}

/** How a configuration may write the address. */
function formsOf(address: Endpoint): string[] {
  const own = formatAddress(address);
  const everywhere = address.kind === 'ip' && (address.host === '::' || address.host === '0.0.0.0');
  return everywhere ? [own, `*:${address.port}`] : [own];
}
