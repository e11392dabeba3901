/** Ops that write memory: stores, accumulations, atomics and scatters; and loads from memory that the kernel writes. */
import { dtypeInfo } from '../../core/dtype.ts';
import { LoweringError } from '../../core/errors.ts';
import { sizeOf } from '../../core/shape.ts';
import type { TileOp, TileValue } from '../tile/ir.ts';
import * as affine from './affine.ts';
import { component, literal, registerOf, splat, typeName } from './format.ts';
import { componentOf, type Layout, type Point } from './layout.ts';
import type { Program, Resident } from './program.ts';
import { apply, asI32, indexedPoint, withinChecks } from './pure.ts';
import { guarded, locate, readRef, writeRef, type RefView } from './refs.ts';

/** A key under which accesses of one window and layout touch the same elements from the same invocations. */
function accessKey(p: Program, view: RefView, layout: Layout): string | undefined {
  const isRepeated =
    (p.threads.tx > 1 && layout.columns === 1) || (p.threads.ty > 1 && layout.rows === 1);
  if (isRepeated || dtypeInfo[view.memory.dtype].bits < 32) return undefined;
  const dims = view.dims.map((d) => `${affine.print(d.start)}/${d.step}/${d.axis}`);
  return `${dims.join(',')} ${layout.shape.join('x')}`;
}

const ownerPoint: Point = { coords: [], width: 1, axis: -1 };

/** Split a write by components where a mask says something else for each. */
function writeMasked(
  p: Program,
  view: RefView,
  place: { point: Point; value: string; mask: string | undefined; guards: readonly string[] },
): void {
  const { point, value, mask, guards } = place;
  if (mask === undefined) {
    writeRef(p, view, point, { value, guards });
    return;
  }
  if (point.width === 1) {
    writeRef(p, view, point, { value, guards: [...guards, mask] });
    return;
  }
  for (let e = 0; e < point.width; e++)
    writeRef(p, view, componentOf(point, e), {
      value: component(value, e, point.width),
      guards: [...guards, component(mask, e, point.width)],
    });
}

/** Store a tile, or combine it into what is there. */
export function store(p: Program, op: TileOp<'store' | 'accumulate'>): void {
  const [ref, tile, mask] = op.operands;
  const held = p.get(ref);
  if (held.kind === 'cells') {
    storeCells(p, op, held);
    return;
  }
  const view = p.view(ref);
  const layout = p.layout(tile.type.shape);
  const { dtype } = tile.type;
  const values = mask === undefined ? [tile] : [tile, mask];
  const key = accessKey(p, view, layout);
  const write = (point: Point): void => {
    const value = p.at(tile, point);
    const on = mask === undefined ? undefined : p.at(mask, point);
    const guards = p.ownership(layout, point);
    if (op.kind === 'store') {
      writeMasked(p, view, { point, value, mask: on, guards });
      return;
    }
    const old = p.text.let('old', readRef(p, view, point, literal(0, dtype)));
    const next = apply(p, op.attrs.combiner, { dtype, width: point.width, args: [old, value] });
    writeMasked(p, view, { point, value: p.text.let('next', next), mask: on, guards });
  };
  p.sweep(layout, values, write, () => {
    if (op.kind === 'accumulate') p.barriers.touch(view.memory, 'read', key);
    p.barriers.touch(view.memory, 'write', key);
  });
}

function storeCells(
  p: Program,
  op: TileOp<'store' | 'accumulate'>,
  cells: Pick<Resident, 'layout' | 'names' | 'array'>,
): void {
  const [, tile, mask] = op.operands;
  const { dtype } = tile.type;
  const { layout } = cells;
  const combined: { cell: string; value: string }[] = [];
  p.sweep(layout, mask === undefined ? [tile] : [tile, mask], (point, register) => {
    const cell = p.register(cells, register);
    let value = p.at(tile, point);
    if (op.kind === 'accumulate')
      value = apply(p, op.attrs.combiner, { dtype, width: point.width, args: [cell, value] });
    if (mask !== undefined) value = `select(${cell}, ${value}, ${p.at(mask, point)})`;
    if (affine.isConstant(register) && cells.names !== undefined)
      combined.push({ cell, value: p.text.let('cell', value) });
    else p.text.line(`${cell} = ${value};`);
  });
  for (const { cell, value } of combined) p.text.line(`${cell} = ${value};`);
}

