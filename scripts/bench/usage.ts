import { readdirSync, readFileSync } from 'node:fs';

/** CPU seconds that a process and its children have used so far, all threads: /proc/…/schedstat counts nanoseconds. */
export function cpuSeconds(pid: number): number {
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
