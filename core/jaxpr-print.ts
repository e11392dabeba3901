/**
 * Prints jaxprs in JAX's form, so that they can be compared with JAX's output character by character. A small pretty printer in
 * Wadler's manner (groups are laid flat when they fit in 80 columns) serves it; it keeps its own stack, because programs are long.
 */
import { showScalar } from './array-print.ts';
import type { Aval } from './aval.ts';
import { Jaxpr, Literal, setJaxprPrinter, type Atom, type Eqn, type Var } from './jaxpr.ts';

const columns = 80;

/** A layout: text, possible line breaks, indentation, and groups that are laid flat when they fit. */
type Doc =
  | { readonly kind: 'text' | 'break'; readonly text: string; readonly width: number }
  | { readonly kind: 'concat'; readonly parts: readonly Doc[]; readonly width: number }
  | { readonly kind: 'group' | 'nest'; readonly doc: Doc; readonly width: number };

const text = (s: string): Doc => ({ kind: 'text', text: s, width: s.length });
const lineBreak = (flat = ' '): Doc => ({ kind: 'break', text: flat, width: flat.length });
const group = (doc: Doc): Doc => ({ kind: 'group', doc, width: doc.width });
/** Indents by two columns the lines that start inside. */
const nest = (doc: Doc): Doc => ({ kind: 'nest', doc, width: doc.width });

function concat(...parts: readonly Doc[]): Doc {
  let width = 0;
  for (const part of parts) width += part.width;
  return { kind: 'concat', parts, width };
}

const join = (separator: Doc, docs: readonly Doc[]): Doc =>
  concat(...docs.flatMap((doc, i) => (i === 0 ? [doc] : [separator, doc])));

function render(doc: Doc): string {
  const out: string[] = [];
  let column = 0;
  const agenda: { readonly indent: number; readonly flat: boolean; readonly doc: Doc }[] = [
    { indent: 0, flat: false, doc },
  ];
  for (let item = agenda.pop(); item !== undefined; item = agenda.pop()) {
    const { indent, flat, doc: d } = item;
    switch (d.kind) {
      case 'break':
      case 'text':
        if (d.kind === 'break' && !flat) {
          out.push(`\n${' '.repeat(indent)}`);
          column = indent;
        } else {
          out.push(d.text);
          column += d.text.length;
        }
        break;
      case 'concat':
        for (let i = d.parts.length - 1; i >= 0; i--)
          agenda.push({ indent, flat, doc: d.parts[i] });
        break;
      case 'nest':
        agenda.push({ indent: indent + 2, flat, doc: d.doc });
        break;
      case 'group':
        agenda.push({ indent, flat: flat || column + d.width <= columns, doc: d.doc });
        break;
    }
  }
  return out.join('');
}

/** Names that a print has given: to variables in order of appearance, and to the jaxprs that stand in front. */
class Names {
  readonly hoisted = new Map<Jaxpr, string>();
  readonly #taken = new Set<string>();
  readonly #vars = new Map<Var, string>();
  #counter = 0;

