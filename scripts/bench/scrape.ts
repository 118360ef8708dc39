/**
 * What a scrape of /metrics does to the traffic: new connections as fast as one core of load makes them, first without a
 * scrape, then with one a second, then with one after the other. lb4 is alone on core 0.
 *
 *     node dist/scripts/bench/scrape.js [CONNECTIONS]        # default 60000 a run
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseRedis } from './parse.js';
import { daemon, endAll, freePort, run, untilAccepting } from './processes.js';
import { Backends, type Place } from './site.js';
import { readUsage } from './usage.js';

const LB4 = '0';
const LOAD = '1';
const CLI = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url));
const OPERATIONS = Number(process.argv[2] ?? 60_000);
/** How often a page is asked for, ms; Infinity = never, 0 = again as soon as it is there. */
const PAUSES = [Number.POSITIVE_INFINITY, 1_000, 0];

interface Scrapes {
  readonly count: number;
  readonly bytes: number;
  readonly longestMs: number;
}

/** Scrape until `stop` is aborted. */
async function scrapes(at: string, pauseMs: number, stop: AbortSignal): Promise<Scrapes> {
  let count = 0;
  let bytes = 0;
  let longestMs = 0;
  while (!stop.aborted && pauseMs !== Number.POSITIVE_INFINITY) {
    const from = performance.now();
    bytes = (await (await fetch(`http://${at}/metrics`)).arrayBuffer()).byteLength;
    const took = performance.now() - from;
    longestMs = Math.max(longestMs, took);
    count++;
    await new Promise(resolve => setTimeout(resolve, Math.max(0, pauseMs - took)));
  }
  return { count, bytes, longestMs };
}

async function measure(engine: string, backends: readonly Place[], dir: string): Promise<void> {
  const port = await freePort();
  const admin = `127.0.0.1:${await freePort()}`;
  const path = join(dir, `scrape-${engine}-${backends.length}.toml`);
  const list = backends.map(place => `"${place.host}:${place.port}"`).join(', ');
  await writeFile(
    path,
    `log = { level = "warn", connections = false }
admin.listen = "${admin}"
runtime = { engine = "${engine}", threads = 1, drain_timeout = "1s" }
services.main = { listen = "127.0.0.1:${port}", backends = [${list}], health = { kind = "none" } }
`,
  );
  const lb4 = daemon(LB4, process.execPath, [CLI, '-c', path]);
  await untilAccepting(lb4, '127.0.0.1', port);
  const load = (operations: number): Promise<string> => {
    const args = ['-p', String(port), '-c', '50', '-k', '0', '-n', String(operations), '-t', 'get', '--csv'];
    return run(LOAD, 'redis-benchmark', args);
  };
  await load(OPERATIONS / 5);
  for (const pause of PAUSES) {
    const stop = new AbortController();
    const scraping = scrapes(admin, pause, stop.signal);
    const before = readUsage(lb4.pid, []);
    const output = await load(OPERATIONS);
    const cpu = readUsage(lb4.pid, []).balancer - before.balancer;
    stop.abort();
    const { count, bytes, longestMs } = await scraping;
    const { perSecond, p99 } = parseRedis(output, OPERATIONS);
    const worst = Number(output.trim().replaceAll('"', '').split(',').at(-1));
    const often = pause === Number.POSITIVE_INFINITY ? 'never' : pause === 0 ? 'always' : 'each second';
    console.log(
      [
        `${engine.padEnd(5)} ${String(backends.length).padStart(4)} backends, scraped ${often.padEnd(11)}`,
        `${Math.round(perSecond)} connections/s, p99 ${p99} ms, worst ${worst} ms, ${((cpu * 1e6) / OPERATIONS).toFixed(1)} µs CPU each`,
        count === 0
          ? ''
          : `${count} pages of ${Math.round(bytes / 1_000)} kB, longest ${longestMs.toFixed(0)} ms`,
      ].join('; '),
    );
  }
  await lb4.stop();
}

process.on('exit', endAll);
const site = await Backends.start(LOAD);
try {
  for (const [i, engine] of ['epoll', 'net'].entries()) {
    const { backends, dir } = await site.site(i, LB4);
    await measure(engine, backends.redis, dir);
    await measure(engine, backends.many, dir);
  }
} finally {
  await site.stop();
}
