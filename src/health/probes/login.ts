import { readFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import type { ConnectionOptions } from 'node:tls';
import type { Endpoint } from '../../address.js';
import type { HealthSettings } from '../settings.js';
import { ProbeError } from './probe.js';

/** No secret and no certificate is longer. */
const MAX_FILE = 1_048_576;

/**
 * The password to log in with, or undefined. A file is read at each login, so that it may be renewed; one line end at its
 * end does not count. A file that cannot be read is this machine's fault and says nothing about the backend.
 */
export async function passwordOf({ password, password_file }: HealthSettings): Promise<string | undefined> {
  if (password_file === undefined) return password?.reveal();
  return (await contentOf(password_file, 'password_file')).replace(/\r?\n$/, '');
}

/** How to go on in TLS towards a backend, or undefined where nothing is said about TLS. Files are read anew. */
export async function tlsOf(
  { tls }: HealthSettings,
  endpoint: Endpoint,
): Promise<ConnectionOptions | undefined> {
  if (tls === false) return undefined;
  const { ca_file, cert_file, key_file, verify, server_name } = tls;
  const file = async (path: string | undefined, key: string) =>
    path === undefined ? undefined : await contentOf(path, `tls.${key}`);
  const [ca, cert, key] = await Promise.all([
    file(ca_file, 'ca_file'),
    file(cert_file, 'cert_file'),
    file(key_file, 'key_file'),
  ]);
  const host = server_name ?? (endpoint.kind === 'ip' ? endpoint.host : 'localhost');
  return {
    // What the certificate is checked against; an address may not be sent as a name (RFC 6066, 3).
    host,
    ...(isIP(host) === 0 && { servername: host }),
    rejectUnauthorized: verify,
    ca,
    cert,
    key,
  };
}

async function contentOf(path: string, key: string): Promise<string> {
  try {
    const content = await readFile(path, 'utf8');
    if (content.length <= MAX_FILE) return content;
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown error';
    throw new ProbeError(`${key} cannot be read: ${code}`, { cause: error, local: true });
  }
  throw new ProbeError(`${key} is longer than 1 MiB`, { local: true });
}
