import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { METRICS } from '../../src/admin/metrics.js';
import { startAdministered } from '../fixtures/api.js';
import { backend, freePort, named } from '../fixtures/backends.js';
import { config, oneService } from '../fixtures/balancer.js';
import { ask } from '../fixtures/clients.js';
import { folder } from '../fixtures/program.js';
import { until } from '../fixtures/until.js';
import { execute, needs } from './programs.js';
import { Server } from './servers.js';

/** Compiled tests lie in dist/test. */
const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const ALERTS = join(ROOT, 'configs/alerts.yml');

interface Dashboard {
  readonly panels: readonly {
    readonly id: number;
    readonly type: string;
    readonly title: string;
    readonly datasource?: { readonly uid: string };
    readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
    readonly targets?: readonly { readonly expr: string; readonly datasource: { readonly uid: string } }[];
  }[];
  readonly templating: { readonly list: readonly { readonly name: string; readonly definition?: string }[] };
}
const DASHBOARD = JSON.parse(readFileSync(join(ROOT, 'configs/grafana-dashboard.json'), 'utf8')) as Dashboard;

// biome-ignore lint/suspicious/noTemplateCurlyInString: Grafana's way to name a variable
const SOURCE = '${datasource}';

/** Every name of a metric in a text of PromQL. */
function namesIn(text: string): Set<string> {
  return new Set(text.match(/\b(lb4|process|nodejs)_[a-z0-9_]+/g));
}

/** The names on a page of metrics that has something of everything. */
async function namesOnPage(t: Test): Promise<Set<string>> {
  const behind = await backend(t, named('a'));
  const input = { listen: '127.0.0.1:0', backends: [behind.address] };
  const lb = await startAdministered(
    t,
    config({ tcp: input, udp: { ...input, protocol: 'udp' as const, health: { kind: 'none' as const } } }),
  );
  await lb.api('GET', '/metrics');
  // The collector of garbage has had no time yet.
  const { text } = await lb.api('GET', '/metrics');
  return new Set(text.match(/^[a-z_0-9]+/gm)).add('nodejs_gc_duration_seconds');
}

t.test('docs/metrics.md has every metric, and no other', async t => {
  const docs = readFileSync(join(ROOT, 'docs/metrics.md'), 'utf8');
  const rows = [...docs.matchAll(/^\| `(lb4_[a-z0-9_]+)` \| (counter|gauge|histogram) \|/gm)];
  const documented = rows.map(([, name, type]) => `${name} ${type}`);
  const instance = ['lb4_reloads_total counter', 'lb4_threads gauge', 'lb4_threads_lost_total counter'];
  instance.push('lb4_connections_lost_total counter', 'lb4_max_connections gauge', 'lb4_build_info gauge');
  t.strictSame(
    documented.sort(),
    [...METRICS.map(({ name, type }) => `${name} ${type}`), ...instance].sort(),
  );
});

t.test('the dashboard and the alerts ask for metrics that there are', async t => {
  const known = await namesOnPage(t);
  const asked = DASHBOARD.panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr));
  const variables = DASHBOARD.templating.list.map(({ definition = '' }) => definition);
  for (const text of [...asked, ...variables, readFileSync(ALERTS, 'utf8')]) {
    for (const name of namesIn(text)) t.ok(known.has(name), `${name} in ${text.slice(0, 80)}`);
  }
  for (const { name } of METRICS) {
    const used = asked.some(expr => expr.includes(name));
    t.ok(used, `the dashboard shows ${name}`);
  }
});

