/** Comparing trees of arrays, with an error that names the worst element. */
import { ArgumentError, NDArray, PalladiaError, tree } from '../index.ts';

/** A law that does not hold: a derivative, a batched or a jitted result that differs from what it must equal. */
export class LawError extends PalladiaError {
  // Hidden, since test runners print whatever hangs on an error, devices included.
  readonly #smallest: unknown;

  constructor(message: string, options: ErrorOptions & { readonly smallest?: unknown } = {}) {
    super(message, options);
    this.#smallest = options.smallest;
  }

  /** The smallest value found for which the law fails, where random ones were tried. */
  smallest(): unknown {
    return this.#smallest;
  }
}

/** How much may differ: |got - wanted| ≤ atol + rtol · |wanted|. */
export interface Tolerance {
  /** Absolute tolerance. */
  readonly atol?: number;
  /** Relative tolerance. */
  readonly rtol?: number;
}

/**
 * Require that two trees of arrays agree: structure, shapes, dtypes, and elements up to the tolerance. NaN agrees with NaN.
 *
 * @throws LawError naming the leaf and the element that differ most.
 * @example
 * await testing.assertClose(np.sin(np.array([0, 1])), np.array([0, 0.841471]), { rtol: 1e-5 });
 */
export async function assertClose(
  got: unknown,
  wanted: unknown,
  { atol = 0, rtol = 1e-6 }: Tolerance = {},
  what = 'assertClose',
): Promise<void> {
  const [a, b] = [tree.flatten(got), tree.flatten(wanted)];
  if (!a.treedef.equals(b.treedef))
    throw new LawError(
      `${what}: trees must have one structure; got ${a.treedef.toString()} for ${b.treedef.toString()}. Return the same tree.`,
    );
  const paths = tree.leafPaths(a.treedef);
  for (const [i, path] of paths.entries())
    await compareLeaves(`${what}${path === '' ? '' : ` at ${path}`}`, [a.leaves[i], b.leaves[i]], {
      atol,
      rtol,
    });
}

function arrayOf(what: string, leaf: unknown): NDArray {
  if (leaf instanceof NDArray) return leaf;
  if (typeof leaf === 'number') return NDArray.fromHost([leaf], [], 'f32');
  throw new ArgumentError(
    `${what}: leaves must be arrays or numbers; got ${String(leaf)}. Return arrays.`,
  );
}

const typeOf = ({ aval }: NDArray): string => aval.strong().toString();

async function compareLeaves(
  what: string,
  leaves: readonly unknown[],
  { atol, rtol }: Required<Tolerance>,
): Promise<void> {
  const [x, y] = leaves.map((leaf) => arrayOf(what, leaf));
  if (typeOf(x) !== typeOf(y))
    throw new LawError(
      `${what}: types must be equal; got ${typeOf(x)} for ${typeOf(y)}. Compare shapes and dtypes.`,
    );
  const [got, wanted] = await Promise.all([x.data(), y.data()]);
  let [worst, at] = [0, -1];
  for (let i = 0; i < got.length; i++) {
    const [g, w] = [Number(got[i]), Number(wanted[i])];
    if (Object.is(g, w) || g === w) continue;
    const excess = Math.abs(g - w) / (atol + rtol * Math.abs(w));
    // NaN and infinities differ by more than any number.
    const distance = Number.isNaN(excess) ? Infinity : excess;
    if (distance > worst) [worst, at] = [distance, i];
  }
  if (worst > 1)
    throw new LawError(
      `${what}: elements must differ by at most ${atol} + ${rtol} · |wanted|; got ${String(got[at])} for ${String(wanted[at])} (element ${at} of ${typeOf(x)}). Check the rule, or allow more.`,
    );
}
