import t from 'tap';
import { LogOutput } from '../src/log-output.js';
import { until } from './fixtures/until.js';

/** An output that takes so many bytes and then fails. */
class Disk {
  written = '';
  free: number;
  error = 'ENOSPC';

  constructor(free = Number.POSITIVE_INFINITY) {
    this.free = free;
  }

  readonly write = (bytes: string | Uint8Array): number => {
    const whole = Buffer.from(bytes as Uint8Array);
    if (this.free <= 0) throw Object.assign(new Error(this.error), { code: this.error });
    const taken = whole.subarray(0, this.free);
    this.written += taken.toString('latin1');
    this.free -= taken.length;
    return taken.length;
  };
}

t.test('lines are written at once', async t => {
  const disk = new Disk();
  const output = new LogOutput(disk.write);
  output.write('one\n');
  output.write('zwei ä\n');
  t.equal(Buffer.from(disk.written, 'latin1').toString(), 'one\nzwei ä\n');
});

for (const error of ['ENOSPC', 'EAGAIN', 'EIO']) {
  t.test(
    `${error} in the middle of a line: it is completed later, and nothing is lost or doubled`,
    async t => {
      const disk = new Disk(10);
      disk.error = error;
      const output = new LogOutput(disk.write);
      const lines = Array.from({ length: 100 }, (_, i) => `line ${i}: ä\n`);
      for (const line of lines) output.write(line);
      t.equal(disk.written.length, 10);
      disk.free = 100;
      const whole = Buffer.from(lines.join('')).toString('latin1');
      await until('some more', () => disk.written.length === 110);
      disk.free = Number.POSITIVE_INFINITY;
      output.write('the last\n');
      await until('all', () => disk.written.length >= whole.length + 9);
      t.equal(disk.written, `${whole}the last\n`);
      t.equal(output.lost, 0);
    },
  );
}

t.test('what waits is bounded; what is lost is counted, and told once writing works', async t => {
  const disk = new Disk(0);
  const output = new LogOutput(disk.write);
  const told: number[] = [];
  output.onRecovered = lost => told.push(lost);
  const line = `${'x'.repeat(999)}\n`;
  for (let i = 0; i < 2_000; i++) output.write(line);
  t.ok(output.lost > 900 && output.lost < 1_000, `${output.lost} of 2,000 lines of 1 kB`);
  disk.free = Number.POSITIVE_INFINITY;
  await until('told', () => told.length > 0);
  t.strictSame(told, [output.lost]);
  t.equal(disk.written.length, (2_000 - output.lost) * 1_000);
  output.write('on\n');
  t.ok(disk.written.endsWith('on\n'));
});

t.test('nobody reads any more: it is quiet', async t => {
  const disk = new Disk(0);
  disk.error = 'EPIPE';
  const output = new LogOutput(disk.write);
  output.write('one\n');
  disk.free = 1_000;
  output.write('two\n');
  output.end();
  t.equal(disk.written, '');
});

t.test('the end of the process does not wait for an output that takes nothing', async t => {
  const disk = new Disk(0);
  disk.error = 'EAGAIN';
  const output = new LogOutput(disk.write);
  output.write('one\n');
  const before = performance.now();
  output.end();
  t.ok(performance.now() - before < 5_000);
  disk.free = 100;
  output.end();
  t.equal(disk.written, 'one\n');
});
