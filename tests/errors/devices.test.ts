// Mistakes with devices, programs as text, and options of the package.
import {
  config,
  devicePut,
  init,
  jit,
  OutOfMemoryError,
  setDefaultDevice,
  withConfig,
  type Value,
} from 'palladia';
import * as hlo from 'palladia/hlo';
import * as np from 'palladia/numpy';
import { expect, test, vi } from 'vitest';
import { report, reportLater, reports, untyped } from './report.ts';

const x = np.array([1, 2, 3]);

test('devices', async () => {
  expect(
    reports({
      'a device that does not exist': () => setDefaultDevice('gpu' as 'webgpu'),
      'a device that was not started': () => setDefaultDevice('webgpu'),
    }),
  ).toMatchInlineSnapshot(`
    "a device that does not exist
      DeviceError: setDefaultDevice: a device is one of wasm, webgpu, interpreter; got gpu. Check the name.
    a device that was not started
      DeviceError: device: "webgpu" is not available; have wasm, interpreter. Call \`await init({ device: 'webgpu' })\` first."
  `);
  expect(await reportLater(() => init({ device: 'cuda' as 'webgpu' }))).toMatchInlineSnapshot(
    `"DeviceError: init: a device is one of wasm, webgpu, interpreter; got cuda. Check the name."`,
  );
  expect(await reportLater(() => init({ devices: 'wasm' } as never))).toMatchInlineSnapshot(
    `"ArgumentError: init: options must be among device, threads, softLimit, maximumBytes, shared, powerPreference, memoryLimit, dawn; got devices. Check the spelling."`,
  );
  expect(await reportLater(() => init({ device: 'wasm', threads: 64 }))).toMatchInlineSnapshot(
    `"DeviceError: init: options of the wasm device must be given before it is used; got threads afterwards. Call init before making arrays."`,
  );
  expect(await reportLater(() => devicePut(x, 'webgpu'))).toMatchInlineSnapshot(
    `"DeviceError: device: "webgpu" is not available; have wasm, interpreter. Call \`await init({ device: 'webgpu' })\` first."`,
  );
  expect(await reportLater(() => devicePut('text', 'wasm'))).toMatchInlineSnapshot(
    `"ArgumentError: devicePut: leaves must be arrays or numbers; got text. Make an array of it with np.array(…)."`,
  );
  expect(
    report(() => jit((v: Value) => untyped(devicePut)(v, 'wasm') as Value)(x)),
  ).toMatchInlineSnapshot(
    `"AsyncFunctionError: jit: transformed functions must be synchronous; got a promise from <lambda>. Await what it needs before the call, and pass the values as arguments."`,
  );
});

test('WebGPU where there is none', async () => {
  vi.stubGlobal('navigator', { gpu: { requestAdapter: async () => null } });
  expect(await reportLater(() => init({ device: 'webgpu' }))).toMatchInlineSnapshot(
    `"DeviceError: webgpu: a GPU must be available; the engine found none. In Node, install the package "webgpu" (it needs a Vulkan, Metal or D3D12 driver); in a browser, use one with WebGPU on a page served over https."`,
  );
  vi.stubGlobal('navigator', {
    gpu: {
      requestAdapter: async () => {
        throw new Error('blocked by the administrator');
      },
    },
  });
  expect(await reportLater(() => init({ device: 'webgpu' }))).toMatchInlineSnapshot(
    `"DeviceError: webgpu: a GPU must be available; the engine refused. In Node, install the package "webgpu" (it needs a Vulkan, Metal or D3D12 driver); in a browser, use one with WebGPU on a page served over https."`,
  );
  vi.unstubAllGlobals();
  expect(String(x.add(1))).toBe('[2. 3. 4.]');
});

