import { pino } from 'pino';
import t from 'tap';
import { Peer } from '../../src/address.js';
import { Journal } from '../../src/control/journal.js';
import type { Finished } from '../../src/flow/sink.js';

interface Line {
  level: number;
  msg: string;
  suppressed?: number;
  [key: string]: unknown;
}

function journal(level = 'info') {
  const lines: Line[] = [];
  const log = pino(
    { level, base: null, timestamp: false },
    { write: (text: string) => void lines.push(JSON.parse(text) as Line) },
  );
  let time = 0;
  return { lines, journal: new Journal(log, true, () => time), at: (ms: number) => (time = ms) };
}

const record: Finished = {
  serviceSlot: 1,
  service: 'pg',
  client: new Peer().setText('2001:db8::1', 4711),
  backendSlot: 2,
  backend: 'db1',
  bytesIn: 12,
  bytesOut: 345,
  connectMs: 1.23456,
  durationMs: 99.9999,
  attempts: 2,
  reason: 'backend_closed',
  detail: '',
};

t.test('the connection line', async t => {
  const { lines, journal: j } = journal();
  j.finished(record);
  t.strictSame(lines, [
    {
      level: 30,
      service: 'pg',
      client: '[2001:db8::1]:4711',
      backend: 'db1',
      bytes_in: 12,
      bytes_out: 345,
      connect_ms: 1.235,
      duration_ms: 100,
      attempts: 2,
      reason: 'backend_closed',
      msg: 'connection',
    },
  ]);
  j.finished({ ...record, connectMs: -1, backend: '', detail: 'why', reason: 'no_backend' });
  t.match(lines[1], { connect_ms: null, detail: 'why' });
  j.connections = false;
  j.finished(record);
  t.equal(lines.length, 2, 'switched off');
});

t.test('no work for lines that nobody wants', async t => {
  const { lines, journal: j } = journal('warn');
  let asked = false;
  j.finished({
    ...record,
    get client() {
      asked = true;
      return record.client;
    },
  });
  t.strictSame(lines, []);
  t.notOk(asked);
});

t.test('transitions: down is a warning', async t => {
  const { lines, journal: j } = journal();
  const event = { id: 1, at: '', type: 'state', service: 'web', backend: 'b0' } as const;
  j.event({ ...event, from: 'up', to: 'down', alarming: true, reason: '3 probes failed: refused' });
  j.event({ ...event, from: 'down', to: 'up', alarming: false, reason: '2 probes ok' });
  t.match(lines, [
    {
      level: 40,
      msg: 'backend is down',
      service: 'web',
      backend: 'b0',
      from: 'up',
      reason: '3 probes failed: refused',
    },
    { level: 30, msg: 'backend is up', from: 'down' },
  ]);
});

t.test('trouble of one kind is told once in ten seconds', async t => {
  const { lines, journal: j, at } = journal();
  for (let i = 0; i < 1_000; i++) j.trouble('fd', 'out of file descriptors');
  j.trouble('ports', 'no free port');
  t.strictSame(
    lines.map(({ msg }) => msg),
    ['out of file descriptors', 'no free port'],
    'each kind for itself',
  );
  at(9_999);
  j.trouble('fd', 'out of file descriptors');
  t.equal(lines.length, 2);
  at(10_000);
  j.trouble('fd', 'out of file descriptors');
  t.match(lines[2], { level: 40, suppressed: 1_000 }, 'what was left out is counted');
  at(30_000);
  j.trouble('fd', 'out of file descriptors');
  t.notOk('suppressed' in lines[3]!, 'nothing was left out since');
});
