/** Optimizers and learning rate schedules, after optax. */
export {
  applyUpdates,
  chain,
  clipByGlobalNorm,
  globalNorm,
  scale,
  scaleByLearningRate,
  scaleBySchedule,
  stateless,
  type GradientTransformation,
  type OptState,
  type Schedule,
  type Tree,
} from './transformation.ts';
export {
  adam,
  adamw,
  addDecayedWeights,
  momentum,
  scaleByAdam,
  sgd,
  trace,
  type AdamOptions,
  type AdamwOptions,
  type SgdOptions,
} from './optimizers.ts';
export {
  constantSchedule,
  cosineDecaySchedule,
  linearSchedule,
  warmupCosineDecaySchedule,
} from './schedules.ts';
