// Talks to the instance that served this page. Its token, where it wants one, stays in this tab.

const TOKEN = 'lb4-token';

/** An answer that is no success; `status` is HTTP's, 0 when there was none. */
export class Refused extends Error {
  /** @param {number} status @param {string} message */
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/** @param {string} token */
export function useToken(token) {
  sessionStorage.setItem(TOKEN, token);
}

/** @param {string} path @param {RequestInit} [options] */
async function request(path, options = {}) {
  const headers = new Headers(options.headers);
  const token = sessionStorage.getItem(TOKEN);
  if (token !== null) headers.set('authorization', `Bearer ${token}`);
  let response;
  try {
    response = await fetch(path, { ...options, headers, cache: 'no-store' });
  } catch {
    throw new Refused(0, 'lb4 does not answer');
  }
  if (response.ok) return response;
  const body = await response.json().catch(() => ({}));
  throw new Refused(response.status, body.error ?? `answer ${response.status}`);
}

export async function status() {
  return (await request('status')).json();
}

/** @param {string} service @param {string} backend @param {{ state?: string, weight?: number }} change */
export async function change(service, backend, change) {
  const path = `services/${encodeURIComponent(service)}/backends/${encodeURIComponent(backend)}`;
  const headers = { 'content-type': 'application/json' };
  await request(path, { method: 'PATCH', headers, body: JSON.stringify(change) });
}

/**
 * Server-sent events, by fetch: EventSource cannot send a token. Resolves when the stream ends.
 * @param {(event: { type: string, data: unknown }) => void} onEvent
 */
export async function events(onEvent) {
  const { body } = await request('events');
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    text += value;
    const blocks = text.split('\n\n');
    text = blocks.pop();
    for (const block of blocks) {
      const type = /^event: ?(.*)$/m.exec(block)?.[1];
      const data = /^data: ?(.*)$/m.exec(block)?.[1];
      if (type !== undefined && data !== undefined) onEvent({ type, data: JSON.parse(data) });
    }
  }
}
