import type { Test } from 'tap';

const open = new Set<Scope>();
// What was started must not outlive this process.
for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  process.on(signal, async () => {
    for (const scope of open) await scope.end();
    process.exit(1);
  });
}

/** Stands in for a test: what is started in it is ended with it, or by SIGTERM and SIGINT. */
export class Scope {
  private readonly endings: (() => unknown)[] = [];

  constructor() {
    open.add(this);
  }

  teardown(run: () => unknown): void {
    this.endings.push(run);
  }

  /** For helpers of the tests, which ask a test for nothing but that. */
  get test(): Test {
    return this as unknown as Test;
  }

  /** End everything, the last first. */
  async end(): Promise<void> {
    for (const run of this.endings.splice(0).reverse()) {
      try {
        await run();
      } catch (error) {
        console.error(String(error));
      }
    }
    open.delete(this);
  }
}
