import type { ServerResponse } from 'node:http';
import type { BalancerEvent } from '../control/events.js';

/** Streams that may be open at the same time. */
export const MAX_STREAMS = 16;
/** A reader who leaves so many bytes unread is cut off: it may come back and ask for what it has missed. */
export const MAX_UNREAD = 65_536;
/** A line that says nothing keeps proxies from closing a stream, and finds readers that are gone. */
const KEEP_ALIVE_MS = 15_000;
/** How soon a reader that was cut off should come back. */
const RETRY_MS = 2_000;

export interface EventSource {
  subscribe(listener: (event: BalancerEvent) => void): () => void;
  eventsAfter(id: number): readonly BalancerEvent[];
}

/** Events as server-sent events (WHATWG HTML, section 9.2), one stream a reader. Memory a reader is bounded. */
export class EventStreams {
  private readonly source: EventSource;
  private readonly keepAliveMs: number;
  private readonly open = new Set<ServerResponse>();

  constructor(source: EventSource, keepAliveMs = KEEP_ALIVE_MS) {
    this.source = source;
    this.keepAliveMs = keepAliveMs;
  }

  get full(): boolean {
    return this.open.size >= MAX_STREAMS;
  }

  /**
   * Begin to stream into a response whose head was not sent yet. `lastId` is the last event that the reader has seen
   * (Last-Event-ID); anything but a number means that it wants what comes from now on.
   */
  start(response: ServerResponse, lastId: string | undefined): void {
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
    this.open.add(response);
    this.write(response, `retry: ${RETRY_MS}\n\n`);
    if (lastId !== undefined && /^\d{1,15}$/.test(lastId)) {
      for (const event of this.source.eventsAfter(Number(lastId))) this.write(response, format(event));
    }
    const unsubscribe = this.source.subscribe(event => this.write(response, format(event)));
    const keepAlive = setInterval(() => this.write(response, ':\n\n'), this.keepAliveMs);
    keepAlive.unref();
    response.on('close', () => {
      clearInterval(keepAlive);
      unsubscribe();
      this.open.delete(response);
    });
  }

  /** End every stream: what was written is still delivered. */
  close(): void {
    for (const response of this.open) response.end();
  }

  private write(response: ServerResponse, text: string): void {
    if (response.writableEnded || response.destroyed) return;
    if (response.writableLength > MAX_UNREAD) response.destroy();
    else response.write(text);
  }
}

/** JSON has no line breaks, so an event's data is one line. */
function format(event: BalancerEvent): string {
  const { id, type, ...data } = event;
  return `id: ${id}\nevent: ${type}\ndata: ${JSON.stringify(data)}\n\n`;
}
