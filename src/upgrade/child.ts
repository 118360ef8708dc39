import { type ChildProcess, spawn } from 'node:child_process';
import { escapeText } from '../config/text.js';
import { Lb4Error } from '../errors.js';
import { describeSystemError } from '../system-error.js';
import type { Inheritance } from './inheritance.js';
import { Link } from './link.js';
import { type Program, successorEnvironment } from './program.js';
import type { FromPredecessor, FromSuccessor } from './protocol.js';

/** After its channel was closed: how long until its exit tells why. */
const EXIT_PATIENCE_MS = 1_000;

/** The process that is to take over, as its parent sees it. */
export class Child {
  readonly link: Link<FromSuccessor, FromPredecessor>;
  private readonly process: ChildProcess;
  private readonly gone: Promise<void>;

  constructor({ file, args }: Program, { stdio }: Inheritance) {
    this.process = spawn(file, args, {
      stdio,
      serialization: 'advanced',
      env: successorEnvironment(process.env),
    });
    const { process: child } = this;
    this.link = new Link(child);
    let ended = '';
    this.gone = new Promise(resolve => {
      child.on('exit', (code, signal) => {
        ended = signal === null ? `with exit code ${code}` : `by ${signal}`;
        resolve();
      });
      child.on('error', error => {
        if (child.pid !== undefined) return;
        const why = `cannot start ${escapeText(file)}: ${describeSystemError(error)}`;
        this.link.fail(new Lb4Error('LB4_UPGRADE', why, { cause: error }));
        resolve();
      });
    });
    // What it has said before it ended comes first: the channel ends behind that.
    child.on('disconnect', () => {
      const late = new Promise(resolve => setTimeout(resolve, EXIT_PATIENCE_MS));
      void Promise.race([this.gone, late]).then(() => {
        const how = ended === '' ? 'has closed its channel' : `ended ${ended}`;
        this.link.fail(new Lb4Error('LB4_UPGRADE', `the new process ${how}`));
      });
    });
  }

  get pid(): number {
    return this.process.pid ?? 0;
  }

  signal(name: NodeJS.Signals): void {
    this.process.kill(name);
  }

  /** End it, whatever it is at; resolves when it is gone. */
  async kill(): Promise<void> {
    this.process.kill('SIGKILL');
    await this.gone;
    this.release();
  }

  /** It is on its own from here on: this process need not wait for it. */
  release(): void {
    if (this.process.connected) this.process.disconnect();
    this.process.unref();
  }
}