/** Load from memory that changes: the values are taken now. */
export function loadNow(p: Program, op: TileOp<'load'>): void {
  const [ref, mask, other] = op.operands;
  const [result] = op.results;
  const held = p.get(ref);
  const { dtype, shape } = result.type;
  const layout = p.layout(shape);
  const fill = literal(op.attrs.fill ?? 0, dtype);
  const extra = [mask, other].filter((x) => x !== undefined);
  const into = p.variables(result, 'loaded');
  const target = (register: affine.Affine, text: string): void =>
    p.text.line(`${p.register(into, register)} = ${text};`);
  const announce = (): void => {
    if (held.kind === 'cells') return;
    const view = p.view(ref);
    p.barriers.touch(view.memory, 'read', accessKey(p, view, layout));
  };
  const take = (point: Point, register: affine.Affine): void => {
    let text =
      held.kind === 'cells' ? p.register(held, register) : readRef(p, p.view(ref), point, fill);
    if (mask !== undefined) {
      const off =
        other === undefined
          ? splat(p.prelude.note(fill), registerOf(dtype), point.width)
          : p.at(other, point);
      text = `select(${off}, ${text}, ${p.at(mask, point)})`;
    }
    target(register, text);
  };
  p.sweep(layout, extra, take, announce);
  p.set(result, into);
}

/** Gather from memory that changes. */
export function gatherNow(p: Program, op: TileOp<'gather'>): void {
  const [ref, ...rest] = op.operands;
  const [result] = op.results;
  const view = p.view(ref);
  const { dtype, shape } = result.type;
  const layout = p.layout(shape);
  const register = registerOf(dtype);
  const fill = p.prelude.note(literal(op.attrs.fill ?? 0, dtype));
  const into = p.variables(result, 'gathered');
  const take = (point: Point, at: affine.Affine): void => {
    const args = rest.map((x) => p.at(x, point));
    const parts = Array.from({ length: point.width }, (_, e) => {
      const names = view.shape.map((_d, i) => asI32(p, component(args[i], e, point.width), 'i32'));
      const checks = withinChecks(names, view.shape);
      if (op.attrs.masked) checks.push(component(args[view.shape.length], e, point.width));
      if (view.shape.includes(0)) return fill;
      const value = readRef(p, view, indexedPoint(names, view.shape), fill);
      return checks.length === 0 ? value : `select(${fill}, ${value}, ${checks.join(' && ')})`;
    });
    const text =
      parts.length === 1 ? parts[0] : `${typeName(register, point.width)}(${parts.join(', ')})`;
    p.text.line(`${p.register(into, at)} = ${text};`);
  };
  p.sweep(layout, rest, take, () => p.barriers.touch(view.memory, 'read'));
  p.set(result, into);
}

const atomicNames: Readonly<Record<string, string>> = {
  add: 'atomicAdd',
  max: 'atomicMax',
  min: 'atomicMin',
  and: 'atomicAnd',
  or: 'atomicOr',
  xor: 'atomicXor',
  exchange: 'atomicExchange',
};

/** An atomic read-modify-write of one element by one invocation; the old value goes to all. */
export function atomic(p: Program, op: TileOp<'atomic'>): void {
  const [ref, value, mask] = op.operands;
  const view = p.view(ref);
  const { memory } = view;
  const { dtype } = value.type;
  if (memory.space !== 'storage' || dtypeInfo[dtype].bits !== 32)
    throw new LoweringError(
      `atomic: WebGPU has atomics on 32-bit elements of operands; got ${dtype} of ${memory.name}. Use accumulate for memory of the program.`,
    );
  const x = p.scalar(value);
  const on = mask === undefined ? [] : [p.scalar(mask)];
  const register = registerOf(dtype);
  p.now.noteAtomic(memory.name);
  p.now.note(memory.name, 1, true);
  const shared = p.text.fresh('old');
  if (!p.space.declare(shared, register, 1))
    throw new LoweringError('atomic: no workgroup memory is left for the old value.');
  p.text.line(`if (lid == 0) { ${shared} = ${splat('0', register, 1)}; }`);
  const { index, checks } = locate(p, view, ownerPoint);
  guarded(p, ['lid == 0', ...on, ...checks], () => {
    const word = `&${memory.name}[${affine.print(index)}]`;
    const name = atomicNames[op.attrs.combiner];
    if (register !== 'f32' && name !== undefined)
      p.text.line(`${shared} = ${name}(${word}, ${x});`);
    else if (op.attrs.combiner === 'exchange')
      p.text.line(`${shared} = bitcast<f32>(atomicExchange(${word}, bitcast<u32>(${x})));`);
    else compareAndSwap(p, { word, x, shared, dtype, combiner: op.attrs.combiner });
  });
  const result = op.results[0];
  const old = p.text.let('was', `workgroupUniformLoad(&${shared})`);
  p.barriers.met();
  p.set(result, { kind: 'resident', layout: p.layout([]), names: [old] });
}

