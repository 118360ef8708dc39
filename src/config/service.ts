import { z } from 'zod';
import { isIp, type Listen, parseListen } from '../address.js';
import { backendField } from './backend.js';
import {
  choice,
  duration,
  expected,
  flag,
  forward,
  list,
  NAME,
  NAME_WORDS,
  networks,
  number,
  parsed,
  rate,
  text,
  textOf,
} from './fields.js';
import { healthTable, withKind } from './health.js';
import { DEFAULT_STRATEGY, strategyField } from './strategy.js';

export const MAX_INT32 = 2_147_483_647;
/** Idle timeout of a UDP service that sets none: a flow has no end of its own. */
export const UDP_IDLE_MS = 60_000;

/** Less than it takes to cross an ocean and back would turn clients away for nothing. */
const MIN_HEADER_MS = 10;

const listenForms = 'a listen address "[HOST:]PORT" or "unix:/path"';
const place = parsed<Listen, string>(
  { type: 'string', examples: ['0.0.0.0:5432', ':53', '[::1]:80'] },
  value => parseListen(textOf(value, listenForms)),
);

const places = z.array(place);

const listen = z
  .unknown()
  .transform((value, context): Listen[] => {
    const result = places.safeParse(Array.isArray(value) ? value : [value]);
    if (result.success) return result.data;
    forward(context, result.error, !Array.isArray(value));
    return z.NEVER;
  })
  .meta({
    description:
      'Where clients connect: one address or a list. A bare port listens on every address; "fd:NAME" is a socket passed by systemd.',
    anyOf: [{ type: 'string' }, { type: 'array', items: { type: 'string' }, minItems: 1 }],
  }) as z.ZodType<Listen[], unknown> as z.ZodType<Listen[], string | string[]>;

const udp = z.strictObject({
  max_flows: number(1, 16_777_216, 'Most flows at a time; bounds memory under spoofed floods.').prefault(
    65536,
  ),
  responses: number(
    0,
    MAX_INT32,
    'A flow ends after so many datagrams from the backend; 0 = no limit (DNS: 1).',
  ).prefault(0),
  requests: number(
    0,
    MAX_INT32,
    'A flow ends after so many datagrams from the client; 0 = no limit.',
  ).prefault(0),
});

const timeouts = z.strictObject({
  connect: duration('One attempt to connect to a backend; 0 = as long as the system tries.').prefault('5s'),
  idle: duration(
    'No bytes either way for so long closes; 0 = never. Default: 0s for TCP, 60s for UDP.',
  ).optional(),
  half_closed: duration(
    'How long a half-closed connection may last; 0 = as long as it likes. TCP only.',
  ).prefault('0s'),
  queue: duration(
    'Longest wait for a backend that is usable and has room; 0 = as long as it takes. TCP only.',
  ).prefault('5s'),
  header: duration(
    'How long a client that may send a PROXY header has for it. TCP only.',
    MIN_HEADER_MS,
  ).prefault('5s'),
});

const retry = z.strictObject({
  attempts: number(
    1,
    1000,
    'Distinct backends tried before giving up, and only before any client byte was forwarded.',
  ).prefault(3),
});

const queue = z.strictObject({
  size: number(
    0,
    1_000_000,
    'Connections that may wait while no backend is usable, or every one is at max_connections; 0 = none. TCP only.',
  ).prefault(0),
});

const proxyProtocol = z.strictObject({
  accept: choice(
    ['off', 'v1', 'v2', 'any'],
    'PROXY protocol header expected from clients. TCP only.',
  ).prefault('off'),
  accept_from: networks('Networks whose clients may send it; required when accept is on.').prefault([]),
  send: choice(
    ['off', 'v1', 'v2'],
    'PROXY protocol header sent to backends, probes included. TCP only.',
  ).prefault('off'),
});

const socket = z.strictObject({
  nodelay: flag('TCP_NODELAY on both ends.').prefault(true),
  keepalive: duration('TCP keepalive: first probe after so long without traffic; 0 = off.').prefault('60s'),
  user_timeout: duration(
    'epoll: how long sent bytes may go unacknowledged before the connection counts as broken (TCP_USER_TIMEOUT); 0 = the system decides.',
  ).prefault('0s'),
  backlog: number(1, 65535, 'Connections that the kernel holds before they are accepted.').prefault(4096),
  defer_accept: duration(
    'epoll: leave a client in the kernel until it has sent something, for about so long at most (TCP_DEFER_ACCEPT); 0 = off. Not for protocols in which the server speaks first.',
  ).prefault('0s'),
  fastopen: number(
    0,
    65535,
    'epoll: clients that may send data with their SYN at a time (TCP_FASTOPEN); 0 = off.',
  ).prefault(0),
  source: parsed<string, string>(
    {
      description: 'Local IP address for connections to backends; "" = the system chooses.',
      type: 'string',
    },
    value => {
      const found = textOf(value, 'a literal IP address or ""');
      if (found !== '' && !isIp(found)) throw expected('a literal IP address or ""', found);
      return found;
    },
  ).prefault(''),
});

/** `[services.X]` as the file has it, each value parsed. Keys in the file's order of importance. */
export const serviceTable = z
  .strictObject({
    listen,
    protocol: choice(['tcp', 'udp'], 'TCP connections or UDP flows.').prefault('tcp'),
    strategy: strategyField.prefault(DEFAULT_STRATEGY),
    backends: list(
      backendField,
      'The servers behind: "host:port [weight=N] [backup] …" or tables. At least one, unless there is a group.',
    ).optional(),
    group: text(
      NAME,
      NAME_WORDS,
      'The group [groups.NAME] whose servers are behind, instead of backends.',
    ).optional(),
    max_connections: number(
      0,
      MAX_INT32,
      'Most connections or flows of this service; 0 = no limit.',
    ).prefault(0),
    max_connections_per_client: number(
      0,
      MAX_INT32,
      'Most connections of one client address; 0 = no limit.',
    ).prefault(0),
    connection_rate: rate('New connections or flows of this service; 0 = no limit.').prefault('0'),
    connection_rate_per_client: rate('New connections of one client address; 0 = no limit.').prefault('0'),
    allow: networks('Networks that may connect; empty = everyone.').prefault([]),
    deny: networks('Networks that may not connect; wins over allow.').prefault([]),
    udp: udp.describe('UDP services only.').prefault({}),
    timeouts: timeouts.describe('How long things may take.').prefault({}),
    retry: retry.describe('What happens when a backend cannot be reached.').prefault({}),
    queue: queue.describe('Waiting for a backend instead of failing.').prefault({}),
    health: healthTable.describe('How backends that are down are found.').prefault({}),
    proxy_protocol: proxyProtocol
      .describe("Passing the client's address on (HAProxy's PROXY protocol).")
      .prefault({}),
    socket: socket.describe('Socket options.').prefault({}),
  })
  .transform(service => ({
    ...service,
    timeouts: withIdle(service.timeouts, service.protocol),
    health: withKind(service.health, service.protocol),
  }));

function withIdle({ connect, idle, ...rest }: z.output<typeof timeouts>, protocol: 'tcp' | 'udp') {
  return { connect, idle: idle ?? (protocol === 'udp' ? UDP_IDLE_MS : 0), ...rest };
}
