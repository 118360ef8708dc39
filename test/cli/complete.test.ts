import t from 'tap';
import { COMMANDS } from '../../src/cli/commands.js';
import { complete, type LookUp } from '../../src/cli/completion/complete.js';

const KNOWN = {
  instances: ['edge', 'two'],
  services: ['pg', 'redis'],
  backends: ['pg/10.0.0.1:5432', 'pg/[::1]:5432', 'redis/r1'],
};

/** What may come after `lb4 …`, in a world of the above. */
async function after(line: string, lookUp: LookUp = async kind => KNOWN[kind]): Promise<readonly string[]> {
  return await complete(line.split(' '), COMMANDS, lookUp);
}

t.test('commands and their flags', async t => {
  t.ok((await after('')).includes('drain'));
  t.same(await after('re'), ['ready', 'remove', 'rebalance', 'reload']);
  t.same(await after('--str'), ['--strategy']);
  t.same(await after('drain --w'), ['--wait']);
  t.same(await after('drain x --wait --'), ['--timeout', '--admin', '--name', '--token-file', '--help']);
  t.ok((await after('-l 1 --')).includes('--listen'), 'may come again');
  t.notOk((await after('--udp --')).includes('--udp'));
});

t.test('values of flags and positionals', async t => {
  t.same(await after('-s ip'), ['ip-hash']);
  t.same(await after('--engine '), ['auto', 'epoll', 'net']);
  t.same(await after('-c '), [':files']);
  t.same(await after('check '), [':files']);
  t.same(await after('status --name t'), ['two']);
  t.same(await after('rebalance '), ['pg', 'redis']);
  t.same(await after('drain pg/'), ['pg/10.0.0.1:5432', 'pg/[::1]:5432']);
  t.same(await after('drain --wait --timeout 5s redis'), ['redis/r1']);
  t.same(await after('weight redis/r1 '), []);
  t.same(await after('add pg '), []);
  t.same(await after('completion '), ['bash', 'zsh']);
  t.same(await after('drain a b '), []);
  t.same(await after('nonsense '), []);
});

t.test('the flags so far say which instance is asked', async t => {
  const asked: unknown[] = [];
  const lookUp: LookUp = async (kind, line) => {
    asked.push([kind, line.text('admin'), line.text('name')]);
    return [];
  };
  await after('drain --name two pg', lookUp);
  await after('--admin unix:/x drain pg', lookUp);
  await after('drain --admin=unix:/x pg', lookUp);
  t.same(asked, [
    ['backends', undefined, 'two'],
    ['backends', 'unix:/x', undefined],
    ['backends', 'unix:/x', undefined],
  ]);
});

t.test('no instance, no words', async t => {
  t.same(await after('drain ', () => Promise.reject(new Error('none'))), []);
});
