/**
 * Rules of single ops: operands, attributes and result types fit together. Labels (C1, …) are the constraints of the op's section in the
 * StableHLO specification. What concerns regions and visibility of values stands in `verify.ts`.
 */
import { dtypeInfo, isComplex, isFloat, isInteger, kindOf, type Kind } from '../../core/dtype.ts';
import { sameShape, showShape, sizeOf, type Shape } from '../../core/shape.ts';
import { resultDType, scalarInfo } from '../scalar.ts';
import {
  bitcastShape,
  complexOver,
  concatenateShape,
  dotShape,
  padShape,
  realPart,
  sliceShape,
  tensor,
  windowShape,
} from './infer.ts';
import {
  sameTensorType,
  type CompareKind,
  type HloOp,
  type TensorType,
  type WindowAttrs,
} from './ir.ts';
import { showType } from './type-text.ts';
import { check, checkAxes, checkLength } from './verify-check.ts';
import { verifyCollective } from './verify-collective.ts';
import { verifyGather, verifyScatter } from './verify-index.ts';

const show = (types: readonly TensorType[]): string => types.map(showType).join(', ');
const typesOf = (values: HloOp['operands']): TensorType[] => values.map((v) => v.type);

/** The result type must be the one that follows from the operands. */
function checkResult(op: HloOp, expected: TensorType, index = 0): void {
  const { type } = op.results[index];
  check(
    sameTensorType(type, expected),
    op,
    `the result must be ${showType(expected)}`,
    showType(type),
  );
}

function checkSameTypes(op: HloOp, types: readonly TensorType[]): void {
  check(
    types.every((t) => sameTensorType(t, types[0])),
    op,
    'operands must have one type',
    show(types),
  );
}

const counts: Partial<Record<HloOp['kind'], number>> = {
  constant: 0,
  iota: 0,
  compare: 2,
  select: 3,
  convert: 1,
  bitcast_convert: 1,
  reduce_precision: 1,
  complex: 2,
  real: 1,
  imag: 1,
  broadcast_in_dim: 1,
  reshape: 1,
  transpose: 1,
  reverse: 1,
  slice: 1,
  pad: 2,
  gather: 2,
  select_and_scatter: 3,
  dot_general: 2,
  case: 1,
  collective_broadcast: 1,
  collective_permute: 1,
  reduce_scatter: 1,
  partition_id: 0,
  replica_id: 0,
  rng_bit_generator: 1,
};

/** Fewest operands of ops that take any number. */
const leastOperands: Partial<Record<HloOp['kind'], number>> = {
  concatenate: 1,
  dynamic_slice: 1,
  dynamic_update_slice: 2,
  reduce: 2,
  reduce_window: 2,
  scatter: 3,
  sort: 1,
  all_reduce: 1,
  all_gather: 1,
  all_to_all: 1,
};

/** Ops that may have any number of results. */
const severalResults: ReadonlySet<HloOp['kind']> = new Set([
  'while',
  'case',
  'call',
  'composite',
  'custom_call',
  'optimization_barrier',
  'reduce',
  'reduce_window',
  'sort',
  'scatter',
  'rng_bit_generator',
  'all_reduce',
  'all_gather',
  'all_to_all',
]);

/** Check everything about an op but its regions. @throws LoweringError naming the op, the rule and the facts. */
export function verifyOp(op: HloOp): void {
  const count = op.kind === 'scalar' ? scalarInfo[op.attrs.fn].arity : counts[op.kind];
  check(
    count === undefined || op.operands.length === count,
    op,
    `takes ${count ?? 'some'} operands`,
    String(op.operands.length),
  );
  const least = leastOperands[op.kind] ?? 0;
  check(
    op.operands.length >= least,
    op,
    `takes at least ${least} operands`,
    String(op.operands.length),
  );
  check(
    severalResults.has(op.kind) || op.results.length === 1,
    op,
    'has one result',
    String(op.results.length),
  );
  verifyElementwise(op);
  verifyShape(op);
  verifyReduction(op);
  verifyDevices(op);
}

