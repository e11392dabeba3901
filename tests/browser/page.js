// What runs in the page: a compute shader through the browser's own WebGPU, so that a failure below is ours, then the programs of
// programs.js on every device. Leaves `window.__results`: a list of { name, timeMs, error?, skip? }.

/** Doubles the numbers 0 … 63 on the GPU. */
async function shader() {
  const adapter = await navigator.gpu.requestAdapter();
  const device = await adapter.requestDevice();
  const input = Float32Array.from({ length: 64 }, (_, index) => index);
  const { STORAGE, COPY_SRC, COPY_DST, MAP_READ } = GPUBufferUsage;
  const size = input.byteLength;
  const data = device.createBuffer({ size, usage: STORAGE | COPY_SRC | COPY_DST });
  const read = device.createBuffer({ size, usage: MAP_READ | COPY_DST });
  device.queue.writeBuffer(data, 0, input);
  const code = `@group(0) @binding(0) var<storage, read_write> data: array<f32>;
    @compute @workgroup_size(64) fn main(@builtin(local_invocation_index) i: u32) { data[i] *= 2.0; }`;
  const module = device.createShaderModule({ code });
  const pipeline = device.createComputePipeline({ layout: 'auto', compute: { module } });
  const layout = pipeline.getBindGroupLayout(0);
  const entries = [{ binding: 0, resource: { buffer: data } }];
  const encoder = device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  pass.setPipeline(pipeline);
  pass.setBindGroup(0, device.createBindGroup({ layout, entries }));
  pass.dispatchWorkgroups(1);
  pass.end();
  encoder.copyBufferToBuffer(data, 0, read, 0, size);
  device.queue.submit([encoder.finish()]);
  await read.mapAsync(GPUMapMode.READ);
  const output = new Float32Array(read.getMappedRange());
  const wrong = output.findIndex((value, index) => value !== 2 * index);
  if (wrong >= 0) throw new Error(`element ${wrong} must be ${2 * wrong}; got ${output[wrong]}`);
  device.destroy();
}

const results = [];

/** Runs one test and keeps its outcome. */
async function run(name, test) {
  const start = performance.now();
  try {
    await test();
    results.push({ name, timeMs: performance.now() - start });
  } catch (error) {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    results.push({ name, timeMs: performance.now() - start, error: text });
  }
}

await run('the page is isolated', () => {
  if (!crossOriginIsolated) throw new Error('crossOriginIsolated must be true');
});
await run('a compute shader, without Palladia', shader);

if ('built' in document.documentElement.dataset) {
  const { programs } = await import('./programs.js');
  for (const [name, program] of programs()) await run(name, program);
} else {
  results.push({ name: 'programs', timeMs: 0, skip: 'dist/ is not built: npm run build' });
}
window.__results = results;
