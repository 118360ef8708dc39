import { formatDuration } from '../duration.js';
import { type ErrorCode, Lb4Error } from '../errors.js';

/** Either end of the IPC channel between two processes. */
export interface Channel {
  send?(message: object): boolean;
  on(event: 'message', listener: (message: unknown) => void): unknown;
}

interface Message {
  readonly type: string;
}

interface Waiting {
  take(message: unknown): void;
  fail(error: Error): void;
}

/** Messages between two processes, each awaited in its turn and not for longer than agreed. */
export class Link<In extends Message, Out extends Message> {
  private readonly channel: Channel;
  private readonly queue: In[] = [];
  private waiting: Waiting | undefined;
  private broken: Error | undefined;

  constructor(channel: Channel) {
    this.channel = channel;
    channel.on('message', message => {
      // Programs of other kinds talk to their parents as well.
      if (typeof (message as Partial<Message> | null)?.type !== 'string') return;
      if (this.waiting !== undefined) this.waiting.take(message);
      else this.queue.push(message as In);
    });
  }

  send(message: Out): void {
    if (this.broken === undefined) this.channel.send?.(message);
  }

  /** Whatever is awaited now or later does not come. The first reason counts. */
  fail(error: Error): void {
    this.broken ??= error;
    this.waiting?.fail(this.broken);
  }

  /**
   * The next message, which must be of this type. Rejects with Lb4Error: LB4_UPGRADE when another one comes, or none within `ms`
   * (`what` is what has not happened), or with the other side's own reasons.
   */
  async next<T extends In['type']>(type: T, ms: number, what: string): Promise<Extract<In, { type: T }>> {
    return expectType(await this.any(ms, what), type);
  }

  /** The next message of whatever type. Rejects as `next`. */
  any(ms = Number.POSITIVE_INFINITY, what = ''): Promise<In> {
    return new Promise((resolve, reject) => {
      const late = (): void => {
        this.waiting = undefined;
        reject(new Lb4Error('LB4_UPGRADE', `${what} within ${formatDuration(ms)}`));
      };
      const timer = ms === Number.POSITIVE_INFINITY ? undefined : setTimeout(late, ms);
      const settle = (): void => {
        clearTimeout(timer);
        this.waiting = undefined;
      };
      this.waiting = {
        take: message => {
          settle();
          resolve(message as In);
        },
        fail: error => {
          settle();
          reject(error);
        },
      };
      const first = this.queue.shift();
      if (first !== undefined) this.waiting.take(first);
      else if (this.broken !== undefined) this.waiting.fail(this.broken);
    });
  }
}

function expectType<M extends Message, T extends M['type']>(message: M, type: T): Extract<M, { type: T }> {
  if (message.type === type) return message as Extract<M, { type: T }>;
  const { code, reasons } = message as Partial<{ code: ErrorCode; reasons: readonly string[] }>;
  if (message.type === 'refused' && Array.isArray(reasons)) {
    throw new Lb4Error(code ?? 'LB4_UPGRADE', reasons.map(String).join('\n'));
  }
  throw new Lb4Error(
    'LB4_UPGRADE',
    `expected ${type} from the other process, got ${JSON.stringify(message.type).slice(0, 40)}`,
  );
}
