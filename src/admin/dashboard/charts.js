// The two live charts of a service.

import { count, History, short } from './rates.js';
import uPlot from './uPlot.esm.js';

const HEIGHT = 110;
const clock = new Intl.DateTimeFormat('en-GB', { timeStyle: 'medium' });
const style = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/** One chart of up to two series in the same unit. */
class Chart {
  /** @param {Element} parent @param {string[]} names */
  constructor(parent, names) {
    this.history = new History(names.length);
    this.names = names;
    this.figure = document.createElement('figure');
    const caption = document.createElement('figcaption');
    this.values = names.map((name, i) => {
      const key = document.createElement('span');
      key.className = `key ${i === 0 ? 'first' : 'second'}`;
      key.textContent = name;
      const value = document.createElement('span');
      caption.append(i === 0 ? '' : ', ', key, ' ', value);
      return value;
    });
    this.box = document.createElement('div');
    // The caption says the same in words.
    this.box.setAttribute('aria-hidden', 'true');
    this.figure.append(caption, this.box);
    parent.append(this.figure);
    this.draw();
    new ResizeObserver(() => this.resize()).observe(this.figure);
  }

  draw() {
    this.plot?.destroy();
    const axis = {
      stroke: style('--quiet'),
      grid: { stroke: style('--line'), width: 1 },
      ticks: { show: false },
    };
    const line = i => ({
      stroke: style(i === 0 ? '--first' : '--second'),
      width: 1.5,
      points: { show: false },
    });
    const options = {
      width: Math.max(160, this.figure.clientWidth),
      height: HEIGHT,
      legend: { show: false },
      cursor: { show: false },
      scales: { y: { range: (_, _low, high) => [0, Math.max(1, high * 1.1)] } },
      axes: [
        { ...axis, size: 28, space: 70, values: (_, ticks) => ticks.map(tick => clock.format(tick * 1000)) },
        { ...axis, size: 46, values: (_, ticks) => ticks.map(short) },
      ],
      series: [{}, ...this.names.map((_, i) => line(i))],
    };
    this.plot = new uPlot(options, this.history.columns, this.box);
  }

  resize() {
    const width = Math.max(160, this.figure.clientWidth);
    if (width !== this.plot.width) this.plot.setSize({ width, height: HEIGHT });
  }

  /** @param {number} time @param {(number | null)[]} values null: not known @param {((value: number) => string)[]} formats */
  add(time, values, formats) {
    this.history.add(time, values);
    this.values.forEach((element, i) => {
      element.textContent = values[i] === null ? '–' : formats[i](values[i]);
    });
    this.plot.setData(this.history.columns);
  }
}

/** @param {Element} parent */
export function createCharts(parent) {
  const load = new Chart(parent, ['open', 'new/s']);
  const response = new Chart(parent, ['response ms']);
  // Colours are drawn, not styled.
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => {
    load.draw();
    response.draw();
  });
  return {
    /** @param {number} time @param {{ active: number, connections: number, latency: number | null }} point */
    add(time, { active, connections, latency }) {
      load.add(time, [active, connections], [count, short]);
      response.add(time, [latency], [short]);
    },
  };
}
