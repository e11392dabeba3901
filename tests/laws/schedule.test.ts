// The fuser keeps the meaning: schedules of tile kernels, run by the tile interpreter, against StableHLO run by its own, for every case
// and its gradient, fused for both kinds of target.
import { describe, expect, test } from 'vitest';
import { isInexact } from '../../core/dtype.ts';
import { encode } from '../../core/host.ts';
import type { Value } from '../../core/value.ts';
import { compileModule } from '../../lowering/compile.ts';
import type { Target } from '../../lowering/fuse/ir.ts';
import { interpretModule } from '../../lowering/hlo/interpret.ts';
import { elementsFromBytes } from '../../lowering/scalar-array.ts';
import { runSchedule } from '../../backends/interpreter/schedule.ts';
import { lowerJaxpr } from '../../lowering/from-jaxpr.ts';
import { traceToJaxpr, type FlatFunction } from '../../transforms/stage.ts';
import { vjpFlat } from '../../transforms/grad.ts';
import type { Case } from '../cases/case.ts';
import { cases } from '../cases/index.ts';
import { argumentsOf, differentiable, expectClose, flatOf, numbersOf } from './harness.ts';

const targets: Readonly<Record<string, Target>> = {
  cpu: {
    kind: 'wasm',
    maxOperands: 24,
    parallelism: 2,
    subgroupSize: 1,
    fallback: false,
    workgroupBytes: Infinity,
    exact: true,
  },
  gpu: {
    kind: 'webgpu',
    maxOperands: 8,
    parallelism: 16,
    subgroupSize: 4,
    fallback: true,
    workgroupBytes: 16384,
    exact: false,
  },
};

/** Lower a function, fuse it, and compare both interpreters. */
function check(c: Case, f: FlatFunction): void {
  const args = argumentsOf(c, 'f32');
  const { module, kept } = lowerJaxpr(
    'law',
    traceToJaxpr(
      f,
      args.map((x) => x.aval),
    ),
    {},
  );
  const inputs = kept.map((i) => args[i]);
  const bytes = inputs.map((x) => encode(numbersOf(x), x.dtype));
  const tensors = inputs.map(({ shape, dtype }, i) => ({
    type: { shape, dtype },
    data: elementsFromBytes(bytes[i], dtype),
  }));
  const wanted = interpretModule(module, tensors);
  for (const [name, target] of Object.entries(targets)) {
    const outputs = runSchedule(
      compileModule(module, target),
      bytes.map((b) => b.slice()),
    );
    expect(outputs.length).toBe(wanted.length);
    wanted.forEach(({ type, data }, i) => {
      const got = elementsFromBytes(outputs[i], type.dtype);
      const exact = isInexact(type.dtype) ? { rtol: 2e-6, atol: 1e-6 } : { rtol: 0, atol: 0 };
      expectClose(
        Array.from(got as ArrayLike<number>, Number),
        Array.from(data as ArrayLike<number>, Number),
        { ...exact, what: `${c.name} on ${name}` },
      );
    });
  }
}

describe('fused = StableHLO', () => {
  for (const c of cases) test(c.name, () => check(c, flatOf(c)));
});

describe('fused = StableHLO, for gradients', () => {
  for (const c of cases.filter((one) => differentiable(one).length > 0))
    test(c.name, () => {
      const at = differentiable(c);
      check(c, (xs) => {
        const inner = (vs: readonly Value[]): readonly Value[] =>
          flatOf(c)(xs.map((x, i) => (at.includes(i) ? vs[at.indexOf(i)] : x))).filter((out) =>
            isInexact(out.dtype),
          );
        const { outs, pullback } = vjpFlat(
          inner,
          at.map((i) => xs[i]),
        );
        return pullback(outs).filter((t): t is Value => t !== null);
      });
    });
});
