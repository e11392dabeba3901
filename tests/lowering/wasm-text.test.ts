import { describe, expect, test } from 'vitest';
import { encode } from '../../core/host.ts';
import type { TileBuilder } from '../../lowering/tile/build.ts';
import { makeKernel } from '../../lowering/tile/build.ts';
import type { Kernel, Tile } from '../../lowering/tile/ir.ts';
import { emitWasm } from '../../lowering/wasm/emit.ts';
import { compare, plain, runWasm, tileKernel, wholeKernel } from './wasm-run.ts';

describe('code', () => {
  test('is readable', () => {
    const kernel = tileKernel('relu', [['f32', [9]]], (b, [x]) => [
      b.scalar('max', x, b.constant(0, 'f32', [9])),
    ]);
    expect(emitWasm(kernel, plain).text).toMatchInlineSnapshot(`
      "(module
        (import "env" "memory" (memory 0 65536))
        (func $run.0 (param $begin0 i32) (param $end1 i32) (param $scratch2 i32) (param $x03 i32) (param $y04 i32)
          (local $p5 i32)
          (local.set $p5 (local.get $begin0))
          (if (i32.lt_s (local.get $p5) (local.get $end1))
            (then
              (loop $loop0
                (call $program.1 (local.get $p5) (local.get $x03) (local.get $y04))
                (br_if $loop0 (i32.lt_s (local.tee $p5 (i32.add (local.get $p5) (i32.const 1))) (local.get $end1)))))))
        (func $program.1 (param $p0 i32) (param $x01 i32) (param $y02 i32)
          (call $pass.2 (local.get $x01) (local.get $y02)))
        (func $pass.2 (param $x00 i32) (param $y01 i32)
          (local $c2 v128) (local $d3 i32) (local $i4 i32) (local $v5 v128) (local $v6 v128) (local $t7 i32)
          (local.set $c2 (v128.const i32x4 0x0 0x0 0x0 0x0))
          (local.set $d3 (local.get $y01))
          (local.set $v5 (v128.load (local.get $x00)))
          (local.set $v6 (f32x4.add (f32x4.pmax (local.get $v5) (local.get $c2)) (local.get $c2)))
          (v128.store (local.get $d3) (local.get $v6))
          (local.set $v6 (v128.load offset=16 (local.get $x00)))
          (local.set $v5 (f32x4.add (f32x4.pmax (local.get $v6) (local.get $c2)) (local.get $c2)))
          (v128.store offset=16 (local.get $d3) (local.get $v5))
          (local.set $v5 (v128.load (i32.add (local.get $x00) (i32.const 32))))
          (local.set $v6 (f32x4.add (f32x4.pmax (local.get $v5) (local.get $c2)) (local.get $c2)))
          (local.set $t7 (i32.add (local.get $d3) (i32.const 32)))
          (v128.store32_lane 0 (local.get $t7) (local.get $v6)))
        (export "run" (func $run.0)))"
    `);
  });
  test('is the same for the same kernel', () => {
    const kernel = tileKernel(
      'twice',
      [
        ['f32', [40, 50]],
        ['f32', [50, 60]],
      ],
      (b, [x, y]) => [b.dot(x, y)],
    );
    expect(emitWasm(kernel, plain).bytes).toEqual(emitWasm(kernel, plain).bytes);
  });
  test('counts programs over the parallel axes', () => {
    const kernel = makeKernel({
      name: 'grid',
      grid: [
        { extent: 3, semantics: 'parallel' },
        { extent: 5, semantics: 'sequential' },
        { extent: 2, semantics: 'parallel' },
      ],
      operands: [],
      scratch: [{ name: 's', dtype: 'f32', shape: [100] }],
      body: () => undefined,
    });
    const code = emitWasm(kernel, plain);
    expect(code.programs).toBe(6);
    expect(code.scratchBytes).toBeGreaterThanOrEqual(400);
  });
});

