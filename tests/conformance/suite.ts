// The conformance suite as a function of a device: every case of tests/cases, eager and jitted, on the device and on the interpreter.
import { describe, expect, test } from 'vitest';
import type { NDArray } from '../../core/array.ts';
import { registerDevice, setDefaultDevice, type Device } from '../../core/backend.ts';
import { isFloat } from '../../core/dtype.ts';
import type { Value } from '../../core/value.ts';
import { jit } from '../../transforms/jit.ts';
import { InterpreterDevice } from '../../backends/interpreter/device.ts';
import '../../core/jaxpr-print.ts';
import '../../transforms/eval.ts';
import { randomFrom, type Case } from '../cases/case.ts';
import { cases } from '../cases/index.ts';
import { arrayOf, dtypeOf, listOf } from '../laws/harness.ts';
import { programs } from './programs.ts';

/** The device that says what is right. */
export const oracle: InterpreterDevice = new InterpreterDevice();

/** Runs a body with a device as the default. */
export function on<T>(device: Device, body: () => T): T {
  setDefaultDevice(device);
  try {
    return body();
  } finally {
    setDefaultDevice(oracle);
  }
}

/** The elements of a result. */
const elements = async (x: Value): Promise<number[]> =>
  Array.from(await (x as NDArray).data(), Number);

/** Says that two results agree: exactly for integers and truth values, within `rtol` for floats; NaN equals NaN. */
export async function expectSame(actual: Value, wanted: Value, rtol: number): Promise<void> {
  expect(actual.aval.toString()).toBe(wanted.aval.toString());
  const [a, b] = [await elements(actual), await elements(wanted)];
  const scale = Math.max(...b.map((v) => (Number.isFinite(v) ? Math.abs(v) : 0)), 1e-30);
  const tolerance = isFloat(actual.dtype) ? rtol : 0;
  const bad = a.findIndex(
    (v, i) =>
      !(
        Object.is(v, b[i]) ||
        v === b[i] ||
        Math.abs(v - b[i]) <= tolerance * (Math.abs(b[i]) + 0.1 * scale)
      ),
  );
  if (bad >= 0)
    expect.fail(
      `element ${bad} is ${a[bad]}, wanted ${b[bad]}\n  got    ${a.slice(0, 20).join(' ')}\n  wanted ${b.slice(0, 20).join(' ')}`,
    );
}

/** The arguments of a case on a device; f32 where it says float. */
const argumentsOn = (c: Case): NDArray[] => {
  const random = randomFrom(11);
  return c.args.map((spec) => arrayOf(spec.values(random), spec.shape, dtypeOf(spec, 'f32')));
};

/** Run the suite. `skips`: names of cases that the device is known not to run, with the reason. */
export function conformance(
  device: Device,
  { rtol, skips = {} }: { rtol: number; skips?: Readonly<Record<string, string>> },
): void {
  registerDevice(oracle);
  registerDevice(device);
  setDefaultDevice(oracle);
  describe(`cases on ${device.description}`, () => {
    for (const c of cases)
      test.skipIf(c.name in skips)(c.name, async () => {
        const wanted = on(oracle, () => listOf(c.f(...argumentsOn(c))));
        const eager = on(device, () => listOf(c.f(...argumentsOn(c))));
        for (const [i, x] of eager.entries()) await expectSame(x, wanted[i], rtol);
        const f = jit((...xs: Value[]) => [...listOf(c.f(...xs))]);
        const jitted = on(device, () => f(...argumentsOn(c))) as unknown as readonly Value[];
        for (const [i, x] of jitted.entries()) await expectSame(x, wanted[i], rtol);
      });
  });
  describe(`programs on ${device.description}`, () => {
    for (const p of programs)
      test.skipIf(p.name in skips)(p.name, async () => {
        const f = jit((...xs: Value[]) => [...listOf(p.f(...xs))]);
        const [wanted, actual] = [oracle, device].map(
          (one) => on(one, () => f(...p.args())) as unknown as readonly Value[],
        );
        for (const [i, x] of actual.entries()) await expectSame(x, wanted[i], p.rtol ?? rtol);
        // Once more, with everything compiled and memory in use.
        const again = on(device, () => f(...p.args())) as unknown as readonly Value[];
        for (const [i, x] of again.entries()) await expectSame(x, actual[i], 0);
      });
  });
}
