import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { freePort } from '../../test/fixtures/backends.js';
import { Postgres } from '../../test/integration/postgres-server.js';
import { execute } from '../../test/integration/programs.js';
import { Redis } from '../../test/integration/redis-server.js';
import type { Backends } from '../upgrades/backends.js';
import { type Outcome, pgbench, redisBenchmark } from '../upgrades/benchmarks.js';
import type { ClientOrder, ClientReport } from '../upgrades/clients.js';
import { Scope } from '../upgrades/scope.js';
import { Crew } from './crew.js';
import { type Findings, isFine, printFindings } from './findings.js';
import { Instance, type Sample } from './instance.js';
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
for (const signal of ['SIGTERM', 'SIGINT'] as const)
  process.on(signal, () => scope.end().then(() => process.exit(1)));

const ports = { crew: 0, redis: 0, postgres: 0, iperf: 0, echo: 0, udp: 0 };
for (const name of Object.keys(ports) as (keyof typeof ports)[]) ports[name] = await freePort();

/** The configuration of a round: something is different in each. */
function services(round: number, crew: Crew, to: Record<keyof Omit<typeof ports, 'crew'>, number>): string {
  const one = (name: keyof typeof ports, backends: readonly string[], more = ''): string =>
    `[services.${name}]\nlisten = "127.0.0.1:${ports[name]}"\nbackends = ${JSON.stringify(backends)}\n${more}`;
  const weights = crew.backends.map(({ address }, i) => `${address} weight=${1 + ((round + i) % 3)}`);
  // One that nobody has ever seen comes and goes.
  const members = round % 2 === 0 ? weights : [...weights, '127.0.0.1:1'];
  const others = (['redis', 'postgres', 'iperf', 'echo'] as const).map(name =>
    one(name, [`127.0.0.1:${to[name]}`]),
  );
  return [
    one('crew', members, `strategy = "weighted-round-robin"\nhealth = { interval = "500ms", fall = 1 }\n`),
    ...others,
    one('udp', [`127.0.0.1:${to.udp}`], `protocol = "udp"\ntimeouts.idle = "${60 + (round % 7)}s"\n`),
  ].join('');
}

async function ask(clients: ChildProcess, message: object | string): Promise<ClientReport> {
  const answer = once(clients, 'message');
  clients.send(message);
  return ((await answer) as [ClientReport])[0];
}

function child(name: string): ChildProcess {
  const process = fork(fileURLToPath(new URL(name, import.meta.url)));
  scope.teardown(() => process.kill('SIGKILL'));
  return process;
}

async function soak(): Promise<boolean> {
  const folder = mkdtempSync(join(tmpdir(), 'lb4-soak-'));
  scope.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const redis = new Redis(scope.test, 'redis', await freePort());
  await redis.up();
  const postgres = await Postgres.primary(scope.test);
  const login = ['-h', '127.0.0.1', '-p', String(postgres.port), '-U', 'postgres'];
  const made = await execute('pgbench', ['-i', '-q', '-s', '1', ...login, 'postgres']);
  if (made.code !== 0) throw new Error(made.stderr);
  const [{ echo, udp }] = (await once(child('../upgrades/backends.js'), 'message')) as [Backends];
  const iperfPort = await freePort();
  iperfServer(scope, iperfPort);
  const crew = new Crew();
  await crew.start();
  const to = { redis: redis.port, postgres: postgres.port, iperf: iperfPort, echo, udp };

  const instance = new Instance(folder);
  instance.write(services(0, crew, to));
  await instance.start(scope);
  const clients = child('../upgrades/clients.js');
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
  await ask(clients, { begin: order });
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
    every(SAMPLE_MS / 1_000, async () => void samples.push(instance.sample(minute()))),
    every(Number(values.restart), () => crew.restart()),
    every(
      Number(values.reload),
      inTurn(async () => {
        instance.write(services(++reloads, crew, to));
        await instance.reload();
      }),
    ),
    every(
      Number(values.upgrade),
      inTurn(async () => {
        freezes.push(await instance.upgrade());
      }),
    ),
    every(60, async () => {
      crew.review();
      longest = Math.max(longest, (await ask(clients, 'report')).longestMs);
      const { memory, descriptors } = instance.sample(minute());
      console.error(
        `minute ${minute().toFixed(0)}: ${memory.toFixed(0)} MiB, ${descriptors} descriptors, ${faults.length + crew.unexplained.length} faults`,
      );
    }),
  ]);

  const outcomes: Outcome[] = [];
  for (const program of programs) outcomes.push(await program.stop());
  await ask(clients, 'check');
  const report = await ask(clients, 'end');
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
  console.log(`warnings in the log: ${instance.warnings.length}`);
  if (values.svg !== undefined) writeFileSync(values.svg, drawSoak(samples));
  return isFine(found);
}

try {
  process.exitCode = (await soak()) ? 0 : 1;
} finally {
  await scope.end();
}
