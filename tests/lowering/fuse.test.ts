/** The fuser: schedules of tile kernels mean what the StableHLO module means, and as few kernels as promised come out. */
import { describe, expect, test } from 'vitest';
import type { DType } from '../../core/dtype.ts';
import { sizeOf } from '../../core/shape.ts';
import { compileModule } from '../../lowering/compile.ts';
import type { Schedule, Step, Target } from '../../lowering/fuse/ir.ts';
import type { HloBuilder } from '../../lowering/hlo/build.ts';
import { interpretModule, type HostTensor } from '../../lowering/hlo/interpret.ts';
import type { HloValue, TensorType } from '../../lowering/hlo/ir.ts';
import { buildModule } from '../../lowering/hlo/module.ts';
import {
  allocateElements,
  elementsFromBytes,
  elementsToBytes,
} from '../../lowering/scalar-array.ts';
import { runSchedule } from '../../backends/interpreter/schedule.ts';

const cpu: Target = {
  kind: 'wasm',
  maxOperands: 24,
  parallelism: 2,
  subgroupSize: 1,
  fallback: false,
  workgroupBytes: Infinity,
  exact: true,
};
const gpu: Target = {
  kind: 'webgpu',
  maxOperands: 8,
  parallelism: 16,
  subgroupSize: 4,
  fallback: true,
  workgroupBytes: 16384,
  exact: false,
};

const f32 = (...shape: number[]): TensorType => ({ shape, dtype: 'f32' });
const typed = (dtype: DType, ...shape: number[]): TensorType => ({ shape, dtype });

let seed = 1;
const uniform = (): number => {
  seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
  return seed / 2 ** 32;
};

function randomTensor(type: TensorType): HostTensor {
  const n = sizeOf(type.shape);
  const data = allocateElements(type.dtype, n);
  for (let i = 0; i < n; i++) {
    const u = uniform();
    if (data instanceof BigInt64Array || data instanceof BigUint64Array)
      data[i] = BigInt(Math.floor(u * 9));
    else
      data[i] =
        type.dtype === 'f32'
          ? Math.fround(4 * u - 2)
          : type.dtype === 'bool'
            ? Number(u > 0.5)
            : Math.floor(u * 9);
  }
  return { type, data };
}

const kernelsOf = (steps: readonly Step[]): number =>
  steps.reduce((n, step) => {
    switch (step.kind) {
      case 'kernel':
        return n + 1;
      case 'while':
        return n + kernelsOf(step.cond) + kernelsOf(step.body);
      case 'case':
        return n + step.branches.reduce((m, b) => m + kernelsOf(b), 0);
      default:
        return n;
    }
  }, 0);

/** The most arrays that a kernel binds. */
const mostOperands = (steps: readonly Step[]): number =>
  Math.max(
    0,
    ...steps.map((step) => {
      switch (step.kind) {
        case 'kernel':
          return step.kernel.operands.length;
        case 'while':
          return Math.max(mostOperands(step.cond), mostOperands(step.body));
        case 'case':
          return Math.max(...step.branches.map(mostOperands));
        default:
          return 0;
      }
    }),
  );

type Body = (b: HloBuilder, args: readonly HloValue[]) => readonly HloValue[];

/** Compile for both targets, run with the tile interpreter, compare with the StableHLO interpreter. */
function agree(types: readonly TensorType[], body: Body, tolerance = 1e-5): Schedule {
  const module = buildModule('jit_f', (m) => m.addFunction('main', types, 'public', body));
  const inputs = types.map(randomTensor);
  const expected = interpretModule(module, inputs);
  const schedules = [cpu, gpu].map((target) => {
    const schedule = compileModule(module, target);
    expect(mostOperands(schedule.steps)).toBeLessThanOrEqual(target.maxOperands);
    const outputs = runSchedule(
      schedule,
      inputs.map((x) => elementsToBytes(x.data, x.type.dtype)),
    );
    expected.forEach((want, i) => {
      const got = elementsFromBytes(outputs[i], want.type.dtype);
      expect(got.length).toBe(want.data.length);
      for (let k = 0; k < got.length; k++) {
        const [a, b] = [Number(got[k]), Number(want.data[k])];
        const close =
          Object.is(a, b) || a === b || Math.abs(a - b) <= tolerance * (1 + Math.abs(b));
        if (!close)
          expect.fail(
            `output ${i} element ${k} on ${target.kind}: got ${a}, wanted ${b}\n${JSON.stringify(schedule.steps.length)} steps`,
          );
      }
    });
    return schedule;
  });
  return schedules[0];
}

