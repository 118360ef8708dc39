import { type IncomingMessage, request } from 'node:http';
import type { AdminAddress } from './request.js';

export interface StreamedEvent {
  readonly type: string;
  /** What its JSON says; undefined when it is none. */
  readonly data: unknown;
}

/** An event of an instance is no longer. */
const MAX_EVENT_CHARACTERS = 1_000_000;

/**
 * Hear the events of an instance (GET /events) as they come, best effort: where they cannot be had, or no longer, nothing comes. Resolves
 * when they are on their way, to what ends that.
 */
export function readEvents(
  at: AdminAddress,
  token: string | undefined,
  onEvent: (event: StreamedEvent) => void,
): Promise<() => void> {
  return new Promise(resolve => {
    const outgoing = request({
      ...(at.kind === 'unix' ? { socketPath: at.path, host: 'localhost' } : { host: at.host, port: at.port }),
      path: '/events',
      agent: false,
      headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
    });
    const stop = (): void => void outgoing.destroy();
    outgoing.on('error', () => resolve(stop));
    outgoing.on('response', (response: IncomingMessage) => {
      response.setEncoding('utf8');
      let rest = '';
      response.on('data', (chunk: string) => {
        const blocks = (rest + chunk).split('\n\n');
        rest = blocks.pop()!;
        if (rest.length > MAX_EVENT_CHARACTERS) stop();
        for (const block of blocks) tell(block, onEvent);
      });
      response.on('error', () => {});
      resolve(stop);
    });
    outgoing.end();
  });
}

function tell(block: string, onEvent: (event: StreamedEvent) => void): void {
  const type = /^event: (.*)$/m.exec(block)?.[1];
  const data = /^data: (.*)$/m.exec(block)?.[1];
  if (type === undefined || data === undefined) return;
  try {
    onEvent({ type, data: JSON.parse(data) });
  } catch {
    // Not from lb4.
  }
}