/** Families of types that each kind of comparison is for. */
const comparedKinds: Readonly<Record<CompareKind, readonly Kind[]>> = {
  FLOAT: ['float', 'complex'],
  TOTALORDER: ['float'],
  SIGNED: ['int'],
  UNSIGNED: ['uint', 'bool'],
};

function verifyElementwise(op: HloOp): void {
  const types = typesOf(op.operands);
  const [x] = types;
  switch (op.kind) {
    case 'constant':
      return verifyConstant(op);
    case 'scalar':
      return verifyScalar(op);
    case 'compare': {
      checkSameTypes(op, types); // C1
      const { kind } = op.attrs;
      check(
        comparedKinds[kind].includes(kindOf(x.dtype)),
        op,
        `${kind} must fit the element type`,
        showType(x),
      ); // C3
      return checkResult(op, tensor(x.shape, 'bool')); // C2
    }
    case 'select':
      check(
        x.dtype === 'bool' && (x.shape.length === 0 || sameShape(x.shape, types[1].shape)),
        op,
        'the predicate must be i1 and have rank 0 or the shape of the operands',
        show(types),
      ); // C1
      checkSameTypes(op, types.slice(1)); // C2
      return checkResult(op, types[1]);
    case 'convert':
      check(
        sameShape(x.shape, op.results[0].type.shape),
        op,
        'the result must have the shape of the operand',
        show([x, op.results[0].type]),
      ); // C1
      return;
    case 'bitcast_convert': {
      const { dtype } = op.results[0].type;
      check(
        (x.dtype === 'bool') === (dtype === 'bool') && isComplex(x.dtype) === isComplex(dtype),
        op,
        'i1 and complex convert only among themselves',
        show([x, op.results[0].type]),
      ); // C2
      const [from, to] = [dtypeInfo[x.dtype].byteLength, dtypeInfo[dtype].byteLength];
      check(
        from >= to || x.shape.at(-1) === to / from,
        op,
        'the last axis must hold the parts of one wider element',
        show([x, op.results[0].type]),
      ); // C1
      return checkResult(op, tensor(bitcastShape(x.shape, x.dtype, dtype), dtype));
    }
    case 'reduce_precision':
      check(
        isFloat(x.dtype) && op.attrs.exponentBits >= 1 && op.attrs.mantissaBits >= 0,
        op,
        'takes floats and at least 1 exponent bit and 0 mantissa bits',
        `${showType(x)}, e${op.attrs.exponentBits}m${op.attrs.mantissaBits}`,
      ); // C2, C3
      return checkResult(op, x);
    case 'complex':
      checkSameTypes(op, types); // C1
      check(x.dtype === 'f32' || x.dtype === 'f64', op, 'parts must be f32 or f64', showType(x));
      return checkResult(op, tensor(x.shape, complexOver(x.dtype)));
    case 'real':
    case 'imag':
      check(
        isComplex(x.dtype) || isFloat(x.dtype),
        op,
        'takes a complex or float tensor',
        showType(x),
      );
      return checkResult(op, tensor(x.shape, realPart(x.dtype)));
    default:
  }
}

function verifyConstant(op: HloOp<'constant'>): void {
  const { shape, dtype } = op.results[0].type;
  const { value } = op.attrs;
  if (value.splat) return;
  const length = sizeOf(shape) * (isComplex(dtype) ? 2 : 1);
  check(
    value.values.length === length,
    op,
    `${showType(op.results[0].type)} has ${length} entries`,
    String(value.values.length),
  );
}

function verifyScalar(op: HloOp<'scalar'>): void {
  const types = typesOf(op.operands);
  const { fn } = op.attrs;
  const main = types[fn === 'clamp' ? 1 : 0];
  const takes = scalarInfo[fn].takes;
  check(
    takes.includes(kindOf(main.dtype)),
    op,
    `takes ${takes.join(', ')} operands`,
    showType(main),
  );
  const isFit = types.every(
    (t) =>
      t.dtype === main.dtype &&
      (sameShape(t.shape, main.shape) || (fn === 'clamp' && t.shape.length === 0)),
  );
  check(isFit, op, 'operands must have one type', show(types));
  checkResult(op, tensor(main.shape, resultDType(fn, main.dtype)));
}

