import fc from 'fast-check';
import t from 'tap';
import { diffConfig, formatDiff, isEmptyDiff } from '../../src/config/diff.js';
import { parseConfigObject } from '../../src/config/parse.js';
import { rawConfig } from './arbitrary.js';

const configs = rawConfig.map(raw => parseConfigObject(raw));
const sorted = (list: readonly string[]) => [...list].sort();
const same = (a: readonly string[], b: readonly string[]) => sorted(a).join('\n') === sorted(b).join('\n');

t.test('nothing differs from itself', async () => {
  fc.assert(
    fc.property(rawConfig, raw => {
      const diff = diffConfig(parseConfigObject(raw), parseConfigObject(raw));
      return isEmptyDiff(diff) && formatDiff(diff) === 'nothing changed';
    }),
  );
});

t.test('there and back are mirror images, and every service is somewhere once', async () => {
  fc.assert(
    fc.property(configs, configs, (a, b) => {
      const there = diffConfig(a, b);
      const back = diffConfig(b, a);
      const names = [...there.added, ...there.changed.map(c => c.service), ...there.unchanged];
      return (
        same(there.added, back.removed) &&
        same(there.removed, back.added) &&
        same(there.unchanged, back.unchanged) &&
        same(there.restart, back.restart) &&
        same(there.settings, back.settings) &&
        same(names, Object.keys(b.services)) &&
        there.changed.every(change => {
          const mirror = back.changed.find(c => c.service === change.service);
          return (
            mirror !== undefined &&
            same(change.backends.added, mirror.backends.removed) &&
            same(change.backends.changed, mirror.backends.changed) &&
            same(change.listeners.added, mirror.listeners.removed) &&
            same(change.settings, mirror.settings)
          );
        })
      );
    }),
  );
});

t.test('an empty diff means equal configurations', async () => {
  fc.assert(
    fc.property(
      configs,
      configs,
      (a, b) => !isEmptyDiff(diffConfig(a, b)) || JSON.stringify(a) === JSON.stringify(b),
    ),
  );
});

t.test('in words', async t => {
  const before = parseConfigObject({
    services: {
      gone: { listen: ':1', backends: ['a:1'] },
      same: { listen: ':2', backends: ['a:2'] },
      pg: { listen: ':3', backends: ['a:3', 'b:3', 'c:3'] },
      order: { listen: ':4', backends: ['a:4', 'b:4'] },
    },
  });
  const after = parseConfigObject({
    log: { level: 'debug' },
    runtime: { threads: 2 },
    admin: { listen: 'off' },
    services: {
      same: { listen: [':2'], backends: [{ address: 'a:2', weight: 1 }] },
      pg: {
        listen: [':3', ':33'],
        backends: ['a:3', 'b:3 weight=2', 'd:3'],
        strategy: { kind: 'maglev' },
        health: { kind: 'exchange', send: 'x', fall: 5 },
      },
      order: { listen: ':4', backends: ['b:4', 'a:4'] },
      fresh: { listen: ':1', backends: ['a:1'] },
    },
  });
  const diff = diffConfig(before, after);
  t.strictSame(diff, {
    added: ['fresh'],
    removed: ['gone'],
    changed: [
      {
        service: 'pg',
        listeners: { added: ['*:33'], removed: [] },
        backends: { added: ['d:3'], removed: ['c:3'], changed: ['b:3'] },
        settings: ['strategy', 'health.kind', 'health.fall', 'health.send'],
      },
      {
        service: 'order',
        listeners: { added: [], removed: [] },
        backends: { added: [], removed: [], changed: [] },
        settings: ['backends (order)'],
      },
    ],
    unchanged: ['same'],
    settings: ['log.level', 'admin.listen'],
    restart: ['runtime.threads'],
  });
  t.equal(
    formatDiff(diff),
    [
      'service fresh: added',
      'service gone: removed, its connections drain',
      'service pg: listens also on *:33; backends added d:3; backends removed (draining) c:3; backends changed b:3; settings changed strategy, health.kind, health.fall, health.send',
      'service order: settings changed backends (order)',
      'changed: log.level, admin.listen',
      'needs a restart to take effect: runtime.threads',
      'unchanged: same',
    ].join('\n'),
  );
});
