/**
 * Runs StableHLO on host memory, slowly and exactly: the oracle for every backend. What an op means is said here and in the
 * `interpret-*` files beside it. Iterative over ops; nesting recurses only as deep as regions and calls nest.
 */
import { LoweringError, ShapeError, invariant } from '../../core/errors.ts';
import { sizeOf } from '../../core/shape.ts';
import {
  allocateElements,
  elementsFromBytes,
  elementsToBytes,
  elementWriter,
  entriesOf,
} from '../scalar-array.ts';
import { hostCallTarget } from './build.ts';
import { regionCombiner } from './combiner.ts';
import { constantElements } from './constant.ts';
import { dotGeneral } from './interpret-dot.ts';
import * as elementwise from './interpret-elementwise.ts';
import { gather, scatter } from './interpret-index.ts';
import { rngBitGenerator } from './interpret-random.ts';
import { reduce, reduceWindow, selectAndScatter, sort, type Fold } from './interpret-reduce.ts';
import { checkOneDevice, onOneDevice } from './one-device.ts';
import { elementRegion, type ElementRegion } from './interpret-region.ts';
import * as shape from './interpret-shape.ts';
import { hostTensor, type HostTensor } from './interpret-shape.ts';
import { showType } from './type-text.ts';
import {
  isShardingCall,
  type CollectiveKind,
  sameTensorType,
  type HloFunction,
  type HloModule,
  type HloOp,
  type HloValue,
  type Region,
} from './ir.ts';

export type { HostTensor } from './interpret-shape.ts';

/**
 * Run a function of a module on host tensors.
 *
 * @throws ShapeError when the inputs do not fit the function; LoweringError for ops that only a target knows.
 */
export function interpretModule(
  module: HloModule,
  inputs: readonly HostTensor[],
  entry = 'main',
): HostTensor[] {
  checkOneDevice('interpret', module);
  const fn = module.functions.find((f) => f.name === entry);
  if (fn === undefined)
    throw new LoweringError(
      `interpret: the module has no function @${entry}; got ${module.functions.map((f) => `@${f.name}`).join(', ')}.`,
    );
  const isFit =
    inputs.length === fn.body.args.length &&
    inputs.every((x, i) => sameTensorType(x.type, fn.body.args[i].type));
  if (!isFit)
    throw new ShapeError(
      `interpret: inputs must have the types of @${entry}'s arguments (${fn.body.args.map((a) => showType(a.type)).join(', ')}); got (${inputs.map((x) => showType(x.type)).join(', ')}).`,
    );
  return new Interpreter(module).call(fn, inputs);
}

/** For each op of a region, the values of the region that nobody needs after it. */
function lastUses(region: Region): HloValue[][] {
  const own = new Set<HloValue>();
  for (const op of region.ops) for (const r of op.results) own.add(r);
  for (const result of region.results) own.delete(result);
  const dead: HloValue[][] = [];
  for (let i = region.ops.length - 1; i >= 0; i--) {
    const here: HloValue[] = [];
    const take = (value: HloValue): void => {
      if (own.delete(value)) here.push(value);
    };
    for (const r of region.ops[i].results) take(r);
    const pending: HloOp[] = [region.ops[i]];
    for (let op = pending.pop(); op !== undefined; op = pending.pop()) {
      op.operands.forEach(take);
      for (const inner of op.regions) {
        inner.results.forEach(take);
        pending.push(...inner.ops);
      }
    }
    dead[i] = here;
  }
  return dead;
}

/** One run of a module. */
class Interpreter {
  readonly #functions: ReadonlyMap<string, HloFunction>;
  readonly #dead = new Map<Region, HloValue[][]>();

  constructor(module: HloModule) {
    this.#functions = new Map(module.functions.map((f) => [f.name, f]));
  }

  /** Run a function in an environment of its own. */
  call(fn: HloFunction, args: readonly HostTensor[]): HostTensor[] {
    return new Frame(this, this.deadAfter.bind(this)).region(fn.body, args);
  }

  /** The function that a call names. */
  find(callee: string): HloFunction {
    const fn = this.#functions.get(callee);
    if (fn === undefined)
      throw new LoweringError(`call: the callee must be a function of the module; got @${callee}.`);
    return fn;
  }

