/**
 * The laws of the transformations as checks of one function at given arguments: forward derivatives against differences, reverse
 * against forward ones, `vmap` against a loop, `jit` against eager execution. After JAX's `jax.test_util`.
 */
import * as np from '../entry/numpy.ts';
import * as random from '../entry/random.ts';
import {
  grad,
  jit,
  jvp,
  tree,
  vjp,
  vmap,
  type ArrayLike,
  type Value,
  type VmapOptions,
} from '../index.ts';
import { assertClose, type Tolerance } from './compare.ts';

/** A function of trees of arrays. */
export type TreeFunction = (...args: never[]) => unknown;

/** Options of the checks of derivatives. */
export interface GradientOptions extends Tolerance {
  /** Half the width of the differences. */
  readonly eps?: number;
  /** Seed of the random directions. */
  readonly seed?: number;
}

const isFloat = (x: Value): boolean => /^b?f/.test(x.dtype);

/** A random direction for every float leaf; zeros elsewhere. */
function directions<T>(like: T, seed: number): T {
  let count = 0;
  return tree.map((leaf: ArrayLike) => {
    const x = np.asarray(leaf);
    const key = random.foldIn(random.key(seed), count++);
    return isFloat(x) ? random.normal(key, x.shape, x.dtype) : np.zerosLike(x);
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
  const terms = xs.map((x, i) => (isFloat(x) ? np.sum(np.multiply(x, ys[i])) : np.float32(0)));
  return terms.reduce((sum, term) => np.add(sum, term), np.float32(0));
};

/**
 * Check the forward derivative of a function against central differences in a random direction.
 *
 * @throws LawError when they differ by more than the tolerance.
 * @example
 * await testing.checkJvp((x) => np.sin(x), [np.array([0.5, 2])]);
 */
export async function checkJvp(
  f: TreeFunction,
  args: readonly unknown[],
  { atol = 2e-3, rtol = 2e-3, eps = 4e-3, seed = 0 }: GradientOptions = {},
): Promise<void> {
  const along = directions(args, seed);
  const primals = tree.map((x: ArrayLike) => np.asarray(x), args);
  const [out, tangent] = jvp(f as (...xs: unknown[]) => unknown, [...primals], [...along]);
  await assertClose(f(...(primals as never[])), out, { atol, rtol }, 'checkJvp, the value');
  const [up, down] = [eps, -eps].map((by) => f(...shifted(args, along, by)));
  const slope = tree.map(
    (a: Value, b: Value, t: Value) => (isFloat(a) ? a.sub(b).mul(0.5 / eps) : t),
    up,
    down,
    tangent,
  );
  await assertClose(tangent, slope, { atol, rtol }, 'checkJvp');
}

/**
 * Check the reverse derivative of a function against its forward derivative: ⟨ct, J t⟩ = ⟨Jᵀ ct, t⟩ for random ct and t.
 *
 * @throws LawError when they differ by more than the tolerance.
 * @example
 * await testing.checkVjp((x, y) => np.multiply(x, np.exp(y)), [np.array([0.5, 2]), np.array(1)]);
 */
export async function checkVjp(
  f: TreeFunction,
  args: readonly unknown[],
  { atol = 1e-4, rtol = 1e-4, seed = 0 }: GradientOptions = {},
): Promise<void> {
  const primals = tree.map((x: ArrayLike) => np.asarray(x), args) as unknown[];
  const along = directions(primals, seed);
  const call = f as (...xs: unknown[]) => unknown;
  const [out, pullback] = vjp(call, ...primals);
  const cotangent = directions(out, seed + 1);
  const back = pullback(cotangent);
  const [, tangent] = jvp(call, primals, along);
  await assertClose(dot(back, along), dot(cotangent, tangent), { atol, rtol }, 'checkVjp');
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
export async function checkGrads(
  f: TreeFunction,
  args: readonly unknown[],
  options: CheckGradsOptions = {},
): Promise<void> {
  const { order = 1, modes = ['fwd', 'rev'], seed = 0, ...rest } = options;
  let current = f as (...xs: unknown[]) => unknown;
  for (let n = 0; n < order; n++) {
    if (modes.includes('fwd')) await checkJvp(current, args, { ...rest, seed });
    const reverse = { ...rest, seed: seed + 1 };
    if (modes.includes('rev')) await checkVjp(current, args, reverse);
    const before = current;
    const weights = directions(before(...args), seed + 2 + n);
    const scalar = (...xs: unknown[]): Value => dot(weights, before(...xs));
    const argnums = args.map((_, i) => i);
    current = grad(scalar, { argnums, allowInt: true }) as (...xs: unknown[]) => unknown;
  }
}

/**
 * Check that a jitted function gives what the function gives.
 *
 * @throws LawError when they differ by more than the tolerance.
 * @example
 * await testing.checkJit((x) => np.cumsum(x), [np.arange(5)]);
 */
export async function checkJit(
  f: TreeFunction,
  args: readonly unknown[],
  { atol = 1e-6, rtol = 1e-6 }: Tolerance = {},
): Promise<void> {
  const jitted = jit(f as (...xs: unknown[]) => unknown)(...(args as never[]));
  const eager = tree.map<unknown, ArrayLike>((x) => np.asarray(x), f(...(args as never[])));
  await assertClose(jitted, eager, { atol, rtol }, 'checkJit');
}

/**
 * Check that `vmap` of a function gives what a loop over the mapped axis gives. All leaves of mapped arguments are mapped along one
 * axis; results are stacked along the first.
 *
 * @throws LawError when they differ by more than the tolerance.
 * @example
 * await testing.checkVmap((row) => np.sort(row), [np.array([[3, 1], [2, 5]])]);
 */
export async function checkVmap(
  f: TreeFunction,
  args: readonly unknown[],
  {
    atol = 1e-6,
    rtol = 1e-6,
    inAxes = 0,
  }: Tolerance & { readonly inAxes?: number | readonly (number | null)[] } = {},
): Promise<void> {
  const axes = args.map((_, i) => (typeof inAxes === 'number' ? inAxes : inAxes[i]));
  const options: VmapOptions = { inAxes: axes };
  const call = f as (...xs: unknown[]) => unknown;
  const mapped = vmap(call, options)(...(args as never[]));
  const first = axes.findIndex((axis) => axis !== null);
  const size = np.asarray(tree.leaves(args[first])[0] as ArrayLike).shape.at(axes[first] ?? 0) ?? 0;
  const rows = Array.from({ length: size }, (_, row) =>
    call(
      ...args.map((arg, i) => {
        const axis = axes[i];
        return axis === null ? arg : tree.map((x: Value) => np.take(x, row, { axis }), arg);
      }),
    ),
  );
  const stacked = tree.map(
    (...parts: ArrayLike[]) => np.stack(parts.map((x) => np.asarray(x))),
    rows[0],
    ...rows.slice(1),
  );
  await assertClose(mapped, stacked, { atol, rtol }, 'checkVmap');
}
