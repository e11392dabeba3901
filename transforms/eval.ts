/**
 * The bottom of every stack: operations on concrete arrays. An operation runs as a program of one equation, compiled once
 * per primitive, params, types, device and configuration: what an operation means is said in one place.
 */
import { NDArray } from '../core/array.ts';
import type { Device } from '../core/backend.ts';
import { configKey } from '../core/config.ts';
import { TracerLeakError } from '../core/errors.ts';
import { Jaxpr, Var } from '../core/jaxpr.ts';
import { keyOf } from '../core/key.ts';
import type { Primitive } from '../core/primitive.ts';
import { RefCell } from '../core/ref-cell.ts';
import { avalsOf, leakError, refLeakError, setBaseTrace, Trace, Tracer } from '../core/trace.ts';
import type { Value } from '../core/value.ts';
import { lowerJaxpr } from '../lowering/from-jaxpr.ts';
import { BoundedMap, onClearCaches } from './caches.ts';
import { checkSupported, deviceOf, runProgram, type Program } from './executables.ts';
import { bindOnContents, takesRefs, withoutState } from './state.ts';

const programs = new BoundedMap<Program>(4096, 1 << 24);
onClearCaches(() => programs.clear());

/** Computes on concrete arrays. */
export class EvalTrace extends Trace {
  readonly name = 'eval';

  process<P>(prim: Primitive<P>, args: readonly Value[], params: P): readonly Value[] {
    const own = prim.rules.onContents?.(args, params, undefined);
    if (own !== undefined) return own;
    for (const x of args)
      if (!(x instanceof NDArray || isOwnRef(x))) throw strayError(prim.name, x);
    if (takesRefs(prim, args)) return bindOnContents(prim, args, params);
    const evaluated = prim.rules.evaluate?.(args, params);
    if (evaluated !== undefined) return evaluated;
    if (args.some((x) => x.dtype === 'float0')) {
      const outs = prim.rules.abstractEval(avalsOf(args), params);
      // Where values without information are moved, there is nothing to compute.
      if (outs.length > 0 && outs.every((out) => out.dtype === 'float0'))
        return outs.map((out) => NDArray.float0(out.shape));
    }
    const device = deviceOf(args);
    let key = `${prim.name} ${device.kind}:${device.id} ${configKey()} ${keyOf(params)}`;
    for (const x of args) key += ` ${x.aval.key}`;
    let program = programs.get(key);
    if (program === undefined || program.device !== device) {
      program = compileOne(prim, args, params, device);
      programs.set(key, program);
    }
    return runProgram(program, args);
  }
}

function compileOne<P>(
  prim: Primitive<P>,
  args: readonly Value[],
  params: P,
  device: Device,
): Program {
  const outAvals = prim.rules.abstractEval(avalsOf(args), params);
  checkSupported(prim.name, device, [...avalsOf(args), ...outAvals]);
  const invars = args.map((x) => new Var(x.aval));
  const outputs = outAvals.map((aval) => new Var(aval));
  const jaxpr = new Jaxpr({
    invars,
    eqns: [{ prim: prim as Primitive, inputs: invars, params, outputs }],
    outvars: outputs,
  });
  const { module, kept } = lowerJaxpr(
    prim.name.replaceAll('-', '_'),
    withoutState(jaxpr).jaxpr,
    {},
  );
  return { module, executable: device.compile(module), device, kept, outAvals, jaxpr };
}

const isOwnRef = (x: Value): boolean => x instanceof RefCell && x.owner === undefined;

/** The error for a tracer that reached the bottom of the stack. */
function strayError(op: string, x: Value): TracerLeakError {
  if (x instanceof RefCell) return refLeakError(op, x);
  if (!(x instanceof Tracer) || x.trace.finished) return leakError(op, x as Tracer);
  return new TracerLeakError(
    `${op}: a traced value was used outside the transformation that it belongs to; got ${x.toString()}. ` +
      'A function with a custom derivative rule, and whatever runs eagerly, must get it as an argument instead of capturing it.',
  );
}

setBaseTrace(new EvalTrace());
