import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { folder } from '../../test/fixtures/program.js';
import { median } from '../bench/statistics.js';
import { type Balancer, haproxy, lb4, nginx } from './balancers.js';
import { type Outcome, pgbench, type Running, redisBenchmark } from './benchmarks.js';
import type { ClientOrder, ClientReport } from './clients.js';
import { Scope } from './scope.js';
import { Clients, startBackends, startDatabases } from './stage.js';

/**
 * Upgrades under load: node dist/scripts/upgrades/main.js [--upgrades 20] [--pause 2] [--only lb4,haproxy,nginx] [--megabytes 1024]
 * [--idle 1000], or with --freeze 1000,5000 how long connections stand still. docs/upgrades.md has what it says.
 */
const { values } = parseArgs({
  options: {
    upgrades: { type: 'string', default: '20' },
    pause: { type: 'string', default: '2' },
    only: { type: 'string', default: 'lb4,haproxy,nginx' },
    megabytes: { type: 'string', default: '1024' },
    idle: { type: 'string', default: '1000' },
    threads: { type: 'string', default: '2' },
    freeze: { type: 'string' },
  },
});
const upgrades = Number(values.upgrades);
const pauseMs = Number(values.pause) * 1000;

const BUILDERS = {
  lb4: (scope: Scope, routes: Parameters<typeof haproxy>[2]) => lb4(scope, routes, Number(values.threads)),
  haproxy: (scope: Scope, routes: Parameters<typeof haproxy>[2]) =>
    haproxy(scope, folder(scope.test), routes),
  nginx: (scope: Scope, routes: Parameters<typeof haproxy>[2]) => nginx(scope, folder(scope.test), routes),
} as const;

/** Everything at once through `upgrades` upgrades of one balancer. */
async function loaded(which: keyof typeof BUILDERS): Promise<boolean> {
  const scope = new Scope();
  try {
    const { redis, postgres } = await startDatabases(scope);
    const { echo, sink, udp } = await startBackends(scope);
    const balancer = await BUILDERS[which](scope, [
      { name: 'echo', to: echo },
      { name: 'sink', to: sink },
      { name: 'redis', to: redis },
      { name: 'postgres', to: postgres },
      { name: 'udp', to: udp, udp: true },
    ]);
    const port = (name: string): number => balancer.routes.find(route => route.name === name)?.port ?? 0;
    const clients = new Clients(scope);
    const order: ClientOrder = {
      echo: port('echo'),
      sink: port('sink'),
      udp: port('udp'),
      idle: Number(values.idle),
      busy: 10,
      flows: 20,
      transferBytes: Number(values.megabytes) * 1024 * 1024,
      // As long as the upgrades take, about.
      transferSeconds: upgrades * (pauseMs / 1000 + 1.5),
    };
    await clients.ask({ begin: order });
    console.error(`${balancer.name}: ${order.idle} sessions are open`);
    const programs: Running[] = [
      pgbench(port('postgres'), []),
      redisBenchmark(port('redis'), ['-c', '50'], 50_000),
      redisBenchmark(port('redis'), ['-c', '50', '-P', '16'], 200_000),
      redisBenchmark(port('redis'), ['-c', '50', '-k', '0'], 5_000),
    ];
    await sleep(pauseMs);
    const quiet = (await clients.ask('report')).longestMs;
    const freezes: number[] = [];
    const seen: number[] = [];
    let refused = 0;
    for (let i = 0; i < upgrades; i++) {
      try {
        const freeze = await balancer.upgrade();
        if (freeze !== undefined) freezes.push(freeze);
        console.error(`${balancer.name}: upgrade ${i + 1}`);
      } catch (error) {
        refused++;
        console.error(`${balancer.name}: upgrade ${i + 1}: ${(error as Error).message}`);
      }
      await sleep(pauseMs);
      seen.push((await clients.ask('report')).longestMs);
    }
    const left = balancer.left();
    const outcomes: Outcome[] = [];
    for (const program of programs) {
      outcomes.push(await program.stop());
      console.error(outcomes.at(-1)!.name);
    }
    let report = await clients.ask('check');
    for (let i = 0; i < 300 && order.transferBytes > 0 && report.transfer === undefined; i++) {
      await sleep(1_000);
      report = await clients.ask('report');
    }
    report = await clients.ask('end');
    print(balancer, { refused, quiet, freezes, seen, left, outcomes, report });
    const errors = outcomes.reduce((sum, { errors }) => sum + errors.length, 0);
    const { idleLost, busyLost, wrongBytes, datagramsLost, transfer } = report;
    return refused + errors + idleLost + busyLost + wrongBytes + datagramsLost === 0 && transfer !== 'broken';
  } finally {
    await scope.end();
  }
}

