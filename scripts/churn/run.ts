import type { NetConnectOpts } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { burst, converse } from './datagrams.js';
import { Instance, type LogLine } from './instance.js';
import { Random } from './random.js';
import { Site } from './site.js';
import { type Outcome, play, type Script, someScript } from './talk.js';

export interface ChurnOptions {
  readonly engine: 'net' | 'epoll';
  readonly seconds: number;
  readonly seed: number;
  readonly threads: number;
  /** Threads are ended now and then. Where there are such: epoll. */
  readonly kills: boolean;
  readonly say: (line: string) => void;
}

export interface ChurnResult {
  /** What must not be, in words. */
  readonly faults: readonly string[];
  readonly counts: Readonly<Record<string, number>>;
}

/** A connection or a flow that is not over by then hangs. */
const PATIENCE_MS = 45_000;
const EMPTY_MS = 30_000;
/** Connections of a thread that is about to die may be cut short up to so long before and after it is told. */
const AROUND_A_KILL_MS = 4_000;
/** Pipes that a thread keeps for later (engines/epoll/pipes.ts), two descriptors each. */
const KEPT_PIPES = 64;
const MAX_FAULTS = 20;

class Churn {
  readonly faults: string[] = [];
  readonly counts: Record<string, number> = {};
  private readonly options: ChurnOptions;
  private readonly random: Random;
  private readonly lb = new Instance();
  private readonly site = new Site(this.lb.dir);
  private readonly kills: number[] = [];
  private readonly running = new Set<Promise<void>>();
  private over = false;
  private next = 0;

  constructor(options: ChurnOptions) {
    this.options = options;
    this.random = new Random(options.seed);
  }

  async run(): Promise<void> {
    const { lb, site } = this;
    const { engine, threads, seconds } = this.options;
    try {
      await site.start();
      await lb.start(site.config(engine, threads));
      const before = lb.descriptors();
      const tcp: NetConnectOpts[] = [
        ...['v4', 'v4', 'outer'].map(name => ({ host: '127.0.0.1', port: lb.port(name) })),
        { host: '::1', port: lb.port('v6') },
        { path: site.socket },
      ];
      const tight = { host: '127.0.0.1', port: lb.port('tight') };
      const udp = [
        { host: '127.0.0.1', port: lb.port('udp4') },
        { host: '::1', port: lb.port('udp6') },
      ];
      for (let i = 0; i < 16; i++) this.loop(0, 50, r => this.converse(r.one(tcp), r, true));
      this.loop(500, 3_000, async r => {
        const crowd = Array.from({ length: r.between(20, 120) }, () => this.converse(tight, r, false));
        await Promise.all(crowd);
      });
      for (let i = 0; i < 4; i++) {
        this.loop(0, 50, async r => this.note(await this.over_(r.one(udp), converse, r)));
      }
      this.loop(200, 2_000, async r => this.note(await this.over_(r.one(udp), burst, r)));
      this.loop(200, 2_000, r => this.reload(r));
      if (this.options.kills) this.loop(2_000, 9_000, r => this.kill(r));
      await this.last(seconds * 1_000);
      this.over = true;
      await Promise.all(this.running);
      await this.ends(before);
    } catch (error) {
      this.fault(`${(error as Error).stack}`);
    } finally {
      site.stop();
      lb.clear();
    }
  }

  /** Do it again and again until the time is over, each time after a pause of so many ms. */
  private loop(least: number, most: number, act: (random: Random) => Promise<void>): void {
    const random = new Random(this.random.word());
    const going = (async () => {
      while (!this.over && this.faults.length < MAX_FAULTS) {
        await sleep(random.between(least, most));
        if (!this.over) await act(random);
      }
    })().catch(error => this.fault(String(error.stack)));
    this.running.add(going);
  }

  private async last(ms: number): Promise<void> {
    const began = performance.now();
    for (
      let said = began;
      performance.now() - began < ms && this.faults.length < MAX_FAULTS;
      await sleep(100)
    ) {
      if (this.lb.exit !== undefined) {
        this.fault(`lb4 ended with ${this.lb.exit}: ${this.lb.errors}`);
        return;
      }
      if (performance.now() - said < 30_000) continue;
      said = performance.now();
      this.options.say(`${Math.round((said - began) / 1_000)} s: ${JSON.stringify(this.counts)}`);
    }
  }

  /** `whole`: it has to come to its scripted end, unless a thread dies over it. */
  private async converse(to: NetConnectOpts, random: Random, whole: boolean): Promise<void> {
    const script = someScript(this.next++, random);
    const began = performance.now();
    const outcome = await play(to, script, PATIENCE_MS);
    const there = this.site.servers.outcomes.get(script.id);
    // The backend may still be reading what the client has sent.
    while (whole && there?.closed === false && performance.now() - began < PATIENCE_MS) await sleep(5);
    this.site.servers.outcomes.delete(script.id);
    this.count('connections');
    const ms = Math.round(performance.now() - began);
    const where = () => JSON.stringify({ script, to, ms, outcome, there, ...this.deaths(began) });
    if (outcome === undefined) this.fault(`hangs: ${where()}`);
    else if (outcome.wrong || there?.wrong) this.fault(`wrong bytes: ${where()}`);
    else if (whole && !isWhole(script, outcome, there)) {
      // The lines about dead threads come a little later than what one sees of them.
      if (this.killedAround(began)) this.count('cut');
      else this.fault(`cut short: ${where()}`);
    } else if (!whole && !outcome.complete) this.count('refused');
  }

