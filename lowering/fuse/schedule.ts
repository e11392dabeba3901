/** From prepared StableHLO to a schedule: order of fusions, host control flow, buffers and what is updated in place. */
import { dtypeInfo } from '../../core/dtype.ts';
import { LoweringError } from '../../core/errors.ts';
import { encode } from '../../core/host.ts';
import { sizeOf } from '../../core/shape.ts';
import { type HloOp, type HloValue, type Region, type TensorType } from '../hlo/ir.ts';
import type { Kernel } from '../tile/ir.ts';
import { planAlone } from './alone.ts';
import { Clustering, rootOf, type Cluster } from './cluster.ts';
import { limitsOf } from './config.ts';
import type { BufferId, BufferSpec, Schedule, Step, Target } from './ir.ts';
import { assignSlots } from './plan.ts';
import { FusionWriter } from './to-tile.ts';
import { tripsOf } from './trips.ts';

interface Buffer {
  readonly type: TensorType;
  role: BufferSpec['role'];
  index: number;
}

const bytesOf = (type: TensorType): number => sizeOf(type.shape) * dtypeInfo[type.dtype].byteLength;

/** Order clusters so that producers come first, in program order otherwise. */
function topological(clusters: readonly Cluster[], clustering: Clustering): Cluster[] {
  const live = clusters.filter((c) => c.ops.length > 0);
  const needs = new Map(live.map((c) => [c, new Set<Cluster>()]));
  const users = new Map<Cluster, Cluster[]>();
  const require = (c: Cluster, owner: Cluster | undefined): void => {
    if (owner === undefined || owner === c || needs.get(c)?.has(owner) === true) return;
    needs.get(c)?.add(owner);
    users.set(owner, [...(users.get(owner) ?? []), c]);
  };
  for (const c of live) {
    for (const leaf of c.leaves) require(c, clustering.owner(leaf));
    require(c, c.after);
  }
  const position = new Map(
    live.map((c) => [c, Math.min(...c.ops.map((o) => clustering.position(o)))]),
  );
  const byPosition = (a: Cluster, b: Cluster): number =>
    (position.get(a) ?? 0) - (position.get(b) ?? 0);
  const ready = live.filter((c) => needs.get(c)?.size === 0).toSorted(byPosition);
  const order: Cluster[] = [];
  for (let c = ready.shift(); c !== undefined; c = ready.shift()) {
    order.push(c);
    for (const user of users.get(c) ?? []) {
      const left = needs.get(user);
      left?.delete(c);
      if (left?.size !== 0) continue;
      const at = ready.findIndex((r) => byPosition(user, r) < 0);
      ready.splice(at < 0 ? ready.length : at, 0, user);
    }
  }
  if (order.length !== live.length)
    throw new LoweringError('fuse: fusions depend on each other in a circle.');
  return order;
}

class ScheduleWriter {
  readonly #target: Target;
  readonly #buffers: Buffer[] = [];
  readonly #constants: Uint8Array[] = [];
  readonly #of = new Map<HloValue, BufferId>();
  #kernels = 0;

  constructor(target: Target) {
    this.#target = target;
  }

