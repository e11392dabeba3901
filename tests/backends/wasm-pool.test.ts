// The pool: every program runs exactly once, whoever runs it; errors arrive at the caller.
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { encodeModule } from '../../lowering/wasm/encode.ts';
import { WasmModule } from '../../lowering/wasm/fn.ts';
import { add, int, memory, mul, op } from '../../lowering/wasm/nodes.ts';
import type { KernelCode, LoadedKernel } from '../../backends/wasm/kernels.ts';
import { makeRuntime, handmade, named } from './wasm-parts.ts';

/** Adds 1 to the i32 of each program: `p0[i] += 1`; traps at program `trap`. */
function countCode(programs: number, trap = -1): KernelCode {
  const module = new WasmModule(true);
  const run = module.fn('run');
  const [begin, end] = [run.param('i32', 'begin'), run.param('i32', 'end')];
  run.param('i32', 'scratch');
  const target = run.param('i32', 'p0');
  const i = run.local('i32', 'i');
  run.for(i, { from: run.get(begin), to: run.get(end) }, () => {
    run.if(op('i32.eq', run.get(i), int(trap)), () =>
      run.emit(memory('i32.store', 0, int(-4), int(0))),
    );
    const at = add(run.get(target), mul(run.get(i), int(4)));
    run.emit(memory('i32.store', 0, at, add(memory('i32.load', 0, at), int(1))));
  });
  module.exports.set('run', run);
  return { bytes: encodeModule(module), programs, scratchBytes: 64, cost: 1000, text: '' };
}

const load = (runtime: ReturnType<typeof makeRuntime>, code: KernelCode): LoadedKernel =>
  handmade(runtime, { count: code }).load(named('count'), false);

describe('pool', () => {
  test('every program runs once, for any number of tasks and threads', async () => {
    const runtime = makeRuntime({ threads: 3 });
    const { heap, pool } = runtime;
    const block = heap.address(heap.allocate(4 * 1000, 'arrays'));
    for (const programs of [1, 2, 7, 64, 1000]) {
      const kernel = load(runtime, countCode(programs));
      heap.i32.fill(0, block >>> 2, (block >>> 2) + 1000);
      let calls = 0;
      for (const tasks of [1, 2, 3, 5, 64, 5000])
        for (let repeat = 0; repeat < 200; repeat++, calls++)
          pool.run(kernel, [0, 0, 0, block], 64, tasks);
      await sleep(2);
      for (let repeat = 0; repeat < 50; repeat++, calls++)
        pool.run(kernel, [0, 0, 0, block], 64, 8);
      const counts = [...heap.i32.subarray(block >>> 2, (block >>> 2) + programs)];
      expect(counts.every((count) => count === calls)).toBe(true);
    }
    pool.stop();
  });

  test('workers take part once they have started', async () => {
    const runtime = makeRuntime({ threads: 2 });
    const { heap, pool } = runtime;
    const block = heap.address(heap.allocate(4 * 64, 'arrays'));
    const kernel = load(runtime, countCode(64));
    let own = 0;
    const observed = {
      id: kernel.id,
      programs: 64,
      code: () => kernel.code(),
      run: (...args: number[]) => {
        own += args[1] - args[0];
        const until = performance.now() + 0.05;
        while (performance.now() < until);
        kernel.run(...args);
      },
    };
    const started = performance.now();
    let calls = 0;
    while (own === 64 * calls && performance.now() - started < 20_000) {
      pool.run(observed, [0, 0, 0, block], 64, 64);
      calls++;
      await sleep(1);
    }
    expect(own).toBeLessThan(64 * calls);
    expect(
      [...heap.i32.subarray(block >>> 2, (block >>> 2) + 64)].every((count) => count === calls),
    ).toBe(true);
    pool.stop();
  });

  test('the number of threads can change while the pool is in use', async () => {
    const runtime = makeRuntime({ threads: 2 });
    const { heap, pool } = runtime;
    const block = heap.address(heap.allocate(4 * 64, 'arrays'));
    const kernel = load(runtime, countCode(64));
    let calls = 0;
    for (let round = 0; round < 6; round++) {
      pool.threads = 2 + (round % 2);
      for (let i = 0; i < 100; i++, calls++) pool.run(kernel, [0, 0, 0, block], 64, 16);
      await sleep(10);
      for (let i = 0; i < 100; i++, calls++) pool.run(kernel, [0, 0, 0, block], 64, 16);
    }
    expect(
      [...heap.i32.subarray(block >>> 2, (block >>> 2) + 64)].every((count) => count === calls),
    ).toBe(true);
    pool.stop();
  });

  test('a kernel that traps raises at the caller, whichever thread met it, and the pool goes on', async () => {
    const runtime = makeRuntime({ threads: 2 });
    const { heap, pool } = runtime;
    const block = heap.address(heap.allocate(4 * 64, 'arrays'));
    const bad = load(runtime, countCode(64, 40));
    const good = load(runtime, countCode(64));
    for (let round = 0; round < 30; round++) {
      expect(() => pool.run(bad, [0, 0, 0, block], 64, 64)).toThrow(WebAssembly.RuntimeError);
      await sleep(1);
    }
    heap.i32.fill(0, block >>> 2, (block >>> 2) + 64);
    pool.run(good, [0, 0, 0, block], 64, 64);
    expect([...heap.i32.subarray(block >>> 2, (block >>> 2) + 64)]).toEqual(
      Array.from({ length: 64 }, () => 1),
    );
    pool.stop();
  });
});
