/**
 * Regions over rank-0 values (the bodies of reduce, sort, scatter, windows), as functions of elements: compiled once to a list of closures
 * over a register file, because they run once per element. A region with any other op runs in the general interpreter.
 */
import type { Element } from '../scalar-meaning.ts';
import { conversion, meaning } from '../scalar-meaning.ts';
import { bitcastElements, elementReader } from '../scalar-array.ts';
import { constantElements } from './constant.ts';
import { reducePrecisionOf, totalOrder } from './interpret-elementwise.ts';
import { filled, type HostTensor } from './interpret-shape.ts';
import type { HloOp, HloValue, Region } from './ir.ts';

/** A region as a function of elements. */
export type ElementRegion = (args: readonly Element[]) => readonly Element[];
/** Runs any region on tensors. */
export type RegionRunner = (region: Region, args: readonly HostTensor[]) => readonly HostTensor[];

type Registers = Element[];
type StepFn = (r: Registers) => void;

/** Compile a region over rank-0 values; `lookup` gives captured values, `run` runs what cannot be compiled. */
export function elementRegion(
  region: Region,
  lookup: (value: HloValue) => HostTensor,
  run: RegionRunner,
): ElementRegion {
  const slots = new Map<HloValue, number>();
  const registers: Registers = [];
  const define = (value: HloValue): number => {
    slots.set(value, registers.length);
    return registers.push(0) - 1;
  };
  for (const arg of region.args) define(arg);
  const slotOf = (value: HloValue): number => {
    const known = slots.get(value);
    if (known !== undefined) return known;
    const slot = define(value);
    const captured = lookup(value);
    registers[slot] = elementReader(captured.data, captured.type.dtype)(0);
    return slot;
  };
  const steps: StepFn[] = [];
  for (const op of region.ops) {
    const isScalar = [...op.operands, ...op.results].every((v) => v.type.shape.length === 0);
    const step = isScalar
      ? compile(op, op.operands.map(slotOf), op.results.map(define))
      : undefined;
    if (step === undefined) return generalRegion(region, run);
    steps.push(step);
  }
  const results = region.results.map(slotOf);
  const count = region.args.length;
  return (args) => {
    for (let i = 0; i < count; i++) registers[i] = args[i];
    for (const step of steps) step(registers);
    return results.map((slot) => registers[slot]);
  };
}

function generalRegion(region: Region, run: RegionRunner): ElementRegion {
  return (args) => {
    const results = run(
      region,
      region.args.map((arg, i) => filled(arg.type, args[i])),
    );
    return results.map((t) => elementReader(t.data, t.type.dtype)(0));
  };
}

/** One op as a step over registers, or undefined when it needs the general interpreter. */
function compile(
  op: HloOp,
  [a, b, c]: readonly number[],
  [out]: readonly number[],
): StepFn | undefined {
  const from = op.operands[0]?.type.dtype;
  switch (op.kind) {
    case 'constant': {
      const value = scalarConstant(op);
      return (r) => (r[out] = value);
    }
    case 'scalar':
      return scalarStep(meaning(op.attrs.fn, from), out, [a, b, c]);
    case 'compare':
      if (op.attrs.kind === 'TOTALORDER') {
        const order = totalOrder(op.attrs.direction, from);
        return (r) => (r[out] = order(r[a], r[b]));
      }
      return scalarStep(meaning(op.attrs.direction, from), out, [a, b, c]);
    case 'select':
      return (r) => (r[out] = r[a] === 0 ? r[c] : r[b]);
    case 'convert':
      return unaryStep(conversion(from, op.results[0].type.dtype), out, a);
    case 'reduce_precision':
      return unaryStep(
        reducePrecisionOf(op.attrs.exponentBits, op.attrs.mantissaBits, from),
        out,
        a,
      );
    case 'reshape':
    case 'transpose':
    case 'broadcast_in_dim':
      return (r) => (r[out] = r[a]);
    case 'bitcast_convert': {
      const to = op.results[0].type.dtype;
      return unaryStep(
        (x) =>
          elementReader(
            bitcastElements(filled({ shape: [], dtype: from }, x).data, from, to),
            to,
          )(0),
        out,
        a,
      );
    }
    case 'complex':
      return (r) => (r[out] = [Number(r[a]), Number(r[b])]);
    case 'real':
    case 'imag': {
      const part = op.kind === 'real' ? 0 : 1;
      return (r) => (r[out] = partOf(r[a], part));
    }
    default:
      return undefined;
  }
}

const unaryStep =
  (f: (x: Element) => Element, out: number, a: number): StepFn =>
  (r) => {
    r[out] = f(r[a]);
  };

const scalarStep =
  (
    f: (x: Element, y: Element, z: Element) => Element,
    out: number,
    [a, b = a, c = a]: readonly number[],
  ): StepFn =>
  (r) => {
    r[out] = f(r[a], r[b], r[c]);
  };

const partOf = (x: Element, part: 0 | 1): Element =>
  typeof x === 'object' ? x[part] : part === 0 ? x : 0;

function scalarConstant(op: HloOp<'constant'>): Element {
  const { dtype } = op.results[0].type;
  const entries = constantElements(op.attrs.value, dtype, 1);
  const [re, im] = [entries[0], entries[1]];
  return dtype === 'complex64' || dtype === 'complex128' ? [Number(re), Number(im)] : re;
}
