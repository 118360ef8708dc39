/** The few elements of SVG that the charts need, as text. */

/** Numbers are rounded to tenths of a pixel. */
export type Attributes = Readonly<Record<string, string | number | undefined>>;

export function element(name: string, attributes: Attributes, content?: string): string {
  const written = Object.entries(attributes)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => ` ${key}="${typeof value === 'number' ? round(value) : escaped(value!)}"`)
    .join('');
  return content === undefined ? `<${name}${written}/>` : `<${name}${written}>${content}</${name}>`;
}

export function text(x: number, y: number, content: string, attributes: Attributes = {}): string {
  return element('text', { x, y, ...attributes }, escaped(content));
}

export function line(x1: number, y1: number, x2: number, y2: number, className: string): string {
  return element('line', { x1, y1, x2, y2, class: className });
}

export function escaped(content: string): string {
  return content.replace(/[&<>"]/g, char => `&#${char.charCodeAt(0)};`);
}

/** A whole picture, as the text of a file. */
export function picture(width: number, height: number, title: string, style: string, body: string): string {
  const size = { viewBox: `0 0 ${width} ${height}`, width, height };
  const ground = element('rect', { width, height, class: 'ground' });
  const content = [`<title>${escaped(title)}</title>`, `<style>${style}</style>`, ground, body].join('\n');
  return `${element('svg', { xmlns: 'http://www.w3.org/2000/svg', ...size, role: 'img' }, content)}\n`;
}

function round(value: number): string {
  return String(Math.round(value * 10) / 10);
}
