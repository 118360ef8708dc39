import type { Added, NewBackend } from '../../client/admin-client.js';
import { backendName, findService, splitName } from '../../client/backend-name.js';
import { escapeText } from '../../config/text.js';
import type { ServiceSnapshot } from '../../control/snapshot.js';
import type { Command, CommandLine } from '../command.js';
import { connectionsOf, stateText } from './backend-text.js';
import { connect, INSTANCE_FLAGS } from './instance.js';
import { print } from './output.js';
import { BACKEND, SERVICE } from './positionals.js';

/** `lb4 add` */
export const ADD: Command = {
  name: 'add',
  describe: 'Add a backend, until the next start',
  positionals: [SERVICE, { name: 'ADDRESS', describe: 'host:port, [v6]:port, unix:/path or srv:name' }],
  flags: [
    { name: 'as', kind: 'text', describe: 'Its id [default: the address]' },
    { name: 'weight', kind: 'number', describe: 'Share of the traffic, relative to the others [default: 1]' },
    { name: 'backup', kind: 'switch', describe: 'Gets connections only when no primary is left' },
    { name: 'max-connections', kind: 'number', describe: 'Most open connections; 0 = no limit [default: 0]' },
    ...INSTANCE_FLAGS,
  ],
  examples: ['lb4 add pg 10.0.0.9:5432', 'lb4 add pg 10.0.0.9:5432 --as replica3 --weight 2'],
  run: async line => {
    const wanted = newBackend(line);
    const client = await connect(line);
    const service = findService(await client.status(), line.text(SERVICE.name)!);
    print(addedLines(service, await client.add(service.name, wanted)));
    return 0;
  },
};

function newBackend(line: CommandLine): NewBackend {
  const name = line.text('as');
  const weight = line.number('weight');
  const limit = line.number('max-connections');
  return {
    address: line.text('ADDRESS')!,
    ...(name !== undefined && { name }),
    ...(weight !== undefined && { weight }),
    ...(line.isOn('backup') && { backup: true }),
    ...(limit !== undefined && { max_connections: limit }),
  };
}

/** A name may stand for several, or for none yet. */
function addedLines(service: ServiceSnapshot, { id, backends }: Added): string[] {
  if (backends.length === 0)
    return [`${escapeText(`${service.name}/${id}`)}: added, no address is known yet`];
  return backends.map(
    backend => `${backendName({ service, backend })}: added, ${stateText(backend)}, weight ${backend.weight}`,
  );
}

/** `lb4 remove` */
export const REMOVE: Command = {
  name: 'remove',
  describe: 'Remove a backend; its connections drain',
  positionals: [BACKEND],
  flags: INSTANCE_FLAGS,
  examples: ['lb4 remove pg/replica3'],
  run: async line => {
    const client = await connect(line);
    const { service, id } = splitName(await client.status(), line.text(BACKEND.name)!);
    const { backends, draining } = await client.remove(service.name, id);
    const rest = draining === 0 ? '' : `, ${connectionsOf(service, draining)} may finish`;
    const others = backends.length > 1 ? ` with all that it stood for (${backends.join(', ')})` : '';
    print([escapeText(`${service.name}/${id}: removed${others}${rest}`)]);
    return 0;
  },
};
