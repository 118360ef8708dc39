import type { AdminClient } from '../../client/admin-client.js';
import { backendName } from '../../client/backend-name.js';
import { Lb4Error } from '../../errors.js';
import { type Command, usage } from '../command.js';
import { stateText } from '../operate/backend-text.js';
import { connect, INSTANCE_FLAGS } from '../operate/instance.js';
import { paintFor } from '../style.js';
import {
  type Action,
  firstModel,
  type Model,
  withBackend,
  withMessage,
  withStatus,
  withTrouble,
} from './model.js';
import { press } from './press.js';
import { render } from './render.js';
import { Terminal } from './terminal.js';

const POLL_MS = 1_000;
const TIMEOUT_MS = 3_000;

/** `lb4 top` */
export const TOP: Command = {
  name: 'top',
  describe: 'Watch a running instance: rates, connections, latency, state; drain, ready and weight by key',
  positionals: [],
  flags: INSTANCE_FLAGS,
  examples: ['lb4 top', 'lb4 top --admin 127.0.0.1:9090 --token-file token'],
  run: async line => {
    if (!process.stdin.isTTY || !process.stdout.isTTY) {
      throw usage('top: expected a terminal on standard input and output; lb4 status prints the same once');
    }
    const client = await connect(line, { timeoutMs: TIMEOUT_MS });
    // The first answer before the screen changes: what is wrong then is said in the usual way.
    const top = new Top(client, firstModel(await client.status()));
    await top.run();
    return 0;
  },
};

/** The screen, the keys and the instance together. */
class Top {
  private readonly client: AdminClient;
  private readonly terminal: Terminal;
  private readonly paint = paintFor(process.stdout);
  private model: Model;
  private timer: NodeJS.Timeout | undefined;
  /** Changes are made one after the other. */
  private turn: Promise<void> = Promise.resolve();
  /** Changes so far: an answer that was asked for before the last of them is out of date. */
  private changes = 0;
  private end: () => void = () => {};

  constructor(client: AdminClient, model: Model) {
    this.client = client;
    this.model = model;
    this.terminal = new Terminal(process.stdin, process.stdout, {
      key: key => this.key(key),
      changed: () => this.draw(),
    });
  }

  /** Resolves when the user has had enough. */
  async run(): Promise<void> {
    this.terminal.open();
    try {
      const ended = new Promise<void>(resolve => {
        this.end = resolve;
      });
      this.draw();
      this.pollIn(POLL_MS);
      await ended;
    } finally {
      clearTimeout(this.timer);
      this.terminal.close();
      this.client.end();
    }
  }

  private draw(): void {
    this.terminal.draw(render(this.model, this.terminal.size, this.paint));
  }

  private show(model: Model): void {
    this.model = model;
    this.draw();
  }

  private key(key: string): void {
    const { model, action, isEnd = false } = press(this.model, key);
    this.show(model);
    if (isEnd) this.end();
    if (action === undefined) return;
    this.changes++;
    this.turn = this.turn.then(() => this.change(action));
  }

  private async change({ service, backend, change }: Action): Promise<void> {
    try {
      const changed = await this.client.change(service, backend, change);
      const name = backendName({ service: { name: service }, backend: changed });
      const words = change.weight === undefined ? stateText(changed) : `weight ${changed.weight}`;
      this.show(withMessage(withBackend(this.model, service, changed), `${name}: ${words}`, false));
    } catch (error) {
      this.show(withMessage(this.model, messageOf(error), true));
    }
  }

  private pollIn(ms: number): void {
    this.timer = setTimeout(() => void this.poll(), ms);
  }

  private async poll(): Promise<void> {
    const started = performance.now();
    const { changes } = this;
    try {
      const status = await this.client.status();
      if (changes === this.changes) this.show(withStatus(this.model, status));
    } catch (error) {
      this.show(withTrouble(this.model, `${messageOf(error)}; trying again`));
    }
    this.pollIn(Math.max(0, started + POLL_MS - performance.now()));
  }
}

/** Anything but an Lb4Error is a fault of ours. */
function messageOf(error: unknown): string {
  if (error instanceof Lb4Error) return error.message;
  throw error;
}
