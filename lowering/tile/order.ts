/** Proofs about the sizes of values, NaN apart, by the ops that made them: what softmax knows of its exponents and of their sum. */
import type { Tile, TileValue } from './ir.ts';

const isFloat = (tile: TileValue): boolean =>
  ['f32', 'f16', 'bf16', 'f64'].includes(tile.type.dtype);

/** Whether b is a maximum in which a takes part, perhaps reduced and spread again along axes of a. */
function bounds(a: TileValue, b: TileValue, spread: boolean): boolean {
  if (a === b) return !spread;
  const op = b.def;
  switch (op?.kind) {
    case 'scalar':
      return op.attrs.fn === 'max' && op.operands.some((x) => bounds(a, x, spread));
    case 'reduce':
      return spread && op.attrs.combiner === 'max' && op.operands[0] === a;
    case 'broadcast': {
      const { shape } = op.operands[0].type;
      const isInPlace =
        shape.length === a.type.shape.length && op.attrs.dims.every((d, i) => d === i);
      return !spread && isInPlace && bounds(a, op.operands[0], true);
    }
    default:
      return false;
  }
}

/** Whether a tile of floats is known to hold nothing above zero (NaN may be there): a − max(…, a, …). */
export function isNonPositive(tile: Tile): boolean {
  const op = tile.def;
  if (op?.kind === 'cast') return isFloat(op.operands[0]) && isNonPositive(op.operands[0] as Tile);
  return (
    op?.kind === 'scalar' &&
    op.attrs.fn === 'sub' &&
    isFloat(tile) &&
    bounds(op.operands[0], op.operands[1], false)
  );
}

/** What a tile repeats along axes of length 1, if it does. */
function repeated(tile: Tile): Tile | undefined {
  const op = tile.def;
  if (op?.kind !== 'broadcast') return undefined;
  const [source] = op.operands as [Tile];
  const isInPlace =
    source.type.shape.length === tile.type.shape.length && op.attrs.dims.every((d, i) => d === i);
  return isInPlace ? source : undefined;
}

/** The axes of a reduction of `of` by `combiner`, if `tile` is one. */
function reducedAxes(
  tile: Tile | undefined,
  of: Tile,
  combiner: 'max' | 'add',
): string | undefined {
  const op = tile?.def;
  const isIt = op?.kind === 'reduce' && op.attrs.combiner === combiner && op.operands[0] === of;
  return isIt ? op.attrs.axes.join() : undefined;
}

/**
 * Whether `part / whole` is a softmax: exp(x − max x) over its sum along the axes of the maximum. Then 0 ≤ part ≤ 1 ≤ whole, unless both
 * are NaN.
 */
export function isSoftmax(part: Tile, whole: Tile): boolean {
  const exp = part.def;
  if (part.type.dtype !== 'f32' || exp?.kind !== 'scalar' || exp.attrs.fn !== 'exp') return false;
  const difference = (exp.operands[0] as Tile).def;
  if (difference?.kind !== 'scalar' || difference.attrs.fn !== 'sub') return false;
  const [x, most] = difference.operands as Tile[];
  const maximum = repeated(most);
  const axes = reducedAxes(maximum, x, 'max');
  return axes !== undefined && axes === reducedAxes(repeated(whole), part, 'add');
}
