import { backendName, findBackend } from '../../client/backend-name.js';
import { type Command, wholeNumber } from '../command.js';
import { connect, INSTANCE_FLAGS } from './instance.js';
import { print } from './output.js';
import { BACKEND } from './positionals.js';

/** `lb4 weight` */
export const WEIGHT: Command = {
  name: 'weight',
  describe: "Change a backend's share of the traffic",
  positionals: [
    BACKEND,
    { name: 'N', describe: 'The weight, relative to the others; 0 = no new connections' },
  ],
  flags: INSTANCE_FLAGS,
  examples: ['lb4 weight pg/10.0.0.1:5432 5'],
  run: async line => {
    const weight = wholeNumber('weight', line.text('N')!);
    const client = await connect(line);
    const named = findBackend(await client.status(), line.text(BACKEND.name)!);
    const changed = await client.change(named.service.name, named.backend.id, { weight });
    print([`${backendName(named)}: weight ${changed.weight}, it was ${named.backend.weight}`]);
    return 0;
  },
};
