/** What the emitter must know about a device. */

/** What a device offers to shaders. */
export interface WgslFeatures {
  /** Whether subgroup operations can be used. */
  readonly subgroups: boolean;
  /** The least number of lanes of a subgroup; 1 without subgroups. */
  readonly subgroupSize: number;
  /** Whether `shader-f16` is there. */
  readonly f16: boolean;
  /** Most invocations of a workgroup. */
  readonly maxInvocations: number;
  /** Bytes of workgroup memory. */
  readonly workgroupBytes: number;
  /** Most storage buffers that a shader binds. */
  readonly maxBindings: number;
  /** Whether the device is a software driver, on which barriers and wide workgroups are very slow. */
  readonly fallback: boolean;
  /** Most workgroups along one dimension of a dispatch. */
  readonly maxWorkgroupsPerDimension: number;
}

/** The least that a WebGPU device offers. */
export const baselineFeatures: WgslFeatures = {
  subgroups: false,
  subgroupSize: 1,
  f16: false,
  maxInvocations: 256,
  workgroupBytes: 16384,
  maxBindings: 8,
  fallback: false,
  maxWorkgroupsPerDimension: 65535,
};
