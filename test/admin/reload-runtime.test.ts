import t, { type Test } from 'tap';
import type { BackendInput } from '../../src/config/backend.js';
import { startAdministered } from '../fixtures/api.js';
import { backend, says } from '../fixtures/backends.js';
import { oneService } from '../fixtures/balancer.js';

/** Three backends; `apply` reloads with these entries for them. */
async function running(t: Test) {
  const list = await Promise.all(['a', 'b', 'c'].map(name => backend(t, says(name))));
  const [a, b, c] = list.map(({ address }) => address) as [string, string, string];
  const input = (...backends: BackendInput[]) => oneService({ backends });
  const lb = await startAdministered(t, input(`${a} name=a`, `${b} name=b`));
  const apply = async (...backends: BackendInput[]) =>
    (await lb.balancer.apply(input(...backends))).overruled;
  const runtime = (id: string) => lb.balancer.backend('main', id).runtime;
  return { ...lb, a, b, c, apply, runtime };
}

t.test('what was changed while running survives a reload of an unchanged file', async t => {
  const { balancer, apply, runtime, a, b, c, service } = await running(t);
  balancer.setState('main', 'a', 'drain');
  balancer.setWeight('main', 'a', 7);
  await balancer.addBackend('main', `${c} name=c`);
  await balancer.removeBackend('main', 'b');
  t.strictSame(await apply(`${a} name=a`, `${b} name=b`), []);
  t.match(balancer.backend('main', 'a'), { state: 'draining', weight: 7 });
  t.strictSame(runtime('a'), { state: 'drain', weight: 7 });
  t.strictSame(
    service().backends.map(({ id }) => id),
    ['a', 'c'],
  );
  t.strictSame(service().removed, ['b']);
  t.strictSame(await apply(`${b} name=b`, `${a} name=a max_connections=5`), [], 'nor do other keys touch it');
  t.match(balancer.backend('main', 'a'), { state: 'draining', weight: 7 });
});

t.test('set back to what the configuration says, it is no change any more', async t => {
  const { balancer, runtime } = await running(t);
  balancer.setState('main', 'a', 'maint');
  balancer.setWeight('main', 'a', 7);
  balancer.setState('main', 'a', 'ready');
  t.strictSame(runtime('a'), { weight: 7 });
  balancer.setWeight('main', 'a', 1);
  t.strictSame(runtime('a'), {});
});

t.test('a reload that changes the weight wins, and says so; the state stays', async t => {
  const { balancer, apply, runtime, a, b } = await running(t);
  balancer.setWeight('main', 'a', 7);
  balancer.setState('main', 'a', 'drain');
  t.strictSame(await apply(`${a} name=a weight=2`, `${b} name=b`), [
    'service main: backend a: weight 7, set while running, gives way to the configuration',
  ]);
  t.match(balancer.backend('main', 'a'), { weight: 2, state: 'draining' });
  t.strictSame(runtime('a'), { state: 'drain' });
});

t.test('a reload that changes disabled wins over the state', async t => {
  const { balancer, apply, runtime, a, b } = await running(t);
  balancer.setState('main', 'a', 'drain');
  const lines = await apply(`${a} name=a disabled`, `${b} name=b`);
  t.strictSame(lines, [
    'service main: backend a: state drain, set while running, gives way to the configuration',
  ]);
  t.equal(balancer.backend('main', 'a').state, 'maintenance');
  balancer.setState('main', 'a', 'ready');
  t.strictSame(runtime('a'), { state: 'ready' }, 'ready is a change where the file says disabled');
  await apply(`${a} name=a disabled`, `${b} name=b`);
  t.equal(balancer.backend('main', 'a').state, 'checking');
});

t.test('a backend that the file removes is forgotten with all that was changed', async t => {
  const { balancer, apply, runtime, a, b } = await running(t);
  balancer.setState('main', 'a', 'maint');
  t.match(await apply(`${b} name=b`), [/backend a: state maint, .* gives way/]);
  await apply(`${a} name=a`, `${b} name=b`);
  t.strictSame(runtime('a'), {});
  t.equal(balancer.backend('main', 'a').state, 'checking');
});

t.test('a renamed backend keeps what was changed; one with another address does not', async t => {
  const { balancer, apply, runtime, a, b, c } = await running(t);
  balancer.setWeight('main', 'a', 7);
  t.strictSame(await apply(`${a} name=primary`, `${b} name=b`), []);
  t.strictSame(runtime('primary'), { weight: 7 });
  t.match(await apply(`${c} name=primary`, `${b} name=b`), [/backend primary: weight 7/]);
  t.strictSame(runtime('primary'), {});
});

t.test('the file takes over what was added, and what was removed when it changes that', async t => {
  const { balancer, apply, runtime, service, a, b, c } = await running(t);
  await balancer.addBackend('main', `${c} name=c weight=3`);
  await balancer.removeBackend('main', 'b');
  t.strictSame(await apply(`${a} name=a`, `${b} name=b weight=4`, `${c} name=c weight=5`), [
    'service main: backend c was added while running; the configuration has it now',
    'service main: backend b was removed while running; the configuration changed it, so it is back',
  ]);
  t.strictSame(runtime('c'), {});
  t.match(service(), { removed: [], backends: [{ weight: 1 }, { weight: 4 }, { id: 'c', weight: 5 }] });
  await balancer.removeBackend('main', 'c');
  t.strictSame(await apply(`${a} name=a`, `${b} name=b weight=4`), [], 'both agree');
  t.strictSame(service().removed, []);
});
