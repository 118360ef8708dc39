import { execFileSync } from 'node:child_process';
import fc from 'fast-check';
import t from 'tap';
import { divideDescriptors, fileDescriptorLimit } from '../src/system-limits.js';

t.test('the soft limit is found', async t => {
  const url = new URL('../src/system-limits.js', import.meta.url).href;
  const script = `import(${JSON.stringify(url)}).then(m => console.log(m.fileDescriptorLimit()))`;
  const out = execFileSync('sh', ['-c', 'ulimit -n 300; exec "$0" -e "$1"', process.execPath, script]);
  t.equal(Number(out), 300);
  t.ok(fileDescriptorLimit() > 0);
});

t.test('there is always enough for what is handed out', async () => {
  fc.assert(
    fc.property(fc.integer({ min: 96, max: 2_000_000 }), fc.nat(40), (limit, fixed) => {
      const { maxConnections, maxParked } = divideDescriptors(limit, fixed, 0);
      const free = limit - 48 - fixed;
      return maxConnections >= 2 && maxParked >= 2 && (free < 8 || 2 * maxConnections + maxParked <= free);
    }),
  );
});

t.test('what the operator says goes', async t => {
  t.equal(divideDescriptors(1024, 10, 5_000).maxConnections, 5_000);
  t.strictSame(divideDescriptors(Number.POSITIVE_INFINITY, 10, 0), { maxConnections: 0, maxParked: 1024 });
  t.equal(divideDescriptors(1_048_576, 0, 0).maxParked, 1024);
});