const softmax = (b: HloBuilder, x: HloValue): HloValue => {
  const { shape } = x.type;
  const kept = shape.map((_, i) => i).slice(0, -1);
  const max = b.broadcastInDim(b.reduce(x, 'max', [shape.length - 1]), shape, kept);
  const e = b.scalar('exp', b.scalar('sub', x, max));
  return b.scalar('div', e, b.broadcastInDim(b.reduce(e, 'add', [shape.length - 1]), shape, kept));
};

describe('elementwise', () => {
  test('a chain with broadcast bias is one kernel', () => {
    const schedule = agree([f32(6, 5), f32(5)], (b, [x, y]) => {
      const bias = b.broadcastInDim(y, [6, 5], [1]);
      return [b.scalar('tanh', b.scalar('add', b.scalar('mul', x, x), bias))];
    });
    expect(kernelsOf(schedule.steps)).toBe(1);
  });
  test('transposed and untransposed operands', () => {
    const schedule = agree([f32(7, 4), f32(4, 7)], (b, [x, y]) => [
      b.scalar('sub', x, b.transpose(y, [1, 0])),
    ]);
    expect(kernelsOf(schedule.steps)).toBe(1);
  });
  test('x + transpose(x) of a computed value', () => {
    agree([f32(5, 5)], (b, [x]) => {
      const y = b.scalar('exp', x);
      return [b.scalar('add', y, b.transpose(y, [1, 0]))];
    });
  });
  test('reshape that splits and merges axes', () => {
    agree([f32(6, 4), f32(4)], (b, [x, y]) => {
      const z = b.scalar('add', x, b.broadcastInDim(y, [6, 4], [1]));
      const w = b.reshape(b.scalar('neg', z), [2, 3, 4]);
      return [b.scalar('mul', w, w), b.reshape(w, [24]), b.transpose(w, [2, 0, 1])];
    });
  });
  test('rank 0, several outputs, iota, select, compare', () => {
    agree([f32(), f32(9)], (b, [s, x]) => {
      const spread = b.broadcastInDim(s, [9], []);
      const mask = b.compare('lt', b.iota('f32', [9], 0), b.constant(4, 'f32', [9]));
      return [b.scalar('mul', s, s), b.select(mask, x, spread), b.scalar('add', x, spread)];
    });
  });
  test('bool, integers, conversions', () => {
    agree([typed('i32', 10), typed('u32', 10), typed('bool', 10)], (b, [i, u, p]) => [
      b.scalar('add', i, b.convert(u, 'i32')),
      b.scalar('and', p, b.compare('gt', i, b.constant(3, 'i32', [10]))),
      b.convert(b.select(p, i, b.scalar('neg', i)), 'f32'),
    ]);
  });
  test('zero-size arrays', () => {
    agree([f32(0, 3), f32(2, 0)], (b, [x, y]) => [
      b.scalar('exp', x),
      b.reduce(x, 'add', [0]),
      b.dotGeneral(y, x, { lhsBatch: [], rhsBatch: [], lhsContract: [1], rhsContract: [0] }),
    ]);
  });
  test('inputs and constants as results, one result twice', () => {
    agree([f32(3)], (b, [x]) => {
      const y = b.scalar('neg', x);
      return [
        x,
        y,
        y,
        b.constant(2, 'f32', [2]),
        b.constantArray([1, 2, 3], 'f32', [3]),
        b.reshape(y, [3, 1]),
      ];
    });
  });
});

