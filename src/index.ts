/** lb4 as a library: a layer-4 load balancer inside a Node program. */
export type { Candidate, Flow, Strategy, StrategyContext, StrategyFactory } from '../strategies/strategy.js';
export { type Applied, Balancer, type BalancerOptions, createBalancer } from './balancer.js';
export type { BackendConfig, BackendInput } from './config/backend.js';
export { type ConfigDiff, diffConfig, formatDiff } from './config/diff.js';
export { type Loaded, type LoadOptions, loadConfigFile, loadConfigText } from './config/load.js';
export { parseConfigObject } from './config/parse.js';
export type { Config, ConfigInput, ServiceConfig } from './config/schema.js';
export type { BalancerEvent, EventListener } from './control/events.js';
export type { ConnectionFilter, Removed } from './control/operations.js';
export type { RuntimeChange } from './control/runtime.js';
export type { BackendSnapshot, Connections, ServiceSnapshot, Snapshot } from './control/snapshot.js';
export { ConfigError, type ConfigIssue, type ErrorCode, formatIssue, Lb4Error } from './errors.js';
export { createLogger, type Logger } from './log.js';
export type { AdminState } from './pool/backend.js';
export { CLOSE_REASONS, type CloseReason } from './pool/reasons.js';
export { VERSION } from './version.js';
