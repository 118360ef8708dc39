import { deepStrictEqual } from 'node:assert';
import fc from 'fast-check';
import t from 'tap';
import { loadConfigText } from '../../src/config/load.js';
import { parseOneLiner } from '../../src/config/one-liner.js';
import { parseConfigObject } from '../../src/config/parse.js';
import { CONFIG_DEFAULTS, printConfig } from '../../src/config/print.js';
import { rawConfig } from './arbitrary.js';

t.test('what is printed loads as the same configuration', async () => {
  fc.assert(
    fc.property(rawConfig, raw => {
      const config = parseConfigObject(raw);
      const text = printConfig(config);
      deepStrictEqual(loadConfigText(text, 'printed.toml', { HOME: 'x' }).config, config, text);
    }),
    { numRuns: 250 },
  );
});

t.test('only what differs from the defaults is printed', async t => {
  const config = parseOneLiner({ listen: ['5432'], to: ['a,b*2,c+backup'], idleTimeout: '1h' });
  t.equal(
    printConfig(config, 'made from flags'),
    [
      '# made from flags',
      '',
      '[services.main]',
      'listen = ":5432"',
      'protocol = "tcp"',
      'strategy = "least-connections"',
      'backends = [',
      '  "a:5432",',
      '  "b:5432 weight=2",',
      '  "c:5432 backup",',
      ']',
      '',
      '[services.main.timeouts]',
      'idle = "1h"',
      '',
    ].join('\n'),
  );
});

t.test('defaults of the two protocols', async t => {
  const { tcp, udp } = CONFIG_DEFAULTS;
  t.equal(tcp.services.main?.timeouts.idle, 0);
  t.equal(tcp.services.main?.health.kind, 'tcp');
  t.equal(udp.services.main?.timeouts.idle, 60_000);
  t.equal(udp.services.main?.health.kind, 'none');
  t.ok(Object.isFrozen(tcp.services.main?.health));
});

t.test('a default of the other protocol is written down', async t => {
  const service = { listen: ':53', protocol: 'udp', backends: ['a:53'], timeouts: { idle: '0' } } as const;
  t.match(printConfig(parseConfigObject({ services: { dns: service } })), 'idle = "0s"');
});
