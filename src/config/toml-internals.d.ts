/** The two halves of `toml` 5, used apart because only the syntax nodes know where a key or value stands. */
declare module 'toml/lib/parser.js' {
  interface TomlNode {
    readonly type: string;
    readonly value: unknown;
    readonly offset: number;
    /** Assign and InlineTableValue only. */
    readonly key?: readonly string[];
  }
  interface Parser {
    parse(text: string): TomlNode[];
  }
  const parser: Parser;
  export default parser;
}

declare module 'toml/lib/compiler.js' {
  interface Compiler {
    compile(nodes: unknown, text: string): Record<string, unknown>;
  }
  const compiler: Compiler;
  export default compiler;
}
