// What the WGSL emitter writes, as text: needs no GPU.
import { expect, test } from 'vitest';
import { DTypeError, LoweringError } from '../../core/errors.ts';
import { makeKernel } from '../../lowering/tile/build.ts';
import { emitWgsl } from '../../lowering/wgsl/emit.ts';
import { baselineFeatures, type WgslFeatures } from '../../lowering/wgsl/features.ts';
import { dispatchSize } from '../../lowering/wgsl/shader.ts';
import { tileKernel } from './wasm-run.ts';

const gpu: WgslFeatures = { ...baselineFeatures, subgroups: true, subgroupSize: 32 };

/** The body of the entry point. */
const body = (code: string): string => code.slice(code.indexOf('fn main'));

test('rows are reduced by shuffles, without barriers', () => {
  const kernel = tileKernel('rows', [['f32', [8, 128]]], (b, [x]) => [
    b.scalar('sub', x, b.broadcast(b.reduce(x, 'add', [1]), [8, 128])),
  ]);
  expect(body(emitWgsl(kernel, gpu).code)).toMatchInlineSnapshot(`
    "fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) local: u32) {
      let lid = i32(local);
      let tx = lid & 15;
      let ty = lid >> 4u;
      let program = i32(workgroup.x);
      var acc_0 = vec4f(0f);
      let at_1 = tx + ty * 32;
      let load_2 = buf0_x0[at_1];
      acc_0 = acc_0 + load_2;
      let load_3 = buf0_x0[at_1 + 16];
      acc_0 = acc_0 + load_3;
      let h_4 = acc_0.x + acc_0.y;
      let h_5 = acc_0.z + acc_0.w;
      let h_6 = h_4 + h_5;
      let lane_7 = subgroupShuffleXor(h_6, 1u);
      let lanes_8 = h_6 + lane_7;
      let lane_9 = subgroupShuffleXor(lanes_8, 2u);
      let lanes_10 = lanes_8 + lane_9;
      let lane_11 = subgroupShuffleXor(lanes_10, 4u);
      let lanes_12 = lanes_10 + lane_11;
      let lane_13 = subgroupShuffleXor(lanes_12, 8u);
      let lanes_14 = lanes_12 + lane_13;
      let broadcast_15 = vec4f(lanes_14);
      let sub_16 = load_2 - broadcast_15;
      buf1_y0[at_1] = sub_16;
      let broadcast_17 = vec4f(lanes_14);
      let sub_18 = load_3 - broadcast_17;
      buf1_y0[at_1 + 16] = sub_18;
    }"
  `);
});

test('overhanging blocks are masked, blocks that fit are not', () => {
  const kernel = (extent: number) =>
    makeKernel({
      name: 'double',
      grid: [{ extent: Math.ceil(extent / 64), semantics: 'parallel' }],
      operands: (['read', 'write'] as const).map((access) => ({
        name: access,
        dtype: 'f32' as const,
        shape: [extent],
        access,
        dims: [{ kind: 'blocked' as const, size: 64 }],
        indexMap: (_b, [i]) => [i],
      })),
      scratch: [],
      body: (b, [x, y]) => {
        const t = b.load(x);
        b.store(y, b.scalar('add', t, t));
      },
    });
  expect(body(emitWgsl(kernel(128), gpu).code)).toMatchInlineSnapshot(`
    "fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) local: u32) {
      let lid = i32(local);
      let tx = lid;
      let program = i32(workgroup.x);
      let pid0 = program;
      let at_0 = pid0 * 32 + tx;
      let load_1 = buf0_read[at_0];
      let add_2 = load_1 + load_1;
      buf1_write[at_0] = add_2;
    }"
  `);
  expect(body(emitWgsl(kernel(100), gpu).code)).toMatchInlineSnapshot(`
    "fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) local: u32) {
      let lid = i32(local);
      let tx = lid;
      let program = i32(workgroup.x);
      let pid0 = program;
      let at_0 = pid0 * 64 + tx * 2;
      let at_1 = pid0 * 32 + tx;
      let load_2 = select(vec2f(0f), buf0_read[at_1], at_0 < 100);
      let add_3 = load_2 + load_2;
      if (at_0 < 100) {
        buf1_write[at_1] = add_3;
      }
    }"
  `);
});

