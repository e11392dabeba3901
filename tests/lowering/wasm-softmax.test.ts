// Softmax on Wasm: its division by a reciprocal, and tiles that wait in the memory of the store that reads them last.
import { describe, expect, test } from 'vitest';
import { decode, encode } from '../../core/host.ts';
import type { TileBuilder } from '../../lowering/tile/build.ts';
import type { Kernel, Tile } from '../../lowering/tile/ir.ts';
import type { WasmFeatures } from '../../lowering/wasm/emit.ts';
import { emitWasm } from '../../lowering/wasm/emit.ts';
import { allFeatures, compare, runWasm, tileKernel, wholeKernel } from './wasm-run.ts';

const near = { absolute: 1e-6, relative: 1e-6 };
/** What engines run: nothing of it is kept exact. */
const loose = allFeatures.map((features) => ({ ...features, exact: false }));

const spread = (b: TileBuilder, x: Tile, like: Tile): Tile => b.broadcast(x, like.type.shape);

function softmax(b: TileBuilder, x: Tile, axes: readonly number[]): Tile {
  const e = b.scalar('exp', b.scalar('sub', x, spread(b, b.reduce(x, 'max', axes), x)));
  return b.scalar('div', e, spread(b, b.reduce(e, 'add', axes), x));
}

const softmaxKernel = (shape: readonly number[], axes: readonly number[]): Kernel =>
  tileKernel(`softmax_${shape.join('x')}_${axes.join('')}`, [['f32', shape]], (b, [x]) => [
    softmax(b, x, axes),
  ]);

function run(kernel: Kernel, values: readonly number[], features = loose[0]): number[] {
  const buffers = [
    new Uint8Array(encode(values, 'f32')),
    new Uint8Array(4 * kernel.operands[1].shape.reduce((n, d) => n * d, 1)),
  ];
  runWasm(kernel, buffers, features);
  return [...(decode(buffers[1], 'f32') as Float32Array)];
}

describe('division by the sum', () => {
  for (const features of loose)
    test(`${features.relaxed ? 'fused' : 'not fused'}: any axes, odd sizes`, () => {
      for (const [shape, axes] of [
        [[5, 37], [1]],
        [[37, 5], [0]],
        [[3, 7, 65], [2]],
        [
          [3, 7, 9],
          [0, 2],
        ],
        [
          [4, 128],
          [0, 1],
        ],
        [[3, 1], [1]],
      ])
        compare(softmaxKernel(shape, axes), { tolerance: near, features, range: 20 });
    });

  test('is within two units of the quotient of doubles, fused within half of one (but for the smallest)', () => {
    const [rows, columns] = [64, 64];
    const values = Array.from({ length: rows * columns }, (_, i) =>
      Math.fround(Math.sin(i * 12.9898) * (1 + (i % rows))),
    );
    const sums = wholeKernel(
      'parts',
      [['f32', [rows, columns]]],
      [
        ['f32', [rows, columns]],
        ['f32', [rows, columns]],
        ['f32', [rows, 1]],
      ],
      (b, [x, y, z, s]) => {
        const tile = b.load(x);
        const e = b.scalar(
          'exp',
          b.scalar('sub', tile, spread(b, b.reduce(tile, 'max', [1]), tile)),
        );
        const sum = b.reduce(e, 'add', [1]);
        b.store(y, b.scalar('div', e, spread(b, sum, e)));
        b.store(z, e);
        b.store(s, sum);
      },
    );
    for (const features of loose) {
      const buffers = sums.operands.map(({ shape }) => new Uint8Array(4 * shape[0] * shape[1]));
      buffers[0].set(new Uint8Array(encode(values, 'f32')));
      runWasm(sums, buffers, features);
      const [, y, e, s] = buffers.map((buffer) => [...(decode(buffer, 'f32') as Float32Array)]);
      y.forEach((quotient, i) => {
        const wanted = e[i] / s[Math.floor(i / columns)];
        const unit = 2 ** (Math.max(-126, Math.floor(Math.log2(wanted))) - 23);
        const isSmall = wanted < 2 ** -100;
        const bound = !features.relaxed ? 2 : isSmall ? 1 : 0.5001;
        expect(Math.abs(quotient - wanted) / unit).toBeLessThanOrEqual(bound);
      });
    }
  });

  test('special values', () => {
    const kernel = softmaxKernel([5, 4], [1]);
    const [nan, inf] = [Number.NaN, Infinity];
    // oxfmt-ignore
    const rows = [
      [1, nan, 2, 3],
      [inf, 0, 1, 2],
      [-inf, -inf, -inf, -inf],
      [-inf, 0, -inf, -inf],
      [1e30, -1e30, 0, -200],
    ];
    for (const features of loose) {
      const y = run(kernel, rows.flat(), features);
      expect(y.slice(0, 12).every((v) => Number.isNaN(v))).toBe(true);
      expect(y.slice(12)).toEqual([0, 1, 0, 0, 1, 0, 0, 0]);
    }
  });

  test('other quotients are divided', () => {
    const text = (kernel: Kernel): number =>
      emitWasm(kernel, loose[0]).text.split('f32x4.div').length - 1;
    const divided = tileKernel('divided', [['f32', [4, 64]]], (b, [x]) => [
      b.scalar('div', x, spread(b, b.reduce(x, 'add', [1]), x)),
    ]);
    expect(text(divided)).toBeGreaterThan(1);
    expect(text(softmaxKernel([4, 64], [1]))).toBe(1);
  });
});

