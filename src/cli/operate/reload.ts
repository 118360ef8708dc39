import { escapeText } from '../../config/text.js';
import type { Command } from '../command.js';
import { plural } from '../units.js';
import { connect, INSTANCE_FLAGS } from './instance.js';
import { print } from './output.js';

/** `lb4 reload`: what the file says wrong comes as LB4_CONFIG, one line for each fault, like `lb4 check`. */
export const RELOAD: Command = {
  name: 'reload',
  describe:
    'Read the configuration file again and take what changed; a file that does not hold changes nothing',
  positionals: [],
  flags: INSTANCE_FLAGS,
  examples: ['lb4 reload'],
  run: async line => {
    const client = await connect(line);
    const { changes, kept } = await client.reload();
    print([...changes.map(escapeText), `reloaded, ${plural(kept, 'connection')} kept`]);
    return 0;
  },
};
