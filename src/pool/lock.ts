const FREE = 0;
/** The holder needs less than a microsecond; when it takes longer, the system has put it aside. */
const SPINS = 200;
const NAP_MS = 0.05;
/** The owner that is no data-plane thread. */
export const CONTROL = 0x7ffffffe;

/**
 * A lock in one word of shared memory, for a few loads and stores at a time. It is not fair and must not be taken twice.
 * The word names the owner, so that the control plane can tell when a thread has died with it.
 */
export class SpinLock {
  private readonly words: Int32Array;
  private readonly at: number;
  private readonly mine: number;

  /** The lock at `words[at]` as thread `owner` sees it; 0 there is a free lock. */
  constructor(words: Int32Array, at: number, owner: number) {
    this.words = words;
    this.at = at;
    this.mine = owner + 1;
  }

  tryAcquire(): boolean {
    return Atomics.compareExchange(this.words, this.at, FREE, this.mine) === FREE;
  }

  acquire(): void {
    const { words, at } = this;
    let spins = 0;
    while (!this.tryAcquire()) {
      let holder = Atomics.load(words, at);
      // Look before the next try: tries of several threads would take the word from the one that wants to write it.
      while (holder !== FREE && spins++ < SPINS) holder = Atomics.load(words, at);
      // Nobody notifies: the nap gives the CPU to whoever holds the lock.
      if (holder !== FREE) Atomics.wait(words, at, holder, NAP_MS);
    }
  }

  release(): void {
    Atomics.store(this.words, this.at, FREE);
  }

  /** Take the lock over from a thread that has died; false when that one did not have it. */
  seize(dead: number): boolean {
    return Atomics.compareExchange(this.words, this.at, dead + 1, this.mine) === dead + 1;
  }
}
