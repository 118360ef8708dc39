import { findService, splitName } from '../../client/backend-name.js';
import type { ConnectionSnapshot, Connections } from '../../control/snapshot.js';
import type { Command } from '../command.js';
import { type Paint, paintFor } from '../style.js';
import { type Cell, type Column, columnWidths, headerLine, tableLine } from '../table.js';
import { humanBytes, humanSeconds } from '../units.js';
import { connect, INSTANCE_FLAGS } from './instance.js';
import { outputWidth, print, printJson } from './output.js';
import { SERVICE } from './positionals.js';

/** `lb4 connections` */
export const CONNECTIONS: Command = {
  name: 'connections',
  describe: 'List open connections and flows',
  positionals: [{ ...SERVICE, describe: 'The service, or SERVICE/BACKEND for those of one backend' }],
  flags: [
    { name: 'limit', kind: 'number', describe: 'At most so many [default: 100]' },
    { name: 'json', kind: 'switch', describe: 'The answer of the admin interface as it is' },
    ...INSTANCE_FLAGS,
  ],
  examples: ['lb4 connections pg', 'lb4 connections pg/10.0.0.1:5432 --limit 1000 --json'],
  run: async line => {
    const limit = line.number('limit') ?? 100;
    const text = line.text('SERVICE')!;
    const client = await connect(line);
    const status = await client.status();
    const isService = status.services.some(({ name }) => name === text) || !/[/:]/.test(text);
    const named = isService ? { service: findService(status, text) } : splitName(status, text);
    const list = await client.connections(named.service.name, {
      limit,
      ...('id' in named && { backend: named.id }),
    });
    if (line.isOn('json')) printJson(JSON.stringify(list));
    else print(connectionLines(list, outputWidth(), paintFor(process.stdout)));
    return 0;
  },
};

const COLUMNS: readonly Column[] = [
  { header: 'CLIENT', align: 'left', shrinksTo: 12 },
  { header: 'BACKEND', align: 'left', shrinksTo: 12 },
  { header: 'AGE', align: 'right' },
  { header: 'IDLE', align: 'right' },
  { header: 'IN', align: 'right' },
  { header: 'OUT', align: 'right' },
];

/** The table of `lb4 connections`, of lines of at most `width` characters. Pure. */
export function connectionLines(list: Connections, width: number, paint: Paint): string[] {
  const { connections, total } = list;
  const shown =
    connections.length < total
      ? `${connections.length} of ${total} shown; --limit N for more`
      : `${total} open`;
  if (connections.length === 0) return [shown];
  const rows = connections.map(cells);
  const widths = columnWidths(COLUMNS, rows, width);
  return [
    headerLine(COLUMNS, widths, paint),
    ...rows.map(row => tableLine(COLUMNS, widths, row, paint)),
    paint('dim', shown),
  ];
}

function cells(one: ConnectionSnapshot): Cell[] {
  return [
    one.client,
    one.backend === '' ? '-' : one.backend,
    humanSeconds(one.age_seconds),
    humanSeconds(one.idle_seconds),
    humanBytes(one.bytes_in),
    humanBytes(one.bytes_out),
  ].map(text => ({ text }));
}
