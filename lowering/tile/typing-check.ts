/**
 * What the typing rules of tile ops are made of: checks of one operand, attribute or region, each of which refuses with the op's name,
 * the rule and the facts. The rules themselves stand in `typing.ts`.
 */
import { kindOf, type DType } from '../../core/dtype.ts';
import { KernelError } from '../../core/errors.ts';
import { sameShape, showShape, type Shape } from '../../core/shape.ts';
import type { Combiner } from '../scalar.ts';
import type {
  RefType,
  TileAttrs,
  TileKind,
  TileRegion,
  TileType,
  TileValue,
  TypeOf,
} from './ir.ts';

/** What an op is made of, before its results exist. */
export interface OpParts<K extends TileKind = TileKind> {
  readonly kind: K;
  readonly operands: readonly TileValue[];
  readonly attrs: TileAttrs[K];
  readonly regions: readonly TileRegion[];
  /** The type of the result, for ops whose operands do not determine it. */
  readonly wanted?: TypeOf | undefined;
}

/** The type of a tile. */
export const tileType = (dtype: DType, shape: Shape = []): TileType => ({
  kind: 'tile',
  dtype,
  shape,
});
/** The type of a ref. */
export const refType = (dtype: DType, shape: Shape): RefType => ({ kind: 'ref', dtype, shape });

/** Print a type as `f32[8, 128]` or `ref f32[8, 128]`. */
export const showType = (type: TypeOf): string =>
  `${type.kind === 'ref' ? 'ref ' : ''}${type.dtype}${showShape(type.shape)}`;

/** Whether two types are equal. */
export const sameType = (a: TypeOf, b: TypeOf): boolean =>
  a.kind === b.kind && a.dtype === b.dtype && sameShape(a.shape, b.shape);

/** An op of one kind. */
export type Parts<K extends TileKind> = OpParts<K>;
/** Gives the types of an op's results, or throws. */
export type Rule<K extends TileKind> = (op: Parts<K>) => TypeOf[];

const shown = (type: TypeOf | undefined): string =>
  type === undefined ? 'nothing' : showType(type);

/** Refuse an op. */
export function fail(kind: TileKind, rule: string, facts: string): never {
  throw new KernelError(`${kind}: ${rule}; got ${facts}.`);
}

/** Print the types of values. */
export const types = (values: readonly TileValue[]): string =>
  values.length === 0 ? 'nothing' : values.map((v) => showType(v.type)).join(', ');

/** Check the number of operands. */
export function count(op: OpParts, least: number, most: number = least): void {
  const n = op.operands.length;
  if (n < least || n > most)
    fail(op.kind, `takes ${least === most ? least : `${least} to ${most}`} operands`, `${n}`);
}

/** Check the number of regions. */
export function regions(op: OpParts, n: number): void {
  if (op.regions.length !== n) fail(op.kind, `takes ${n} regions`, `${op.regions.length}`);
}

/** The type of an operand that must be a tile. */
export function tile(op: OpParts, at: number): TileType {
  const type = op.operands[at]?.type;
  if (type?.kind !== 'tile') fail(op.kind, `operand ${at} must be a tile`, shown(type));
  return type;
}

/** The type of the first operand, which must be a ref. */
export function ref(op: OpParts): RefType {
  const type = op.operands[0]?.type;
  if (type?.kind !== 'ref') fail(op.kind, 'operand 0 must be a ref', shown(type));
  return type;
}

/** Check that an operand is a scalar of this dtype. */
export function scalarOf(op: OpParts, at: number, dtype: DType): void {
  const type = tile(op, at);
  if (type.dtype !== dtype || type.shape.length !== 0)
    fail(op.kind, `operand ${at} must be ${dtype}[]`, showType(type));
}

/** Check that an operand has this type. */
export function like(op: OpParts, at: number, wanted: TypeOf, what: string): void {
  const { type } = op.operands[at];
  if (!sameType(type, wanted)) fail(op.kind, `${what} must be ${showType(wanted)}`, showType(type));
}