describe('rows', () => {
  test('softmax is one kernel', () => {
    const schedule = agree([f32(5, 33)], (b, [x]) => [softmax(b, x)]);
    expect(kernelsOf(schedule.steps)).toBe(1);
  });
  test('layer norm with scale and shift is one kernel', () => {
    const schedule = agree([f32(3, 4, 20), f32(20), f32(20)], (b, [x, scale, shift]) => {
      const mean = (v: HloValue): HloValue =>
        b.broadcastInDim(
          b.scalar('div', b.reduce(v, 'add', [2]), b.constant(20, 'f32', [3, 4])),
          [3, 4, 20],
          [0, 1],
        );
      const centred = b.scalar('sub', x, mean(x));
      const variance = b.scalar(
        'add',
        mean(b.scalar('mul', centred, centred)),
        b.constant(1e-5, 'f32', [3, 4, 20]),
      );
      const y = b.scalar('mul', centred, b.scalar('rsqrt', variance));
      return [
        b.scalar(
          'add',
          b.scalar('mul', y, b.broadcastInDim(scale, [3, 4, 20], [2])),
          b.broadcastInDim(shift, [3, 4, 20], [2]),
        ),
      ];
    });
    expect(kernelsOf(schedule.steps)).toBe(1);
  });
  test('reductions over leading, middle and all axes', () => {
    agree([f32(6, 7, 8)], (b, [x]) => [
      b.reduce(x, 'add', [0]),
      b.reduce(x, 'max', [1]),
      b.reduce(x, 'min', [0, 2]),
      b.reduce(x, 'add', [0, 1, 2]),
    ]);
  });
  test('a long sum is cut in two', () => {
    const schedule = agree(
      [f32(262144)],
      (b, [x]) => [b.reduce(b.scalar('mul', x, x), 'add', [0])],
      1e-4,
    );
    expect(kernelsOf(schedule.steps)).toBe(2);
  });
  test('reduction of an init that is not neutral, and and or', () => {
    agree([f32(4, 5), typed('bool', 4, 5)], (b, [x, p]) => [
      b.reduceRegion([x], [b.constant(10, 'f32')], [1], (acc, v) => [b.scalar('add', acc, v)])[0],
      b.reduce(p, 'and', [0]),
      b.reduce(p, 'or', [1]),
    ]);
  });
});

const matmul = { lhsBatch: [], rhsBatch: [], lhsContract: [1], rhsContract: [0] };