  /** Values that die at each op of a region. */
  deadAfter(region: Region): HloValue[][] {
    let dead = this.#dead.get(region);
    if (dead === undefined) this.#dead.set(region, (dead = lastUses(region)));
    return dead;
  }
}

/** The values of one call. Regions see the values around them; values of a loop body are overwritten by the next iteration. */
class Frame {
  readonly #interpreter: Interpreter;
  readonly #deadAfter: (region: Region) => HloValue[][];
  readonly #values = new Map<HloValue, HostTensor>();

  constructor(interpreter: Interpreter, deadAfter: (region: Region) => HloValue[][]) {
    this.#interpreter = interpreter;
    this.#deadAfter = deadAfter;
  }

  /** Run a region and give its results. */
  region(region: Region, args: readonly HostTensor[]): HostTensor[] {
    region.args.forEach((arg, i) => this.#values.set(arg, args[i]));
    const dead = this.#deadAfter(region);
    for (let i = 0; i < region.ops.length; i++) {
      const op = region.ops[i];
      const results = this.#run(
        op,
        op.operands.map((v) => this.#get(v)),
      );
      op.results.forEach((r, k) => this.#values.set(r, results[k]));
      for (const value of dead[i]) this.#values.delete(value);
    }
    return region.results.map((v) => this.#get(v));
  }

  #get(value: HloValue): HostTensor {
    const tensor = this.#values.get(value);
    invariant(
      tensor !== undefined,
      `interpret: a value of type ${showType(value.type)} is used before it is computed.`,
    );
    return tensor;
  }

  #elements(region: Region): ElementRegion {
    return elementRegion(
      region,
      (v) => this.#get(v),
      (r, args) => this.region(r, args),
    );
  }

  #fold(region: Region): Fold {
    return { combiner: regionCombiner(region), region: this.#elements(region) };
  }

  #run(op: HloOp, xs: readonly HostTensor[]): readonly HostTensor[] {
    const [type] = op.results.map((r) => r.type);
    switch (op.kind) {
      case 'reduce':
        return reduce(
          xs.slice(0, xs.length / 2),
          xs.slice(xs.length / 2),
          op.attrs.dims,
          this.#fold(op.regions[0]),
          op.results.map((r) => r.type),
        );
      case 'reduce_window':
        return reduceWindow(
          xs.slice(0, xs.length / 2),
          xs.slice(xs.length / 2),
          op.attrs.window,
          this.#fold(op.regions[0]),
          op.results.map((r) => r.type),
        );
      case 'select_and_scatter':
        return [
          selectAndScatter(
            xs,
            op.attrs.window,
            this.#elements(op.regions[0]),
            this.#elements(op.regions[1]),
          ),
        ];
      case 'sort':
        return sort(xs, op.attrs.dim, this.#elements(op.regions[0]));
      case 'scatter': {
        const n = (xs.length - 1) / 2;
        return scatter(
          xs.slice(0, n),
          xs[n],
          xs.slice(n + 1),
          op.attrs.dims,
          this.#elements(op.regions[0]),
        );
      }
      case 'while':
        return this.#while(op, xs);
      case 'case': {
        const index = Number(xs[0].data[0]);
        const isInside = index >= 0 && index < op.regions.length;
        return this.region(op.regions[isInside ? index : op.regions.length - 1], []);
      }
      case 'call':
        return this.#interpreter.call(this.#interpreter.find(op.attrs.callee), xs);
      case 'composite':
        return this.#interpreter.call(this.#interpreter.find(op.attrs.decomposition), xs);
      case 'custom_call':
        return isShardingCall(op) || onOneDevice(op) !== undefined ? xs : callHost(op, xs);
      case 'all_reduce':
      case 'all_gather':
      case 'all_to_all':
      case 'collective_broadcast':
      case 'collective_permute':
      case 'reduce_scatter':
      case 'partition_id':
      case 'replica_id':
        return onOneDevice(op) === 'operands' ? xs : op.results.map((r) => zeros(r.type));
      case 'optimization_barrier':
        return xs;
      case 'rng_bit_generator':
        return rngBitGenerator(
          xs[0],
          op.attrs.algorithm,
          op.results.map((r) => r.type),
        );
      default:
        return [runPlain(op, xs, type)];
    }
  }

  #while(op: HloOp<'while'>, inits: readonly HostTensor[]): readonly HostTensor[] {
    const [cond, body] = op.regions;
    let carried = inits;
    while (this.region(cond, carried)[0].data[0] !== 0) carried = this.region(body, carried);
    return carried;
  }
}

