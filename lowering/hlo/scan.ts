/** Reads MLIR text character by character: white space and comments, names, numbers, strings. Errors say line and column. */
import { ParseError } from '../../core/errors.ts';

/** Deepest nesting of regions, lists and dictionaries that is read: text is input, and input may be hostile. */
export const maxDepth = 256;

/** A position in a text. */
export class Scanner {
  readonly text: string;
  position = 0;
  #depth = 0;
  /** Where a line starts, and its number: ops ask for their lines one after the other. */
  #line = { start: 0, number: 1 };

  constructor(text: string) {
    this.text = text;
  }

  /** The error for what stands here (or at `position`), with line and column. */
  error(message: string, position: number = this.position): ParseError {
    return new ParseError(`parse: ${message} (${this.place(position)})`);
  }

  /** Line and column of a position. */
  place(position: number): string {
    let { start, number } = position < this.#line.start ? { start: 0, number: 1 } : this.#line;
    for (;;) {
      const end = this.text.indexOf('\n', start);
      if (end < 0 || end >= position) break;
      start = end + 1;
      number++;
    }
    this.#line = { start, number };
    return `line ${number}, column ${position - start + 1}`;
  }

  /** What stands here, for errors. */
  here(): string {
    this.skip();
    const rest = this.text.slice(this.position, this.position + 24).split('\n')[0];
    return rest === '' ? 'the end of the text' : JSON.stringify(rest);
  }

  /** Run `body` one level deeper. @throws ParseError when the text nests too deep. */
  nested<T>(body: () => T): T {
    if (++this.#depth > maxDepth)
      throw this.error(`text must not nest deeper than ${maxDepth} levels; got more. Flatten it.`);
    try {
      return body();
    } finally {
      this.#depth--;
    }
  }

  /** Skip white space and comments. */
  skip(): void {
    const { text } = this;
    for (;;) {
      const c = text.charCodeAt(this.position);
      if (c === 0x20 || c === 0x0a || c === 0x0d || c === 0x09) this.position++;
      else if (c === 0x2f && text.charCodeAt(this.position + 1) === 0x2f) {
        const end = text.indexOf('\n', this.position);
        this.position = end < 0 ? text.length : end + 1;
      } else return;
    }
  }

  /** Whether the text ends here. */
  atEnd(): boolean {
    this.skip();
    return this.position >= this.text.length;
  }

  /** Whether these characters stand here. */
  sees(what: string): boolean {
    this.skip();
    return this.text.startsWith(what, this.position);
  }

  /** Whether this word stands here, and ends here. */
  seesWord(word: string): boolean {
    return this.sees(word) && !/[\w$.]/.test(this.text[this.position + word.length] ?? ' ');
  }

  /** Take these characters if they stand here. */
  take(what: string): boolean {
    if (!this.sees(what)) return false;
    this.position += what.length;
    return true;
  }

  /** Take this word if it stands here. */
  takeWord(word: string): boolean {
    if (!this.seesWord(word)) return false;
    this.position += word.length;
    return true;
  }

  /** Take these characters. @throws ParseError when something else stands here. */
  expect(what: string): void {
    if (!this.take(what)) throw this.error(`expected ${JSON.stringify(what)}; got ${this.here()}.`);
  }

  /** Take what a sticky pattern matches here, or nothing. */
  match(pattern: RegExp): string | undefined {
    this.skip();
    pattern.lastIndex = this.position;
    const found = pattern.exec(this.text);
    if (found === null) return undefined;
    this.position += found[0].length;
    return found[0];
  }

  /** Take what a sticky pattern matches. @throws ParseError when it does not match here. */
  need(pattern: RegExp, what: string): string {
    const found = this.match(pattern);
    if (found === undefined) throw this.error(`expected ${what}; got ${this.here()}.`);
    return found;
  }

  /** A bare word: `main`, `stablehlo.add`, `mhlo.num_partitions`. */
  word(what = 'a name'): string {
    return this.need(/[A-Za-z_][\w$.]*/y, what);
  }

  /** An integer. */
  integer(): number {
    return Number(this.need(/-?(?:0x[0-9A-Fa-f]+|\d+)/y, 'an integer'));
  }

  /** A positive integer. */
  positive(what: string): number {
    return Number(this.need(/[1-9]\d*/y, what));
  }

  /** What stands between quotes on one line. Constants are strings of many megabytes: a pattern would run out of stack. */
  #quoted(): string {
    this.skip();
    const { text, position } = this;
    const start = position + 1;
    if (text[position] !== '"') throw this.error(`expected a string; got ${this.here()}.`);
    const line = text.indexOf('\n', start);
    const limit = line < 0 ? text.length : line;
    let end = text.indexOf('"', start);
    for (;;) {
      if (end < 0 || end >= limit)
        throw this.error('a string must end on its line; got no closing quote. Add it.');
      let escapes = 0;
      while (text[end - 1 - escapes] === '\\' && end - 1 - escapes >= start) escapes++;
      if (escapes % 2 === 0) break;
      end = text.indexOf('"', end + 1);
    }
    this.position = end + 1;
    return text.slice(start, end);
  }

  /** A string in quotes; `\HH` is a byte, `\n`, `\t`, `\"`, `\\` what they say. */
  string(): string {
    const raw = this.#quoted();
    if (!raw.includes('\\')) return raw;
    const bytes: number[] = [];
    const encoder = new TextEncoder();
    for (let i = 0; i < raw.length; i++) {
      const c = String.fromCodePoint(raw.codePointAt(i) ?? 0);
      if (c !== '\\') {
        bytes.push(...encoder.encode(c));
        i += c.length - 1;
        continue;
      }
      const hex = /^[0-9A-Fa-f]{2}/.exec(raw.slice(i + 1, i + 3))?.[0];
      if (hex !== undefined) {
        bytes.push(Number.parseInt(hex, 16));
        i += 2;
        continue;
      }
      i++;
      const simple: Readonly<Record<string, number>> = { n: 10, t: 9, '"': 34, '\\': 92 };
      const byte = simple[raw[i]];
      if (byte === undefined)
        throw this.error(
          `a string must escape only \\n, \\t, \\", \\\\ and bytes; got \\${raw[i]}.`,
        );
      bytes.push(byte);
    }
    return new TextDecoder().decode(Uint8Array.from(bytes));
  }

  /** A symbol: `@main`, `@"<lambda>"`, `@my.op`. */
  symbol(): string {
    this.expect('@');
    return this.text[this.position] === '"'
      ? this.string()
      : this.need(/[A-Za-z_][\w$.-]*/y, 'a symbol');
  }

  /** Items between brackets, separated by commas. */
  list<T>(open: string, close: string, item: () => T): T[] {
    return this.nested(() => {
      this.expect(open);
      const items: T[] = [];
      if (this.take(close)) return items;
      do items.push(item());
      while (this.take(','));
      this.expect(close);
      return items;
    });
  }

  /** Skip a balanced group that starts here with `open`; strings inside do not count. */
  skipBalanced(open: string, close: string): void {
    const start = this.position;
    this.expect(open);
    for (let depth = 1; depth > 0;) {
      if (this.atEnd())
        throw this.error(
          `a group that starts with ${open} must end with ${close}; got the end of the text.`,
          start,
        );
      const c = this.text[this.position];
      if (c === '"') this.string();
      else {
        this.position++;
        if (c === open) depth++;
        else if (c === close && this.text[this.position - 2] !== '-') depth--;
      }
    }
  }

  /** Skip a trailing `loc(…)`. */
  skipLocation(): void {
    if (this.takeWord('loc')) this.skipBalanced('(', ')');
  }
}
