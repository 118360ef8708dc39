/** What waits until this process is the one that serves. */
export class Standby {
  private waiting: (() => Promise<unknown>)[] | undefined;

  constructor(on: boolean) {
    this.waiting = on ? [] : undefined;
  }

  /** True when `begin` was put off to the end of standby; false when that is over. */
  defer(begin: () => Promise<unknown>): boolean {
    this.waiting?.push(begin);
    return this.waiting !== undefined;
  }

  async end(): Promise<void> {
    const waiting = this.waiting ?? [];
    this.waiting = undefined;
    await Promise.all(waiting.map(begin => begin()));
  }
}
