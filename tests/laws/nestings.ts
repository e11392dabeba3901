// Nestings of three transformations on random programs with control flow. Every nesting is built twice: of
// the transformations themselves, and of their meanings (a loop for `vmap`, nothing for `jit` and `checkpoint`, one step at a time for `scan`),
// whose results must agree.
import {
  checkpoint,
  grad,
  jit,
  jvp,
  scan,
  vjp,
  vmap,
  type DType,
  type NDArray,
  type Value,
} from 'palladia';
import * as np from 'palladia/numpy';
import { arrays, assertClose, forAll, programs, type Program } from 'palladia/testing';

type Unary = (x: Value) => Value;

/** A transformation of functions from f64[2,2] to f64[2,2], and what it means. */
interface Transformation {
  readonly apply: (f: Unary) => Unary;
  readonly means: (f: Unary) => Unary;
}

const same = (f: Unary): Unary => f;
const halves = (x: Value): Value => np.multiply(x, 0.5);
const gradient = (f: Unary): Unary => grad((x: Value) => np.sum(f(x)));
const pushed =
  (f: Unary): Unary =>
  (x) =>
    jvp((y: Value) => f(y), [x], [halves(x)])[1];
const pulled =
  (f: Unary): Unary =>
  (x) => {
    const [out, pullback] = vjp((y: Value) => f(y), x);
    return (pullback(np.cos(out)) as readonly Value[])[0];
  };
const looped =
  (f: Unary): Unary =>
  (x) =>
    np.take(np.stack([0, 1].map((k) => f(np.multiply(x, k + 0.5)))), 1, { axis: 0 });
const mapped =
  (f: Unary): Unary =>
  (x) =>
    np.take(vmap(f)(np.stack([halves(x), np.multiply(x, 1.5)])), 1, { axis: 0 });
const scanned =
  (f: Unary): Unary =>
  (x) =>
    scan(
      (y: Value, t: Value): [Value, Value] => [np.sin(f(np.add(y, t))), t],
      x,
      np.array([0.25, 0.5]).astype(x.dtype),
    )[0];
const unrolled =
  (f: Unary): Unary =>
  (x) =>
    [0.25, 0.5].reduce((y, t) => np.sin(f(np.add(y, t))), x);

const transformations: Readonly<Record<string, Transformation>> = {
  jit: { apply: (f) => jit(f), means: same },
  checkpoint: { apply: (f) => checkpoint(f), means: same },
  vmap: { apply: mapped, means: looped },
  scan: { apply: scanned, means: unrolled },
  grad: { apply: gradient, means: gradient },
  jvp: { apply: pushed, means: pushed },
  vjp: { apply: pulled, means: pulled },
};

/** The program as a function of one f64[2,2]. */
const functionOf =
  (p: Program): Unary =>
  (x) =>
    np.add(np.multiply(x, 0.5), np.mean(p.f(x)));

/** The transformations by name. */
export const names: readonly string[] = Object.keys(transformations);
/** All nestings of three, outermost first. */
export const nestings: readonly (readonly string[])[] = names.flatMap((a) =>
  names.flatMap((b) => names.map((c) => [a, b, c])),
);

/** Try a nesting on random programs over a float dtype. */
export async function checkNesting(
  nesting: readonly string[],
  {
    runs,
    dtype,
    tolerance,
  }: { readonly runs: number; readonly dtype: DType; readonly tolerance: number },
): Promise<void> {
  const small = arrays({ shape: [2, 2], dtype, min: -1, max: 1 }).map((x): readonly NDArray[] => [
    x,
  ]);
  await forAll(programs({ args: small, maxSteps: 4 }), (p) => check(nesting, p, tolerance), {
    runs,
  });
}

async function check(nesting: readonly string[], p: Program, tolerance: number): Promise<void> {
  const build = (how: keyof Transformation): Unary =>
    nesting.reduceRight<Unary>((f, name) => transformations[name][how](f), functionOf(p));
  const [x] = p.args;
  const [got, wanted] = (['apply', 'means'] as const).map((how) => build(how)(x));
  await assertClose(got, wanted, { atol: tolerance, rtol: tolerance }, nesting.join('∘'));
}
