/** What each balancer came to in one run, by name. */
export type Rows = ReadonlyMap<string, Readonly<Record<string, number>>>;

/** A table in Markdown: median over the runs, and the worst in brackets where it is another. */
export function table(
  title: string,
  names: readonly string[],
  runs: readonly Rows[],
  measures: Readonly<Record<string, string>>,
): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  const rows = Object.entries(measures).map(([key, words]) =>
    line([words, ...names.map(name => cell(runs.map(run => run.get(name)![key]!)))]),
  );
  return [line([title, ...names]), line(['---', ...names.map(() => '---:')]), ...rows, ''].join('\n');
}

function cell(values: readonly number[]): string {
  const sorted = [...values].sort((a, b) => a - b);
  const median = sorted[Math.floor((sorted.length - 1) / 2)]!;
  const worst = sorted.at(-1)!;
  return median === worst ? String(median) : `${median} (${worst})`;
}
