import { findService, splitName } from '../../client/backend-name.js';
import { parseRate } from '../../config/rate.js';
import { escapeText } from '../../config/text.js';
import type { ServiceSnapshot } from '../../control/snapshot.js';
import { type Command, type CommandLine, type Flag, parsing } from '../command.js';
import { humanSeconds } from '../units.js';
import { connectionsOf } from './backend-text.js';
import { connect, INSTANCE_FLAGS } from './instance.js';
import { print } from './output.js';
import { BACKEND, SERVICE } from './positionals.js';

/** `otherwise`: the pace where none is given, which is the instance's choice. */
const rateFlag = (otherwise: string): Flag => ({
  name: 'rate',
  kind: 'text',
  describe: `How fast, so that clients do not all come back at once: 5/s, 30/m; 0 = at once [default: ${otherwise}]`,
});

/** `lb4 close`: connections of a backend end. */
export const CLOSE: Command = {
  name: 'close',
  describe: "Close a backend's connections at a steady pace",
  positionals: [BACKEND],
  flags: [rateFlag('within 5 s, or 100/s where that is faster'), ...INSTANCE_FLAGS],
  examples: ['lb4 close pg/10.0.0.1:5432', 'lb4 close pg/10.0.0.1:5432 --rate 5/s'],
  run: async line => {
    const rate = rateOf(line);
    const client = await connect(line);
    const { service, id } = splitName(await client.status(), line.text(BACKEND.name)!);
    const closing = await client.close(service.name, id, rate);
    print([escapeText(`${service.name}/${id}: ${closingText(service, closing, rate)}`)]);
    return 0;
  },
};

/** `lb4 rebalance`: as many end as level the load. */
export const REBALANCE: Command = {
  name: 'rebalance',
  describe:
    'Close as many connections as level the load again, the quietest first; their clients come back elsewhere',
  positionals: [SERVICE],
  flags: [rateFlag('10/s'), ...INSTANCE_FLAGS],
  examples: ['lb4 rebalance pg --rate 5/s'],
  run: async line => {
    const rate = rateOf(line);
    const client = await connect(line);
    const service = findService(await client.status(), line.text(SERVICE.name)!);
    const closing = await client.rebalance(service.name, rate);
    const words = closing === 0 ? 'level already, nothing is closed' : closingText(service, closing, rate);
    print([`${escapeText(service.name)}: ${words}`]);
    return 0;
  },
};

/** As it is written; the instance reads it again. */
function rateOf(line: CommandLine): string | undefined {
  const text = line.text('rate');
  if (text !== undefined) parsing('--rate', () => parseRate(text));
  return text;
}

function closingText(service: ServiceSnapshot, closing: number, rate: string | undefined): string {
  const words = `closing ${connectionsOf(service, closing)}`;
  const perSecond = rate === undefined ? 0 : parseRate(rate);
  return perSecond === 0 || closing === 0
    ? words
    : `${words} at ${rate}, in ${humanSeconds(Math.ceil(closing / perSecond))}`;
}
