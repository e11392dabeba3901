/**
 * Identities that cannot change a result: views of views, casts to the same type, integer algebra, folding of scalar integer arithmetic.
 * Float arithmetic stays as it was written, but for the exact identities x·1, x/1, x − 0 and −(−x). Rules look at one op whose operands are
 * simplified already; the pass that rebuilds the program asks for each op.
 */
import { dtypeInfo, isBig, isComplex, isFloat, type DType } from '../../core/dtype.ts';
import { sameShape, sizeOf } from '../../core/shape.ts';
import { conversion, meaning, type Element } from '../scalar-meaning.ts';
import type { HloBuilder } from './build.ts';
import type { ConstantInput } from './constant.ts';
import { sameTensorType, type HloOp, type HloValue } from './ir.ts';
import type { NamedFn } from './mnemonics.ts';

/** A rewrite of one op: the values to use instead of its results, or undefined to keep it. */
export type Rewrite = (
  b: HloBuilder,
  op: HloOp,
  operands: readonly HloValue[],
) => readonly HloValue[] | undefined;

/** The one value that fills a tensor, seen through broadcasts and reshapes of a constant; undefined when it is not known. */
export function splatValueOf(value: HloValue): ConstantInput | undefined {
  let at = value;
  for (let { def } = at; def !== undefined; { def } = at) {
    if (def.kind === 'constant') return def.attrs.value.splat ? def.attrs.value.value : undefined;
    if (def.kind !== 'broadcast_in_dim' && def.kind !== 'reshape') return undefined;
    [at] = def.operands;
  }
  return undefined;
}

const isIdentity = (axes: readonly number[]): boolean => axes.every((d, i) => d === i);

/** Simplify one op. */
export const simplifyOp: Rewrite = (b, op, operands) => {
  if (op.results.length === 0) return undefined;
  const value =
    simplifyView(b, op, operands) ??
    simplifyPart(op, operands) ??
    simplifyArithmetic(op, operands) ??
    foldScalar(b, op, operands);
  return value === undefined ? undefined : [value];
};

function simplifyTranspose(
  b: HloBuilder,
  x: HloValue,
  permutation: readonly number[],
): HloValue | undefined {
  if (isIdentity(permutation)) return x;
  const { def } = x;
  if (def?.kind !== 'transpose') return undefined;
  const both = permutation.map((p) => def.attrs.permutation[p]);
  return isIdentity(both) ? def.operands[0] : b.transpose(def.operands[0], both);
}

/** Ops that only move elements. */
function simplifyView(b: HloBuilder, op: HloOp, [x]: readonly HloValue[]): HloValue | undefined {
  const type = op.results[0]?.type;
  const def = x?.def;
  switch (op.kind) {
    case 'reshape': {
      const source = def?.kind === 'reshape' ? def.operands[0] : x;
      if (sameShape(source.type.shape, type.shape)) return source;
      return source === x ? undefined : b.reshape(source, type.shape);
    }
    case 'broadcast_in_dim': {
      const source = def?.kind === 'broadcast_in_dim' ? def.operands[0] : x;
      const dims =
        def?.kind === 'broadcast_in_dim'
          ? def.attrs.dims.map((d) => op.attrs.dims[d])
          : op.attrs.dims;
      if (sameShape(source.type.shape, type.shape) && isIdentity(dims)) return source;
      return source === x ? undefined : b.broadcastInDim(source, type.shape, dims);
    }
    case 'transpose':
      return simplifyTranspose(b, x, op.attrs.permutation);
    case 'reverse':
      return op.attrs.dims.every((d) => x.type.shape[d] <= 1) ? x : undefined;
    case 'convert':
    case 'bitcast_convert':
      return sameTensorType(x.type, type) ? x : undefined;
    default:
      return undefined;
  }
}

/** Ops that take parts of operands or put them together. */
function simplifyPart(op: HloOp, operands: readonly HloValue[]): HloValue | undefined {
  const [x, y] = operands;
  const def = x?.def;
  switch (op.kind) {
    case 'slice':
    case 'dynamic_slice':
      // A slice as large as its operand is the operand, wherever its (clamped) start points.
      return sameTensorType(x.type, op.results[0].type) ? x : undefined;
    case 'dynamic_update_slice':
      return sameTensorType(x.type, y.type) ? y : undefined;
    case 'pad':
      return [op.attrs.low, op.attrs.high, op.attrs.interior].every((list) =>
        list.every((n) => n === 0),
      )
        ? x
        : undefined;
    case 'concatenate':
      return operands.length === 1 ? x : undefined;
    case 'select': {
      const predicate = splatValueOf(x);
      if (predicate !== undefined) return predicate === true ? y : operands[2];
      return y === operands[2] ? y : undefined;
    }
    case 'real':
      return def?.kind === 'complex' ? def.operands[0] : isFloat(x.type.dtype) ? x : undefined;
    case 'imag':
      return def?.kind === 'complex' ? def.operands[1] : undefined;
    default:
      return undefined;
  }
}

