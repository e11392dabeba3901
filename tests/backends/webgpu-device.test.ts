// The WebGPU device as a whole: order, memory, donation, errors that surface at the read, loops that depend on data, loss.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createWebGpuDevice, type WebGpuDevice } from '../../backends/webgpu/device.ts';
import { WebGpuBuffer } from '../../backends/webgpu/memory.ts';
import type { DeviceBuffer } from '../../core/backend.ts';
import { DeviceError, DTypeError, OutOfMemoryError } from '../../core/errors.ts';
import { Aval } from '../../core/aval.ts';
import type { Schedule, Step } from '../../lowering/fuse/ir.ts';
import { makeKernel, type TileBuilder } from '../../lowering/tile/build.ts';
import type { Kernel, Ref, Tile } from '../../lowering/tile/ir.ts';

let device: WebGpuDevice;
beforeAll(async () => {
  device = await createWebGpuDevice();
});

const bytes = (...values: number[]): Uint8Array => new Uint8Array(new Float32Array(values).buffer);
const floats = async (buffer: DeviceBuffer): Promise<number[]> => {
  const read = await device.read(buffer);
  return [...new Float32Array(read.buffer, read.byteOffset, read.byteLength / 4)];
};

/** A kernel of one program on whole arrays of `n` floats: inputs first, one output. */
function kernel(
  name: string,
  inputs: number,
  body: (b: TileBuilder, tiles: Tile[]) => Tile,
  n = 4,
): Kernel {
  const spec = (access: 'read' | 'write', i: number) => ({
    name: `${access}${i}`,
    dtype: 'f32' as const,
    shape: [n],
    access,
    dims: [{ kind: 'blocked' as const, size: n }],
    indexMap: (b: TileBuilder) => [b.int(0)],
  });
  return makeKernel({
    name,
    grid: [],
    operands: [...Array.from({ length: inputs }, (_, i) => spec('read', i)), spec('write', inputs)],
    scratch: [],
    body: (b, refs: Ref[]) =>
      b.store(
        refs[inputs],
        body(
          b,
          refs.slice(0, inputs).map((r) => b.load(r)),
        ),
      ),
  });
}

const f32 = (
  role: Schedule['buffers'][number]['role'],
  index = 0,
  n = 4,
): Schedule['buffers'][number] => ({
  type: { dtype: 'f32', shape: [n] },
  byteLength: n * 4,
  role,
  index,
});

const schedule = (
  parts: Partial<Schedule> & Pick<Schedule, 'buffers' | 'steps' | 'outputs'>,
): Schedule => ({
  name: 'test',
  constants: [],
  inputs: parts.buffers.flatMap((b, i) => (b.role === 'input' ? [i] : [])),
  ...parts,
});

const double = kernel('double', 1, (b, [x]) => b.scalar('add', x, x));
const one = schedule({
  buffers: [f32('input'), f32('output')],
  steps: [{ kind: 'kernel', kernel: double, args: [0, 1] }],
  outputs: [1],
});

describe('programs', () => {
  test('run in order and return at once', async () => {
    const program = device.executable(one);
    let x = device.upload(bytes(1, 2, 3, 4));
    for (let i = 0; i < 10; i++) [x] = program.run([x]);
    expect(await floats(x)).toEqual([1024, 2048, 3072, 4096]);
    expect(program.kernels[0].source).toContain('@compute');
    expect(program.asText()).toContain('@double');
  });

  test('donated arguments die and their memory is used again', async () => {
    const program = device.executable(one);
    let x = device.upload(bytes(1, 1, 1, 1));
    const before = device.memory.usedBytes + device.memory.freeBytes;
    for (let i = 0; i < 20; i++) {
      const [y] = program.run([x], [true]);
      expect(x.deleted).toBe(true);
      x = y;
    }
    expect(await floats(x)).toEqual([2 ** 20, 2 ** 20, 2 ** 20, 2 ** 20]);
    expect(device.memory.usedBytes + device.memory.freeBytes - before).toBeLessThanOrEqual(256);
  });

  test('results may be arguments, or twice the same', async () => {
    const program = device.executable(schedule({ ...one, outputs: [1, 0, 1] }));
    const x = device.upload(bytes(1, 2, 3, 4));
    const [a, b, c] = program.run([x]);
    x.dispose();
    a.dispose();
    expect(await floats(b)).toEqual([1, 2, 3, 4]);
    expect(await floats(c)).toEqual([2, 4, 6, 8]);
  });

  test('a buffer that a kernel reads and writes under two names is copied first', async () => {
    const program = device.executable(
      schedule({
        buffers: [f32('input'), f32('output')],
        steps: [
          { kind: 'copy', from: 0, to: 1 },
          { kind: 'kernel', kernel: double, args: [1, 1] },
        ],
        outputs: [1],
      }),
    );
    const [y] = program.run([device.upload(bytes(1, 2, 3, 4))]);
    expect(await floats(y)).toEqual([2, 4, 6, 8]);
  });

  test('constants, temporaries and empty arrays', async () => {
    const add = kernel('add', 2, (b, [x, y]) => b.scalar('add', x, y));
    const program = device.executable(
      schedule({
        buffers: [
          f32('input'),
          f32('output'),
          f32('constant', 0),
          { ...f32('temporary'), slot: 0 },
          { ...f32('temporary'), slot: 0 },
          f32('output', 1, 0),
        ],
        constants: [bytes(10, 20, 30, 40)],
        steps: [
          { kind: 'kernel', kernel: add, args: [0, 2, 3] },
          { kind: 'kernel', kernel: add, args: [3, 2, 1] },
        ],
        outputs: [1, 5],
      }),
    );
    const [y, empty] = program.run([device.upload(bytes(1, 2, 3, 4))]);
    expect(await floats(y)).toEqual([21, 42, 63, 84]);
    expect((await device.read(empty)).byteLength).toBe(0);
    program.dispose();
  });
});

