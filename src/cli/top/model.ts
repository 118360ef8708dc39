import type { BackendChange } from '../../client/admin-client.js';
import type { Named } from '../../client/backend-name.js';
import type { BackendSnapshot, Snapshot } from '../../control/snapshot.js';
import { keyOf, type Rates, ratesBetween } from './rates.js';

/** A change of a backend that a key asked for. */
export interface Action {
  readonly service: string;
  readonly backend: string;
  readonly change: BackendChange;
}

/** Everything that is on the screen. It does not change; the functions below make the next one. */
export interface Model {
  readonly status: Snapshot;
  readonly rates: ReadonlyMap<string, Rates>;
  /** Why the instance does not answer; empty while it does. */
  readonly trouble: string;
  /** Key of the selected backend. */
  readonly selected: string | undefined;
  readonly isHelp: boolean;
  /** What `y` would do, and the words that ask for it. */
  readonly question: { readonly text: string; readonly action: Action } | undefined;
  /** What came of the last change. */
  readonly message: { readonly text: string; readonly isError: boolean } | undefined;
}

export function firstModel(status: Snapshot): Model {
  const model = { rates: new Map(), trouble: '', isHelp: false, question: undefined, message: undefined };
  return select({ ...model, status, selected: undefined }, 0);
}

/** The backends in the order of the screen. */
export function backendsOf({ services }: Snapshot): readonly Named[] {
  return services.flatMap(service => service.backends.map(backend => ({ service, backend })));
}

export function selectedOf({ status, selected }: Model): Named | undefined {
  return backendsOf(status).find(({ service, backend }) => keyOf(service.name, backend.id) === selected);
}

/** The instance has answered. A selected backend that is gone gives the selection to the one in its place. */
export function withStatus(model: Model, status: Snapshot): Model {
  // After a gap the difference says nothing about the last second.
  const rates = ratesBetween(model.trouble === '' ? model.status : undefined, status);
  const next = { ...model, status, rates, trouble: '' };
  const question = isThere(status, model.question?.action) ? model.question : undefined;
  if (selectedOf(next) !== undefined) return { ...next, question };
  const place = backendsOf(model.status).findIndex(
    ({ service, backend }) => keyOf(service.name, backend.id) === model.selected,
  );
  return { ...select(next, place), question };
}

/** The instance does not answer; what was known stays on the screen. */
export function withTrouble(model: Model, trouble: string): Model {
  return { ...model, trouble, rates: new Map(), question: undefined };
}

/** A change was made: show it before the next answer does. */
export function withBackend(model: Model, service: string, changed: BackendSnapshot): Model {
  const services = model.status.services.map(one =>
    one.name === service
      ? { ...one, backends: one.backends.map(backend => (backend.id === changed.id ? changed : backend)) }
      : one,
  );
  return { ...model, status: { ...model.status, services } };
}

export function withMessage(model: Model, text: string, isError: boolean): Model {
  return { ...model, message: { text, isError } };
}

/** Select the backend at this place, or the nearest there is. */
export function select(model: Model, place: number): Model {
  const all = backendsOf(model.status);
  const found = all[Math.max(0, Math.min(all.length - 1, place))];
  return { ...model, selected: found && keyOf(found.service.name, found.backend.id) };
}

function isThere({ services }: Snapshot, action: Action | undefined): boolean {
  const service = services.find(({ name }) => name === action?.service);
  return service?.backends.some(({ id }) => id === action?.backend) === true;
}
