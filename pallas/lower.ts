/**
 * From a traced kernel to a tile kernel. Equations on refs and on the grid, loops and calls have their rule here; every other primitive goes
 * through its ordinary lowering rule to StableHLO, whose ops `lowering/fuse/tile-ops.ts` turns into tile ops: meaning is stated once.
 */
import type { Aval } from '../core/aval.ts';
import { InternalError, KernelError, LoweringError } from '../core/errors.ts';
import type { Var } from '../core/jaxpr.ts';
import { Literal, type Atom, type Eqn, type Jaxpr } from '../core/jaxpr.ts';
import { HloBuilder } from '../lowering/hlo/build.ts';
import type { HloValue, Region } from '../lowering/hlo/ir.ts';
import { emitOps, stored } from '../lowering/fuse/tile-ops.ts';
import { lowerRules, type LowerContext } from '../lowering/rules.ts';
import { makeKernel, type OperandSpec, type TileBuilder } from '../lowering/tile/build.ts';
import {
  isRef,
  isTile,
  type BlockDim,
  type Kernel,
  type Ref,
  type Tile,
  type TileValue,
} from '../lowering/tile/ir.ts';
import { condP, type CondParams } from '../control/cond-call.ts';
import { scanP } from '../control/scan-call.ts';
import { splitOperands, type ScanParams } from '../control/scan-params.ts';
import { whileP, type WhileParams } from '../control/while-call.ts';
import { customJvpCallP, customVjpCallP } from '../transforms/custom-call.ts';
import { split } from '../transforms/jaxpr-cache.ts';
import { jitP, type JitParams } from '../transforms/jit-call.ts';
import { programIdP } from './grid.ts';
import type { OperandBlocks, PallasParams } from './params.ts';
import { addupdateP, getP, swapP } from '../lax/ref-access.ts';
import type { AccessParams } from '../lax/ref-values.ts';
import { gridSemantics } from './semantics.ts';

/** What a jaxpr of a call is lowered for. */
interface Place {
  /** Index of the running program along an axis of the grid that the user sees. */
  programId(axis: number): Tile;
  /** Refs that are not written, and what they are called. */
  readonly inputs: ReadonlyMap<TileValue, string>;
}

/** Writes the equations of a jaxpr as tile ops. */
class KernelLowering {
  readonly #b: TileBuilder;
  readonly #place: Place;

  constructor(b: TileBuilder, place: Place) {
    this.#b = b;
    this.#place = place;
  }

  /** Emit a jaxpr on given values and give its results. */
  jaxpr(jaxpr: Jaxpr, args: readonly TileValue[]): TileValue[] {
    const env = new Map<Var, TileValue>();
    [...jaxpr.constvars, ...jaxpr.invars].forEach((v, i) => env.set(v, args[i]));
    const read = (atom: Atom): TileValue => {
      if (atom instanceof Literal) return this.#b.constant(atom.value, atom.aval.dtype);
      const value = env.get(atom);
      if (value === undefined)
        throw new InternalError(
          `kernel: a variable of type ${atom.aval.toString()} is used before it is defined.`,
        );
      return value;
    };
    for (const eqn of jaxpr.eqns) {
      const results = this.#eqn(eqn, read);
      eqn.outputs.forEach((v, i) => {
        if (results[i] !== undefined) env.set(v, results[i]);
      });
    }
    return jaxpr.outvars.map(read);
  }

