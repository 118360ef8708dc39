import { escapeText } from '../../config/text.js';
import type { RuntimeChange } from '../../control/runtime.js';
import type { BackendSnapshot, ServiceSnapshot } from '../../control/snapshot.js';
import type { Style } from '../style.js';
import { plural } from '../units.js';

/** States as the commands are called, and as short. */
export function stateWord(state: string): string {
  return state === 'maintenance' ? 'maint' : state;
}

const STYLES: Readonly<Record<string, Style>> = {
  up: 'green',
  down: 'red',
  checking: 'cyan',
  draining: 'yellow',
  maintenance: 'blue',
};

export function stateStyle(state: string): Style {
  return STYLES[state] ?? 'plain';
}

/** True when new connections may go to it. */
export function isUsable({ state, weight }: BackendSnapshot): boolean {
  return (state === 'up' || state === 'checking') && weight > 0;
}

/** `12 connections`, or flows for UDP. */
export function connectionsOf({ protocol }: Pick<ServiceSnapshot, 'protocol'>, count: number): string {
  return plural(count, protocol === 'udp' ? 'flow' : 'connection');
}

/** `draining`, `up`, `down: connection refused`. */
export function stateText({ state, down_reason }: BackendSnapshot): string {
  const words = state === 'maintenance' ? 'in maintenance' : state;
  return state === 'down' && down_reason ? `down: ${escapeText(down_reason)}` : words;
}

/** What else there is to say: why it is down, and what was changed while running. */
export function noteOf({ state, down_reason, runtime }: BackendSnapshot): string {
  const notes = state === 'down' && down_reason !== '' ? [down_reason] : [];
  const changed = changeText(runtime);
  return (changed === '' ? notes : [...notes, `changed while running: ${changed}`]).join('; ');
}

/** `state drain, weight 5`, `added`. */
function changeText({ added, state, weight }: RuntimeChange): string {
  const words = [];
  if (added) words.push('added');
  if (state !== undefined) words.push(`state ${state}`);
  if (weight !== undefined) words.push(`weight ${weight}`);
  return words.join(', ');
}