/** For combiners without an atomic function: try until nobody else was faster. */
function compareAndSwap(
  p: Program,
  use: {
    word: string;
    x: string;
    shared: string;
    dtype: TileValue['type']['dtype'];
    combiner: TileOp<'atomic'>['attrs']['combiner'];
  },
): void {
  if (use.combiner === 'exchange') return;
  const register = registerOf(use.dtype);
  const bits = p.text.fresh('bits');
  const toValue = (text: string): string => (register === 'f32' ? `bitcast<f32>(${text})` : text);
  const toWord = (text: string): string => (register === 'f32' ? `bitcast<u32>(${text})` : text);
  p.text.line(`var ${bits} = atomicLoad(${use.word});`);
  const { combiner } = use;
  p.block('loop', () => {
    const next = apply(p, combiner, {
      dtype: use.dtype,
      width: 1,
      args: [toValue(bits), use.x],
    });
    const swapped = p.text.let(
      'swap',
      `atomicCompareExchangeWeak(${use.word}, ${bits}, ${toWord(p.text.let('next', next))})`,
    );
    p.text.line(`if (${swapped}.exchanged) { break; }`);
    p.text.line(`${bits} = ${swapped}.old_value;`);
  });
  p.text.line(`${use.shared} = ${toValue(bits)};`);
}

/**
 * Scatter in row-major order: targets and updates go to shared memory; then every invocation walks all of them and applies those whose
 * target is its own. So repeated targets keep their order and no atomics are needed.
 */
export function scatter(p: Program, op: TileOp<'scatter'>): void {
  const [ref, ...rest] = op.operands;
  const view = p.view(ref);
  const rank = view.shape.length;
  const update = rest[rank];
  const mask = op.attrs.masked ? rest[rank + 1] : undefined;
  const { dtype, shape } = update.type;
  const layout = p.layout(shape);
  const count = sizeOf(shape);
  if (count === 0 || view.shape.includes(0)) return;
  const mark = p.space.mark();
  const targets = p.space.take('i32', count);
  const updates = p.space.take(dtype, count);
  const key = p.text.fresh('scatter');
  const announce = (): void => {
    p.barriers.touch(targets, 'write', key);
    p.barriers.touch(updates, 'write', key);
  };
  const strides = shape.map((_, i) => sizeOf(shape.slice(i + 1)));
  const note = (point: Point): void => {
    const args = rest.map((x) => p.at(x, point));
    for (let e = 0; e < point.width; e++) {
      const one = point.width === 1 ? point : componentOf(point, e);
      const at = one.coords.reduce(
        (sum, c, i) => affine.add(sum, affine.scale(c.at, strides[i])),
        affine.zero,
      );
      const names = view.shape.map((_, i) => asI32(p, component(args[i], e, point.width), 'i32'));
      const location = locate(p, view, indexedPoint(names, view.shape));
      const checks = [...withinChecks(names, view.shape), ...location.checks];
      if (mask !== undefined) checks.push(component(args[rank + 1], e, point.width));
      const index = affine.print(location.index);
      const target = checks.length === 0 ? index : `select(-1, ${index}, ${checks.join(' && ')})`;
      const name = p.text.let('target', target);
      guarded(p, p.ownership(layout, one), () => {
        targets.write(at, 1, name);
        updates.write(at, 1, component(args[rank], e, point.width));
      });
    }
  };
  p.sweep(layout, rest, note, announce);
  p.barriers.touch(targets, 'read', 'targets');
  p.barriers.touch(updates, 'read', 'targets');
  p.barriers.touch(view.memory, 'write');
  applyUpdates(p, op, { view, targets, updates, count });
  p.space.release(mark);
}

function applyUpdates(
  p: Program,
  op: TileOp<'scatter'>,
  s: {
    view: RefView;
    targets: { read(i: affine.Affine, w: 1): string };
    updates: { read(i: affine.Affine, w: 1): string };
    count: number;
  },
): void {
  const { memory } = s.view;
  const { combiner } = op.attrs;
  const k = p.text.fresh('k');
  const total = p.threads.tx * p.threads.ty;
  // Elements that share a word must have one owner.
  const perWord = Math.max(1, 32 / dtypeInfo[memory.dtype].bits);
  p.block(`for (var ${k} = 0; ${k} < ${p.trips(s.count)}; ${k}++)`, () => {
    const at = affine.variable(k, { lo: 0, hi: s.count - 1 });
    const target = p.text.let('target', s.targets.read(at, 1));
    const owner = perWord === 1 ? target : `(${target} / ${perWord})`;
    p.block(`if (${target} >= 0 && ${owner} % ${total} == lid)`, () => {
      const index = affine.variable(target, { lo: 0, hi: 2 ** 31 - 1 });
      let value = p.text.let('update', s.updates.read(at, 1));
      if (combiner !== 'set') {
        const old = p.text.let('old', memory.read(index, 1));
        const args = [old, value];
        value = p.text.let('next', apply(p, combiner, { dtype: memory.dtype, width: 1, args }));
      }
      memory.write(index, 1, value);
    });
  });
}
