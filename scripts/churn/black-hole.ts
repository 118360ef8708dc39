import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { Worker } from 'node:worker_threads';

/** Node accepts whenever its loop runs, so the listener is in a thread that stands still. */
const SCRIPT = `
const { parentPort } = require('node:worker_threads');
const server = require('node:net').createServer(() => {});
server.listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => {
  parentPort.postMessage(server.address().port);
  setImmediate(() => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0));
});
`;
const FULL_AFTER_MS = 500;

/** A backend that is there and never accepts: connecting to it hangs. */
export class BlackHole {
  address = '';
  private readonly worker = new Worker(SCRIPT, { eval: true });
  private readonly fillers: Socket[] = [];

  async start(): Promise<void> {
    const [port] = (await once(this.worker, 'message')) as [number];
    this.address = `127.0.0.1:${port}`;
    for (let got = true; got; ) {
      const filler = connect(port, '127.0.0.1').on('error', () => {});
      this.fillers.push(filler);
      const late = AbortSignal.timeout(FULL_AFTER_MS);
      got = await once(filler, 'connect', { signal: late }).then(
        () => true,
        () => false,
      );
    }
  }

  async stop(): Promise<void> {
    for (const filler of this.fillers) filler.destroy();
    await this.worker.terminate();
  }
}
