import compiler from 'toml/lib/compiler.js';
import parser from 'toml/lib/parser.js';
import { ConfigError } from '../errors.js';
import { Positions } from './positions.js';
import { escapeText, quote } from './text.js';

/**
 * TOML text as plain values and the places they came from. Throws ConfigError with one line for a syntax error: after
 * the first one nothing that follows could be trusted.
 */
export function readToml(
  text: string,
  source: string,
): { raw: Record<string, unknown>; positions: Positions } {
  const body = text.startsWith('\ufeff') ? text.slice(1) : text;
  try {
    const nodes = parser.parse(body);
    return { raw: compiler.compile(nodes, body), positions: new Positions(body, nodes) };
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    throw new ConfigError([{ severity: 'error', path: '', source, ...syntaxFault(error) }]);
  }
}

/** What peggy's SyntaxError and the compiler's Error have in common. */
interface TomlError extends Error {
  line?: number;
  column?: number;
  location?: { start: { line: number; column: number } };
  expected?: readonly { type: string; text?: string; inverted?: boolean; parts?: readonly unknown[] }[];
  found?: string | null;
}

function syntaxFault(error: TomlError): { message: string; line: number; column: number } {
  const start = error.location?.start ?? { line: error.line ?? 1, column: error.column ?? 1 };
  const message = error.expected === undefined ? compilerMessage(error.message) : syntaxMessage(error);
  return { message: `not valid TOML: ${message}`, line: start.line, column: start.column };
}

function compilerMessage(message: string): string {
  const plain = message.replace(/\.$/, '');
  const short = plain.length > 200 ? `${plain.slice(0, 200)}…` : plain;
  return escapeText(short.charAt(0).toLowerCase() + short.slice(1));
}

/** The parser lists every character it would have taken; people want the one thing that is missing. */
function syntaxMessage({ expected = [], found }: TomlError): string {
  const literals = new Set(expected.map(e => e.text ?? ''));
  const words: string[] = [];
  if (expected.some(e => e.type === 'class' && e.inverted)) words.push("the string's closing quote");
  else if (literals.has('true'))
    words.push('a value (text in quotes, a number, true, false, a list or a table)');
  if (literals.has('=')) words.push('"="');
  if (words.length === 0 || literals.has(']'))
    for (const c of [']', '}', ',']) if (literals.has(c)) words.push(`"${c}"`);
  if (literals.has('#') && !literals.has('true')) words.push('the end of the line');
  if (words.length === 0) words.push('a key or a [table]');
  return `expected ${words.join(' or ')}, got ${foundText(found)}`;
}

function foundText(found: string | null | undefined): string {
  if (found === null || found === undefined) return 'the end of the file';
  return found === '\n' || found === '\r' ? 'the end of the line' : quote(found);
}