test('programs as text', () => {
  const body = (line: string, result = 'tensor<2xf32>'): string =>
    `module @m {\n  func.func public @main(%arg0: tensor<2xf32>) -> (${result}) {\n    ${line}\n    return %0 : ${result}\n  }\n}\n`;
  const good = hlo.load(body('%0 = stablehlo.sine %arg0 : tensor<2xf32>'));
  expect(
    reports({
      'empty text': () => hlo.parse(''),
      'no program': () => hlo.parse('hello'),
      'a program that ends too early': () => hlo.parse('module @m {\n  func.func public @main('),
      'an operation that does not exist': () =>
        hlo.parse(body('%0 = stablehlo.sinus %arg0 : tensor<2xf32>')),
      'a value that is not defined': () =>
        hlo.parse(body('%0 = stablehlo.sine %1 : tensor<2xf32>')),
      'a type that does not exist': () =>
        hlo.parse(body('%0 = stablehlo.sine %arg0 : tensor<2xf33>')),
      'types that do not fit': () =>
        hlo.verify(
          hlo.parse(
            body(
              '%0 = stablehlo.add %arg0, %arg0 : (tensor<2xf32>, tensor<2xf32>) -> tensor<3xf32>',
              'tensor<3xf32>',
            ),
          ),
        ),
      'a loaded program with other arguments': () => good(np.ones([3])),
      'a loaded program with too few arguments': () => good(),
      'an entry that does not exist': () =>
        hlo.load(body('%0 = stablehlo.sine %arg0 : tensor<2xf32>'), { entry: 'step' }),
      'no text': () => untyped(hlo.parse)(undefined),
    }),
  ).toMatchInlineSnapshot(`
    "empty text
      ParseError: parse: a module must have a function; got none. (line 1, column 1)
    no program
      ParseError: parse: a module must hold functions (func.func); got "hello". Export the program for one device, without meshes and other dialects. (line 1, column 1)
    a program that ends too early
      ParseError: parse: expected an argument name; got the end of the text. (line 2, column 26)
    an operation that does not exist
      ParseError: parse: stablehlo.sinus is not an op that palladia has. Decompose it into ops of StableHLO that it has before exporting. (line 3, column 10)
    a value that is not defined
      ParseError: parse: values must be defined before they are used; got %1. (line 3, column 25)
    a type that does not exist
      ParseError: parse: elements must be of a dtype that we have; got f33. Convert them before exporting. (line 3, column 33)
    types that do not fit
      LoweringError: add: the result must be tensor<2xf32>; got tensor<3xf32>. (line 3, column 10)
    a loaded program with other arguments
      ShapeError: load: the arguments must have the types of @main's (f32[2]); got (f32[3]). Convert with x.astype(…) and np.reshape.
    a loaded program with too few arguments
      ShapeError: load: the arguments must have the types of @main's (f32[2]); got (). Convert with x.astype(…) and np.reshape.
    an entry that does not exist
      ArgumentError: load: the entry must be a function of the module; got "step" for main. Pass { entry }.
    no text
      ArgumentError: parse: a program must be text; got undefined. Pass what asText() gave."
  `);
});

test('configuration', () => {
  expect(
    reports({
      'a flag that does not exist': () => untyped(withConfig)({ debug: true }, () => 1),
      'a value that does not exist': () => untyped(withConfig)({ enableX64: 'yes' }, () => 1),
      'an assignment to a flag that does not exist': () => Object.assign(config, { x64: true }),
    }),
  ).toMatchInlineSnapshot(`
    "a flag that does not exist
      ArgumentError: withConfig: flags must be among enableX64, numpyRankPromotion, numpyDtypePromotion, exact, disableJit, checkTracerLeaks, debugNans, debugInfs, explainCacheMisses, hostDeviceCount; got debug. Check the spelling.
    a value that does not exist
      ArgumentError: withConfig: enableX64 must be one of true, false; got yes. Check the value.
    an assignment to a flag that does not exist
      ArgumentError: config: flags must be among enableX64, numpyRankPromotion, numpyDtypePromotion, exact, disableJit, checkTracerLeaks, debugNans, debugInfs, explainCacheMisses, hostDeviceCount; got x64. Check the spelling."
  `);
});

test('more memory than there is', () => {
  const message = report(() => np.zeros([2 ** 40]));
  expect(message.replace(/memory of \d+/, 'memory of …')).toMatchInlineSnapshot(
    `"OutOfMemoryError: wasm: an array must fit the memory of … bytes; got a result f32[1099511627776] of 4398046511104 bytes. Work on smaller batches."`,
  );
  for (const shape of [[1e6, 1e6], [2 ** 30], [2 ** 53], [1e200, 1e200]])
    expect(() => np.zeros(shape), String(shape)).toThrow(OutOfMemoryError);
  expect(String(x.add(1))).toBe('[2. 3. 4.]');
});
