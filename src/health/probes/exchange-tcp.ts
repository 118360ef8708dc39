import { formatAddress } from '../../address.js';
import { quoteBytes } from './bytes.js';
import { converse, type TcpTarget } from './conversation.js';
import { type Probe, ProbeError } from './probe.js';

/** How much of an answer is searched. */
const MAX_ANSWER = 65_536;

export interface Exchange {
  /** Sent before `send`: a PROXY protocol header, or empty. */
  readonly preamble: Uint8Array;
  readonly send: Uint8Array;
  /** What the answer must contain; empty = any answer will do. */
  readonly expect: Uint8Array;
}

/** Well when the first 64 KiB of what it answers contain the expected bytes; server-first works with an empty `send`. */
export function tcpExchangeProbe(target: TcpTarget, { preamble, send, expect }: Exchange): Probe {
  const request = Buffer.concat([preamble, send]);
  const wanted = Buffer.from(expect);
  return {
    description: `exchange ${formatAddress(target.endpoint)}`,
    check: (timeoutMs, signal) => {
      let answer = Buffer.alloc(0);
      return converse(
        target,
        timeoutMs,
        signal,
        (socket, done) => {
          socket.on('data', chunk => {
            if (answer.length >= MAX_ANSWER) return;
            answer = Buffer.concat([answer, chunk]);
            if (answer.includes(wanted)) done();
            else if (answer.length >= MAX_ANSWER) done(new ProbeError(mismatch(expect, answer)));
          });
          socket.once('end', () => done(new ProbeError(mismatch(expect, answer, 'end of connection'))));
          if (request.length > 0) socket.write(request);
        },
        () => `: ${mismatch(expect, answer)}`,
      );
    },
  };
}

/** `expected answer containing "+PONG", got "-ERR"`; `nothing` says what came in place of an answer. */
export function mismatch(expect: Uint8Array, answer: Uint8Array, nothing = 'nothing'): string {
  const wanted = expect.length === 0 ? 'an answer' : `answer containing ${quoteBytes(expect)}`;
  return `expected ${wanted}, got ${answer.length === 0 ? nothing : quoteBytes(answer)}`;
}
