/** Values of constants: what builders pass in, in the one representation that the IR keeps (so that equal constants are equal values). */
import { dtypeInfo, isBig, isComplex, type DType } from '../../core/dtype.ts';
import { LoweringError } from '../../core/errors.ts';
import type { Combiner } from '../scalar.ts';
import { maxOf, maxOfBig, minOf, minOfBig, rounderOf, wrapBig } from '../scalar-round.ts';
import type { HloConstant, HloOp, HloValue } from './ir.ts';

/** What a constant can be made from. */
export type ConstantInput = number | bigint | boolean | readonly [re: number, im: number];

/** One value of a constant as the IR keeps it: booleans, bigints for 64-bit integers, pairs for complex, rounded or wrapped numbers. */
export function constantValue(value: ConstantInput, dtype: DType): ConstantInput {
  if (isComplex(dtype)) {
    const [re, im] = typeof value === 'object' ? value : [Number(value), 0];
    const round = rounderOf(dtype);
    return [round(re), round(im)];
  }
  if (typeof value === 'object')
    throw new LoweringError(
      `constant: a pair is a complex number; got one for ${dtypeInfo[dtype].longName}. Give one number.`,
    );
  if (dtype === 'bool') return Boolean(value);
  if (isBig(dtype))
    return wrapBig(
      typeof value === 'bigint' ? value : BigInt(Math.trunc(Number(value))),
      dtype as 'i64' | 'u64',
    );
  return rounderOf(dtype)(
    typeof value === 'bigint' && dtypeInfo[dtype].kind !== 'float'
      ? Number(BigInt.asIntN(32, value))
      : Number(value),
  );
}

/** The neutral element of a named combiner. */
export function identityOf(combiner: Combiner, dtype: DType): ConstantInput {
  const { kind } = dtypeInfo[dtype];
  const isFloating = kind === 'float' || kind === 'complex';
  switch (combiner) {
    case 'add':
    case 'or':
    case 'xor':
      return dtype === 'bool' ? false : isBig(dtype) ? 0n : 0;
    case 'mul':
      return dtype === 'bool' ? true : isBig(dtype) ? 1n : 1;
    case 'and':
      return dtype === 'bool'
        ? true
        : isBig(dtype)
          ? wrapBig(-1n, dtype as 'i64' | 'u64')
          : rounderOf(dtype)(-1);
    case 'max':
      return dtype === 'bool'
        ? false
        : isFloating
          ? -Infinity
          : isBig(dtype)
            ? minOfBig(dtype as 'i64' | 'u64')
            : minOf(dtype);
    case 'min':
      return dtype === 'bool'
        ? true
        : isFloating
          ? Infinity
          : isBig(dtype)
            ? maxOfBig(dtype as 'i64' | 'u64')
            : maxOf(dtype);
  }
}

/** The value of a splat constant op, or undefined for any other op and for constants whose elements differ. */
export function splatOf(op: HloOp | undefined): ConstantInput | undefined {
  return op?.kind === 'constant' && op.attrs.value.splat ? op.attrs.value.value : undefined;
}

/** Elements of a constant as a flat list (two per complex element), whether it is a splat or not. */
export function constantElements(
  value: HloConstant,
  dtype: DType,
  size: number,
): ArrayLike<number> | ArrayLike<bigint> {
  if (!value.splat) return value.values;
  const one = value.value;
  if (typeof one === 'bigint') return new Array<bigint>(size).fill(one);
  if (typeof one !== 'object') return new Array<number>(size).fill(Number(one));
  const pairs = new Array<number>(isComplex(dtype) ? 2 * size : size);
  for (let i = 0; i < size; i++) [pairs[2 * i], pairs[2 * i + 1]] = one;
  return pairs;
}

/** The splat constant that a value is, if it is one. */
export function constantOf(value: HloValue): number | bigint | boolean | undefined {
  let v = value;
  while (v.def?.kind === 'reshape' || v.def?.kind === 'broadcast_in_dim') v = v.def.operands[0];
  if (v.def?.kind !== 'constant' || !v.def.attrs.value.splat) return undefined;
  const { value: constant } = v.def.attrs.value;
  return typeof constant === 'object' ? undefined : constant;
}