describe('dot', () => {
  test('with bias and activation is one kernel', () => {
    const schedule = agree([f32(17, 9), f32(9, 23), f32(23)], (b, [x, w, bias]) => {
      const y = b.scalar('add', b.dotGeneral(x, w, matmul), b.broadcastInDim(bias, [17, 23], [1]));
      return [b.scalar('max', y, b.constant(0, 'f32', [17, 23]))];
    });
    expect(kernelsOf(schedule.steps)).toBe(1);
  });
  test('transposes, batches, several contracted axes, vectors', () => {
    agree([f32(3, 5, 4), f32(3, 6, 4), f32(4, 5), f32(5)], (b, [x, y, w, v]) => [
      b.dotGeneral(x, y, { lhsBatch: [0], rhsBatch: [0], lhsContract: [2], rhsContract: [2] }),
      b.dotGeneral(x, w, { lhsBatch: [], rhsBatch: [], lhsContract: [2, 1], rhsContract: [0, 1] }),
      b.dotGeneral(x, w, { lhsBatch: [], rhsBatch: [], lhsContract: [1, 2], rhsContract: [1, 0] }),
      b.dotGeneral(w, v, { lhsBatch: [], rhsBatch: [], lhsContract: [1], rhsContract: [0] }),
      b.dotGeneral(v, v, { lhsBatch: [], rhsBatch: [], lhsContract: [0], rhsContract: [0] }),
      b.dotGeneral(v, v, { lhsBatch: [], rhsBatch: [], lhsContract: [], rhsContract: [] }),
      b.dotGeneral(b.transpose(w, [1, 0]), x, {
        lhsBatch: [],
        rhsBatch: [],
        lhsContract: [1],
        rhsContract: [2],
      }),
    ]);
  });
  test('values that are read later count among the arrays of a kernel', () => {
    agree([f32(4, 4), f32(4, 4)], (b, [x, w]) => {
      const values = [b.dotGeneral(x, w, matmul)];
      for (let i = 0; i < 14; i++)
        values.push(b.scalar(i % 2 === 0 ? 'sin' : 'tanh', values[values.length - 1]));
      // Each is read by a product that cannot join, and by the next of the chain.
      return values.map((v) => b.dotGeneral(v, w, matmul));
    });
    agree([f32(9)], (b, [x]) => {
      const values = [x];
      for (let i = 0; i < 30; i++) values.push(b.scalar('sin', values[i]));
      return values;
    });
  });
  test('threads get even shares', () => {
    for (const [extent, grid] of [
      [512, [8]],
      [511, [8]],
      [256, [4]],
      [90, [2]],
      [48, []],
    ] as const) {
      const module = buildModule('jit_f', (m) =>
        m.addFunction('main', [f32(extent, 8), f32(8, extent)], 'public', (b, [x, y]) => [
          b.dotGeneral(x, y, matmul),
        ]),
      );
      const [step] = compileModule(module, cpu).steps;
      if (step.kind !== 'kernel') throw new Error('a product is a kernel');
      expect(step.kernel.grid.map((axis) => axis.extent)).toEqual(grid);
    }
  });
  test('an operand that is added to the result is read along both of its axes', () => {
    const times = { lhsBatch: [], rhsBatch: [], lhsContract: [1], rhsContract: [0] };
    agree([f32(5, 5), f32(5), f32(5, 5)], (b, [w, x, y]) => [
      b.scalar('add', x, b.dotGeneral(w, x, times)),
      b.scalar('sub', y, b.dotGeneral(w, y, times)),
      b.scalar('mul', b.transpose(y, [1, 0]), b.dotGeneral(y, w, times)),
    ]);
  });
  test('heads: reshape and transpose around batched dots', () => {
    agree([f32(2, 7, 12), f32(12, 36)], (b, [x, w]) => {
      const qkv = b.transpose(
        b.reshape(b.dotGeneral(x, w, { ...matmul, lhsContract: [2] }), [2, 7, 3, 4, 3]),
        [2, 0, 3, 1, 4],
      );
      const part = (i: number): HloValue =>
        b.reshape(b.slice(qkv, [i, 0, 0, 0, 0], [i + 1, 2, 4, 7, 3]), [2, 4, 7, 3]);
      const scores = b.dotGeneral(part(0), part(1), {
        lhsBatch: [0, 1],
        rhsBatch: [0, 1],
        lhsContract: [3],
        rhsContract: [3],
      });
      const mixed = b.dotGeneral(softmax(b, scores), part(2), {
        lhsBatch: [0, 1],
        rhsBatch: [0, 1],
        lhsContract: [3],
        rhsContract: [2],
      });
      return [b.reshape(b.transpose(mixed, [0, 2, 1, 3]), [2, 7, 12])];
    });
  });
});

