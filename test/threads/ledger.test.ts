import { readFileSync } from 'node:fs';
import t from 'tap';
import { FdLedger } from '../../src/engines/epoll/ledger.js';
import { isSupported } from '../../src/engines/epoll/libc.js';

const HERE = { skip: !isSupported() && 'the epoll engine is for Linux on x64 and arm64' };

/** Whether the page at this address belongs to the process. */
function isMapped(address: bigint): boolean {
  return readFileSync('/proc/self/maps', 'utf8')
    .trim()
    .split('\n')
    .some(line => {
      const [from, to] = line
        .split(' ', 1)[0]!
        .split('-')
        .map(word => BigInt(`0x${word}`));
      return from! <= address && address < to!;
    });
}

t.test('what a dead thread had open and mapped is found and given back', HERE, async t => {
  const buffer = FdLedger.createBuffer();
  const dead = new FdLedger(buffer, 3);
  const other = new FdLedger(buffer, 4);
  dead.own(100);
  dead.own(7);
  other.own(8);
  dead.disown(100);
  t.strictSame(new FdLedger(buffer, 3).ownedBy(3), [7]);
  const lost = [dead.map(1 << 20), dead.map(4_096)];
  const kept = other.map(4_096);
  new Uint8Array(lost[0]!.memory).fill(1);
  new FdLedger(buffer, 3).unmapAll();
  for (const { address } of lost) t.notOk(isMapped(address));
  t.ok(isMapped(kept.address), 'that of a thread that lives stays');
  const again = dead.map(4_096);
  new FdLedger(buffer, 3).unmapAll();
  t.notOk(isMapped(again.address), 'and so for its successor');
});
