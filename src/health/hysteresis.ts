import type { HealthState } from '../pool/backend.js';

/** A backend's health, and how many results in a row have spoken against it. */
export interface Health {
  readonly state: HealthState;
  /** Consecutive results that contradict `state`; one result that agrees sets it back to 0. */
  readonly against: number;
}

export interface Thresholds {
  /** Consecutive failures that mark down, >= 1. */
  readonly fall: number;
  /** Consecutive successes that mark up, >= 1. */
  readonly rise: number;
}

export interface Step extends Health {
  /** True when this result changed the state. */
  readonly flipped: boolean;
}

/** At start, and on leaving maintenance: usable until proven otherwise. */
export const CHECKING: Health = { state: 'checking', against: 0 };
/** After a passive failure: `rise` successes are needed, whatever was counted before. */
export const DOWN: Health = { state: 'down', against: 0 };
export const UP: Health = { state: 'up', against: 0 };

/**
 * Apply one probe result. Pure. Consecutive means consecutive: a single success forgets every failure before it.
 *
 * While checking, the first success means up (there is nothing to recover from, so `rise` does not apply) and `fall`
 * failures in a row mean down. The counter that says `flipped` follows pingora's load-balancing health.
 */
export function step(health: Health, ok: boolean, thresholds: Thresholds): Step {
  if (health.state === 'checking' && ok) return { ...UP, flipped: true };
  const agrees = ok === (health.state !== 'down');
  if (agrees) return { state: health.state, against: 0, flipped: false };
  const against = health.against + 1;
  if (against < (ok ? thresholds.rise : thresholds.fall)) {
    return { state: health.state, against, flipped: false };
  }
  return { ...(ok ? UP : DOWN), flipped: true };
}
