// Ten planted faults, each with its healthy twin: the kit must find every fault and pass every twin.
import { customJvp, customVjp, shapeDtypeStruct, type Shape, type Value } from 'palladia';
import { definePrimitive, LinearArg, type None, type Primitive } from 'palladia/extend';
import * as lax from 'palladia/lax';
import * as np from 'palladia/numpy';
import * as pl from 'palladia/pallas';
import * as testing from 'palladia/testing';

/** A fault: how to check a function, and the wrong and the right form of it. */
export interface Fault {
  readonly name: string;
  /** Check on random values; throws when the law is broken. */
  readonly check: (form: 'wrong' | 'right', options: testing.LawOptions) => Promise<void>;
}

type Unary = (x: Value) => Value;

/** Programs around a function, under a law. */
const inPrograms = (
  name: string,
  make: (form: 'wrong' | 'right') => Unary,
  law: (p: testing.Program) => Promise<void>,
): Fault => ({
  name,
  check: (form, options) =>
    testing.forAll(
      testing.programs({ functions: { suspect: make(form) }, nested: false }),
      law,
      options,
    ),
});

const jvpLaw = (p: testing.Program): Promise<void> => testing.checkJvp(p.f, p.args);
const vjpLaw = (p: testing.Program): Promise<void> => testing.checkVjp(p.f, p.args);

/** A primitive that computes −x, with rules of one's own. */
const negation = (
  name: string,
  rules: Parameters<typeof definePrimitive<None>>[1],
): Primitive<None> => definePrimitive<None>(name, rules);

const batchInPlace = (prim: () => Primitive<None>) => ({
  right: (args: readonly Value[], dims: readonly (number | null)[]) =>
    [[prim().bind1(args, {})], [dims[0]]] as const,
  wrong: (args: readonly Value[], dims: readonly (number | null)[]) =>
    [[prim().bind1(args, {})], [dims[0] === null ? null : 0]] as const,
});

const primitives = new Map<string, Primitive<None>>();

function primitiveOf(fault: 'transpose' | 'batch', form: 'wrong' | 'right'): Primitive<None> {
  const name = `suspect_${fault}_${form}`;
  const known = primitives.get(name);
  if (known !== undefined) return known;
  const isWrong = (which: string): boolean => form === 'wrong' && which === fault;
  const self = (): Primitive<None> => primitives.get(name)!;
  const made = negation(name, {
    abstractEval: ([x]) => [x.strong()],
    lower: (b, [x]) => [b.scalar('neg', x)],
    jvp: 'linear',
    transpose: ([ct], [x]) => [
      x instanceof LinearArg && ct !== null ? (isWrong('transpose') ? ct : lax.neg(ct)) : null,
    ],
    batch: batchInPlace(self)[isWrong('batch') ? 'wrong' : 'right'],
  });
  primitives.set(name, made);
  return made;
}

function wrongSine(form: 'wrong' | 'right'): Unary {
  const f = customJvp((x: Value) => lax.sin(x));
  f.defjvp(([x]: [Value], [t]: [Value]) => [
    lax.sin(x),
    np.multiply(t, form === 'wrong' ? np.sin(x) : np.cos(x)),
  ]);
  return f;
}

function forgetfulProduct(form: 'wrong' | 'right'): (x: Value, y: Value) => Value {
  const f = customVjp((x: Value, y: Value) => np.multiply(x, y));
  f.defvjp(
    (x: Value, y: Value) => [np.multiply(x, y), [x, y]],
    ([x, y]: [Value, Value], ct: Value) => [
      np.multiply(ct, y),
      form === 'wrong' ? np.zerosLike(x) : np.multiply(ct, x),
    ],
  );
  return f;
}

function swappedResiduals(form: 'wrong' | 'right'): Unary {
  const f = customVjp((x: Value) => np.exp(np.multiply(x, 0.5)));
  f.defvjp(
    (x: Value) => {
      const y = np.exp(np.multiply(x, 0.5));
      return [y, form === 'wrong' ? x : y];
    },
    (y: Value, ct: Value) => [np.multiply(ct, np.multiply(y, 0.5))],
  );
  return f;
}

