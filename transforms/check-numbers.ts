/**
 * `config.debugNans` and `config.debugInfs`: every program's results are looked at. A program of one equation is named with the user's
 * line; a longer one is run once more, equation by equation, to find the first that gives such a number.
 */
import type { NDArray } from '../core/array.ts';
import { config, withConfig, type Config } from '../core/config.ts';
import { isComplex, isFloat } from '../core/dtype.ts';
import { FloatingPointError } from '../core/errors.ts';
import { decode, type HostData } from '../core/host.ts';
import type { Jaxpr } from '../core/jaxpr.ts';
import { showShape, stridesOf, type Shape } from '../core/shape.ts';
import { atFrame, currentScope, userFrame } from '../core/source.ts';
import { withEagerTrace } from '../core/trace.ts';
import { evalJaxpr } from './jaxpr-eval.ts';

/** Whether results are looked at. */
export const checksNumbers = (): boolean => config.debugNans || config.debugInfs;

/** Where, and which, the first number is that must not be. */
interface Found {
  readonly what: 'NaN' | 'Infinity';
  readonly index: number;
}

/** What is looked for: flags may have changed when values come back. */
type Wanted = Pick<Config, 'debugNans' | 'debugInfs'>;

function findBad(data: HostData, wanted: Wanted): Found | undefined {
  for (let i = 0; i < data.length; i++) {
    const x = Number(data[i]);
    if (Number.isFinite(x)) continue;
    if (Number.isNaN(x) ? wanted.debugNans : wanted.debugInfs)
      return { what: Number.isNaN(x) ? 'NaN' : 'Infinity', index: i };
  }
  return undefined;
}

const isReal = ({ dtype }: NDArray): boolean => isFloat(dtype) || isComplex(dtype);

/**
 * Look at the results of a program that ran on `args`.
 *
 * @throws FloatingPointError naming the primitive; on devices that cannot be read at once, when the results are read.
 */
export function checkNumbers(
  jaxpr: Jaxpr,
  args: readonly NDArray[],
  outs: readonly NDArray[],
): void {
  // An equation that is the whole program is named, unless it is a call that can be looked into.
  const only = jaxpr.eqns.length === 1 ? jaxpr.eqns[0] : undefined;
  const wanted: Wanted = { debugNans: config.debugNans, debugInfs: config.debugInfs };
  const frame = only?.frame ?? userFrame();
  const scope = (only?.scope ?? '') === '' ? currentScope() : (only?.scope ?? '');
  for (const out of outs) {
    if (!isReal(out) || out.size === 0) continue;
    const explain = (found: Found): FloatingPointError =>
      atFrame(frame, () => errorFor(only?.prim.name ?? 'jit', found, out, scope));
    const { device } = out;
    if (device.inspect !== undefined) {
      device.inspect(out.bufferOn(device), (bytes) => {
        const found = findBad(decode(bytes, out.dtype), wanted);
        return found === undefined ? undefined : explain(found);
      });
      continue;
    }
    const found = findBad(out.dataSync(), wanted);
    if (found === undefined) continue;
    if (only === undefined || only.prim.rules.evaluate !== undefined) runStepwise(jaxpr, args);
    throw explain(found);
  }
}

/** Run every equation as a program of its own, which throws at the first bad number. */
const runStepwise = (jaxpr: Jaxpr, args: readonly NDArray[]): unknown =>
  withEagerTrace(() => withConfig({ disableJit: true }, () => evalJaxpr(jaxpr, args)));

function errorFor(
  name: string,
  { what, index }: Found,
  out: NDArray,
  scope: string,
): FloatingPointError {
  const flag = what === 'NaN' ? 'debugNans' : 'debugInfs';
  const at =
    out.ndim === 0
      ? ''
      : ` at ${showShape(placeOf(isComplex(out.dtype) ? index >> 1 : index, out.shape))}`;
  const where = scope === '' ? '' : `, in scope ${scope}`;
  return new FloatingPointError(
    `${name}: results must have no ${what} while config.${flag} is on; got one in ${out.aval.toString()}${at}${where}. Look at the operands, with debug.print, and keep them where the operation is defined.`,
  );
}

const placeOf = (index: number, shape: Shape): number[] =>
  stridesOf(shape).map((stride, axis) => Math.floor(index / stride) % shape[axis]);
