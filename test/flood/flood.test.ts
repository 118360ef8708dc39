import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import t from 'tap';
import { rawDatagram } from '../../scripts/flood/datagram.js';
import { FLOODS } from '../../scripts/flood/flood.js';
import type { Result } from '../../scripts/flood/run.js';
import { ENGINE } from '../fixtures/balancer.js';

const MAIN = fileURLToPath(new URL('../../scripts/flood/main.js', import.meta.url));

/** The short form of a flood; undefined where it cannot be had. Rates are not looked at: the machine may be busy. */
async function flood(name: string): Promise<Result | undefined> {
  const args = [MAIN, '--small', '--json', '--only', name, '--engine', ENGINE];
  const { stdout } = await promisify(execFile)(process.execPath, args).catch(error => {
    // 1: something fell, and the result says what.
    if (error.code === 1 && error.stdout !== '') return error as { stdout: string };
    throw error;
  });
  return stdout === '' ? undefined : (JSON.parse(stdout) as Result);
}

for (const [name, { title, protocol, small, maxGrowthMib }] of Object.entries(FLOODS)) {
  if (small === 0) continue;
  t.test(title, async t => {
    const result = await flood(name);
    if (result === undefined) {
      t.pass('spoofed sources', { skip: 'no network namespace can be made here' });
      return;
    }
    const { during, after, memory, tally, reasons } = result;
    t.comment(JSON.stringify({ tally, reasons, memory }));
    t.ok(during.answered > 0 && after.answered > 0, 'the well-behaved get answers');
    // Over TCP nothing may be lost; the last questions of a period are answered in the next one.
    if (protocol === 'tcp') {
      t.ok(after.answered > 0.5 * after.asked, `${after.answered} of ${after.asked} afterwards`);
      t.ok(after.served > 0, 'new connections are served again');
      t.ok(during.served > 0, 'and while it lasts');
    }
    t.ok(memory[1] - memory[0] < maxGrowthMib, `memory: ${memory.map(Math.round)} MiB`);
    t.ok(Object.values(tally).some(count => count > 0));
    const expected = { connections: 'limit', headers: 'bad_proxy_header' }[name];
    if (expected !== undefined) t.ok(reasons[expected]! > 0, `turned away: ${expected}`);
    t.strictSame(
      result.warnings.filter(line => line.includes('internal_error') || line.includes('"level":6')),
      [],
    );
  });
}

t.test('a raw datagram is what RFC 791 and RFC 768 say', async t => {
  const datagram = rawDatagram(0x7f000001, 53, Buffer.from('hi'));
  datagram.setSource(0x0a000203, 4_660);
  const wanted = '4500001e0000000040110000' + '0a000203' + '7f000001' + '12340035000a0000' + '6869';
  t.equal(datagram.bytes.toString('hex'), wanted);
});