/** The declared type of a result that is a tile. */
export function wanted(op: OpParts): TileType {
  if (op.wanted?.kind !== 'tile')
    fail(op.kind, 'gives a tile', op.wanted === undefined ? 'no type' : showType(op.wanted));
  return checkedType(op.kind, op.wanted);
}

/** Check what every type must obey: no complex numbers, sizes that are sizes. */
export function checkedType<T extends TypeOf>(kind: TileKind, type: T): T {
  if (kindOf(type.dtype) === 'complex')
    fail(kind, 'kernels have no complex numbers: split them into two real values', showType(type));
  if (!type.shape.every((d) => Number.isSafeInteger(d) && d >= 0))
    fail(kind, 'sizes must be integers ≥ 0', showType(type));
  return type;
}

/** Check an axis of something of this rank. */
export function axis(op: OpParts, at: number, rank: number): void {
  if (!Number.isInteger(at) || at < 0 || at >= rank)
    fail(op.kind, `axis must be an integer in [0, ${rank})`, `${at}`);
}

/** Check distinct axes of something of this rank. */
export function axesOf(op: OpParts, axes: readonly number[], rank: number): void {
  for (const a of axes) axis(op, a, rank);
  if (new Set(axes).size !== axes.length) fail(op.kind, 'axes must be distinct', showShape(axes));
}

/** Check a permutation of all axes. */
export function permutation(op: OpParts, perm: readonly number[], rank: number): void {
  axesOf(op, perm, rank);
  if (perm.length !== rank)
    fail(op.kind, `the permutation must name all ${rank} axes`, showShape(perm));
}

/** Check that lists have one integer per axis. */
export function listsOf(op: OpParts, rank: number, ...lists: (readonly number[])[]): void {
  for (const list of lists)
    if (list.length !== rank || !list.every(Number.isSafeInteger))
      fail(op.kind, `takes one integer per axis (${rank})`, showShape(list));
}

/** Check the arguments and results of a region. */
export function region(
  op: OpParts,
  at: number,
  args: readonly TypeOf[],
  results: readonly TypeOf[],
): void {
  const found = op.regions[at];
  const check = (
    what: string,
    values: readonly TileValue[],
    wantedTypes: readonly TypeOf[],
  ): void => {
    if (
      values.length !== wantedTypes.length ||
      !values.every((v, i) => sameType(v.type, wantedTypes[i]))
    )
      fail(
        op.kind,
        `region ${at} must ${what} (${wantedTypes.map(showType).join(', ')})`,
        `(${values.map((v) => showType(v.type)).join(', ')})`,
      );
  };
  check('take', found.args, args);
  check('yield', found.results, results);
}

/** Types of values. */
export const typesOf = (values: readonly TileValue[]): TypeOf[] => values.map((v) => v.type);

/** Check that a combiner is defined on a dtype. */
export function combinerTakes(
  op: OpParts,
  combiner: Combiner | 'set' | 'exchange',
  dtype: DType,
): void {
  const bitwise = combiner === 'and' || combiner === 'or' || combiner === 'xor';
  if (bitwise && kindOf(dtype) === 'float')
    fail(op.kind, `${combiner} takes integers or booleans`, dtype);
}

/** The type of an index. */
export const index: TileType = tileType('i32');
/** The type of a condition. */
export const bool: TileType = tileType('bool');

/** Check the mask, if there is one. */
export function masked(op: OpParts, at: number, shape: Shape): void {
  if (op.operands.length > at) like(op, at, tileType('bool', shape), 'the mask');
}

/** Index tiles of gather and scatter: their common shape. */
export function indices(op: OpParts, rank: number): Shape {
  if (op.operands.length < 1 + rank)
    fail(op.kind, `takes one index per axis of the ref (${rank})`, types(op.operands.slice(1)));
  if (rank === 0) fail(op.kind, 'takes a ref with axes', types(op.operands.slice(0, 1)));
  const { shape } = op.operands[1].type;
  for (let i = 0; i < rank; i++) like(op, 1 + i, tileType('i32', shape), `index ${i}`);
  return shape;
}
