/** From what was written about a function to the function: names, visibility, and what attributes of arguments and results say. */
import type { HloFunction, Region } from './ir.ts';
import type { Attr, Attributes } from './parse-attribute.ts';

/** A function as it was written. */
export interface RawFunction {
  readonly name: string;
  readonly isPrivate: boolean;
  readonly body: Region;
  /** Attributes of each argument. */
  readonly args: readonly Attributes[];
  /** Attributes of each result. */
  readonly results: readonly Attributes[];
}

/** The function; attributes that we do not know are left out. */
export function functionFrom({ name, isPrivate, body, args, results }: RawFunction): HloFunction {
  const aliases = new Map<number, number>();
  for (const [i, attributes] of args.entries()) {
    const alias = attributes.get('tf.aliasing_output');
    if (alias?.kind === 'number') aliases.set(i, alias.value);
  }
  const info = results.flatMap((attributes) => {
    const written = attributes.get('jax.result_info');
    return written?.kind === 'string' ? [written.value] : [];
  });
  return {
    name,
    visibility: isPrivate ? 'private' : 'public',
    body,
    ...(aliases.size > 0 ? { aliases } : {}),
    ...(info.length > 0 && info.length === body.results.length ? { resultInfo: info } : {}),
  };
}

/** The entries of `[{…}, {…}]`, as generic functions have their attributes. */
export const dictionariesOf = (attr: Attr | undefined): readonly Attributes[] =>
  attr?.kind === 'list'
    ? attr.items.map((item) => (item.kind === 'dict' ? item.entries : new Map<string, Attr>()))
    : [];
