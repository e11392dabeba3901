/**
 * Reverse mode for people: `vjp`, `grad`, `valueAndGrad`. A function is linearized at its arguments, and the linear program is
 * run backwards (`transpose.ts`); no operation knows a reverse derivative of its own.
 */
import { ArgumentError, ShapeError } from '../core/errors.ts';
import type { Jaxpr } from '../core/jaxpr.ts';
import { checkFunction, checkOptions } from '../core/options.ts';
import { LinearArg, type Tangent } from '../core/primitive.ts';
import { showShape } from '../core/shape.ts';
import { unflatten } from '../core/tree.ts';
import type { Value } from '../core/value.ts';
import { checkInput, checkRealOutput } from './differentiable.ts';
import { flattenFunction, flattenValues, nameOf, named } from './flat-function.ts';
import { matchTangents } from './forward.ts';
import { merge, where, whereNot } from './jaxpr-cache.ts';
import { linearizeFlat } from './linearize.ts';
import type { Input, Inputs, Output } from './signature.ts';
import type { FlatFunction } from './stage.ts';
import { backwardPass } from './transpose.ts';
import { isDifferentiable, onesOf, tangentFor } from './zeros.ts';

/** A pulled-back function: cotangents of the outputs → cotangents of the inputs. */
export type Pullback = (cotangents: readonly Tangent[]) => Tangent[];

/** Values of a flat function, and its pullback there. */
export function vjpFlat(
  fun: FlatFunction,
  primals: readonly Value[],
  name = 'vjp',
): { readonly outs: readonly Value[]; readonly pullback: Pullback } {
  const nonzero = primals.map((p) => isDifferentiable(p.aval));
  const { outs, linear, nonzeroOut } = linearizeFlat(fun, primals, nonzero, name);
  return { outs, pullback: pullbackOf(linear, nonzero, nonzeroOut) };
}

/** Apart from the values of the function, so that a pullback keeps nothing in memory but its residuals. */
function pullbackOf(
  linear: Jaxpr,
  nonzeroIn: readonly boolean[],
  nonzeroOut: readonly boolean[],
): Pullback {
  const zeros = whereNot(nonzeroIn, nonzeroIn).map(() => null);
  return (cotangents) => {
    const args = linear.inAvals.map((aval) => new LinearArg(aval));
    const cts = backwardPass(linear, args, where(cotangents, nonzeroOut));
    return merge<Tangent>(nonzeroIn, cts, zeros);
  };
}

/** The result of `vjp`: takes a cotangent of the output's tree, gives one tree per argument. */
export type VjpFunction<A extends readonly unknown[], R> = (cotangent: Input<Output<R>>) => {
  -readonly [K in keyof A]: Output<A[K]>;
};

/**
 * The value of `f` at a point, and a function that pulls cotangents of the result back to the arguments. It can be called
 * many times. Integer and bool arguments get float0 arrays; for integer and bool results, give float0 (`np.zeros(shape, 'float0')`), or any
 * array of their type, which is ignored.
 *
 * @throws TreeError when an argument has leaves that are no arrays; the returned function TreeError, ShapeError or
 * DTypeError when the cotangent does not match the result.
 * @example
 * const [y, pull] = vjp((x: Value, z: Value) => lax.mul(x, z), 2, 5);
 * pull(1).map(String); // → [ '5.0', '2.0' ]
 */
export function vjp<A extends readonly unknown[], R>(
  f: (...args: A) => R,
  ...primals: Inputs<A>
): [Output<R>, VjpFunction<A, R>] {
  const { out, pull } = vjpTree(f, primals, false);
  return [out as Output<R>, pull as VjpFunction<A, R>];
}

/**
 * `vjp` of a function that returns `[result, aux]`: gives the result, the pullback of the result, and `aux`.
 *
 * @throws TreeError when the function returns no pair.
 * @example
 * const [y, pull, aux] = vjpWithAux((x: Value) => [lax.mul(x, x), { x }], 3);
 * String(pull(1)[0]); // → 6.0
 */
export function vjpWithAux<A extends readonly unknown[], R, X>(
  f: (...args: A) => readonly [R, X],
  ...primals: Inputs<A>
): [Output<R>, VjpFunction<A, R>, Output<X>] {
  const { out, pull, aux } = vjpTree(f, primals, true);
  return [out as Output<R>, pull as VjpFunction<A, R>, aux as Output<X>];
}

