import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AdminListen } from '../config/schema.js';

/** Where an instance's admin interface listens. */
export type AdminAddress =
  | { readonly kind: 'unix'; readonly path: string }
  | { readonly kind: 'ip'; readonly host: string; readonly port: number };

/** This process's user; 0 where there are no users. */
export function userId(): number {
  return process.getuid?.() ?? 0;
}

/**
 * The folder of the default admin sockets: /run/lb4 for root, else lb4 in $XDG_RUNTIME_DIR, else lb4-UID in the folder
 * for temporary files. It need not exist.
 */
export function adminDirectory(env: NodeJS.ProcessEnv = process.env): string {
  if (userId() === 0) return '/run/lb4';
  const runtime = env.XDG_RUNTIME_DIR;
  if (runtime?.startsWith('/')) return join(runtime, 'lb4');
  return join(tmpdir(), `lb4-${userId()}`);
}

/** The default socket of the instance `name`. A second instance of that name gets `alternative: its pid`. */
export function adminSocketPath(name: string, alternative?: number, env?: NodeJS.ProcessEnv): string {
  const suffix = alternative === undefined ? '' : `-${alternative}`;
  return join(adminDirectory(env), `${name}${suffix}.sock`);
}

/** `unix:/run/lb4/lb4.sock`, `127.0.0.1:9090`, `[::1]:9090`, `unix` (the default place) or `off`. */
export function formatAdmin(at: AdminListen): string {
  if (at.kind === 'off') return 'off';
  if (at.kind === 'unix') return at.path === undefined ? 'unix' : `unix:${at.path}`;
  return at.host.includes(':') ? `[${at.host}]:${at.port}` : `${at.host}:${at.port}`;
}
