/** What `debug.print` prints: a format with the structure of its values. Equal ones are one object, so that programs that print the same are compiled once. */
import type { NDArray } from '../core/array.ts';
import { keyOf } from '../core/key.ts';
import { unflatten, type TreeDef } from '../core/tree.ts';
import { flagText } from '../lax/define.ts';
import { BoundedMap } from '../transforms/caches.ts';
import { formatText, type FormatString } from './format.ts';
import { HostFunction } from './host-function.ts';

/** NumPy's print options, which JAX keeps with every print and which cannot be changed here. */
const printOptions =
  "(('edgeitems', 3), ('threshold', 1000), ('floatmode', 'maxprec'), ('precision', 8), ('suppress', False), ('linewidth', 75), " +
  "('nanstr', 'nan'), ('infstr', 'inf'), ('sign', '-'), ('formatter', None), ('legacy', False), ('override_repr', None))";

/** The values of a print: `[positional, named]` as a tree, whose leaves are arrays or static. */
export interface PrintValues {
  readonly treedef: TreeDef;
  /** Static leaves, by position among all leaves. */
  readonly statics: ReadonlyMap<number, unknown>;
}

/** A format and the structure of its values. */
export class PrintFormat {
  readonly callback: HostFunction;
  readonly #format: FormatString;
  readonly #treedef: TreeDef;
  readonly #key: string;

  constructor(format: FormatString, { treedef, statics }: PrintValues, key: string) {
    this.#format = format;
    this.#treedef = treedef;
    this.#key = key;
    const print = (args: readonly NDArray[]): void => {
      let next = 0;
      const leaves = Array.from({ length: treedef.numLeaves }, (_, i) =>
        statics.has(i) ? statics.get(i) : args[next++],
      );
      const [positional, named] = unflatten(treedef, leaves) as [
        unknown[],
        Record<string, unknown>,
      ];
      console.log(formatText(format, positional, named));
    };
    this.callback = new HostFunction({
      op: 'debug.print',
      name: 'print',
      target: print,
      call: print,
      outTree: undefined,
    });
  }

  /** Equal formats are equal params. */
  structuralKey(): string {
    return this.#key;
  }

  /** What a jaxpr shows of it, as JAX does. */
  shownParams(): Readonly<Record<string, string>> {
    const [positional, named] = this.#treedef.children;
    const shown = positional.children.map((child) => child.show());
    return {
      fmt: this.#format.text,
      has_placeholders: flagText(this.#format.parts.some((part) => typeof part !== 'string')),
      in_tree: `PyTreeDef(((${shown.join(', ')}${shown.length === 1 ? ',' : ''}), ${named.show()}))`,
      logging_record: 'None',
      np_printoptions: printOptions,
      static_args: '()',
    };
  }
}

const formats = new BoundedMap<PrintFormat>(1024);

/** The format for these values, the same object for equal ones. */
export function printFormat(format: FormatString, values: PrintValues): PrintFormat {
  const key = `print ${keyOf([format.text, [...values.statics]])} ${values.treedef.key}`;
  let found = formats.get(key);
  if (found === undefined) formats.set(key, (found = new PrintFormat(format, values, key)));
  return found;
}
