import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/**
 * Reads TAP from standard input, every file a subtest of it, prints one line for each test file, what failed and
 * why, and last of all "N passed, N failed". Arguments name checks that failed before the tests and count as failures.
 */

const POINT = /^( *)(not )?ok\b(?: \d+)?(?: - (.*))?$/;

export class Tally {
  passed = 0;
  failed = 0;
  skipped = 0;
  private readonly print: (line: string) => void;
  private readonly failures: string[];
  private file = new FileTally();
  /** Depth of the failure seen last: the failure of its parent says nothing new. */
  private failedDepth = 0;
  /** The YAML block that may follow a test point, and whether it is worth printing. */
  private block: { readonly keep: boolean; end?: string } | undefined;

  constructor(print: (line: string) => void, failedChecks: readonly string[] = []) {
    this.print = print;
    this.failed = failedChecks.length;
    this.failures = [...failedChecks];
  }

  line(text: string): void {
    if (this.block?.end !== undefined) {
      if (text === this.block.end) this.block = undefined;
      else if (this.block.keep) this.say(text);
      return;
    }
    const opening = /^( *)---$/.exec(text);
    if (this.block !== undefined && opening !== null) {
      this.block.end = `${opening[1]}...`;
      return;
    }
    this.block = undefined;
    const point = POINT.exec(text);
    if (point !== null) this.point(point[1]!.length / 4, point[2] !== undefined, point[3] ?? '');
  }

  /** Print the last line of the run; returns the exit code. */
  end(): number {
    if (this.passed + this.failed === 0) {
      this.failed++;
      this.failures.push('no test was run');
    }
    if (this.failures.length > 0) this.print(`\n${['failed:', ...this.failures].join('\n  ')}`);
    const skipped = this.skipped > 0 ? `, ${this.skipped} skipped` : '';
    this.print(`${this.passed} passed, ${this.failed} failed${skipped}`);
    return this.failed > 0 ? 1 : 0;
  }

  private point(depth: number, bad: boolean, text: string): void {
    const skip = / # SKIP\b/i.test(text);
    const name = text.replace(/ \{$/, '').replace(/ # (time=|SKIP\b).*$/i, '');
    const isParent = this.failedDepth > depth;
    this.block = { keep: bad && !skip && !isParent };
    if (bad && depth > 0) {
      this.failedDepth = depth;
      this.say(`${'  '.repeat(depth + 1)}✖ ${name}`);
    }
    if (depth === 1) {
      this.file.add(name, skip ? 'skipped' : bad ? 'failed' : 'passed');
      if (skip) this.say(`    skipped: ${name} ${/ # SKIP\b *(.*)$/i.exec(text)?.[1] ?? ''}`.trimEnd());
    } else if (depth === 0) {
      this.endFile(name, bad, / # time=([\d.]+)ms/.exec(text)?.[1]);
    }
  }

  private endFile(name: string, bad: boolean, ms: string | undefined): void {
    const { file } = this;
    // A file that crashed or ran out of time may not have a failed test to show for it.
    const failures = bad && file.failed.length === 0 ? [name] : file.failed.map(test => `${name}: ${test}`);
    this.failures.push(...failures);
    this.passed += file.passed;
    this.failed += failures.length;
    this.skipped += file.skipped;
    const seconds = ms === undefined ? '' : `, ${(Number(ms) / 1000).toFixed(1)} s`;
    const skipped = file.skipped > 0 ? `, ${file.skipped} skipped` : '';
    this.print(`${bad ? '✖' : '✔'} ${name}  (${file.passed} passed${skipped}${seconds})`);
    for (const line of file.lines) this.print(line);
    this.file = new FileTally();
    this.failedDepth = 0;
  }

  /** Details wait for the line of their file; what comes after that line is about the file itself. */
  private say(line: string): void {
    if (this.file.isEmpty && this.failedDepth === 0) this.print(line);
    else this.file.lines.push(line);
  }
}

class FileTally {
  passed = 0;
  skipped = 0;
  readonly failed: string[] = [];
  readonly lines: string[] = [];

  get isEmpty(): boolean {
    return this.passed + this.skipped + this.failed.length === 0;
  }

  add(name: string, result: 'passed' | 'failed' | 'skipped'): void {
    if (result === 'failed') this.failed.push(name);
    else this[result]++;
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const tally = new Tally(line => process.stdout.write(`${line}\n`), process.argv.slice(2));
  for await (const line of createInterface({ input: process.stdin })) tally.line(line);
  process.exitCode = tally.end();
}