t.test('the dashboard can be imported', async t => {
  const { panels, templating } = DASHBOARD;
  t.strictSame(
    templating.list.map(({ name }) => name),
    ['datasource', 'instance', 'service'],
  );
  t.equal(new Set(panels.map(({ id }) => id)).size, panels.length, 'ids');
  for (const { title, type, datasource, targets = [], gridPos } of panels) {
    if (type !== 'row') t.equal(datasource?.uid, SOURCE, title);
    for (const target of targets) t.equal(target.datasource.uid, SOURCE, title);
    t.ok(gridPos.x + gridPos.w <= 24, `${title} is as wide as it may be`);
  }
  const cells = panels.flatMap(({ gridPos: { x, y, w, h } }) =>
    Array.from({ length: w * h }, (_, i) => `${x + (i % w)},${y + Math.floor(i / w)}`),
  );
  t.equal(new Set(cells).size, cells.length, 'no panel lies over another');
});

t.test('promtool has nothing to say about the page', needs('promtool'), async t => {
  const behind = await backend(t, named('a'));
  const backends = [behind.address, 'unix:/tmp/a"quoted"\\path'];
  const udp = { protocol: 'udp' as const, listen: '127.0.0.1:0', backends: ['127.0.0.1:9'] };
  const lb = await startAdministered(t, config({ main: { listen: '127.0.0.1:0', backends }, udp }));
  await ask(t, lb.port(), 'question');
  await lb.idle();
  const { text } = await lb.api('GET', '/metrics');
  t.match(text, 'backend="unix:/tmp/a\\"quoted\\"\\\\path"');
  const { code, stdout, stderr } = await execute('promtool', ['check', 'metrics'], { input: text });
  t.strictSame({ code, output: stdout + stderr }, { code: 0, output: '' });
});

t.test('every expression of the dashboard is PromQL', needs('promtool'), async t => {
  const values: readonly [string, string][] = [
    ['$__rate_interval', '5m'],
    ['$instance', '.*'],
    ['$service', '.*'],
  ];
  const rules = DASHBOARD.panels
    .flatMap(({ targets = [] }) => targets)
    .map(({ expr }, i) => ({
      record: `dashboard:${i}`,
      expr: values.reduce((text, [name, value]) => text.replaceAll(name, value), expr),
    }));
  const path = join(folder(t), 'rules.yml');
  writeFileSync(path, JSON.stringify({ groups: [{ name: 'dashboard', rules }] }));
  const { code, stdout, stderr } = await execute('promtool', ['check', 'rules', path]);
  t.equal(code, 0, stderr);
  t.match(stdout, `SUCCESS: ${rules.length} rules found`);
  t.ok(rules.length > 25);
});

/** A series whose values come once a minute. */
function series(name: string, values: string) {
  return { series: name, values };
}

/** What an alert must say about these series after so many minutes: the labels of each that fires. */
function alert(alertname: string, minutes: number, ...alerts: { labels: object; summary: string }[]) {
  return {
    alertname,
    eval_time: `${minutes}m`,
    exp_alerts: alerts.map(({ labels, summary }) => ({
      exp_labels: labels,
      exp_annotations: { summary },
    })),
  };
}

