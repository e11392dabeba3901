// Mistakes in kernels: blocks, index maps, stores, races, and what a kernel must not do.
import { grad, type Value } from 'palladia';
import * as np from 'palladia/numpy';
import * as pl from 'palladia/pallas';
import { expect, test } from 'vitest';
import { reports, untyped } from './report.ts';

const x = np.ones([4, 6]);
const n = np.arange(8);
const copy = (a: pl.Ref, out: pl.Ref): void => out.set(a.get());
const call = (kernel: unknown, options: object, ...args: unknown[]): unknown =>
  untyped(untyped(pl.pallasCall)(kernel, { outShape: x, ...options }))(
    ...(args.length === 0 ? [x] : args),
  );

test('blocks and index maps', () => {
  const rows = new pl.BlockSpec([1, 6], (i) => [i, 0]);
  expect(
    reports({
      'a block of another rank': () =>
        call(copy, { grid: 4, inSpecs: [new pl.BlockSpec([6], (i) => i)], outSpecs: rows }),
      'an index map with too few results': () =>
        call(copy, { grid: 4, inSpecs: [new pl.BlockSpec([1, 6], (i) => i)], outSpecs: rows }),
      'an index map with too many results': () =>
        call(copy, {
          grid: 4,
          inSpecs: [rows],
          outSpecs: new pl.BlockSpec([1, 6], (i) => [i, 0, 0]),
        }),
      'an index map with too many parameters': () =>
        call(copy, {
          grid: 4,
          inSpecs: [new pl.BlockSpec([1, 6], (i, j) => [i, j])],
          outSpecs: rows,
        }),
      'an index map that gives floats': () =>
        call(copy, {
          grid: 4,
          inSpecs: [new pl.BlockSpec([1, 6], () => [0.5, 0])],
          outSpecs: rows,
        }),
      'an index map that captures an array': () =>
        call(copy, {
          grid: 4,
          inSpecs: [new pl.BlockSpec([1, 6], () => [n.at(0).get(), 0])],
          outSpecs: rows,
        }),
      'a block of size 0': () =>
        call(copy, { grid: 4, inSpecs: [new pl.BlockSpec([0, 6])], outSpecs: rows }),
      'a fractional block': () =>
        call(copy, { grid: 4, inSpecs: [new pl.BlockSpec([1.5, 6])], outSpecs: rows }),
      'too few inSpecs': () => call(copy, { grid: 4, inSpecs: [], outSpecs: rows }),
      'too many outSpecs': () => call(copy, { grid: 4, inSpecs: [rows], outSpecs: [rows, rows] }),
      'a spec that is no BlockSpec': () =>
        call(copy, { grid: 4, inSpecs: [[1, 6]], outSpecs: rows }),
      'a grid of zero programs': () => call(copy, { grid: 0 }),
      'a fractional grid': () => call(copy, { grid: [1.5] }),
      'a block beyond the array': () =>
        call(copy, {
          grid: 4,
          inSpecs: [new pl.BlockSpec([1, 6], (i) => [np.add(i, 9), 0])],
          outSpecs: rows,
          interpret: true,
        }),
    }),
  ).toMatchInlineSnapshot(`
    "a block of another rank
      ShapeError: pallasCall: the block of input 0 must have one entry per axis of the array; got block (6) for array f32[4,6]. Write null for an axis that the kernel does not see.
    an index map with too few results
      ShapeError: pallasCall: the index map of input 0 must return one index per axis of its block; got 1 for 2 axes. Return one index per axis, in units of blocks.
    an index map with too many results
      ShapeError: pallasCall: the index map of output 0 must return one index per axis of its block; got 3 for 2 axes. Return one index per axis, in units of blocks.
    an index map with too many parameters
      ArgumentError: pallasCall: the index map of input 0 must return integer scalars; got undefined for axis 1. Compute it from the grid indices with integer arithmetic.
    an index map that gives floats
      ArgumentError: pallasCall: the index map of input 0 must return integer scalars; got number 0.5 for axis 0. Compute it from the grid indices with integer arithmetic.
    an index map that captures an array
      ArgumentError: pallasCall: the index map of input 0 must not capture arrays; got i32[8]. Use JavaScript numbers and the grid indices.
    a block of size 0
      ShapeError: pallasCall: block sizes must be positive integers or null; got 0 on axis 0 of input 0. Zero-size arrays have no blocks.
    a fractional block
      ShapeError: pallasCall: block sizes must be positive integers or null; got 1.5 on axis 0 of input 0. Zero-size arrays have no blocks.
    too few inSpecs
      TreeError: pallasCall: inSpecs must have one entry per array; got 0 for 1 arrays. Write null for a whole array.
    too many outSpecs
      TreeError: pallasCall: outSpecs must have one entry per array; got 2 for 1 arrays. Write null for a whole array.
    a spec that is no BlockSpec
      ArgumentError: pallasCall: the spec of input 0 must be a BlockSpec or null; got a JavaScript array of 2. Write new pl.BlockSpec(blockShape, indexMap).
    a grid of zero programs
      ArgumentError: pallasCall: grid must be a list of positive integers; got (0). Return zeros yourself when there is nothing to do.
    a fractional grid
      ArgumentError: pallasCall: grid must be a list of positive integers; got (1.5). Return zeros yourself when there is nothing to do.
    a block beyond the array
      KernelError: index map of in0: a block must not lie wholly outside its array; got a block of [1, 6] at [9, 0] of an array of [4, 6] in program (0). Mend the index map or the grid."
  `);
});