describe('homes', () => {
  const shape = [6, 40];
  const one = (name: string, write: (b: TileBuilder, x: Tile) => Tile): Kernel =>
    tileKernel(name, [['f32', shape]], (b, [x]) => [write(b, x)]);
  const scratchOf = (kernel: Kernel): number => emitWasm(kernel, loose[0]).scratchBytes;
  const sine = (b: TileBuilder, x: Tile): Tile => b.scalar('sin', x);
  const centred = (b: TileBuilder, e: Tile): Tile =>
    b.scalar('sub', e, spread(b, b.reduce(e, 'add', [1]), e));

  test('a tile that a store reads last takes no scratch memory', () => {
    const kernel = one('home', (b, x) => centred(b, sine(b, x)));
    compare(kernel, { tolerance: near });
    expect(scratchOf(kernel)).toBeLessThan(4 * 6 * 40);
  });

  test('unless another op touches the memory', () => {
    const kernel = wholeKernel('touched', [['f32', shape]], [['f32', shape]], (b, [x, y]) => {
      b.store(y, b.load(x));
      const e = sine(b, b.load(x));
      const sums = spread(b, b.reduce(e, 'add', [1]), e);
      b.store(y, b.scalar('add', b.load(y), b.scalar('sub', e, sums)));
    });
    compare(kernel, { tolerance: near });
    expect(scratchOf(kernel)).toBeGreaterThan(4 * 6 * 40);
  });

  test('two tiles, turned tiles, slices, later refs, other types', () => {
    compare(
      one('two', (b, x) => {
        const [e, f] = [sine(b, x), b.scalar('cos', x)];
        return b.scalar('add', centred(b, e), centred(b, f));
      }),
      { tolerance: near },
    );
    compare(
      tileKernel('turned', [['f32', [16, 16]]], (b, [x]) => {
        const e = sine(b, x);
        return [b.scalar('add', b.transpose(e, [1, 0]), centred(b, e))];
      }),
      { tolerance: near },
    );
    compare(
      wholeKernel('slice', [['f32', [4, 40]]], [['f32', shape]], (b, [x, y]) => {
        b.store(y, b.constant(7, 'f32', shape));
        b.store(
          b.sliceRef(y, [b.int(1), b.int(0)], { sizes: [4, 40] }),
          centred(b, sine(b, b.load(x))),
        );
      }),
      { tolerance: near },
    );
    compare(
      wholeKernel('later', [['f32', [4, 40]]], [['f32', shape]], (b, [x, y]) => {
        const rows = centred(b, sine(b, b.load(x)));
        b.store(b.sliceRef(y, [b.int(2), b.int(0)], { sizes: [4, 40] }), rows);
        const first = b.sliceRef(y, [b.int(0), b.int(0)], { sizes: [2, 40] });
        b.store(first, b.constant(1, 'f32', [2, 40]));
      }),
      { tolerance: near },
    );
    compare(
      tileKernel('types', [['f32', shape]], (b, [x]) => [
        b.cast(centred(b, sine(b, x)), 'i32'),
        b.cast(centred(b, b.scalar('cos', x)), 'f16'),
      ]),
      { tolerance: { absolute: 1e-2, relative: 1e-2 } },
    );
  });
});

describe('reading ahead', () => {
  /** Run a kernel of one argument whose memory ends where the machine's does, but for the bytes that may be read. */
  function runAtEnd(kernel: Kernel, values: readonly number[], features: WasmFeatures): number[] {
    const code = emitWasm(kernel, features);
    const bytes = 4 * values.length;
    const pages = Math.ceil((3 * bytes + code.scratchBytes + 4096) / 65536);
    const memory = new WebAssembly.Memory({ initial: pages, maximum: 65536 });
    const input = (65536 * pages - bytes - 64) & -64;
    const [output, scratch] = [1024, 1024 + bytes + 128];
    new Uint8Array(memory.buffer).set(new Uint8Array(encode(values, 'f32')), input);
    const module = new WebAssembly.Module(code.bytes.slice());
    const { run: start } = new WebAssembly.Instance(module, { env: { memory } }).exports;
    (start as (...args: number[]) => void)(0, code.programs, scratch, input, output);
    return [...new Float32Array(memory.buffer, output, values.length)];
  }
  const touches = (kernel: Kernel): number =>
    emitWasm(kernel, loose[0]).text.match(/\(drop \(i32\.load/g)?.length ?? 0;

  test('the exponentials touch the next row of the argument, and the last row nothing behind it', () => {
    for (const features of loose)
      for (const shape of [
        [5, 1024],
        [7, 1003],
        [2, 3, 1024],
      ]) {
        const kernel = softmaxKernel(shape, [shape.length - 1]);
        const values = Array.from({ length: shape.reduce((n, d) => n * d, 1) }, (_, i) =>
          Math.fround(3 * Math.sin(i)),
        );
        expect(touches(kernel)).toBe(1);
        expect(runAtEnd(kernel, values, features)).toEqual(run(kernel, values, features));
      }
  });

  test('passes with little to compute, and lone rows, touch nothing', () => {
    const centred = tileKernel('centred', [['f32', [5, 1024]]], (b, [x]) => {
      const y = b.scalar('mul', x, x);
      return [b.scalar('sub', y, spread(b, b.reduce(y, 'add', [1]), x))];
    });
    expect(touches(centred)).toBe(0);
    expect(touches(softmaxKernel([1, 4096], [1]))).toBe(0);
  });
});
