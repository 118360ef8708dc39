import { createRequire } from 'node:module';
import { type DestinationStream, type Logger, pino } from 'pino';
import type { LogConfig } from './config/schema.js';
import { LogOutput } from './log-output.js';

export type { Logger } from 'pino';

/**
 * The program's logger: one JSON object a line, or readable lines on a terminal. Writes to standard output without
 * a thread of its own; `stream` is for tests.
 */
export function createLogger({ level, format }: LogConfig, stream?: DestinationStream): Logger {
  const readable = format === 'pretty' || (format === 'auto' && process.stdout.isTTY === true);
  const options = { level, base: { pid: process.pid }, timestamp: pino.stdTimeFunctions.isoTime };
  const destination = stream ?? standardOutput();
  const logger = pino(options, readable ? readably(destination, stream === undefined) : destination);
  if (destination instanceof LogOutput) {
    destination.onRecovered = lost =>
      logger.warn({ lost }, 'log lines were lost: the log could not be written');
  }
  return logger;
}

/** Lines for people, each written whole. What makes them is loaded only here: most logs are read by programs. */
function readably(destination: DestinationStream, isStandard: boolean): DestinationStream {
  const { prettyFactory } = createRequire(import.meta.url)('pino-pretty') as typeof import('pino-pretty');
  const format = prettyFactory({
    colorize: isStandard && process.stdout.isTTY === true,
    ignore: 'pid',
    translateTime: 'HH:MM:ss.l',
    singleLine: true,
  });
  return { write: line => destination.write(format(line)) };
}

let standard: LogOutput | undefined;

/** One for all loggers, so that lines stay whole. */
function standardOutput(): LogOutput {
  if (standard === undefined) {
    const output = new LogOutput();
    process.on('exit', () => output.end());
    standard = output;
  }
  return standard;
}

/** For library users who pass no logger. */
export function silentLogger(): Logger {
  return pino({ level: 'silent' });
}
