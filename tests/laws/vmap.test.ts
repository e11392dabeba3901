// vmap = a loop over lanes, for every choice of batched arguments and several places of the batch axis; the same for derivatives.
import { describe, expect, test } from 'vitest';
import type { NDArray } from '../../core/array.ts';
import { withConfig } from '../../core/config.ts';
import type { Value } from '../../core/value.ts';
import { batchFlat } from '../../transforms/vmap-trace.ts';
import { vjpFlat } from '../../transforms/grad.ts';
import { batchTo } from '../../lax/structure.ts';
import { isInexact } from '../../core/dtype.ts';
import { cases } from '../cases/index.ts';
import type { Case } from '../cases/case.ts';
import { argumentsOf, expectClose, flatOf, numbersOf, stack } from './harness.ts';

const lanes = 3;

/** Which arguments are batched: all, and each alone. */
function masks(count: number): boolean[][] {
  const one = Array.from({ length: count }, (_, i) =>
    Array.from({ length: count }, (_, k) => i === k),
  );
  return count === 1 ? one : [Array.from({ length: count }, () => true), ...one];
}

/** Compare the batched function with a loop. */
function check(
  c: Case,
  f: (xs: readonly Value[]) => readonly Value[],
  mask: readonly boolean[],
  place: 'first' | 'last',
): void {
  const perLane = Array.from({ length: lanes }, (_, lane) => argumentsOf(c, 'f64', 10 + lane));
  const dims = mask.map((on, i) => (on ? (place === 'first' ? 0 : c.args[i].shape.length) : null));
  const args = mask.map((on, i) => {
    const d = dims[i];
    return on && d !== null
      ? stack(
          perLane.map((xs) => xs[i]),
          d,
        )
      : perLane[0][i];
  });
  const [outs, outDims] = batchFlat(f, { size: lanes, name: undefined }, args, dims);
  const front = outs.map((out, i) => batchTo(out, outDims[i], 0, lanes));
  const loop = perLane.map((xs) => f(xs.map((x, i) => (mask[i] ? x : perLane[0][i]))));
  front.forEach((out, i) => {
    const wanted = stack(
      loop.map((results) => results[i] as NDArray),
      0,
    );
    expect(out.aval.toString()).toBe(wanted.aval.toString());
    const what = `${c.name}, batched ${mask.map(Number).join('')} at ${place}`;
    expectClose(numbersOf(out), numbersOf(wanted), { rtol: 1e-12, atol: 1e-13, what });
  });
}

describe('vmap = loop', () => {
  for (const c of cases)
    test.skipIf(c.limits?.vmap !== undefined)(c.name, () =>
      withConfig({ enableX64: true }, () => {
        for (const mask of masks(c.args.length))
          for (const place of ['first', 'last'] as const) check(c, flatOf(c), mask, place);
      }),
    );
});

describe('vmap of vjp = loop of vjp', () => {
  for (const c of cases.filter((one) => one.args.some((a) => a.dtype === 'float')))
    test.skipIf((c.limits?.vmap ?? c.limits?.vjp) !== undefined)(c.name, () =>
      withConfig({ enableX64: true }, () => {
        const floats = c.args.map((a) => a.dtype === 'float');
        const pull = (xs: readonly Value[]): readonly Value[] => {
          const inner = (vs: readonly Value[]): readonly Value[] => {
            let next = 0;
            return flatOf(c)(xs.map((x, i) => (floats[i] ? vs[next++] : x))).filter((out) =>
              isInexact(out.dtype),
            );
          };
          const { outs, pullback } = vjpFlat(
            inner,
            xs.filter((_, i) => floats[i]),
          );
          return pullback(outs).filter((t): t is Value => t !== null);
        };
        for (const mask of masks(c.args.length)) check(c, pull, mask, 'first');
      }),
    );
});
