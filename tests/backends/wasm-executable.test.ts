// Executables over hand-made schedules: addresses, loops, branches, donation, memory over many calls.
import { setImmediate as tick } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import type { Schedule, Step } from '../../lowering/fuse/ir.ts';
import { InternalError } from '../../core/errors.ts';
import type { WasmBuffer } from '../../backends/wasm/cells.ts';
import { planDonation, planWorkspace } from '../../backends/wasm/memory-plan.ts';
import {
  download,
  floats,
  handmade,
  makeExecutable,
  makeRuntime,
  mapCode,
  named,
  plusOne,
  product,
  upload,
} from './wasm-parts.ts';

const kernel = (name: string, ...args: number[]): Step => ({
  kind: 'kernel',
  kernel: named(name),
  args,
});
const ramp = (count: number, from = 0): number[] =>
  Array.from({ length: count }, (_, i) => from + i);

/** A runtime and the kernels `plus` (x + 1) and `times` (a · b) on `count` elements in `programs` programs. */
function parts(
  count: number,
  {
    programs = 1,
    ...options
  }: { programs?: number; threads?: number; softLimit?: number; shared?: boolean } = {},
) {
  const runtime = makeRuntime(options);
  const { shared } = runtime.heap;
  const kernels = handmade(runtime, {
    plus: mapCode(1, plusOne, { perProgram: count / programs, programs, shared }),
    times: mapCode(2, product, { perProgram: count / programs, programs, shared }),
    trap: mapCode(1, ([x]) => x, { perProgram: count, shared }),
  });
  return { ...runtime, runtime, kernels };
}

const schedule = (parts: Partial<Schedule>): Schedule => ({
  name: 'test',
  buffers: [],
  constants: [],
  inputs: [],
  outputs: [],
  steps: [],
  ...parts,
});

/** y = (x + 1) · c, with a temporary and a constant. */
const fused = (count: number): Schedule =>
  schedule({
    buffers: [
      floats('input', count),
      floats('temporary', count, 0, 0),
      floats('constant', count),
      floats('output', count),
    ],
    constants: [new Uint8Array(Float32Array.from(ramp(count)).buffer)],
    inputs: [0],
    outputs: [3],
    steps: [kernel('plus', 0, 1), kernel('times', 1, 2, 3)],
  });

