import { resolve } from 'node:path';
import type { UpgradeReport } from '../../admin/app.js';
import type { AdminClient } from '../../client/admin-client.js';
import { escapeText } from '../../config/text.js';
import { type Command, type CommandLine, usage } from '../command.js';
import { plural } from '../units.js';
import { connect, INSTANCE_FLAGS } from './instance.js';
import { print, printJson } from './output.js';

/** Beyond the time-outs of all steps, ms: the instance ends what does not come to an end. */
const ANSWER_PATIENCE_MS = 600_000;

/** `lb4 upgrade`: what the new process finds wrong with its configuration comes as LB4_CONFIG, one line for each fault. */
export const UPGRADE: Command = {
  name: 'upgrade',
  describe:
    'Start the program again, with its configuration as it is now, and hand open connections over to it; what fails changes nothing',
  positionals: [],
  flags: [
    {
      name: 'program',
      kind: 'text',
      describe:
        'Start this program instead: a JavaScript file, or anything that runs lb4; the words of the command line stay [default: the same as it lies on the disk now]',
      values: 'files',
    },
    {
      name: 'timeout',
      kind: 'text',
      describe: 'Give up when a step takes longer [default: 30s]',
    },
    { name: 'json', kind: 'switch', describe: "Print the instance's answer as it came" },
    ...INSTANCE_FLAGS,
  ],
  examples: ['lb4 upgrade', 'lb4 upgrade --program /opt/lb4-next/bin/lb4'],
  run: upgrade,
};

async function upgrade(line: CommandLine): Promise<number> {
  const json = line.isOn('json');
  const program = line.text('program');
  const timeout = line.text('timeout');
  if (line.duration('timeout') === 0) throw usage('--timeout: expected more than 0');
  const client = await connect(line, { timeoutMs: ANSWER_PATIENCE_MS });
  const stop = json ? () => {} : await showSteps(client);
  try {
    const { report, text } = await client.upgrade({
      ...(program !== undefined && { program: resolve(program) }),
      ...(timeout !== undefined && { timeout }),
    });
    if (json) printJson(text);
    else print(reportLines(report));
    return 0;
  } finally {
    stop();
  }
}

/** Print what the instance is at, on standard error: the answer is the output. Where events cannot be had there is none of it. */
async function showSteps(client: AdminClient): Promise<() => void> {
  return await client.events(({ type, data }) => {
    if (type !== 'upgrade_step') return;
    const { step, detail } = data as { step?: unknown; detail?: unknown };
    const text = detail === '' || detail === undefined ? String(step) : `${String(step)}: ${String(detail)}`;
    process.stderr.write(`${escapeText(text)}\n`);
  });
}

/** The answer in words. */
export function reportLines(report: UpgradeReport): string[] {
  const { from, version, pid, connections, flows, draining, freeze_ms, lost, changes } = report;
  const versions = from === version ? `version ${version}` : `version ${from} to ${version}`;
  const kept = `${plural(connections, 'connection')} and ${plural(flows, 'flow')} kept`;
  const froze = freeze_ms === null ? '' : `, which stood still for ${freeze_ms.toFixed(1)} ms`;
  return [
    ...changes,
    ...lost.map(line => `not kept: ${line}`),
    freeze_ms === null
      ? `upgraded, ${versions}, pid ${pid}: listeners only; ${plural(draining, 'connection')} drain in the old process`
      : `upgraded, ${versions}, pid ${pid}: ${kept}${froze}`,
  ].map(escapeText);
}
