import t from 'tap';
import { NO_DRAIN } from '../../src/control/drains.js';
import { EventHub } from '../../src/control/events.js';
import { Roster } from '../../src/control/roster.js';
import type { Discovered } from '../../src/discovery/entry.js';
import { SlotAllocator } from '../../src/pool/slots.js';
import { SharedTable } from '../../src/pool/table.js';
import { MAX_SLOTS } from '../../src/pool/totals.js';
import { entry } from '../discovery/helpers.js';

function found(port: number): Discovered {
  const from = entry(`10.0.0.1:${port}`);
  const endpoint = { kind: 'ip', host: '10.0.0.1', port } as const;
  return { ...from, endpoint, entry: from };
}

t.test('a list that needs more slots than there are changes nothing', async t => {
  const table = SharedTable.create(1);
  const slots = new SlotAllocator(table);
  const roster = new Roster({
    service: 'pg',
    table,
    slots,
    events: new EventHub(error => t.fail(String(error))),
    wanted: () => ({ admin: 'ready', weight: 1 }),
    trusted: () => true,
    onAdmin() {},
    onRemoved: () => NO_DRAIN,
    onForgotten() {},
  });
  // One slot is left besides those of the three.
  for (let i = 1; i < MAX_SLOTS - 4; i++) slots.take();
  roster.reconcile([found(1), found(2), found(3)], 'gone', true);
  const before = roster.list;
  const taken = slots.state;
  t.throws(() => roster.reconcile([found(3), found(4), found(5)], 'gone', true), { code: 'LB4_LIMIT' });
  t.strictSame(roster.list, before);
  t.strictSame(roster.leaving, []);
  t.strictSame(slots.state, taken, 'no slot is lost');
  roster.reconcile([found(3), found(4)], 'gone', true);
  t.strictSame(
    roster.list.map(({ key }) => key),
    ['10.0.0.1:3', '10.0.0.1:4'],
  );
  t.throws(() => roster.reconcile([found(3), found(4), found(5)], 'gone', true), { code: 'LB4_LIMIT' });
  roster.reconcile([found(1), found(2), found(4)], 'gone', true);
  t.equal(roster.list.length, 3, 'those who have left and come back have their slots still');
});
