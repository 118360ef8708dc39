import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { App } from '../app.js';

/** The page is served as it was written: it lies with the sources, two folders above dist/src. */
const PAGE = fileURLToPath(new URL('../../../../src/admin/dashboard/', import.meta.url));
const CHARTS = dirname(createRequire(import.meta.url).resolve('uplot'));

const FILES = [
  ...['icon.svg', 'style.css', 'main.js', 'api.js', 'rates.js', 'view.js', 'charts.js'].map(name =>
    join(PAGE, name),
  ),
  ...['uPlot.esm.js', 'uPlot.min.css'].map(name => join(CHARTS, name)),
];

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
};

/** Nothing comes from elsewhere, nothing is sent elsewhere, and no other page may frame it. */
const HEADERS = {
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cache-control': 'no-cache',
} as const;

/** The page for browsers: files only, which tell nothing of this instance and may be had without the token. */
export function dashboardRoutes(app: App): void {
  serve(app, '/', join(PAGE, 'index.html'));
  for (const path of FILES) serve(app, `/assets/${path.slice(dirname(path).length + 1)}`, path);
}

function serve(app: App, url: string, path: string): void {
  const body = readFileSync(path);
  const type = TYPES[extname(path)]!;
  app.route({
    method: 'GET',
    url,
    config: { open: true },
    schema: { hide: true },
    handler: (_request, reply) => reply.headers(HEADERS).type(type).send(body),
  });
}