describe('executable', () => {
  test('inputs, temporaries, constants and outputs, tiny and large, shared and unshared', () => {
    for (const count of [4, 16, 20, 4096])
      for (const shared of [false, true]) {
        const { runtime, cells, kernels } = parts(count, { shared });
        const run = makeExecutable(runtime, kernels, fused(count));
        for (let round = 0; round < 3; round++) {
          const [y] = run.run([upload(cells, ramp(count, round))]);
          expect(download(cells, y as WasmBuffer)).toEqual(
            ramp(count).map((i) => (i + round + 1) * i),
          );
        }
      }
  });

  test('a larger program moves the workspace; the smaller one still finds its temporaries', () => {
    const { runtime, cells, kernels } = parts(4096);
    const small = makeExecutable(runtime, kernels, fused(4096));
    const x = upload(cells, ramp(4096));
    const before = download(cells, small.run([x])[0] as WasmBuffer);
    runtime.workspaces.current.ensure(2 ** 24);
    expect(download(cells, small.run([x])[0] as WasmBuffer)).toEqual(before);
  });

  test('threads give the same result as one thread', async () => {
    const count = 65536;
    const { runtime, cells, kernels, pool } = parts(count, { programs: 64, threads: 2 });
    const run = makeExecutable(runtime, kernels, fused(count));
    const x = upload(cells, ramp(count));
    for (let i = 0; i < 50; i++) {
      const [y] = run.run([x]) as WasmBuffer[];
      if (i % 10 === 0) {
        expect(download(cells, y).findIndex((v, k) => v !== Math.fround((k + 1) * k))).toBe(-1);
        await tick();
      }
    }
    pool.stop();
  });

  test('loops with known trips, odd and even, and none', () => {
    for (const count of [4, 4096])
      for (const trips of [0, 1, 2, 7]) {
        const { runtime, cells, kernels } = parts(count);
        const run = makeExecutable(
          runtime,
          kernels,
          schedule({
            buffers: [
              floats('input', count),
              floats('output', count),
              floats('temporary', count, 0, 0),
              floats('temporary', 4, 0, 1),
            ],
            inputs: [0],
            outputs: [1],
            steps: [
              { kind: 'copy', from: 0, to: 1 },
              {
                kind: 'while',
                cond: [],
                predicate: 3,
                body: [kernel('plus', 1, 2)],
                carried: [1],
                next: [2],
                trips,
              },
            ],
          }),
        );
        for (let round = 0; round < 2; round++)
          expect(download(cells, run.run([upload(cells, ramp(count))])[0] as WasmBuffer)).toEqual(
            ramp(count, trips),
          );
      }
  });

  test('nested loops: the outer values swap around the inner ones', () => {
    const count = 64;
    const { runtime, cells, kernels } = parts(count);
    const inner: Step = {
      kind: 'while',
      cond: [],
      predicate: 5,
      body: [kernel('plus', 2, 3)],
      carried: [2],
      next: [3],
      trips: 3,
    };
    const run = makeExecutable(
      runtime,
      kernels,
      schedule({
        buffers: [
          floats('input', count),
          floats('output', count),
          ...[0, 1, 2].map((slot) => floats('temporary', count, 0, slot)),
          floats('temporary', 4, 0, 4),
        ],
        inputs: [0],
        outputs: [1],
        steps: [
          { kind: 'copy', from: 0, to: 1 },
          {
            kind: 'while',
            cond: [],
            predicate: 5,
            body: [{ kind: 'copy', from: 1, to: 2 }, inner, kernel('plus', 2, 4)],
            carried: [1],
            next: [4],
            trips: 5,
          },
        ],
      }),
    );
    expect(download(cells, run.run([upload(cells, ramp(count))])[0] as WasmBuffer)).toEqual(
      ramp(count, 20),
    );
  });

  test('loops that test a predicate, and branches', () => {
    const { runtime, cells, kernels } = parts(4);
    // The predicate is the lowest byte of a carried value that counts in denormals: 0 ends the loop.
    const branch = makeExecutable(
      runtime,
      kernels,
      schedule({
        buffers: [floats('input', 4), floats('input', 1, 1), floats('output', 4)],
        inputs: [0, 1],
        outputs: [2],
        steps: [
          {
            kind: 'case',
            index: 1,
            branches: [
              [{ kind: 'copy', from: 0, to: 2 }],
              [kernel('plus', 0, 2)],
              [kernel('times', 0, 0, 2)],
            ],
          },
        ],
      }),
    );
    const x = upload(cells, [1, 2, 3, 4]);
    const pick = (index: number): number[] =>
      download(
        cells,
        branch.run([x, cells.upload(new Uint8Array(Int32Array.of(index).buffer))])[0] as WasmBuffer,
      );
    expect([0, 1, 2, 3, -1].map(pick)).toEqual([
      [1, 2, 3, 4],
      [2, 3, 4, 5],
      [1, 4, 9, 16],
      [1, 4, 9, 16],
      [1, 4, 9, 16],
    ]);
    const loop = makeExecutable(
      runtime,
      kernels,
      schedule({
        buffers: [
          floats('input', 4),
          floats('output', 4),
          floats('temporary', 4, 0, 0),
          floats('temporary', 4, 0, 1),
        ],
        inputs: [0],
        outputs: [1],
        steps: [
          { kind: 'copy', from: 0, to: 1 },
          {
            kind: 'while',
            cond: [{ kind: 'copy', from: 1, to: 3 }],
            predicate: 3,
            body: [kernel('times', 1, 1, 2)],
            carried: [1],
            next: [2],
            trips: undefined,
          },
        ],
      }),
    );
    // Squaring 1 + 2⁻²³·k makes low bits until they are gone: the loop ends at a value whose lowest byte is 0.
    const [end] = download(cells, loop.run([upload(cells, [1.5, 0, 0, 0])])[0] as WasmBuffer);
    expect(end).toBe(1.5);
  });

  test('results: an input, an output twice, a tiny one', () => {
    const { runtime, cells, kernels } = parts(64);
    const run = makeExecutable(
      runtime,
      kernels,
      schedule({
        buffers: [floats('input', 64), floats('output', 64)],
        inputs: [0],
        outputs: [0, 1, 1],
        steps: [kernel('plus', 0, 1)],
      }),
    );
    const x = upload(cells, ramp(64));
    const results = run.run([x]) as WasmBuffer[];
    x.dispose();
    results[1].dispose();
    expect(download(cells, results[0])).toEqual(ramp(64));
    expect(download(cells, results[2])).toEqual(ramp(64, 1));
    results[0].dispose();
    results[2].dispose();
    expect(cells.liveArrayBytes).toBe(0);
  });

  test('a donated input gives its memory to an output that starts as its copy', () => {
    const { runtime, cells, kernels } = parts(4096);
    const update = schedule({
      buffers: [floats('input', 4096), floats('output', 4096), floats('temporary', 4096, 0, 0)],
      inputs: [0],
      outputs: [1],
      steps: [
        { kind: 'copy', from: 0, to: 1 },
        kernel('plus', 1, 2),
        { kind: 'copy', from: 2, to: 1 },
      ],
    });
    expect([...planDonation(update, [true])]).toEqual([[1, 0]]);
    const run = makeExecutable(runtime, kernels, update, [true]);
    const x = upload(cells, ramp(4096));
    const address = cells.use(x);
    const [y] = run.run([x], [true]) as WasmBuffer[];
    expect(cells.use(y)).toBe(address);
    expect(x.deleted).toBe(true);
    expect(download(cells, y)).toEqual(ramp(4096, 1));
    // Not when somebody else has the value.
    const other = cells.share(y);
    const [z] = run.run([y], [true]) as WasmBuffer[];
    expect(y.deleted).toBe(true);
    expect(download(cells, other)).toEqual(ramp(4096, 1));
    expect(download(cells, z)).toEqual(ramp(4096, 2));
  });

  test('an input that is read after the output is written keeps its memory', () => {
    const steps = [kernel('plus', 0, 1), kernel('times', 0, 1, 2)];
    const buffers = [floats('input', 4096), floats('output', 4096), floats('output', 4096, 1)];
    expect(
      planDonation(schedule({ buffers, inputs: [0], outputs: [1, 2], steps }), [true]).size,
    ).toBe(0);
  });

  test('temporaries of one slot share memory', () => {
    const buffers = [
      floats('temporary', 4096, 0, 0),
      floats('temporary', 100, 0, 0),
      floats('temporary', 100, 0, 1),
      floats('input', 4),
    ];
    const { offsets, byteLength } = planWorkspace(schedule({ buffers }));
    expect([...offsets]).toEqual([0, 0, 16448, 16960]);
    expect(byteLength).toBe(17088);
  });

  test('a kernel that stops raises, and the next call works', () => {
    const { runtime, cells, kernels } = parts(4096);
    const run = makeExecutable(runtime, kernels, fused(4096));
    const x = upload(cells, ramp(4096));
    const bad = makeExecutable(
      runtime,
      kernels,
      schedule({
        buffers: [floats('input', 4096), floats('output', 4096)],
        inputs: [0],
        outputs: [1],
        steps: [kernel('trap', 0, 1)],
      }),
    );
    const [loaded] = bad.kernels as unknown as { run: () => void }[];
    Object.assign(loaded, {
      run: () => {
        throw new WebAssembly.RuntimeError('unreachable');
      },
    });
    expect(() => bad.run([x])).toThrow(InternalError);
    expect(download(cells, run.run([x])[0] as WasmBuffer)).toEqual(
      ramp(4096).map((i) => (i + 1) * i),
    );
  });

  test('kernels that differ in name only are compiled once', () => {
    const { runtime, kernels } = parts(64);
    const steps: Step[] = ['a', 'b', 'c'].map((name) => ({
      kind: 'kernel',
      kernel: { ...named('plus'), name },
      args: [0, 1],
    }));
    const all = handmade(
      runtime,
      Object.fromEntries(
        ['a', 'b', 'c'].map((name) => [
          name,
          mapCode(1, plusOne, { perProgram: 64, shared: runtime.heap.shared }),
        ]),
      ),
    );
    const run = makeExecutable(
      runtime,
      all,
      schedule({
        buffers: [floats('input', 64), floats('output', 64)],
        inputs: [0],
        outputs: [1],
        steps,
      }),
    );
    expect(all.compiledCount).toBe(1);
    expect(run.kernels.map((one) => one.name)).toEqual(['a', 'b', 'c']);
    expect(kernels.compiledCount).toBe(0);
  });

  test('the text shows schedule and kernels', () => {
    const { runtime, kernels } = parts(4096);
    expect(makeExecutable(runtime, kernels, fused(4096)).asText()).toMatchInlineSnapshot(`
      "schedule @test {
        %0: input 0 f32[4096]
        %1: temporary slot 0 f32[4096]
        %2: constant 0 f32[4096]
        %3: output 0 f32[4096]
        @plus(%0, %1)
        @times(%1, %2, %3)
        return %3
      }

      kernel @plus() grid () scratch (%plus: ref<1xf32>) {
      }


      kernel @times() grid () scratch (%times: ref<1xf32>) {
      }
      "
    `);
  });
});

