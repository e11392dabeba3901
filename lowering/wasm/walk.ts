/** What the emitters of structured ops see of the region that they stand in. */
import type { TileOp, TileRegion, TileValue } from '../tile/ir.ts';
import type { RegionPlan } from './plan.ts';
import type { Program } from './program.ts';
import type { Window } from './window.ts';

/** Chooses memory for results of a region before it is walked. */
export type ChooseTargets = (plan: RegionPlan) => ReadonlyMap<TileValue, Window>;

/** A region while it is walked. */
export interface Walk {
  readonly program: Program;
  readonly plan: RegionPlan;
  readonly region: TileRegion;
  /** Memory that results are to be put into, where the surroundings have chosen it. */
  readonly targets: ReadonlyMap<TileValue, Window>;
  /** Refs in whose memory tiles wait until they are stored there. */
  readonly homes: ReadonlyMap<TileValue, TileValue>;
  /** Ops whose effects have been emitted already. */
  readonly done: Set<TileOp>;
  /** Emit the ops of a region inside this one; its arguments must have places. */
  readonly enter: (region: TileRegion, choose?: ChooseTargets) => Walk;
}

/** Where a result goes: chosen memory, or fresh scratch memory. */
export const resultWindow = ({ program, targets }: Walk, tile: TileValue): Window =>
  targets.get(tile) ?? program.allocate('result', tile.type.dtype, tile.type.shape);
