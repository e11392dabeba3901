/**
 * What programs cost, counted and not measured: arithmetic of StableHLO modules, memory traffic of modules and schedules. The counts of
 * single ops are those of XLA's cost analysis; loops count as often as they run where that is known, which XLA's do not.
 */
import { dtypeInfo } from '../core/dtype.ts';
import { sizeOf } from '../core/shape.ts';
import type { ProgramMeasures } from '../core/backend.ts';
import type { Schedule, Step } from './fuse/ir.ts';
import { tripsOf } from './fuse/trips.ts';
import type { HloFunction, HloModule, HloOp, HloValue, Region, TensorType } from './hlo/ir.ts';
import type { CompareFn, ScalarFn } from './scalar.ts';

/** Arithmetic and memory traffic of a program. */
export interface ModuleCost {
  /** Additions, multiplications, comparisons and the like; a multiply-add counts twice. */
  readonly flops: number;
  /** Evaluations of sin, exp, sqrt and other functions that take many operations. */
  readonly transcendentals: number;
  /** Bytes that ops read and write when each is run by itself. */
  readonly bytesAccessed: number;
  /** Loops whose number of iterations is not known; their bodies count once. */
  readonly unknownLoops: number;
}

const nothing: ModuleCost = { flops: 0, transcendentals: 0, bytesAccessed: 0, unknownLoops: 0 };

const plus = (a: ModuleCost, b: ModuleCost): ModuleCost => ({
  flops: a.flops + b.flops,
  transcendentals: a.transcendentals + b.transcendentals,
  bytesAccessed: a.bytesAccessed + b.bytesAccessed,
  unknownLoops: a.unknownLoops + b.unknownLoops,
});

/** The cost of running something several times; it stays the same loops. */
const times = (
  n: number,
  { flops, transcendentals, bytesAccessed, unknownLoops }: ModuleCost,
): ModuleCost => ({
  flops: n * flops,
  transcendentals: n * transcendentals,
  bytesAccessed: n * bytesAccessed,
  unknownLoops,
});

/** Whether one evaluation takes many operations. */
const isTranscendental: Readonly<Record<Exclude<ScalarFn, CompareFn>, boolean>> = {
  neg: false,
  abs: false,
  sign: false,
  floor: false,
  ceil: false,
  trunc: false,
  roundNearestAfz: false,
  roundNearestEven: false,
  exp: true,
  exp2: true,
  expm1: true,
  log: true,
  log2: true,
  log1p: true,
  sin: true,
  cos: true,
  tan: true,
  asin: true,
  acos: true,
  atan: true,
  sinh: true,
  cosh: true,
  tanh: true,
  asinh: true,
  acosh: true,
  atanh: true,
  sqrt: true,
  rsqrt: true,
  cbrt: true,
  logistic: true,
  erf: true,
  erfc: true,
  erfInv: true,
  not: false,
  popcnt: false,
  clz: false,
  isFinite: false,
  add: false,
  sub: false,
  mul: false,
  div: false,
  rem: false,
  pow: true,
  atan2: true,
  max: false,
  min: false,
  nextAfter: false,
  and: false,
  or: false,
  xor: false,
  shiftLeft: false,
  shiftRightLogical: false,
  shiftRightArithmetic: false,
  fma: false,
  clamp: false,
};

const bytesOf = ({ shape, dtype }: TensorType): number =>
  sizeOf(shape) * dtypeInfo[dtype].byteLength;
const sum = (xs: readonly number[]): number => xs.reduce((a, b) => a + b, 0);
const elements = (value: HloValue): number => sizeOf(value.type.shape);
const product = (xs: readonly number[]): number => xs.reduce((a, b) => a * b, 1);

/** Counts the functions of one module, each once. */
class Counter {
  readonly #functions: ReadonlyMap<string, HloFunction>;
  readonly #known = new Map<string, ModuleCost>();

  constructor(module: HloModule) {
    this.#functions = new Map(module.functions.map((fn) => [fn.name, fn]));
  }

  /** The cost of calling a function. */
  callee(name: string): ModuleCost {
    const known = this.#known.get(name);
    if (known !== undefined) return known;
    // A function that calls itself, which programs cannot, costs nothing more.
    this.#known.set(name, nothing);
    const fn = this.#functions.get(name);
    const cost = fn === undefined ? nothing : this.region(fn.body);
    this.#known.set(name, cost);
    return cost;
  }

  /** The cost of running a block once. */
  region(region: Region): ModuleCost {
    return region.ops.reduce((total, op) => plus(total, this.#op(op)), nothing);
  }

  #op(op: HloOp): ModuleCost {
    switch (op.kind) {
      case 'call':
        return this.callee(op.attrs.callee);
      case 'composite':
        return this.callee(op.attrs.decomposition);
      case 'while':
        return this.#loop(op);
      case 'case':
        return op.regions
          .map((branch) => this.region(branch))
          .reduce((a, b) => (a.flops + a.bytesAccessed >= b.flops + b.bytesAccessed ? a : b));
      default: {
        const { flops, transcendentals } = this.#arithmetic(op);
        const moved = [...op.operands, ...op.results].map(({ type }) => bytesOf(type));
        const bytesAccessed = op.kind === 'constant' ? 0 : sum(moved);
        return { flops, transcendentals, bytesAccessed, unknownLoops: 0 };
      }
    }
  }

  #loop(op: HloOp<'while'>): ModuleCost {
    const trips = tripsOf(op);
    const [cond, body] = op.regions.map((region) => this.region(region));
    if (trips === undefined) return plus(plus(cond, body), { ...nothing, unknownLoops: 1 });
    return plus(times(trips + 1, cond), times(trips, body));
  }

