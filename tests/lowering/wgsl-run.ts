// Runs kernels as WGSL on the device of this process and in the interpreter, and compares. The same kernel is emitted for several kinds of
// devices: with and without subgroups, narrow workgroups and wide ones, so that every mode of reductions and contractions runs here.
import { expect } from 'vitest';
import { interpretKernel } from '../../lowering/tile/interpret.ts';
import type { Kernel } from '../../lowering/tile/ir.ts';
import { verifyKernel } from '../../lowering/tile/verify.ts';
import { emitWgsl, type WgslFeatures, type WgslKernel } from '../../lowering/wgsl/emit.ts';
import { difference, random, randomBytes, type Tolerance } from './wasm-run.ts';

const base: WgslFeatures = {
  subgroups: false,
  subgroupSize: 1,
  f16: false,
  maxInvocations: 64,
  workgroupBytes: 16384,
  maxBindings: 8,
  fallback: false,
  maxWorkgroupsPerDimension: 65535,
};

// Collecting the GPU object while its device works ends the process.
const keep: unknown[] = [];
let opened: Promise<GPUDevice> | undefined;

async function open(): Promise<GPUDevice> {
  const { create, globals } = await import('webgpu');
  Object.assign(globalThis, globals);
  const gpu = create([]);
  keep.push(gpu);
  const adapter = await gpu.requestAdapter();
  if (adapter === null)
    throw new Error('no WebGPU adapter: run this through scripts/with-vulkan.mjs');
  const { limits } = adapter;
  return adapter.requestDevice({
    requiredFeatures: adapter.features.has('subgroups') ? ['subgroups'] : [],
    requiredLimits: {
      maxStorageBuffersPerShaderStage: limits.maxStorageBuffersPerShaderStage,
      maxComputeWorkgroupStorageSize: limits.maxComputeWorkgroupStorageSize,
    },
  });
}

/** The device of this process. */
export const device = (): Promise<GPUDevice> => (opened ??= open());

/** Kinds of devices to emit for. `lanes` of the device at hand decide what its subgroups can stand for. */
export async function kinds(): Promise<Record<string, WgslFeatures>> {
  const { adapterInfo, features } = await device();
  const lanes = adapterInfo.subgroupMinSize;
  const subgroups = features.has('subgroups');
  return {
    fallback: { ...base, fallback: true, subgroups, subgroupSize: subgroups ? lanes : 1 },
    plain: { ...base, fallback: true },
    gpu: { ...base, subgroups, subgroupSize: subgroups ? lanes : 1 },
    wide: base,
  };
}

const canary = 0xa5;
const pad = (n: number): number => Math.max(16, Math.ceil(n / 16) * 16);
const slack = 64;

/** Run an emitted kernel on buffers, in place. */
export async function run(code: WgslKernel, buffers: readonly Uint8Array[]): Promise<void> {
  const gpu = await device();
  const { STORAGE, COPY_SRC, COPY_DST, MAP_READ } = GPUBufferUsage;
  gpu.pushErrorScope('validation');
  const module = gpu.createShaderModule({ code: code.code });
  const layout = gpu.createBindGroupLayout({
    entries: code.bindings.map(({ access }, binding) => ({
      binding,
      visibility: GPUShaderStage.COMPUTE,
      buffer: { type: access === 'read' ? 'read-only-storage' : 'storage' },
    })),
  });
  const pipeline = gpu.createComputePipeline({
    layout: gpu.createPipelineLayout({ bindGroupLayouts: [layout] }),
    compute: { module, entryPoint: code.entryPoint },
  });
  const make = (size: number): GPUBuffer =>
    gpu.createBuffer({ size: pad(size) + slack, usage: STORAGE | COPY_SRC | COPY_DST });
  const data = buffers.map((bytes) => {
    const buffer = make(bytes.length);
    const image = new Uint8Array(pad(bytes.length) + slack).fill(canary);
    image.set(bytes);
    gpu.queue.writeBuffer(buffer, 0, image);
    return buffer;
  });
  const scratch = code.scratchBytes > 0 ? make(code.scratchBytes) : undefined;
  const group = gpu.createBindGroup({
    layout,
    entries: code.bindings.map(({ operand }, binding) => ({
      binding,
      resource: {
        buffer: operand === 'scratch' ? scratch! : data[operand],
        size: operand === 'scratch' ? pad(code.scratchBytes) : pad(buffers[operand].length),
      },
    })),
  });
  const error = await gpu.popErrorScope();
  if (error !== null) throw new Error(`${error.message}\n${code.code}`);
  const staging = buffers.map((bytes) =>
    gpu.createBuffer({ size: pad(bytes.length) + slack, usage: MAP_READ | COPY_DST }),
  );
  const encoder = gpu.createCommandEncoder();
  if (!code.workgroups.includes(0)) {
    const pass = encoder.beginComputePass();
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, group);
    pass.dispatchWorkgroups(...code.workgroups);
    pass.end();
  }
  data.forEach((buffer, i) =>
    encoder.copyBufferToBuffer(buffer, 0, staging[i], 0, pad(buffers[i].length) + slack),
  );
  gpu.queue.submit([encoder.finish()]);
  await Promise.all(staging.map((buffer) => buffer.mapAsync(GPUMapMode.READ)));
  staging.forEach((buffer, i) => {
    const image = new Uint8Array(buffer.getMappedRange());
    const after = image.slice(0, buffers[i].length);
    // Packed elements share words, so the last word of an array may change beyond its end.
    const end = Math.ceil(buffers[i].length / 4) * 4;
    const outside = image.subarray(end).findIndex((byte) => byte !== canary);
    if (outside >= 0)
      throw new Error(
        `wrote byte ${end + outside} outside operand ${i} of ${buffers[i].length} bytes\n${code.code}`,
      );
    buffers[i].set(after);
    buffer.destroy();
  });
  for (const buffer of [...data, scratch]) buffer?.destroy();
}

/** Run a kernel for every kind of device on random data and compare what it writes with the interpreter. */
export async function compare(
  kernel: Kernel,
  options: {
    readonly tolerance?: Tolerance;
    readonly seed?: number;
    readonly range?: number;
    readonly data?: readonly (Uint8Array | undefined)[];
    readonly only?: readonly string[];
    readonly show?: boolean;
    /** Most workgroups along one dimension, to see grids folded. */
    readonly most?: number;
  } = {},
): Promise<void> {
  verifyKernel(kernel);
  const next = random(options.seed ?? 1);
  const inputs = kernel.operands.map(
    ({ dtype, shape }, i) =>
      options.data?.[i]?.slice() ?? randomBytes(dtype, shape, next, options.range),
  );
  const wanted = inputs.map((bytes) => bytes.slice());
  interpretKernel(kernel, wanted);
  for (const [kind, features] of Object.entries(await kinds())) {
    if (options.only !== undefined && !options.only.includes(kind)) continue;
    const maxWorkgroupsPerDimension = options.most ?? features.maxWorkgroupsPerDimension;
    const code = emitWgsl(kernel, { ...features, maxWorkgroupsPerDimension });
    if (options.show === true) console.log(code.code);
    const actual = inputs.map((bytes) => bytes.slice());
    await run(code, actual);
    kernel.operands.forEach(({ name, dtype }, i) => {
      const found = difference(
        dtype,
        actual[i],
        wanted[i],
        options.tolerance ?? { absolute: 1e-6, relative: 1e-5 },
      );
      if (found !== undefined)
        expect.fail(
          `${kernel.name} (${kind}): operand ${name} ${found}\n${process.env['SHOW'] === undefined ? '' : code.code}`,
        );
    });
  }
}