function vjpTree(
  f: (...args: never[]) => unknown,
  primals: readonly unknown[],
  hasAux: boolean,
): { readonly out: unknown; readonly pull: (ct: unknown) => unknown; readonly aux: unknown } {
  const { values, treedef } = flattenValues('vjp', 'args', primals);
  const flat = flattenFunction('vjp', f, treedef, hasAux);
  const { outs, pullback } = vjpFlat(flat.fun, values);
  const [inAvals, count, outTree] = [values.map((v) => v.aval), flat.outCount(), flat.outTree()];
  const outAvals = outs.slice(0, count).map((out) => out.aval);
  const rest = outs.slice(count).map(() => null);
  const pull = (ct: unknown): unknown => {
    const cts = matchTangents('vjp', 'cotangent', ct, outTree, outAvals, { ownDTypes: true });
    return unflatten(
      treedef,
      pullback([...cts, ...rest]).map((t, i) => tangentFor(t, inAvals[i])),
    );
  };
  const aux = hasAux ? flat.aux(outs.slice(count)) : undefined;
  return { out: unflatten(outTree, outs.slice(0, count)), pull, aux };
}

/** Which arguments to differentiate: the position of one, or a list of positions. */
export type Argnums = number | readonly number[];

/** Options of `grad` and `valueAndGrad`. */
export interface GradOptions<N extends Argnums = Argnums, Aux extends boolean = boolean> {
  /** Which arguments to differentiate with respect to; the first when left out. Negative positions count from the end. */
  readonly argnums?: N;
  /** The function returns `[result, aux]`; `aux` is carried along and not differentiated. */
  readonly hasAux?: Aux;
  /** Differentiate a holomorphic function of complex arguments. */
  readonly holomorphic?: boolean;
  /** Allow integer and bool arguments; their gradient is a float0 array. */
  readonly allowInt?: boolean;
}

/** The gradient: a tree like the argument, or a list of such trees when `argnums` is a list. */
export type Gradient<A extends readonly unknown[], N> = N extends number
  ? Output<A[N]>
  : N extends readonly number[]
    ? { -readonly [K in keyof N]: Output<A[N[K] & number]> }
    : Output<A[0]>;

/** What a function to differentiate returns. */
export type Scalar = Value | number;

const gradOptions = ['argnums', 'hasAux', 'holomorphic', 'allowInt'];

type WithAux<N extends Argnums> = GradOptions<N, true> & { readonly hasAux: true };

/**
 * The gradient of a function with a scalar float result, as a function of the same arguments.
 *
 * @throws ShapeError when the result is no scalar; DTypeError when the result or an argument is no float; ArgumentError
 * when `argnums` names no argument.
 * @example
 * String(grad((x) => lax.mul(x, x))(3)); // → 6.0
 */
export function grad<A extends readonly Value[], const N extends Argnums = 0>(
  f: (...args: A) => Scalar,
  options?: GradOptions<N, false>,
): (...args: Inputs<A>) => Gradient<A, N>;
export function grad<A extends readonly unknown[], const N extends Argnums = 0>(
  f: (...args: A) => Scalar,
  options?: GradOptions<N, false>,
): (...args: Inputs<A>) => Gradient<A, N>;
export function grad<A extends readonly unknown[], X, const N extends Argnums = 0>(
  f: (...args: A) => readonly [Scalar, X],
  options: WithAux<N>,
): (...args: Inputs<A>) => [Gradient<A, N>, Output<X>];
export function grad(
  f: (...args: never[]) => unknown,
  options: GradOptions = {},
): (...args: unknown[]) => unknown {
  checkFunction('grad', f);
  checkOptions('grad', options, gradOptions);
  return named((...args: unknown[]) => {
    const { gradient, aux } = differentiate('grad', f, args, options);
    return options.hasAux === true ? [gradient, aux] : gradient;
  }, nameOf(f));
}

/**
 * Like `grad`, but gives the value too: `[value, gradient]`, with `hasAux` `[[value, aux], gradient]`.
 *
 * @throws as `grad`.
 * @example
 * valueAndGrad((x) => lax.mul(x, x))(3).map(String); // → [ '9.0', '6.0' ]
 */
