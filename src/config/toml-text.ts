/** TOML values as text. Everything written here is read back as the same value. */

/** A key as it stands in a header or before `=`: bare where TOML allows it. */
export function key(name: string): string {
  return /^[A-Za-z0-9_-]+$/.test(name) ? name : quoted(name);
}

/** A string value; `${` is doubled so that loading does not look into the environment. */
export function string(text: string): string {
  return quoted(text.replaceAll('${', '$$${'));
}

function quoted(text: string): string {
  // JSON's escapes are TOML's; DEL is the one control character that JSON leaves alone and TOML forbids.
  return JSON.stringify(text).replaceAll('\x7f', '\\u007f');
}

/** Any value; tables are written inline. What TOML has no word for (undefined, null, functions) is left out. */
export function value(found: unknown): string {
  if (typeof found === 'string') return string(found);
  if (typeof found === 'number') return number(found);
  if (Array.isArray(found)) return `[${found.filter(representable).map(value).join(', ')}]`;
  if (found instanceof Date) return found.toISOString();
  if (typeof found === 'object' && found !== null) {
    const entries = Object.entries(found).filter(([, v]) => representable(v));
    return entries.length === 0
      ? '{}'
      : `{ ${entries.map(([k, v]) => `${key(k)} = ${value(v)}`).join(', ')} }`;
  }
  return String(found);
}

function representable(found: unknown): boolean {
  return found !== null && ['string', 'number', 'boolean', 'bigint', 'object'].includes(typeof found);
}

function number(n: number): string {
  if (Number.isNaN(n)) return 'nan';
  if (!Number.isFinite(n)) return n > 0 ? 'inf' : '-inf';
  if (Object.is(n, -0)) return '-0.0';
  const text = String(n);
  // Whole numbers that do not fit a safe integer are floats to the reader.
  return Number.isInteger(n) && !Number.isSafeInteger(n) && !text.includes('e') ? `${text}.0` : text;
}
