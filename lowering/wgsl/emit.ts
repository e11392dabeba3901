/**
 * From a tile kernel to a WGSL shader. The body is written op by op: pure values wait until somebody wants them (`program.ts`), everything
 * else is written in order. The text is written until it agrees with what it demands of its buffers, and again with tighter loops when it
 * would be slow to compile.
 */
import { LoweringError } from '../../core/errors.ts';
import { sizeOf } from '../../core/shape.ts';
import { expandMath } from '../math.ts';
import { TileBuilder } from '../tile/build.ts';
import {
  isRef,
  isTile,
  type Kernel,
  type Tile,
  type TileOp,
  type TileRegion,
  type TileValue,
} from '../tile/ir.ts';
import * as affine from './affine.ts';
import type { Affine } from './affine.ts';
import { emitFor, emitIf, emitWhile, type Runner } from './control.ts';
import { Demand } from './demand.ts';
import { dot } from './dot.ts';
import { atomic, gatherNow, loadNow, scatter, store } from './effects.ts';
import type { WgslFeatures } from './features.ts';
import { integerOf } from './integers.ts';
import { reduceRegion, scan, sort } from './lines.ts';
import { Demands, storageMemory, type Memory } from './memory.ts';
import { Program } from './program.ts';
import { isPureKind, type PureOp } from './pure.ts';
import { reduce } from './reduce.ts';
import { sliceView, transposeView, wholeView, type RefView } from './refs.ts';
import { assemble, bindingName, type WgslKernel } from './shader.ts';
import { Space } from './space.ts';
import { chooseThreads } from './threads.ts';
import { Uniformity } from './uniform.ts';

export type { WgslFeatures } from './features.ts';
export type { WgslKernel } from './shader.ts';

/** Scalar reads in the text above which software drivers compile for seconds. */
const mostSites = 64;

/** What WGSL keeps of floating point: compilers reassociate and may not see NaN. */
const mathOptions = { fma: false, strict: false, nanBits: true };

/** Registers of a ref kept in variables. */
const mostCells = 64;

/** Writes the ops of one kernel. */
class Emitter implements Runner {
  readonly p: Program;
  readonly #kernel: Kernel;
  readonly #uniformity: Uniformity;
  readonly #memories: readonly Memory[];

