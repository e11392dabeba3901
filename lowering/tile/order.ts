/** Proofs that a tile is nowhere greater than another, NaN apart, by the ops that made them: what softmax knows of its exponents. */
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
