import { formatAddress } from '../../address.js';
import { WELL } from '../finding.js';
import { Gathered, quoteBytes } from './bytes.js';
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
        const answer = new Gathered();
        wire.waiting = () => `: ${mismatch(expect, answer.bytes)}`;
        if (send.length > 0) wire.write(send);
        for (;;) {
          const chunk = await wire.read();
          if (chunk === undefined) throw new ProbeError(mismatch(expect, answer.bytes, 'end of connection'));
          // What was looked through is not looked through again, but for where the expected bytes may have begun.
          const from = Math.max(0, answer.length - wanted.length);
          answer.add(chunk);
          if (answer.bytes.includes(wanted, from)) return WELL;
          if (answer.length >= MAX_ANSWER) throw new ProbeError(mismatch(expect, answer.bytes));
        }
      }),
  };
}

/** `expected answer containing "+PONG", got "-ERR"`; `nothing` says what came in place of an answer. */
export function mismatch(expect: Uint8Array, answer: Uint8Array, nothing = 'nothing'): string {
  const wanted = expect.length === 0 ? 'an answer' : `answer containing ${quoteBytes(expect)}`;
  return `expected ${wanted}, got ${answer.length === 0 ? nothing : quoteBytes(answer)}`;
}
