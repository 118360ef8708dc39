import type { Socket } from 'node:net';
import type { Test } from 'tap';
import { serve } from './servers.js';

/** SQLSTATE and message of an error. */
type Refusal = readonly [code: string, message: string];

/** As much of a PostgreSQL server as a probe sees: a login without a password, and one row for every question. */
export class FakePostgres {
  port = 0;
  /** Answered to every question; undefined = no answer. */
  row: Readonly<Record<string, string>> | undefined;
  refuse: (sql: string) => Refusal | undefined = () => undefined;
  refuseLogin: Refusal | undefined;
  wantsPassword = false;
  /** Names and values of the last startup message, one after the other. */
  startup: string[] = [];
  readonly questions: string[] = [];
  logins = 0;
  goodbyes = 0;
  private readonly sockets = new Set<Socket>();

  private constructor(row: Readonly<Record<string, string>>) {
    this.row = row;
  }

  static async start(t: Test, row: Readonly<Record<string, string>>): Promise<FakePostgres> {
    const server = new FakePostgres(row);
    server.port = await serve(t, socket => server.accept(socket));
    return server;
  }

  get open(): number {
    return this.sockets.size;
  }

  /** Hang up on everybody. */
  disconnect(): void {
    for (const socket of this.sockets) socket.end();
  }

  private accept(socket: Socket): void {
    this.sockets.add(socket);
    socket.once('close', () => this.sockets.delete(socket));
    socket.once('end', () => socket.end());
    let bytes = Buffer.alloc(0);
    let isIn = false;
    socket.on('data', chunk => {
      bytes = Buffer.concat([bytes, chunk]);
      for (;;) {
        const head = isIn ? 1 : 0;
        if (bytes.length < head + 4 || bytes.length < head + bytes.readUInt32BE(head)) return;
        const end = head + bytes.readUInt32BE(head);
        const body = bytes.subarray(head + 4, end);
        const type = isIn ? String.fromCharCode(bytes[0]!) : '';
        bytes = bytes.subarray(end);
        if (type === '') this.login(socket, body);
        else if (type === 'Q') this.answer(socket, body.toString('utf8', 0, body.length - 1));
        else if (type === 'X') this.goodbyes++;
        isIn = true;
      }
    });
  }

  private login(socket: Socket, body: Buffer): void {
    this.startup = body.toString('utf8', 4).split('\0');
    this.logins++;
    if (this.refuseLogin !== undefined) socket.end(errorMessage(this.refuseLogin));
    else if (this.wantsPassword) socket.write(message('R', Buffer.from([0, 0, 0, 3])));
    else socket.write(Buffer.concat([message('R', Buffer.alloc(4)), message('Z', Buffer.from('I'))]));
  }

  private answer(socket: Socket, sql: string): void {
    this.questions.push(sql);
    const refusal = this.refuse(sql);
    const ready = message('Z', Buffer.from('I'));
    if (refusal !== undefined) {
      socket.write(Buffer.concat([errorMessage(refusal), ready]));
      return;
    }
    if (this.row === undefined) return;
    const names = Object.keys(this.row);
    const count = Buffer.from([0, names.length]);
    // Name, no table, no column, type text, any size, no modifier, as text.
    const fields = names.map(name =>
      Buffer.concat([
        Buffer.from(`${name}\0`),
        Buffer.from('000000000000000000190000ffffffff0000'.slice(0, 36), 'hex'),
      ]),
    );
    const values = Object.values(this.row).map(value => {
      const size = Buffer.alloc(4);
      size.writeInt32BE(Buffer.byteLength(value));
      return Buffer.concat([size, Buffer.from(value)]);
    });
    const parts = [
      message('T', Buffer.concat([count, ...fields])),
      message('D', Buffer.concat([count, ...values])),
    ];
    socket.write(Buffer.concat([...parts, message('C', Buffer.from('SELECT 1\0')), ready]));
  }
}

function message(type: string, body: Uint8Array): Buffer {
  const head = Buffer.alloc(5);
  head.write(type, 0, 'latin1');
  head.writeUInt32BE(body.length + 4, 1);
  return Buffer.concat([head, body]);
}

function errorMessage([code, text]: Refusal): Buffer {
  return message('E', Buffer.from(`SERROR\0C${code}\0M${text}\0\0`));
}
