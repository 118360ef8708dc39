import { writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import type { UpgradeReport } from '../../src/admin/app.js';
import type { ConfigInput } from '../../src/config/schema.js';
import { freePort } from '../../test/fixtures/backends.js';
import { Upgradable } from '../../test/fixtures/upgradable.js';
import { type Outcome, pgbench, redisBenchmark } from '../upgrades/benchmarks.js';
import type { ClientOrder } from '../upgrades/clients.js';
import { Scope } from '../upgrades/scope.js';
import { Clients, startBackends, startDatabases } from '../upgrades/stage.js';
import { Crew } from './crew.js';
import { type Findings, isFine, printFindings, type Sample, sample } from './findings.js';
import { iperf, iperfServer } from './iperf.js';
import { drawSoak } from './plot.js';

/**
 * A long time of mixed load, with reloads, backends that die and upgrades: node dist/scripts/soak/main.js [--minutes 60]
 * [--reload 10] [--restart 30] [--upgrade 300] [--svg docs/soak.svg]. Intervals in seconds. Exit code 1 when a client saw an error
 * that no killed backend explains, or when memory or descriptors grow.
 */
const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '60' },
    reload: { type: 'string', default: '10' },
    restart: { type: 'string', default: '30' },
    upgrade: { type: 'string', default: '300' },
    svg: { type: 'string' },
  },
});
const SAMPLE_MS = 2_000;
/** Between two runs of redis-benchmark, which take all the processors that there are. */
const PAUSE_MS = 2_000;
const scope = new Scope();

const ports = { crew: 0, redis: 0, postgres: 0, iperf: 0, echo: 0, udp: 0 };
for (const name of Object.keys(ports) as (keyof typeof ports)[]) ports[name] = await freePort();

/** The configuration of a round: something is different in each. */
function configure(
  round: number,
  crew: Crew,
  to: Record<keyof Omit<typeof ports, 'crew'>, number>,
): ConfigInput {
  const one = (name: keyof typeof to) => ({
    listen: `127.0.0.1:${ports[name]}`,
    backends: [`127.0.0.1:${to[name]}`],
  });
  const weights = crew.backends.map(({ address }, i) => `${address} weight=${1 + ((round + i) % 3)}`);
  return {
    runtime: { threads: 2 },
    log: { connections: false },
    services: {
      crew: {
        listen: `127.0.0.1:${ports.crew}`,
        // One that nobody has ever seen comes and goes.
        backends: round % 2 === 0 ? weights : [...weights, '127.0.0.1:1'],
        strategy: 'weighted-round-robin',
        health: { interval: '500ms', fall: 1 },
      },
      redis: one('redis'),
      postgres: one('postgres'),
      // A probe that comes between two clients makes the server of iperf3 close its listener, and with it whoever waits there.
      iperf: { ...one('iperf'), health: { kind: 'none' } },
      echo: one('echo'),
      udp: { ...one('udp'), protocol: 'udp', timeouts: { idle: `${60 + (round % 7)}s` } },
    },
  };
}

async function soak(): Promise<boolean> {
  const databases = await startDatabases(scope);
  const { echo, udp } = await startBackends(scope);
  const iperfPort = await freePort();
  iperfServer(scope, iperfPort);
  const crew = new Crew();
  await crew.start();
  const to = { ...databases, iperf: iperfPort, echo, udp };

  const instance = await Upgradable.start(scope.test, configure(0, crew, to));
  const clients = new Clients(scope);
  const order: ClientOrder = {
    echo: ports.echo,
    sink: 0,
    udp: ports.udp,
    idle: 200,
    busy: 10,
    flows: 20,
    transferBytes: 0,
    transferSeconds: 0,
  };
  await clients.ask({ begin: order });
  const programs = [
    pgbench(ports.postgres, ['-R', '500']),
    redisBenchmark(ports.redis, ['-c', '20'], 20_000, PAUSE_MS),
    redisBenchmark(ports.redis, ['-c', '20', '-k', '0'], 4_000, PAUSE_MS),
    iperf(ports.iperf, '500M'),
  ];
  crew.ask(ports.crew, 10, 5);

  const began = performance.now();
  const end = began + Number(values.minutes) * 60_000;
  const samples: Sample[] = [];
  const freezes: number[] = [];
  const faults: string[] = [];
  let reloads = 0;
  let longest = 0;
  const minute = (): number => (performance.now() - began) / 60_000;
  /** Do `work` every so many seconds until the end; what fails is a fault and no end. */
  const every = async (seconds: number, work: () => Promise<void>): Promise<void> => {
    for (let next = performance.now() + seconds * 1_000; next < end; next += seconds * 1_000) {
      await sleep(Math.max(0, next - performance.now()));
      await work().catch((error: Error) => faults.push(`minute ${minute().toFixed(1)}: ${error.message}`));
    }
  };
  // One after the other: a reload during an upgrade is refused, and rightly.
  let turn = Promise.resolve();
  const inTurn = (work: () => Promise<void>) => (): Promise<void> => {
    const mine = turn.then(work);
    turn = mine.catch(() => {});
    return mine;
  };
  await Promise.all([
    every(SAMPLE_MS / 1_000, async () => void samples.push(sample(instance.pid, minute()))),
    every(Number(values.restart), () => crew.restart()),
    every(
      Number(values.reload),
      inTurn(async () => {
        instance.write(configure(++reloads, crew, to));
        const { code, stderr } = await instance.run('reload');
        if (code !== 0) throw new Error(stderr);
      }),
    ),
    every(
      Number(values.upgrade),
      inTurn(async () => {
        const report = JSON.parse(await instance.upgrade('--json')) as UpgradeReport;
        if (report.lost.length > 0) throw new Error(`lost: ${report.lost.join(', ')}`);
        freezes.push(report.freeze_ms ?? 0);
      }),
    ),
    every(60, async () => {
      crew.review();
      longest = Math.max(longest, (await clients.ask('report')).longestMs);
      const { memory, descriptors } = sample(instance.pid, minute());
      console.error(
        `minute ${minute().toFixed(0)}: ${memory.toFixed(0)} MiB, ${descriptors} descriptors, ${faults.length + crew.unexplained.length} faults`,
      );
    }),
  ]);

  const outcomes: Outcome[] = [];
  for (const program of programs) outcomes.push(await program.stop());
  await clients.ask('check');
  const report = await clients.ask('end');
  await crew.stop();
  const found: Findings = {
    report,
    idle: order.idle,
    busy: order.busy,
    longest,
    crew,
    outcomes,
    faults,
    samples,
    freezes,
    reloads,
  };
  printFindings(found);
  const warnings = instance.program.log.all.filter(({ level }) => level >= 40);
  console.log(`warnings in the log: ${warnings.length}`);
  if (values.svg !== undefined) writeFileSync(values.svg, drawSoak(samples));
  return isFine(found);
}

try {
  process.exitCode = (await soak()) ? 0 : 1;
} finally {
  await scope.end();
}
