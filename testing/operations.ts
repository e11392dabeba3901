/** The operations that random programs are made of. All map values in moderate ranges to values in moderate ranges. */
import * as lax from '../entry/lax.ts';
import * as np from '../entry/numpy.ts';
import { checkpoint, cond, foriLoop, grad, jit, scan, whileLoop, type Value } from '../index.ts';

/** A function of one value that keeps its shape and dtype: the inner part of a loop, a branch or a call. */
export type InnerFunction = (x: Value) => Value;

/** An operation of random programs. */
export interface Operation {
  readonly name: string;
  /** How many values it takes. */
  readonly arity: number;
  /** Whether it has derivatives everywhere that differences would see. */
  readonly smooth?: boolean;
  /** Whether its reverse derivative does not exist. */
  readonly forwardOnly?: boolean;
  /** Whether it takes these values. Floats of any shape when left out. */
  fits?(...xs: readonly Value[]): boolean;
  /** Compute. `k` is a small number that varies the operation; `inner` a random function for those that call one. */
  apply(xs: readonly Value[], k: number, inner: InnerFunction): Value;
  /** The call as code; `inner` is the name of the inner function where `nested`. */
  code(names: readonly string[], k: number, inner: string): string;
  /** Whether it calls an inner function. */
  readonly nested?: boolean;
}

export const isFloatValue = (x: Value): boolean => /^b?f\d/.test(x.dtype);

const alike = (a: Value, b: Value): boolean =>
  isFloatValue(a) && a.dtype === b.dtype && a.shape.join() === b.shape.join();

/** Whether two floats broadcast to the shape of one of them. */
const spreads = (a: Value, b: Value): boolean =>
  isFloatValue(a) &&
  a.dtype === b.dtype &&
  b.ndim <= a.ndim &&
  b.shape.every((n, i) => n === 1 || n === a.shape[a.ndim - b.ndim + i]);

const atLeast =
  (rank: number) =>
  (x: Value): boolean =>
    isFloatValue(x) && x.ndim >= rank && x.size > 0;

const unary = (
  name: string,
  apply: (x: Value) => Value,
  code: string,
  smooth = true,
): Operation => ({
  name,
  arity: 1,
  smooth,
  apply: ([x]) => apply(x),
  code: ([x]) => code.replaceAll('x', x),
});

const binary = (
  name: string,
  fits: (a: Value, b: Value) => boolean,
  apply: (a: Value, b: Value) => Value,
  code: string,
): Operation => ({
  name,
  arity: 2,
  smooth: true,
  fits,
  apply: ([a, b]) => apply(a, b),
  code: ([a, b]) => code.replace('#a', a).replace('#b', b),
});

/** Operations on floats, in the order in which they are preferred when a failure shrinks. */
export const plainOperations: readonly Operation[] = [
  unary('neg', (x) => np.negative(x), 'np.negative(x)'),
  unary('sin', (x) => np.sin(x), 'np.sin(x)'),
  unary('tanh', (x) => np.tanh(x), 'np.tanh(x)'),
  binary('add', spreads, (a, b) => np.sin(np.add(a, b)), 'np.sin(np.add(#a, #b))'),
  binary('mul', spreads, (a, b) => np.sin(np.multiply(a, b)), 'np.sin(np.multiply(#a, #b))'),
  binary(
    'div',
    spreads,
    (a, b) => np.divide(a, np.add(np.square(b), 1)),
    'np.divide(#a, np.add(np.square(#b), 1))',
  ),
  unary('logistic', (x) => lax.logistic(x), 'lax.logistic(x)'),
  unary('gauss', (x) => np.exp(np.negative(np.square(x))), 'np.exp(np.negative(np.square(x)))'),
  unary('sqrt', (x) => np.sqrt(np.add(np.square(x), 1)), 'np.sqrt(np.add(np.square(x), 1))'),
  {
    name: 'sum',
    arity: 1,
    smooth: true,
    fits: atLeast(1),
    apply: ([x], k) => np.sin(np.sum(x, { axis: k % x.ndim })),
    code: ([x], k) => `np.sin(np.sum(${x}, { axis: ${k} % ${x}.ndim }))`,
  },
  {
    name: 'cumsum',
    arity: 1,
    smooth: true,
    fits: atLeast(1),
    apply: ([x], k) => np.sin(np.cumsum(x, { axis: k % x.ndim })),
    code: ([x], k) => `np.sin(np.cumsum(${x}, { axis: ${k} % ${x}.ndim }))`,
  },
  {
    name: 'transpose',
    arity: 1,
    smooth: true,
    fits: atLeast(2),
    apply: ([x]) => np.transpose(x),
    code: ([x]) => `np.transpose(${x})`,
  },
  {
    name: 'flip',
    arity: 1,
    smooth: true,
    fits: atLeast(1),
    apply: ([x], k) => np.flip(x, k % x.ndim),
    code: ([x], k) => `np.flip(${x}, ${k} % ${x}.ndim)`,
  },
  {
    name: 'take',
    arity: 1,
    smooth: true,
    fits: atLeast(1),
    apply: ([x], k) => np.take(x, k % x.shape[0], { axis: 0 }),
    code: ([x], k) => `np.take(${x}, ${k} % ${x}.shape[0], { axis: 0 })`,
  },
  {
    name: 'stack',
    arity: 2,
    smooth: true,
    fits: (a, b) => alike(a, b) && a.ndim < 3,
    apply: ([a, b]) => np.stack([a, b]),
    code: ([a, b]) => `np.stack([${a}, ${b}])`,
  },
  {
    name: 'matmul',
    arity: 2,
    smooth: true,
    fits: (a, b) => alike(a, b) && a.ndim === 2,
    apply: ([a, b]) => np.sin(np.matmul(a, np.transpose(b))),
    code: ([a, b]) => `np.sin(np.matmul(${a}, np.transpose(${b})))`,
  },
  {
    name: 'where',
    arity: 2,
    fits: alike,
    apply: ([a, b]) => np.where(np.greater(a, 0.1), a, b),
    code: ([a, b]) => `np.where(np.greater(${a}, 0.1), ${a}, ${b})`,
  },
  {
    name: 'maximum',
    arity: 2,
    fits: spreads,
    apply: ([a, b]) => np.maximum(a, b),
    code: ([a, b]) => `np.maximum(${a}, ${b})`,
  },
  {
    name: 'max',
    arity: 1,
    fits: atLeast(1),
    apply: ([x], k) => np.max(x, { axis: k % x.ndim }),
    code: ([x], k) => `np.max(${x}, { axis: ${k} % ${x}.ndim })`,
  },
  {
    name: 'sort',
    arity: 1,
    fits: atLeast(1),
    apply: ([x]) => np.sort(x),
    code: ([x]) => `np.sort(${x})`,
  },
  {
    name: 'argmax',
    arity: 1,
    fits: atLeast(1),
    apply: ([x]) => np.multiply(np.argmax(x).astype(x.dtype), 0.125),
    code: ([x]) => `np.multiply(np.argmax(${x}).astype(${x}.dtype), 0.125)`,
  },
];

