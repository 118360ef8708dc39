import { type Candidate, unable } from './candidates.js';
import type { Case } from './cases.js';
import { type Layout, layoutFor } from './layout.js';
import { type Daemon, untilAccepting } from './processes.js';
import { DISTURBED, type Failure, type Sample, type Unit } from './report.js';
import { Backends, type Site } from './site.js';
import { foreignCores, readUsage } from './usage.js';

/** Share of the full amount of work that warms a candidate up before its first run, unless the case wants more. */
const WARM_UP = 0.3;

type Measured = Omit<Sample, 'case' | 'candidate' | 'round'>;

export interface Outcome {
  readonly samples: readonly Sample[];
  readonly failures: readonly Failure[];
}

/** A candidate that runs, or why it does not. */
interface Entrant {
  readonly candidate: Candidate;
  readonly site: Site;
  readonly daemon?: Daemon;
  readonly failure?: string;
}

/** Backends, and all candidates in front of them, with one number of threads. They start when they are first needed. */
export class Arena {
  private readonly threads: 1 | 2;
  private readonly layout: Layout;
  private readonly candidates: readonly Candidate[];
  private readonly share: number;
  private readonly retries: number;
  private readonly warm = new Set<string>();
  private backends: Backends | undefined;
  private readonly entrants: Entrant[] = [];

  /** `share`: part of the full amount of work that each run does. `retries`: how often a disturbed run is done again. */
  constructor(threads: 1 | 2, candidates: readonly Candidate[], share: number, retries: number) {
    this.threads = threads;
    this.layout = layoutFor(threads);
    this.candidates = candidates.filter(({ maxThreads }) => maxThreads >= threads);
    this.share = share;
    this.retries = retries;
  }

  /** All candidates in turn, a different one first in each round, so that nobody always follows the same neighbour. */
  async measure({ case: work, round }: Unit): Promise<Outcome> {
    if (this.backends === undefined) await this.start();
    const able = this.entrants.filter(({ candidate }) => unable(candidate, work) === undefined);
    if (!this.warm.has(work.name)) {
      for (const entrant of able) await this.attempt(entrant, work, work.warmUp ?? WARM_UP);
      this.warm.add(work.name);
    }
    const samples: Sample[] = [];
    const failures: Failure[] = [];
    for (const entrant of rotate(able, round)) {
      const label = { case: work.name, candidate: entrant.candidate.name, round };
      const found = await this.undisturbed(entrant, work);
      if (typeof found === 'string') failures.push({ ...label, why: found });
      else samples.push({ ...label, ...found });
    }
    return { samples, failures };
  }

  async stop(): Promise<void> {
    for (const { daemon } of this.entrants) await daemon?.stop();
    await this.backends?.stop();
  }

  private async start(): Promise<void> {
    this.backends = await Backends.start(this.layout.load);
    for (const [index, candidate] of this.candidates.entries()) {
      const site = await this.backends.site(index, this.layout.balancer);
      this.entrants.push(await this.enter(candidate, site));
    }
  }

  private async enter(candidate: Candidate, site: Site): Promise<Entrant> {
    const daemon = await candidate.start(site, this.threads);
    try {
      await untilAccepting(daemon, site.listen.redis.host, site.listen.redis.port);
      return { candidate, site, daemon };
    } catch (error) {
      return { candidate, site, daemon, failure: (error as Error).message };
    }
  }

  /** The run that other work on the machine disturbed least. */
  private async undisturbed(entrant: Entrant, work: Case): Promise<string | Measured> {
    let best = await this.attempt(entrant, work, this.share);
    for (let i = 0; i < this.retries && typeof best !== 'string' && best.foreign > DISTURBED; i++) {
      const next = await this.attempt(entrant, work, this.share);
      if (typeof next === 'string') return next;
      if (next.foreign < best.foreign) best = next;
    }
    return best;
  }

  /** What was measured, or why not. */
  private async attempt(
    { site, daemon, failure }: Entrant,
    work: Case,
    share: number,
  ): Promise<string | Measured> {
    if (daemon === undefined || failure !== undefined) return failure ?? 'did not start';
    const task = { at: site.listen[work.service], cores: this.layout.load, share };
    const read = () => readUsage(daemon.pid, this.backends?.pids ?? []);
    try {
      const first = read();
      const overhead = await work.overhead?.(task);
      const before = read();
      const found = await work.run(task);
      const after = read();
      const less = overhead === undefined ? 0 : before.balancer - first.balancer;
      return {
        ...found,
        operations: found.operations - (overhead?.operations ?? 0),
        cpu: after.balancer - before.balancer - less,
        foreign: Math.round(foreignCores(before, after) * 100) / 100,
      };
    } catch (error) {
      return daemon.failure ?? (error as Error).message;
    }
  }
}

function rotate<T>(list: readonly T[], by: number): T[] {
  const first = by % list.length;
  return [...list.slice(first), ...list.slice(0, first)];
}