describe('loops and branches', () => {
  const copy = kernel('step', 1, (b, [x]) => b.scalar('add', x, b.constant(1, 'f32', [4])));
  const below = makeKernel({
    name: 'below',
    grid: [],
    operands: [
      {
        name: 'x',
        dtype: 'f32',
        shape: [4],
        access: 'read',
        dims: [{ kind: 'blocked', size: 4 }],
        indexMap: (b) => [b.int(0)],
      },
      { name: 'p', dtype: 'bool', shape: [], access: 'write', dims: [], indexMap: () => [] },
    ],
    scratch: [],
    body: (b, [x, p]) =>
      b.store(
        p,
        b.compare('lt', b.reshape(b.slice(b.load(x), [0], [1]), []), b.constant(7, 'f32')),
      ),
  });
  const loop = (trips: number | undefined): Step => ({
    kind: 'while',
    cond: [{ kind: 'kernel', kernel: below, args: [1, 2] }],
    predicate: 2,
    body: [{ kind: 'kernel', kernel: copy, args: [1, 3] }],
    carried: [1],
    next: [3],
    trips,
  });
  const looping = (trips: number | undefined): Schedule =>
    schedule({
      buffers: [
        f32('input'),
        f32('output'),
        { type: { dtype: 'bool', shape: [] }, byteLength: 1, role: 'temporary', index: 0 },
        f32('temporary'),
      ],
      steps: [{ kind: 'copy', from: 0, to: 1 }, loop(trips)],
      outputs: [1],
    });

  test('loops of known length, odd and even', async () => {
    for (const trips of [0, 1, 4, 5, 300]) {
      const program = device.executable(looping(trips));
      const [y] = program.run([device.upload(bytes(0, 1, 2, 3))]);
      const [z] = program.run([y]);
      expect(await floats(z)).toEqual([0, 1, 2, 3].map((v) => v + 2 * trips));
    }
  });

  test('loops that depend on data hold later work back, in order', async () => {
    const program = device.executable(looping(undefined));
    const plain = device.executable(one);
    const x = device.upload(bytes(0.5, 1, 2, 3));
    const [y] = program.run([x]);
    expect(device.stream.isHeld).toBe(true);
    const late = device.upload(bytes(5, 5, 5, 5));
    const [z] = plain.run([y]);
    const [w] = program.run([late]);
    const [v] = plain.run([w]);
    for (const buffer of [x, y, late, w]) buffer.dispose();
    expect(await floats(z)).toEqual([15, 16, 18, 20]);
    expect(await floats(v)).toEqual([14, 14, 14, 14]);
    await device.synchronize();
    expect(device.stream.isHeld).toBe(false);
  });

  test('long loops that depend on data end where they should', async () => {
    const program = device.executable(looping(undefined));
    for (const [first, last] of [
      [-100.5, 7.5],
      [-9, 7],
      [-8, 7],
      [6, 7],
      [7, 7],
      [8, 8],
    ]) {
      const [y] = program.run([device.upload(bytes(first, 0, first, 0))]);
      expect(await floats(y)).toEqual([last, last - first, last, last - first]);
    }
  });

  test('branches', async () => {
    const program = device.executable(
      schedule({
        buffers: [
          f32('input', 0),
          { type: { dtype: 'i32', shape: [] }, byteLength: 4, role: 'input', index: 1 },
          f32('output'),
        ],
        steps: [
          {
            kind: 'case',
            index: 1,
            branches: [
              [{ kind: 'copy', from: 0, to: 2 }],
              [{ kind: 'kernel', kernel: double, args: [0, 2] }],
            ],
          },
        ],
        outputs: [2],
      }),
    );
    const x = device.upload(bytes(1, 2, 3, 4));
    const run = (i: number): Promise<number[]> =>
      floats(program.run([x, device.upload(new Uint8Array(new Int32Array([i]).buffer))])[0]);
    expect(await run(0)).toEqual([1, 2, 3, 4]);
    for (const i of [1, 2, -1, 99]) expect(await run(i)).toEqual([2, 4, 6, 8]);
  });
});

