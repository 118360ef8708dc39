import { setTimeout as sleep } from 'node:timers/promises';
import { Load } from '../demo/load.js';
import { DemoBackend } from '../demo/processes.js';

/** So long after a backend was killed a client may still find that it was being answered by it. */
const AFTERMATH_MS = 2_000;

/** Three backends, one of which dies now and then, and what clients that ask all the time see of it. */
export class Crew {
  readonly backends = ['a', 'b', 'c'].map(name => new DemoBackend(name));
  restarts = 0;
  asked = 0;
  /** Errors of clients that were being answered by a backend when it was killed. */
  explained = 0;
  readonly unexplained: string[] = [];
  private load: Load | undefined;
  private killedAt = Number.NEGATIVE_INFINITY;

  async start(): Promise<void> {
    for (const one of this.backends) await one.start();
  }

  ask(port: number, clients: number, pauseMs: number): void {
    this.load = new Load(port, clients, pauseMs);
  }

  /** Kill the next one and start it again. */
  async restart(): Promise<void> {
    const victim = this.backends[this.restarts++ % this.backends.length]!;
    this.review();
    this.killedAt = performance.now();
    await victim.kill();
    await sleep(AFTERMATH_MS);
    this.review();
    this.killedAt = Number.NEGATIVE_INFINITY;
    await victim.start();
  }

  /** Count what clients have seen since the last time. */
  review(): void {
    const outcomes = this.load?.outcomes.splice(0) ?? [];
    this.asked += outcomes.length;
    const inAftermath = performance.now() - this.killedAt < 2 * AFTERMATH_MS;
    for (const { error, backend } of outcomes) {
      if (backend !== undefined) continue;
      // Nobody was refused: another backend would have been tried.
      if (inAftermath && /closed without an answer|ECONNRESET/.test(error)) this.explained++;
      else this.unexplained.push(error);
    }
  }

  async stop(): Promise<void> {
    await this.load?.stop();
    this.review();
    for (const one of this.backends) await one.kill();
  }
}
