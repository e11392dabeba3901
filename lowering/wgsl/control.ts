/** Loops and branches. Carried tiles are variables; conditions around barriers are the same in all invocations. */
import type { TileOp, TileRegion, TileValue } from '../tile/ir.ts';
import * as affine from './affine.ts';
import type { Affine } from './affine.ts';
import { registerOf, type Register } from './format.ts';
import { LoweringError } from '../../core/errors.ts';
import type { Program, Resident } from './program.ts';

/** What control flow needs from the emitter: to write the ops of a region. */
export interface Runner {
  readonly p: Program;
  run(region: TileRegion): void;
  isUniform(value: TileValue): boolean;
}

/** A rank-0 value that all invocations agree on. */
function agreed(r: Runner, value: TileValue): string {
  const { p } = r;
  const name = p.scalar(value);
  if (r.isUniform(value) || p.threads.tx * p.threads.ty === 1) return name;
  const register: Register = registerOf(value.type.dtype);
  const shared = p.text.fresh('agreed');
  if (!p.space.declare(shared, register, 1))
    throw new LoweringError('webgpu: no workgroup memory is left for a condition.');
  p.text.line(`if (lid == 0) { ${shared} = ${name}; }`);
  const result = p.text.let('same', `workgroupUniformLoad(&${shared})`);
  p.barriers.met();
  return result;
}

/** A rank-0 i32 value that all invocations agree on, as an index. */
function agreedIndex(r: Runner, value: TileValue): Affine {
  const held = r.p.get(value);
  return held.kind === 'int' ? held.at : affine.variable(r.p.text.let('n', agreed(r, value)));
}

/** Values from outside that a region reads. */
function captured(regions: readonly TileRegion[]): Map<TileValue, boolean> {
  const inner = new Set<TileValue>();
  // Whether all readers are dots and ops that only move elements, which read memory themselves.
  const outer = new Map<TileValue, boolean>();
  const visit = (region: TileRegion): void => {
    for (const arg of region.args) inner.add(arg);
    for (const op of region.ops) {
      const isReader = ['dot', 'transpose', 'reshape', 'slice'].includes(op.kind);
      for (const x of op.operands)
        if (!inner.has(x)) outer.set(x, (outer.get(x) ?? true) && isReader);
      for (const nested of op.regions) visit(nested);
      for (const result of op.results) inner.add(result);
    }
    for (const x of region.results) if (!inner.has(x)) outer.set(x, false);
  };
  for (const region of regions) visit(region);
  return outer;
}

/** Whether a value is read straight from memory, perhaps turned. */
function isRead(value: TileValue): boolean {
  let v: TileValue = value;
  while (v.def !== undefined && ['transpose', 'reshape', 'slice'].includes(v.def.kind))
    v = v.def.operands[0];
  return v.def?.kind === 'load';
}

/** Evaluate before a loop what its body would evaluate in every iteration. */
function settle(p: Program, regions: readonly TileRegion[]): void {
  for (const [value, isForDots] of captured(regions)) {
    const held = p.get(value);
    if (held.kind !== 'pure' || p.demand.cost(value) === 0) continue;
    if (isForDots && isRead(value)) continue;
    p.force(value);
  }
}

/** Declare variables for carried tiles and set them. */
function carry(p: Program, inits: readonly TileValue[], args: readonly TileValue[]): Resident[] {
  return args.map((arg, i) => {
    const resident = p.variables(arg, 'carried');
    p.sweep(resident.layout, [inits[i]], (point, register) => {
      const name = p.at(inits[i], point);
      p.text.line(`${p.register(resident, register)} = ${name};`);
    });
    return resident;
  });
}