  constructor(kernel: Kernel, p: Program, uniformity: Uniformity) {
    this.#kernel = kernel;
    this.p = p;
    this.#uniformity = uniformity;
    this.#memories = kernel.operands.map((o, i) =>
      storageMemory(p, bindingName(o.name, i), o.dtype, o.access !== 'read'),
    );
  }

  isUniform(value: TileValue): boolean {
    return this.#uniformity.isUniform(value);
  }

  /** Write everything. */
  write(): void {
    const { scratch, body, operands } = this.#kernel;
    scratch.forEach((s, i) => this.#own(body.args[operands.length + i], s.name));
    this.#steps(0);
  }

  /** Loops over the sequential axes of the grid. */
  #steps(axis: number): void {
    const { grid } = this.#kernel;
    const { p } = this;
    const next = grid.findIndex((g, i) => i >= axis && g.semantics === 'sequential');
    if (next < 0) {
      this.#step();
      return;
    }
    const name = `pid${next}`;
    p.block(`for (var ${name} = 0; ${name} < ${p.trips(grid[next].extent)}; ${name}++)`, () =>
      p.barriers.loop(() => this.#steps(next + 1)),
    );
  }

  #step(): void {
    const { operands, body, grid } = this.#kernel;
    const ids = grid.map((g, i) =>
      affine.variable(`pid${i}`, { lo: 0, hi: Math.max(0, g.extent - 1) }),
    );
    const wholes = operands.map((o, i) => wholeView(this.#memories[i], o.shape));
    const prefetch = operands.flatMap((o, i) => (o.prefetch === true ? [wholes[i]] : []));
    operands.forEach((o, i) => {
      const starts = this.#indexMap(o.block.indexMap, ids, prefetch);
      this.p.set(body.args[i], { kind: 'ref', view: blockView(wholes[i], o.block.dims, starts) });
    });
    this.run(body);
  }

  #indexMap(map: TileRegion, ids: readonly Affine[], prefetch: readonly RefView[]): Affine[] {
    const { p } = this;
    map.args.forEach((arg, i) => {
      if (i < ids.length) p.set(arg, { kind: 'int', at: ids[i] });
      else p.set(arg, { kind: 'ref', view: prefetch[i - ids.length] });
    });
    p.demand.note(map);
    this.run(map);
    return map.results.map((x) => p.index(x));
  }

  /** Give a ref memory of its own: variables when it is always accessed as a whole. */
  #own(ref: TileValue, name: string): void {
    const { p } = this;
    const { dtype, shape } = ref.type;
    const layout = p.layout(shape);
    if (layout.registers <= mostCells && isWholeOnly(ref, this.#kernel.body)) {
      const stand: Tile = { type: { kind: 'tile', dtype, shape }, index: 0 };
      const { names, array } = p.variables(stand, 'cell');
      p.set(ref, {
        kind: 'cells',
        layout,
        ...(names === undefined ? {} : { names }),
        ...(array === undefined ? {} : { array }),
      });
      return;
    }
    const memory = p.space.own(
      p.text.fresh(`own_${name.replace(/\W/g, '_')}`),
      dtype,
      sizeOf(shape),
    );
    p.set(ref, { kind: 'ref', view: wholeView(memory, shape) });
  }

  run(region: TileRegion): void {
    for (const op of region.ops) if (this.p.demand.isLive(op)) this.#op(op);
  }

  #op(op: TileOp): void {
    const { p } = this;
    if (isPureKind(op)) {
      this.#pure(op);
      return;
    }
    switch (op.kind) {
      case 'programId': {
        const hi = Math.max(0, this.#kernel.grid[op.attrs.axis].extent - 1);
        p.set(op.results[0], {
          kind: 'int',
          at: affine.variable(`pid${op.attrs.axis}`, { lo: 0, hi }),
        });
        return;
      }
      case 'numPrograms':
        p.set(op.results[0], {
          kind: 'int',
          at: affine.constant(this.#kernel.grid[op.attrs.axis].extent),
        });
        return;
      case 'assume':
        this.#assume(op);
        return;
      case 'slice_ref': {
        const starts = op.operands.slice(1).map((x) => p.index(x));
        p.set(op.results[0], {
          kind: 'ref',
          view: sliceView(p.view(op.operands[0]), starts, op.attrs),
        });
        return;
      }
      case 'transpose_ref':
        p.set(op.results[0], {
          kind: 'ref',
          view: transposeView(p.view(op.operands[0]), op.attrs.permutation),
        });
        return;
      case 'alloc':
        this.#own(op.results[0], 'alloc');
        return;
      default:
        this.#effect(op);
    }
  }

  #effect(op: Exclude<TileOp, PureOp> | TileOp<'load' | 'gather'>): void {
    const { p } = this;
    switch (op.kind) {
      case 'load':
        if (this.#isConstant(op.operands[0])) p.set(op.results[0], { kind: 'pure', op });
        else loadNow(p, op);
        return;
      case 'gather':
        if (this.#isConstant(op.operands[0])) p.set(op.results[0], { kind: 'pure', op });
        else gatherNow(p, op);
        return;
      case 'store':
      case 'accumulate':
        store(p, op);
        return;
      case 'atomic':
        atomic(p, op);
        return;
      case 'scatter':
        scatter(p, op);
        return;
      case 'reduce':
        if (op.attrs.combiner === undefined) reduceRegion(this, op);
        else reduce(p, op, op.attrs.combiner);
        return;
      case 'argreduce':
        this.#argreduce(op);
        return;
      case 'scan':
        scan(this, op);
        return;
      case 'sort':
        sort(this, op);
        return;
      case 'dot':
        dot(p, op);
        return;
      case 'for':
        emitFor(this, op);
        return;
      case 'while':
        emitWhile(this, op);
        return;
      case 'if':
        emitIf(this, op);
        return;
      default:
    }
  }

  #isConstant(ref: TileValue): boolean {
    const held = this.p.get(ref);
    return held.kind === 'ref' && !held.view.memory.isMutable;
  }

  #pure(op: PureOp): void {
    const { p } = this;
    const known = integerOf(p, op);
    p.set(op.results[0], known === undefined ? { kind: 'pure', op } : { kind: 'int', at: known });
  }

  #assume(op: TileOp<'assume'>): void {
    const { p } = this;
    const at = p.index(op.operands[0]);
    const name = p.text.let('n', affine.print(at));
    const multiple = Math.max(1, op.attrs.multipleOf);
    p.set(op.results[0], { kind: 'int', at: affine.variable(name, affine.rangeOf(at), multiple) });
  }

  /** The lowest index at which the extreme stands; NaN is the extreme when there is one. */
  #argreduce(op: TileOp<'argreduce'>): void {
    const [x] = op.operands;
    if (!isTile(x)) throw new LoweringError('argreduce: the operand must be a tile; got a ref.');
    const { axis, which } = op.attrs;
    const { shape, dtype } = x.type;
    const b = new TileBuilder();
    const extreme = b.broadcast(b.reduce(x, which, [axis]), shape);
    const equal = b.compare('eq', x, extreme);
    const isFloating = dtype === 'f32' || dtype === 'f16' || dtype === 'bf16';
    const hit = isFloating
      ? b.select(b.compare('ne', extreme, extreme), b.compare('ne', x, x), equal)
      : equal;
    const none = b.constant(shape[axis], 'i32', shape);
    const index = b.reduce(b.select(hit, b.iota('i32', shape, axis), none), 'min', [axis]);
    b.region.results = [index];
    this.p.demand.note(b.region);
    this.run(b.region);
    this.p.set(op.results[0], this.p.force(index));
  }
}