  #tiles(jaxpr: Jaxpr, args: readonly TileValue[]): Tile[] {
    return this.jaxpr(jaxpr, args).filter(isTile);
  }

  #eqn(eqn: Eqn, read: (atom: Atom) => TileValue): readonly TileValue[] {
    const { prim } = eqn;
    const args = eqn.inputs.map(read);
    switch (prim.name) {
      case getP.name:
        return [this.#get(args, eqn.params as AccessParams)];
      case swapP.name:
        return [this.#swap(args, eqn.params as AccessParams)];
      case addupdateP.name:
        this.#add(args, eqn.params as AccessParams);
        return [];
      case programIdP.name:
        return [this.#place.programId((eqn.params as { axis: number }).axis)];
      case jitP.name:
        return this.jaxpr((eqn.params as JitParams).jaxpr, args);
      case customJvpCallP.name:
      case customVjpCallP.name:
        return this.#customCall(eqn, args);
      case whileP.name:
        return this.#while(args, eqn.params as WhileParams);
      case scanP.name:
        return this.#scan(args, eqn.params as ScanParams);
      case condP.name:
        return this.#cond(args, eqn.params as CondParams);
      default:
        return this.#ordinary(eqn, args);
    }
  }

  #window([ref, ...starts]: readonly TileValue[], { axes }: AccessParams): Ref {
    if (!isRef(ref)) throw new InternalError('kernel: an access needs a ref.');
    const whole = axes.every(
      (a, i) => a.start === 0 && a.stride === 1 && !a.dropped && a.size === ref.type.shape[i],
    );
    if (whole) return ref;
    let next = 0;
    const at = axes.map((a) =>
      a.start === 'dynamic' ? (starts[next++] as Tile) : this.#b.constant(a.start, 'i32'),
    );
    const squeeze = axes.flatMap((a, i) => (a.dropped ? [i] : []));
    return this.#b.sliceRef(ref, at, {
      sizes: axes.map((a) => a.size),
      strides: axes.map((a) => a.stride),
      squeeze,
    });
  }

  #get(args: readonly TileValue[], params: AccessParams): Tile {
    const dynamic = params.axes.filter((a) => a.start === 'dynamic').length;
    const window = this.#window(args, params);
    if (!params.masked) return this.#b.load(window);
    const [mask, other] = args.slice(1 + dynamic) as Tile[];
    const { dtype, shape } = window.type;
    return this.#b.load(window, {
      mask,
      other: params.hasOther ? other : this.#b.constant(0, dtype, shape),
    });
  }

  #write(
    [ref, value, ...rest]: readonly TileValue[],
    params: AccessParams,
  ): { window: Ref; value: Tile; mask: Tile | undefined } {
    const input = this.#place.inputs.get(ref);
    if (input !== undefined)
      throw new KernelError(
        `pallasCall: a kernel must not write its inputs; got a write to ${input}. Write to an output; with inputOutputAliases it starts with the input's contents.`,
      );
    const window = this.#window([ref, ...rest], params);
    return {
      window,
      value: value as Tile,
      mask: params.masked ? (rest[rest.length - 1] as Tile) : undefined,
    };
  }

  #swap(args: readonly TileValue[], params: AccessParams): Tile {
    const { window, value, mask } = this.#write(args, params);
    const before = this.#b.load(window);
    this.#b.store(window, value, mask);
    return before;
  }

  #add(args: readonly TileValue[], params: AccessParams): void {
    const { window, value, mask } = this.#write(args, params);
    this.#b.accumulate(window, value, 'add', mask);
  }

  #customCall(eqn: Eqn, args: readonly TileValue[]): readonly TileValue[] {
    const { callJaxpr } = eqn.params as { callJaxpr?: Jaxpr };
    if (callJaxpr === undefined)
      throw new InternalError(`kernel: ${eqn.prim.name} was not staged.`);
    return this.jaxpr(callJaxpr, args);
  }

  #while(args: readonly TileValue[], params: WhileParams): Tile[] {
    const [condConsts, bodyConsts, carry] = split(args, [
      params.condNconsts,
      params.bodyNconsts,
      args.length - params.condNconsts - params.bodyNconsts,
    ]);
    return this.#b.while(
      carry as Tile[],
      (now) => this.#tiles(params.condJaxpr, [...condConsts, ...now])[0],
      (now) => this.#tiles(params.bodyJaxpr, [...bodyConsts, ...now]),
    );
  }

  /** A loop; stacked inputs and outputs live in scratch memory. */
  #scan(args: readonly TileValue[], params: ScanParams): Tile[] {
    const b = this.#b;
    const [consts, carry, xs] = splitOperands(args, params);
    const inputs = xs.map((x) => stored(b, x as Tile));
    const outputs = params.jaxpr.outAvals
      .slice(params.numCarry)
      .map((aval) => b.alloc(aval.dtype, [params.length, ...aval.shape]));
    const row = (ref: Ref, at: Tile): Ref => {
      const rest = ref.type.shape.slice(1);
      return b.sliceRef(ref, [at, ...rest.map(() => b.constant(0, 'i32'))], {
        sizes: [1, ...rest],
        squeeze: [0],
      });
    };
    const last = b.for(0, params.length, 1, carry as Tile[], (step, now) => {
      const at = params.reverse
        ? b.scalar('sub', b.constant(params.length - 1, 'i32'), step)
        : step;
      const slices = inputs.map((ref) => b.load(row(ref, at)));
      const results = this.#tiles(params.jaxpr, [...consts, ...now, ...slices]);
      outputs.forEach((ref, i) => b.store(row(ref, at), results[params.numCarry + i]));
      return results.slice(0, params.numCarry);
    });
    return [...last, ...outputs.map((ref) => b.load(ref))];
  }

  #cond([index, ...operands]: readonly TileValue[], { branches }: CondParams): Tile[] {
    const branch = (k: number): Tile[] => {
      const run = (): Tile[] => this.#tiles(branches[k], operands);
      if (k === branches.length - 1) return run();
      return this.#b.if(this.#b.compare('eq', index as Tile, this.#b.constant(k, 'i32')), run, () =>
        branch(k + 1),
      );
    };
    return branch(0);
  }

  /** Through the primitive's own lowering rule. */
  #ordinary(eqn: Eqn, args: readonly TileValue[]): Tile[] {
    const region: Region = { args: [], ops: [], results: [] };
    const hlo = new HloBuilder(region, { resultTypes: () => [] });
    const env = new Map<HloValue, Tile>();
    const inputs = eqn.inputs.map((atom, i) => {
      if (atom instanceof Literal) return hlo.constant(atom.value, atom.aval.dtype);
      const value = args[i];
      if (!isTile(value))
        throw new LoweringError(
          `${eqn.prim.name}: a ref cannot be an operand; got a ref of ${value.type.dtype}. Read it first with \`ref.get()\`.`,
        );
      const { shape, dtype } = atom.aval;
      const input: HloValue = { type: { shape, dtype }, index: i };
      env.set(input, value);
      return input;
    });
    const results = lowerRules.get(eqn.prim)(
      hlo,
      inputs,
      eqn.params,
      contextOf(
        hlo,
        eqn.inputs.map((a) => a.aval),
        eqn.outputs.map((v) => v.aval),
        eqn.prim.name,
      ),
    );
    if (region.ops.some((op) => op.kind === 'custom_call'))
      throw new LoweringError(
        `${eqn.prim.name}: a kernel cannot call JavaScript while it runs; got ${eqn.prim.name} in a kernel. Call it outside of the kernel, with what the kernel reads or writes.`,
      );
    try {
      emitOps(this.#b, region.ops, env);
    } catch (error) {
      if (!(error instanceof LoweringError)) throw error;
      throw new LoweringError(
        `${eqn.prim.name}: this primitive cannot be used inside a kernel (${error.message.split('\n')[0]})`,
        { cause: error },
      );
    }
    return results.map((value) => {
      const tile = env.get(value);
      if (tile === undefined)
        throw new InternalError(
          `kernel: the lowering of ${eqn.prim.name} has a result that it does not compute.`,
        );
      return tile;
    });
  }
}

