import type { Owner } from '../../test/fixtures/owner.js';

/** Owns what one run starts; all of it is ended by `end`, the last first. */
export class Cleanup implements Owner {
  private readonly steps: (() => unknown)[] = [];

  teardown(clean: () => unknown): void {
    this.steps.push(clean);
  }

  async end(): Promise<void> {
    for (const step of this.steps.splice(0).reverse()) await step();
  }
}
