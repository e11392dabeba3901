// jvp against central differences (first and second order, in f64), vjp against jvp, linearity of tangents.
import { describe, expect, test } from 'vitest';
import type { NDArray } from '../../core/array.ts';
import { withConfig } from '../../core/config.ts';
import { isInexact } from '../../core/dtype.ts';
import type { Tangent } from '../../core/primitive.ts';
import type { Value } from '../../core/value.ts';
import { jvpFlat } from '../../transforms/jvp.ts';
import { vjpFlat } from '../../transforms/grad.ts';
import { jit } from '../../transforms/jit.ts';
import type { Case } from '../cases/case.ts';
import { cases } from '../cases/index.ts';
import {
  argumentsOf,
  arrayOf,
  differentiable,
  directionsOf,
  expectClose,
  flatOf,
  listOf,
  numbersOf,
} from './harness.ts';

const smooth = cases.filter((c) => differentiable(c).length > 0);

/** The case as a function of its differentiable arguments only, with inexact results only. */
function floatPart(c: Case, args: readonly NDArray[]): (xs: readonly Value[]) => readonly Value[] {
  const at = differentiable(c);
  return (xs) => {
    const full: Value[] = [...args];
    at.forEach((place, i) => (full[place] = xs[i]));
    return flatOf(c)(full).filter((out) => isInexact(out.dtype));
  };
}

const pick = (c: Case, args: readonly NDArray[]): NDArray[] =>
  differentiable(c).map((i) => args[i]);

/** x + h d, element by element. */
const moved = (xs: readonly NDArray[], directions: readonly NDArray[], h: number): NDArray[] =>
  xs.map((x, i) => {
    const step = numbersOf(directions[i]);
    return arrayOf(
      numbersOf(x).map((v, k) => v + h * step[k]),
      x.shape,
      x.dtype,
    );
  });

const valuesOf = (outs: readonly Tangent[], like: readonly Value[]): number[] =>
  outs.flatMap((t, i) =>
    t === null ? Array.from({ length: like[i].size }, () => 0) : numbersOf(t),
  );

/** Central differences of a function of lists. */
function difference(
  f: (xs: readonly Value[]) => readonly number[],
  xs: readonly NDArray[],
  directions: readonly NDArray[],
  h: number,
): number[] {
  const [ahead, behind] = [f(moved(xs, directions, h)), f(moved(xs, directions, -h))];
  return ahead.map((v, i) => (v - behind[i]) / (2 * h));
}

const x64 = (body: () => void) => (): void => withConfig({ enableX64: true }, body);

describe('jvp = differences', () => {
  for (const c of smooth)
    test.skipIf(c.limits?.jvp !== undefined)(
      c.name,
      x64(() => {
        const args = argumentsOf(c, 'f64');
        const [f, xs, ds] = [floatPart(c, args), pick(c, args), directionsOf(c, 'f64', 2)];
        const [outs, tangents] = jvpFlat(f, xs, ds);
        const wanted = difference((v) => f(v).flatMap(numbersOf), xs, ds, 1e-6);
        const isCoarse = outs.some((out) => out.dtype !== 'f64');
        expectClose(
          valuesOf(tangents, outs),
          wanted,
          isCoarse
            ? { rtol: 0.2, atol: 0.2, what: c.name }
            : { rtol: 1e-5, atol: 1e-7, what: c.name },
        );
      }),
    );
});

describe('jvp of jvp = differences of jvp', () => {
  for (const c of smooth)
    test.skipIf(c.limits?.second !== undefined)(
      c.name,
      x64(() => {
        const args = argumentsOf(c, 'f64');
        const [f, xs, ds] = [floatPart(c, args), pick(c, args), directionsOf(c, 'f64', 2)];
        const es = directionsOf(c, 'f64', 3);
        const first = (v: readonly Value[]): readonly Value[] => {
          const [outs, ts] = jvpFlat(f, v, ds);
          return ts.flatMap((t, i) => (t === null ? [] : [[t, outs[i]] as const])).map(([t]) => t);
        };
        const [outs, seconds] = jvpFlat(first, xs, es);
        const wanted = difference((v) => first(v).flatMap(numbersOf), xs, es, 1e-6);
        expectClose(valuesOf(seconds, outs), wanted, { rtol: 1e-4, atol: 1e-6, what: c.name });
      }),
    );
});

describe('⟨vjp ct, t⟩ = ⟨ct, jvp t⟩', () => {
  for (const c of smooth)
    test.skipIf(c.limits?.vjp !== undefined)(
      c.name,
      x64(() => {
        const args = argumentsOf(c, 'f64');
        const [f, xs, ds] = [floatPart(c, args), pick(c, args), directionsOf(c, 'f64', 2)];
        const [outs, tangents] = jvpFlat(f, xs, ds);
        const cts = outs.map((out, i) =>
          arrayOf(
            numbersOf(out).map((_, k) => Math.cos(3 * i + k)),
            out.shape,
            out.dtype,
          ),
        );
        const { pullback } = vjpFlat(f, xs);
        const pulled = pullback(cts);
        const dot = (a: readonly number[], b: readonly number[]): number =>
          a.reduce((n, v, i) => n + v * b[i], 0);
        pulled.forEach((ct, i) => {
          if (ct !== null)
            expect(ct.aval.strong().toString(), `${c.name}: type of cotangent ${i}`).toBe(
              xs[i].aval.toString(),
            );
        });
        const left = dot(valuesOf(pulled, xs), ds.flatMap(numbersOf));
        const right = dot(cts.flatMap(numbersOf), valuesOf(tangents, outs));
        const isCoarse = outs.some((out) => out.dtype !== 'f64');
        expectClose([left], [right], {
          rtol: isCoarse ? 1e-2 : 1e-9,
          atol: isCoarse ? 1e-2 : 1e-10,
          what: c.name,
        });
      }),
    );
});

describe('vjp under jit = vjp', () => {
  for (const c of smooth)
    test.skipIf(c.limits?.vjp !== undefined)(c.name, () => {
      const args = argumentsOf(c, 'f32');
      const [f, xs] = [floatPart(c, args), pick(c, args)];
      const pull = (...vs: Value[]): Value[] => {
        const { outs, pullback } = vjpFlat(f, vs);
        return pullback(outs).filter((t): t is Value => t !== null);
      };
      const jitted = listOf(jit(pull)(...xs));
      const eager = pull(...xs);
      expect(jitted.length).toBe(eager.length);
      eager.forEach((x, i) =>
        expectClose(numbersOf(jitted[i]), numbersOf(x), { rtol: 0, atol: 0, what: c.name }),
      );
    });
});
