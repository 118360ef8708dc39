import type { Command } from '../command.js';
import { paintFor } from '../style.js';
import { connect, INSTANCE_FLAGS } from './instance.js';
import { outputWidth, print, printJson } from './output.js';
import { statusLines } from './status-lines.js';

/** `lb4 status` */
export const STATUS: Command = {
  name: 'status',
  describe: 'Show services and backends of a running instance',
  positionals: [],
  flags: [
    { name: 'json', kind: 'switch', describe: 'The answer of the admin interface as it is' },
    { name: 'wide', kind: 'switch', describe: 'Shorten nothing, however long the lines become' },
    ...INSTANCE_FLAGS,
  ],
  examples: ['lb4 status', 'lb4 status --name edge --wide', 'lb4 status --json'],
  run: async line => {
    const client = await connect(line);
    const { status, text } = await client.statusText();
    const width = line.isOn('wide') ? Number.POSITIVE_INFINITY : outputWidth();
    if (line.isOn('json')) printJson(text);
    else print(statusLines(status, width, paintFor(process.stdout)));
    return 0;
  },
};
