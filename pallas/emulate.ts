/**
 * A tile kernel as plain StableHLO: a loop over the grid with dynamic slices. This is the decomposition that the composite of a kernel carries, so
 * that XLA and the interpreter can run any exported program; compiled devices run the kernel itself.
 *
 * Every memory is padded on all sides by the largest window that is cut out of it, so that what reaches out reads zeros (or its fill) and writes
 * into the margin, which is cut off at the end. Programs run in lexicographic order.
 */
import { InternalError } from '../core/errors.ts';
import type { HloBuilder } from '../lowering/hlo/build.ts';
import type { HloValue } from '../lowering/hlo/ir.ts';
import type {
  Kernel,
  Operand,
  RefType,
  TileOp,
  TileRegion,
  TileType,
  TileValue,
} from '../lowering/tile/ir.ts';
import { emulateValue } from './emulate-values.ts';
import { margins } from './margins.ts';

/** One axis of a window: which dimension of the memory, from where (in padded coordinates), how many, how far apart. */
interface RefAxis {
  readonly dim: number;
  readonly start: HloValue;
  readonly size: number;
  readonly stride: number;
}

/** A window on a memory; `fixed` are the dimensions that the window drops. */
interface RefState {
  readonly memory: number;
  readonly axes: readonly RefAxis[];
  readonly fixed: readonly { readonly dim: number; readonly start: HloValue }[];
}

/** What is known of a memory besides its current value. */
interface Memory {
  readonly extent: readonly number[];
  readonly margin: readonly number[];
}

class Emulation {
  readonly #b: HloBuilder;
  readonly #kernel: Kernel;
  readonly #ids: readonly HloValue[];
  readonly #about: Memory[];
  readonly #margins: ReadonlyMap<TileValue, readonly number[]>;
  /** Current values of the memories. */
  values: HloValue[];
  readonly #tiles = new Map<TileValue, HloValue>();
  readonly #refs = new Map<TileValue, RefState>();

  constructor(
    b: HloBuilder,
    kernel: Kernel,
    memories: {
      readonly about: readonly Memory[];
      readonly values: readonly HloValue[];
      readonly margins: ReadonlyMap<TileValue, readonly number[]>;
    },
    ids: readonly HloValue[],
  ) {
    this.#b = b;
    this.#kernel = kernel;
    this.#about = [...memories.about];
    this.values = [...memories.values];
    this.#margins = memories.margins;
    this.#ids = ids;
  }

