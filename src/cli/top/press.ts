import { backendName, type Named } from '../../client/backend-name.js';
import type { AdminState } from '../../pool/backend.js';
import { connectionsOf, isUsable } from '../operate/backend-text.js';
import { shortenMiddle } from '../table.js';
import { type Action, backendsOf, type Model, select, selectedOf, withBackend } from './model.js';
import { keyOf } from './rates.js';

/** What a key leads to. */
export interface Pressed {
  readonly model: Model;
  /** To be asked of the instance. */
  readonly action?: Action;
  readonly isEnd?: boolean;
}

const PAGE = 10;
/** The question is to fit 80 columns; the line above it has the whole name. */
const MAX_NAME = 22;
const MAX_WEIGHT = 65_535;
const MOVES: Readonly<Record<string, number>> = {
  up: -1,
  k: -1,
  down: 1,
  j: 1,
  'page up': -PAGE,
  'page down': PAGE,
  home: Number.NEGATIVE_INFINITY,
  g: Number.NEGATIVE_INFINITY,
  end: Number.POSITIVE_INFINITY,
  G: Number.POSITIVE_INFINITY,
};

/** What a key does. Pure. */
export function press(before: Model, key: string): Pressed {
  const model = { ...before, message: undefined };
  if (key === 'ctrl-c' || key === 'ctrl-d') return { model, isEnd: true };
  if (model.question !== undefined) {
    const { action } = model.question;
    const asked = { ...model, question: undefined };
    return key === 'y' || key === 'Y' ? { model: asked, action } : { model: asked };
  }
  if (model.isHelp) return { model: { ...model, isHelp: false } };
  if (key === 'q') return { model, isEnd: true };
  if (key === '?' || key === 'h') return { model: { ...model, isHelp: true } };
  const steps = MOVES[key];
  if (steps !== undefined) return { model: move(model, steps) };
  const named = selectedOf(model);
  // Nothing can be changed while nobody answers.
  if (named === undefined || model.trouble !== '') return { model };
  return change(model, named, key);
}

function move(model: Model, steps: number): Model {
  const place = backendsOf(model.status).findIndex(
    ({ service, backend }) => keyOf(service.name, backend.id) === model.selected,
  );
  return select(model, place + steps);
}

function change(model: Model, named: Named, key: string): Pressed {
  switch (key) {
    case 'r':
      return { model, action: actionOn(named, { state: 'ready' }) };
    case 'd':
      return ask(model, named, { state: 'drain' });
    case 'm':
      return ask(model, named, { state: 'maint' });
    case '+':
    case '=':
      return weigh(model, named, Math.min(MAX_WEIGHT, named.backend.weight + 1));
    case '-':
      return weigh(model, named, Math.max(0, named.backend.weight - 1));
    default:
      return { model };
  }
}

function weigh(model: Model, named: Named, weight: number): Pressed {
  const { service, backend } = named;
  if (weight === backend.weight) return { model };
  if (weight === 0) return ask(model, named, { weight });
  return {
    // At once, so that the next key counts from here.
    model: withBackend(model, service.name, { ...backend, weight }),
    action: actionOn(named, { weight }),
  };
}

/** What takes traffic away is asked for first. */
function ask(model: Model, named: Named, wanted: { state: AdminState } | { weight: number }): Pressed {
  const { service, backend } = named;
  const what = 'state' in wanted ? wanted.state : `weight ${wanted.weight} for`;
  const isLast = !service.backends.some(one => one.id !== backend.id && isUsable(one));
  const warning = isLast
    ? 'the last usable one: new connections will fail'
    : `${connectionsOf(service, backend.active)} may finish`;
  const text = `${what} ${shortenMiddle(backendName(named), MAX_NAME)}? y/n (${warning})`;
  return { model: { ...model, question: { text, action: actionOn(named, wanted) } } };
}

function actionOn({ service, backend }: Named, change: Action['change']): Action {
  return { service: service.name, backend: backend.id, change };
}
