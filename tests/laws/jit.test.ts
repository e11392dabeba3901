// jit ≡ eager, bit for bit on the interpreter; results have the types that abstractEval says; jaxprs pass the checker.
import { describe, expect, test } from 'vitest';
import { checkJaxpr } from '../../core/jaxpr-check.ts';
import { jit, makeJaxpr } from '../../transforms/jit.ts';
import { cases } from '../cases/index.ts';
import { argumentsOf, bitsOf, expectClose, flatOf, listOf, numbersOf } from './harness.ts';

describe('jit ≡ eager', () => {
  for (const c of cases)
    test.skipIf(c.limits?.jit !== undefined)(c.name, () => {
      const args = argumentsOf(c, 'f32');
      const eager = listOf(c.f(...args));
      const jaxpr = makeJaxpr((...xs) => [...flatOf(c)(xs)])(...args);
      checkJaxpr(jaxpr);
      expect(jaxpr.outAvals.map((a) => a.toString())).toEqual(eager.map((x) => x.aval.toString()));
      const jitted = jit((...xs) => [...flatOf(c)(xs)])(...args) as unknown as typeof eager;
      eager.forEach((x, i) => expect(bitsOf(jitted[i])).toBe(bitsOf(x)));
    });
});

describe('operations mean what JavaScript says', () => {
  for (const c of cases.filter((one) => one.meaning !== undefined))
    test(c.name, () => {
      const args = argumentsOf(c, 'f32', 7);
      const [out] = listOf(c.f(...args));
      const columns = args.map(numbersOf);
      const wanted = numbersOf(out).map(
        (_, i) => c.meaning?.(...columns.map((v) => (v.length === 1 ? v[0] : v[i]))) ?? 0,
      );
      expectClose(numbersOf(out), wanted, { rtol: c.rtol ?? 1e-6, atol: 2e-7, what: c.name });
    });
});