describe('windows', () => {
  test('slice, reverse, pad, concatenate', () => {
    agree([f32(8, 9), f32(2, 9)], (b, [x, y]) => [
      b.scalar('neg', b.slice(x, [1, 2], [7, 8], [2, 3])),
      b.reverse(x, [0, 1]),
      b.pad(b.scalar('exp', x), b.constant(3, 'f32'), [1, -2], [0, 4], [0, 0]),
      b.pad(x, b.constant(1, 'f32'), [2, 1], [1, 0], [1, 2]),
      b.scalar('mul', b.concatenate([x, y], 0), b.concatenate([x, y], 0)),
      b.concatenate([x, y, x, y, y, x], 0),
    ]);
  });
  test('dynamic slice and update', () => {
    agree([f32(8, 9), f32(3, 2), typed('i32')], (b, [x, u, i]) => {
      const far = b.scalar('add', i, b.constant(20, 'i32'));
      return [
        b.dynamicSlice(x, [i, far], [3, 2]),
        b.dynamicUpdateSlice(x, u, [i, far]),
        b.dynamicUpdateSlice(b.scalar('neg', x), u, [far, i]),
      ];
    });
  });
  test('gather rows, scatter-add rows', () => {
    agree([f32(6, 4), typed('i32', 5, 1), f32(5, 4)], (b, [x, i, u]) => [
      b.gather(
        x,
        i,
        {
          offsetDims: [1],
          collapsedSliceDims: [0],
          operandBatchingDims: [],
          startIndicesBatchingDims: [],
          startIndexMap: [0],
          indexVectorDim: 1,
        },
        [1, 4],
      ),
      b.scatter(
        [x],
        i,
        [u],
        {
          updateWindowDims: [1],
          insertedWindowDims: [0],
          inputBatchingDims: [],
          scatterIndicesBatchingDims: [],
          scatterDimsToOperandDims: [0],
          indexVectorDim: 1,
        },
        'add',
      )[0],
    ]);
  });
});

describe('running reductions', () => {
  test('start from nothing, or from a value of their own', () => {
    const window = {
      dimensions: [6],
      strides: [1],
      baseDilations: [1],
      windowDilations: [1],
      padding: [[5, 0]] as const,
    };
    agree([f32(6)], (b, [x]) =>
      [0, 3].flatMap((init) => b.reduceWindow([x], [b.constant(init, 'f32')], window, 'add')),
    );
    const unpadded = { ...window, dimensions: [2], padding: [[0, 0]] as const };
    agree([f32(6), f32()], (b, [x, init]) => b.reduceWindow([x], [init], unpadded, 'max'));
  });
});

describe('control flow', () => {
  test('while with a constant trip count, in-place update of a carried array', () => {
    const schedule = agree([f32(4), f32(6, 4)], (b, [x, ys]) => {
      const out = b.while(
        [b.constant(0, 'i32'), x, ys],
        (i) => b.compare('lt', i, b.constant(6, 'i32')),
        (i, v, acc) => {
          const next = b.scalar('sin', v);
          return [
            b.scalar('add', i, b.constant(1, 'i32')),
            next,
            b.dynamicUpdateSlice(acc, b.reshape(next, [1, 4]), [i, b.constant(0, 'i32')]),
          ];
        },
      );
      return [out[1], out[2]];
    });
    const loop = schedule.steps.find((s) => s.kind === 'while');
    expect(loop?.kind === 'while' && loop.trips).toBe(6);
    const copies = loop?.kind === 'while' ? loop.body.filter((s) => s.kind === 'copy').length : -1;
    expect(copies).toBe(0);
  });
  test('while with a data-dependent end and swapped values', () => {
    agree([f32(3), f32(3)], (b, [x, y]) =>
      b.while(
        [x, y, b.constant(0, 'f32')],
        (_p, _q, n) => b.compare('lt', n, b.constant(5, 'f32')),
        (p, q, n) => [
          q,
          b.scalar('add', p, b.constant(1, 'f32', [3])),
          b.scalar('add', n, b.constant(2, 'f32')),
        ],
      ),
    );
  });
  test('case', () => {
    for (const index of [0, 1, 5])
      agree([f32(3)], (b, [x]) =>
        b.case(
          b.constant(index, 'i32'),
          [() => [b.scalar('sin', x), x], () => [x, b.scalar('cos', x)]],
          [f32(3), f32(3)],
        ),
      );
  });
});

test('ten thousand chained operations compile', () => {
  const module = buildModule('jit_f', (m) =>
    m.addFunction('main', [f32(4)], 'public', (b, [x]) => {
      let y = x;
      for (let i = 0; i < 10_000; i++) y = b.scalar(i % 2 === 0 ? 'sin' : 'neg', y);
      return [y];
    }),
  );
  expect(kernelsOf(compileModule(module, cpu).steps)).toBeLessThanOrEqual(100);
});
