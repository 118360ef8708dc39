import { setImmediate as eventLoop } from 'node:timers/promises';

/** Prometheus' text format, version 0.0.4. */
export const CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8';
/** So much is written in one go: about a millisecond. */
const CHUNK = 65_536;

/** `name="value",…` as a sample's labels, escaped. */
export function labels(pairs: Readonly<Record<string, string>>): string {
  return Object.entries(pairs)
    .map(([name, value]) => `${name}="${escapeLabel(value)}"`)
    .join(',');
}

function escapeLabel(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('\n', '\\n').replaceAll('"', '\\"');
}

/**
 * Writes a page of metrics, and lets others have the event loop in between: with a thousand backends it is megabytes, and
 * with the net engine the traffic goes through the same thread.
 */
export class Exposition {
  private readonly chunks: Buffer[] = [];
  private text = '';

  /** Begin a metric. `help` is one line of plain text without backslashes. */
  family(name: string, type: 'counter' | 'gauge' | 'histogram', help: string): void {
    this.text += `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n`;
  }

  /** `at` is what `labels` gives, or empty. */
  sample(name: string, at: string, value: number): void {
    this.text += at === '' ? `${name} ${value}\n` : `${name}{${at}} ${value}\n`;
  }

  /** To be awaited now and then. */
  async breathe(): Promise<void> {
    if (this.text.length < CHUNK) return;
    this.flush();
    await eventLoop();
  }

  /** The page, with `rest` (text of the same format) behind it. */
  end(rest: string): Buffer {
    this.text += rest;
    this.flush();
    return Buffer.concat(this.chunks);
  }

  private flush(): void {
    this.chunks.push(Buffer.from(this.text));
    this.text = '';
  }
}
