import t from 'tap';
import { backendName, findBackend, findService } from '../../src/client/backend-name.js';
import { backendStatus, instanceStatus, serviceStatus } from '../fixtures/status.js';

const ids = (...names: string[]) => names.map(name => backendStatus(name));
const ONE = instanceStatus([serviceStatus('pg', ids('10.0.0.1:5432', 'unix:/run/a.sock', 'a/b', 'pg/x'))]);
const TWO = instanceStatus([
  serviceStatus('pg', ids('10.0.0.1:5432', '[::1]:5432')),
  serviceStatus('redis', ids('10.0.0.1:6379', 'unix:/run/a.sock')),
]);

t.test('SERVICE/BACKEND', async t => {
  for (const [status, text] of [
    [ONE, 'pg/10.0.0.1:5432'],
    [ONE, 'pg/unix:/run/a.sock'],
    [ONE, 'pg/a/b'],
    [ONE, 'pg/pg/x'],
    [TWO, 'pg/[::1]:5432'],
    [TWO, 'redis/unix:/run/a.sock'],
  ] as const) {
    t.equal(backendName(findBackend(status, text)), text);
  }
});

t.test('BACKEND alone where there is one service', async t => {
  t.equal(backendName(findBackend(ONE, '10.0.0.1:5432')), 'pg/10.0.0.1:5432');
  t.equal(backendName(findBackend(ONE, 'unix:/run/a.sock')), 'pg/unix:/run/a.sock');
});

t.test('what is not there', async t => {
  for (const [status, text, message] of [
    [
      ONE,
      'pg/10.0.0.1:543',
      'service "pg" has no backend "10.0.0.1:543" (did you mean "10.0.0.1:5432"?); it has 10.0.0.1:5432, unix:/run/a.sock, a/b, pg/x',
    ],
    [ONE, 'ph/a/b', 'no service "ph" (did you mean "pg"?); there is pg'],
    [ONE, 'nothing', /^service "pg" has no backend "nothing"; it has /],
    [ONE, 'unix:/run/b.sock', /^service "pg" has no backend "unix:\/run\/b\.sock" \(did you mean "unix:/],
    [
      TWO,
      '10.0.0.1:5432',
      'expected SERVICE/BACKEND, because there are 2 services (pg, redis), got "10.0.0.1:5432"; there is pg/10.0.0.1:5432',
    ],
    [TWO, 'unix:/x', /^expected SERVICE\/BACKEND, .*got "unix:\/x"$/],
    [instanceStatus([serviceStatus('pg', [])]), 'x', 'service "pg" has no backend "x"; it has none'],
  ] as const) {
    t.throws(() => findBackend(status, text), { code: 'LB4_ADMIN', message }, text);
  }
  t.throws(() => findService(TWO, 'rediss'), {
    message: 'no service "rediss" (did you mean "redis"?); there is pg, redis',
  });
});

t.test('long lists are cut, names are escaped', async t => {
  const many = Array.from({ length: 20 }, (_, i) => `b${i}`);
  const status = instanceStatus([serviceStatus('pg', ids(...many))]);
  t.throws(() => findBackend(status, 'x'), { message: /b7 and 12 more$/ });
  const odd = instanceStatus([serviceStatus('pg', ids('unix:/a\u001b[2J'))]);
  t.throws(() => findBackend(odd, 'y'), { message: /it has unix:\/a\\u001b\[2J$/ });
});
