import type { ConnectionView } from '../flow/listing.js';
import type { Plane } from '../threads/plane.js';

/** How often connections are closed, at most. */
const TICK_MS = 100;
/** The most that are closed in one tick of an unlimited rate: a data-plane thread must not stand still over it. */
const MOST_A_TICK = 10_000;

/** Connections to be closed one after the other. */
export interface SheddingJob {
  /** Slot of the service. */
  readonly service: number;
  /** How many, at most. */
  readonly count: number;
  /** Connections a second, > 0; Infinity: as fast as it goes. */
  readonly perSecond: number;
  /** Only connections that began before then; default: before the job does. Monotonic ms. */
  readonly startedBefore?: number | undefined;
  /** Why, for the log. */
  readonly detail: string;
  /** Of which backends the next `count` should be, by slot; an empty map ends the job. */
  next(count: number): ReadonlyMap<number, number>;
  /** It is over; so many were closed. */
  done(closed: number): void;
}

/**
 * Closes connections at a steady pace, chosen at the last moment: of a backend's connections in all threads the quietest,
 * and the oldest among equals, and none that came after the job began.
 */
export class Shedding {
  private readonly plane: Plane;
  private readonly job: SheddingJob;
  private readonly now: () => number;
  private readonly startedAt: number;
  private closed = 0;
  private timer: NodeJS.Timeout | undefined;
  private stopped = false;

  constructor(plane: Plane, job: SheddingJob, now: () => number) {
    this.plane = plane;
    this.job = job;
    this.now = now;
    this.startedAt = now();
    this.tick();
  }

  /** How many it may still close. */
  get left(): number {
    return this.job.count - this.closed;
  }

  /** It closes none that began later; monotonic ms. */
  get startedBefore(): number {
    return this.job.startedBefore ?? this.startedAt;
  }

  /** Close no more; `done` is not called. */
  stop(): void {
    this.stopped = true;
    clearTimeout(this.timer);
  }

  private tick(): void {
    void this.closeSome().then(goOn => {
      if (this.stopped) return;
      if (goOn) this.timer = setTimeout(() => this.tick(), TICK_MS);
      else this.job.done(this.closed);
    });
  }

  /** Resolves to false when there is nothing left to close. */
  private async closeSome(): Promise<boolean> {
    const { count, perSecond } = this.job;
    // The first at once. An unlimited rate times no time yet would be no number.
    const elapsed = Math.max(this.now() - this.startedAt, Number.MIN_VALUE);
    const due = Math.floor(1 + (elapsed * perSecond) / 1000);
    const some = Math.min(count - this.closed, due - this.closed, MOST_A_TICK);
    if (some <= 0) return true;
    let found = 0;
    for (const [backend, share] of this.job.next(some)) found += await this.closeOf(backend, share);
    this.closed += found;
    return found > 0 && this.closed < count;
  }

  private async closeOf(backend: number, limit: number): Promise<number> {
    const { startedBefore } = this;
    const { service, detail } = this.job;
    const query = { service, backend, startedBefore, order: 'quietest', limit } as const;
    const { connections } = await this.plane.connections(query);
    if (this.stopped || connections.length === 0) return 0;
    const ids = connections.map(({ id }: ConnectionView) => id);
    return await this.plane.end(service, ids, 'drained', detail);
  }
}
