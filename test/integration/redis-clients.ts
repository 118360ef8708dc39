import { connect, type Socket } from 'node:net';

/** A command that failed, and the client port of its connection, by which lb4's log knows it. */
export interface Failure {
  readonly port: number;
  readonly error: string;
}

const GET_NAME = '*2\r\n$3\r\nGET\r\n$4\r\nname\r\n';
const ANSWER = /^\$\d+\r\n(.*)\r\n/s;

/**
 * Clients of a Redis server that ask without end which one it is: `kept` keep their connection and open another when it
 * breaks; `fresh` open one for each command.
 */
export class RedisClients {
  readonly failures: Failure[] = [];
  /** Answers by name. */
  readonly answers = new Map<string, number>();
  private running = true;
  private readonly port: number;
  private readonly loops: Promise<void>[];

  constructor(port: number, clients: { kept: number; fresh: number }) {
    this.port = port;
    const loop = (count: number, commands: number) =>
      Array.from({ length: count }, () => this.loop(commands));
    this.loops = [...loop(clients.kept, Number.POSITIVE_INFINITY), ...loop(clients.fresh, 1)];
  }

  async stop(): Promise<void> {
    this.running = false;
    await Promise.all(this.loops);
  }

  private async loop(commandsEach: number): Promise<void> {
    while (this.running) {
      const socket = connect({ host: '127.0.0.1', port: this.port, noDelay: true });
      let port = 0;
      socket.once('connect', () => {
        port = socket.localPort!;
      });
      // An error between two commands is found by the next one.
      socket.on('error', () => {});
      try {
        for (let i = 0; i < commandsEach && this.running; i++) {
          const name = await ask(socket);
          this.answers.set(name, (this.answers.get(name) ?? 0) + 1);
        }
      } catch (error) {
        this.failures.push({ port, error: (error as Error).message });
      }
      socket.destroy();
    }
  }
}

function ask(socket: Socket): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    const onData = (chunk: Buffer): void => {
      text += String(chunk);
      const match = ANSWER.exec(text);
      if (match === null) return;
      socket.off('data', onData).off('error', onError).off('close', onClose);
      resolve(match[1]!);
    };
    const onError = (error: Error): void => reject(error);
    const onClose = (): void => reject(new Error('closed without an answer'));
    // 'error' comes before 'close'.
    socket.on('data', onData).on('error', onError).on('close', onClose);
    socket.write(GET_NAME);
  });
}
