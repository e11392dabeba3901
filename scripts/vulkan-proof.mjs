// Proves that WebGPU runs here: asks npm `webgpu` for an adapter, runs one compute shader, compares its numbers, and ends by
// itself. Run it as `node scripts/with-vulkan.mjs node scripts/vulkan-proof.mjs`.
import { create, globals } from 'webgpu';

Object.assign(globalThis, globals);

const shader = `
@group(0) @binding(0) var<storage, read_write> data: array<f32>;
@compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x < arrayLength(&data)) { data[id.x] = data[id.x] * 2.0 + 1.0; }
}`;

/** Doubles the numbers 0 … 99 and adds one, on the device. */
async function run(gpu) {
  const adapter = await gpu.requestAdapter();
  if (adapter === null)
    throw new Error('proof: no WebGPU adapter. Run this through scripts/with-vulkan.mjs.');
  const device = await adapter.requestDevice();
  const input = Float32Array.from({ length: 100 }, (_, index) => index);
  const { STORAGE, COPY_SRC, COPY_DST, MAP_READ } = GPUBufferUsage;
  const data = device.createBuffer({
    size: input.byteLength,
    usage: STORAGE | COPY_SRC | COPY_DST,
  });
  const read = device.createBuffer({ size: input.byteLength, usage: MAP_READ | COPY_DST });
  device.queue.writeBuffer(data, 0, input);
  const pipeline = device.createComputePipeline({
    layout: 'auto',
    compute: { module: device.createShaderModule({ code: shader }) },
  });
  const group = device.createBindGroup({
    layout: pipeline.getBindGroupLayout(0),
    entries: [{ binding: 0, resource: { buffer: data } }],
  });
  const encoder = device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  pass.setPipeline(pipeline);
  pass.setBindGroup(0, group);
  pass.dispatchWorkgroups(Math.ceil(input.length / 64));
  pass.end();
  encoder.copyBufferToBuffer(data, 0, read, 0, input.byteLength);
  device.queue.submit([encoder.finish()]);
  await read.mapAsync(GPUMapMode.READ);
  const output = new Float32Array(read.getMappedRange()).slice();
  read.unmap();
  device.destroy();
  const wrong = output.findIndex((value, index) => value !== index * 2 + 1);
  if (wrong >= 0)
    throw new Error(`proof: element ${wrong} must be ${wrong * 2 + 1}; got ${output[wrong]}.`);
  return adapter.info;
}

// The GPU object lives only in this call: Node stays alive for as long as it is referenced.
const { vendor, architecture, device } = await run(create([]));
console.log(`WebGPU ran on ${vendor} ${architecture} ${device}: 100 numbers right.`);
