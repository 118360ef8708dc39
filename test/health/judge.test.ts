import t from 'tap';
import type { Finding } from '../../src/health/finding.js';
import { judge } from '../../src/health/judge.js';
import type { HealthSettings } from '../../src/health/settings.js';
import { settings } from './helpers.js';

/** What is made of it in a word or two. */
function verdict(finding: Finding, role: HealthSettings['role'], max_lag = 0): string {
  const { reason, certain, standIn } = judge(finding, settings({ kind: 'redis', role, max_lag }));
  return `${certain ? 'certain: ' : ''}${reason === '' ? 'good' : reason}${standIn ? ', stand-in' : ''}`;
}

const PRIMARY: Finding = { role: 'primary' };
const REPLICA: Finding = { role: 'replica', lagMs: 3_000 };

t.test('the role that is wanted, and the one that is not', async t => {
  t.equal(verdict(PRIMARY, 'primary'), 'good');
  t.equal(verdict(REPLICA, 'primary'), 'certain: it is a replica');
  t.equal(verdict(REPLICA, 'replica'), 'good');
  t.equal(verdict(PRIMARY, 'replica'), 'certain: it is a primary');
  t.equal(verdict(REPLICA, 'prefer-replica'), 'good');
  t.equal(verdict(PRIMARY, 'prefer-replica'), 'good, stand-in');
  for (const finding of [PRIMARY, REPLICA, {}]) t.equal(verdict(finding, 'any'), 'good');
});

t.test('a server that does not tell its role is no primary and no replica', async t => {
  t.equal(
    verdict({ roleFault: 'ROLE was answered with "NOPERM"' }, 'primary'),
    'role not known: ROLE was answered with "NOPERM"',
  );
  t.equal(verdict({}, 'prefer-replica'), 'role not known: the server has no role');
});

t.test('lag counts where it is limited, for replicas only', async t => {
  t.equal(verdict(REPLICA, 'replica', 3_000), 'good');
  t.equal(verdict(REPLICA, 'replica', 2_000), '3s behind, more than 2s');
  t.equal(verdict(REPLICA, 'any', 2_000), '3s behind, more than 2s');
  t.equal(verdict(PRIMARY, 'prefer-replica', 1), 'good, stand-in');
  t.equal(verdict({ role: 'replica' }, 'replica', 5_000), 'lag not known');
  t.equal(
    verdict({ role: 'replica', lagMs: Infinity }, 'replica', 5_000),
    'no link to its primary, more than 5s',
  );
  t.equal(verdict({ role: 'replica', lagMs: Infinity }, 'replica'), 'good', 'however far');
  t.equal(verdict({ role: 'primary', lagMs: 9_000 }, 'any', 5_000), 'good');
});
