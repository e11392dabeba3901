// The law of engines: a device computes what the interpreter computes, for every case and its gradient, as one jitted program.
// A function of the device; each engine has a test file of its own.
import { expect, test } from 'vitest';
import type { Device } from '../../core/backend.ts';
import { isInexact } from '../../core/dtype.ts';
import { decode, encode } from '../../core/host.ts';
import type { Value } from '../../core/value.ts';
import { lowerJaxpr } from '../../lowering/from-jaxpr.ts';
import type { HloModule } from '../../lowering/hlo/ir.ts';
import { vjpFlat } from '../../transforms/grad.ts';
import { traceToJaxpr, type FlatFunction } from '../../transforms/stage.ts';
import { InterpreterDevice } from '../../backends/interpreter/device.ts';
import type { Case } from '../cases/case.ts';
import { cases } from '../cases/index.ts';
import { argumentsOf, differentiable, expectClose, flatOf, numbersOf } from './harness.ts';

const oracle = new InterpreterDevice();

interface Program {
  readonly name: string;
  readonly c: Case;
  readonly f: FlatFunction;
}

/** The gradient of a case by its float arguments, weighted by its own results. */
const gradientOf =
  (c: Case): FlatFunction =>
  (xs) => {
    const at = differentiable(c);
    const inner = (vs: readonly Value[]): readonly Value[] =>
      flatOf(c)(xs.map((x, i) => (at.includes(i) ? vs[at.indexOf(i)] : x))).filter((out) =>
        isInexact(out.dtype),
      );
    const { outs, pullback } = vjpFlat(
      inner,
      at.map((i) => xs[i]),
    );
    return pullback(outs).filter((t): t is Value => t !== null);
  };

const programs: readonly Program[] = cases.flatMap((c) => [
  { name: c.name, c, f: flatOf(c) },
  ...(differentiable(c).length > 0 ? [{ name: `gradient of ${c.name}`, c, f: gradientOf(c) }] : []),
]);

/** Run on a device: values as numbers. */
async function run(
  device: Device,
  module: HloModule,
  inputs: readonly Uint8Array[],
): Promise<number[][]> {
  const executable = device.compile(module);
  const outs = executable.run(inputs.map((bytes) => device.upload(bytes)));
  const { results } = module.functions[0].body;
  const read: number[][] = [];
  for (const [i, buffer] of outs.entries())
    read.push(Array.from(decode(await device.read(buffer), results[i].type.dtype), Number));
  executable.dispose();
  return read;
}

/** Make the tests of one device; `tolerance` is relative and absolute, for floats. */
export function engineLaws(
  device: () => Device,
  {
    rtol,
    atol,
    skip = {},
  }: {
    readonly rtol: number;
    readonly atol: number;
    readonly skip?: Readonly<Record<string, string>>;
  },
): void {
  for (const { name, c, f } of programs)
    test.skipIf(c.name in skip)(name, async () => {
      const args = argumentsOf(c, 'f32');
      const { module, kept } = lowerJaxpr(
        'law',
        traceToJaxpr(
          f,
          args.map((x) => x.aval),
        ),
        {},
      );
      const inputs = kept.map((i) => encode(numbersOf(args[i]), args[i].dtype));
      const wanted = await run(oracle, module, inputs);
      const got = await run(device(), module, inputs);
      expect(got.length).toBe(wanted.length);
      wanted.forEach((values, i) => {
        const isFloat = isInexact(module.functions[0].body.results[i].type.dtype);
        expectClose(got[i], values, {
          rtol: isFloat ? rtol : 0,
          atol: isFloat ? atol : 0,
          what: name,
        });
      });
    });
}