  #new(type: TensorType, role: BufferSpec['role'] = 'temporary', index = 0): BufferId {
    this.#buffers.push({ type, role, index });
    return this.#buffers.length - 1;
  }

  /** The buffer of a value in memory. */
  #buffer(value: HloValue): BufferId {
    const root = rootOf(value);
    const known = this.#of.get(root);
    if (known !== undefined) return known;
    const def = root.def;
    const id =
      def?.kind === 'constant' && !def.attrs.value.splat
        ? this.#constant(def)
        : this.#new(root.type);
    this.#of.set(root, id);
    return id;
  }

  #constant(op: HloOp<'constant'>): BufferId {
    const { value } = op.attrs;
    const type = op.results[0].type;
    if (value.splat) throw new LoweringError('fuse: a splat constant needs no buffer.');
    this.#constants.push(encode(value.values, type.dtype));
    return this.#new(type, 'constant', this.#constants.length - 1);
  }

  #kernel(kernel: Kernel, args: readonly HloValue[]): Step[] {
    if (kernel.grid.some((g) => g.extent === 0)) return [];
    return [{ kind: 'kernel', kernel, args: args.map((x) => this.#buffer(x)) }];
  }

  #region(region: Region): Step[] {
    const limits = limitsOf(this.#target);
    const first = new Clustering(region, limits);
    const clustering = first.fits ? first : new Clustering(region, limits, true);
    const order = topological(clustering.clusters, clustering);
    const lastUse = new Map<HloValue, number>();
    order.forEach((c, i) => {
      for (const leaf of c.leaves) lastUse.set(rootOf(leaf), i);
    });
    for (const x of region.results) lastUse.set(rootOf(x), Infinity);
    const local = new Set<HloValue>(region.args);
    for (const op of region.ops) for (const r of op.results) local.add(r);
    return order.flatMap((cluster, i) => {
      const dies = (x: HloValue): boolean => local.has(rootOf(x)) && lastUse.get(rootOf(x)) === i;
      return cluster.alone
        ? this.#alone(cluster.ops[0], dies)
        : this.#fusion(cluster, clustering, lastUse);
    });
  }

  #fusion(cluster: Cluster, clustering: Clustering, used: ReadonlyMap<HloValue, number>): Step[] {
    const outputs = [...cluster.dims.keys()].filter((v) => used.has(v) && sizeOf(v.type.shape) > 0);
    if (outputs.length === 0) return [];
    const writer = new FusionWriter(cluster, clustering, outputs, this.#target);
    const { kernel, args } = writer.build(`${nameOf(cluster)}_${this.#kernels++}`);
    return this.#kernel(kernel, args);
  }

  #alone(op: HloOp, dies: (x: HloValue) => boolean): Step[] {
    switch (op.kind) {
      case 'while':
        return this.#while(op, dies);
      case 'case':
        return this.#case(op);
      case 'constant':
        return [];
      case 'custom_call':
        return this.#host(op);
      default:
        return this.#steps(op, dies);
    }
  }

  #steps(op: HloOp, dies: (x: HloValue) => boolean): Step[] {
    const plan = planAlone(op);
    const steps: Step[] = [];
    for (const [result, start] of plan.starts) {
      const from = this.#buffer(start);
      const others = op.operands.filter((x) => rootOf(x) === rootOf(start)).length;
      if (dies(start) && others === 1 && this.#buffers[from].role === 'temporary')
        this.#of.set(op.results[result], from);
      else steps.push({ kind: 'copy', from, to: this.#buffer(op.results[result]) });
    }
    for (const { kernel, args } of plan.kernels) steps.push(...this.#kernel(kernel, args));
    return steps;
  }

  #host(op: HloOp<'custom_call'>): Step[] {
    const { host: call, target } = op.attrs;
    if (call === undefined)
      throw new LoweringError(
        `custom_call: compiled devices have no target @${target}; JavaScript functions live in the process that traced them and do not cross text. Use ops of StableHLO, or jit the function itself.`,
      );
    return [
      {
        kind: 'host',
        call,
        args: op.operands.map((x) => this.#buffer(x)),
        results: op.results.map((r) => this.#buffer(r)),
        argTypes: op.operands.map((x) => x.type),
        resultTypes: op.results.map((r) => r.type),
      },
    ];
  }

  #while(op: HloOp<'while'>, dies: (x: HloValue) => boolean): Step[] {
    const [cond, body] = op.regions;
    const steps: Step[] = [];
    const roots = op.operands.map(rootOf);
    const carried = op.operands.map((init, i) => {
      const from = this.#buffer(init);
      const own =
        dies(init) &&
        roots.indexOf(roots[i]) === i &&
        roots.lastIndexOf(roots[i]) === i &&
        init === roots[i];
      if (own && init.def !== undefined && this.#buffers[from].role === 'temporary') return from;
      const id = this.#new(init.type);
      steps.push({ kind: 'copy', from, to: id });
      return id;
    });
    for (const region of [cond, body])
      region.args.forEach((arg, i) => this.#of.set(arg, carried[i]));
    const condSteps = this.#region(cond);
    const predicate = this.#buffer(cond.results[0]);
    const bodySteps = this.#region(body);
    const taken = new Set<BufferId>();
    const next = body.results.map((result, i) => {
      const id = this.#buffer(result);
      const clash =
        id !== carried[i] &&
        (carried.includes(id) ||
          taken.has(id) ||
          this.#buffers[id].role !== 'temporary' ||
          !isInside(result, body));
      if (!clash) {
        taken.add(id);
        return id;
      }
      const copy = this.#new(result.type);
      bodySteps.push({ kind: 'copy', from: id, to: copy });
      return copy;
    });
    op.results.forEach((r, i) => this.#of.set(r, carried[i]));
    steps.push({
      kind: 'while',
      cond: condSteps,
      predicate,
      body: bodySteps,
      carried,
      next,
      trips: tripsOf(op),
    });
    return steps;
  }

  #case(op: HloOp<'case'>): Step[] {
    const results = op.results.map((r) => this.#buffer(r));
    const branches = op.regions.map((region) => {
      const steps = this.#region(region);
      region.results.forEach((value, i) =>
        steps.push({ kind: 'copy', from: this.#buffer(value), to: results[i] }),
      );
      return steps;
    });
    return [{ kind: 'case', index: this.#buffer(op.operands[0]), branches }];
  }

  write(name: string, main: Region): Schedule {
    main.args.forEach((arg, i) => this.#of.set(arg, this.#new(arg.type, 'input', i)));
    const steps = this.#region(main);
    const taken = new Set<BufferId>();
    const outputs = main.results.map((value, i) => {
      const id = this.#buffer(value);
      const buffer = this.#buffers[id];
      if (buffer.role === 'input') return id;
      if (buffer.role === 'temporary' && !taken.has(id)) {
        buffer.role = 'output';
        buffer.index = i;
        taken.add(id);
        return id;
      }
      const copy = this.#new(value.type, 'output', i);
      steps.push({ kind: 'copy', from: id, to: copy });
      return copy;
    });
    const buffers: BufferSpec[] = this.#buffers.map((b) => ({ ...b, byteLength: bytesOf(b.type) }));
    assignSlots(buffers, steps);
    return {
      name,
      buffers,
      constants: this.#constants,
      inputs: main.args.map((arg) => this.#of.get(arg)),
      outputs,
      steps,
    };
  }
}

const isInside = (value: HloValue, region: Region): boolean => {
  const root = rootOf(value);
  return root.def === undefined ? region.args.includes(root) : region.ops.includes(root.def);
};

/** A readable name of a fusion: what it does first and last. */
function nameOf(cluster: Cluster): string {
  if (cluster.dot !== undefined) return cluster.ops.length === 1 ? 'dot' : 'dot_map';
  if (cluster.reduced !== undefined) return cluster.ops.length === 1 ? 'reduce' : 'rows';
  const op = cluster.ops[0];
  return cluster.ops.length === 1 ? (op.kind === 'scalar' ? op.attrs.fn : op.kind) : 'map';
}

/** Schedule the prepared main region of a program. */
export const writeSchedule = (name: string, main: Region, target: Target): Schedule =>
  new ScheduleWriter(target).write(name, main);
