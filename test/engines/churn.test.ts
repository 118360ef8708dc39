import t from 'tap';
import { churn } from '../../scripts/churn/run.js';
import { ENGINE } from '../fixtures/balancer.js';

const SECONDS = ENGINE === 'epoll' ? 30 : 15;

t.test(
  `${SECONDS} s of resets, halts, floods, reloads and dying threads: no wrong byte, no hang, nothing left over`,
  async t => {
    const seed = Number(process.env.SEED ?? Date.now() % 1_000_000_000);
    t.comment(`again: SEED=${seed}, or node dist/scripts/churn/main.js --seed ${seed} --engine ${ENGINE}`);
    const { faults, counts } = await churn({
      engine: ENGINE,
      seconds: SECONDS,
      seed,
      threads: ENGINE === 'epoll' ? 3 : 1,
      kills: ENGINE === 'epoll',
      say: line => t.comment(line),
    });
    t.strictSame(faults, []);
    const { connections = 0, flows = 0, bursts = 0, reloads = 0, refused = 0 } = counts;
    t.ok(connections > 50 && flows > 3 && bursts > 0 && reloads > 0 && refused > 0, JSON.stringify(counts));
  },
);
