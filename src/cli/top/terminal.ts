import type { ReadStream, WriteStream } from 'node:tty';
import { readKeys } from './keys.js';
import type { Size } from './render.js';

/** Alternate screen, no cursor, no wrapping of what is too long. */
const ENTER = '\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[2J';
const LEAVE = '\x1b[?7h\x1b[?25h\x1b[?1049l';
const HOME = '\x1b[H';
const REST_OF_LINE = '\x1b[K';
const REST_OF_SCREEN = '\x1b[J';
/** What ends the program: the terminal is restored first, then the signal has its usual effect. */
const ENDING = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'] as const;

export interface Handlers {
  key(key: string): void;
  /** Another size, or back from being stopped: draw again. */
  changed(): void;
}

/**
 * The terminal while a program has all of it. However the program ends short of SIGKILL (end, error, crash, signal, Ctrl-Z),
 * the terminal is as it was before.
 */
export class Terminal {
  private readonly input: ReadStream;
  private readonly output: WriteStream;
  private readonly handlers: Handlers;
  private isOurs = false;

  constructor(input: ReadStream, output: WriteStream, handlers: Handlers) {
    this.input = input;
    this.output = output;
    this.handlers = handlers;
  }

  get size(): Size {
    const { rows = 24, columns = 80 } = this.output;
    // Some report nothing as 0.
    return { rows: rows || 24, columns: columns || 80 };
  }

  open(): void {
    this.input.setEncoding('utf8');
    this.input.on('data', this.onData);
    this.input.on('end', this.onEnd);
    this.input.on('error', this.onLost);
    this.output.on('error', this.onLost);
    this.output.on('resize', this.onResize);
    process.on('exit', this.leave);
    // Before the crash is printed, so that it can be read.
    process.on('uncaughtExceptionMonitor', this.leave);
    for (const signal of ENDING) process.on(signal, this.onEnding);
    process.on('SIGTSTP', this.onStop);
    process.on('SIGCONT', this.onContinue);
    this.enter();
  }

  /** What comes of a terminal that is lost is heard of for as long as the program lives. */
  close(): void {
    this.leave();
    this.input.off('data', this.onData);
    this.input.off('end', this.onEnd);
    this.output.off('resize', this.onResize);
    process.off('exit', this.leave);
    process.off('uncaughtExceptionMonitor', this.leave);
    for (const signal of ENDING) process.off(signal, this.onEnding);
    process.off('SIGTSTP', this.onStop);
    process.off('SIGCONT', this.onContinue);
  }

  /** Lines for the whole screen. One that takes its time is not given more than it can show. */
  draw(lines: readonly string[]): void {
    if (!this.isOurs || this.output.writableNeedDrain) return;
    const text = lines.map(line => line + REST_OF_LINE).join('\r\n');
    this.output.write(HOME + text + REST_OF_SCREEN);
  }

  private enter(): void {
    this.isOurs = true;
    this.input.setRawMode(true);
    this.input.resume();
    this.output.write(ENTER);
  }

  private readonly leave = (): void => {
    if (!this.isOurs) return;
    this.isOurs = false;
    this.output.write(LEAVE);
    this.input.setRawMode(false);
    this.input.pause();
  };

  private readonly onData = (text: unknown): void => {
    for (const key of readKeys(String(text))) {
      if (key === 'ctrl-z') process.kill(process.pid, 'SIGTSTP');
      else this.handlers.key(key);
    }
  };

  /** Nobody can type any more. */
  private readonly onEnd = (): void => this.handlers.key('ctrl-d');

  /** The terminal is gone, which the way out would find too, and Node aborts there: end as a lost terminal ends any program. */
  private readonly onLost = (): void => {
    this.isOurs = false;
    process.off('SIGHUP', this.onEnding);
    process.kill(process.pid, 'SIGHUP');
  };

  private readonly onResize = (): void => {
    // What a terminal does with its old content is its own affair.
    if (this.isOurs) this.output.write('\x1b[2J');
    this.handlers.changed();
  };

  private readonly onEnding = (signal: NodeJS.Signals): void => {
    this.close();
    process.kill(process.pid, signal);
  };

  private readonly onStop = (): void => {
    this.leave();
    process.kill(process.pid, 'SIGSTOP');
  };

  private readonly onContinue = (): void => {
    if (this.isOurs) return;
    this.enter();
    this.handlers.changed();
  };
}
