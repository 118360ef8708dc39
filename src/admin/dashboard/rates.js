// From counters to rates: pure, so that it can be tested without a page.

/** How many points a chart holds: five minutes at one a second. */
export const POINTS = 300;

/** The difference of a counter a second; 0 when it began anew or there is nothing to compare it with. */
export function perSecond(before, now, seconds) {
  return before === undefined || seconds <= 0 || now < before ? 0 : (now - before) / seconds;
}

/** Rates of each backend between two answers of /status, by service and id. */
export function ratesBetween(before, after, seconds) {
  const known = new Map();
  for (const { name, backends } of before?.services ?? [])
    for (const backend of backends) known.set(`${name}/${backend.id}`, backend);
  const rates = new Map();
  for (const { name, backends } of after.services) {
    for (const now of backends) {
      const key = `${name}/${now.id}`;
      const old = known.get(key);
      rates.set(key, {
        connections: perSecond(old?.total, now.total, seconds),
        bytesIn: perSecond(old?.bytes_in, now.bytes_in, seconds),
        bytesOut: perSecond(old?.bytes_out, now.bytes_out, seconds),
      });
    }
  }
  return rates;
}

/** The last points of some series over time, oldest first. */
export class History {
  /** @param {number} series */
  constructor(series) {
    this.columns = Array.from({ length: series + 1 }, () => []);
  }

  /** @param {number} time seconds since 1970 @param {number[]} values */
  add(time, values) {
    for (const [i, value] of [time, ...values].entries()) {
      this.columns[i].push(value);
      if (this.columns[i].length > POINTS) this.columns[i].shift();
    }
  }
}

const UNITS = ['B', 'kB', 'MB', 'GB', 'TB'];

/** `1.2 MB`, in steps of 1,000. */
export function bytes(count) {
  let unit = 0;
  let value = count;
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${short(value)} ${UNITS[unit]}`;
}

/** A whole number. */
export function count(value) {
  return value.toLocaleString('en');
}

/** Three digits at most behind which nobody looks. */
export function short(value) {
  if (value === 0) return '0';
  return value < 10 ? value.toFixed(1) : Math.round(value).toLocaleString('en');
}

/** `3 d 4 h`, `5 min 6 s`. */
export function age(seconds) {
  const parts = [
    [Math.floor(seconds / 86_400), 'd'],
    [Math.floor(seconds / 3_600) % 24, 'h'],
    [Math.floor(seconds / 60) % 60, 'min'],
    [Math.floor(seconds) % 60, 's'],
  ];
  const first = Math.max(
    0,
    parts.findIndex(([value]) => value > 0),
  );
  const shown = first === 0 && parts[0][0] === 0 ? parts.slice(-1) : parts.slice(first, first + 2);
  return shown.map(([value, unit]) => `${value} ${unit}`).join(' ');
}
