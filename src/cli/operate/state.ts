import type { AdminClient } from '../../client/admin-client.js';
import { backendName, findBackend, type Named } from '../../client/backend-name.js';
import type { BackendSnapshot } from '../../control/snapshot.js';
import { formatDuration } from '../../duration.js';
import { Lb4Error } from '../../errors.js';
import type { AdminState } from '../../pool/backend.js';
import { type Command, type CommandLine, usage } from '../command.js';
import { connectionsOf, isUsable, stateText } from './backend-text.js';
import { connect, INSTANCE_FLAGS } from './instance.js';
import { print } from './output.js';
import { BACKEND } from './positionals.js';
import { waitUntil } from './wait.js';

const TIMEOUT = {
  name: 'timeout',
  kind: 'text',
  describe: 'With --wait: give up after this time, exit code 1; 0 = never [default: 0]',
} as const;

/** `lb4 drain`, `lb4 maint`: no new connections. */
export const DRAIN = stateCommand(
  'drain',
  'No new connections to a backend; open ones stay',
  'Return when none of its connections is open any more',
  ['lb4 drain pg/10.0.0.1:5432', 'lb4 drain pg/10.0.0.1:5432 --wait --timeout 60s'],
);

export const MAINT = stateCommand(
  'maint',
  'As drain, and no health checks either',
  'Return when none of its connections is open any more',
  ['lb4 maint pg/10.0.0.1:5432'],
);

export const READY = stateCommand('ready', 'Let a backend have connections again', 'Return when it is up', [
  'lb4 ready pg/10.0.0.1:5432',
  'lb4 ready pg/10.0.0.1:5432 --wait --timeout 30s',
]);

function stateCommand(
  state: AdminState,
  describe: string,
  wait: string,
  examples: readonly string[],
): Command {
  return {
    name: state,
    describe,
    positionals: [BACKEND],
    flags: [{ name: 'wait', kind: 'switch', describe: wait }, TIMEOUT, ...INSTANCE_FLAGS],
    examples,
    run: line => setState(line, state),
  };
}

async function setState(line: CommandLine, state: AdminState): Promise<number> {
  const wait = line.isOn('wait');
  const timeoutMs = line.duration('timeout');
  if (timeoutMs !== undefined && !wait) throw usage('expected --wait beside --timeout');
  const client = await connect(line);
  const named = findBackend(await client.status(), line.text(BACKEND.name)!);
  const { service, backend } = named;
  const changed = await client.change(service.name, backend.id, { state });
  print([`${backendName(named)}: ${stateText(changed)}, ${connectionsOf(service, changed.active)} open`]);
  warnOfNone(named, state);
  if (wait) await settled(client, named, state, timeoutMs ?? 0);
  return 0;
}

/** Nobody is left who takes new connections: most often a mistake. */
function warnOfNone({ service, backend }: Named, state: AdminState): void {
  if (state === 'ready' || service.backends.some(one => one.id !== backend.id && isUsable(one))) return;
  process.stderr.write(`lb4: warning: no backend of ${service.name} takes new connections now\n`);
}

async function settled(
  client: AdminClient,
  named: Named,
  state: AdminState,
  timeoutMs: number,
): Promise<void> {
  const name = backendName(named);
  const { done, last } = await waitUntil(
    timeoutMs,
    () => current(client, named, state),
    now => (state === 'ready' ? now.state === 'up' : now.active === 0),
  );
  const words = state === 'ready' ? stateText(last) : `${connectionsOf(named.service, last.active)} open`;
  if (!done) throw new Lb4Error('LB4_ADMIN', `${name}: still ${words} after ${formatDuration(timeoutMs)}`);
  print([`${name}: ${words}`]);
}

/** The backend as it is now. Throws Lb4Error when it is gone, or when somebody else wants something else of it. */
async function current(client: AdminClient, named: Named, state: AdminState): Promise<BackendSnapshot> {
  const { services } = await client.status();
  const now = services
    .find(({ name }) => name === named.service.name)
    ?.backends.find(({ id }) => id === named.backend.id);
  if (now === undefined) {
    throw new Lb4Error('LB4_ADMIN', `${backendName(named)} was removed in the meantime`);
  }
  const isOut = now.state === 'draining' || now.state === 'maintenance';
  if (isOut === (state === 'ready')) {
    throw new Lb4Error('LB4_ADMIN', `${backendName(named)} was changed in the meantime: ${stateText(now)}`);
  }
  return now;
}
