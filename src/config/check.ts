import { formatAddress, isLoopback, type Listen, Peer } from '../address.js';
import { checkGrouped } from './check-group.js';
import { checkHealth } from './check-health.js';
import { withKind } from './health.js';
import { type Fault, valueAt } from './prepare.js';
import type { BackendConfig, Config, ServiceConfig } from './schema.js';
import { quote } from './text.js';

/** A fault between keys. It says nothing when one of the values it `needs` is faulty itself. */
export interface CrossFault extends Fault {
  readonly needs: readonly (readonly PropertyKey[])[];
}

export type Report = (
  path: readonly PropertyKey[],
  message: string,
  ...needs: (readonly PropertyKey[])[]
) => void;

/** Everything that no key can be wrong about alone. `tree` is what was written, before defaults. */
export function crossFaults(config: Config, tree: unknown): CrossFault[] {
  const faults: CrossFault[] = [];
  const services = Object.values(config.services);
  if (services.length === 0) {
    faults.push(fault(['services'], 'expected at least one service, [services.NAME], got none', []));
  }
  const { listen, token_file } = config.admin;
  if (listen.kind === 'ip' && !isLoopback(listen.host) && token_file === undefined) {
    const message = 'expected admin.token_file, because this address can be reached from other machines';
    faults.push(fault(['admin', 'listen'], message, [['admin', 'token_file']]));
  }
  for (const [name, group] of Object.entries(config.groups)) {
    const at = (path: readonly PropertyKey[]) => ['groups', name, ...path];
    const report: Report = (path, message, ...needs) => {
      faults.push(fault(at(path), message, needs.map(at)));
    };
    checkBackends(group.backends, report);
    checkHealth(withKind(group.health, 'tcp'), valueAt(tree, at(['health'])), report);
  }
  for (const service of services) {
    const at = (path: readonly PropertyKey[]) => ['services', service.name, ...path];
    const around = service.group === undefined ? [] : [['groups', service.group]];
    const report: Report = (path, message, ...needs) => {
      faults.push(fault(at(path), message, [...needs.map(at), ...around]));
    };
    const written = valueAt(tree, at(['health']));
    if (service.group === undefined) {
      if (valueAt(tree, at(['backends'])) !== undefined) checkBackends(service.backends, report);
      else report(['backends'], 'expected a list of backends, or a group, got nothing', ['group']);
      checkHealth(service.health, written, report, service.protocol);
    } else checkGrouped(service, config.groups, valueAt(tree, at([])), report);
    if (service.proxy_protocol.accept !== 'off' && service.proxy_protocol.accept_from.length === 0) {
      const message =
        'expected accept_from with the networks that may send a PROXY header, because anybody could forge one';
      report(['proxy_protocol', 'accept'], message, ['proxy_protocol', 'accept_from']);
    }
    if (service.protocol === 'udp') checkUdp(service, report);
    else checkTcp(service, report);
  }
  checkListeners(services, faults);
  return faults;
}

function fault(
  path: readonly PropertyKey[],
  message: string,
  needs: readonly (readonly PropertyKey[])[],
): CrossFault {
  return { path, at: 'value', message, needs };
}

function checkBackends(backends: readonly BackendConfig[], report: Report): void {
  if (backends.length === 0) report(['backends'], 'expected at least one backend, got an empty list');
  const seen = new Map<string, number>();
  for (const [i, { id }] of backends.entries()) {
    const first = seen.get(id);
    if (first === undefined) seen.set(id, i);
    else {
      const message = `expected an id of its own, got ${quote(id)} again (the same as backends[${first}]; give one a name)`;
      report(['backends', i], message, ['backends', first]);
    }
  }
}

/** Why a service cannot have this backend, in words; empty when it can. */
export function backendFault({ protocol }: ServiceConfig, { address }: BackendConfig): string {
  return protocol === 'udp' && address.kind === 'unix' ? `unix sockets work ${TCP_ONLY}` : '';
}

const TCP_ONLY = 'on TCP services only; this one is UDP';

function checkUdp(service: ServiceConfig, report: Report): void {
  const only = (path: readonly PropertyKey[], what: string) => {
    report(path, `${what} ${TCP_ONLY}`, ['protocol']);
  };
  for (const [i, bind] of service.listen.entries()) {
    if (bind.kind === 'unix') only(['listen', i], 'unix sockets work');
  }
  const { group } = service;
  for (const [i, backend] of service.backends.entries()) {
    const message = backendFault(service, backend);
    if (message !== '') report(group === undefined ? ['backends', i] : ['group'], message, ['protocol']);
  }
  if (service.proxy_protocol.accept !== 'off') only(['proxy_protocol', 'accept'], 'the PROXY protocol works');
  if (service.proxy_protocol.send !== 'off') only(['proxy_protocol', 'send'], 'the PROXY protocol works');
  if (service.timeouts.half_closed !== 0) only(['timeouts', 'half_closed'], 'half-closed connections exist');
  if (service.queue.size !== 0) only(['queue', 'size'], 'the queue works');
  const { kind } = service.health;
  if (kind !== 'exchange' && kind !== 'none') {
    const message = `expected one of "exchange", "none" on a UDP service, got ${quote(kind)}`;
    report(group === undefined ? ['health', 'kind'] : ['group'], message, ['protocol']);
  }
}

function checkTcp({ udp }: ServiceConfig, report: Report): void {
  for (const key of ['responses', 'requests'] as const) {
    if (udp[key] !== 0) report(['udp', key], 'works on UDP services only; this one is TCP', ['protocol']);
  }
}

/** Two listeners at one place: same protocol and port, and the same address or both every address. */
function checkListeners(services: readonly ServiceConfig[], faults: CrossFault[]): void {
  const seen = new Map<string, readonly PropertyKey[]>();
  for (const service of services) {
    for (const [i, bind] of service.listen.entries()) {
      const path = ['services', service.name, 'listen', i];
      const key = `${service.protocol} ${listenerKey(bind)}`;
      const first = seen.get(key);
      if ((bind.kind === 'ip' || bind.kind === 'any') && bind.port === 0) continue;
      if (first === undefined) seen.set(key, path);
      else {
        const other = first[1] === service.name ? 'this service' : `service ${quote(String(first[1]))}`;
        const message = `expected an address of its own, got ${quote(formatAddress(bind))}, where ${other} listens already`;
        const needs = [first, ...[first, path].map(p => [...p.slice(0, 2), 'protocol'])];
        faults.push(fault(path, message, needs));
      }
    }
    if (service.listen.length === 0) {
      faults.push(
        fault(['services', service.name, 'listen'], 'expected at least one address to listen on', []),
      );
    }
  }
}

function listenerKey(bind: Listen): string {
  if (bind.kind === 'unix' || bind.kind === 'fd') return formatAddress(bind);
  if (bind.kind === 'any' || bind.host === '0.0.0.0') return `*:${bind.port}`;
  const text = new Peer().setText(bind.host, bind.port).toString();
  return text.startsWith('[::]:') ? `*:${bind.port}` : text;
}