function verifyShape(op: HloOp): void {
  const types = typesOf(op.operands);
  const [x] = types;
  const result = op.results[0]?.type;
  switch (op.kind) {
    case 'iota':
      check(result.dtype !== 'bool', op, 'counts in numbers', showType(result));
      return checkAxes(op, 'dim', [op.attrs.dim], result.shape.length); // C1
    case 'broadcast_in_dim': {
      const { dims } = op.attrs;
      checkLength(op, 'dims', dims, x.shape.length); // C2
      checkAxes(op, 'dims', dims, result.shape.length); // C3, C4
      const isFit = dims.every((d, i) => x.shape[i] === 1 || x.shape[i] === result.shape[d]); // C5
      check(
        isFit && x.dtype === result.dtype,
        op,
        'axes must have size 1 or the size of their place in the result',
        `${show([x])} at ${showShape(dims)} of ${showType(result)}`,
      );
      return;
    }
    case 'reshape':
      check(
        x.dtype === result.dtype && sizeOf(x.shape) === sizeOf(result.shape),
        op,
        'the number of elements must stay',
        show([x, result]),
      ); // C1, C2
      return;
    case 'transpose':
      checkLength(op, 'dims', op.attrs.permutation, x.shape.length); // C2
      checkAxes(op, 'dims', op.attrs.permutation, x.shape.length);
      return checkResult(
        op,
        tensor(
          op.attrs.permutation.map((p) => x.shape[p]),
          x.dtype,
        ),
      ); // C1, C3
    case 'reverse':
      checkAxes(op, 'dims', op.attrs.dims, x.shape.length); // C2, C3
      return checkResult(op, x);
    case 'concatenate':
      return verifyConcatenate(op);
    case 'slice':
      return verifySlice(op);
    case 'pad':
      return verifyPad(op);
    case 'dynamic_slice': {
      const { sizes } = op.attrs;
      verifyStarts(op, types.slice(1), x.shape.length);
      checkLength(op, 'sizes', sizes, x.shape.length); // C2
      check(
        sizes.every((n, i) => n >= 0 && n <= x.shape[i]),
        op,
        'sizes must not exceed the shape',
        `${showShape(sizes)} of ${showShape(x.shape)}`,
      ); // C4
      return checkResult(op, tensor(sizes, x.dtype)); // C5
    }
    case 'dynamic_update_slice': {
      const [, update] = types;
      verifyStarts(op, types.slice(2), x.shape.length);
      const isFit =
        update.dtype === x.dtype &&
        update.shape.length === x.shape.length &&
        update.shape.every((n, i) => n <= x.shape[i]); // C2, C3, C6
      check(isFit, op, 'the update must fit into the operand', show([update, x]));
      return checkResult(op, x); // C1
    }
    case 'gather':
      return verifyGather(op);
    case 'scatter':
      return verifyScatter(op);
    case 'dot_general':
      return verifyDot(op);
    default:
  }
}

function verifyStarts(op: HloOp, starts: readonly TensorType[], rank: number): void {
  checkLength(op, 'starts', starts, rank); // C4
  const isFit = starts.every(
    (t) => t.shape.length === 0 && isInteger(t.dtype) && t.dtype === starts[0].dtype,
  );
  check(isFit, op, 'starts must be rank-0 integers of one type', show(starts)); // C5
}

function verifyConcatenate(op: HloOp<'concatenate'>): void {
  const types = typesOf(op.operands);
  check(types.length > 0, op, 'takes at least one operand', 'none');
  const [x] = types;
  const { dim } = op.attrs;
  checkAxes(op, 'dim', [dim], x.shape.length); // C4
  const isFit = types.every(
    (t) =>
      t.dtype === x.dtype &&
      t.shape.length === x.shape.length &&
      t.shape.every((d, i) => i === dim || d === x.shape[i]),
  );
  check(isFit, op, `operands must agree in dtype and in all axes but ${dim}`, show(types)); // C1, C2
  checkResult(
    op,
    tensor(
      concatenateShape(
        types.map((t) => t.shape),
        dim,
      ),
      x.dtype,
    ),
  ); // C5, C6
}