/** The window of a block. */
function blockView(
  whole: RefView,
  dims: Kernel['operands'][number]['block']['dims'],
  index: readonly Affine[],
): RefView {
  let axis = 0;
  const shape: number[] = [];
  const view = whole.dims.map((dim, i) => {
    const block = dims[i];
    if (block.kind === 'squeezed') return { ...dim, start: index[i], axis: -1 };
    shape.push(block.size);
    const start = block.kind === 'blocked' ? affine.scale(index[i], block.size) : index[i];
    return { ...dim, start, axis: axis++ };
  });
  return { memory: whole.memory, shape, dims: view };
}

/** Whether a ref is only ever loaded and stored as a whole. */
function isWholeOnly(ref: TileValue, region: TileRegion): boolean {
  const stack = [region];
  for (let next = stack.pop(); next !== undefined; next = stack.pop())
    for (const op of next.ops) {
      stack.push(...op.regions);
      const at = op.operands.indexOf(ref);
      if (at >= 0 && !(at === 0 && ['load', 'store', 'accumulate'].includes(op.kind))) return false;
    }
  return true;
}

function refRoots(kernel: Kernel): (ref: TileValue) => boolean {
  const { operands, body } = kernel;
  return (ref) => {
    let v = ref;
    while (v.def !== undefined && isRef(v.def.operands[0])) v = v.def.operands[0];
    const at = body.args.indexOf(v);
    return at >= 0 && at < operands.length && operands[at].access === 'read';
  };
}

/**
 * Emit a kernel as WGSL for a device.
 *
 * @throws DTypeError for types wider than 32 bits and complex ones; LoweringError for kernels that do not fit the device.
 */
export function emitWgsl(source: Kernel, features: WgslFeatures): WgslKernel {
  const kernel = expandMath(source, mathOptions);
  const uniformity = new Uniformity(kernel, refRoots(kernel));
  const threads = chooseThreads(kernel, features);
  let before = new Demands();
  let unroll = features.fallback ? 16 : 32;
  for (let pass = 0; ; pass++) {
    const demand = new Demand([kernel.body]);
    const p = new Program(
      { features, threads, unroll, before },
      demand,
      (pen) => new Space(pen, features.workgroupBytes),
    );
    new Emitter(kernel, p, uniformity).write();
    const isSettled = kernel.operands.every((o, i) => {
      const name = bindingName(o.name, i);
      return (
        p.now.lanes(name) === before.lanes(name) && p.now.isAtomic(name) === before.isAtomic(name)
      );
    });
    const isLong = features.fallback && p.now.sites > mostSites && unroll > 2;
    if (isLong) unroll = unroll / 2;
    else if (isSettled || pass > 8) return assemble(kernel, p, features);
    before = p.now;
  }
}
