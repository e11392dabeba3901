/** The laws of derivatives as checks of one function: forward ones against differences, reverse ones against forward ones. */
import * as np from '../entry/numpy.ts';
import * as random from '../entry/random.ts';
import {
  ArgumentError,
  grad,
  jvp,
  tree,
  vjp,
  withConfig,
  type ArrayLike,
  type DType,
  type Value,
} from '../index.ts';
import { assertClose, type Tolerance } from './compare.ts';
import {
  overArguments,
  type Arguments,
  type Law,
  type LawOptions,
  type TreeFunction,
} from './law.ts';

/** Options of the checks of derivatives. */
export interface GradientOptions extends Tolerance, LawOptions {
  /** Half the width of the differences. */
  readonly eps?: number;
  /**
   * Whether float arguments become f64 while derivatives are checked, so that differences are exact to many digits. True when left out;
   * say false for functions of f32 alone, such as kernels for GPUs.
   */
  readonly wide?: boolean;
}

const isFloat = (x: Value): boolean => /^b?f\d/.test(x.dtype);
const isComplex = (x: Value): boolean => x.dtype.startsWith('complex');
const single: DType = 'f32';

/** A random direction for every float leaf; elsewhere zeros, of dtype float0 where values have no tangents. */
export function directions<T>(like: T, seed: number): T {
  let count = 0;
  return tree.map((leaf: ArrayLike) => {
    const x = np.asarray(leaf);
    const key = random.foldIn(random.key(seed), count++);
    if (isFloat(x)) return random.normal(key, x.shape, x.dtype);
    return np.zeros(x.shape, isComplex(x) ? x.dtype : 'float0');
  }, like);
}

const shifted = (args: unknown, along: unknown, by: number): never[] =>
  tree.map(
    (x: ArrayLike, t: ArrayLike) => {
      const value = np.asarray(x);
      return isFloat(value) ? value.add(np.multiply(t, by)) : value;
    },
    args,
    along,
  ) as never[];

const dot = (a: unknown, b: unknown): Value => {
  const [xs, ys] = [tree.leaves(a), tree.leaves(b)] as Value[][];
  const terms = xs.map((x, i) =>
    isFloat(x) ? np.sum(np.multiply(x, ys[i])) : np.array(0, single),
  );
  return terms.reduce((sum, term) => np.add(sum, term), np.array(0, single));
};

const asArrays = (args: unknown, wide: boolean): unknown[] =>
  tree.map((leaf: ArrayLike) => {
    const x = np.asarray(leaf);
    return wide && isFloat(x) ? x.astype('f64') : x;
  }, args) as unknown[];

/** Whether any leaf is held in less than f64. */
const isNarrow = (out: unknown): boolean =>
  tree.leaves(out).some((x) => isFloat(x as Value) && (x as Value).dtype !== 'f64');

/** Compute in f64 if that is wanted, and works: what gives f32 for f64 is checked as a function of f32. */
function inPrecision<T>(
  f: TreeFunction,
  args: readonly unknown[],
  wide: boolean,
  body: (primals: unknown[], isWide: boolean) => T,
): T {
  if (!wide) return body(asArrays(args, false), false);
  return withConfig({ enableX64: true }, () => {
    const primals = asArrays(args, true);
    const keeps = !isNarrow(f(...(primals as never[])));
    return keeps ? body(primals, true) : body(asArrays(args, false), false);
  });
}

/** A law of derivatives: its call is written with everything that decides whether it holds. */
function lawOf(name: string, f: TreeFunction, options: CheckGradsOptions): Law {
  const { atol, rtol, eps, wide, order, modes } = options;
  return { name, f, written: { atol, rtol, eps, wide, order, modes }, hasDirections: true };
}

/**
 * Check the forward derivative of a function against central differences in a random direction.
 *
 * @throws LawError when they differ by more than the tolerance.
 * @example
 * await testing.checkJvp((x) => np.sin(x), [np.array([0.5, 2])]);
 */
export const checkJvp = (
  f: TreeFunction,
  args: Arguments,
  options: GradientOptions = {},
): Promise<void> =>
  overArguments(lawOf('checkJvp', f, options), args, options, (given, seed) =>
    jvpLaw(f, given, { ...options, seed }),
  );

async function jvpLaw(
  f: TreeFunction,
  given: readonly unknown[],
  options: GradientOptions,
): Promise<void> {
  const { seed = 0, wide = true } = options;
  const made = inPrecision(f, given, wide, (primals, isWide) => {
    const { eps = isWide ? 1e-6 : 4e-3 } = options;
    const along = directions(primals, seed);
    const [out, tangent] = jvp(f as (...xs: unknown[]) => unknown, primals, along);
    const value = f(...(primals as never[]));
    const [up, down] = [eps, -eps].map((by) => f(...shifted(primals, along, by)));
    const slope = tree.map(
      (a: Value, b: Value, t: Value) => (isFloat(a) ? a.sub(b).mul(0.5 / eps) : t),
      up,
      down,
      tangent,
    );
    return { out, tangent, value, slope, tolerance: isWide ? 1e-5 : 2e-3 };
  });
  const { atol = made.tolerance, rtol = made.tolerance } = options;
  await assertClose(made.value, made.out, { atol, rtol }, 'checkJvp, the value');
  await assertClose(made.tangent, made.slope, { atol, rtol }, 'checkJvp');
}

