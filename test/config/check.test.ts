import t from 'tap';
import { parseConfigObject } from '../../src/config/parse.js';
import { ConfigError } from '../../src/errors.js';

/** `path: message` of each fault of a configuration with these services. */
function faults(services: Record<string, object>, rest: object = {}): string[] {
  try {
    parseConfigObject({ ...rest, services });
    return [];
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.issues.map(issue => `${issue.path}: ${issue.message}`);
  }
}
const tcp = (more: object) => ({ a: { listen: ':1', backends: ['b:1'], ...more } });
const udp = (more: object) => tcp({ protocol: 'udp', ...more });

t.test('listeners', async t => {
  const at = (listen: string, protocol = 'tcp') => ({ listen, protocol, backends: ['b:1'] });
  const clash = (a: string, b: string) => faults({ x: at(a), y: at(b) }).length;
  t.strictSame(faults({ x: at('10.0.0.1:80'), y: at('10.0.0.1:80') }), [
    'services.y.listen[0]: expected an address of its own, got "10.0.0.1:80", where service "x" listens already',
  ]);
  t.equal(clash(':80', '0.0.0.0:80'), 1);
  t.equal(clash('[::1]:80', '[0:0::1]:80'), 1);
  t.equal(clash('unix:/a', 'unix:/a'), 1);
  t.equal(clash('10.0.0.1:80', '10.0.0.2:80'), 0);
  t.equal(clash(':0', ':0'), 0);
  t.strictSame(faults({ x: at(':53'), y: at(':53', 'udp') }), []);
  t.equal(faults(tcp({ listen: [':1', ':1'] })).length, 1);
  t.match(faults(tcp({ listen: [] })), [/listen: expected at least one address/]);
});

t.test('backends', async t => {
  t.match(faults(tcp({ backends: [] })), [/backends: expected at least one backend/]);
  t.strictSame(faults(tcp({ backends: ['b:1', 'b:1 name=other'] })), []);
  t.match(faults(tcp({ backends: ['b:1 name=x', 'c:1 name=x'] })), [
    /backends\[1\]: expected an id of its own/,
  ]);
  for (const [line, message] of [
    ['b:1 weight', /expected "weight=…"/],
    ['b:1 weight=x', /expected a whole number for "weight", got "x"/],
    ['b:1 weight=70000', /from 0 to 65535/],
    ['b:1 backup=yes', /expected the word "backup" alone/],
    ['b:1 backup backup', /"backup" is there twice/],
    ['b:1 name=a/b', /expected a name/],
    ['b:1 bakup', /did you mean "backup"/],
    ['b:1 address=c:1', /expected "weight"/],
    ['', /expected an address with a port/],
  ] as const) {
    t.match(faults(tcp({ backends: [line] })), [message], line);
  }
  t.match(faults(tcp({ backends: [5] })), [/expected a backend: a string or a table, got 5/]);
});

t.test('admin', async t => {
  const admin = (listen: string, token_file?: string) => faults(tcp({}), { admin: { listen, token_file } });
  t.strictSame(admin('127.0.0.1:1'), []);
  t.strictSame(admin('[::1]:1'), []);
  t.match(admin('0.0.0.0:1'), [/admin.listen: expected admin.token_file/]);
  t.strictSame(admin('0.0.0.0:1', '/token'), []);
  t.match(admin(':1'), [/for every address write "0.0.0.0:1"/]);
  t.match(admin('on'), [/expected/]);
});

t.test('health', async t => {
  const health = (more: object, of = tcp) => faults(of({ health: more }));
  t.match(health({ kind: 'exchange' }), [/health.kind: expected send or expect/]);
  t.match(health({ send: 'x' }), [/health.send: expected health.kind = "exchange" with this key, got "tcp"/]);
  t.match(health({ kind: 'exchange', send: 'x', send_hex: '00' }), [
    /send_hex: expected send or send_hex, got both/,
  ]);
  t.match(health({ kind: 'exchange', send_hex: '0' }), [/send_hex: expected pairs/]);
  t.match(health({ kind: 'tcp' }, udp), [/expected one of "exchange", "none" on a UDP service/]);
  t.match(health({ kind: 'exchange', expect: 'x' }, udp), [/a UDP probe has to ask something/]);
  t.strictSame(health({ kind: 'exchange', send: 'x' }, udp), []);
});

t.test('what the other protocol does not have', async t => {
  t.match(faults(udp({ listen: 'unix:/x' })), [/listen\[0\]: unix sockets work on TCP services only/]);
  t.match(faults(udp({ backends: ['unix:/x'] })), [/backends\[0\]: unix sockets/]);
  t.match(faults(udp({ proxy_protocol: { accept: 'v1', accept_from: ['::/0'] } })), [/PROXY protocol/]);
  t.match(faults(udp({ proxy_protocol: { send: 'v1' } })), [/PROXY protocol/]);
  t.match(faults(udp({ timeouts: { half_closed: '1s' } })), [/half_closed/]);
  t.match(faults(tcp({ udp: { responses: 1 } })), [/udp.responses: works on UDP services only/]);
  t.strictSame(faults(tcp({ udp: { responses: 0 } })), []);
});

t.test('names and an empty file', async t => {
  t.match(faults({ 'a b': { listen: ':1', backends: ['b:1'] } }), [/expected a name of up to 64/]);
  t.match(faults({}), [/services: expected at least one service/]);
  t.match(faults(tcp({}), { name: '../x' }), [/name: expected a name/]);
  t.match(faults(tcp({ proxy_protocol: { accept: 'any' } })), [/accept: expected accept_from/]);
});
