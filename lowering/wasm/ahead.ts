/**
 * Reading ahead. Where passes run row by row, the first of them waits for memory and the busiest for arithmetic. So the busiest touches,
 * a cache line at a time, what the others will read of arrays in the next row: memory works while the processor computes.
 */
import type { Access } from './access.ts';
import { loopCoefficient } from './access.ts';
import type { NestOptions, NestPlan } from './nest.ts';
import { Counters } from './nest.ts';
import { add, int, op, select } from './nodes.ts';
import type { Node } from './nodes.ts';
import { workOf } from './pass.ts';

/** Instructions per point from which on a pass has time to spare. */
const busyWork = 12;
const elementBytes = 4;

/** What is worth reading ahead. */
export interface Ahead {
  readonly busiest: NestPlan;
  readonly reads: readonly { readonly plan: NestPlan; readonly access: Access }[];
}

/** Whether a plan is one loop over vectors that walks an access element by element. */
function isRowOf(plan: NestPlan, access: Access): boolean {
  const [loop] = plan.loops;
  const isRow = plan.loops.length === 1 && plan.vectorAt === 0 && loop.clip === undefined;
  return isRow && access.guards.length === 0 && loopCoefficient(loop, access.form) === elementBytes;
}

/** Find what is worth reading ahead in passes that run row by row, when all of their rows lie inside the arrays. */
export function aheadOf(plans: readonly NestPlan[]): Ahead | undefined {
  const work = plans.map(({ pass }) => workOf(pass.instances));
  const most = Math.max(...work);
  const busiest = plans[work.indexOf(most)];
  if (most < busyWork || busiest.loops.length !== 1 || busiest.vectorAt !== 0) return undefined;
  const seen = new Set(plans.flatMap(({ pass }) => pass.writes.map((touch) => touch.area)));
  const reads = plans.flatMap((plan) => {
    if (plan === busiest || plan.loops[0]?.extent !== busiest.loops[0].extent) return [];
    return plan.pass.instances.flatMap((instance) => {
      const access = plan.accesses.get(instance);
      if (access === undefined || !isRowOf(plan, access)) return [];
      const { area } = access.window;
      const isNew = area.isShared && !seen.has(area);
      seen.add(area);
      return isNew ? [{ plan, access }] : [];
    });
  });
  return reads.length === 0 ? undefined : { busiest, reads };
}

/** Where the next row lies of what is read ahead. `counters`: of the row axes; the last of them goes to `end`, whose row is its own next. */
export function nextRows(
  { reads }: Ahead,
  { counters, end }: { readonly counters: readonly Node[]; readonly end: Node },
  options: Pick<NestOptions, 'context' | 'symbols'>,
): Node[] {
  const { fn } = options.context;
  const row = counters[counters.length - 1];
  const after = fn.keep(add(row, int(1)));
  const next = fn.keep(select(op('i32.lt_s', after, end), after, row));
  const leading = new Map([...counters.slice(0, -1), next].map((at, axis) => [axis, at]));
  return reads.map(({ plan, access }) =>
    fn.keep(new Counters(plan, { ...options, leading, range: undefined }).rowAddress(access)),
  );
}