function verifySlice(op: HloOp<'slice'>): void {
  const { starts, limits, strides } = op.attrs;
  const { shape, dtype } = op.operands[0].type;
  for (const list of [starts, limits, strides])
    checkLength(op, 'starts, limits and strides', list, shape.length); // C2
  const isFit = starts.every((s, i) => s >= 0 && s <= limits[i] && limits[i] <= shape[i]); // C3
  check(
    isFit,
    op,
    'starts and limits must lie in order inside the shape',
    `[${starts.map((s, i) => `${s}:${limits[i]}`).join(', ')}] of ${showShape(shape)}`,
  );
  check(
    strides.every((s) => s >= 1),
    op,
    'strides must be positive',
    showShape(strides),
  ); // C4
  checkResult(op, tensor(sliceShape(starts, limits, strides), dtype)); // C1, C5
}

function verifyPad(op: HloOp<'pad'>): void {
  const [x, value] = typesOf(op.operands);
  const { low, high, interior } = op.attrs;
  for (const list of [low, high, interior])
    checkLength(op, 'low, high and interior', list, x.shape.length); // C2
  check(
    interior.every((n) => n >= 0),
    op,
    'interior padding must not be negative',
    showShape(interior),
  ); // C3
  check(
    value.shape.length === 0 && value.dtype === x.dtype,
    op,
    'the padding value must be a scalar of the dtype of the operand',
    show([x, value]),
  ); // C1
  const shape = padShape(x.shape, low, high, interior);
  check(
    shape.every((d) => d >= 0),
    op,
    'padding must leave sizes that are not negative',
    showShape(shape),
  );
  checkResult(op, tensor(shape, x.dtype)); // C4
}

function verifyDot(op: HloOp<'dot_general'>): void {
  const [a, b] = typesOf(op.operands);
  const { lhsBatch, rhsBatch, lhsContract, rhsContract } = op.attrs.dims;
  check(
    lhsBatch.length === rhsBatch.length && lhsContract.length === rhsContract.length,
    op,
    'both operands must have as many batch and contracting axes',
    `${showShape(lhsBatch)} x ${showShape(rhsBatch)}, ${showShape(lhsContract)} x ${showShape(rhsContract)}`,
  ); // C1, C2
  checkAxes(op, 'axes of the left operand', [...lhsBatch, ...lhsContract], a.shape.length); // C3, C5, C6
  checkAxes(op, 'axes of the right operand', [...rhsBatch, ...rhsContract], b.shape.length); // C4, C7, C8
  const agree = (x: readonly number[], y: readonly number[]): boolean =>
    x.every((d, i) => a.shape[d] === b.shape[y[i]]);
  check(
    agree(lhsBatch, rhsBatch) && agree(lhsContract, rhsContract),
    op,
    'batch and contracting axes must have equal sizes',
    show([a, b]),
  ); // C9, C10
  const { dtype, shape } = op.results[0].type;
  check(
    sameShape(shape, dotShape(a.shape, b.shape, op.attrs.dims)),
    op,
    `the result must have shape ${showShape(dotShape(a.shape, b.shape, op.attrs.dims))}`,
    showShape(shape),
  ); // C12
  const family = (t: TensorType['dtype']): string =>
    isFloat(t) || isComplex(t) ? 'float' : 'integer';
  check(
    family(a.dtype) === family(dtype) && family(b.dtype) === family(dtype),
    op,
    'operands and result must be floats, or integers',
    show([a, b, op.results[0].type]),
  ); // C13
}

/** Windows: one entry per axis, positive sizes. */
function verifyWindow(op: HloOp, shape: Shape, window: WindowAttrs): void {
  const { dimensions, strides, baseDilations, windowDilations, padding } = window;
  for (const list of [dimensions, strides, baseDilations, windowDilations, padding])
    checkLength(op, 'window attributes', list, shape.length);
  const isPositive = [dimensions, strides, baseDilations, windowDilations].every((list) =>
    list.every((n) => n >= 1),
  );
  check(
    isPositive,
    op,
    'window sizes, strides and dilations must be positive',
    [dimensions, strides, baseDilations, windowDilations].map(showShape).join(', '),
  );
}

