/** The root of the package: transformations, control flow, arrays, devices. Re-exports only; `entry/setup/` installs the rest. */
import './entry/setup/start.ts';

export { NDArray, type ArrayLike } from './core/array.ts';
export { Aval } from './core/aval.ts';
export {
  defaultDevice,
  devices,
  type CompiledKernel,
  type Device,
  type DeviceKind,
} from './core/backend.ts';
export { config, withConfig, type Config } from './core/config.ts';
export type { DType } from './core/dtype.ts';
export {
  ArgumentError,
  AsyncFunctionError,
  CallbackError,
  CheckError,
  ConcretizationError,
  DeletedArrayError,
  DeviceError,
  DTypeError,
  FloatingPointError,
  InternalError,
  KernelError,
  LoweringError,
  MissingRuleError,
  OutOfMemoryError,
  PalladiaError,
  ParseError,
  ShapeError,
  TracerLeakError,
  TreeError,
  UnboundAxisError,
} from './core/errors.ts';
export type { Complex, Nested, TypedArray } from './core/host.ts';
export { Jaxpr } from './core/jaxpr.ts';
export {
  Mesh,
  NamedSharding,
  P,
  PartitionSpec,
  virtualDevices,
  type BlockRange,
  type PartitionEntry,
  type VirtualDevice,
} from './core/mesh.ts';
export { SingleDeviceSharding, type Sharding } from './core/sharding.ts';
export type { Shape } from './core/shape.ts';
export { Tracer } from './core/trace.ts';
export * as tree from './core/tree.ts';
export { Value } from './core/value.ts';

export { freeze, newRef, Ref } from './lax/ref.ts';
export type { AccessOptions, LoadOptions } from './lax/ref.ts';

export { clearCaches } from './transforms/caches.ts';
export { checkpoint, type CheckpointOptions } from './transforms/checkpoint.ts';
export { ensureCompileTimeEval } from './transforms/compile-time.ts';
export {
  checkpointName,
  checkpointPolicies,
  type CheckpointPolicies,
  type CheckpointPolicy,
  type OffloadNames,
} from './transforms/checkpoint-policies.ts';
export { closureConvert, customGradient, type WithGradient } from './transforms/custom-gradient.ts';
export { CustomVjpPrimal, type VjpRuleOptions } from './transforms/custom-vjp-rules.ts';
export {
  customJvp,
  customVjp,
  type CustomJvp,
  type CustomOptions,
  type CustomVjp,
  type JvpRule,
  type JvpRuleOptions,
} from './transforms/custom.ts';
export { customVmap, type CustomVmap, type VmapRule } from './transforms/custom-vmap.ts';
export { jvp, linearize, linearizeWithAux, type AuxOptions } from './transforms/forward.ts';
export { namedScope } from './transforms/named-scope.ts';
export {
  grad,
  valueAndGrad,
  vjp,
  vjpWithAux,
  type Argnums,
  type Gradient,
  type GradOptions,
  type VjpFunction,
} from './transforms/grad.ts';
export {
  hessian,
  jacfwd,
  jacrev,
  type AllowInt,
  type Hessian,
  type Jacobian,
  type JacobianOptions,
} from './transforms/jacobian.ts';
export {
  evalShape,
  jit,
  makeJaxpr,
  type Jitted,
  type JitOptions,
  type MakeJaxprOptions,
} from './transforms/jit.ts';
export { linearTranspose } from './transforms/linear-transpose.ts';
export {
  printSavedResiduals,
  savedResiduals,
  type SavedResidual,
} from './transforms/saved-residuals.ts';
export { shapeDtypeStruct, ShapeDtypeStruct } from './transforms/shape-struct.ts';
export { shardMap, type ShardMapOptions, type Specs } from './transforms/shard-map.ts';
export type { Input, Inputs, Output } from './transforms/signature.ts';
export type {
  Compiled,
  CostAnalysis,
  Lowered,
  MemoryAnalysis,
  TextOptions,
  Traced,
} from './transforms/stages.ts';
export { vmap, type Axes, type VmapOptions } from './transforms/vmap.ts';

export {
  effectsBarrier,
  ioCallback,
  pureCallback,
  type IoCallbackOptions,
  type PureCallbackOptions,
  type Results,
  type ResultType,
} from './control/callback.ts';
export type { VmapMethod } from './control/callback-call.ts';
export { cond, switchBranch } from './control/cond.ts';
export * as checkify from './control/checkify.ts';
export * as debug from './control/debug.ts';
export {
  associativeScan,
  map,
  type AssociativeScanOptions,
  type MapOptions,
} from './control/map.ts';
export { customRoot, type CustomRootOptions } from './control/root.ts';
export { scan, type ScanOptions } from './control/scan.ts';
export { sequentialVmap } from './control/sequential-vmap.ts';
export { customLinearSolve, type CustomLinearSolveOptions } from './control/solve.ts';
export { foriLoop, whileLoop, type ForiOptions } from './control/while.ts';

export type { ArrayMethods } from './numpy/methods.ts';

export {
  devicePut,
  init,
  setDefaultDevice,
  type InitOptions,
  type Put,
} from './entry/setup/devices.ts';
