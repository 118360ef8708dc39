import { connect } from 'node:net';
import type { ConfigInput } from '../../src/config/schema.js';
import { freePort } from '../bench/processes.js';
import { BlackHole } from './black-hole.js';
import { converse, Echo } from './datagrams.js';
import type { Random } from './random.js';
import { type Ending, play, Servers } from './talk.js';

const PATIENCE_MS = 30_000;
const SCRIPTED: readonly Ending[] = ['both', 'client', 'backend', 'client-reset', 'backend-reset', 'gone'];
/** What the client does besides connecting. */
const WAITING = { wait: '', say: 'x', finish: 'FIN', leave: 'RST' } as const;
type Waiting = keyof typeof WAITING;

/** A service where connections end in one way. */
const SERVICES: readonly (readonly [string, Waiting])[] = [
  ['refused', 'wait'],
  ['idle', 'say'],
  ['half', 'finish'],
  ['denied', 'wait'],
  ['dialled', 'leave'],
  ['unreached', 'say'],
  ['headed', 'say'],
  ['limited', 'wait'],
];

/** Every way in which a connection can end, one after the other. */
export class Endings {
  private readonly servers = new Servers();
  private readonly echo = new Echo();
  private readonly hole = new BlackHole();
  private next = 0;

  async config(engine: 'net' | 'epoll', threads: number): Promise<ConfigInput> {
    await this.hole.start();
    const backend = await this.servers.listen({ host: '127.0.0.1' });
    const refused = await freePort();
    const health = { kind: 'none' as const, passive_failures: 0 };
    const at = (backends: string) => ({ listen: '127.0.0.1:0', backends: [backends], health });
    const short = { timeouts: { connect: '100ms' } };
    const one = { max_connections: 1, health };
    return {
      runtime: { engine, threads },
      services: {
        main: at(backend),
        refused: at(`127.0.0.1:${refused}`),
        idle: { ...at(backend), timeouts: { idle: '50ms' } },
        half: { ...at(backend), timeouts: { half_closed: '50ms' } },
        denied: { ...at(backend), deny: ['127.0.0.0/8'] },
        dialled: at(this.hole.address),
        unreached: { ...at(this.hole.address), ...short },
        headed: { ...at(backend), proxy_protocol: { accept: 'v1', accept_from: ['127.0.0.0/8'] } },
        limited: { ...at(backend), ...one, timeouts: { idle: '50ms' } },
        udp: { ...at(await this.echo.listen('127.0.0.1')), protocol: 'udp', timeouts: { idle: '200ms' } },
      },
    };
  }

  /** One more; what went wrong with it, in words. */
  async one(port: (service: string) => number, random: Random): Promise<string[]> {
    const id = this.next++;
    if (id % 50 === 0) return converse('127.0.0.1', port('udp'), id, random);
    if (id % 3 === 0) {
      const [service, waiting] = random.one(SERVICES);
      return (await linger(port(service), waiting)) ? [] : [`hangs: a connection to the service ${service}`];
    }
    const bulk = id % 100 === 1;
    const script = {
      id,
      up: bulk ? 2 << 20 : random.size(10_000),
      down: bulk ? 2 << 20 : random.size(10_000),
      ending: random.one(SCRIPTED),
      halt: 0,
      chunk: 65_536,
    };
    const outcome = await play({ host: '127.0.0.1', port: port('main') }, script, PATIENCE_MS);
    const there = this.servers.outcomes.get(id);
    this.servers.outcomes.delete(id);
    if (outcome === undefined) return [`hangs: ${JSON.stringify(script)}`];
    return outcome.wrong || there?.wrong ? [`wrong bytes: ${JSON.stringify(script)}`] : [];
  }

  async stop(): Promise<void> {
    this.servers.stop();
    this.echo.stop();
    await this.hole.stop();
  }
}

/** A client that waits for its end; false when none comes. */
function linger(port: number, waiting: Waiting): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    const timer = setTimeout(() => {
      resolve(false);
      socket.destroy();
    }, PATIENCE_MS);
    socket.on('error', () => {});
    socket.on('connect', () => {
      if (waiting === 'say') socket.write(WAITING.say);
      if (waiting === 'finish') socket.end('x');
      if (waiting === 'leave') setTimeout(() => socket.resetAndDestroy(), 5);
    });
    socket.on('end', () => socket.destroy());
    socket.on('data', () => {});
    socket.on('close', () => {
      clearTimeout(timer);
      resolve(true);
    });
  });
}
