// The wasm device as programs see it: what it says of itself, what it holds, its errors, and constant memory over many steps.
import { setImmediate as tick } from 'node:timers/promises';
import { afterAll, describe, expect, test } from 'vitest';
import { NDArray } from '../../core/array.ts';
import { Aval } from '../../core/aval.ts';
import { registerDevice, setDefaultDevice } from '../../core/backend.ts';
import { withConfig } from '../../core/config.ts';
import { dtypes } from '../../core/dtype.ts';
import { DeletedArrayError, OutOfMemoryError } from '../../core/errors.ts';
import type { Value } from '../../core/value.ts';
import * as lax from '../../lax/index.ts';
import { jit } from '../../transforms/jit.ts';
import { createWasmDevice, type WasmDevice } from '../../backends/wasm/device.ts';
import '../../core/jaxpr-print.ts';
import '../../transforms/eval.ts';

const device = createWasmDevice({ threads: 2 });
registerDevice(device);
setDefaultDevice(device);
afterAll(() => device.pool.stop());

const ramp = (count: number): NDArray =>
  NDArray.fromHost(
    Float32Array.from({ length: count }, (_, i) => i),
    [count],
    'f32',
  );

/** Run with another device as the default. */
function on<T>(other: WasmDevice, body: () => T): T {
  setDefaultDevice(other);
  try {
    return body();
  } finally {
    setDefaultDevice(device);
  }
}