/** Counts its calls: a function that is not pure gives something else when it is jitted. */
function impure(form: 'wrong' | 'right'): Unary {
  let calls = 0;
  return (x) => np.add(x, form === 'wrong' ? ++calls : 1);
}

const rows = testing.arrays({ shape: testing.shapes({ minRank: 1, maxRank: 1, maxSize: 9 }) });
const one = rows.map((x): readonly unknown[] => [x]);
const blocks: readonly Shape[] = [[3], [2], [9]];

/** Kernels over the blocks of a vector. */
const kernelFault = (
  name: string,
  kernel: (form: 'wrong' | 'right', block: number, n: number) => pl.KernelFunction,
  reference: Unary,
  specs: (
    form: 'wrong' | 'right',
    block: number,
    n: number,
  ) => Partial<pl.PallasOptions> = () => ({}),
): Fault => ({
  name,
  check: (form, options) =>
    testing.checkKernel(
      ([block]) =>
        (x: Value) => {
          const [n] = x.shape;
          const spec = new pl.BlockSpec([block], (i) => [i]);
          return pl.pallasCall(kernel(form, block, n), {
            outShape: shapeDtypeStruct([n], 'f32'),
            grid: pl.cdiv(n, block),
            inSpecs: [spec],
            outSpecs: spec,
            ...specs(form, block, n),
          })(x);
        },
      { ...options, args: one, blocks, reference },
    ),
});

/** The faults. */
export const faults: readonly Fault[] = [
  inPrograms('a wrong JVP', wrongSine, jvpLaw),
  {
    name: 'a VJP that ignores an argument',
    check: (form, options) =>
      testing.checkCustomVjp(
        forgetfulProduct(form),
        (x: Value, y: Value) => np.multiply(x, y),
        testing
          .arrays({ shape: [3] })
          .chain((x) => testing.arrays({ shape: [3] }).map((y) => [x, y])),
        options,
      ),
  },
  {
    name: 'a VJP with the wrong residual',
    check: (form, options) =>
      testing.checkCustomVjp(
        swappedResiduals(form),
        (x: Value) => np.exp(np.multiply(x, 0.5)),
        testing.arrays().map((x) => [x]),
        options,
      ),
  },
  inPrograms(
    'a transpose with the wrong sign',
    (form) => (x) => primitiveOf('transpose', form).bind1([x], {}),
    vjpLaw,
  ),
  {
    name: 'a batching rule that mixes axes',
    check: (form, options) =>
      testing.checkVmap(
        (x: Value) => primitiveOf('batch', form).bind1([x], {}),
        testing.arrays({ shape: testing.shapes({ minRank: 2, maxRank: 2 }) }).map((x) => [x]),
        { ...options, inAxes: 1 },
      ),
  },
  inPrograms('a function that is not pure', impure, (p) => testing.checkJit(p.f, p.args)),
  kernelFault(
    "a kernel that reads a neighbour's block",
    (form) => (x, y) =>
      y.set(
        form === 'wrong'
          ? x.get(pl.ds(np.add(np.multiply(pl.programId(0), 0), 1), x.shape[0]))
          : x.get(),
      ),
    (x) => x,
  ),
  kernelFault(
    'a kernel whose result depends on the block size',
    (form) => (x, y) => y.set(np.divide(x.get(), form === 'wrong' ? np.sum(np.ones(x.shape)) : 2)),
    (x) => np.divide(x, 2),
  ),
  kernelFault(
    'a kernel that leaves part of its block unwritten',
    (form, block) => (x, y) =>
      form === 'wrong' && block > 1
        ? y.set(x.get(pl.ds(0, block - 1)), pl.ds(0, block - 1))
        : y.set(x.get()),
    (x) => x,
  ),
  kernelFault(
    'programs that write one block',
    () => (x, y) => y.set(np.multiply(x.get(), 2)),
    (x) => np.multiply(x, 2),
    (form, block) => (form === 'wrong' ? { outSpecs: new pl.BlockSpec([block], () => [0]) } : {}),
  ),
];
