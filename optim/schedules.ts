/** Learning rates that depend on the number of steps made. */
import { ArgumentError } from '../core/errors.ts';
import type { Value } from '../core/value.ts';
import { add, div, min, mul } from '../lax/arithmetic.ts';
import { convertElementType } from '../lax/convert.ts';
import { lt, select } from '../lax/comparison.ts';
import { cos } from '../lax/transcendental.ts';
import type { Schedule } from './transformation.ts';

function checkSteps(op: string, steps: number): void {
  if (!(Number.isFinite(steps) && steps > 0))
    throw new ArgumentError(`${op}: the number of steps must be positive; got ${steps}.`);
}

const progress = (count: Value, steps: number): Value =>
  min(div(convertElementType(count, 'f32'), steps), 1);

/** The same rate always. */
export const constantSchedule =
  (value: number): Schedule =>
  () =>
    value;

/** From one rate to another along a line. @throws ArgumentError when the number of steps is not positive. */
export function linearSchedule(from: number, to: number, steps: number): Schedule {
  checkSteps('linearSchedule', steps);
  return (count) => add(mul(progress(count, steps), to - from), from);
}

/** From a rate down to `alpha` times it along half a cosine. @throws ArgumentError when the number of steps is not positive. */
export function cosineDecaySchedule(value: number, steps: number, alpha = 0): Schedule {
  checkSteps('cosineDecaySchedule', steps);
  return (count) => {
    const falling = mul(add(cos(mul(progress(count, steps), Math.PI)), 1), 0.5);
    return mul(add(mul(falling, 1 - alpha), alpha), value);
  };
}

/** Rise along a line for `warmup` steps, then follow a cosine down to zero at `steps`. @throws ArgumentError when the counts are not positive. */
export function warmupCosineDecaySchedule(peak: number, warmup: number, steps: number): Schedule {
  checkSteps('warmupCosineDecaySchedule', warmup);
  checkSteps('warmupCosineDecaySchedule', steps - warmup);
  const rise = linearSchedule(0, peak, warmup);
  const fall = cosineDecaySchedule(peak, steps - warmup);
  return (count) => select(lt(count, warmup), rise(count), fall(add(count, -warmup)));
}
