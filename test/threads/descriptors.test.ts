import { readFileSync } from 'node:fs';
import t from 'tap';
import { oneService } from '../fixtures/balancer.js';
import { startProgram } from '../fixtures/program.js';

const LINUX = process.platform === 'linux' ? {} : { skip: 'Linux only' };

for (const [limit, least] of [
  [1_500, 1_024],
  [3_000, 2_048],
]) {
  t.test(`the descriptor table is large from the start: ulimit -n ${limit}`, LINUX, async t => {
    const lb = await startProgram(
      t,
      oneService({ backends: ['127.0.0.1:9'] }, { engine: 'epoll', threads: 1 }),
      {
        shell: `ulimit -n ${limit};`,
      },
    );
    const [, size] = /^FDSize:\s+(\d+)/m.exec(readFileSync(`/proc/${lb.pid}/status`, 'utf8'))!;
    t.ok(Number(size) >= least!, `${size} places`);
  });
}
