/** The interpreter as a device, and the reference runner of schedules. */
import { describe, expect, test } from 'vitest';
import { InterpreterDevice } from '../../backends/interpreter/device.ts';
import { runSchedule } from '../../backends/interpreter/schedule.ts';
import type { BufferSpec, Schedule, Step } from '../../lowering/fuse/ir.ts';
import { buildModule } from '../../lowering/hlo/module.ts';

const f32x2 = { shape: [2], dtype: 'f32' } as const;
const bytes = (...values: number[]): Uint8Array => new Uint8Array(Float32Array.from(values).buffer);
const floats = (data: Uint8Array): number[] => Array.from(new Float32Array(data.slice().buffer));

describe('device', () => {
  test('compiles, runs, frees', async () => {
    const device = new InterpreterDevice();
    const module = buildModule('jit_f', (m) =>
      m.addFunction('main', [f32x2, f32x2], 'public', (b, [x, y]) => [b.scalar('add', x, y), x]),
    );
    const executable = device.compile(module);
    expect(executable.asText()).toContain('stablehlo.add');
    const [x, y] = [device.upload(bytes(1, 2)), device.upload(bytes(10, 20))];
    const [sum, same] = executable.run([x, y], [false, true]);
    expect(floats(device.readSync(sum))).toEqual([11, 22]);
    expect(floats(await device.read(same))).toEqual([1, 2]);
    expect([x.deleted, y.deleted]).toEqual([false, true]);
    expect(device.liveBytes()).toBe(24);
    for (const buffer of [x, sum, same, sum]) buffer.dispose();
    expect(device.liveBytes()).toBe(0);
    expect(() => device.readSync(sum)).toThrow(
      'buffer: memory must be alive when it is used; got a disposed buffer of 8 bytes.',
    );
  });

  test('uploads and reads are copies', () => {
    const device = new InterpreterDevice();
    const source = bytes(1, 2);
    const buffer = device.upload(source);
    source.fill(0);
    device.readSync(buffer).fill(0);
    expect(floats(device.readSync(buffer))).toEqual([1, 2]);
  });
});

describe('schedules', () => {
  const buffer = (role: BufferSpec['role'], index: number, slot?: number): BufferSpec => ({
    type: f32x2,
    byteLength: 8,
    role,
    index,
    ...(slot === undefined ? {} : { slot }),
  });
  const schedule = (buffers: BufferSpec[], steps: Step[], outputs: number[]): Schedule => ({
    name: 's',
    buffers,
    constants: [bytes(7, 8)],
    inputs: buffers.flatMap((b, id) => (b.role === 'input' ? [id] : [])),
    outputs,
    steps,
  });

  test('copies, constants, inputs that are returned', () => {
    const s = schedule(
      [buffer('input', 0), buffer('constant', 0), buffer('output', 0)],
      [{ kind: 'copy', from: 1, to: 2 }],
      [2, 0],
    );
    const input = bytes(1, 2);
    expect(runSchedule(s, [input]).map(floats)).toEqual([
      [7, 8],
      [1, 2],
    ]);
    expect(() => runSchedule(s, [])).toThrow('s: input 0 must have 8 bytes; got nothing.');
  });

  test('temporaries of one slot share memory', () => {
    const s = schedule(
      [
        buffer('constant', 0),
        buffer('temporary', 0, 0),
        buffer('temporary', 1, 0),
        buffer('output', 0),
      ],
      [
        { kind: 'copy', from: 0, to: 1 },
        { kind: 'copy', from: 2, to: 3 },
      ],
      [3],
    );
    expect(runSchedule(s, []).map(floats)).toEqual([[7, 8]]);
  });

  test('a case out of range takes the last branch', () => {
    const index: BufferSpec = {
      type: { shape: [], dtype: 'i32' },
      byteLength: 4,
      role: 'input',
      index: 0,
    };
    const s = schedule(
      [index, buffer('constant', 0), buffer('output', 0)],
      [{ kind: 'case', index: 0, branches: [[], [{ kind: 'copy', from: 1, to: 2 }]] }],
      [2],
    );
    const run = (i: number): number[] =>
      floats(runSchedule(s, [new Uint8Array(Int32Array.of(i).buffer)])[0]);
    expect([0, 1, 2, -1].map(run)).toEqual([
      [0, 0],
      [7, 8],
      [7, 8],
      [7, 8],
    ]);
  });

  test('a loop moves what it carries all at once', () => {
    const flag: BufferSpec = {
      type: { shape: [2], dtype: 'f32' },
      byteLength: 8,
      role: 'temporary',
      index: 0,
    };
    // The predicate is the first byte of buffer 2: bytes of a float that becomes 0 when the swap brings 0 in.
    const s = schedule(
      [buffer('input', 0), buffer('input', 1), flag],
      [
        {
          kind: 'while',
          cond: [{ kind: 'copy', from: 0, to: 2 }],
          predicate: 2,
          body: [],
          carried: [0, 1],
          next: [1, 0],
          trips: undefined,
        },
      ],
      [0, 1],
    );
    const odd = new Uint8Array([1, 0, 0, 0, 0, 0, 0, 0]);
    expect(runSchedule(s, [odd, new Uint8Array(8)])).toEqual([new Uint8Array(8), odd]);
  });
});
