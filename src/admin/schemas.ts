import { isAbsolute } from 'node:path';
import { z } from 'zod';
import { backendKeys, weightField, withId } from '../config/backend.js';
import { choice, duration, expected, parsed, path, rate } from '../config/fields.js';
import { didYouMean, quote } from '../config/text.js';
import type { Connections, Snapshot } from '../control/snapshot.js';
import type { ReloadReport, UpgradeReport } from './app.js';

/**
 * The one description of what the interface takes and answers: requests are checked and answers are written by it, and
 * the OpenAPI document comes from it.
 */

/** A JSON object with these keys and no others. */
export function object<T extends z.ZodRawShape>(shape: T) {
  return z.strictObject(shape, {
    error: issue => {
      if (issue.code !== 'unrecognized_keys') return 'expected a JSON object';
      const [key = ''] = issue.keys as string[];
      return `unknown key ${quote(key)}${didYouMean(key, Object.keys(shape))}`;
    },
  });
}

function list<T extends z.ZodType>(element: T) {
  return z.array(element).readonly();
}

export const problem = z
  .object({
    error: z.string().describe('What is wrong, in plain words.'),
    errors: list(z.string()).optional().describe('Every fault of a configuration that does not hold.'),
  })
  .describe('What went wrong.');

const adminStates = ['ready', 'drain', 'maint'] as const;
const states = ['checking', 'up', 'down', 'draining', 'maintenance'] as const;

export const backendStatus = z
  .object({
    id: z.string(),
    address: z.string(),
    state: z.enum(states),
    weight: z.number(),
    active: z.number().describe('Connections or flows open or being dialled.'),
    total: z.number().describe('Connections or flows since the start.'),
    bytes_in: z.number().describe('From clients.'),
    bytes_out: z.number().describe('To clients.'),
    latency_ms: z
      .number()
      .nullable()
      .describe('Moving average of the response time, as of the last answer; null while unknown.'),
    last_check: z
      .object({ at: z.string(), result: z.string(), reason: z.string(), duration_ms: z.number() })
      .nullable()
      .describe('The last finished probe; null before the first.'),
    down_reason: z.string().describe('Why it is down; empty when it is not.'),
    runtime: z
      .object({
        state: z.enum(adminStates).optional(),
        weight: z.number().optional(),
        added: z.literal(true).optional().describe('The configuration does not have it.'),
      })
      .describe('What was changed while running and is otherwise than the configuration says.'),
  })
  .describe('A backend.');

export const serviceStatus = z.object({
  name: z.string(),
  protocol: z.enum(['tcp', 'udp']),
  listen: list(z.string()).describe('Where it listens, with the ports that the system chose.'),
  strategy: z.string(),
  active: z.number(),
  backends: list(backendStatus),
  removed: list(z.string()).describe('Backends of the configuration that were removed while running.'),
  leaving: list(z.object({ id: z.string(), address: z.string(), active: z.number() })).describe(
    'Backends that are no longer in the list and still have connections.',
  ),
});

export const status = z
  .object({
    name: z.string(),
    version: z.string(),
    pid: z.number(),
    engine: z.string(),
    threads: z.number(),
    uptime_seconds: z.number(),
    services: list(serviceStatus),
  })
  .describe('The instance, its services and their backends.') satisfies z.ZodType<Snapshot>;

export const serviceParams = z.object({ service: z.string().describe('Name of the service.') });
export const backendParams = serviceParams.extend({
  backend: z.string().describe('Id of the backend, URL-encoded.'),
});

export const backendChange = object({
  state: choice(
    adminStates,
    'drain: no new connections, open ones stay; maint: no checks either.',
  ).optional(),
  weight: weightField.optional(),
}).refine(
  change => change.state !== undefined || change.weight !== undefined,
  'expected state or weight, got neither',
);

/** What the configuration may say about a backend. */
export const newBackend = object(backendKeys).transform(withId);

export const addedBackend = z
  .object({
    id: z.string().describe('What it is removed by.'),
    backends: list(backendStatus).describe(
      'What it stands for: several for a name, none while that is not known.',
    ),
  })
  .describe('What was added.');

export const removedBackend = z
  .object({
    id: z.string(),
    backends: list(z.string()).describe('Ids of what it stood for.'),
    draining: z.number().describe('Connections and flows that it still has.'),
  })
  .describe('What was removed.');

/** How fast connections are closed. */
export const closing = object({
  rate: rate('Connections to close, such as "5/s"; 0 = at once.').optional(),
}).nullish();

export const closed = z
  .object({ closing: z.number().describe('How many connections or flows, at most.') })
  .describe('It has begun.');

/** More would keep the data plane from its work for too long. */
const MAX_LISTED = 100_000;

export const connectionQuery = object({
  backend: z.string().optional().describe('Id of a backend.'),
  limit: parsed<number, string>(
    { type: 'integer', minimum: 1, maximum: MAX_LISTED, description: 'How many to list at most [1000].' },
    value => {
      const count = Number(value);
      if (/^\d{1,6}$/.test(String(value)) && count >= 1 && count <= MAX_LISTED) return count;
      throw expected(`a whole number from 1 to ${MAX_LISTED}`, value);
    },
  ).optional(),
});

export const connections = z
  .object({
    connections: list(
      z.object({
        client: z.string(),
        backend: z.string().describe('Empty while it has none.'),
        age_seconds: z.number(),
        idle_seconds: z.number().describe('Since a byte last moved; to a second.'),
        bytes_in: z.number().describe('From the client.'),
        bytes_out: z.number().describe('To the client.'),
      }),
    ),
    total: z.number().describe('How many there are, listed or not.'),
  })
  .describe('Open connections or flows, the oldest first.') satisfies z.ZodType<Connections>;

const listChange = { added: list(z.string()), removed: list(z.string()) };

export const reloadReport = z
  .object({
    changes: list(z.string()).describe('What changed, in words.'),
    added: list(z.string()).describe('Services.'),
    removed: list(z.string()),
    changed: list(
      z.object({
        service: z.string(),
        listeners: z.object(listChange),
        backends: z.object({ ...listChange, changed: list(z.string()) }),
        settings: list(z.string()).describe('Keys.'),
      }),
    ),
    kept: z.number().describe('Connections and flows that were open through it.'),
  })
  .describe('What a reload did.') satisfies z.ZodType<ReloadReport>;

/** What to start, and how long to wait for it. */
export const upgradeOrder = object({
  program: path('Absolute path of the program to start [this one again]. Over a unix socket only.')
    .refine(isAbsolute, 'expected an absolute path')
    .optional(),
  timeout: duration('Give up when a step takes longer [30s].', 1).optional(),
}).nullish();

export const upgradeReport = z
  .object({
    from: z.string().describe('Version of the program before.'),
    version: z.string(),
    pid: z.number().describe('Of the new process.'),
    connections: z.number().describe('TCP connections that went over.'),
    flows: z.number().describe('UDP flows that went over.'),
    draining: z
      .number()
      .describe('Those that did not, and end in the old process in their own time: engine net.'),
    freeze_ms: z
      .number()
      .nullable()
      .describe('For how long open connections stood still; null where none went over.'),
    lost: list(z.string()).describe('What could not be kept, in words.'),
    changes: list(z.string()).describe("What is otherwise by the new process's configuration, in words."),
  })
  .describe('What an upgrade did.') satisfies z.ZodType<UpgradeReport>;