export function valueAndGrad<A extends readonly Value[], const N extends Argnums = 0>(
  f: (...args: A) => Scalar,
  options?: GradOptions<N, false>,
): (...args: Inputs<A>) => [Value, Gradient<A, N>];
export function valueAndGrad<A extends readonly unknown[], const N extends Argnums = 0>(
  f: (...args: A) => Scalar,
  options?: GradOptions<N, false>,
): (...args: Inputs<A>) => [Value, Gradient<A, N>];
export function valueAndGrad<A extends readonly unknown[], X, const N extends Argnums = 0>(
  f: (...args: A) => readonly [Scalar, X],
  options: WithAux<N>,
): (...args: Inputs<A>) => [[Value, Output<X>], Gradient<A, N>];
export function valueAndGrad(
  f: (...args: never[]) => unknown,
  options: GradOptions = {},
): (...args: unknown[]) => unknown {
  checkFunction('valueAndGrad', f);
  checkOptions('valueAndGrad', options, gradOptions);
  return named((...args: unknown[]) => {
    const { value, gradient, aux } = differentiate('valueAndGrad', f, args, options);
    return [options.hasAux === true ? [value, aux] : value, gradient];
  }, nameOf(f));
}

function differentiate(
  op: string,
  f: (...args: never[]) => unknown,
  args: readonly unknown[],
  { argnums = 0, hasAux = false, holomorphic = false, allowInt = false }: GradOptions,
): { readonly value: Value; readonly gradient: unknown; readonly aux: unknown } {
  const chosen = chooseArguments(op, args, argnums);
  const { values, treedef } = flattenValues(op, 'args', chosen.picked);
  for (const v of values) checkInput(op, v.aval, { holomorphic, allowInt });
  const flat = flattenFunction(op, chosen.restore(f), treedef, hasAux);
  const { outs, pullback } = vjpFlat(flat.fun, values, op);
  const count = flat.outCount();
  checkOutput(op, outs.slice(0, count), holomorphic, flat.outTree().toString());
  const cts = pullback([onesOf(outs[0].aval), ...outs.slice(1).map(() => null)]);
  const gradients = unflatten(
    treedef,
    cts.map((ct, i) => tangentFor(ct, values[i].aval)),
  ) as unknown[];
  return {
    value: outs[0],
    gradient: typeof argnums === 'number' ? gradients[0] : gradients,
    aux: hasAux ? flat.aux(outs.slice(count)) : undefined,
  };
}

/** The arguments in `argnums`, and how to call a function of all arguments with others in their places. */
export interface ChosenArguments {
  readonly picked: readonly unknown[];
  readonly restore: (f: (...args: never[]) => unknown) => (...picked: never[]) => unknown;
}

/**
 * Pick arguments by position.
 *
 * @throws ArgumentError when a position names no argument, or two the same.
 */
export function chooseArguments(
  op: string,
  args: readonly unknown[],
  argnums: Argnums,
): ChosenArguments {
  const positions = (
    Array.isArray(argnums) ? (argnums as readonly number[]) : [argnums as number]
  ).map((n) => {
    const at = n < 0 ? n + args.length : n;
    if (!Number.isInteger(n) || at < 0 || at >= args.length)
      throw new ArgumentError(
        `${op}: argnums must name arguments of the call; got ${n} for a call with ${args.length} arguments. Pass the argument, or change argnums.`,
      );
    return at;
  });
  if (new Set(positions).size < positions.length)
    throw new ArgumentError(
      `${op}: argnums must name each argument once; got [${String(argnums)}] for a call with ${args.length} arguments. Leave the second out.`,
    );
  return {
    picked: positions.map((at) => args[at]),
    restore:
      (f) =>
      (...picked) => {
        const all = [...args] as never[];
        positions.forEach((at, i) => (all[at] = picked[i]));
        return f(...all);
      },
  };
}

function checkOutput(op: string, outs: readonly Value[], holomorphic: boolean, tree: string): void {
  if (outs.length !== 1)
    throw new ShapeError(
      `${op}: the function must return one scalar; got a tree ${tree}. Return one number, and the rest through hasAux.`,
    );
  const { aval } = outs[0];
  if (aval.ndim !== 0)
    throw new ShapeError(
      `${op}: the function must return a scalar; got shape ${showShape(aval.shape)}. Sum or average the result, or use jacrev.`,
    );
  checkRealOutput(op, aval, holomorphic);
}