/** What lowering rules ask for inside kernels: calls are inlined; there are no functions. */
function contextOf(
  b: HloBuilder,
  avalsIn: readonly Aval[],
  avalsOut: readonly Aval[],
  name: string,
): LowerContext {
  const inline = (jaxpr: Jaxpr, args: readonly HloValue[]): HloValue[] => {
    const env = new Map<Var, HloValue>(
      [...jaxpr.constvars, ...jaxpr.invars].map((v, i) => [v, args[i]]),
    );
    const read = (atom: Atom): HloValue => {
      const value =
        atom instanceof Literal ? b.constant(atom.value, atom.aval.dtype) : env.get(atom);
      if (value === undefined)
        throw new InternalError('kernel: a variable is used before it is defined.');
      return value;
    };
    for (const eqn of jaxpr.eqns) {
      const context = contextOf(
        b,
        eqn.inputs.map((a) => a.aval),
        eqn.outputs.map((v) => v.aval),
        eqn.prim.name,
      );
      const results = lowerRules.get(eqn.prim)(b, eqn.inputs.map(read), eqn.params, context);
      eqn.outputs.forEach((v, i) => env.set(v, results[i]));
    }
    return jaxpr.outvars.map(read);
  };
  const refuse = (): never => {
    throw new LoweringError(
      `${name}: this primitive cannot be used inside a kernel: it calls a function of its own, or is a kernel itself. Compute it outside of the kernel and pass the result as an operand.`,
    );
  };
  return {
    avalsIn,
    avalsOut,
    devices: undefined,
    perDevice: undefined,
    inline,
    call: (_name, jaxpr, args) => inline(jaxpr, args),
    define: refuse,
    defineBody: refuse,
  };
}

