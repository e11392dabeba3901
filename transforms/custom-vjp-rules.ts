/** The two rules of a custom VJP, from functions of trees to functions of flat lists. */
import { describe } from '../core/array.ts';
import type { Aval } from '../core/aval.ts';
import { ArgumentError, ShapeError, TreeError } from '../core/errors.ts';
import { checkFunction, checkOptions } from '../core/options.ts';
import type { Tangent } from '../core/primitive.ts';
import { sameShape, showShape } from '../core/shape.ts';
import { avalsOf } from '../core/trace.ts';
import { flatten, unflatten, type TreeDef } from '../core/tree.ts';
import { Value } from '../core/value.ts';
import { convertElementType } from '../lax/convert.ts';
import type { FlatBackward, ForwardResult } from './custom-call.ts';
import { checkSync, flattenValues, toValue } from './flat-function.ts';
import { withHoles, type SplitArguments } from './split-arguments.ts';
import { isDifferentiable, tangentFor } from './zeros.ts';

/** Options of the rules of a custom VJP. */
export interface VjpRuleOptions {
  /** Give the forward function `CustomVjpPrimal`s, which say what is differentiated, and the backward function `null` for zero cotangents. */
  readonly symbolicZeros?: boolean;
  /** Under `checkpoint`, run the function itself instead of the forward function where no residuals are wanted. */
  readonly optimizeRemat?: boolean;
}

/** What the forward function gets for an array when its rule asked for symbolic zeros. */
export class CustomVjpPrimal {
  readonly value: Value;
  /** Whether the value is differentiated: its cotangent is wanted. */
  readonly perturbed: boolean;

  constructor(value: Value, perturbed: boolean) {
    this.value = value;
    this.perturbed = perturbed;
  }
}

/** The rules of a custom VJP. */
export interface VjpRules {
  readonly fwd: (...args: never[]) => unknown;
  readonly bwd: (...args: never[]) => unknown;
  readonly symbolicZeros: boolean;
  readonly optimizeRemat: boolean;
}

/**
 * Check the rules of a custom VJP.
 *
 * @throws ArgumentError when one is no function, or when the options exclude each other.
 */
export function vjpRules(
  fwd: (...args: never[]) => unknown,
  bwd: (...args: never[]) => unknown,
  options: VjpRuleOptions,
): VjpRules {
  checkFunction('defvjp', fwd);
  checkFunction('defvjp', bwd);
  checkOptions('defvjp', options, ['symbolicZeros', 'optimizeRemat']);
  const { symbolicZeros = false, optimizeRemat = false } = options;
  if (symbolicZeros && optimizeRemat)
    throw new ArgumentError(
      'defvjp: optimizeRemat and symbolicZeros exclude each other; got both. Leave one out.',
    );
  return { fwd, bwd, symbolicZeros, optimizeRemat };
}

/** One call of a function with a custom VJP. */
export interface CustomVjpCall {
  readonly name: string;
  readonly rules: VjpRules | undefined;
  readonly split: Pick<SplitArguments, 'nondiff' | 'fill'>;
  /** The tree of the differentiable arguments. */
  readonly treedef: TreeDef;
}

/** Call the user's forward function; what of its residuals is no array stays with the backward function. */
export function runForward(
  { name, rules, split, treedef }: CustomVjpCall,
  xs: readonly Value[],
  perturbed: readonly boolean[],
): { readonly result: ForwardResult; readonly tree: TreeDef } {
  if (rules === undefined)
    throw new ArgumentError(
      `customVjp: ${name} is differentiated and has no rule; got no defvjp. Call ${name}.defvjp(fwd, bwd).`,
    );
  const { symbolicZeros } = rules;
  const diff = unflatten(treedef, xs) as unknown[];
  const given = symbolicZeros
    ? (unflatten(
        treedef,
        xs.map((x, i) => new CustomVjpPrimal(x, perturbed[i])),
      ) as unknown[])
    : diff;
  const pair = checkSync('customVjp', rules.fwd, rules.fwd(...split.fill(given)));
  if (!Array.isArray(pair) || pair.length !== 2)
    throw new TreeError(
      `customVjp: the forward function must return a pair [out, residuals]; got ${describe(pair)} from that of ${name}. Return both.`,
    );
  const { values, treedef: tree } = flattenValues(
    'customVjp',
    'the result of the forward function',
    pair[0],
  );
  const saved = flatten(pair[1]);
  const fillSaved = withHoles(
    saved.leaves,
    saved.leaves.map((leaf) => leaf instanceof Value),
  );
  const savedTree = saved.treedef;
  const trees = diff.map((arg) => flatten(arg).treedef);
  const inAvals = avalsOf(xs);
  const outAvals = avalsOf(values);
  const backward: FlatBackward = (residuals, cts) => {
    const res = unflatten(savedTree, fillSaved(residuals));
    const ct = unflatten(
      tree,
      cts.map((c, i) => (symbolicZeros ? c : tangentFor(c, outAvals[i]))),
    );
    const out = checkSync(
      'customVjp',
      rules.bwd,
      rules.bwd(...([...split.nondiff, res, ct] as never[])),
    );
    return flattenCotangents(name, out, trees, inAvals);
  };
  const residuals = saved.leaves.filter((leaf) => leaf instanceof Value);
  return { result: { outs: values, residuals, backward }, tree };
}

/** The backward function's answer as a flat list, checked against the arguments. */
function flattenCotangents(
  name: string,
  out: unknown,
  trees: readonly TreeDef[],
  avals: readonly Aval[],
): Tangent[] {
  if (!Array.isArray(out) || out.length !== trees.length)
    throw new TreeError(
      `customVjp: the backward function must return a list with one entry per differentiable argument (${trees.length}); got ${describe(out)} from that of ${name}. Return null where the cotangent is zero.`,
    );
  let next = 0;
  return out.flatMap((entry, i): Tangent[] => {
    const treedef = trees[i];
    const own = avals.slice(next, (next += treedef.numLeaves));
    if (entry === null) return own.map(() => null);
    const given = flatten(entry);
    if (!given.treedef.equals(treedef))
      throw new TreeError(
        `customVjp: a cotangent must have the tree of its argument, ${treedef.toString()}; got ${given.treedef.toString()} for argument ${i} from the backward function of ${name}. Return null where the cotangent is zero.`,
      );
    return given.leaves.map((leaf, k) => matchCotangent(name, leaf, own[k]));
  });
}

function matchCotangent(name: string, leaf: unknown, aval: Aval): Tangent {
  if (!isDifferentiable(aval)) return null;
  const value = toValue(
    'customVjp',
    leaf,
    () => `the cotangents from the backward function of ${name}`,
  );
  if (!sameShape(value.shape, aval.shape))
    throw new ShapeError(
      `customVjp: a cotangent must have the shape of its argument; got shape ${showShape(value.shape)} for ${aval.toString()} from the backward function of ${name}. Sum over the axes that were broadcast.`,
    );
  return value.dtype === aval.dtype ? value : convertElementType(value, aval.dtype);
}
