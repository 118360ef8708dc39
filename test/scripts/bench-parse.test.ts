import t from 'tap';
import { parseIperf, parseRedis, parseUdp } from '../../scripts/bench/parse.js';

const CSV = `"test","rps","avg_latency_ms","min_latency_ms","p50_latency_ms","p95_latency_ms","p99_latency_ms","max_latency_ms"
"GET","50675.68","0.760","0.112","0.631","1.215","2.047","8.703"
`;

t.test('redis-benchmark: rate and percentiles by the names of the columns', async t => {
  t.strictSame(parseRedis(CSV, 30_000), { operations: 30_000, perSecond: 50_675.68, p50: 0.631, p99: 2.047 });
  t.strictSame(parseRedis(`WARNING: something\n${CSV}`, 1).p99, 2.047, 'what comes before does not matter');
});

t.test('redis-benchmark: a column that is missing is an error that names it', async t => {
  t.throws(() => parseRedis(CSV.replaceAll('p99_latency_ms', 'p99'), 1), {
    message: 'redis-benchmark: p99_latency_ms: expected a number, got undefined',
  });
  t.throws(() => parseRedis('', 1), /redis-benchmark: rps/);
});

t.test('iperf3: an operation is a GB received', async t => {
  const output = { end: { sum_sent: { bytes: 9e9, seconds: 1 }, sum_received: { bytes: 4e9, seconds: 2 } } };
  t.strictSame(parseIperf(JSON.stringify(output)), { operations: 4, perSecond: 2 });
  t.throws(() => parseIperf('{"error":"unable to connect"}'), /iperf3: bytes: expected a number/);
});

t.test('udp-load: rate, percentiles and losses; changed datagrams are an error', async t => {
  const output = { trips: 1000, seconds: 0.5, lost: 3, wrong: 0, p50: 0.2, p99: 1.5 };
  t.strictSame(parseUdp(JSON.stringify(output)), {
    operations: 1000,
    perSecond: 2000,
    p50: 0.2,
    p99: 1.5,
    lost: 3,
  });
  t.throws(() => parseUdp(JSON.stringify({ ...output, wrong: 2 })), /2 datagrams came back changed/);
  t.throws(() => parseUdp('{"wrong":0}'), /udp-load: trips/);
});
