/** Reads text token by token, with positions for errors. Knows nothing of kernels. */
import { ParseError } from '../../core/errors.ts';

/** A place in a text that is read from left to right. */
export class TextScanner {
  readonly #text: string;
  readonly #what: string;
  #at = 0;

  constructor(text: string, what: string) {
    this.#text = text;
    this.#what = what;
  }

  /** Where the next token begins. */
  get position(): number {
    this.#skip();
    return this.#at;
  }

  /** Refuse the text at a position. */
  fail(problem: string, at: number = this.position): never {
    const before = this.#text.slice(0, at).split('\n');
    const found = this.#text.slice(at, at + 20).split('\n')[0];
    const got = at >= this.#text.length ? 'the end of the text' : `\`${found}\``;
    const last = before[before.length - 1];
    throw new ParseError(
      `${this.#what}: ${before.length}:${last.length + 1}: ${problem}; got ${got}.`,
    );
  }

  /** Take the next token if it matches a sticky expression. */
  match(token: RegExp): string | undefined {
    this.#skip();
    token.lastIndex = this.#at;
    const found = token.exec(this.#text);
    if (found === null) return undefined;
    this.#at = token.lastIndex;
    return found[0];
  }

  /** Take the next token if it is this text; words must end there. */
  accept(text: string): boolean {
    this.#skip();
    if (!this.#text.startsWith(text, this.#at)) return false;
    const end = this.#at + text.length;
    if (/\w$/.test(text) && /\w/.test(this.#text.charAt(end))) return false;
    this.#at = end;
    return true;
  }

  /** Take this text or refuse. */
  expect(text: string): void {
    if (!this.accept(text)) this.fail(`expected \`${text}\``);
  }

  /** Take a token or refuse. */
  take(token: RegExp, what: string): string {
    const found = this.match(token);
    if (found === undefined) this.fail(`expected ${what}`);
    return found;
  }

  /** Take items between separators up to a closing text. */
  list<T>(close: string, item: () => T): T[] {
    const out: T[] = [];
    if (this.accept(close)) return out;
    do out.push(item());
    while (this.accept(','));
    this.expect(close);
    return out;
  }

  /** Whether all is read. */
  get isAtEnd(): boolean {
    this.#skip();
    return this.#at >= this.#text.length;
  }

  #skip(): void {
    const blank = /(?:\s+|\/\/[^\n]*)*/y;
    blank.lastIndex = this.#at;
    blank.exec(this.#text);
    this.#at = Math.max(this.#at, blank.lastIndex);
  }
}
