import { type Endpoint, parseTarget } from '../address.js';
import type { Transfer } from '../engines/engine.js';
import type { PackReader, PackWriter } from '../pack.js';
import { PoolCandidate } from '../pool/picker.js';
import { CLOSE_REASONS } from '../pool/reasons.js';
import { PROCESS_SLOT } from '../pool/table.js';
import { Connection } from './connection.js';
import type { Phase } from './connection-arrival.js';
import type { Service } from './plane.js';
import type { TcpService } from './tcp-service.js';

const PHASES: readonly Phase[] = ['header', 'queued', 'dialling', 'starved', 'relaying'];

/** Bits of one number. */
const COUNTED = 1;
const NAMED = 2;
const DESTINED = 4;
const PLACED = 8;

/**
 * A connection on its way to another process: what does not change while it is relayed, so that it can be written at any time.
 * The rest is for `saveConnectionState`, when nothing moves any more.
 */
export function saveConnection(connection: Connection, transfer: Transfer, into: PackWriter): void {
  const { client, socket, destination, candidate, phase } = connection;
  const named = client !== socket.peer;
  into.number(PHASES.indexOf(phase));
  into.number(
    (connection.counted ? COUNTED : 0) |
      (named ? NAMED : 0) |
      (destination !== undefined ? DESTINED : 0) |
      (candidate !== undefined ? PLACED : 0),
  );
  into.number(connection.startedAt);
  into.number(connection.backendSlot);
  into.text(connection.backend);
  if (candidate !== undefined) into.text(candidate.key);
  if (phase === 'relaying') transfer.saveRelay(connection.relay!, into);
  else transfer.saveConn(socket, into);
  if (named) into.peer(client);
  if (destination !== undefined) into.peer(destination);
  into.number(connection.connectMs);
  into.number(connection.attempts);
  into.text(connection.detail);
  into.number(CLOSE_REASONS.indexOf(connection.failure));
  if (phase !== 'dialling') return;
  into.number(connection.dialledAt);
  transfer.saveDial(connection.dialling, into);
}

/** The connection, with its places taken. It does nothing yet. */
export function loadConnection(owner: TcpService, transfer: Transfer, from: PackReader): Connection {
  const { plan, plane, guard } = owner;
  const phase = PHASES[from.number()]!;
  const bits = from.number();
  const startedAt = from.number();
  const backendSlot = from.number();
  const backend = from.text();
  const key = (bits & PLACED) !== 0 ? from.text() : '';
  const connection = new Connection(owner, transfer.loadConn(from, plan.socket), startedAt);
  connection.phase = phase;
  connection.backendSlot = backendSlot;
  connection.backend = backend;
  if (phase === 'relaying') {
    const upstream = transfer.loadConn(from, plan.socket);
    connection.relay = plane.engine.relay(connection.socket, upstream, connection, plan.timeouts.idle > 0);
  } else {
    connection.socket.observe(connection);
  }
  if ((bits & NAMED) !== 0) connection.client = from.peer();
  if ((bits & DESTINED) !== 0) connection.destination = from.peer();
  connection.connectMs = from.number();
  connection.attempts = from.number();
  connection.detail = from.text();
  connection.failure = CLOSE_REASONS[from.number()]!;
  if ((bits & PLACED) !== 0) connection.candidate = acquireAgain(owner, backendSlot, backend, key);
  if (phase === 'dialling') {
    connection.dialledAt = from.number();
    const { endpoint } = connection.candidate!.plan;
    connection.dialling = transfer.loadDial(from, endpoint, plan.socket, connection);
  }
  plane.table.acquire(PROCESS_SLOT);
  guard.enter();
  if ((bits & COUNTED) !== 0) connection.counted = guard.readmit(connection.client);
  owner.adopt(connection);
  return connection;
}

/** How things stand with it. */
export function saveConnectionState(connection: Connection, transfer: Transfer, into: PackWriter): void {
  const { engine } = connection.owner.plane;
  into.number(connection.activeAt);
  into.number(engine.timers.remaining(connection, engine.now()));
  into.number(connection.halfClosedAt);
  if (connection.phase === 'relaying') {
    transfer.saveRelayState(connection.relay!, into);
    return;
  }
  transfer.saveConnState(connection.socket, into);
  into.number(connection.clientFinished ? 1 : 0);
  into.number(connection.ticket);
  into.number(connection.waitsUntil);
  into.text(connection.tried?.join() ?? '');
}

/** It goes on from there. One that waits in a queue has its ticket, and is to be put there. */
export function loadConnectionState(connection: Connection, transfer: Transfer, from: PackReader): void {
  const { engine } = connection.owner.plane;
  connection.activeAt = from.number();
  const remaining = from.number();
  connection.halfClosedAt = from.number();
  if (remaining >= 0) engine.timers.schedule(connection, remaining, engine.now());
  if (connection.phase === 'relaying') {
    transfer.loadRelayState(connection.relay!, from);
    connection.countFromHere();
    return;
  }
  transfer.loadConnState(connection.socket, from);
  connection.clientFinished = from.number() === 1;
  connection.ticket = from.number();
  connection.waitsUntil = from.number();
  const tried = from.text();
  if (tried !== '') connection.tried = tried.split(',').map(Number);
}

/** It is over in the process that it came from: forget it, without a word to anybody. */
export function dropConnection(connection: Connection, transfer: Transfer): void {
  const { owner, relay, socket, candidate } = connection;
  const { table, engine } = owner.plane;
  engine.timers.cancel(connection);
  if (connection.dialling !== undefined) transfer.drop(connection.dialling);
  transfer.drop(relay ?? socket);
  if (candidate !== undefined) table.release(candidate.slot);
  table.release(PROCESS_SLOT);
  owner.guard.leave();
  if (connection.counted) owner.guard.release(connection.client);
  connection.phase = 'over';
  owner.drop(connection);
}

/** A place at a backend that another process had taken; it may be on its way out of the service. */
export function acquireAgain(
  { picker, plane }: Service,
  slot: number,
  id: string,
  key: string,
): PoolCandidate {
  const { table } = plane;
  table.acquire(slot);
  // Keys are addresses in text.
  const endpoint = () => parseTarget(key) as Endpoint;
  return (
    picker.find(slot, key) ??
    new PoolCandidate({ slot, id, key, endpoint: endpoint(), maxConnections: 0 }, table)
  );
}
