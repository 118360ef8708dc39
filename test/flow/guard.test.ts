import t from 'tap';
import { Peer } from '../../src/address.js';
import { Guard } from '../../src/flow/guard.js';
import { SharedClients } from '../../src/flow/shared-clients.js';
import type { LimitPlan } from '../../src/pool/plan.js';
import { SharedTable } from '../../src/pool/table.js';

const ip = (text: string) => new Peer().setText(text, 1);
const NO_LIMITS: LimitPlan = {
  maxConnections: 0,
  maxConnectionsPerClient: 0,
  connectionRate: 0,
  connectionRatePerClient: 0,
  allow: [],
  deny: [],
};
const SLOT = 1;

function guard(limits: Partial<LimitPlan> = {}) {
  const table = SharedTable.create(1);
  return { table, guard: new Guard(table, SLOT, { ...NO_LIMITS, ...limits }) };
}

t.test('deny wins over allow; an empty allow is everyone', async t => {
  const { guard: open } = guard();
  t.equal(open.admit(ip('203.0.113.1'), 0), 'ok');
  const { guard: some } = guard({ allow: ['10.0.0.0/8', '2001:db8::/32'], deny: ['10.1.0.0/16'] });
  const verdicts = ['10.0.0.1', '10.1.0.1', '11.0.0.1', '2001:db8::1', '2001:db9::1', '::ffff:10.1.2.3'];
  t.strictSame(
    verdicts.map(text => some.admit(ip(text), 0)),
    ['ok', 'denied', 'denied', 'ok', 'denied', 'denied'],
  );
  t.equal(some.admit(new Peer(), 0), 'denied', 'a unix peer lies in no network');
});

t.test('places of the service', async t => {
  const { guard: two, table } = guard({ maxConnections: 2 });
  t.strictSame([two.enter(), two.enter(), two.enter()], [true, true, false]);
  t.equal(table.active[SLOT], 3, 'who came too many counts until it leaves');
  two.leave();
  two.leave();
  t.ok(two.enter());
  two.configure({ ...NO_LIMITS, maxConnections: 1 });
  t.notOk(two.enter(), 'a lower limit counts what is open');
  two.configure(NO_LIMITS);
  t.ok(two.enter());
});

t.test('a client over its own limit uses up nobody else’s rate', async t => {
  const { guard: both } = guard({ maxConnectionsPerClient: 1, connectionRate: 2 });
  t.equal(both.admit(ip('10.0.0.1'), 0), 'ok');
  for (let i = 0; i < 10; i++) t.equal(both.admit(ip('10.0.0.1'), 0), 'limit');
  t.equal(both.admit(ip('10.0.0.2'), 0), 'ok', 'the second token was still there');
  t.equal(both.admit(ip('10.0.0.3'), 0), 'limit', 'and was the last');
  t.equal(both.admit(ip('10.0.0.3'), 500), 'ok', 'half a second later: not counted by the refusal');
  both.release(ip('10.0.0.1'));
  t.equal(both.admit(ip('10.0.0.1'), 1_000), 'ok', 'a release makes room for the client');
});

t.test('limits changed while it runs', async t => {
  const { guard: changing } = guard({ connectionRate: 1 });
  t.notOk(changing.counts);
  t.equal(changing.admit(ip('10.0.0.1'), 0), 'ok');
  t.equal(changing.admit(ip('10.0.0.1'), 0), 'limit');
  changing.configure({ ...NO_LIMITS, connectionRate: 1, deny: ['10.0.0.9'] });
  t.equal(changing.admit(ip('10.0.0.1'), 0), 'limit', 'the bucket goes on while its rate is the same');
  t.equal(changing.admit(ip('10.0.0.9'), 0), 'denied');
  changing.configure({ ...NO_LIMITS, connectionRate: 3, maxConnectionsPerClient: 2 });
  t.ok(changing.counts);
  t.strictSame(
    [1, 2, 3].map(() => changing.admit(ip('10.0.0.1'), 0)),
    ['ok', 'ok', 'limit'],
    'connections from before are not counted, new ones are',
  );
});

t.test('the guards of two threads are one', async t => {
  const table = SharedTable.create(2);
  const [one, two] = [0, 1].map(
    index => new Guard(new SharedTable(table.buffers, index), SLOT, { ...NO_LIMITS, connectionRate: 3 }),
  ) as [Guard, Guard];
  const verdicts = (guards: Guard[], now: number) => guards.map(each => each.admit(ip('10.0.0.1'), now));
  t.strictSame(verdicts([one, two, one, two, one], 0), ['ok', 'ok', 'ok', 'limit', 'limit']);
  // A reload brings limits for each client, and what to count them in.
  const clients = SharedClients.create(2);
  const limits = { ...NO_LIMITS, maxConnectionsPerClient: 2 };
  for (const each of [one, two]) each.configure(limits, clients);
  t.strictSame(verdicts([one, two, one, two], 0), ['ok', 'ok', 'limit', 'limit']);
  for (const each of [one, two]) each.configure({ ...limits, maxConnectionsPerClient: 3 }, clients);
  t.strictSame(verdicts([two, one], 0), ['ok', 'limit'], 'a changed limit keeps the counts');
  for (const each of [one, two, two]) each.release(ip('10.0.0.1'));
  t.strictSame(verdicts([two, two, two, one], 0), ['ok', 'ok', 'ok', 'limit']);
  t.ok(one.enter(2));
  t.ok(two.enter(2));
  t.notOk(one.enter(2), 'places are shared too');
});
