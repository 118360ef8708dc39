/** Work that is done one after the other, in the order in which it was asked for. */
export class Turn {
  private last: Promise<unknown> = Promise.resolve();

  /** Do it when everything before is done, however that went. Settles as the work does. */
  take<T>(work: () => Promise<T>): Promise<T> {
    const done = this.last.then(work);
    this.last = done.catch(() => undefined);
    return done;
  }
}
