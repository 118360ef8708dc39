/** Why a connection or flow ended: one plain word each, the same in the log, the metrics and the API. */
export const CLOSE_REASONS = [
  'client_closed',
  'backend_closed',
  'client_reset',
  'backend_reset',
  'idle_timeout',
  'connect_failed',
  'connect_timeout',
  'no_backend',
  'queue_timeout',
  'denied',
  'limit',
  'bad_proxy_header',
  'backend_down',
  'drained',
  'shutdown',
  'internal_error',
] as const;

export type CloseReason = (typeof CLOSE_REASONS)[number];