test('contractions are staged through workgroup memory', () => {
  const kernel = tileKernel(
    'dot',
    [
      ['f32', [32, 16]],
      ['f32', [16, 32]],
    ],
    (b, [x, y]) => [b.dot(x, y)],
  );
  const { code } = emitWgsl(kernel, gpu);
  expect(code).toContain('var<workgroup> stage_a_');
  expect(code.match(/workgroupBarrier/g)).toHaveLength(1);
  const narrow = emitWgsl(kernel, { ...gpu, subgroupSize: 8, fallback: true }).code;
  expect(narrow).toContain('subgroupShuffle');
  expect(narrow).not.toContain('Barrier');
});

test('a computed operand of a contraction is computed once, not for every block of rows', () => {
  const kernel = tileKernel(
    'dot',
    [
      ['f32', [64, 64]],
      ['f32', [64, 64]],
    ],
    (b, [x, y]) => [b.dot(b.scalar('exp', b.dot(x, y)), y)],
  );
  const { code } = emitWgsl(kernel, { ...gpu, subgroupSize: 4, fallback: true });
  // Before the loop over blocks of rows of the second one, which declares their accumulators.
  expect(code.indexOf('round(')).toBeGreaterThan(0);
  expect(code.indexOf('round(')).toBeLessThan(code.lastIndexOf('var acc'));
});

test('arrays of kept values are written where they are read', () => {
  const square = ['f32', [32, 32]] as const;
  const kernel = tileKernel('both', [square, square, ['f32', [32, 16]]], (b, [x, z, w]) => {
    const p = b.scalar('exp', b.dot(x, z));
    const q = b.scalar('mul', p, z);
    return [b.dot(b.transpose(q, [1, 0]), w), b.dot(b.transpose(p, [1, 0]), w)];
  });
  const { code } = emitWgsl(kernel, { ...gpu, subgroupSize: 8, fallback: true });
  const kept = [...new Set(code.match(/\bkept_\d+/g))];
  const unwritten = kept.filter(
    (name) => code.includes(`= ${name}[`) && !new RegExp(`^ *${name}\\[.*\\] = `, 'm').test(code),
  );
  expect(unwritten).toEqual([]);
});

test('equal kernels have equal shaders, whatever their names', () => {
  const code = (name: string): string =>
    emitWgsl(
      tileKernel(name, [['f32', [4]]], (b, [x]) => [b.scalar('add', x, x)]),
      gpu,
    ).code;
  expect(code('first')).toBe(code('second'));
});

test('infinities and NaN are no constant expressions', () => {
  const kernel = tileKernel('special', [['f32', [4]]], (b, [x]) => [
    b.scalar('max', x, b.constant(-Infinity, 'f32', [4])),
    b.scalar('add', x, b.constant(NaN, 'f32', [4])),
  ]);
  const { code } = emitWgsl(kernel, gpu);
  expect(code).toContain('float_bits(0xff800000u)');
  expect(code).toContain('float_bits(0x7fc00000u)');
});

test('grids are folded into three dimensions', () => {
  expect(dispatchSize(0, 65535)).toEqual([0, 0, 0]);
  expect(dispatchSize(65535, 65535)).toEqual([65535, 1, 1]);
  expect(dispatchSize(65536, 65535)).toEqual([65535, 2, 1]);
  expect(dispatchSize(60, 4)).toEqual([4, 4, 4]);
  expect(() => dispatchSize(65, 4)).toThrow(LoweringError);
});

test('what WGSL cannot do is said', () => {
  const wide = tileKernel('wide', [['f64', [4]]], (b, [x]) => [b.scalar('add', x, x)]);
  expect(() => emitWgsl(wide, gpu)).toThrow(DTypeError);
  expect(() => emitWgsl(wide, gpu)).toThrow(
    'webgpu: WGSL computes with at most 32 bits; got float64. Convert it, or run this on the wasm device.',
  );
  const inputs = Array.from({ length: 9 }, () => ['f32', [4]] as const);
  const many = tileKernel('many', inputs, (b, xs) => [xs.reduce((x, y) => b.scalar('add', x, y))]);
  expect(() => emitWgsl(many, gpu)).toThrow(
    'many: this device binds at most 8 buffers to a kernel; got 10. Pass fewer operands, or pack some of them into one.',
  );
});

test('long chains of operations need no stack', () => {
  const kernel = tileKernel('deep', [['f32', [4]]], (b, [x]) => {
    let y = x;
    for (let i = 0; i < 10_000; i++) y = b.scalar('add', y, x);
    return [y];
  });
  expect(emitWgsl(kernel, gpu).code.match(/ \+ /g)?.length).toBeGreaterThanOrEqual(10_000);
});
