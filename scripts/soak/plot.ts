import { element, line, picture, text } from '../bench/svg.js';
import type { Sample } from './findings.js';

const WIDTH = 760;
const LEFT = 70;
const RIGHT = 20;
const HEIGHT = 150;
const STYLE = [
  'text{font:13px system-ui,sans-serif;fill:#1f2328}.head{font-weight:600}.faint{font-size:11px;fill:#59636e}',
  '.ground{fill:#fff}.grid{stroke:#d1d9e0}.upgrade{stroke:#b45309;stroke-dasharray:3 3}',
  '.curve{fill:none;stroke:#1257c4;stroke-width:1.5}',
  '@media(prefers-color-scheme:dark){text{fill:#f0f6fc}.faint{fill:#9198a1}.ground{fill:#0d1117}',
  '.grid{stroke:#30363d}.upgrade{stroke:#f0a35e}.curve{stroke:#6aa8ff}}',
].join('');

/** Memory and descriptors over time; a broken line where another process took over. */
export function drawSoak(samples: readonly Sample[]): string {
  const height = 2 * (HEIGHT + 70) + 20;
  const memory = curve(samples, 'Resident memory of the process that serves, MiB', one => one.memory);
  const descriptors = curve(samples, 'Its open descriptors', one => one.descriptors);
  const title = 'Memory and descriptors of lb4 during the soak';
  const body = [
    element('g', { transform: 'translate(0 10)' }, memory),
    element('g', { transform: `translate(0 ${HEIGHT + 80})` }, descriptors),
  ];
  return picture(WIDTH, height, title, STYLE, body.join('\n'));
}

function curve(samples: readonly Sample[], head: string, of: (one: Sample) => number): string {
  const top = 34;
  const bottom = top + HEIGHT;
  const last = samples.at(-1)!.minute;
  const highest = Math.max(...samples.map(of));
  const step = [10, 20, 50, 100, 200, 500].find(size => highest / size <= 5) ?? 1_000;
  const limit = Math.ceil(highest / step) * step;
  const x = (minute: number) => LEFT + ((WIDTH - LEFT - RIGHT) * minute) / last;
  const y = (value: number) => bottom - (HEIGHT * value) / limit;
  const parts = [text(16, 16, head, { class: 'head' })];
  for (let value = 0; value <= limit; value += step) {
    parts.push(line(LEFT, y(value), WIDTH - RIGHT, y(value), 'grid'));
    parts.push(text(LEFT - 8, y(value) + 4, String(value), { class: 'faint', 'text-anchor': 'end' }));
  }
  const every = last > 20 ? 10 : last > 5 ? 2 : 1;
  for (let minute = 0; minute <= last; minute += every) {
    parts.push(text(x(minute), bottom + 16, `${minute} min`, { class: 'faint', 'text-anchor': 'middle' }));
  }
  for (const [i, { pid, minute }] of samples.entries()) {
    if (i > 0 && samples[i - 1]!.pid !== pid) parts.push(line(x(minute), top, x(minute), bottom, 'upgrade'));
  }
  const points = samples.map(one => `${x(one.minute).toFixed(1)},${y(of(one)).toFixed(1)}`);
  parts.push(element('polyline', { points: points.join(' '), class: 'curve' }));
  return parts.join('\n');
}
