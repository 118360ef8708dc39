import { type Mapping, mapMemory, unmapMemory } from './libc.js';

/** Pieces of memory that a thread maps at most, two numbers each: address and length. */
const MAX_MAPPINGS = 16;
const MAX_THREADS = 256;
/** Descriptors beyond this number are not in the ledger; no process here comes near. */
const MAX_FDS = 1 << 20;

/**
 * Which thread has which descriptor open, a byte a descriptor, and which memory mapped: in memory that all threads share. Both belong
 * to the process and outlive a thread that dies, so whoever replaces it closes and unmaps what the ledger says was its.
 */
export class FdLedger {
  readonly buffer: SharedArrayBuffer;
  private readonly owners: Uint8Array;
  private readonly mappings: BigUint64Array;
  private readonly thread: number;

  /** `thread` from 0 to 254. */
  constructor(buffer: SharedArrayBuffer, thread: number) {
    this.buffer = buffer;
    this.owners = new Uint8Array(buffer, 0, MAX_FDS);
    this.mappings = new BigUint64Array(buffer, MAX_FDS + thread * MAX_MAPPINGS * 16, MAX_MAPPINGS * 2);
    this.thread = thread;
  }

  static createBuffer(): SharedArrayBuffer {
    return new SharedArrayBuffer(MAX_FDS + MAX_THREADS * MAX_MAPPINGS * 16);
  }

  own(fd: number): void {
    this.owners[fd] = this.thread + 1;
  }

  disown(fd: number): void {
    this.owners[fd] = 0;
  }

  /** Memory for the kernel, zeroed, which stays where it is as long as the thread lives. */
  map(length: number): Mapping {
    const mapping = mapMemory(length);
    const at = this.mappings.indexOf(0n);
    // Without a place it is simply never unmapped.
    if (at !== -1) {
      this.mappings[at + 1] = BigInt(length);
      this.mappings[at] = mapping.address;
    }
    return mapping;
  }

  /** Unmap what this thread had mapped, once it has ended. */
  unmapAll(): void {
    const { mappings } = this;
    for (let at = 0; at < mappings.length && mappings[at] !== 0n; at += 2) {
      unmapMemory(mappings[at]!, Number(mappings[at + 1]));
      mappings[at] = mappings[at + 1] = 0n;
    }
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
