import { Tally } from '../pool/totals.js';

/** Backends of a service that are remembered after they have left; the oldest are forgotten first. */
const MAX_REMEMBERED = 1_000;

/**
 * What was counted of backends that are gone. A counter must not shrink: a service's sum over its backends goes on, and a
 * backend that comes back continues where it was.
 */
export class Departed {
  private readonly services = new Map<string, Map<string, Tally>>();

  /** The backend `id` (empty: the service itself) has left for good, with this. */
  add(service: string, id: string, tally: Tally): void {
    let backends = this.services.get(service);
    if (backends === undefined) {
      backends = new Map();
      this.services.set(service, backends);
    }
    const before = backends.get(id);
    // Taken out and put in again: the last to leave is the last to be forgotten.
    backends.delete(id);
    backends.set(id, before === undefined ? tally : new Tally().add(before).add(tally));
    if (backends.size > MAX_REMEMBERED) backends.delete(backends.keys().next().value!);
  }

  /** What is remembered, in order. */
  *entries(): Iterable<readonly [service: string, id: string, tally: Tally]> {
    for (const [service, backends] of this.services) {
      for (const [id, tally] of backends) yield [service, id, tally];
    }
  }

  of(service: string): ReadonlyMap<string, Tally> {
    return this.services.get(service) ?? new Map();
  }

  clear(): void {
    this.services.clear();
  }

  /** A service is gone: all of it is forgotten. */
  forget(service: string): void {
    this.services.delete(service);
  }
}
