import { readdirSync, readlinkSync } from 'node:fs';
import t from 'tap';
import * as libc from '../../src/engines/epoll/libc.js';
import { backend, echo } from '../fixtures/backends.js';
import { ENGINE, oneService, startBalancer } from '../fixtures/balancer.js';
import { ask, client } from '../fixtures/clients.js';
import { until } from '../fixtures/until.js';

// Node has no way to set these.
const skip = ENGINE === 'net' && 'not on this engine';

/** How many TCP sockets of this process (the engine's threads are in it) have this value of a TCP option. */
function socketsWith(option: number, value: number): number {
  const found = new Int32Array(1);
  const length = new Int32Array([4]);
  const bytes = (array: Int32Array) => new Uint8Array(array.buffer);
  return readdirSync('/proc/self/fd').filter(fd => {
    try {
      if (!readlinkSync(`/proc/self/fd/${fd}`).startsWith('socket:')) return false;
    } catch {
      return false;
    }
    const done = libc.getsockopt(Number(fd), libc.IPPROTO_TCP, option, bytes(found), bytes(length));
    return done === 0 && found[0] === value;
  }).length;
}

t.test('defer_accept: a client that says nothing is not accepted', { skip }, async t => {
  const { address } = await backend(t, echo);
  const { balancer, port } = await startBalancer(
    t,
    oneService({ backends: [address], socket: { defer_accept: '5s' } }),
  );
  const silent = client(t, port());
  await until('connected', () => !silent.socket.connecting);
  t.equal(await ask(t, port(), 'hello'), 'hello', 'one that speaks is served meanwhile');
  await until('it is over', () => balancer.active === 0);
  silent.socket.write('late');
  await silent.reads(4);
  t.equal(balancer.active, 1, 'now it is here');
});

t.test('fastopen: the listener takes data with a SYN', { skip }, async t => {
  const { address } = await backend(t, echo);
  const { port } = await startBalancer(t, oneService({ backends: [address], socket: { fastopen: 17 } }));
  t.ok(socketsWith(libc.TCP_FASTOPEN, 17) >= 1);
  t.equal(await ask(t, port(), 'hello'), 'hello');
});

t.test('user_timeout: on both ends', { skip }, async t => {
  const { address } = await backend(t, echo);
  const options = oneService({ backends: [address], socket: { user_timeout: '31s' } });
  const { port } = await startBalancer(t, options);
  const listeners = socketsWith(libc.TCP_USER_TIMEOUT, 31_000);
  t.ok(listeners >= 1);
  const open = client(t, port());
  open.socket.write('x');
  await open.reads(1);
  t.equal(socketsWith(libc.TCP_USER_TIMEOUT, 31_000), listeners + 2);
});