t.test('alerts fire when they should, and only then', needs('promtool'), async t => {
  const where = 'instance="i",service="pg"';
  const tests = [
    {
      interval: '1m',
      input_series: [
        series(`up{job="lb4",instance="i"}`, '1 0x10'),
        series(`lb4_backend_up{${where},backend="a"}`, '1 1 1 0x20'),
        series(`lb4_backend_up{${where},backend="b"}`, '0x30'),
        series(`lb4_connections_closed_total{${where},backend="a",reason="client_closed"}`, '0+100x30'),
        series(`lb4_connections_closed_total{${where},backend="",reason="no_backend"}`, '0x5 0+10x20'),
        series(`lb4_connections_closed_total{${where},backend="",reason="limit"}`, '0x30'),
        series(`lb4_connections_active{${where},backend="a"}`, '50x10 95x20'),
        series('lb4_max_connections{instance="i"}', '100x30'),
        series('lb4_threads_lost_total{instance="i"}', '0x30'),
      ],
      alert_rule_test: [
        alert('Lb4Down', 1),
        alert('Lb4Down', 3, {
          labels: { severity: 'critical', job: 'lb4', instance: 'i' },
          summary: 'lb4 on i does not answer',
        }),
        alert('Lb4ServiceWithoutBackend', 2),
        alert('Lb4ServiceWithoutBackend', 5, {
          labels: { severity: 'critical', instance: 'i', service: 'pg' },
          summary: 'pg on i has no usable backend',
        }),
        alert('Lb4ConnectionsFail', 5),
        alert('Lb4ConnectionsFail', 20, {
          labels: { severity: 'critical', instance: 'i', service: 'pg' },
          summary: '9.091% of the connections to pg find no backend',
        }),
        alert('Lb4ConnectionsLimited', 20),
        alert('Lb4NearlyFull', 9),
        alert('Lb4NearlyFull', 20, {
          labels: { severity: 'critical', instance: 'i' },
          summary: 'lb4 on i has 95% of the connections it can take',
        }),
        alert('Lb4ThreadLost', 20),
      ].map(one => ({
        ...one,
        // Descriptions are not part of what is tested.
        exp_alerts: one.exp_alerts.map(({ exp_labels, exp_annotations }) => ({
          exp_labels,
          exp_annotations: { ...exp_annotations, ...DESCRIPTIONS[one.alertname] },
        })),
      })),
    },
  ];
  const path = join(folder(t), 'test.yml');
  writeFileSync(path, JSON.stringify({ rule_files: [ALERTS], tests }));
  const { code, stdout, stderr } = await execute('promtool', ['test', 'rules', path]);
  t.equal(code, 0, stdout + stderr);
});

const DESCRIPTIONS: Readonly<Record<string, { description: string }>> = {
  Lb4ServiceWithoutBackend: {
    description: 'Every backend is down, draining or in maintenance. lb4 status shows why.',
  },
  Lb4NearlyFull: {
    description: 'Beyond max_connections new ones wait. Raise runtime.max_connections and LimitNOFILE.',
  },
};

t.test('a real Prometheus reads it, with the token', needs('prometheus'), async t => {
  const behind = await backend(t, named('a'));
  const dir = folder(t);
  const token = join(dir, 'token');
  writeFileSync(token, 'a-long-enough-token-for-lb4\n');
  const lb = await startAdministered(t, {
    ...oneService({ backends: [behind.address] }),
    admin: { listen: '127.0.0.1:0', token_file: token },
  });
  for (let i = 0; i < 5; i++) await ask(t, lb.port(), 'question');
  await lb.idle();
  const settings = join(dir, 'prometheus.yml');
  writeFileSync(
    settings,
    JSON.stringify({
      global: { scrape_interval: '500ms', evaluation_interval: '500ms' },
      rule_files: [ALERTS],
      scrape_configs: [
        {
          job_name: 'lb4',
          static_configs: [{ targets: [lb.admin.address] }],
          authorization: { credentials_file: token },
        },
      ],
    }),
  );
  const at = `127.0.0.1:${await freePort()}`;
  const data = `--storage.tsdb.path=${join(dir, 'data')}`;
  const server = new Server(t, 'prometheus', [
    `--config.file=${settings}`,
    `--web.listen-address=${at}`,
    data,
  ]);
  server.start();
  const query = async (expr: string): Promise<number | undefined> => {
    const answer = await fetch(`http://${at}/api/v1/query?query=${encodeURIComponent(expr)}`).catch(
      () => undefined,
    );
    if (answer?.ok !== true) return undefined;
    const { data } = (await answer.json()) as { data: { result: { value: [number, string] }[] } };
    return data.result[0] === undefined ? undefined : Number(data.result[0].value[1]);
  };
  t.equal(await until('a scrape', () => query('sum(lb4_connections_total)')), 5);
  t.equal(await query('up{job="lb4"}'), 1);
  t.equal(await query('sum(lb4_bytes_received_total)'), 5 * 'question'.length);
  t.equal(await query('count(lb4_connect_seconds_bucket{le="+Inf"})'), 1);
  await server.kill('SIGTERM');
});
