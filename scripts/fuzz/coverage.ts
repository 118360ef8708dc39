import { type Profiler, Session } from 'node:inspector';

/** A half-open range of a script's text. */
type Range = readonly [start: number, end: number];

/**
 * Which code has run, as V8 counts it for each block (Profiler.takePreciseCoverage). Asking costs about a millisecond, so
 * it is asked about several inputs at a time.
 */
export class Coverage {
  private readonly session = new Session();
  private readonly isWanted: (url: string) => boolean;
  /** Of each function that has run the parts that have not. */
  private readonly missing = new Map<string, readonly Range[]>();
  /** What the last `grew` changed in it, as it was before. */
  private before: (readonly [name: string, missing: readonly Range[] | undefined])[] = [];

  /** Counts what runs in scripts whose URL is wanted, in this thread, from now on. */
  constructor(isWanted: (url: string) => boolean) {
    this.isWanted = isWanted;
    this.session.connect();
    this.session.post('Profiler.enable');
    this.session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true });
  }

  /** Functions that have run so far. */
  get functions(): number {
    return this.missing.size;
  }

  /** True when something ran since the last call that had never run before. */
  grew(): boolean {
    this.before = [];
    for (const script of this.take()) {
      if (!this.isWanted(script.url)) continue;
      for (const { ranges } of script.functions) {
        const [whole, ...parts] = ranges;
        if (whole!.count === 0) continue;
        this.note(`${script.scriptId}:${whole!.startOffset}`, parts);
      }
    }
    return this.before.length > 0;
  }

  /** As if the last `grew` had not been asked. */
  undo(): void {
    for (const [name, missing] of this.before) {
      if (missing === undefined) this.missing.delete(name);
      else this.missing.set(name, missing);
    }
    this.before = [];
  }

  /** Begin anew. */
  forget(): void {
    this.take();
    this.missing.clear();
    this.before = [];
  }

  close(): void {
    this.session.post('Profiler.stopPreciseCoverage');
    this.session.disconnect();
  }

  private note(name: string, parts: readonly Profiler.CoverageRange[]): void {
    const idle = parts
      .filter(({ count }) => count === 0)
      .map(({ startOffset, endOffset }): Range => [startOffset, endOffset]);
    const before = this.missing.get(name);
    const after = before === undefined ? idle : intersection(before, idle);
    if (before !== undefined && length(after) === length(before)) return;
    this.before.push([name, before]);
    this.missing.set(name, after);
  }

  private take(): readonly Profiler.ScriptCoverage[] {
    let taken: readonly Profiler.ScriptCoverage[] = [];
    // Within the same thread the answer comes before `post` returns.
    this.session.post('Profiler.takePreciseCoverage', (error, { result }) => {
      if (error !== null) throw error;
      taken = result;
    });
    return taken;
  }
}

function intersection(a: readonly Range[], b: readonly Range[]): Range[] {
  const found: Range[] = [];
  for (const [start, end] of a) {
    for (const [from, to] of b) {
      if (Math.max(start, from) < Math.min(end, to)) found.push([Math.max(start, from), Math.min(end, to)]);
    }
  }
  return found;
}

function length(ranges: readonly Range[]): number {
  return ranges.reduce((sum, [start, end]) => sum + end - start, 0);
}
