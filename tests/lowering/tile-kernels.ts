// Small kernels that together hold every op of the tile IR.
import { makeKernel, type OperandSpec, type TileBuilder } from '../../lowering/tile/build.ts';
import type { Kernel, Ref, Tile } from '../../lowering/tile/ir.ts';

const whole = (
  name: string,
  shape: number[],
  access: OperandSpec['access'],
  dtype: OperandSpec['dtype'] = 'f32',
): OperandSpec => ({
  name,
  dtype,
  shape,
  access,
  dims: shape.map((size) => ({ kind: 'blocked', size })),
  indexMap: (b) => shape.map(() => b.int(0)),
});

const kernel = (name: string, body: (b: TileBuilder, x: Tile, y: Ref, x0: Ref) => void): Kernel =>
  makeKernel({
    name,
    grid: [
      { extent: 2, semantics: 'parallel' },
      { extent: 3, semantics: 'sequential' },
    ],
    scratch: [{ name: 'kept', dtype: 'f32', shape: [2, 3] }],
    operands: [whole('x', [2, 3], 'read'), whole('y', [2, 3], 'readwrite')],
    body: (b, [x, y]) => body(b, b.load(x), y, x),
  });

/** Kernels that together hold every op. */
export function everyOp(): Kernel[] {
  return [
    kernel('shapes', (b, x, y) => {
      const t = b.transpose(x, [1, 0]);
      const r = b.reshape(t, [2, 3]);
      const p = b.pad(r, b.constant(-0, 'f32'), [1, 0], [0, -1], [0, 1]);
      const s = b.slice(p, [0, 0], [2, 4], [1, 2]);
      const c = b.concat([s, b.rev(s, [0, 1])], 1);
      b.store(y, b.slice(c, [0, 0], [2, 3]));
    }),
    kernel('reductions', (b, x, y) => {
      const one = b.constant(1, 'f32');
      const m = b.reduce(x, 'max', [1]);
      const [s] = b.reduceRegion([x], [one], [0, 1], ([acc], [v]) => [
        b.scalar('fma', acc, v, one),
      ]);
      const a = b.cast(b.argreduce(x, 1, 'min'), 'f32');
      const c = b.scan(x, 'add', 1, true);
      const [d] = b.scanRegion([x], [one], { axis: 0 }, ([acc], [v]) => [b.scalar('mul', acc, v)]);
      const [e] = b.sort([x, d], 1, ([p, q]) => b.compare('lt', p, q));
      const sum = [b.broadcast(m, [2, 3]), b.broadcast(s, [2, 3]), b.broadcast(a, [2, 3]), c, d, e];
      b.store(
        y,
        sum.reduce((p, q) => b.scalar('add', p, q)),
      );
    }),
    kernel('control', (b, x, y) => {
      const [acc] = b.for(
        0,
        b.programId(1),
        1,
        [x],
        (i, [c]) => [b.scalar('add', c, b.broadcast(b.cast(i, 'f32'), [2, 3], []))],
        { unroll: true },
      );
      const [n] = b.while(
        [b.int(1)],
        ([c]) => b.compare('lt', c, b.numPrograms(0)),
        ([c]) => [b.scalar('mul', c, b.int(2))],
      );
      const [r] = b.if(
        b.compare('eq', b.assume(n, 1), b.int(2)),
        () => [acc],
        () => [x],
      );
      b.check(b.constant(true, 'bool'), 'a "quoted"\nmessage');
      b.print('r = {}', r, n);
      b.store(y, r, b.constant(true, 'bool', [2, 3]));
    }),
    kernel('memory', (b, x, y, ref) => {
      const mask = b.compare('gt', x, b.constant(0.5, 'f32', [2, 3]));
      const at = b.iota('i32', [4], 0);
      const g = b.gather(ref, [at, at], { fill: NaN });
      const h = b.gather(ref, [at, at], { mask: b.compare('ne', g, g) });
      const kept = b.alloc('f32', [2, 3]);
      b.store(kept, b.load(ref, { mask, other: x, fill: -Infinity }));
      const turned = b.transposeRef(
        b.sliceRef(kept, [b.int(0), b.programId(1)], { sizes: [2, 1], strides: [1, 2] }),
        [1, 0],
      );
      b.accumulate(
        turned,
        b.load(turned, { fill: 1e-30 }),
        'mul',
        b.constant(true, 'bool', [1, 2]),
      );
      b.scatter(y, [at, at], h, 'add', b.compare('eq', h, h));
      b.scatter(y, [at, at], g, 'set');
      b.accumulate(y, b.load(kept), 'max');
      const old = b.atomic(
        b.sliceRef(y, [0, 0], { sizes: [1, 1], squeeze: [0, 1] }),
        b.constant(2, 'f32'),
        'exchange',
      );
      b.atomic(
        b.sliceRef(y, [0, 1], { sizes: [1, 1], squeeze: [0, 1] }),
        old,
        'min',
        b.constant(false, 'bool'),
      );
    }),
    kernel('values', (b, x, y) => {
      const big = b.constant(2n ** 60n, 'i64', [2, 3]);
      const bits = b.cast(
        b.bitcast(b.select(b.compare('ge', x, x), x, b.scalar('roundNearestAfz', x)), 'u32'),
        'i64',
      );
      const d = b.dot(b.transpose(x, [1, 0]), x, b.constant(Infinity, 'f32', [3, 3]), 'highest');
      const e = b.dot(x, b.dot(b.transpose(x, [1, 0]), x));
      const half = b.cast(b.cast(b.scalar('add', bits, big), 'f16'), 'f32');
      b.store(y, b.scalar('clamp', half, b.dot(x, d), e));
    }),
    makeKernel({
      name: 'odd name',
      grid: [{ extent: 4, semantics: 'parallel' }],
      scratch: [],
      operands: [
        { ...whole('p', [4], 'read', 'i32'), prefetch: true },
        {
          ...whole('x y', [8, 8, 8], 'read'),
          dims: [{ kind: 'squeezed' }, { kind: 'element', size: 3 }, { kind: 'blocked', size: 4 }],
          indexMap: (b, [i], [p]) => [
            b.load(b.sliceRef(p, [i], { sizes: [1], squeeze: [0] })),
            b.scalar('mul', i, b.int(2)),
            b.int(1),
          ],
        },
        { ...whole('s', [], 'write'), indexMap: () => [] },
      ],
      body: () => {},
    }),
  ];
}
