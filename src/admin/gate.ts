import type { AdminAddress } from './address.js';

/**
 * Where requests wait while this process hands over to another: what they would read is no longer true, and what they would
 * change would be lost. Then they go on here, or to the other one.
 */
export class Gate {
  /** Where the other process listens, once it has taken over. */
  successor: AdminAddress | undefined;
  private closed: Promise<void> | undefined;
  private open: () => void = () => {};

  /** Resolves at once, unless the gate is closed. */
  async pass(): Promise<void> {
    await this.closed;
  }

  close(): void {
    this.closed ??= new Promise(resolve => {
      this.open = resolve;
    });
  }

  /** Go on here; or, with an address, there. */
  release(successor?: AdminAddress): void {
    this.successor = successor;
    this.open();
    this.closed = undefined;
  }
}