  /** Name a jaxpr that is printed in front of the program. */
  hoist(jaxpr: Jaxpr, wish: string): void {
    let name = wish;
    for (let i = 1; this.#taken.has(name); i++) name = `${wish}${i}`;
    this.#taken.add(name);
    this.hoisted.set(jaxpr, name);
  }

  has(v: Var): boolean {
    return this.#vars.has(v);
  }

  set(v: Var, name: string): void {
    this.#vars.set(v, name);
  }

  /** The name of a variable: a, b, … z, ba, bb, … */
  of(v: Var): string {
    let name = this.#vars.get(v);
    if (name !== undefined) return name;
    do name = base26(this.#counter++);
    while (this.#taken.has(name));
    this.#vars.set(v, name);
    return name;
  }
}

function base26(n: number): string {
  let name = '';
  do {
    name = String.fromCharCode(97 + (n % 26)) + name;
    n = Math.floor(n / 26);
  } while (n > 0);
  return name;
}

const snake = (name: string): string => name.replace(/[A-Z]/g, (c) => `_${c.toLowerCase()}`);

/** What a printed jaxpr shows of an equation's params, `name` first and the rest sorted. */
function shownParams({ prim, params, inputs }: Eqn): [key: string, value: unknown][] {
  const { printParams } = prim.rules;
  const shown =
    printParams === undefined
      ? Object.entries(params ?? {}).map(([k, v]): [string, unknown] => [snake(k), defaultText(v)])
      : Object.entries(
          printParams(
            params,
            inputs.map((x) => x.aval),
          ),
        ).filter(([, v]) => v !== undefined);
  const rank = (key: string): string => (key === 'name' ? '' : key);
  return shown.sort(([a], [b]) => (rank(a) < rank(b) ? -1 : 1));
}

/** Strings of params that have no printer of their own are quoted as Python quotes them. */
const defaultText = (value: unknown): unknown => (typeof value === 'string' ? `'${value}'` : value);

function paramText(value: unknown): string {
  if (value === null || value === undefined) return 'None';
  if (typeof value === 'boolean') return value ? 'True' : 'False';
  if (typeof value === 'function') return value.name === '' ? '<lambda>' : value.name;
  if (Array.isArray(value))
    return `(${value.map(paramText).join(', ')}${value.length === 1 ? ',' : ''})`;
  return typeof value === 'symbol' ? value.toString() : String(value);
}

const isJaxprList = (value: unknown): value is readonly Jaxpr[] =>
  Array.isArray(value) && value.length > 0 && value.every((x) => x instanceof Jaxpr);

const jaxprsOf = (value: unknown): readonly Jaxpr[] =>
  value instanceof Jaxpr ? [value] : isJaxprList(value) ? value : [];

/** Sub-jaxprs with more equations than this are printed in front. */
const longJaxpr = 10;

/** Name the jaxprs that occur more than once or are long. */
function hoistShared(root: Jaxpr, names: Names): void {
  const counts = new Map<Jaxpr, { count: number; readonly name: string }>();
  const queue = [root];
  for (let jaxpr = queue.pop(); jaxpr !== undefined; jaxpr = queue.pop())
    for (const eqn of jaxpr.eqns) {
      const params = shownParams(eqn);
      const given = params.find(([key]) => key === 'name')?.[1];
      for (const sub of params.flatMap(([, value]) => jaxprsOf(value))) {
        const known = counts.get(sub);
        if (known !== undefined) known.count++;
        else {
          counts.set(sub, {
            count: 1,
            name: typeof given === 'string' ? given.replace(/^<|>$/g, '') : 'jaxpr',
          });
          queue.push(sub);
        }
      }
    }
  for (const [jaxpr, { count, name }] of counts)
    if (count > 1 || jaxpr.eqns.length > longJaxpr) names.hoist(jaxpr, name);
}

/** Prints one program; the nesting of jaxprs, not their length, is the depth of the recursion. */
class Printer {
  readonly #names: Names;

  constructor(names: Names) {
    this.#names = names;
  }

  jaxpr(jaxpr: Jaxpr): Doc {
    const used = new Set<Atom>(jaxpr.outvars);
    for (const eqn of jaxpr.eqns) for (const x of eqn.inputs) used.add(x);
    // Names are given in reading order, so the parts are made in that order.
    const constvars = this.#binders(jaxpr.constvars);
    const invars = this.#binders(jaxpr.invars);
    const eqns = join(
      lineBreak('; '),
      jaxpr.eqns.map((eqn) => this.#eqn(eqn, used)),
    );
    const outs = this.#atoms(jaxpr.outvars, ',');
    return group(
      nest(
        concat(
          text('{ lambda '),
          constvars,
          text('; '),
          invars,
          text('. let'),
          nest(concat(lineBreak(), eqns)),
          lineBreak(),
          text('in ('),
          outs,
          text(jaxpr.outvars.length === 1 ? ',) }' : ') }'),
        ),
      ),
    );
  }

  #fill(docs: readonly string[], separator = ''): Doc {
    return nest(group(join(concat(text(separator), group(lineBreak())), docs.map(text))));
  }

  #binders(vars: readonly Var[]): Doc {
    return this.#fill(vars.map((v) => `${this.#names.of(v)}:${v.aval.toString()}`));
  }

  #atoms(atoms: readonly Atom[], separator = ''): Doc {
    return this.#fill(
      atoms.map((x) => this.#atom(x)),
      separator,
    );
  }

  #atom(x: Atom): string {
    return x instanceof Literal
      ? `${showScalar(x.value, x.aval.dtype)}:${x.aval.toString()}`
      : this.#names.of(x);
  }