test('loads and stores', () => {
  expect(
    reports({
      'a store that broadcasts': () => call((_: pl.Ref, out: pl.Ref) => out.set(np.ones([6])), {}),
      'a store of a number': () => call((_: pl.Ref, out: pl.Ref) => out.set(1), {}),
      'a store of another dtype': () =>
        call((a: pl.Ref, out: pl.Ref) => out.set(a.get().astype('i32')), {}),
      'a store into a window of another shape': () =>
        call((a: pl.Ref, out: pl.Ref) => out.set(a.get(), pl.ds(0, 2)), {}),
      'a window beyond the block': () =>
        call((a: pl.Ref, out: pl.Ref) => out.set(a.get(pl.ds(2, 4), null)), {}),
      'an index beyond the block': () => call((a: pl.Ref) => a.get(7), {}),
      'too many indices': () => call((a: pl.Ref) => a.get(0, 0, 0), {}),
      'an index that is text': () => call((a: pl.Ref) => untyped(a.get.bind(a))('first'), {}),
      'a float index': () => call((a: pl.Ref) => a.get(a.get(0, 0)), {}),
      'a mask of another shape': () =>
        call(
          (a: pl.Ref, out: pl.Ref) => out.store(a.get(), { mask: np.less(np.arange(2), 3) }),
          {},
        ),
      'a ref where an array is needed': () =>
        call((a: pl.Ref, out: pl.Ref) => out.set(untyped(np.sin)(a) as Value), {}),
      'a ref stored in a ref': () =>
        call((a: pl.Ref, out: pl.Ref) => untyped(out.set.bind(out))(a), {}),
      'a ref used as a number': () =>
        call((a: pl.Ref, out: pl.Ref) => out.set((a as never) > 0 ? 1 : 2), {}),
      'a ref after its kernel': () => {
        let kept: pl.Ref | undefined;
        call((a: pl.Ref, out: pl.Ref) => {
          kept = a;
          out.set(a.get());
        }, {});
        return kept?.get();
      },
    }),
  ).toMatchInlineSnapshot(`
    "a store that broadcasts
      ShapeError: store: the value must have the shape of the window; got f32[6] for [4, 6]. Stores do not broadcast: use np.broadcastTo or np.full.
    a store of a number
      ShapeError: store: the value must have the shape of the window; got f32[] for [4, 6]. Stores do not broadcast: use np.broadcastTo or np.full.
    a store of another dtype
      DTypeError: store: the value must have the dtype of the ref; got i32[4,6] for f32. Convert it with \`x.astype('f32')\`.
    a store into a window of another shape
      ShapeError: store: the value must have the shape of the window; got f32[4,6] for [2, 6]. Stores do not broadcast: use np.broadcastTo or np.full.
    a window beyond the block
      ShapeError: ref: a slice must lie inside the axis; got start 2, size 4, stride 1 on axis 0 of size 4. Use a smaller slice, or a larger ref.
    an index beyond the block
      ShapeError: ref: index must be an integer in [-4, 4) on axis 0; got 7. Choose an index inside.
    too many indices
      ShapeError: ref: there must not be more indices than axes; got 3 indices for 2 axes. Leave some out.
    an index that is text
      ArgumentError: ref: an index is a number, a scalar, pl.ds(…), [start, stop], null or '...'; got string first on axis 0. Choose one of these.
    a float index
      DTypeError: ref: an index must be an integer scalar; got f32[]. Use pl.ds(start, size) for a slice.
    a mask of another shape
      ShapeError: store: the mask must be bool[4, 6]; got bool[2]. Broadcast it with np.broadcastTo.
    a ref where an array is needed
      DTypeError: sin: a ref is not an array; got Ref{f32[4,6]} as x. Read it with \`ref.get()\`.
    a ref stored in a ref
      DTypeError: store: a ref cannot be stored in a ref. Read it first with \`ref.get()\`.
    a ref used as a number
      DTypeError: ref: a ref is not an array; got a ref of f32[4, 6] where a value is needed. Read it with \`ref.get()\`.
    a ref after its kernel
      TracerLeakError: get: a traced value was used after its transformation had finished; got Traced<Ref{f32[4,6]}> with kernel kernel. Return the value from the transformed function instead of storing it in an outer variable."
  `);
});