/** Set variables to values at once: a value may itself be one of the variables. */
function assign(p: Program, targets: readonly Resident[], values: readonly TileValue[]): void {
  const own = new Set(
    targets.flatMap((t) => [...(t.names ?? []), ...(t.array === undefined ? [] : [t.array])]),
  );
  const pending: { to: string; from: string }[] = [];
  values.forEach((value, i) => {
    const target = targets[i];
    p.force(value);
    if (target.names === undefined) p.toArray(value);
    const held = p.force(value);
    const pairs =
      target.names === undefined
        ? [{ to: target.array ?? '', from: held.array ?? '' }]
        : target.names.map((to, n) => ({ to, from: p.register(held, affine.constant(n)) }));
    for (const { to, from } of pairs) {
      if (to === from) continue;
      const isOwn = own.has(from) || [...own].some((name) => from.startsWith(`${name}[`));
      pending.push({ to, from: isOwn && values.length > 1 ? copied(p, from) : from });
    }
  });
  for (const { to, from } of pending) p.text.line(`${to} = ${from};`);
}

function copied(p: Program, from: string): string {
  const name = p.text.fresh('moved');
  p.text.line(`let ${name} = ${from};`);
  return name;
}

/** Write a counted loop. */
export function emitFor(r: Runner, op: TileOp<'for'>): void {
  const { p } = r;
  const [body] = op.regions;
  const [lo, hi, step] = op.operands.slice(0, 3).map((x) => agreedIndex(r, x));
  settle(p, op.regions);
  const carried = carry(p, op.operands.slice(3), body.args.slice(1));
  const i = p.text.fresh('i');
  const [first, last, by] = [affine.rangeOf(lo), affine.rangeOf(hi), affine.rangeOf(step)];
  const limit =
    affine.isConstant(hi) && hi.constant > 1
      ? p.trips(hi.constant)
      : p.text.let('end', affine.print(hi));
  const test =
    by.lo > 0
      ? `${i} < ${limit}`
      : by.hi < 0
        ? `${i} > ${limit}`
        : `select(${i} > ${limit}, ${i} < ${limit}, ${affine.print(step)} > 0)`;
  const range =
    by.lo > 0
      ? { lo: first.lo, hi: Math.max(first.lo, last.hi - 1) }
      : by.hi < 0
        ? { lo: Math.min(first.hi, last.lo + 1), hi: first.hi }
        : affine.int32;
  const multiple = Math.max(1, affine.gcd(affine.multipleOf(lo), affine.multipleOf(step)));
  p.block(`for (var ${i} = ${affine.print(lo)}; ${test}; ${i} += ${affine.print(step)})`, () =>
    p.barriers.loop(() => {
      p.set(body.args[0], { kind: 'int', at: affine.variable(i, range, multiple) });
      carried.forEach((resident, n) => p.set(body.args[n + 1], resident));
      r.run(body);
      assign(p, carried, body.results);
    }),
  );
  op.results.forEach((result, n) => p.set(result, carried[n]));
}

/** Write a loop that runs while a condition holds. */
export function emitWhile(r: Runner, op: TileOp<'while'>): void {
  const { p } = r;
  const [cond, body] = op.regions;
  settle(p, op.regions);
  const carried = carry(p, op.operands, body.args);
  p.block('loop', () =>
    p.barriers.loop(() => {
      carried.forEach((resident, n) => p.set(cond.args[n], resident));
      r.run(cond);
      p.text.line(`if (!${agreed(r, cond.results[0])}) { break; }`);
      carried.forEach((resident, n) => p.set(body.args[n], resident));
      r.run(body);
      assign(p, carried, body.results);
    }),
  );
  op.results.forEach((result, n) => p.set(result, carried[n]));
}

/** Write a branch. */
export function emitIf(r: Runner, op: TileOp<'if'>): void {
  const { p } = r;
  const condition = agreed(r, op.operands[0]);
  const results = op.results.map((result) => p.variables(result, 'chosen'));
  const branch = (region: TileRegion, head: string) => (): void =>
    p.block(head, () => {
      r.run(region);
      assign(p, results, region.results);
    });
  const [then, otherwise] = op.regions;
  const bodies = [branch(then, `if (${condition})`)];
  if (otherwise.ops.length > 0 || results.length > 0) bodies.push(branch(otherwise, 'else'));
  p.barriers.branches(bodies);
  op.results.forEach((result, n) => p.set(result, results[n]));
}
