/** `palladia/extend`: what libraries need to add primitives and transformations. */
import './setup/start.ts';

export { Aval, sameType } from '../core/aval.ts';
export { withAxes, type NamedAxis } from '../core/axis-env.ts';
export { invariant } from '../core/errors.ts';
export { Jaxpr, jaxprsIn, Literal, Var, type Atom, type Eqn } from '../core/jaxpr.ts';
export { checkJaxpr } from '../core/jaxpr-check.ts';
export { printJaxpr } from '../core/jaxpr-print.ts';
export { keyOf, type Keyed } from '../core/key.ts';
export { allPrimitives } from '../core/make-primitive.ts';
export {
  LinearArg,
  type AxisData,
  type BatchDim,
  type BatchResult,
  type JvpResult,
  type None,
  type Primitive,
  type Rules,
  type Tangent,
} from '../core/primitive.ts';
export {
  canonicalDType,
  promoteTypes,
  resultType,
  toInexact,
  type Typed,
} from '../core/promotion.ts';
export { RuleTable } from '../core/rule-table.ts';
export { currentTrace, isEager, Trace, Tracer, withTrace } from '../core/trace.ts';
export { HloBuilder } from '../lowering/hlo/build.ts';
export type { HloValue, TensorType } from '../lowering/hlo/ir.ts';
export { lowerRules, type LowerContext, type LowerRule } from '../lowering/rules.ts';
export { definePrimitive, none, type PrimitiveRecord } from '../lax/define.ts';
export { defineContraction, nameP, type Contraction } from '../transforms/checkpoint-policies.ts';
export { defineSaving, type SavedEqn, type SavingRule } from '../transforms/saving.ts';
export { evalJaxpr } from '../transforms/jaxpr-eval.ts';
export { definePartialEval, type PartialEvalRule } from '../transforms/linearize.ts';
export {
  defineFunctionBatch,
  hasBatchRule,
  type FunctionBatchRule,
} from '../transforms/vmap-trace.ts';
export { customVmapCallP } from '../transforms/custom-vmap.ts';
export { jitP } from '../transforms/jit-call.ts';
export { condP } from '../control/cond-call.ts';
export { scanP } from '../control/scan-call.ts';
export { whileP } from '../control/while-call.ts';
export { addAnyP } from '../lax/elementwise.ts';
export {
  absP,
  addP,
  ceilP,
  complexP,
  conjP,
  divP,
  floorP,
  imagP,
  integerPowP,
  maxP,
  minP,
  mulP,
  negP,
  nextafterP,
  realP,
  remP,
  roundP,
  signP,
  squareP,
  subP,
} from '../lax/arithmetic.ts';
export {
  andP,
  clzP,
  notP,
  orP,
  populationCountP,
  shiftLeftP,
  shiftRightArithmeticP,
  shiftRightLogicalP,
  xorP,
} from '../lax/bits.ts';
export { clampP, eqP, geP, gtP, isFiniteP, leP, ltP, neP, selectNP } from '../lax/comparison.ts';
export { bitcastConvertTypeP, convertElementTypeP, copyP, stopGradientP } from '../lax/convert.ts';
export { iotaP } from '../lax/creation.ts';
export { axisIndexP, pmaxP, pminP, psumP } from '../lax/collectives.ts';
export { allGatherP, allToAllP, ppermuteP, reduceScatterP } from '../lax/exchange.ts';
export { cumlogsumexpP, cummaxP, cumminP, cumprodP, cumsumP } from '../lax/cumulative.ts';
export { dotGeneralP } from '../lax/dot.ts';
export {
  gatherP,
  scatterAddP,
  scatterMaxP,
  scatterMinP,
  scatterMulP,
  scatterP,
} from '../lax/indexing.ts';
export { threefry2x32P } from '../lax/random.ts';
export {
  argmaxP,
  argminP,
  reduceAndP,
  reduceMaxP,
  reduceMinP,
  reduceOrP,
  reduceProdP,
  reduceXorP,
} from '../lax/reduction.ts';
export { concatenateP, dynamicSliceP, dynamicUpdateSliceP, padP, sliceP } from '../lax/slicing.ts';
export { sortP } from '../lax/sort.ts';
export {
  acosP,
  acoshP,
  asinP,
  asinhP,
  atan2P,
  atanP,
  atanhP,
  cbrtP,
  cosP,
  coshP,
  erfInvP,
  erfP,
  erfcP,
  exp2P,
  expP,
  expm1P,
  log1pP,
  logP,
  logisticP,
  powP,
  rsqrtP,
  sinP,
  sinhP,
  sqrtP,
  tanP,
  tanhP,
} from '../lax/transcendental.ts';
export {
  broadcastInDimP,
  reduceSumP,
  reshapeP,
  revP,
  squeezeP,
  transposeP,
} from '../lax/structure.ts';