  /** Flops and transcendentals of an op that computes by itself. */
  #arithmetic(op: HloOp): Pick<ModuleCost, 'flops' | 'transcendentals'> {
    const size = op.results.length === 0 ? 0 : elements(op.results[0]);
    const flat = (flops: number): Pick<ModuleCost, 'flops' | 'transcendentals'> => ({
      flops,
      transcendentals: 0,
    });
    const each = (n: number): ModuleCost =>
      times(n, this.region(op.regions[op.regions.length - 1]));
    switch (op.kind) {
      case 'scalar':
        return isTranscendental[op.attrs.fn]
          ? { flops: 0, transcendentals: size }
          : flat(op.attrs.fn === 'fma' ? 2 * size : size);
      case 'compare':
      case 'select':
      case 'convert':
      case 'reduce_precision':
        return flat(size);
      case 'dot_general': {
        const { shape } = op.operands[0].type;
        return flat(2 * size * product(op.attrs.dims.lhsContract.map((axis) => shape[axis])));
      }
      case 'reduce':
        return each(elements(op.operands[0]) - size);
      case 'reduce_window':
        return each(size * (product(op.attrs.window.dimensions) - 1));
      case 'select_and_scatter':
        return each(elements(op.operands[1]) * product(op.attrs.window.dimensions));
      case 'scatter':
        return each(elements(op.operands[op.operands.length - 1]));
      case 'sort':
        return flat(size * Math.ceil(Math.log2(Math.max(2, size))));
      case 'rng_bit_generator':
        return flat(elements(op.results[1]));
      default:
        return flat(0);
    }
  }
}

/** Count the cost of a module, from its ops as they stand: nothing is fused or simplified. */
export const moduleCost = (module: HloModule): ModuleCost =>
  new Counter(module).callee(module.functions[0].name);

/** Traffic of the steps of a schedule. */
interface Traffic {
  readonly bytesAccessed: number;
  readonly kernelCalls: number;
  readonly unknownLoops: number;
}

const still: Traffic = { bytesAccessed: 0, kernelCalls: 0, unknownLoops: 0 };

const join = (a: Traffic, b: Traffic): Traffic => ({
  bytesAccessed: a.bytesAccessed + b.bytesAccessed,
  kernelCalls: a.kernelCalls + b.kernelCalls,
  unknownLoops: a.unknownLoops + b.unknownLoops,
});

const repeat = (n: number, { bytesAccessed, kernelCalls, unknownLoops }: Traffic): Traffic => ({
  bytesAccessed: n * bytesAccessed,
  kernelCalls: n * kernelCalls,
  unknownLoops,
});

function traffic(steps: readonly Step[], { buffers }: Schedule): Traffic {
  const of = (inner: readonly Step[]): Traffic =>
    inner.reduce((total, step) => join(total, one(step)), still);
  const one = (step: Step): Traffic => {
    if (step.kind === 'kernel') {
      const moved = step.kernel.operands.map(
        (operand) => (operand.access === 'readwrite' ? 2 : 1) * bytesOf(operand),
      );
      return { bytesAccessed: sum(moved), kernelCalls: 1, unknownLoops: 0 };
    }
    if (step.kind === 'copy') return { ...still, bytesAccessed: 2 * buffers[step.from].byteLength };
    if (step.kind === 'while') {
      if (step.trips !== undefined) return repeat(step.trips, of(step.body));
      return join({ ...still, unknownLoops: 1 }, of([...step.cond, ...step.body]));
    }
    if (step.kind === 'case')
      return step.branches.map(of).reduce((a, b) => (a.bytesAccessed >= b.bytesAccessed ? a : b));
    return still;
  };
  return of(steps);
}

/**
 * What a schedule holds and moves. Kernels count every operand once and whole; `aliasBytes` is what the device lets results take
 * from donated arguments.
 */
export function measureSchedule(schedule: Schedule, aliasBytes = 0): ProgramMeasures {
  const { buffers, outputs, inputs, constants } = schedule;
  const slots = new Map<number, number>();
  let ownBytes = 0;
  for (const { role, slot, byteLength } of buffers) {
    if (role !== 'temporary') continue;
    if (slot === undefined) ownBytes += byteLength;
    else slots.set(slot, Math.max(slots.get(slot) ?? 0, byteLength));
  }
  const unchanged = outputs.filter((id) => buffers[id].role === 'input');
  return {
    ...traffic(schedule.steps, schedule),
    argumentBytes: sum(inputs.map((id) => (id === undefined ? 0 : buffers[id].byteLength))),
    outputBytes: sum(outputs.map((id) => buffers[id].byteLength)),
    temporaryBytes: ownBytes + sum([...slots.values()]),
    constantBytes: sum(constants.map((bytes) => bytes.byteLength)),
    aliasBytes: aliasBytes + sum(unchanged.map((id) => buffers[id].byteLength)),
  };
}

/** What a module holds and moves when its ops are run one by one. */
export function measureModule(module: HloModule): ProgramMeasures {
  const { args, results } = module.functions[0].body;
  const { bytesAccessed, unknownLoops } = moduleCost(module);
  return {
    bytesAccessed,
    unknownLoops,
    kernelCalls: 0,
    argumentBytes: sum(args.map(({ type }) => bytesOf(type))),
    outputBytes: sum(results.map(({ type }) => bytesOf(type))),
    temporaryBytes: 0,
    constantBytes: 0,
    aliasBytes: 0,
  };
}
