import type { Test } from 'tap';

/** Stands in for a test: what is started in it is ended with it. */
export class Scope {
  private readonly endings: (() => unknown)[] = [];

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
  }
}