function blockDims({ blockShape }: OperandBlocks): BlockDim[] {
  return blockShape.map((size): BlockDim =>
    size === null ? { kind: 'squeezed' } : { kind: 'blocked', size },
  );
}

function operandSpec(
  name: string,
  blocks: OperandBlocks,
  access: OperandSpec['access'],
  hiddenAxes: number,
): OperandSpec {
  return {
    name,
    dtype: blocks.array.dtype,
    shape: blocks.array.shape,
    access,
    dims: blockDims(blocks),
    indexMap(b, ids) {
      const place = { programId: (axis: number) => ids[axis + hiddenAxes], inputs: new Map() };
      return new KernelLowering(b, place).jaxpr(blocks.indexMap, ids) as Tile[];
    },
  };
}

const kernels = new WeakMap<PallasParams, Kernel>();

/**
 * The tile kernel of a call; the same object for the same parameters.
 *
 * @throws LoweringError for a primitive without a tile form; KernelError for semantics that contradict the index maps, and for writes to inputs.
 */
export function kernelOf(params: PallasParams): Kernel {
  const known = kernels.get(params);
  if (known !== undefined) return known;
  const aliased = new Set(params.aliases.map(([, output]) => output));
  const { hiddenAxes } = params;
  const traced = makeKernel({
    name: params.name.replace(/[^A-Za-z0-9_]/g, '_') || 'kernel',
    grid: params.grid.map((extent) => ({ extent, semantics: 'sequential' })),
    operands: [
      ...params.inputs.map((blocks, i) => operandSpec(`in${i}`, blocks, 'read', hiddenAxes)),
      ...params.outputs.map((blocks, i) =>
        operandSpec(`out${i}`, blocks, aliased.has(i) ? 'readwrite' : 'write', hiddenAxes),
      ),
    ],
    scratch: params.scratch.map(({ dtype, shape }, i) => ({ name: `scratch${i}`, dtype, shape })),
    body: (b, refs) => {
      const inputs = new Map(
        params.inputs.map(({ array }, i) => [refs[i], `input ${i} (${array.toString()})`]),
      );
      const programId = (axis: number): Tile => b.programId(axis + hiddenAxes);
      new KernelLowering(b, { programId, inputs }).jaxpr(params.jaxpr, refs);
    },
  });
  const kernel = { ...traced, grid: gridSemantics(traced, params.semantics) };
  kernels.set(params, kernel);
  return kernel;
}
