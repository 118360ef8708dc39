import { formatAddress } from '../../address.js';
import { WELL } from '../finding.js';
import { quoteBytes } from './bytes.js';
import { type Probe, ProbeError } from './probe.js';
import { converse, MAX_ANSWER, type TcpTarget } from './wire.js';

export interface Exchange {
  readonly send: Uint8Array;
  /** What the answer must contain; empty = any answer will do. */
  readonly expect: Uint8Array;
}

/** Well when the first 64 KiB of what it answers contain the expected bytes; server-first works with an empty `send`. */
export function tcpExchangeProbe(target: TcpTarget, { send, expect }: Exchange): Probe {
  const wanted = Buffer.from(expect);
  return {
    description: `exchange ${formatAddress(target.endpoint)}`,
    check: (timeoutMs, signal) =>
      converse(target, timeoutMs, signal, async wire => {
        let answer = Buffer.alloc(0);
        wire.waiting = () => `: ${mismatch(expect, answer)}`;
        if (send.length > 0) wire.write(send);
        for (;;) {
          const chunk = await wire.read();
          if (chunk === undefined) throw new ProbeError(mismatch(expect, answer, 'end of connection'));
          answer = Buffer.concat([answer, chunk]);
          if (answer.includes(wanted)) return WELL;
          if (answer.length >= MAX_ANSWER) throw new ProbeError(mismatch(expect, answer));
        }
      }),
  };
}

/** `expected answer containing "+PONG", got "-ERR"`; `nothing` says what came in place of an answer. */
export function mismatch(expect: Uint8Array, answer: Uint8Array, nothing = 'nothing'): string {
  const wanted = expect.length === 0 ? 'an answer' : `answer containing ${quoteBytes(expect)}`;
  return `expected ${wanted}, got ${answer.length === 0 ? nothing : quoteBytes(answer)}`;
}