describe('the device', () => {
  test('says what it is', () => {
    const simd = device.features.relaxed ? 'relaxed SIMD' : 'SIMD';
    expect(device.description).toBe(`wasm:0 (2 threads, ${simd})`);
    expect(createWasmDevice({ shared: false, id: 3 }).description).toBe(
      `wasm:3 (1 thread, ${simd})`,
    );
  });

  test('supports every type but complex numbers; 64 bits under enableX64', () => {
    const supported = (): string[] =>
      dtypes.filter((dtype) => device.supports(new Aval([], dtype)));
    expect(supported()).toEqual([
      'bool',
      'i8',
      'i16',
      'i32',
      'u8',
      'u16',
      'u32',
      'f16',
      'bf16',
      'f32',
    ]);
    expect(withConfig({ enableX64: true }, supported)).toEqual(
      dtypes.filter((d) => !d.startsWith('complex')),
    );
  });

  test('a program without threads, on an unshared heap, gives the same', () => {
    const f = jit((x: Value) => lax.add(lax.mul(x, x), 1));
    const alone = createWasmDevice({ shared: false });
    const wanted = (f(ramp(100_000)) as NDArray).dataSync();
    expect(on(alone, () => (f(ramp(100_000)) as NDArray).dataSync())).toEqual(wanted);
  });

  test('results do not depend on the number of threads', async () => {
    const wave = (shape: number[], step: number): NDArray => {
      const size = shape.reduce((n, d) => n * d, 1);
      return NDArray.fromHost(
        Float32Array.from({ length: size }, (_, i) => Math.sin(i * step)),
        shape,
        'f32',
      );
    };
    const programs = [
      jit((x: Value) => lax.reduceSum(lax.mul(x, lax.exp(x)), [1])),
      jit((x: Value) => lax.reduceSum(x)),
      jit((x: Value) => lax.tanh(lax.dot(x, lax.transpose(x, [1, 0])))),
    ];
    const x = wave([210, 1000], 0.37);
    const seen = programs.map(() => new Set<string>());
    for (const threads of [1, 2, 3]) {
      device.pool.threads = threads;
      for (let i = 0; i < 10; i++) {
        for (const [k, f] of programs.entries())
          seen[k].add(Buffer.from((f(x) as NDArray).dataSync().buffer).toString('base64'));
        await tick();
      }
    }
    device.pool.threads = 2;
    expect(seen.map((one) => one.size)).toEqual([1, 1, 1]);
  });

  test('64-bit types compute', () => {
    withConfig({ enableX64: true }, () => {
      const x = NDArray.fromHost([0.5, -1.25, 3e10], [3], 'f64');
      const f = jit((v: Value) => lax.add(lax.sin(v), lax.exp(lax.neg(lax.abs(v)))));
      const wanted = [0.5, -1.25, 3e10].map((v) => Math.sin(v) + Math.exp(-Math.abs(v)));
      expect([...((f(x) as NDArray).dataSync() as Float64Array)]).toEqual(wanted);
      const n = NDArray.fromHost([2n ** 40n, -3n, 7n], [3], 'i64');
      const g = jit((v: Value) => lax.mul(v, v));
      expect([...((g(n) as NDArray).dataSync() as BigInt64Array)]).toEqual([
        BigInt.asIntN(64, 2n ** 80n),
        9n,
        49n,
      ]);
    });
  });

  test('kernels have a text and a source', () => {
    const compiled = jit((x: Value) => lax.add(x, 1))
      .lower(ramp(100))
      .compile();
    expect(compiled.kernels.length).toBe(1);
    expect(compiled.kernels[0].text).toMatch(/^kernel @/);
    expect(compiled.kernels[0].source).toMatch(/^\(module/);
    expect(compiled.asText()).toContain('schedule @');
  });

  test('a donated array is gone, and its memory with it', () => {
    // A heap of its own: in one with holes a block may be a line (64 bytes) larger than asked for, and where the holes are depends on
    // when the arrays of other tests were collected.
    on(createWasmDevice({ threads: 1 }), () => {
      const f = jit((x: Value) => lax.add(x, 1), { donateArgnums: 0 });
      const x = ramp(10_000);
      const before = x.device.liveBytes();
      const y = f(x) as NDArray;
      expect(x.device.liveBytes()).toBe(before);
      expect(() => lax.add(x, 1)).toThrow(DeletedArrayError);
      expect(y.dataSync()[9999]).toBe(10_000);
    });
  });

  test('a full memory is an error that says what is live', () => {
    const small = createWasmDevice({ maximumBytes: 2 ** 22, threads: 1 });
    on(small, () => {
      expect(() => lax.zeros([2 ** 21])).toThrow(OutOfMemoryError);
      expect(() => ramp(2 ** 21)).toThrow(
        /wasm: the memory is full; got a request for 8.39 MB \(arrays\)/,
      );
      expect((lax.add(ramp(10), 1) as NDArray).dataSync()[9]).toBe(10);
    });
  });
});

describe('ten thousand steps without a line of memory code', () => {
  /** Functional updates of eight arrays of 16 KB; gives the most that the heap ever took. */
  async function train(softLimit: number, awaits: 'never' | 'read'): Promise<WasmDevice> {
    const own = createWasmDevice({ softLimit, threads: 1 });
    setDefaultDevice(own);
    const step = jit((xs: Value[]) => xs.map((x) => lax.add(lax.mul(x, 0.5), 1)));
    let state: Value[] = Array.from({ length: 8 }, () => ramp(4096));
    for (let i = 0; i < 10_000; i++) {
      state = step(state);
      if (awaits === 'read' && i % 10 === 0) await (state[0] as NDArray).data();
    }
    expect((state[7] as NDArray).dataSync()[5]).toBeCloseTo(2, 5);
    setDefaultDevice(device);
    return own;
  }

  test('in a synchronous loop the heap stays at the soft limit', async () => {
    const { heap, cells } = await train(2 ** 25, 'never');
    expect(heap.peakBytes).toBeLessThan(1.1 * 2 ** 25);
    expect(cells.evictions).toBeGreaterThan(70_000);
    expect(heap.fault()).toBeUndefined();
  });

  test('in a loop that awaits now and then it stays below what was allocated between two collections', async () => {
    const { heap } = await train(2 ** 30, 'read');
    expect(heap.peakBytes).toBeLessThan(400e6);
    expect(heap.fault()).toBeUndefined();
  });
});
