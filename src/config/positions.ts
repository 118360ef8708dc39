/**
 * Where every key and value of a TOML file stands, found again by path. Built from the parser's syntax nodes, which
 * carry offsets; lines and columns are counted only for the few places that an error names.
 */
export interface Place {
  /** From 1. */
  readonly line: number;
  /** From 1, in UTF-16 code units, as editors count. */
  readonly column: number;
}

/** The part of a syntax node that matters here. */
export interface SyntaxNode {
  readonly type: string;
  readonly value: unknown;
  readonly offset: number;
  readonly key?: readonly string[];
}

interface Mark {
  /** Offset of the key's own text; -1 for an element of a list. */
  key: number;
  value: number;
  readonly children: Map<string, Mark>;
}

export class Positions {
  private readonly root: Mark = { key: -1, value: 0, children: new Map() };
  private readonly text: string;
  private readonly lineStarts: number[] = [0];

  constructor(text: string, nodes: readonly SyntaxNode[]) {
    this.text = text;
    for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1))
      this.lineStarts.push(at + 1);
    let context = this.root;
    for (const node of nodes) {
      if (node.type === 'Assign') this.assign(context, node);
      else context = this.header(node, node.type === 'ArrayPath');
    }
  }

  /** The place of the key or the value at `path`, or else of the innermost table or value around it. */
  find(path: readonly PropertyKey[], part: 'key' | 'value'): Place {
    let mark = this.root;
    let whole = true;
    for (const step of path) {
      const child = mark.children.get(String(step));
      if (child === undefined) {
        whole = false;
        break;
      }
      mark = child;
    }
    // A missing key belongs to its table's name; a part of a string, to the string.
    const wantsKey = whole ? part === 'key' : mark.children.size > 0;
    return this.place(wantsKey && mark.key !== -1 ? mark.key : mark.value);
  }

  private place(offset: number): Place {
    let low = 0;
    let high = this.lineStarts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.lineStarts[middle]! <= offset) low = middle;
      else high = middle - 1;
    }
    return { line: low + 1, column: offset - this.lineStarts[low]! + 1 };
  }

  /** `[a.b]` or `[[a.b]]`: the mark that the following assignments belong to. */
  private header(node: SyntaxNode, isList: boolean): Mark {
    const keys = node.value as readonly string[];
    const offsets = keyOffsets(this.text, node.offset, keys);
    let mark = this.root;
    for (const [i, key] of keys.entries()) {
      mark = descend(mark, key, offsets[i]!, node.offset);
      const last = mark.children.size - 1;
      if (i < keys.length - 1 && mark.children.get(String(last))?.key === -1) {
        mark = mark.children.get(String(last))!;
      }
    }
    return isList ? descend(mark, String(mark.children.size), -1, node.offset) : mark;
  }

  private assign(table: Mark, node: SyntaxNode): void {
    const keys = node.key ?? [];
    const offsets = keyOffsets(this.text, node.offset, keys);
    const value = node.value as SyntaxNode;
    let mark = table;
    for (const [i, key] of keys.entries()) mark = descend(mark, key, offsets[i]!, value.offset);
    this.value(mark, value);
  }

  private value(mark: Mark, node: SyntaxNode): void {
    if (node.type === 'InlineTable') {
      for (const entry of node.value as readonly SyntaxNode[]) this.assign(mark, entry);
    } else if (node.type === 'Array') {
      for (const [i, element] of (node.value as readonly SyntaxNode[]).entries()) {
        this.value(descend(mark, String(i), -1, element.offset), element);
      }
    }
  }
}

function descend(mark: Mark, key: string, keyOffset: number, valueOffset: number): Mark {
  let child = mark.children.get(key);
  if (child === undefined) {
    child = { key: keyOffset, value: valueOffset, children: new Map() };
    mark.children.set(key, child);
  }
  return child;
}

/** Offsets of each part of a dotted key whose text starts at or after `from`. */
function keyOffsets(text: string, from: number, keys: readonly string[]): number[] {
  const offsets: number[] = [];
  let at = from;
  for (let i = 0; i < keys.length; i++) {
    while (' \t[.'.includes(text[at] ?? 'x')) at++;
    offsets.push(at);
    const first = text[at];
    if (first === '"' || first === "'") {
      at++;
      while (at < text.length && text[at] !== first) at += first === '"' && text[at] === '\\' ? 2 : 1;
      at++;
    } else {
      while (/[A-Za-z0-9_-]/.test(text[at] ?? '')) at++;
    }
  }
  return offsets;
}
