import t, { type Test } from 'tap';
import { freePort } from '../fixtures/backends.js';
import { config } from '../fixtures/balancer.js';
import { startProgram } from '../fixtures/program.js';
import { until } from '../fixtures/until.js';
import { execute, needs } from './programs.js';
import { Server } from './servers.js';

/** A DNS server that answers every question with an address of its own. */
class Dns extends Server {
  readonly port: number;
  readonly answer: string;

  constructor(t: Test, answer: string, port: number) {
    super(t, 'dnsmasq', [
      ...['--no-daemon', '--conf-file=/dev/null', '--pid-file=', '--no-resolv', '--no-hosts', '--user='],
      ...['--listen-address=127.0.0.1', '--bind-interfaces', `--port=${port}`, `--address=/#/${answer}`],
    ]);
    this.answer = answer;
    this.port = port;
  }

  async up(): Promise<void> {
    this.start();
    await this.ready(async () => (await dig(this.port)) === this.answer);
  }
}

async function dig(port: number, ...words: string[]): Promise<string> {
  const all = ['@127.0.0.1', '-p', String(port), '+short', '+tries=1', '+time=2', ...words, 'who.test'];
  return (await execute('dig', all)).stdout.trim();
}

t.test('dig through lb4 over UDP, one server killed and started again', needs('dnsmasq', 'dig'), async t => {
  const servers = [new Dns(t, '10.0.0.1', await freePort()), new Dns(t, '10.0.0.2', await freePort())];
  await Promise.all(servers.map(server => server.up()));
  const [stays, victim] = servers as [Dns, Dns];
  const program = await startProgram(
    t,
    config({
      main: {
        protocol: 'udp',
        listen: '127.0.0.1:0',
        strategy: 'round-robin',
        backends: servers.map(({ port }) => `127.0.0.1:${port}`),
        udp: { responses: 1 },
        // The root's name servers, as configs/udp-dns.toml asks.
        health: {
          kind: 'exchange',
          send_hex: '4c42 0100 0001 0000 0000 0000 00 0002 0001',
          expect_hex: '4c42',
          interval: '100ms',
          fall: 2,
        },
      },
    }),
  );
  const port = program.port();
  const ask = async (): Promise<string[]> => {
    const answers: string[] = [];
    for (let i = 0; i < 10; i++) answers.push(await dig(port));
    return answers.sort();
  };
  const half = (answer: string): string[] => Array.from({ length: 5 }, () => answer);

  t.same(await ask(), [...half(stays.answer), ...half(victim.answer)], 'in turn');
  const lines = await program.log.finished(10);
  t.ok(lines.every(({ bytes_in, bytes_out }) => bytes_in > 0 && bytes_out > 0));
  t.equal(new Set(lines.map(({ reason }) => reason)).size, 1, `each flow ended: ${lines[0]!.reason}`);

  await victim.kill();
  await program.log.line('backend is down');
  t.same(await ask(), [...half(stays.answer), ...half(stays.answer)], 'no question is lost');

  const before = program.log.all.length;
  await victim.up();
  await until('it is up again', () =>
    program.log.all.slice(before).some(({ msg }) => msg === 'backend is up'),
  );
  t.same(await ask(), [...half(stays.answer), ...half(victim.answer)], 'in turn again');
  t.equal(program.stderr, '');
});