/** Call a JavaScript function. @throws LoweringError for every other target. */
function callHost(op: HloOp<'custom_call'>, xs: readonly HostTensor[]): HostTensor[] {
  const { host, target } = op.attrs;
  if (host === undefined)
    throw new LoweringError(
      target === hostCallTarget
        ? 'custom_call: a JavaScript function lives in the process that traced it; got a call of one in a program from text. Jit the function itself, or take the callback out before it is exported.'
        : `custom_call: the interpreter has no target @${target}. Use ops of StableHLO.`,
    );
  const types = op.results.map((r) => r.type);
  const operands = xs.map(({ type, data }) => ({ type, bytes: elementsToBytes(data, type.dtype) }));
  return host
    .run(operands, types)
    .map((bytes, i) => ({ type: types[i], data: elementsFromBytes(bytes, types[i].dtype) }));
}

/** Ops without regions and with one result. */
type PlainOp = Exclude<
  HloOp,
  HloOp<
    | 'reduce'
    | 'reduce_window'
    | 'select_and_scatter'
    | 'sort'
    | 'scatter'
    | 'while'
    | 'case'
    | 'call'
    | 'composite'
    | 'custom_call'
    | 'optimization_barrier'
    | 'rng_bit_generator'
    | 'partition_id'
    | 'replica_id'
    | CollectiveKind
  >
>;

function runPlain(op: PlainOp, xs: readonly HostTensor[], type: HostTensor['type']): HostTensor {
  const [x, y, z] = xs;
  switch (op.kind) {
    case 'constant':
      return constantTensor(op, type);
    case 'scalar':
      return elementwise.scalar(op.attrs.fn, xs, type);
    case 'compare':
      return elementwise.compare(op.attrs.direction, op.attrs.kind, x, y);
    case 'select':
      return elementwise.select(x, y, z);
    case 'convert':
      return elementwise.convert(x, type.dtype);
    case 'bitcast_convert':
      return elementwise.bitcastConvert(x, type.dtype, type.shape);
    case 'reduce_precision':
      return elementwise.reducePrecision(x, op.attrs.exponentBits, op.attrs.mantissaBits);
    case 'complex':
      return elementwise.complex(x, y, type);
    case 'real':
      return elementwise.complexPart(x, 0, type);
    case 'imag':
      return elementwise.complexPart(x, 1, type);
    case 'iota':
      return shape.iota(type, op.attrs.dim);
    case 'broadcast_in_dim':
      return shape.broadcastInDim(x, type.shape, op.attrs.dims);
    case 'reshape':
      return { type, data: x.data };
    case 'transpose':
      return shape.transpose(x, op.attrs.permutation);
    case 'reverse':
      return shape.reverse(x, op.attrs.dims);
    case 'concatenate':
      return shape.concatenate(xs, op.attrs.dim, type.shape);
    case 'slice':
      return shape.slice(x, op.attrs.starts, op.attrs.strides, type.shape);
    case 'pad':
      return shape.pad(x, y, op.attrs, type.shape);
    case 'dynamic_slice':
      return shape.dynamicSlice(x, xs.slice(1), op.attrs.sizes);
    case 'dynamic_update_slice':
      return shape.dynamicUpdateSlice(x, y, xs.slice(2));
    case 'gather':
      return gather(x, y, op.attrs.dims, op.attrs.sliceSizes, type);
    case 'dot_general':
      return dotGeneral(x, y, op.attrs.dims, type);
  }
}

const zeros = ({ dtype, shape: dims }: HostTensor['type']): HostTensor =>
  hostTensor(dtype, dims, allocateElements(dtype, sizeOf(dims)));

/** The tensor of a constant. */
export function constantTensor(
  op: HloOp<'constant'>,
  { dtype, shape: dims }: HostTensor['type'],
): HostTensor {
  const size = sizeOf(dims);
  const data = allocateElements(dtype, size);
  const values = constantElements(op.attrs.value, dtype, size);
  const write = elementWriter(data, dtype);
  if (entriesOf(dtype) === 2)
    for (let i = 0; i < size; i++) write(i, [Number(values[2 * i]), Number(values[2 * i + 1])]);
  else for (let i = 0; i < size; i++) write(i, values[i]);
  return hostTensor(dtype, dims, data);
}