describe('memory', () => {
  test('hundreds of awaited steps stay within bounds', async () => {
    const program = device.executable(one);
    let most = 0;
    for (let i = 0; i < 300; i++) {
      const x = device.upload(new Uint8Array(4096 * 4).fill(0));
      x.dispose();
      const [y] = program.run([device.upload(bytes(1, 2, 3, 4))]);
      await device.read(y);
      most = Math.max(most, device.memory.usedBytes + device.memory.freeBytes);
    }
    expect(most).toBeLessThan(2 ** 23);
  });

  test('the budget raises with advice, before the device dies', async () => {
    const small = await createWebGpuDevice({ memoryLimit: 2 ** 16, id: 1 });
    const keep: DeviceBuffer[] = [];
    const fill = (): void => {
      for (let i = 0; i < 100; i++) keep.push(small.upload(new Uint8Array(4096)));
    };
    expect(fill).toThrow(OutOfMemoryError);
    expect(fill).toThrow(
      /live arrays must fit the budget of 65536 bytes; got \d+ bytes live and 4096 more wanted\. Await a result/,
    );
    for (const buffer of keep) buffer.dispose();
    expect((await small.read(small.upload(bytes(1)))).byteLength).toBe(4);
    small.destroy();
  });

  test('disposed buffers say so', async () => {
    const x = device.upload(bytes(1));
    x.dispose();
    x.dispose();
    expect(x.deleted).toBe(true);
    await expect(device.read(x)).rejects.toThrow(/must be alive/);
    expect(x).toBeInstanceOf(WebGpuBuffer);
  });
});

describe('errors', () => {
  test('types that WGSL does not have', () => {
    expect(device.supports(new Aval([2], 'f32'))).toBe(true);
    expect(device.supports(new Aval([2], 'f64'))).toBe(false);
    expect(device.supports(new Aval([2], 'i64'))).toBe(false);
    expect(device.supports(new Aval([2], 'complex64'))).toBe(false);
    const wide = makeKernel({
      name: 'wide',
      grid: [],
      operands: [
        {
          name: 'x',
          dtype: 'f64',
          shape: [1],
          access: 'write',
          dims: [{ kind: 'blocked', size: 1 }],
          indexMap: (b) => [b.int(0)],
        },
      ],
      scratch: [],
      body: (b, [x]) => b.store(x, b.constant(1, 'f64', [1])),
    });
    const program = (): unknown =>
      device.executable(
        schedule({
          buffers: [{ ...f32('output'), type: { dtype: 'f64', shape: [1] } }],
          steps: [{ kind: 'kernel', kernel: wide, args: [0] }],
          outputs: [0],
        }),
      );
    expect(program).toThrow(DTypeError);
    expect(program).toThrow(/WGSL computes with at most 32 bits; got float64/);
  });

  test('too many operands', () => {
    const many = kernel('many', 40, (b, xs) => xs.reduce((x, y) => b.scalar('add', x, y)));
    const buffers = [...Array.from({ length: 40 }, (_, i) => f32('input', i)), f32('output')];
    expect(() =>
      device.executable(
        schedule({
          buffers,
          steps: [{ kind: 'kernel', kernel: many, args: buffers.map((_, i) => i) }],
          outputs: [40],
        }),
      ),
    ).toThrow(/many: this device binds at most \d+ buffers/);
  });

  test('loss is said to whoever reads, then and later', async () => {
    const other = await createWebGpuDevice({ id: 2 });
    const x = other.upload(bytes(1, 2, 3, 4));
    const pending = other.read(x).catch((error: unknown) => error);
    other.destroy();
    await pending;
    await new Promise((resolve) => setTimeout(resolve, 10));
    await expect(other.read(x)).rejects.toThrow(DeviceError);
    await expect(other.read(x)).rejects.toThrow(/the device was lost \(destroyed\)/);
    expect(() => other.upload(bytes(1))).toThrow(DeviceError);
  });
});

afterAll(() => {
  expect(device.description).toMatch(/^webgpu:0 \(/);
});
