/** Descriptors beyond this number are not in the ledger; no process here comes near. */
const MAX_FDS = 1 << 20;

/**
 * Which thread has which descriptor open: a byte a descriptor, in memory that all threads share. Descriptors belong to the
 * process and outlive a thread that dies, so whoever replaces it closes what the ledger says was its.
 */
export class FdLedger {
  readonly buffer: SharedArrayBuffer;
  private readonly owners: Uint8Array;
  private readonly thread: number;

  /** `thread` from 0 to 254. */
  constructor(buffer: SharedArrayBuffer, thread: number) {
    this.buffer = buffer;
    this.owners = new Uint8Array(buffer);
    this.thread = thread;
  }

  static createBuffer(): SharedArrayBuffer {
    return new SharedArrayBuffer(MAX_FDS);
  }

  own(fd: number): void {
    this.owners[fd] = this.thread + 1;
  }

  disown(fd: number): void {
    this.owners[fd] = 0;
  }

  /** Whether any thread has it. */
  isOwned(fd: number): boolean {
    return this.owners[fd] !== 0;
  }

  /** Descriptors of a thread. */
  ownedBy(thread: number): number[] {
    const found: number[] = [];
    const mark = thread + 1;
    for (let fd = this.owners.indexOf(mark); fd !== -1; fd = this.owners.indexOf(mark, fd + 1))
      found.push(fd);
    return found;
  }
}