function verifyReduction(op: HloOp): void {
  const types = typesOf(op.operands);
  switch (op.kind) {
    case 'reduce': {
      const [inputs, inits] = verifyPairs(op);
      checkAxes(op, 'dimensions', op.attrs.dims, inputs[0].shape.length); // C4, C5
      const shape = inputs[0].shape.filter((_, i) => !op.attrs.dims.includes(i));
      return inits.forEach((t, i) => checkResult(op, tensor(shape, t.dtype), i)); // C7, C8
    }
    case 'reduce_window': {
      const [inputs, inits] = verifyPairs(op);
      verifyWindow(op, inputs[0].shape, op.attrs.window); // C4 - C12
      const shape = windowShape(inputs[0].shape, op.attrs.window);
      return inits.forEach((t, i) => checkResult(op, tensor(shape, t.dtype), i)); // C14 - C16
    }
    case 'select_and_scatter': {
      const [x, source, init] = types;
      verifyWindow(op, x.shape, op.attrs.window); // C4 - C8
      const shape = windowShape(x.shape, op.attrs.window);
      check(
        sameTensorType(source, tensor(shape, x.dtype)),
        op,
        `the source must be ${showType(tensor(shape, x.dtype))}`,
        showType(source),
      ); // C1, C2
      check(
        sameTensorType(init, tensor([], x.dtype)),
        op,
        'the initial value must be a scalar of the dtype of the operand',
        showType(init),
      ); // C3
      return checkResult(op, x); // C11
    }
    case 'sort': {
      check(types.length > 0, op, 'takes at least one operand', 'none'); // C1
      check(
        types.every((t) => sameShape(t.shape, types[0].shape)),
        op,
        'operands must have one shape',
        show(types),
      ); // C2
      checkAxes(op, 'dimension', [op.attrs.dim], types[0].shape.length); // C4
      return verifyUnchanged(op, types); // C3
    }
    case 'while':
    case 'optimization_barrier':
      return verifyUnchanged(op, types);
    case 'case':
      check(
        types[0].shape.length === 0 && types[0].dtype === 'i32',
        op,
        'the index must be tensor<i32>',
        showType(types[0]),
      );
      check(op.regions.length > 0, op, 'has at least one branch', 'none'); // C1
      return;
    default:
  }
}

function verifyDevices(op: HloOp): void {
  switch (op.kind) {
    case 'all_reduce': {
      const types = typesOf(op.operands);
      check(
        types.every((t) => t.dtype === types[0].dtype),
        op,
        'operands must have one dtype, that of its region',
        show(types),
      );
      return verifyCollective(op);
    }
    case 'all_gather':
    case 'all_to_all':
    case 'collective_broadcast':
    case 'collective_permute':
    case 'reduce_scatter':
      return verifyCollective(op);
    case 'partition_id':
    case 'replica_id':
      return checkResult(op, tensor([], 'u32'));
    default:
  }
}

/** The results have the types of the operands. */
function verifyUnchanged(op: HloOp, types: readonly TensorType[]): void {
  check(
    types.length === op.results.length,
    op,
    `has ${types.length} results`,
    String(op.results.length),
  );
  types.forEach((t, i) => checkResult(op, t, i));
}

/** N inputs of one shape and N rank-0 initial values; N results. */
function verifyPairs(op: HloOp): readonly [inputs: TensorType[], inits: TensorType[]] {
  const types = typesOf(op.operands);
  const n = types.length / 2;
  check(
    n >= 1 && Number.isInteger(n) && op.results.length === n,
    op,
    'takes as many inputs as initial values, and gives as many results',
    `${types.length} operands, ${op.results.length} results`,
  ); // C3
  const [inputs, inits] = [types.slice(0, n), types.slice(n)];
  check(
    inputs.every((t) => sameShape(t.shape, inputs[0].shape)),
    op,
    'inputs must have one shape',
    show(inputs),
  ); // C1
  check(
    inits.every((t, i) => t.shape.length === 0 && t.dtype === inputs[i].dtype),
    op,
    'initial values must be scalars of the dtypes of the inputs',
    show(types),
  ); // C2
  return [inputs, inits];
}