describe('long programs', () => {
  test('ten thousand operations in a row', () => {
    const kernel = tileKernel('chain', [['f32', [10]]], (b, [x]) => {
      let y = x;
      for (let i = 0; i < 10_000; i++) y = b.scalar(i % 2 === 0 ? 'neg' : 'abs', y);
      return [y];
    });
    compare(kernel);
  });
  test('ten thousand scalars and a thousand stores', () => {
    const kernel = wholeKernel('scalars', [['i32', [1]]], [['i32', [20]]], (b, [x, y]) => {
      let s = b.load(b.sliceRef(x, [0], { sizes: [1], squeeze: [0] }));
      for (let i = 0; i < 10_000; i++) s = b.scalar('xor', s, b.int(i));
      for (let i = 0; i < 1000; i++)
        b.store(
          b.sliceRef(y, [i % 20], { sizes: [1], squeeze: [0] }),
          b.scalar('add', s, b.int(i)),
        );
    });
    compare(kernel);
  });
});

/** Reads and writes rows of arrays at indices that a buffer says. */
function indirect(kind: 'blocked' | 'element' | 'squeezed'): Kernel {
  const row = kind === 'squeezed' ? { kind } : { kind, size: 2 };
  const at = (b: TileBuilder, i: Tile, rows: Parameters<TileBuilder['sliceRef']>[0]): Tile =>
    b.load(b.sliceRef(rows, [i], { sizes: [1], squeeze: [0] }));
  return makeKernel({
    name: `indirect_${kind}`,
    grid: [{ extent: 8, semantics: 'parallel' }],
    operands: [
      {
        name: 'rows',
        dtype: 'i32',
        shape: [8],
        access: 'read',
        dims: [{ kind: 'blocked', size: 8 }],
        indexMap: (b) => [b.int(0)],
        prefetch: true,
      },
      {
        name: 'x',
        dtype: 'f32',
        shape: [5, 7],
        access: 'read',
        dims: [row, { kind: 'blocked', size: 7 }],
        indexMap: (b, [i], [rows]) => [at(b, i, rows), b.int(0)],
      },
      {
        name: 'y',
        dtype: 'f32',
        shape: [5, 7],
        access: 'readwrite',
        dims: [row, { kind: 'blocked', size: 7 }],
        indexMap: (b, [i], [rows]) => [at(b, i, rows), b.int(0)],
      },
    ],
    scratch: [],
    body: (b, [rows, x, y]) => {
      b.store(y, b.scalar('exp', b.load(x)));
      b.accumulate(y, b.load(x), 'max');
      const shape = kind === 'squeezed' ? [7] : [2, 7];
      const start = b.load(b.sliceRef(rows, [b.programId(0)], { sizes: [1], squeeze: [0] }));
      const window = b.sliceRef(
        y,
        shape.map(() => start),
        { sizes: shape },
      );
      b.store(window, b.load(window));
      const indices = shape.map((_, axis) =>
        b.scalar('add', b.iota('i32', shape, axis), b.broadcast(start, shape, [])),
      );
      b.scatter(y, indices, b.gather(x, indices, { fill: 2 }), 'add');
    },
  });
}

describe('hostile indices', () => {
  const rows = new Uint8Array(
    encode([-1, 5, 100, 2 ** 31 - 1, -(2 ** 31), 2 ** 30, -(2 ** 30), 4], 'i32'),
  );
  for (const kind of ['blocked', 'element', 'squeezed'] as const)
    test(`never leave the arrays: ${kind}`, () => {
      const floats = new Uint8Array(
        encode(
          Array.from({ length: 35 }, (_, i) => i),
          'f32',
        ),
      );
      runWasm(indirect(kind), [rows.slice(), floats.slice(), floats.slice()]);
    });
  test('of slices of refs', () => {
    const kernel = wholeKernel(
      'slices',
      [
        ['i32', [8]],
        ['f32', [9, 30]],
      ],
      [['f32', [9, 30]]],
      (b, [at, x, y]) => {
        b.store(y, b.constant(0, 'f32', [9, 30]));
        for (let i = 0; i < 8; i++) {
          const start = b.load(b.sliceRef(at, [i], { sizes: [1], squeeze: [0] }));
          for (const sizes of [
            [3, 5],
            [9, 30],
            [1, 1],
          ]) {
            const read = b.load(b.sliceRef(x, [start, start], { sizes }), { fill: 1 });
            b.store(b.sliceRef(y, [start, start], { sizes }), read);
            b.store(b.sliceRef(y, [0, start], { sizes, strides: [1, 1] }), b.rev(read, [1]));
          }
        }
      },
    );
    runWasm(kernel, [rows.slice(), new Uint8Array(9 * 30 * 4), new Uint8Array(9 * 30 * 4)]);
  });
});