test('kernels', () => {
  const captured = np.ones([4, 6]);
  const rows = new pl.BlockSpec([1, 6], (i) => [i, 0]);
  expect(
    reports({
      'a kernel that returns a value': () => call((a: pl.Ref) => a.get(), {}),
      'a kernel that captures an array': () =>
        call((a: pl.Ref, out: pl.Ref) => out.set(a.get().add(captured)), {}),
      'an async kernel': () => call(async (a: pl.Ref, out: pl.Ref) => out.set(a.get()), {}),
      'no kernel': () => call(3, {}),
      'no outShape': () => call(copy, { outShape: undefined }),
      'an outShape that is a list of numbers': () => call(copy, { outShape: [4, 6] }),
      'a parallel axis whose programs write one block': () =>
        call(copy, {
          grid: 4,
          inSpecs: [rows],
          outSpecs: new pl.BlockSpec([1, 6], () => [0, 0]),
          dimensionSemantics: ['parallel'],
        }),
      'too many dimensionSemantics': () =>
        call(copy, {
          grid: 4,
          inSpecs: [rows],
          outSpecs: rows,
          dimensionSemantics: ['parallel', 'parallel'],
        }),
      'dimensionSemantics that do not exist': () =>
        call(copy, { grid: 4, inSpecs: [rows], outSpecs: rows, dimensionSemantics: ['serial'] }),
      'an alias of another type': () =>
        call(
          (_: pl.Ref, out: pl.Ref) => out.set(np.ones([4, 6])),
          { inputOutputAliases: { 0: 0 } },
          n,
        ),
      'an alias that does not exist': () => call(copy, { inputOutputAliases: { 3: 0 } }),
      'an option that does not exist': () => call(copy, { numWarps: 4 }),
      'programId outside of a kernel': () => pl.programId(0),
      'programId of an axis that does not exist': () =>
        call((a: pl.Ref, out: pl.Ref) => out.set(a.get().mul(pl.programId(1))), {
          grid: 4,
          inSpecs: [rows],
          outSpecs: rows,
        }),
      'a number where an array is expected': () => call(copy, {}, 'text'),
      'an if on a value': () =>
        call((a: pl.Ref, out: pl.Ref) => {
          if ((a.get(0, 0) as unknown as number) > 0) out.set(a.get());
        }, {}),
      'when with a result': () => call((a: pl.Ref) => pl.when(true, () => a.get() as never), {}),
      'when on an array': () =>
        call(
          (a: pl.Ref, out: pl.Ref) => pl.when(np.greater(a.get(), 0), () => out.set(a.get())),
          {},
        ),
      'grad without a backward kernel': () =>
        grad((v: Value) => (call(copy, {}, v) as Value).sum())(x),
      'matmul of unequal sizes': () => pl.ops.matmul(x, x),
      'flashAttention of unequal heads': () => pl.ops.flashAttention(x, np.ones([4, 5]), x),
      'a size that is no integer': () => pl.ds(0, 1.5),
    }),
  ).toMatchInlineSnapshot(`
    "a kernel that returns a value
      ArgumentError: pallasCall: the kernel kernel must return nothing; got f32[4,6]. Write results with \`ref.set(value)\`.
    a kernel that captures an array
      ArgumentError: pallasCall: the kernel kernel must not capture arrays; got f32[4,6]. Pass them as inputs.
    an async kernel
      AsyncFunctionError: pallasCall: transformed functions must be synchronous; got a promise from <lambda>. Await what it needs before the call, and pass the values as arguments.
    no kernel
      ArgumentError: pallasCall: there must be a function to transform or to run; got number 3. Pass the function itself, not its result.
    no outShape
      TreeError: pallasCall: outShape and scratchShapes must be arrays or ShapeDtypeStructs; got undefined. Write new ShapeDtypeStruct(shape, dtype), or pass an array like it.
    an outShape that is a list of numbers
      TreeError: pallasCall: outShape and scratchShapes must be arrays or ShapeDtypeStructs; got number 4. Write new ShapeDtypeStruct(shape, dtype), or pass an array like it.
    a parallel axis whose programs write one block
      KernelError: pallasCall: axis 0 of the grid is declared parallel, but its 4 programs write the same block of output 0 (kernel copy). Declare it 'arbitrary', or make the output's index map depend on it.
    too many dimensionSemantics
      ArgumentError: pallasCall: dimensionSemantics must have one entry per axis of the grid; got 2 for grid (4). Write one entry per axis, or leave it out.
    dimensionSemantics that do not exist
      ArgumentError: pallasCall: dimensionSemantics must be 'parallel', 'sequential' or 'arbitrary'; got serial. Leave it out to let the compiler find out.
    an alias of another type
      ShapeError: pallasCall: an input and the output that it becomes must have one type; got i32[8] for input 0 and f32[4,6] for output 0. Convert the input, or change outShape.
    an alias that does not exist
      ArgumentError: pallasCall: inputOutputAliases must name inputs and outputs that exist; got 3 → 0 with 1 inputs and 1 outputs. Write { [input]: output } with positions that exist.
    an option that does not exist
      ArgumentError: pallasCall: options must be among outShape, grid, inSpecs, outSpecs, scratchShapes, inputOutputAliases, name, interpret, costEstimate, dimensionSemantics; got numWarps. Check the spelling.
    programId outside of a kernel
      ArgumentError: programId: only kernels and index maps have a grid; got a call outside of pallasCall. Call it inside the kernel.
    programId of an axis that does not exist
      ShapeError: programId: the axis must be one of the grid; got 1 for grid (4). Name an axis of the grid.
    a number where an array is expected
      TreeError: pallasCall: leaves must be arrays or numbers; got string text at argument 0. Make an array of it with np.array(…), or take it out of the tree.
    an if on a value
      ConcretizationError: tracer: a traced value has no concrete value that JavaScript could use as a number (\`+x\`, \`x > 0\`, \`x * 2\`, Math.…); got Traced<f32[]> with kernel kernel. Compute with functions of arrays (x.add(y), np.greater(x, 0)), choose with np.where or lax.cond, loop with lax.whileLoop, or make the argument static.
    when with a result
      ArgumentError: when: the body must return nothing; got f32[4,6]. Write the result to a ref.
    when on an array
      ShapeError: cond: the predicate must be a scalar; got bool[4,6]. Reduce it with np.any or np.all, or choose element by element with np.where.
    grad without a backward kernel
      MissingRuleError: pallas_call: no transpose rule. A kernel has no derivative in reverse mode by itself: wrap the call in customVjp with a backward kernel.
    matmul of unequal sizes
      ShapeError: matmul: x must be [m,k] and y [k,n]; got f32[4,6] and f32[4,6]. Map it over other axes with vmap.
    flashAttention of unequal heads
      ShapeError: flashAttention: q, k and v must be matrices [s,d], [t,d], [t,d]; got f32[4,6], f32[4,5], f32[4,6]. Map it over heads and batch with vmap.
    a size that is no integer
      ArgumentError: ds: size must be a non-negative and stride a positive integer; got size 1.5, stride 1. Write pl.ds(start, size)."
  `);
});
