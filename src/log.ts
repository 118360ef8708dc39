import { type DestinationStream, type Logger, pino } from 'pino';
import pretty from 'pino-pretty';
import type { LogConfig } from './config/schema.js';

export type { Logger } from 'pino';

/**
 * The program's logger: one JSON object a line, or readable lines on a terminal. Writes to standard output without
 * a thread of its own; `stream` is for tests.
 */
export function createLogger({ level, format }: LogConfig, stream?: DestinationStream): Logger {
  const readable = format === 'pretty' || (format === 'auto' && process.stdout.isTTY === true);
  const options = { level, base: { pid: process.pid }, timestamp: pino.stdTimeFunctions.isoTime };
  if (!readable) return stream === undefined ? pino(options) : pino(options, stream);
  return pino(
    options,
    pretty({
      colorize: stream === undefined && process.stdout.isTTY === true,
      ignore: 'pid',
      translateTime: 'HH:MM:ss.l',
      singleLine: true,
      sync: true,
      ...(stream === undefined ? {} : { destination: stream }),
    }),
  );
}

/** For library users who pass no logger. */
export function silentLogger(): Logger {
  return pino({ level: 'silent' });
}
