import { readdirSync, readFileSync } from 'node:fs';

/** Ticks of /proc/stat and /proc/PID/stat a second: the same on every architecture that Node runs on. */
const TICKS = 100;

/** CPU seconds used so far. */
export interface Usage {
  readonly balancer: number;
  /** By all that belongs to the benchmark. */
  readonly own: number;
  /** By everything on the machine, and by other guests of its host in its stead. */
  readonly all: number;
  /** Wall clock, ms. */
  readonly at: number;
}

export function readUsage(balancer: number, backends: readonly number[]): Usage {
  const mine = cpuSeconds(balancer);
  const others = backends.reduce((sum, pid) => sum + cpuSeconds(pid), 0);
  const self = process.cpuUsage();
  return {
    balancer: mine,
    own: mine + others + (self.user + self.system) / 1e6 + endedChildren(),
    all: allCores(read('/proc/stat')),
    at: performance.now(),
  };
}

/** How many cores were busy with something else between two readings: what disturbs a measurement. */
export function foreignCores(before: Usage, after: Usage): number {
  const foreign = after.all - before.all - (after.own - before.own);
  return Math.max(0, (foreign * 1000) / (after.at - before.at));
}

/** From the first line of /proc/stat: user, nice, system, irq, softirq and steal; neither idle nor waiting for a disk. */
export function allCores(stat: string): number {
  const [user, nice, system, , , irq, softirq, steal] = stat
    .split('\n', 1)[0]!
    .split(/\s+/)
    .slice(1)
    .map(Number);
  return (
    [user, nice, system, irq, softirq, steal].reduce<number>((sum, ticks) => sum + (ticks ?? 0), 0) / TICKS
  );
}

/** CPU seconds of the load generators that have ended. */
function endedChildren(): number {
  // The name may contain spaces and parentheses; after the last one the fields begin with number 3, the state.
  const fields = read('/proc/self/stat')
    .replace(/^.*\) /s, '')
    .split(' ');
  return (Number(fields[13]) + Number(fields[14])) / TICKS;
}

/** CPU seconds that a process and its children have used so far, all threads: /proc/…/schedstat counts nanoseconds. */
function cpuSeconds(pid: number): number {
  return processTree(pid).reduce((sum, id) => sum + processNanoseconds(id), 0) / 1e9;
}

function processTree(pid: number): number[] {
  const found = [pid];
  for (let i = 0; i < found.length; i++) {
    const children = read(`/proc/${found[i]}/task/${found[i]}/children`).trim();
    if (children !== '') found.push(...children.split(' ').map(Number));
  }
  return found;
}

function processNanoseconds(pid: number): number {
  let sum = 0;
  for (const task of readdirSync(`/proc/${pid}/task`)) {
    sum += Number(read(`/proc/${pid}/task/${task}/schedstat`).split(' ', 1)[0]);
  }
  return sum;
}

/** A thread may end between the look into the directory and here: its file is empty then. */
function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
