import t from 'tap';
import { loadConfigText } from '../../src/config/load.js';
import { processOverrides } from '../../src/config/overrides.js';
import { ConfigError, formatIssue } from '../../src/errors.js';

const FILE = `
[log]
level = "warn"
[services.a]
listen = "127.0.0.1:0"
backends = ["127.0.0.1:1"]
`;

t.test('flags about the process win over the file, and make tables that it lacks', async t => {
  const overrides = processOverrides({ logLevel: 'debug', engine: 'net', drainTimeout: '2s', name: 'edge' });
  const { config } = loadConfigText(FILE, 'x.toml', {}, { overrides });
  t.match(config, {
    name: 'edge',
    log: { level: 'debug', connections: true },
    runtime: { engine: 'net', drain_timeout: 2000 },
  });
});

t.test('flags of a service are no overrides', async t => {
  t.strictSame(processOverrides({ strategy: 'first', listen: ['1'], to: ['a'], fall: 2, udp: true }), []);
});

t.test('a wrong value names the flag, faults of the file keep their place', async t => {
  const overrides = processOverrides({ logLevel: 'loud' });
  try {
    loadConfigText(FILE.replace('"127.0.0.1:1"', '"x"'), 'x.toml', {}, { overrides });
    t.fail('expected a ConfigError');
  } catch (error) {
    const lines = (error as ConfigError).issues.map(formatIssue);
    t.type(error, ConfigError);
    t.match(lines.find(line => line.startsWith('--log-level: expected one of "trace"'))?.length, Number);
    t.ok(
      lines.some(line => line.startsWith('x.toml:6:13 services.a.backends[0]')),
      lines.join('\n'),
    );
  }
});

t.test('a file in which the table is no table is still refused by its place', async t => {
  const overrides = processOverrides({ logLevel: 'debug' });
  t.throws(() => loadConfigText(`log = 3\n${FILE.slice(21)}`, 'x.toml', {}, { overrides }), ConfigError);
});
