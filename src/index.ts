/** lb4 as a library: a layer-4 load balancer inside a Node program. */
export type { Candidate, Flow, Strategy, StrategyContext, StrategyFactory } from '../strategies/strategy.js';
export type { Endpoint, Target } from './address.js';
export { type Applied, Balancer, type BalancerOptions, createBalancer } from './balancer.js';
export type { BackendConfig, BackendInput } from './config/backend.js';
export { type ConfigDiff, diffConfig, formatDiff, type ServiceDiff } from './config/diff.js';
export type { SystemFacts } from './config/lint.js';
export { type Loaded, type LoadOptions, loadConfigFile, loadConfigText } from './config/load.js';
export type { Override } from './config/overrides.js';
export { type ParseOptions, type PlaceOf, parseConfigObject } from './config/parse.js';
export type { Place } from './config/positions.js';
export type { Env } from './config/prepare.js';
export type { Config, ConfigInput, GroupConfig, ServiceConfig } from './config/schema.js';
export type { StrategyConfig, StrategyInput } from './config/strategy.js';
export type { TlsInput } from './config/tls.js';
export type { BalancerEvent, EventListener, Happening } from './control/events.js';
export type { BackendMeasures, Measures, ServiceMeasures } from './control/measure.js';
export type { ConnectionFilter, Removed } from './control/operations.js';
export type { RuntimeChange } from './control/runtime.js';
export type {
  BackendSnapshot,
  ConnectionSnapshot,
  Connections,
  LeavingSnapshot,
  ServiceSnapshot,
  Snapshot,
} from './control/snapshot.js';
export { type DnsOptions, dnsResolver } from './discovery/dns.js';
export type { AddressRecord, Resolver, SrvRecord } from './discovery/resolver.js';
export type { Fault, Injection } from './engines/faults/fault.js';
export { ConfigError, type ConfigIssue, type ErrorCode, formatIssue, Lb4Error } from './errors.js';
export type { Listening } from './flow/listeners.js';
export { createLogger, type Logger } from './log.js';
export type { AdminState } from './pool/backend.js';
export type { PassedSocket } from './pool/plan.js';
export { CLOSE_REASONS, type CloseReason } from './pool/reasons.js';
export type { State, StateName } from './pool/table.js';
export type { Tally } from './pool/totals.js';
export { VERSION } from './version.js';
