import { everyName } from '../../client/backend-name.js';
import { liveInstances } from '../../client/instances.js';
import { connect } from '../operate/instance.js';
import type { LookUp } from './complete.js';

/** Nobody waits longer for a completion. */
const TIMEOUT_MS = 1_000;

/** Asks the instance that the line means. */
export const lookUp: LookUp = async (kind, line) => {
  if (kind === 'instances') return (await liveInstances()).map(({ name }) => name);
  const status = await (await connect(line, { timeoutMs: TIMEOUT_MS })).status();
  return kind === 'services' ? status.services.map(({ name }) => name) : everyName(status);
};