/**
 * Check the reverse derivative of a function against its forward derivative: ⟨ct, J t⟩ = ⟨Jᵀ ct, t⟩ for random ct and t.
 *
 * @throws LawError when they differ by more than the tolerance.
 * @example
 * await testing.checkVjp((x, y) => np.multiply(x, np.exp(y)), [np.array([0.5, 2]), np.array(1)]);
 */
export const checkVjp = (
  f: TreeFunction,
  args: Arguments,
  options: GradientOptions = {},
): Promise<void> =>
  overArguments(lawOf('checkVjp', f, options), args, options, (given, seed) =>
    vjpLaw(f, given, { ...options, seed }),
  );

async function vjpLaw(
  f: TreeFunction,
  given: readonly unknown[],
  options: GradientOptions,
): Promise<void> {
  const { seed = 0, wide = true } = options;
  const made = inPrecision(f, given, wide, (primals, isWide) => {
    const along = directions(primals, seed);
    const call = f as (...xs: unknown[]) => unknown;
    const [out, pullback] = vjp(call, ...primals);
    const cotangent = directions(out, seed + 1);
    const back = pullback(cotangent);
    const [, tangent] = jvp(call, primals, along);
    return {
      left: dot(back, along),
      right: dot(cotangent, tangent),
      tolerance: isWide ? 1e-9 : 1e-4,
    };
  });
  const { atol = made.tolerance, rtol = made.tolerance } = options;
  await assertClose(made.left, made.right, { atol, rtol }, 'checkVjp');
}

/**
 * Check both derivatives of a function: forward against differences, reverse against forward.
 *
 * @throws LawError when one of them is wrong.
 * @example
 * await testing.checkJvpVjp((x) => np.tanh(x), [np.array([0.5, -1])]);
 */
export async function checkJvpVjp(
  f: TreeFunction,
  args: Arguments,
  options: GradientOptions = {},
): Promise<void> {
  await checkJvp(f, args, options);
  await checkVjp(f, args, options);
}

/** Options of `checkGrads`. */
export interface CheckGradsOptions extends GradientOptions {
  /** Up to which derivative to check; 1 when left out. */
  readonly order?: number;
  /** Which modes to check; both when left out. */
  readonly modes?: readonly ('fwd' | 'rev')[];
}

/**
 * Check derivatives of a function in both modes, of higher order too: those of its gradient in a random direction.
 *
 * @throws LawError when a derivative is wrong.
 * @example
 * await testing.checkGrads((x) => np.tanh(x).sum(), [np.array([0.5, -1])], { order: 2 });
 */
export const checkGrads = (
  f: TreeFunction,
  args: Arguments,
  options: CheckGradsOptions = {},
): Promise<void> =>
  overArguments(lawOf('checkGrads', f, options), args, options, async (given, seed) => {
    const { order = 1, modes = ['fwd', 'rev'] } = options;
    if (!Number.isInteger(order) || order < 1)
      throw new ArgumentError(
        `checkGrads: order must be a positive integer; got ${String(order)}. Write 1 for first derivatives.`,
      );
    let current = f as (...xs: unknown[]) => unknown;
    for (let n = 0; n < order; n++) {
      if (modes.includes('fwd')) await jvpLaw(current, given, { ...options, seed });
      if (modes.includes('rev')) await vjpLaw(current, given, { ...options, seed: seed + 1 });
      const before = current;
      const at = seed + 2 + n;
      const scalar = (...xs: unknown[]): Value => {
        const out = before(...xs);
        return dot(directions(out, at), out);
      };
      const argnums = given.map((_, i) => i);
      current = grad(scalar, { argnums, allowInt: true }) as (...xs: unknown[]) => unknown;
    }
  });

/**
 * Check a function with a custom derivative rule against a reference without: values, and cotangents of the arguments for a random cotangent
 * of the result.
 *
 * @throws LawError when they differ by more than the tolerance.
 * @example
 * const square = customVjp((x) => np.multiply(x, x));
 * square.defvjp((x) => [np.multiply(x, x), x], (x, ct) => [np.multiply(ct, np.multiply(2, x))]);
 * await testing.checkCustomVjp(square, (x) => np.square(x), [np.array([0.5, -1])]);
 */
export const checkCustomVjp = (
  f: TreeFunction,
  reference: TreeFunction,
  args: Arguments,
  options: Tolerance & LawOptions = {},
): Promise<void> =>
  overArguments(
    { ...lawOf('checkCustomVjp', f, options), parameters: 'f, reference, args' },
    args,
    options,
    async (given, seed) => {
      const { atol = 1e-4, rtol = 1e-4 } = options;
      const primals = asArrays(given, false);
      const [[out, pullback], [wanted, wantedPullback]] = [f, reference].map((g) =>
        vjp(g as (...xs: unknown[]) => unknown, ...primals),
      );
      await assertClose(out, wanted, { atol, rtol }, 'checkCustomVjp, the value');
      const cotangent = directions(wanted, seed);
      await assertClose(
        pullback(cotangent),
        wantedPullback(cotangent),
        { atol, rtol },
        'checkCustomVjp, the cotangent',
      );
    },
  );
