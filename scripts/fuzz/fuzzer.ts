import { readFileSync } from 'node:fs';
import { Coverage } from './coverage.js';
import { type Material, mutate } from './mutate.js';
import { Random } from './random.js';
import { bytesOf, type Target } from './target.js';

/** No input may take longer, and no more of this thread's processor when it is tried again. */
const SLOW_MS = 1_000;
/** Making a slow input shorter takes long. */
const MINIMISING_MS = 10_000;
/** Coverage is asked for about so often. */
const BATCH_MS = 20;
/** Inputs that a target gets before it is reset. */
const RESET_AFTER = 20_000;
const MAX_CORPUS = 2_000;
/** Different faults after which there is nothing more to learn. */
const MAX_FAULTS = 8;
/** Runs that making a fault's input smaller may take. */
const MINIMISING = 400;

export interface Fault {
  readonly input: Uint8Array;
  readonly message: string;
}

/**
 * Gives a target one input after the other: changed ones of those that reached new code (as V8's coverage tells), or
 * fresh ones. The same seed begins with the same inputs; how many there are is a matter of time.
 */
export class Fuzzer {
  executions = 0;
  readonly faults: Fault[] = [];
  /** Inputs that reached code which none before had reached. */
  readonly corpus: Uint8Array[] = [];
  private readonly target: Target;
  private readonly material: Material;
  private readonly coverage: Coverage;
  private readonly onInput: (input: Uint8Array) => void;

  /** `onInput` hears of every input before the target gets it. */
  constructor(target: Target, seed: number, onInput: (input: Uint8Array) => void) {
    this.target = target;
    this.onInput = onInput;
    this.material = {
      random: new Random(seed),
      words: target.words.map(bytesOf).filter(({ length }) => length > 0),
      others: this.corpus,
    };
    // The code of lb4 and of those that take things apart for it, without what fuzzes.
    this.coverage = new Coverage(
      url => /\/(dist\/src|dist\/strategies|node_modules)\//.test(url) && !url.includes('/scripts/fuzz/'),
    );
  }

  /** Functions that were reached. */
  get functions(): number {
    return this.coverage.functions;
  }

  /** Begin with these inputs, then go on for so long. */
  async run(known: readonly Uint8Array[], ms: number): Promise<void> {
    const until = performance.now() + ms;
    for (const input of known) {
      await this.one(input);
      if (this.coverage.grew() || this.corpus.length === 0) this.keep(input);
    }
    while (performance.now() < until && this.faults.length < MAX_FAULTS) await this.batch();
  }

  /** Of the corpus the fewest and shortest inputs that reach all of its code. */
  async distilled(): Promise<Uint8Array[]> {
    const found: Uint8Array[] = [];
    this.coverage.forget();
    for (const input of this.corpus.toSorted((a, b) => a.length - b.length)) {
      await this.one(input);
      if (this.coverage.grew()) found.push(input);
    }
    return found;
  }

  close(): void {
    this.coverage.close();
  }

  private async batch(): Promise<void> {
    const inputs: Uint8Array[] = [];
    const until = performance.now() + BATCH_MS;
    do {
      const input = this.next();
      inputs.push(input);
      await this.one(input);
    } while (performance.now() < until);
    if (!this.coverage.grew()) return;
    this.coverage.undo();
    await this.locate(inputs);
  }

  /** Keep those of these inputs that reach new code: by halves, as most of them do not. */
  private async locate(inputs: readonly Uint8Array[]): Promise<void> {
    for (const input of inputs) await this.one(input);
    if (!this.coverage.grew()) return;
    if (inputs.length === 1) {
      this.keep(inputs[0]!);
      return;
    }
    this.coverage.undo();
    const middle = inputs.length >> 1;
    await this.locate(inputs.slice(0, middle));
    await this.locate(inputs.slice(middle));
  }

  private next(): Uint8Array {
    const { target, corpus } = this;
    const { random } = this.material;
    if (target.generate !== undefined && random.once(4)) {
      const fresh = bytesOf(target.generate(random));
      return random.once(2) ? fresh : mutate(fresh, this.material);
    }
    // Those that came last lead on.
    const recent = random.once(3) ? corpus.slice(-20) : corpus;
    return mutate(random.pick(recent), this.material);
  }

  private keep(input: Uint8Array): void {
    if (this.corpus.length < MAX_CORPUS) this.corpus.push(Uint8Array.from(input));
  }

  private async one(input: Uint8Array): Promise<void> {
    if (++this.executions % RESET_AFTER === 0) await this.target.reset?.();
    const message = await this.faultOf(input);
    if (message === undefined) return;
    const name = nameOf(message);
    if (this.faults.some(fault => nameOf(fault.message) === name)) return;
    const small = await this.minimised(input, name);
    this.faults.push({ input: small, message: (await this.faultOf(small)) ?? message });
  }

  /** Undefined where all is well. */
  private async faultOf(input: Uint8Array): Promise<string | undefined> {
    const before = performance.now();
    const message = await this.thrownBy(input);
    if (message !== undefined || performance.now() - before < SLOW_MS) return message;
    // The machine may have had other things to do.
    const used = threadMs();
    await this.thrownBy(input);
    const ms = threadMs() - used;
    return ms < SLOW_MS ? undefined : `slow: took ${Math.round(ms)} ms`;
  }

  private async thrownBy(input: Uint8Array): Promise<string | undefined> {
    this.onInput(input);
    try {
      // What is not asynchronous costs no turn.
      const running = this.target.run(input);
      if (running !== undefined) await running;
      return undefined;
    } catch (error) {
      return error instanceof Error ? (error.stack ?? error.message) : String(error);
    }
  }

  private async minimised(input: Uint8Array, name: string): Promise<Uint8Array> {
    let small = input;
    let runs = 0;
    const end = performance.now() + MINIMISING_MS;
    for (let size = small.length >> 1; size > 0; size >>= 1) {
      for (let at = 0; at < small.length && runs < MINIMISING && performance.now() < end; ) {
        const shorter = Buffer.concat([small.subarray(0, at), small.subarray(at + size)]);
        const message = await this.faultOf(shorter);
        runs++;
        if (message !== undefined && nameOf(message) === name) small = shorter;
        else at += size;
      }
    }
    return small;
  }
}

/** Time that this thread had the processor for, ms; where nobody tells, time. */
function threadMs(): number {
  try {
    // Read in the thread that asks.
    return Number(readFileSync('/proc/thread-self/schedstat', 'utf8').split(' ')[0]) / 1e6;
  } catch {
    return performance.now();
  }
}

/** The same for the same fault with other values. */
function nameOf(message: string): string {
  const lines = message.split('\n');
  const place = lines.find(line => /^\s+at /.test(line)) ?? '';
  return `${lines[0]!.slice(0, 40).replace(/[\d"'].*/, '')} ${place.replace(/\d+:\d+\)?$/, '')}`;
}
