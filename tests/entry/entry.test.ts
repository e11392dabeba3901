/** The public entry points: devices, moving arrays, StableHLO in and out, shaders without a GPU. */
import {
  config,
  cond,
  defaultDevice,
  devicePut,
  devices,
  foriLoop,
  grad,
  init,
  jit,
  makeJaxpr,
  setDefaultDevice,
  vmap,
  type Value,
} from 'palladia';
import { allPrimitives, definePrimitive, type None, type Primitive } from 'palladia/extend';
import * as hlo from 'palladia/hlo';
import * as lax from 'palladia/lax';
import * as nn from 'palladia/nn';
import * as np from 'palladia/numpy';
import * as pl from 'palladia/pallas';
import * as random from 'palladia/random';
import { emitKernels } from 'palladia/webgpu';
import { afterEach, describe, expect, test } from 'vitest';
import { failure, numbers } from './readings.ts';

afterEach(() => setDefaultDevice('wasm'));

const rejection = async (body: () => Promise<unknown>): Promise<string> => {
  try {
    await body();
  } catch (error) {
    if (error instanceof Error) return `${error.name}: ${error.message.split('\n')[0]}`;
  }
  return 'no error';
};

describe('devices', () => {
  test('wasm is the default; the interpreter is there too', () => {
    expect(defaultDevice().kind).toBe('wasm');
    expect(devices().map((d) => d.kind)).toEqual(['wasm', 'interpreter']);
    expect(config.enableX64).toBe(false);
  });

  test('init gives the device and does not choose it', async () => {
    expect((await init()).kind).toBe('wasm');
    expect((await init({ device: 'interpreter' })).kind).toBe('interpreter');
    expect(defaultDevice().kind).toBe('wasm');
  });

  test('new arrays go to the chosen device', () => {
    setDefaultDevice('interpreter');
    expect(np.sin(np.array([1, 2])).device.kind).toBe('interpreter');
    setDefaultDevice(devices()[0]);
    expect(np.sin(np.array([1, 2])).device.kind).toBe('wasm');
  });

  test('devicePut moves trees of arrays, with their bits', async () => {
    const tree = { a: np.array([1, NaN, -0]), b: [np.arange(3), 2] as const };
    const moved = await devicePut(tree, 'interpreter');
    expect(moved.a.device.kind).toBe('interpreter');
    expect(numbers(moved)).toEqual([1, NaN, -0, 0, 1, 2, 2]);
    expect(moved.b[1].device.kind).toBe('interpreter');
    const back = await devicePut(moved.a, 'wasm');
    expect(numbers(back)).toEqual([1, NaN, -0]);
    expect(await devicePut(back, 'wasm')).toBe(back);
  });

  test('mistakes have errors of their own', async () => {
    const other = await devicePut(np.ones([3]), 'interpreter');
    const here = await devicePut(np.ones([3]), 'wasm');
    expect(failure(() => np.add(other, here))).toMatch(
      /^DeviceError: array: operands must be on one device; got .* Move it with `await devicePut\(x, '(wasm|interpreter)'\)`\.$/,
    );
    expect(failure(() => setDefaultDevice('cuda' as 'wasm'))).toBe(
      'DeviceError: setDefaultDevice: a device is one of wasm, webgpu, interpreter; got cuda. Check the name.',
    );
    expect(failure(() => setDefaultDevice('webgpu'))).toBe(
      'DeviceError: device: "webgpu" is not available; have wasm, interpreter. Call `await init({ device: \'webgpu\' })` first.',
    );
    expect(await rejection(() => init({ device: 'tpu' as 'wasm' }))).toBe(
      'DeviceError: init: a device is one of wasm, webgpu, interpreter; got tpu. Check the name.',
    );
    expect(await rejection(() => init({ device: 'wasm', threads: 77 }))).toBe(
      'DeviceError: init: options of the wasm device must be given before it is used; got threads afterwards. Call init before making arrays.',
    );
    expect(await rejection(() => devicePut({ a: 'x' }, 'wasm'))).toBe(
      'ArgumentError: devicePut: leaves must be arrays or numbers; got x. Make an array of it with np.array(…).',
    );
  });
});