  #int(n: number): HloValue {
    return this.#b.constant(n, 'i32');
  }

  #tile(value: TileValue): HloValue {
    const tile = this.#tiles.get(value);
    if (tile === undefined)
      throw new InternalError('emulate: a tile is used before it is computed.');
    return tile;
  }

  #ref(value: TileValue): RefState {
    const ref = this.#refs.get(value);
    if (ref === undefined) throw new InternalError('emulate: a ref is used before it is made.');
    return ref;
  }

  /** Run one program. */
  program(): void {
    const { operands, scratch, body } = this.#kernel;
    operands.forEach((operand, i) => this.#refs.set(body.args[i], this.#block(operand, i)));
    scratch.forEach((_, i) => {
      const memory = operands.length + i;
      this.#refs.set(body.args[memory], this.#whole(memory));
    });
    this.#region(body, []);
  }

  #whole(memory: number): RefState {
    const { extent, margin } = this.#about[memory];
    return {
      memory,
      axes: extent.map((size, dim) => ({ dim, start: this.#int(margin[dim]), size, stride: 1 })),
      fixed: [],
    };
  }

  #block(operand: Operand, memory: number): RefState {
    const b = this.#b;
    const { dims, indexMap } = operand.block;
    this.#region(indexMap, this.#ids);
    const { margin } = this.#about[memory];
    const starts = indexMap.results.map((r, dim) => {
      const index = this.#tile(r);
      const spec = dims[dim];
      const start =
        spec.kind === 'blocked' && spec.size !== 1
          ? b.scalar('mul', index, this.#int(spec.size))
          : index;
      return b.scalar('add', start, this.#int(margin[dim]));
    });
    const axes = dims.flatMap((spec, dim) =>
      spec.kind === 'squeezed' ? [] : [{ dim, start: starts[dim], size: spec.size, stride: 1 }],
    );
    const fixed = dims.flatMap((spec, dim) =>
      spec.kind === 'squeezed' ? [{ dim, start: starts[dim] }] : [],
    );
    return { memory, axes, fixed };
  }

  /** Run a region and give what it yields. */
  #region(region: TileRegion, args: readonly HloValue[]): HloValue[] {
    region.args.forEach((arg, i) => {
      if (args[i] !== undefined) this.#tiles.set(arg, args[i]);
    });
    for (const op of region.ops) this.#op(op);
    return region.results.map((r) => this.#tile(r));
  }

  /** Start and size of a window along every dimension of its memory. */
  #box(ref: RefState): { starts: HloValue[]; sizes: number[]; strides: number[] } {
    const rank = this.#about[ref.memory].extent.length;
    const starts: HloValue[] = [];
    const sizes: number[] = Array.from({ length: rank }, () => 1);
    const strides = sizes.slice();
    for (const { dim, start } of ref.fixed) starts[dim] = start;
    for (const { dim, start, size, stride } of ref.axes) {
      starts[dim] = start;
      sizes[dim] = (size - 1) * stride + 1;
      strides[dim] = stride;
    }
    return { starts, sizes, strides };
  }

  #load(ref: RefState, fill: number | bigint | boolean = 0): HloValue {
    const b = this.#b;
    const { starts, sizes, strides } = this.#box(ref);
    const memory = this.values[ref.memory];
    const cut = starts.length === 0 ? memory : b.dynamicSlice(memory, starts, sizes);
    const thin = strides.every((s) => s === 1)
      ? cut
      : b.slice(
          cut,
          sizes.map(() => 0),
          sizes,
          strides,
        );
    const byDim = ref.axes.toSorted((x, y) => x.dim - y.dim);
    const dense =
      ref.fixed.length === 0
        ? thin
        : b.reshape(
            thin,
            byDim.map((a) => a.size),
          );
    const order = ref.axes.map((a) => byDim.indexOf(a));
    const value = order.every((o, i) => o === i) ? dense : b.transpose(dense, order);
    const isZero = Number(fill) === 0;
    return isZero ? value : this.#filled(ref, value, fill);
  }

  /** Put the fill where a window lies outside its array. */
  #filled(ref: RefState, value: HloValue, fill: number | bigint | boolean): HloValue {
    const b = this.#b;
    const { shape, dtype } = value.type;
    const { extent, margin } = this.#about[ref.memory];
    let inside: HloValue | undefined;
    ref.axes.forEach(({ dim, start, stride }, axis) => {
      const steps = b.scalar(
        'mul',
        b.iota('i32', shape, axis),
        b.broadcastInDim(this.#int(stride), shape, []),
      );
      const at = b.scalar('add', steps, b.broadcastInDim(start, shape, []));
      const low = b.compare('ge', at, b.constant(margin[dim], 'i32', shape));
      const high = b.compare('lt', at, b.constant(margin[dim] + extent[dim], 'i32', shape));
      const both = b.scalar('and', low, high);
      inside = inside === undefined ? both : b.scalar('and', inside, both);
    });
    return inside === undefined ? value : b.select(inside, value, b.constant(fill, dtype, shape));
  }

  #store(ref: RefState, value: HloValue, mask?: HloValue): void {
    const b = this.#b;
    const kept = mask === undefined ? value : b.select(mask, value, this.#load(ref));
    const { starts, sizes, strides } = this.#box(ref);
    const byDim = ref.axes.toSorted((x, y) => x.dim - y.dim);
    const order = byDim.map((a) => ref.axes.indexOf(a));
    const turned = order.every((o, i) => o === i) ? kept : b.transpose(kept, order);
    const thinShape = sizes.map((n, d) => Math.ceil(n / strides[d]));
    const full = ref.fixed.length === 0 ? turned : b.reshape(turned, thinShape);
    if (starts.length === 0) this.values[ref.memory] = full;
    else
      this.values[ref.memory] = b.dynamicUpdateSlice(
        this.values[ref.memory],
        this.#spread(ref, full, strides),
        starts,
      );
  }

  /** Write a strided window by putting it between what is there. */
  #spread(ref: RefState, value: HloValue, strides: readonly number[]): HloValue {
    const b = this.#b;
    if (strides.every((s) => s === 1)) return value;
    const { starts, sizes } = this.#box(ref);
    const old = b.dynamicSlice(this.values[ref.memory], starts, sizes);
    const zeros = sizes.map(() => 0);
    const interior = strides.map((s) => s - 1);
    const wide = b.pad(value, b.constant(0, value.type.dtype), zeros, zeros, interior);
    const ones = b.constant(true, 'bool', value.type.shape);
    const where = b.pad(ones, b.constant(false, 'bool'), zeros, zeros, interior);
    return b.select(where, wide, old);
  }

  #op(op: TileOp): void {
    const results =
      this.#gridOp(op) ?? this.#memoryOp(op) ?? this.#controlOp(op) ?? this.#valueOp(op);
    op.results.forEach((r, i) => {
      if (results[i] !== undefined) this.#tiles.set(r, results[i]);
    });
  }

  #gridOp(op: TileOp): readonly HloValue[] | undefined {
    switch (op.kind) {
      case 'programId':
        return [this.#ids[op.attrs.axis]];
      case 'numPrograms':
        return [this.#int(this.#kernel.grid[op.attrs.axis].extent)];
      case 'print':
      case 'check':
        return [];
      default:
        return undefined;
    }
  }

  #valueOp(op: TileOp): readonly HloValue[] {
    const args = op.operands.map((x) => this.#tile(x));
    return emulateValue(this.#b, op, args, (region, values) => this.#region(region, values));
  }

  #memoryOp(op: TileOp): readonly HloValue[] | undefined {
    const b = this.#b;
    switch (op.kind) {
      case 'load': {
        const value = this.#load(this.#ref(op.operands[0]), op.attrs.fill);
        if (op.operands.length === 1) return [value];
        const { shape, dtype } = value.type;
        const other =
          op.operands[2] === undefined
            ? b.constant(op.attrs.fill ?? 0, dtype, shape)
            : this.#tile(op.operands[2]);
        return [b.select(this.#tile(op.operands[1]), value, other)];
      }
      case 'store':
        this.#store(
          this.#ref(op.operands[0]),
          this.#tile(op.operands[1]),
          op.operands[2] && this.#tile(op.operands[2]),
        );
        return [];
      case 'accumulate': {
        const ref = this.#ref(op.operands[0]);
        const sum = b.scalar(op.attrs.combiner, this.#load(ref), this.#tile(op.operands[1]));
        this.#store(ref, sum, op.operands[2] && this.#tile(op.operands[2]));
        return [];
      }
      case 'atomic': {
        const ref = this.#ref(op.operands[0]);
        const old = this.#load(ref);
        const value = this.#tile(op.operands[1]);
        const next =
          op.attrs.combiner === 'exchange' ? value : b.scalar(op.attrs.combiner, old, value);
        this.#store(ref, next, op.operands[2] && this.#tile(op.operands[2]));
        return [old];
      }
      case 'gather':
        return [this.#gather(op)];
      case 'scatter':
        this.#scatter(op);
        return [];
      case 'alloc': {
        const { shape, dtype } = op.results[0].type as RefType;
        const margin = this.#margins.get(op.results[0]) ?? shape.map(() => 0);
        this.#about.push({ extent: shape, margin });
        this.values.push(b.constant(0, dtype, padded(shape, margin)));
        this.#refs.set(op.results[0], this.#whole(this.values.length - 1));
        return [];
      }
      case 'slice_ref':
        this.#refs.set(op.results[0], this.#slice(op));
        return [];
      case 'transpose_ref': {
        const ref = this.#ref(op.operands[0]);
        this.#refs.set(op.results[0], {
          ...ref,
          axes: op.attrs.permutation.map((p) => ref.axes[p]),
        });
        return [];
      }
      default:
        return undefined;
    }
  }

  #slice(op: TileOp<'slice_ref'>): RefState {
    const b = this.#b;
    const ref = this.#ref(op.operands[0]);
    const { sizes, strides, squeeze } = op.attrs;
    const moved = ref.axes.map(({ dim, start, stride }, i): RefAxis => {
      const by = this.#tile(op.operands[i + 1]);
      const scaled = stride === 1 ? by : b.scalar('mul', by, this.#int(stride));
      return {
        dim,
        start: b.scalar('add', start, scaled),
        size: sizes[i],
        stride: stride * strides[i],
      };
    });
    return {
      memory: ref.memory,
      axes: moved.filter((_, i) => !squeeze.includes(i)),
      fixed: [...ref.fixed, ...squeeze.map((i) => ({ dim: moved[i].dim, start: moved[i].start }))],
    };
  }

  /** Index tiles as one array [positions, axes], and which positions are inside. */
  #positions(
    ref: RefState,
    indices: readonly HloValue[],
  ): { index: HloValue; inside: HloValue; count: number } {
    const b = this.#b;
    const count = indices[0].type.shape.reduce((n, d) => n * d, 1);
    const columns = indices.map((x) => b.reshape(x, [count, 1]));
    let inside = b.constant(true, 'bool', [count]);
    columns.forEach((x, axis) => {
      const flat = b.reshape(x, [count]);
      const low = b.compare('ge', flat, b.constant(0, 'i32', [count]));
      const high = b.compare('lt', flat, b.constant(ref.axes[axis].size, 'i32', [count]));
      inside = b.scalar('and', inside, b.scalar('and', low, high));
    });
    return { index: b.concatenate(columns, 1), inside, count };
  }

  #gather(op: TileOp<'gather'>): HloValue {
    const b = this.#b;
    const ref = this.#ref(op.operands[0]);
    const rank = ref.axes.length;
    const { index, inside, count } = this.#positions(
      ref,
      op.operands.slice(1, 1 + rank).map((x) => this.#tile(x)),
    );
    const all = Array.from({ length: rank }, (_, i) => i);
    const dims = {
      offsetDims: [],
      collapsedSliceDims: all,
      operandBatchingDims: [],
      startIndicesBatchingDims: [],
      startIndexMap: all,
      indexVectorDim: 1,
    };
    const { shape, dtype } = op.results[0].type as TileType;
    const read = b.gather(
      this.#load(ref),
      index,
      dims,
      all.map(() => 1),
    );
    const fill = b.constant(op.attrs.fill ?? 0, dtype, [count]);
    const value = b.reshape(b.select(inside, read, fill), shape);
    if (!op.attrs.masked) return value;
    return b.select(
      this.#tile(op.operands[op.operands.length - 1]),
      value,
      b.constant(op.attrs.fill ?? 0, dtype, shape),
    );
  }

  #scatter(op: TileOp<'scatter'>): void {
    const b = this.#b;
    const ref = this.#ref(op.operands[0]);
    const rank = ref.axes.length;
    const { index, inside, count } = this.#positions(
      ref,
      op.operands.slice(1, 1 + rank).map((x) => this.#tile(x)),
    );
    const masks = op.attrs.masked
      ? b.scalar('and', inside, b.reshape(this.#tile(op.operands[op.operands.length - 1]), [count]))
      : inside;
    const far = b.constant(-1, 'i32', [count, rank]);
    const where = b.select(b.broadcastInDim(masks, [count, rank], [0]), index, far);
    const updates = b.reshape(this.#tile(op.operands[1 + rank]), [count]);
    const all = Array.from({ length: rank }, (_, i) => i);
    const dims = {
      updateWindowDims: [],
      insertedWindowDims: all,
      inputBatchingDims: [],
      scatterIndicesBatchingDims: [],
      scatterDimsToOperandDims: all,
      indexVectorDim: 1,
    };
    const { combiner } = op.attrs;
    const [next] = b.scatter(
      [this.#load(ref)],
      where,
      [updates],
      dims,
      combiner === 'set' ? (_old, update) => [update] : combiner,
    );
    this.#store(ref, next);
  }

  /** Run a region inside a region of StableHLO: the memories are carried. */
  #nested(values: readonly HloValue[], run: () => HloValue[]): HloValue[] {
    const outer = this.values;
    this.values = [...values];
    const about = this.#about.length;
    const results = run();
    const memories = this.values.slice(0, values.length);
    this.#about.length = about;
    this.values = outer;
    return [...results, ...memories];
  }

  #controlOp(op: TileOp): readonly HloValue[] | undefined {
    const b = this.#b;
    const n = this.values.length;
    const adopt = (outs: readonly HloValue[]): HloValue[] => {
      this.values = outs.slice(outs.length - n);
      return outs.slice(0, outs.length - n);
    };
    switch (op.kind) {
      case 'for': {
        const [low, high, step, ...inits] = op.operands.map((x) => this.#tile(x));
        const k = inits.length;
        const outs = b.while(
          [low, ...inits, ...this.values],
          (i) => b.compare('lt', i, high),
          (i, ...now) => [
            b.scalar('add', i, step),
            ...this.#nested(now.slice(k), () =>
              this.#region(op.regions[0], [i, ...now.slice(0, k)]),
            ),
          ],
        );
        return adopt(outs.slice(1));
      }
      case 'while': {
        const inits = op.operands.map((x) => this.#tile(x));
        const k = inits.length;
        const outs = b.while(
          [...inits, ...this.values],
          (...now) =>
            this.#nested(now.slice(k), () => this.#region(op.regions[0], now.slice(0, k)))[0],
          (...now) =>
            this.#nested(now.slice(k), () => this.#region(op.regions[1], now.slice(0, k))),
        );
        return adopt(outs);
      }
      case 'if': {
        const index = b.select(this.#tile(op.operands[0]), this.#int(0), this.#int(1));
        const types = [
          ...op.results.map((r) => r.type as TileType),
          ...this.values.map((v) => v.type),
        ];
        const before = [...this.values];
        const branches = op.regions.map(
          (region) => () => this.#nested(before, () => this.#region(region, [])),
        );
        return adopt(
          b.case(
            index,
            branches,
            types.map(({ shape, dtype }) => ({ shape, dtype })),
          ),
        );
      }
      default:
        return undefined;
    }
  }
}

/**
 * Emit a kernel as StableHLO. `operands`: one per operand of the kernel that is read (also of those that are written too), in order.
 *
 * @returns one value per operand that is written, in order.
 */
export function emulate(b: HloBuilder, kernel: Kernel, operands: readonly HloValue[]): HloValue[] {
  const marginOf = margins(kernel);
  const margin = kernel.body.args.map((ref) => marginOf.get(ref) ?? []);
  let next = 0;
  const about: Memory[] = [];
  const initial = kernel.operands.map((o, i) => {
    const source = o.access === 'write' ? b.constant(0, o.dtype, o.shape) : operands[next++];
    about.push({ extent: o.shape, margin: margin[i] });
    return o.shape.length === 0
      ? source
      : b.pad(source, b.constant(0, o.dtype), margin[i], margin[i]);
  });
  kernel.scratch.forEach((s, i) => {
    const around = margin[kernel.operands.length + i];
    initial.push(b.constant(0, s.dtype, padded(s.shape, around)));
    about.push({ extent: s.shape, margin: around });
  });
  const written = initial.flatMap((_, i) =>
    i >= kernel.operands.length || kernel.operands[i].access !== 'read' ? [i] : [],
  );
  const total = kernel.grid.reduce((n, g) => n * g.extent, 1);
  const run = (step: HloValue, values: readonly HloValue[]): HloValue[] => {
    const emulation = new Emulation(
      b,
      kernel,
      { about, values, margins: marginOf },
      unravel(
        b,
        step,
        kernel.grid.map((g) => g.extent),
      ),
    );
    emulation.program();
    return written.map((i) => emulation.values[i]);
  };
  const merged = (now: readonly HloValue[]): HloValue[] =>
    initial.map((v, i) => (written.includes(i) ? now[written.indexOf(i)] : v));
  const outs =
    total === 1
      ? run(b.constant(0, 'i32'), initial)
      : b
          .while(
            [b.constant(0, 'i32'), ...written.map((i) => initial[i])],
            (step) => b.compare('lt', step, b.constant(total, 'i32')),
            (step, ...now) => [
              b.scalar('add', step, b.constant(1, 'i32')),
              ...run(step, merged(now)),
            ],
          )
          .slice(1);
  return written.flatMap((i, k) => {
    if (i >= kernel.operands.length) return [];
    const { shape } = kernel.operands[i];
    const limits = shape.map((n, d) => n + margin[i][d]);
    return [shape.length === 0 ? outs[k] : b.slice(outs[k], margin[i], limits)];
  });
}

/** Extents with the margin on both sides. */
const padded = (shape: readonly number[], margin: readonly number[]): number[] =>
  shape.map((n, i) => n + 2 * margin[i]);

/** Row-major multi-index of a step. */
function unravel(b: HloBuilder, step: HloValue, extents: readonly number[]): HloValue[] {
  const ids: HloValue[] = [];
  let rest = step;
  for (let axis = extents.length - 1; axis >= 0; axis--) {
    const extent = b.constant(extents[axis], 'i32');
    ids[axis] = axis === 0 ? rest : b.scalar('rem', rest, extent);
    if (axis > 0) rest = b.scalar('div', rest, extent);
  }
  return ids;
}
