/** Who reads the values of a block: what decides how many results a fusion must store. */
import type { HloOp, HloValue, Region } from '../hlo/ir.ts';
import { roleOf } from './classify.ts';

/** Readers of a value: ops of the block (those with regions also for what they capture), or the block's results. */
export type Readers = ReadonlyMap<HloValue, ReadonlySet<HloOp | 'results'>>;

/** The value under views. */
function under(value: HloValue): HloValue {
  let v = value;
  while (v.def !== undefined && roleOf(v.def) === 'view') v = v.def.operands[0];
  return v;
}

/** The readers of all values; views pass their readers on. */
export function readersOf(region: Region): Readers {
  const readers = new Map<HloValue, Set<HloOp | 'results'>>();
  const add = (value: HloValue, reader: HloOp | 'results'): void => {
    const base = under(value);
    const known = readers.get(base);
    if (known === undefined) readers.set(base, new Set([reader]));
    else known.add(reader);
  };
  const walk = (op: HloOp, reader: HloOp): void => {
    for (const x of op.operands) add(x, reader);
    for (const inner of op.regions) {
      for (const x of inner.ops) walk(x, reader);
      for (const x of inner.results) add(x, reader);
    }
  };
  for (const op of region.ops) if (roleOf(op) !== 'view') walk(op, op);
  for (const x of region.results) add(x, 'results');
  return readers;
}