describe('memory over many calls', () => {
  /** A functional update of 16 arrays of 64 KB, `steps` times. */
  async function updates(steps: number, softLimit: number, awaits: 'never' | 'promise' | 'task') {
    const { runtime, cells, heap, kernels } = parts(16384, { softLimit });
    const run = makeExecutable(
      runtime,
      kernels,
      schedule({
        buffers: [floats('input', 16384), floats('output', 16384)],
        inputs: [0],
        outputs: [1],
        steps: [kernel('plus', 0, 1)],
      }),
    );
    let values = ramp(16).map((i) => upload(cells, ramp(16384, i)));
    for (let step = 0; step < steps; step++) {
      values = values.map((x) => run.run([x])[0] as WasmBuffer);
      if (awaits === 'promise') await Promise.resolve();
      if (awaits === 'task' && step % 16 === 0) await tick();
    }
    expect(values.map((x) => download(cells, x)[5])).toEqual(ramp(16, 5 + steps));
    return heap;
  }

  test.each(['never', 'promise', 'task'] as const)(
    'stays below the soft limit; awaited: %s',
    async (awaits) => {
      const heap = await updates(1500, 2 ** 25, awaits);
      expect(heap.peakBytes).toBeLessThan(2 ** 25 * 1.1);
      expect(heap.fault()).toBeUndefined();
    },
  );
});