/** Operations that hold a function: calls, branches, loops, derivatives. */
export const nestedOperations: readonly Operation[] = [
  {
    name: 'jit',
    arity: 1,
    smooth: true,
    nested: true,
    apply: ([x], _, inner) => jit(inner)(x),
    code: ([x], _, inner) => `jit(${inner})(${x})`,
  },
  {
    name: 'checkpoint',
    arity: 1,
    smooth: true,
    nested: true,
    apply: ([x], _, inner) => checkpoint(inner)(x),
    code: ([x], _, inner) => `checkpoint(${inner})(${x})`,
  },
  {
    name: 'cond',
    arity: 1,
    nested: true,
    apply: ([x], k, inner) =>
      cond(np.greater(np.sum(x), k - 1), inner, (y: Value) => np.negative(y), x),
    code: ([x], k, inner) =>
      `cond(np.greater(np.sum(${x}), ${k - 1}), ${inner}, (y) => np.negative(y), ${x})`,
  },
  {
    name: 'foriLoop',
    arity: 1,
    smooth: true,
    nested: true,
    apply: ([x], k, inner) => foriLoop(0, k, (_, y: Value) => inner(y), x),
    code: ([x], k, inner) => `foriLoop(0, ${k}, (_, y) => ${inner}(y), ${x})`,
  },
  {
    name: 'scan',
    arity: 1,
    smooth: true,
    nested: true,
    fits: (x) => isFloatValue(x) && x.ndim < 3,
    apply: ([x], k, inner) =>
      scan(
        (y: Value, t: Value): [Value, Value] => [inner(np.add(y, t)), y],
        x,
        np.arange(k + 1).astype(x.dtype),
      )[1],
    code: ([x], k, inner) =>
      `scan((y, t) => [${inner}(np.add(y, t)), y], ${x}, np.arange(${k + 1}).astype(${x}.dtype))[1]`,
  },
  {
    name: 'whileLoop',
    arity: 1,
    nested: true,
    forwardOnly: true,
    apply: ([x], k, inner) =>
      whileLoop(
        ([i]: [Value, Value]) => np.less(i, k),
        ([i, y]: [Value, Value]): [Value, Value] => [np.add(i, 1), inner(y)],
        [np.array(0), x] as [Value, Value],
      )[1],
    code: ([x], k, inner) =>
      `whileLoop(([i]) => np.less(i, ${k}), ([i, y]) => [np.add(i, 1), ${inner}(y)], [np.array(0), ${x}])[1]`,
  },
  {
    name: 'grad',
    arity: 1,
    smooth: true,
    nested: true,
    apply: ([x], _, inner) => np.sin(grad((y: Value) => np.sum(inner(y)))(x)),
    code: ([x], _, inner) => `np.sin(grad((y) => np.sum(${inner}(y)))(${x}))`,
  },
];