describe('palladia/hlo', () => {
  const programs: Readonly<Record<string, readonly [(x: Value) => unknown, Value]>> = {
    elementwise: [(x) => np.sin(x).mul(2), np.arange(6)],
    'a gradient': [grad((x: Value) => nn.logsumexp(x)), np.array([0.5, 2])],
    'functions in functions': [
      (x) => jit((y: Value) => jit((z: Value) => np.exp(z))(y).add(1))(x),
      np.ones([2, 2]),
    ],
    'a loop with a branch': [
      (x) =>
        foriLoop(
          0,
          4,
          (i, c: Value) =>
            cond(
              i.greater(1),
              (v: Value) => v.mul(2),
              (v: Value) => v.add(1),
              c,
            ),
          x,
        ),
      np.array([1, 2, 3]),
    ],
    'sorting and indexing': [(x) => np.take(np.sort(x), np.argmin(x)), np.array([3, 1, 2])],
    'random bits': [(k) => random.uniform(k, [4]), random.key(0)],
    'a kernel': [
      pl.pallasCall(
        (a, out) => {
          out.set(a.get().mul(3));
        },
        { outShape: np.zeros([4]) },
      ),
      np.arange(4).astype('f32'),
    ],
  };
  for (const [name, [f, x]] of Object.entries(programs))
    test(`${name}: text out, text in, alone and inside jit`, () => {
      const wanted = numbers(jit(f)(x));
      const loaded = hlo.load(jit(f).lower(x).asText());
      expect(numbers(loaded(x))).toEqual(wanted);
      const inside = jit((y: Value) => loaded(y)[0].add(1))(x);
      expect(numbers(inside)).toEqual(wanted.map((w) => Math.fround(w + 1)));
      setDefaultDevice('interpreter');
      const here = np.array(x.dataSync()).reshape(x.shape).astype(x.dtype);
      numbers(loaded(here)).forEach((v, i) => expect(v).toBeCloseTo(wanted[i], 5));
    });

  test('a program says what it takes', () => {
    const loaded = hlo.load(
      jit((x: Value) => [x.sum(), x])
        .lower(np.zeros([2, 3]))
        .asText(),
    );
    expect(String(loaded.inputs)).toBe('ShapeDtypeStruct(shape=(2, 3), dtype=float32)');
    expect(loaded.outputs.map((o) => o.shape)).toEqual([[], [2, 3]]);
    expect(failure(() => loaded(np.zeros([3])))).toBe(
      "ShapeError: load: the arguments must have the types of @main's (f32[2,3]); got (f32[3]). Convert with x.astype(…) and np.reshape.",
    );
    expect(failure(() => hlo.load(hlo.print(loaded.module), { entry: 'other' }))).toMatch(
      /^ArgumentError: load: the entry must be a function of the module; got "other" for main/,
    );
    expect(String(makeJaxpr((x: Value) => loaded(x)[0])(np.zeros([2, 3])))).toContain('call_hlo');
  });

  test('loaded twice, compiled once: equal text is the same program', () => {
    const text = jit((x: Value) => x.mul(5))
      .lower(np.zeros([2]))
      .asText();
    const [a, b] = [hlo.load(text), hlo.load(text)];
    const f = jit((x: Value) => b(a(x)[0])[0]);
    expect(numbers(f(np.ones([2])))).toEqual([25, 25]);
  });

  test('text that is no program', () => {
    expect(failure(() => hlo.load('module {'))).toMatch(/^ParseError: /);
    expect(failure(() => hlo.load(''))).toMatch(/^ParseError: /);
  });

  test('mapped in a loop; no derivative, and said so', () => {
    const load = (f: (...xs: Value[]) => unknown, ...xs: Value[]): hlo.LoadedFunction =>
      hlo.load(
        jit(f)
          .lower(...xs)
          .asText(),
      );
    const times = load((x: Value) => x.mul(5), np.zeros([]));
    expect(failure(() => grad((x: Value) => times(x)[0])(1))).toMatch(
      /^MissingRuleError: call_hlo: no jvp rule/,
    );
    expect(numbers(vmap((x: Value) => times(x)[0])(np.array([1, 2])))).toEqual([5, 10]);
    const both = load((x: Value, y: Value) => [x.add(y), y], np.zeros([2]), np.zeros([]));
    const mapped = vmap((x: Value, y: Value) => both(x, y), { inAxes: [1, null] });
    const [sum, same] = mapped(
      np.array([
        [1, 2, 3],
        [4, 5, 6],
      ]),
      10,
    ) as [Value, Value];
    expect(numbers(sum)).toEqual([11, 14, 12, 15, 13, 16]);
    expect(numbers(same)).toEqual([10, 10, 10]);
  });
});

describe('palladia/webgpu without a GPU', () => {
  test('shaders of a program with several kernels', () => {
    const f = (a: Value, b: Value): Value => nn.softmax(np.matmul(a, b)).sum(0);
    const kernels = emitKernels(jit(f).lower(np.zeros([17, 9]), np.zeros([9, 33])));
    expect(kernels.length).toBeGreaterThan(1);
    for (const { name, text, source } of kernels) {
      expect(text.startsWith(`kernel @${name}(`)).toBe(true);
      expect(source).toContain('@compute');
    }
  });

  test('programs that a GPU cannot run', () => {
    config.enableX64 = true;
    try {
      const lowered = jit((x: Value) => np.sin(x)).lower(np.zeros([3], 'f64'));
      expect(failure(() => emitKernels(lowered))).toMatch(/^(DTypeError|LoweringError): /);
    } finally {
      config.enableX64 = false;
    }
    expect(failure(() => emitKernels({} as Parameters<typeof emitKernels>[0]))).toBe(
      'ArgumentError: emitKernels: the argument must be a lowered function; got another object. Pass jit(f).lower(…).',
    );
  });
});

describe('palladia/extend', () => {
  test('a primitive of one’s own', () => {
    const halfP: Primitive<None> = definePrimitive<None>('test_half', {
      abstractEval: ([x]) => [x],
      lower: (b, [x]) => [b.scalar('mul', x, b.constant(0.5, 'f32', x.type.shape))],
      jvp: 'linear',
      transpose: ([ct]) => [ct === null ? null : halfP.bind1([ct], {})],
      batch: (args, dims) => [halfP.bind(args, {}), dims],
    });
    const half = (x: Value): Value => halfP.bind1([x], {});
    expect(allPrimitives()).toContain(halfP);
    expect(numbers(jit(vmap(grad((x: Value) => lax.sin(half(x)))))(np.zeros([2])))).toEqual([
      0.5, 0.5,
    ]);
  });
});
