// Mistakes that would crash elsewhere or pass silently: each is refused by a sentence of its own, with what was given, on every device.
import { expect, test } from 'vitest';
import {
  ArgumentError,
  DTypeError,
  foriLoop,
  KernelError,
  LoweringError,
  setDefaultDevice,
  ShapeDtypeStruct,
  ShapeError,
  TreeError,
  type Value,
} from 'palladia';
import * as np from 'palladia/numpy';
import * as pl from 'palladia/pallas';
import { untyped } from '../errors/report.ts';

const x = np.ones([4]);
const outShape = new ShapeDtypeStruct([4], 'f32');
const copy = (a: pl.Ref, out: pl.Ref): void => out.set(a.get());
const call = (kernel: unknown, options: object = {}, ...args: unknown[]): unknown =>
  untyped(untyped(pl.pallasCall)(kernel, { outShape, ...options }))(
    ...(args.length === 0 ? [x] : args),
  );
const spec = (...args: unknown[]): object =>
  untyped(Reflect.construct)(pl.BlockSpec, args) as object;
const { ops } = pl;
const matrix = np.ones([3, 2]);

type Mistake = readonly [() => unknown, new (...args: never[]) => Error, RegExp];

const mistakes: Readonly<Record<string, Mistake>> = {
  'a write to an input': [
    () => call((a: pl.Ref, out: pl.Ref) => (a.set(a.get()), out.set(a.get()))),
    KernelError,
    /must not write its inputs; got a write to input 0 \(f32\[4\]\)/,
  ],
  'an addition to an input in a loop': [
    () =>
      call((a: pl.Ref) => {
        foriLoop(0, 2, (i, c) => (a.addupdate(1, i), c), 0);
      }),
    KernelError,
    /must not write its inputs/,
  ],
  'a swap of an input': [
    () => call((a: pl.Ref, out: pl.Ref) => out.set(a.swap(a.get()))),
    KernelError,
    /must not write its inputs/,
  ],
  'an array too many, whose ref the kernel takes for its output': [
    () => call(copy, {}, x, x),
    KernelError,
    /a write to input 1/,
  ],
  'an array too few': [
    () => call((a: pl.Ref, b: pl.Ref, out: pl.Ref) => out.set(a.get().add(b.get()))),
    ArgumentError,
    /got 2 refs for the 3 parameters/,
  ],
  'no grid': [() => call(copy, { grid: null }), ArgumentError, /positive integers; got \(null\)/],
  'a grid of programs that nobody can count': [
    () => call(copy, { grid: [2 ** 20, 2 ** 12] }),
    ArgumentError,
    /fewer than 2 \*\* 31 programs; got \(1048576, 4096\)/,
  ],
  'no options': [() => untyped(pl.pallasCall)(copy), ArgumentError, /options must be an object/],
  'inSpecs that are one spec': [
    () => call(copy, { inSpecs: spec([4]) }),
    TreeError,
    /inSpecs must be a list/,
  ],
  'scratchShapes that are one shape': [
    () => call(copy, { scratchShapes: outShape }),
    ArgumentError,
    /scratchShapes must be a list/,
  ],
  'a name that is a number': [
    () => call(copy, { name: 3 }),
    ArgumentError,
    /name must be a string; got number 3/,
  ],
  'interpret that is text': [
    () => call(copy, { interpret: 'yes' }),
    ArgumentError,
    /interpret must be a boolean; got string yes/,
  ],
  'a cost that is a number': [
    () => call(copy, { costEstimate: 3 }),
    ArgumentError,
    /costEstimate must be \{ flops/,
  ],
  'aliases that are a number': [
    () => call(copy, { inputOutputAliases: 3 }),
    ArgumentError,
    /inputOutputAliases must be an object/,
  ],
  'two inputs that become one output': [
    () =>
      call(
        (a: pl.Ref, _: pl.Ref, out: pl.Ref) => out.set(a.get()),
        { inputOutputAliases: { 0: 0, 1: 0 } },
        x,
        x,
      ),
    ArgumentError,
    /got inputs 0 and 1 for output 0/,
  ],
  'a block shape that is a number': [() => spec(4), ArgumentError, /block shape must be a list/],
  'an index map that is a number': [() => spec([4], 3), ArgumentError, /index map must be a func/],
  'a block index beyond i32': [
    () => call(copy, { inSpecs: [spec([4], () => [2 ** 40])] }),
    ArgumentError,
    /must return integer scalars; got number 1099511627776/,
  ],
  'a start that is a fraction': [() => pl.ds(0.5, 2), ArgumentError, /got number 0.5/],
  'a start that is text': [() => untyped(pl.ds)('0', 2), ArgumentError, /got string 0/],
  'a slice between fractions': [
    () => call((a: pl.Ref) => a.get([0.5, 2.5])),
    ShapeError,
    /must be integers that lie inside the axis/,
  ],
  'a mask that is a list': [
    () => call((a: pl.Ref) => untyped(a.load.bind(a))({ mask: [true] })),
    ArgumentError,
    /mask must be an array/,
  ],
  'a misspelled mask': [
    () => call((a: pl.Ref) => untyped(a.load.bind(a))({ masc: x })),
    ArgumentError,
    /options must be among mask, other; got masc/,
  ],
  'a misspelled mask of a store': [
    () => call((a: pl.Ref, out: pl.Ref) => untyped(out.store.bind(out))(a.get(), { masc: x })),
    ArgumentError,
    /options must be among mask; got masc/,
  ],
  'when without a function': [
    () => call(() => untyped(pl.when)(true, 3)),
    ArgumentError,
    /when: there must be a function/,
  ],
  'a kernel in a kernel': [
    () => call((a: pl.Ref, out: pl.Ref) => out.set(call(copy, {}, a.get()) as Value)),
    LoweringError,
    /pallas_call: this primitive cannot be used inside a kernel/,
  ],
  'matmul by blocks of no rows': [
    () => ops.matmul(matrix, matrix.T, { blockM: 0 }),
    ArgumentError,
    /matmul: blockM must be a positive integer; got number 0/,
  ],
  'matmul of integers': [
    () => ops.matmul(matrix.astype('i32'), matrix.T.astype('i32')),
    DTypeError,
    /matmul: operands must be of dtype f32, f16, bf16; got i32\[3,2\]/,
  ],
  'softmax by a fraction of rows': [
    () => ops.softmax(matrix, { blockRows: 1.5 }),
    ArgumentError,
    /softmax: blockRows must be a positive integer/,
  ],
  'layerNorm with a misspelled option': [
    () => untyped(ops.layerNorm)(matrix, np.ones([2]), np.ones([2]), { eps: 1 }),
    ArgumentError,
    /options must be among blockRows, epsilon; got eps/,
  ],
  'flashAttention with causal that is a number': [
    () => untyped(ops.flashAttention)(matrix, matrix, matrix, { causal: 1 }),
    ArgumentError,
    /causal must be a boolean and scale a number; got number 1/,
  ],
};

for (const device of ['wasm', 'interpreter'] as const)
  test.each(Object.entries(mistakes))(`${device}: %s`, (_, [mistake, kind, sentence]) => {
    setDefaultDevice(device);
    try {
      expect(mistake).toThrow(kind);
      expect(mistake).toThrow(sentence);
    } finally {
      setDefaultDevice('wasm');
    }
  });
