import { closeSync, fstatSync, openSync, readdirSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import t from 'tap';
import { isSupported } from '../../src/engines/epoll/libc.js';

const EPOLL = { skip: !isSupported() && 'not on this machine' };
const { DescriptorReceiver, DescriptorSender, openChannel } = isSupported()
  ? await import('../../src/engines/epoll/descriptor-channel.js')
  : ({} as never);

const open = (): number => readdirSync('/proc/self/fd').length;

function pair(): [
  sender: InstanceType<typeof DescriptorSender>,
  receiver: InstanceType<typeof DescriptorReceiver>,
  ends: number[],
] {
  const { mine, theirs } = openChannel();
  return [new DescriptorSender(mine), new DescriptorReceiver(theirs), [mine, theirs]];
}

t.test('descriptors come in their order, as many as there are', EPOLL, async t => {
  const files = Array.from({ length: 700 }, (_, i) => openSync(i % 2 === 0 ? '/dev/null' : '/dev/zero', 'r'));
  const [sender, receiver, ends] = pair();
  const before = open();
  for (const count of [1, 0, 249, 250, 251, 700]) {
    const [fds] = await Promise.all([receiver.receive(count), sender.send(files.slice(0, count))]);
    t.equal(fds.length, count);
    t.strictSame(
      fds.map(fd => fstatSync(fd).rdev),
      files.slice(0, count).map(fd => fstatSync(fd).rdev),
    );
    for (const fd of fds) closeSync(fd);
  }
  // More messages than the kernel keeps for a reader: the sender waits for it.
  const sent = sender.send(Array.from({ length: 100_000 }, () => files[0]!));
  await setImmediate();
  for (let batch = 0; batch < 100; batch++) {
    const fds = await receiver.receive(1_000);
    t.equal(new Set(fds).size, 1_000);
    for (const fd of fds) closeSync(fd);
  }
  await sent;
  t.equal(open(), before, 'nothing is left open');
  for (const fd of [...files, ...ends]) closeSync(fd);
});

t.test('what fails says so, and leaves nothing open', EPOLL, async t => {
  const [sender, receiver, [mine, theirs]] = pair();
  const before = open();
  await t.rejects(receiver.receive(1, 20), {
    code: 'LB4_UPGRADE',
    message: '1 of 1 descriptors did not come within 20 ms',
  });
  await sender.send([0, 0, 0]);
  await t.rejects(receiver.receive(2), { code: 'LB4_UPGRADE', message: 'expected 2 descriptors, got 3' });
  await t.rejects(sender.send([99_999]), { code: 'LB4_UPGRADE', message: /^cannot send descriptors: / });
  for (let i = 0; i < 2; i++) {
    const many = sender.send(Array(100_000).fill(0), 20);
    await t.rejects(many, { code: 'LB4_UPGRADE', message: /does not take the descriptors within 20 ms/ });
  }
  closeSync(mine!);
  await t.rejects(receiver.receive(20_000), { code: 'LB4_UPGRADE' });
  t.equal(open(), before - 1);
  closeSync(theirs!);
});

t.test('more descriptors than this process may open', EPOLL, async t => {
  const { execFileSync } = await import('node:child_process');
  const url = new URL('../../src/engines/epoll/descriptor-channel.js', import.meta.url).href;
  const code = `
    const { DescriptorReceiver, DescriptorSender, openChannel } = await import(${JSON.stringify(url)});
    const { readdirSync } = await import('node:fs');
    const { mine, theirs } = openChannel();
    const before = readdirSync('/proc/self/fd').length;
    await new DescriptorSender(mine).send(Array(200).fill(0));
    const error = await new DescriptorReceiver(theirs).receive(200).catch(error => error);
    console.log(error.code, error.message, readdirSync('/proc/self/fd').length - before);`;
  const said = execFileSync('sh', [
    '-c',
    'ulimit -n 100; exec "$0" --input-type=module -e "$1"',
    process.execPath,
    code,
  ]);
  t.equal(
    said.toString(),
    'LB4_UPGRADE cannot receive descriptors: this process may not open as many (ulimit -n) 0\n',
  );
});