interface Findings {
  readonly refused: number;
  readonly quiet: number;
  readonly freezes: readonly number[];
  readonly seen: readonly number[];
  readonly left: ReturnType<Balancer['left']>;
  readonly outcomes: readonly Outcome[];
  readonly report: ClientReport;
}

function print(
  { name }: Balancer,
  { refused, quiet, freezes, seen, left, outcomes, report }: Findings,
): void {
  const of = (list: readonly number[]): string =>
    list.length === 0 ? '-' : `${median(list)!.toFixed(1)} median, ${Math.max(...list).toFixed(1)} most`;
  console.log(`\n${name}, ${upgrades} upgrades, ${refused} of them refused`);
  console.log(`  freeze as it says itself, ms          ${of(freezes)}`);
  console.log(`  longest answer a client waited, ms    ${of(seen)} (${quiet.toFixed(1)} without upgrades)`);
  for (const { name, done, errors } of outcomes) {
    console.log(
      `  ${name.padEnd(36)}  ${done} done, ${errors.length} errors ${errors.slice(0, 2).join(' | ')}`,
    );
  }
  console.log(
    `  checksummed transfer                  ${values.megabytes} MiB ${report.transfer ?? 'not over'}`,
  );
  console.log(`  idle sessions lost                    ${report.idleLost} of ${values.idle}`);
  console.log(
    `  asking clients lost, wrong bytes      ${report.busyLost}, ${report.wrongBytes} (${report.answers} answers)`,
  );
  console.log(`  datagrams lost                        ${report.datagramsLost} of ${report.datagrams}`);
  console.log(
    `  old processes remaining               ${left.processes}, with ${left.connections} connections`,
  );
}

/** How long `count` connections stand still, ten of them asking all the time. */
async function frozen(count: number): Promise<void> {
  const scope = new Scope();
  try {
    const { echo, sink } = await startBackends(scope);
    const balancer = await BUILDERS.lb4(scope, [
      { name: 'echo', to: echo },
      { name: 'sink', to: sink },
    ]);
    const clients = new Clients(scope);
    const port = balancer.routes[0]!.port;
    const order = { echo: port, sink: 0, udp: 0, idle: count - 10, busy: 10, flows: 0 };
    await clients.ask({ begin: { ...order, transferBytes: 0, transferSeconds: 0 } });
    const freezes: number[] = [];
    const seen: number[] = [];
    for (let i = 0; i < upgrades; i++) {
      await sleep(pauseMs);
      await clients.ask('report');
      freezes.push((await balancer.upgrade())!);
      seen.push((await clients.ask('report')).longestMs);
    }
    const report = await clients.ask('check');
    console.log(
      `${count} connections, ${upgrades} upgrades: freeze ${median(freezes)!.toFixed(1)} ms median (${Math.min(...freezes).toFixed(1)} to ${Math.max(...freezes).toFixed(1)}); longest answer ${median(seen)!.toFixed(1)} ms median; lost ${report.idleLost + report.busyLost}, wrong bytes ${report.wrongBytes}`,
    );
  } finally {
    await scope.end();
  }
}

if (values.freeze !== undefined) {
  for (const count of values.freeze.split(',')) await frozen(Number(count));
} else {
  let fine = true;
  for (const which of values.only.split(',') as (keyof typeof BUILDERS)[]) {
    const isWhole = await loaded(which);
    if (which === 'lb4') fine = isWhole;
  }
  process.exitCode = fine ? 0 : 1;
}
