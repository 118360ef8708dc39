import fc from 'fast-check';
import t from 'tap';
import { type Claim, isNewer } from '../../src/health/claim.js';
import { Election } from '../../src/health/election.js';

interface Server {
  readonly id: string;
}
const [A, B, C] = ['a', 'b', 'c'].map(id => ({ id })) as [Server, Server, Server];

const pg = (timeline: number, position = 0n, cluster = '7'): Claim => ({ cluster, timeline, position });
/** Objections in order, `-` for none. */
const objections = (election: Election<Server>, policy: 'newest' | 'refuse' | 'all' = 'newest'): string[] =>
  [A, B, C].map(one => election.objection(one, policy) || '-');

t.test('who was promoted after whom', async t => {
  t.ok(isNewer(pg(3), pg(2)));
  t.notOk(isNewer(pg(2), pg(2, 9n)));
  t.notOk(isNewer(pg(3), pg(2, 0n, '8')), 'timelines of two clusters say nothing');
  t.ok(isNewer({ history: 'y', parent: 'x' }, { history: 'x' }));
  t.notOk(isNewer({ history: 'x' }, { history: 'y', parent: 'x' }));
  t.notOk(isNewer({ history: 'x', position: 5n }, { history: 'z', position: 3n }));
  t.notOk(isNewer({}, {}));
});

t.test('one primary is no question', async t => {
  const election = new Election<Server>();
  t.strictSame(election.claim(A, pg(1)), []);
  t.strictSame(objections(election), ['-', '-', '-']);
  t.strictSame(election.rivals, []);
});

t.test(
  'the one that was promoted last is taken, at once; a split brain it is when the other has said it again',
  async t => {
    const election = new Election<Server>();
    election.claim(A, pg(1, 100n));
    t.strictSame(election.claim(B, pg(2, 50n)), [A], 'A is asked again');
    t.strictSame(objections(election), ['it is out of date: b was promoted after it', '-', '-']);
    t.strictSame(election.rivals, []);
    election.claim(A, pg(1, 110n));
    t.strictSame(election.rivals, [A, B]);
    t.strictSame(objections(election, 'refuse').slice(0, 2), [
      'it is out of date: b was promoted after it',
      'split brain: a and b say that they are the primary',
    ]);
    t.strictSame(objections(election, 'all'), ['-', '-', '-']);
    election.resign(A);
    t.strictSame(election.rivals, []);
    t.strictSame(objections(election, 'refuse'), ['-', '-', '-']);
  },
);

t.test(
  'who is out of date stays so when the newer one is gone, until it is vouched for or the newer one gives up',
  async t => {
    const outdated = 'it is out of date: b was promoted after it';
    for (const [how, change, then] of [
      ['no more answers', (e: Election<Server>) => e.lose(B), outdated],
      ['vouched for', (e: Election<Server>) => e.forget(), '-'],
      ['a replica now', (e: Election<Server>) => e.resign(B), '-'],
    ] as const) {
      const election = new Election<Server>();
      election.claim(A, pg(1));
      election.claim(B, pg(2));
      election.lose(B);
      change(election);
      t.equal(objections(election)[0], then, how);
      if (then === '-') continue;
      election.claim(C, pg(3));
      t.equal(objections(election)[2], '-', 'a still newer one is taken');
    }
  },
);

t.test(
  'who cannot be told apart: the one that was there stays, else the one that has written most',
  async t => {
    const election = new Election<Server>();
    election.claim(A, pg(1, 10n));
    election.claim(B, pg(1, 99n));
    t.strictSame(objections(election), ['-', 'a is the primary already', '-']);
    election.lose(A);
    t.equal(objections(election)[1], '-');
    const fresh = new Election<Server>();
    fresh.claim(A, { history: 'x', position: 10n });
    fresh.forget();
    fresh.claim(B, { history: 'y', position: 99n });
    t.strictSame(objections(fresh), ['b is the primary already', '-', '-'], 'nobody was there');
  },
);

t.test(
  'whatever is said: at most one is taken, nobody that another was promoted after, and none without a claim',
  async () => {
    const claim = fc.oneof(
      fc.record({ cluster: fc.constantFrom('7', '8'), timeline: fc.nat(3), position: fc.bigInt(0n, 3n) }),
      fc.record({ history: fc.constantFrom('x', 'y', 'z'), parent: fc.constantFrom('x', 'y', undefined) }),
      fc.constant({}),
    );
    const act = fc.tuple(
      fc.constantFrom('claim', 'claim', 'lose', 'resign'),
      fc.constantFrom(A, B, C),
      claim,
    );
    fc.assert(
      fc.property(fc.array(act, { maxLength: 20 }), acts => {
        const election = new Election<Server>();
        const claims = new Map<Server, Claim>();
        for (const [what, who, shown] of acts) {
          if (what === 'claim') {
            election.claim(who, shown);
            claims.set(who, shown);
          } else {
            election[what as 'lose' | 'resign'](who);
            claims.delete(who);
          }
          const taken = [...claims.keys()].filter(one => election.objection(one, 'newest') === '');
          if (taken.length > 1) return false;
          if (taken.some(one => [...claims.values()].some(other => isNewer(other, claims.get(one)!))))
            return false;
        }
        return true;
      }),
      { numRuns: 500 },
    );
  },
);