  private async over_(
    { host, port }: { readonly host: string; readonly port: number },
    how: typeof converse,
    random: Random,
  ): Promise<string[]> {
    this.count(how.name === 'burst' ? 'bursts' : 'flows');
    return how(host, port, this.next++, random);
  }

  private async reload(random: Random): Promise<void> {
    const { engine, threads } = this.options;
    this.lb.write(this.site.config(engine, threads, random));
    await this.lb.reload();
    this.count('reloads');
  }

  private async kill(random: Random): Promise<void> {
    this.kills.push(performance.now());
    this.count('kills');
    this.lb.kill(random.word());
    // Now and then two at once.
    if (!random.chance(20)) return;
    this.count('kills');
    this.lb.kill(random.word());
  }

  private killedAround(began: number): boolean {
    return this.kills.some(at => at > began - AROUND_A_KILL_MS);
  }

  /** When threads were told to end and when they were found dead, in ms from `began`, before it and since. */
  private deaths(began: number): { readonly kills: number[]; readonly dead: number[] } {
    const start = performance.timeOrigin + began;
    return {
      kills: this.kills.map(at => Math.round(at - began)).slice(-4),
      dead: this.lb.lost.map(({ time }) => Math.round(Date.parse(String(time)) - start)).slice(-4),
    };
  }

  /** Everything is closed, everything is given back, and it ends when told. */
  private async ends(before: ReturnType<Instance['descriptors']>): Promise<void> {
    const { lb } = this;
    const { threads } = this.options;
    const kills = this.counts.kills ?? 0;
    // What differs from the start is to be the same again.
    lb.write(this.site.config(this.options.engine, threads));
    await lb.reload();
    let active = -1;
    let now = lb.descriptors();
    // A thread that is ended right behind an accept has told nobody of it yet: one is forgiven for each, after a while.
    const holds = (forgiven: number): boolean =>
      active === 0 &&
      now.sockets <= before.sockets + forgiven &&
      now.pipes <= before.pipes + threads * KEPT_PIPES &&
      now.others <= before.others;
    const began = performance.now();
    while (!holds(performance.now() - began > EMPTY_MS / 3 ? kills : 0)) {
      if (performance.now() - began > EMPTY_MS) break;
      active = await lb.active();
      await sleep(200);
      now = lb.descriptors();
    }
    if (active !== 0) this.fault(`${active} connections or flows are still counted`);
    if (!holds(kills)) this.fault(`descriptors: ${JSON.stringify({ before, now, kills })}`);
    this.counts.sockets_left = now.sockets - before.sockets;
    const exit = await lb.stop();
    if (exit !== 0) this.fault(`lb4 ended with ${exit}`);
    if (lb.errors !== '') this.fault(`standard error: ${lb.errors}`);
    const bad = lb.lines.filter(({ level }) => level >= 50);
    const { lost } = lb;
    const dead = lost.length;
    this.counts.threads_lost = dead;
    if (dead > kills) this.fault(`${dead} threads died, ${kills} were killed: ${JSON.stringify(lost)}`);
    for (const line of lost)
      if (!isEnded(line)) this.fault(`a thread died by itself: ${JSON.stringify(line)}`);
    for (const line of bad) if (!lost.includes(line)) this.fault(JSON.stringify(line));
    if (dead < kills / 2) this.fault(`${kills} threads were killed, ${dead} died`);
    if (lb.reasons.has('internal_error')) this.fault('connections ended by internal_error');
    for (const [reason, count] of lb.reasons) this.counts[reason] = count;
    for (const fault of this.site.servers.faults) this.fault(fault);
  }

  private note(faults: readonly string[]): void {
    for (const fault of faults) this.fault(fault);
  }

  private fault(text: string): void {
    this.faults.push(text);
    this.options.say(`FAULT ${text}`);
  }

  private count(what: string): void {
    this.counts[what] = (this.counts[what] ?? 0) + 1;
  }
}

/** A thread that was told to end says nothing of an error. */
function isEnded({ err }: LogLine): boolean {
  return (err as { message?: unknown } | undefined)?.message === 'the thread ended by itself';
}

/** Whether both sides saw what the script says. After a reset nothing is promised but that no byte is wrong. */
function isWhole({ ending }: Script, client: Outcome, backend: Outcome | undefined): boolean {
  if (ending === 'gone' || ending.endsWith('reset')) return true;
  return client.complete && backend?.complete === true;
}

/** Traffic of every kind, disturbed in every way, for a while. The same seed does the same again, as far as the machine does. */
export async function churn(options: ChurnOptions): Promise<ChurnResult> {
  const churn = new Churn(options);
  await churn.run();
  return churn;
}
