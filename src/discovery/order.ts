import { type Endpoint, formatAddress, Peer } from '../address.js';

/** The address in one spelling, so that `2001:DB8::0:1` and `2001:db8::1` are the same endpoint. */
export function endpointKey(endpoint: Endpoint): string {
  if (endpoint.kind === 'unix') return formatAddress(endpoint);
  const zone = endpoint.host.indexOf('%');
  const peer = new Peer().setText(endpoint.host, endpoint.port);
  return zone === -1 ? peer.toString() : `${peer.toString()}${endpoint.host.slice(zone)}`;
}

/** Numeric order of addresses, IPv4 before IPv6, then ports: name servers rotate answers, and every instance must agree. */
export function compareAddresses(a: Endpoint, b: Endpoint): number {
  if (a.kind === 'unix' || b.kind === 'unix') return a.kind === b.kind ? 0 : a.kind === 'unix' ? 1 : -1;
  const x = new Peer().setText(a.host, a.port);
  const y = new Peer().setText(b.host, b.port);
  return x.family - y.family || x.a0 - y.a0 || x.a1 - y.a1 || x.a2 - y.a2 || x.a3 - y.a3 || x.port - y.port;
}