const isZero = (v: ConstantInput | undefined): boolean =>
  v === 0n || Object.is(v, 0) || v === false;
const isOne = (v: ConstantInput | undefined): boolean => v === 1n || v === 1 || v === true;

/** Neutral elements: what `f(x, e)` must have as `e` to be x, exactly, for every x of the dtype. */
function isNeutral(
  fn: NamedFn,
  e: ConstantInput | undefined,
  dtype: DType,
  side: 'left' | 'right',
): boolean {
  if (e === undefined) return false;
  const isFloating = isFloat(dtype);
  switch (fn) {
    case 'add':
      // x + 0 turns −0 into 0; x + (−0) is x.
      return isFloating ? Object.is(e, -0) : isZero(e);
    case 'sub':
      return side === 'right' && isZero(e);
    case 'mul':
      return isOne(e);
    case 'div':
      return side === 'right' && isOne(e);
    case 'or':
    case 'xor':
      return isZero(e);
    case 'and':
      return e === true || e === allOnes(dtype);
    case 'shiftLeft':
    case 'shiftRightLogical':
    case 'shiftRightArithmetic':
      return side === 'right' && isZero(e);
    default:
      return false;
  }
}

const allOnes = (dtype: DType): ConstantInput | undefined => {
  const { kind, bits } = dtypeInfo[dtype];
  if (kind === 'int') return isBig(dtype) ? -1n : -1;
  return kind === 'uint' ? (isBig(dtype) ? 2n ** 64n - 1n : 2 ** bits - 1) : undefined;
};

function simplifyArithmetic(op: HloOp, [x, y]: readonly HloValue[]): HloValue | undefined {
  if (op.kind !== 'scalar' || isComplex(x.type.dtype)) return undefined;
  const { fn } = op.attrs;
  const { dtype } = x.type;
  if (y === undefined) {
    const inner = x.def;
    const isDouble =
      (fn === 'neg' || fn === 'not') && inner?.kind === 'scalar' && inner.attrs.fn === fn;
    return isDouble ? inner.operands[0] : undefined;
  }
  if (fn === 'clamp' || fn === 'fma') return undefined;
  if (isNeutral(fn, splatValueOf(y), dtype, 'right')) return x;
  if (isNeutral(fn, splatValueOf(x), dtype, 'left')) return y;
  const isIdempotent = fn === 'max' || fn === 'min' || fn === 'and' || fn === 'or';
  return isIdempotent && x === y ? x : undefined;
}

const asElement = (v: ConstantInput): Element => (typeof v === 'boolean' ? Number(v) : v);
const asConstant = (v: Element, dtype: DType): ConstantInput => (dtype === 'bool' ? v !== 0 : v);

/** Arithmetic on known integers and bools, and conversions of them: indices and bounds. Floats are left to the device. */
function foldScalar(b: HloBuilder, op: HloOp, operands: readonly HloValue[]): HloValue | undefined {
  if (operands.length === 0 || sizeOf(op.results[0].type.shape) === 0) return undefined;
  const { dtype } = operands[0].type;
  const { kind } = dtypeInfo[dtype];
  if (kind === 'float' || kind === 'complex') return undefined;
  if (op.kind !== 'scalar' && op.kind !== 'compare' && op.kind !== 'convert') return undefined;
  const values = operands.map(splatValueOf);
  const known = values.filter((v) => v !== undefined).map(asElement);
  if (known.length < values.length) return undefined;
  const to = op.results[0].type;
  const [x, y = x, z = x] = known;
  const result =
    op.kind === 'convert'
      ? conversion(dtype, to.dtype)(x)
      : meaning(op.kind === 'scalar' ? op.attrs.fn : op.attrs.direction, dtype)(x, y, z);
  return b.constant(asConstant(result, to.dtype), to.dtype, to.shape);
}
