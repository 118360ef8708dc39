import type { BuiltIn } from './builtin.js';
import { firstAccepted } from './rotation.js';
import type { Accept, Candidate, Flow, Strategy } from './strategy.js';

/** The first candidate in file order: active/standby. The others get a connection only when it is refused. */
class First implements Strategy {
  private candidates: readonly Candidate[] = [];

  rebuild(candidates: readonly Candidate[]): void {
    this.candidates = candidates.slice();
  }

  pick(_flow: Flow, accept: Accept): Candidate | undefined {
    const index = firstAccepted(this.candidates, 0, accept);
    return index < 0 ? undefined : this.candidates[index];
  }
}

export const first: BuiltIn = {
  summary: 'the first backend that is up, in file order (active/standby)',
  factory: () => new First(),
};
