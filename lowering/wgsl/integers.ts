/** Rank-0 integers as indices: what programs compute from grid indices and loop counters stays affine, with known ranges. */
import * as affine from './affine.ts';
import type { Affine, Range } from './affine.ts';
import { numberOf } from './format.ts';
import type { Program } from './program.ts';
import { apply, type PureOp } from './pure.ts';

/** The values of i32 operands as indices; undefined when one is no index. */
function operandsOf(p: Program, op: PureOp): Affine[] | undefined {
  const out: Affine[] = [];
  for (const x of op.operands) {
    const held = p.get(x);
    if (held.kind !== 'int') return undefined;
    out.push(held.at);
  }
  return out;
}

/** Bind what is not affine to a name with this range. */
function bound(
  p: Program,
  op: PureOp & { kind: 'scalar' },
  args: readonly Affine[],
  range: Range,
  multiple = 1,
): Affine {
  const names = args.map((a) =>
    affine.isConstant(a) ? `i32(${a.constant})` : p.text.shared('n', affine.print(a)),
  );
  const text = apply(p, op.attrs.fn, { dtype: 'i32', width: 1, args: names });
  return affine.variable(p.text.let('n', text), range, multiple);
}

const wraps = (a: Affine): boolean => !affine.fits(a);

function scalarOf(
  p: Program,
  op: PureOp & { kind: 'scalar' },
  args: readonly Affine[],
): Affine | undefined {
  const [a, b] = args;
  switch (op.attrs.fn) {
    case 'add':
    case 'sub': {
      const sum = op.attrs.fn === 'add' ? affine.add(a, b) : affine.subtract(a, b);
      return wraps(sum) ? bound(p, op, args, affine.int32) : sum;
    }
    case 'neg': {
      const negated = affine.scale(a, -1);
      return wraps(negated) ? bound(p, op, args, affine.int32) : negated;
    }
    case 'mul': {
      const [x, k] = affine.isConstant(b) ? [a, b] : [b, a];
      const product = affine.isConstant(k) ? affine.scale(x, k.constant) : undefined;
      if (product !== undefined && !wraps(product)) return product;
      return bound(p, op, args, affine.int32);
    }
    case 'div':
    case 'rem': {
      if (!affine.isConstant(b) || b.constant <= 0 || affine.rangeOf(a).lo < 0 || wraps(a))
        return bound(p, op, args, affine.int32);
      const [quotient, remainder] = affine.split(a, b.constant);
      return op.attrs.fn === 'div' ? quotient : remainder;
    }
    case 'max':
    case 'min': {
      const [x, y] = [affine.rangeOf(a), affine.rangeOf(b)];
      const isMax = op.attrs.fn === 'max';
      if (isMax ? x.lo >= y.hi : x.hi <= y.lo) return a;
      if (isMax ? y.lo >= x.hi : y.hi <= x.lo) return b;
      const pick = isMax ? Math.max : Math.min;
      const range = { lo: pick(x.lo, y.lo), hi: pick(x.hi, y.hi) };
      const multiple = affine.gcd(affine.multipleOf(a), affine.multipleOf(b));
      return bound(p, op, args, range, Math.max(1, multiple));
    }
    default:
      return undefined;
  }
}

/** A pure op's result as an index, when it is a rank-0 i32 computed from such. */
export function integerOf(p: Program, op: PureOp): Affine | undefined {
  const { type } = op.results[0];
  if (type.dtype !== 'i32' || type.shape.length > 0) return undefined;
  if (op.kind === 'constant') return affine.constant(numberOf(op.attrs.value, 'i32'));
  const args =
    op.kind === 'scalar' || op.kind === 'reshape' || op.kind === 'broadcast'
      ? operandsOf(p, op)
      : undefined;
  if (args === undefined) return undefined;
  return op.kind === 'scalar' ? scalarOf(p, op, args) : args[0];
}
