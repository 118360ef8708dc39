import { availableParallelism } from 'node:os';
import type { StrategyFault } from '../../strategies/load.js';
import { FaultyEngine } from '../engines/faults/engine.js';
import { NetEngine } from '../engines/net/engine.js';
import { Lb4Error } from '../errors.js';
import type { PlaneSink } from '../flow/sink.js';
import type { SharedTable } from '../pool/table.js';
import { LocalPlane } from './local.js';
import type { Plane } from './plane.js';

export interface PlaneOptions {
  readonly engine: 'auto' | 'epoll' | 'net';
  /** What the table was made for; the net engine uses one thread whatever it is. */
  readonly threads: number;
  readonly maxParked: number;
  readonly table: SharedTable;
  readonly sink: PlaneSink;
  /** Faults can be injected: that takes the net engine. */
  readonly faults: boolean;
  /** Accept, read and send nothing until the plane's `go`. */
  readonly standby?: boolean;
  onFault(fault: StrategyFault): void;
  onThreadLost(thread: number, lost: number, error: Error): void;
}

/** 0 = one a CPU. */
export function threadCount(wanted: number): number {
  return wanted === 0 ? availableParallelism() : wanted;
}

export interface Started {
  readonly plane: Plane;
  /** Why this engine. */
  readonly why: string;
  /** Where faults are injected, if that was asked for. */
  readonly faulty?: FaultyEngine;
}

/**
 * The data plane for this machine, and why it is that one: `auto` takes epoll where it works, else net. Rejects with
 * Lb4Error LB4_ENGINE when `epoll` is asked for and cannot work here.
 */
export async function startPlane(options: PlaneOptions): Promise<Started> {
  const { engine, table, sink, maxParked, standby, onFault } = options;
  const local = () => {
    const net = new NetEngine({ maxParked, standby });
    return new LocalPlane(net, table, sink, onFault, () => net.go());
  };
  if (options.faults) return startFaulty(options);
  if (engine === 'net') return { plane: local(), why: 'as configured' };
  try {
    const plane = await startThreads(options);
    return { plane, why: engine === 'auto' ? 'auto takes epoll where it works' : 'as configured' };
  } catch (error) {
    const reason = reasonOf(error as NodeJS.ErrnoException);
    if (engine === 'auto')
      return { plane: local(), why: `auto takes net, as epoll cannot work here: ${reason}` };
    throw new Lb4Error('LB4_ENGINE', `the epoll engine cannot work here: ${reason}`, { cause: error });
  }
}

/** Loaded only here: where koffi is not installed the import fails, and nothing else of it is needed. */
async function startThreads({ threads, table, ...hooks }: PlaneOptions): Promise<Plane> {
  const { isSupported } = await import('../engines/epoll/libc.js');
  if (!isSupported()) throw new Error(`there is none for ${process.platform} on ${process.arch}`);
  const { checkLayouts } = await import('../engines/epoll/layouts.js');
  checkLayouts();
  const { ThreadedPlane } = await import('./threaded.js');
  return ThreadedPlane.start(threads, table, hooks);
}

function reasonOf({ code, message }: NodeJS.ErrnoException): string {
  if (code === 'ERR_MODULE_NOT_FOUND') return 'the optional package koffi is not installed';
  return message.split('\n')[0]!;
}

function startFaulty({ engine, table, sink, maxParked, onFault }: PlaneOptions): Started {
  if (engine === 'epoll') {
    throw new Lb4Error(
      'LB4_ENGINE',
      'expected engine "net" or "auto" where faults are injected, got "epoll"',
    );
  }
  const faulty = new FaultyEngine(new NetEngine({ maxParked }));
  return { plane: new LocalPlane(faulty, table, sink, onFault), why: 'faults can be injected', faulty };
}