  #eqn(eqn: Eqn, used: ReadonlySet<Atom>): Doc {
    for (const v of eqn.outputs) if (!used.has(v)) this.#names.set(v, '_');
    const params = shownParams(eqn);
    if (eqn.prim.rules.sharesNames === true)
      for (const sub of params.flatMap(([, value]) => jaxprsOf(value))) this.#shareNames(eqn, sub);
    const left = this.#binders(eqn.outputs);
    const isUsed = eqn.outputs.some((v) => used.has(v));
    const inputs = (): { text: string; aval: Aval }[] =>
      eqn.inputs.map((x) => ({ text: this.#atom(x), aval: x.aval }));
    if (eqn.prim.rules.notation !== undefined) {
      const { bindsOutputs, text: line } = eqn.prim.rules.notation(eqn.params, inputs(), isUsed);
      return bindsOutputs ? concat(left, text(line)) : text(line);
    }
    const shown = params.map(([key, value]) => concat(text(`${key}=`), this.#param(value)));
    const brackets =
      shown.length === 0
        ? text('')
        : group(
            concat(
              nest(concat(text('['), lineBreak(''), join(lineBreak(), shown))),
              lineBreak(''),
              text(']'),
            ),
          );
    const equals = text(eqn.outputs.length === 0 ? '' : ' = ');
    return concat(left, equals, text(eqn.prim.name), brackets, text(' '), this.#atoms(eqn.inputs));
  }

  #param(value: unknown): Doc {
    if (value instanceof Jaxpr) return this.#sub(value);
    if (!isJaxprList(value)) return text(paramText(value));
    const list = join(
      lineBreak(),
      value.map((jaxpr) => this.#sub(jaxpr)),
    );
    return group(concat(nest(concat(text('('), lineBreak(''), list)), lineBreak(''), text(')')));
  }

  #sub(jaxpr: Jaxpr): Doc {
    const name = this.#names.hoisted.get(jaxpr);
    return name === undefined ? this.jaxpr(jaxpr) : text(name);
  }

  /** Variables of an inlined call carry the names that they have outside, each name once. */
  #shareNames(eqn: Eqn, sub: Jaxpr): void {
    if (this.#names.hoisted.has(sub)) return;
    const given = new Set<string>();
    const share = (outer: Atom, inner: Atom): void => {
      if (outer instanceof Literal || inner instanceof Literal || this.#names.has(inner)) return;
      const name = this.#names.of(outer);
      if (given.has(name)) return;
      if (name !== '_') given.add(name);
      this.#names.set(inner, name);
    };
    const first = eqn.inputs.length - sub.invars.length;
    sub.invars.forEach((v, i) => share(eqn.inputs[first + i], v));
    sub.outvars.forEach((v, i) => share(eqn.outputs[i], v));
  }
}

/** Print a jaxpr in JAX's form; jaxprs that occur more than once, or are long, stand in front under a name. */
export function printJaxpr(jaxpr: Jaxpr): string {
  const names = new Names();
  hoistShared(jaxpr, names);
  const printer = new Printer(names);
  const front = [...names.hoisted].map(([sub, name]) =>
    render(concat(text(`let ${name} = `), printer.jaxpr(sub), text(' in\n'))),
  );
  return front.join('') + render(printer.jaxpr(jaxpr));
}

setJaxprPrinter(printJaxpr);
