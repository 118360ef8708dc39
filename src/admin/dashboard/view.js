// Services and backends on the page. Text is only ever set as text.
import { createCharts } from './charts.js';
import { age, bytes, count, ratesBetween, short } from './rates.js';

const $ = id => document.getElementById(id);
/** Rates over less than this are noise: an event may ask for a status right after the last one. */
const SHORTEST_S = 0.5;
const IDLE = { connections: 0, bytesIn: 0, bytesOut: 0 };

/** Set text only where it is another one: what did not change is not read out again. */
function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function fromTemplate(id) {
  return $(id).content.firstElementChild.cloneNode(true);
}

/** One row of a service's table. */
class BackendRow {
  constructor(service, backend, onChange) {
    this.row = fromTemplate('backend');
    this.field = name => this.row.querySelector(`.${name}`);
    const weight = this.field('weight');
    weight.setAttribute('aria-label', `Weight of ${backend.id}`);
    weight.addEventListener('change', () => {
      if (weight.checkValidity() && weight.value !== '')
        onChange(service, backend.id, { weight: weight.valueAsNumber });
    });
    for (const button of this.row.querySelectorAll('button')) {
      button.setAttribute('aria-label', `${button.textContent}: ${backend.id}`);
      button.addEventListener('click', () => onChange(service, backend.id, { state: button.dataset.state }));
    }
  }

  update(backend, rates) {
    const { id, address, state, weight, active, latency_ms, down_reason, last_check, runtime } = backend;
    say(this.field('id'), id);
    say(this.field('address'), address === id ? '' : address);
    const changes = [runtime.added && 'added', runtime.state, runtime.weight !== undefined && 'weight'];
    const changed = changes.filter(one => one).join(', ');
    say(this.field('changed'), changed && `changed while running: ${changed}`);
    const shown = this.field('state');
    say(shown, state);
    shown.className = `state ${state}`;
    say(this.field('why'), down_reason || (state === 'checking' ? (last_check?.reason ?? '') : ''));
    say(this.field('active'), count(active));
    say(this.field('rate'), short(rates.connections));
    say(this.field('in'), `${bytes(rates.bytesIn)}/s`);
    say(this.field('out'), `${bytes(rates.bytesOut)}/s`);
    say(this.field('latency'), latency_ms === null ? '–' : `${short(latency_ms)} ms`);
    const input = this.field('weight');
    if (document.activeElement !== input) input.value = String(weight);
    const wanted = { draining: 'drain', maintenance: 'maint' }[state] ?? 'ready';
    for (const button of this.row.querySelectorAll('button'))
      button.setAttribute('aria-pressed', String(button.dataset.state === wanted));
  }
}

/** A service: its charts and its table. */
class ServiceCard {
  constructor(name, onChange) {
    this.name = name;
    this.onChange = onChange;
    this.rows = new Map();
    this.section = fromTemplate('service');
    const title = this.section.querySelector('h2');
    title.textContent = name;
    title.id = `service ${name}`;
    this.section.setAttribute('aria-labelledby', title.id);
    this.section.querySelector('caption').textContent = `Backends of ${name}`;
    this.body = this.section.querySelector('tbody');
    $('services').append(this.section);
    this.charts = createCharts(this.section.querySelector('.charts'));
  }

  /** @param {number | undefined} time of a new point on the charts, seconds since 1970 */
  update({ protocol, listen, strategy, active, backends, removed, leaving }, rates, time) {
    say(this.section.querySelector('.where'), `${protocol} ${listen.join(', ')} · ${strategy}`);
    const left = leaving.map(
      ({ id, active }) => `${id} is no longer in the list: ${count(active)} still open`,
    );
    const out = removed.length === 0 ? [] : [`removed while running: ${removed.join(', ')}`];
    say(this.section.querySelector('.changes'), [...out, ...left].join('; '));
    const total = { ...IDLE };
    for (const backend of backends) {
      const mine = rates.get(`${this.name}/${backend.id}`) ?? IDLE;
      for (const key of Object.keys(total)) total[key] += mine[key];
      let row = this.rows.get(backend.id);
      if (row === undefined) {
        row = new BackendRow(this.name, backend, this.onChange);
        this.rows.set(backend.id, row);
        this.body.append(row.row);
      }
      row.update(backend, mine);
    }
    for (const [id, { row }] of this.rows) {
      if (backends.some(one => one.id === id)) continue;
      row.remove();
      this.rows.delete(id);
    }
    if (time === undefined) return;
    const answering = backends.filter(({ latency_ms }) => latency_ms !== null);
    const sum = answering.reduce((all, { latency_ms }) => all + latency_ms, 0);
    const latency = answering.length === 0 ? null : sum / answering.length;
    this.charts.add(time, { active, connections: total.connections, latency });
  }
}

/** The page. `onChange(service, backend, change)` is called when somebody uses a control. */
export class View {
  constructor(onChange) {
    this.onChange = onChange;
    this.cards = new Map();
    this.last = undefined;
    this.lastAt = Number.NEGATIVE_INFINITY;
    this.rates = new Map();
  }

  /** @param {object} status an answer of /status */
  show(status) {
    const now = performance.now();
    const seconds = (now - this.lastAt) / 1000;
    const isNew = seconds >= SHORTEST_S;
    if (isNew) {
      this.rates = ratesBetween(this.last, status, seconds);
      this.last = status;
      this.lastAt = now;
    }
    const { name, version, engine, threads, uptime_seconds, services } = status;
    document.title = `${name} · lb4`;
    say($('name'), name);
    const plural = threads === 1 ? 'thread' : 'threads';
    say($('facts'), `lb4 ${version} · ${engine}, ${threads} ${plural} · up ${age(uptime_seconds)}`);
    for (const service of services) {
      let card = this.cards.get(service.name);
      if (card === undefined) {
        card = new ServiceCard(service.name, this.onChange);
        this.cards.set(service.name, card);
      }
      card.update(service, this.rates, isNew ? Date.now() / 1000 : undefined);
    }
    for (const [name, { section }] of this.cards) {
      if (services.some(one => one.name === name)) continue;
      section.remove();
      this.cards.delete(name);
    }
  }
}
