import { firstAccepted } from './rotation.js';
import type { Accept, Candidate, Flow, Strategy } from './strategy.js';

/** Something that a user's strategy did wrong. */
export interface StrategyFault {
  /** The module's path. */
  readonly strategy: string;
  /** What was expected and what happened instead. */
  readonly message: string;
  readonly cause?: unknown;
}

/** True for anything with `rebuild` and `pick`, inherited or its own. */
export function isStrategy(value: unknown): value is Strategy {
  if (typeof value !== 'object' || value === null) return false;
  return (
    'rebuild' in value &&
    typeof value.rebuild === 'function' &&
    'pick' in value &&
    typeof value.pick === 'function'
  );
}

/**
 * A user's strategy that cannot break the service: when it throws, or returns something that is not a current candidate
 * that `accept` takes, the first accepted candidate is used instead. The first fault is reported, later ones are not.
 */
export class GuardedStrategy implements Strategy {
  private readonly inner: Strategy;
  private readonly name: string;
  private onFault: ((fault: StrategyFault) => void) | undefined;
  private candidates: readonly Candidate[] = [];
  private current = new Set<Candidate>();

  constructor(inner: Strategy, name: string, onFault?: (fault: StrategyFault) => void) {
    this.inner = inner;
    this.name = name;
    this.onFault = onFault;
  }

  rebuild(candidates: readonly Candidate[]): void {
    this.candidates = candidates.slice();
    this.current = new Set(candidates);
    try {
      this.inner.rebuild(candidates.slice());
    } catch (cause) {
      this.report('rebuild threw', cause);
    }
  }

  pick(flow: Flow, accept: Accept): Candidate | undefined {
    let picked: Candidate | undefined;
    let fault = 'pick returned undefined although a candidate was acceptable';
    let cause: unknown;
    try {
      picked = this.inner.pick(flow, accept);
      if (picked !== undefined) {
        if (this.current.has(picked) && accept(picked)) return picked;
        fault = 'pick must return one of the candidates of the last rebuild that accept() takes';
      }
    } catch (error) {
      fault = 'pick threw';
      cause = error;
    }
    const index = firstAccepted(this.candidates, 0, accept);
    if (index >= 0 || picked !== undefined || cause !== undefined) this.report(fault, cause);
    return index < 0 ? undefined : this.candidates[index];
  }

  private report(fault: string, cause: unknown): void {
    const { onFault } = this;
    if (onFault === undefined) return;
    this.onFault = undefined;
    const detail = cause === undefined ? '' : `: ${cause instanceof Error ? cause.message : String(cause)}`;
    onFault({
      strategy: this.name,
      message: `${fault}${detail}; the first usable backend is taken instead`,
      cause,
    });
  }
}
