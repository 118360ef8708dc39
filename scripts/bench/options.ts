import { parseArgs } from 'node:util';
import { baseline, CANDIDATES, type Candidate } from './candidates.js';
import { CASES, type Case } from './cases.js';
import { DISTURBED } from './report.js';

const GROUPS = [...new Set(CASES.map(({ group }) => group))];

export const USAGE = `Balancers side by side: CPU time an operation, throughput and latency, in interleaved rounds.

npm run bench -- [options], or after a build node dist/scripts/bench/main.js [options]

  --rounds N           rounds of each case (default 5; --quick 2)
  --only LIST          cases or groups of cases; default all
                       groups: ${GROUPS.join(', ')}
${GROUPS.map(group => `                       ${group}: ${namesOf(CASES.filter(each => each.group === group))}`).join('\n')}
  --candidates LIST    default ${namesOf(CANDIDATES)}
  --baseline DIR       another checkout of lb4, built, as one more candidate
  --baseline-engine E  which engine of it, epoll or net (default epoll)
  --quick              a fifth of the work: a look, not a measurement
  --retries N          do a run again, so often at most, while other work takes more than ${DISTURBED} cores (default 0)
  --json FILE          write all samples; brought up to date after every case
  --append             go on where the FILE of --json ends: measure only what it lacks
  --seconds N          stop before N seconds are over, between two cases; exit code 3 when something is left to do
  --from FILE          measure nothing, take the samples from FILE
  --chart FILE         draw the report as SVG
  --markdown FILE      make the tables between the marks <!-- bench:… --> in FILE anew; may be repeated
  --help
`;

export interface Options {
  readonly cases: readonly Case[];
  readonly candidates: readonly Candidate[];
  readonly rounds: number;
  readonly share: number;
  readonly retries: number;
  readonly json: string | undefined;
  readonly append: boolean;
  readonly seconds: number;
  readonly from: string | undefined;
  readonly chart: string | undefined;
  readonly markdown: readonly string[];
  readonly help: boolean;
}

/** Throws with a line that says what was expected and what was found. */
export function parseOptions(args: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      rounds: { type: 'string' },
      only: { type: 'string' },
      candidates: { type: 'string' },
      baseline: { type: 'string' },
      'baseline-engine': { type: 'string', default: 'epoll' },
      retries: { type: 'string' },
      quick: { type: 'boolean', default: false },
      json: { type: 'string' },
      append: { type: 'boolean', default: false },
      seconds: { type: 'string' },
      from: { type: 'string' },
      chart: { type: 'string' },
      markdown: { type: 'string', multiple: true, default: [] },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.append && values.json === undefined) throw new Error('--append: expected --json FILE with it');
  const engine = values['baseline-engine'];
  if (engine !== 'epoll' && engine !== 'net')
    throw new Error(`--baseline-engine: expected epoll or net, got "${engine}"`);
  const added = values.baseline === undefined ? [] : [baseline(values.baseline, engine)];
  return {
    cases: chosen('--only', CASES, values.only, ({ group }) => group),
    candidates: [...chosen('--candidates', CANDIDATES, values.candidates), ...added],
    rounds: count('--rounds', values.rounds) ?? (values.quick ? 2 : 5),
    share: values.quick ? 0.2 : 1,
    retries: count('--retries', values.retries) ?? 0,
    json: values.json,
    append: values.append,
    seconds: count('--seconds', values.seconds) ?? Number.POSITIVE_INFINITY,
    from: values.from,
    chart: values.chart,
    markdown: values.markdown,
    help: values.help,
  };
}

/** Those of `all` that a comma list names, or whose group it names, in the order of `all`. */
function chosen<T extends { readonly name: string }>(
  option: string,
  all: readonly T[],
  list: string | undefined,
  groupOf: (entry: T) => string | undefined = () => undefined,
): T[] {
  if (list === undefined) return [...all];
  const wanted = new Set(list.split(','));
  const found = all.filter(entry => wanted.has(entry.name) || wanted.has(groupOf(entry) ?? ''));
  const known = new Set(all.flatMap(entry => [entry.name, groupOf(entry)]));
  for (const name of wanted) {
    if (!known.has(name)) throw new Error(`${option}: expected some of ${namesOf(all)}, got "${name}"`);
  }
  return found;
}

function count(option: string, value: string | undefined): number | undefined {
  if (value === undefined) return undefined;
  if (/^[1-9]\d{0,5}$/.test(value)) return Number(value);
  throw new Error(`${option}: expected a whole number from 1 up, got "${value}"`);
}

function namesOf(list: readonly { readonly name: string }[]): string {
  return list.map(({ name }) => name).join(', ');
}
