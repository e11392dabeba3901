/**
 * The text of a shader while it is written: lines, indentation, fresh names, and what each open block has already computed, so that a value
 * is spelled once per place and block.
 */
import { isLiteral } from './format.ts';

const isName = (text: string): boolean => /^[a-z_]\w*$/i.test(text);

/** Lines of a function body. */
export class Text {
  readonly #lines: string[] = [];
  readonly #scopes: Map<string, string>[] = [new Map()];
  #counter = 0;

  /** Number of lines. */
  get length(): number {
    return this.#lines.length;
  }

  /** The lines, joined. */
  get body(): string {
    return this.#lines.join('\n');
  }

  /** A new name. */
  fresh(prefix: string): string {
    return `${prefix}_${this.#counter++}`;
  }

  /** Append a statement. */
  line(text: string): void {
    this.#lines.push('  '.repeat(this.#scopes.length) + text);
  }

  /** How many blocks are open. */
  get depth(): number {
    return this.#scopes.length;
  }

  /** Write a block: `head {`, what `body` writes, `}`. What it computes is forgotten at its end. */
  block(head: string, body: () => void): void {
    this.line(`${head} {`);
    this.#scopes.push(new Map());
    body();
    this.#scopes.pop();
    this.line('}');
  }

  /** What was remembered under a key in the open blocks. */
  recall(key: string): string | undefined {
    for (let i = this.#scopes.length - 1; i >= 0; i--) {
      const found = this.#scopes[i].get(key);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  /** Remember a spelling until the innermost block ends. */
  remember(key: string, text: string): void {
    this.#scopes[this.#scopes.length - 1].set(key, text);
  }

  /** Bind an expression to a name; names and literals stand for themselves. */
  let(prefix: string, expression: string): string {
    if (isName(expression) || isLiteral(expression)) return expression;
    const name = this.fresh(prefix);
    this.line(`let ${name} = ${expression};`);
    return name;
  }

  /** Bind a constant to a name, so that what is computed from it is computed by the device: constant expressions may not overflow. */
  opaque(constant: string): string {
    const key = `opaque ${constant}`;
    const known = this.recall(key);
    if (known !== undefined) return known;
    const name = this.fresh('c');
    this.line(`let ${name} = ${constant};`);
    this.remember(key, name);
    return name;
  }

  /** Bind an expression once per block. */
  shared(prefix: string, expression: string): string {
    const key = `=${expression}`;
    const known = this.recall(key);
    if (known !== undefined) return known;
    const name = this.let(prefix, expression);
    this.remember(key, name);
    return name;
  }
}
