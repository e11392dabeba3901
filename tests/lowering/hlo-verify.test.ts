/** What the verifier refuses, and how it says so; and what simplification leaves. */
import { describe, expect, test } from 'vitest';
import type { HloBuilder } from '../../lowering/hlo/build.ts';
import type { HloFunction, HloModule, HloOp, HloValue, TensorType } from '../../lowering/hlo/ir.ts';
import { buildModule, Module } from '../../lowering/hlo/module.ts';
import { simplifyOp } from '../../lowering/hlo/simplify.ts';
import { verifyModule } from '../../lowering/hlo/verify.ts';

const f32 = (...shape: number[]): TensorType => ({ shape, dtype: 'f32' });
const i32 = (...shape: number[]): TensorType => ({ shape, dtype: 'i32' });
const bool = (...shape: number[]): TensorType => ({ shape, dtype: 'bool' });

type Body = (b: HloBuilder, ...xs: HloValue[]) => readonly HloValue[];

const moduleOf = (types: readonly TensorType[], body: Body): HloModule =>
  buildModule('m', (m) => m.addFunction('main', types, 'public', (b, xs) => body(b, ...xs)));

function refusal(types: readonly TensorType[], body: Body): string {
  try {
    verifyModule(moduleOf(types, body));
  } catch (error) {
    return (error as Error).message.split('\n    at')[0];
  }
  return 'accepted';
}

/** An op with any attributes and result type. */
const raw = (
  b: HloBuilder,
  kind: HloOp['kind'],
  xs: readonly HloValue[],
  attrs: object,
  type: TensorType,
): HloValue[] => b.emit(kind, xs, { attrs: attrs as never }, [type]);

describe('rules of single ops', () => {
  const noDims = { lhsBatch: [], rhsBatch: [], lhsContract: [1], rhsContract: [0] };
  const rows = {
    offsetDims: [1],
    collapsedSliceDims: [0],
    operandBatchingDims: [],
    startIndicesBatchingDims: [],
    startIndexMap: [0],
    indexVectorDim: 1,
  };
  const add: Body = (b, x, y) => [b.scalar('add', x, y)];
  test('messages', () => {
    expect({
      'add C1': refusal([f32(2), f32(3)], add),
      'add dtype': refusal([f32(2), i32(2)], add),
      'sine of integers': refusal([i32(2)], (b, x) => [b.scalar('sin', x)]),
      'and of floats': refusal([f32(2)], (b, x) => [b.scalar('and', x, x)]),
      'result type': refusal([f32(2)], (b, x) => raw(b, 'scalar', [x, x], { fn: 'add' }, f32(3))),
      operands: refusal([f32(2)], (b, x) => raw(b, 'scalar', [x], { fn: 'add' }, f32(2))),
      'compare C3': refusal([i32(2)], (b, x) => [b.compare('lt', x, x, 'FLOAT')]),
      'select C1': refusal([bool(3), f32(2)], (b, p, x) => [b.select(p, x, x)]),
      'convert C1': refusal([f32(2)], (b, x) => raw(b, 'convert', [x], {}, i32(3))),
      'bitcast C1': refusal([{ shape: [3], dtype: 'u8' }], (b, x) =>
        raw(b, 'bitcast_convert', [x], {}, f32()),
      ),
      'bitcast C2': refusal([bool(4)], (b, x) =>
        raw(b, 'bitcast_convert', [x], {}, { shape: [4], dtype: 'u8' }),
      ),
      constant: refusal([], (b) =>
        raw(b, 'constant', [], { value: { splat: false, values: [1, 2] } }, f32(3)),
      ),
      'iota C1': refusal([], (b) => [b.iota('i32', [2], 1)]),
      'broadcast_in_dim C5': refusal([f32(2)], (b, x) => [b.broadcastInDim(x, [3], [0])]),
      'broadcast_in_dim C2': refusal([f32(2)], (b, x) => [b.broadcastInDim(x, [2, 3], [])]),
      'reshape C2': refusal([f32(2)], (b, x) => [b.reshape(x, [3])]),
      'transpose C2': refusal([f32(2, 3)], (b, x) =>
        raw(b, 'transpose', [x], { permutation: [0, 0] }, f32(2, 2)),
      ),
      'reverse C2': refusal([f32(2)], (b, x) => [b.reverse(x, [1])]),
      'concatenate C2': refusal([f32(2, 2), f32(3, 3)], (b, x, y) => [b.concatenate([x, y], 0)]),
      'slice C3': refusal([f32(4)], (b, x) => [b.slice(x, [0], [5])]),
      'slice C4': refusal([f32(4)], (b, x) =>
        raw(b, 'slice', [x], { starts: [0], limits: [4], strides: [0] }, f32(4)),
      ),
      'pad C1': refusal([f32(4), i32()], (b, x, v) => [b.pad(x, v, [0], [0])]),
      'pad size': refusal([f32(4), f32()], (b, x, v) =>
        raw(b, 'pad', [x, v], { low: [-5], high: [0], interior: [0] }, f32(0)),
      ),
      'dynamic_slice C4': refusal([f32(4), i32()], (b, x, i) => [b.dynamicSlice(x, [i], [5])]),
      'dynamic_slice starts': refusal([f32(4), f32()], (b, x, i) => [b.dynamicSlice(x, [i], [2])]),
      'dynamic_update_slice C6': refusal([f32(4), f32(5), i32()], (b, x, u, i) => [
        b.dynamicUpdateSlice(x, u, [i]),
      ]),
      'gather C12': refusal([f32(4, 4), i32(2, 1)], (b, x, i) => [b.gather(x, i, rows, [1, 5])]),
      'gather index map': refusal([f32(4, 4), i32(2, 3)], (b, x, i) => [
        b.gather(x, i, rows, [1, 4]),
      ]),
      'dot_general C9': refusal([f32(2, 3), f32(4, 2)], (b, x, y) => [b.dotGeneral(x, y, noDims)]),
      'dot_general axes': refusal([f32(2, 3), f32(3, 2)], (b, x, y) => [
        b.dotGeneral(x, y, { ...noDims, lhsContract: [2] }),
      ]),
      'reduce C5': refusal([f32(2, 3)], (b, x) => [b.reduce(x, 'add', [0, 0])]),
      'reduce C2': refusal([f32(2, 3)], (b, x) =>
        b.reduceRegion([x], [b.constant(0, 'i32')], [0], (a, c) => [b.scalar('add', a, c)]),
      ),
      'sort C2': refusal([f32(2), i32(3)], (b, x, y) =>
        b.sort([x, y], 0, (p, q) => b.compare('lt', p, q)),
      ),
      'case index': refusal([f32()], (b, x) => b.case(x, [() => [x]], [f32()])),
    }).toMatchInlineSnapshot(`
      {
        "add C1": "add: operands must have one type; got tensor<2xf32>, tensor<3xf32>.",
        "add dtype": "add: operands must have one type; got tensor<2xf32>, tensor<2xi32>.",
        "and of floats": "and: takes bool, int, uint operands; got tensor<2xf32>.",
        "bitcast C1": "bitcast_convert: the last axis must hold the parts of one wider element; got tensor<3xui8>, tensor<f32>.",
        "bitcast C2": "bitcast_convert: i1 and complex convert only among themselves; got tensor<4xi1>, tensor<4xui8>.",
        "broadcast_in_dim C2": "broadcast_in_dim: dims must have one entry per axis; got 0 for 1 axes.",
        "broadcast_in_dim C5": "broadcast_in_dim: axes must have size 1 or the size of their place in the result; got tensor<2xf32> at [0] of tensor<3xf32>.",
        "case index": "case: the index must be tensor<i32>; got tensor<f32>.",
        "compare C3": "compare: FLOAT must fit the element type; got tensor<2xi32>.",
        "concatenate C2": "concatenate: operands must agree in dtype and in all axes but 0; got tensor<2x2xf32>, tensor<3x3xf32>.",
        "constant": "constant: tensor<3xf32> has 3 entries; got 2.",
        "convert C1": "convert: the result must have the shape of the operand; got tensor<2xf32>, tensor<3xi32>.",
        "dot_general C9": "dot_general: batch and contracting axes must have equal sizes; got tensor<2x3xf32>, tensor<4x2xf32>.",
        "dot_general axes": "dot_general: axes of the left operand must be distinct axes in [0, 2); got [2].",
        "dynamic_slice C4": "dynamic_slice: sizes must not exceed the shape; got [5] of [4].",
        "dynamic_slice starts": "dynamic_slice: starts must be rank-0 integers of one type; got tensor<f32>.",
        "dynamic_update_slice C6": "dynamic_update_slice: the update must fit into the operand; got tensor<5xf32>, tensor<4xf32>.",
        "gather C12": "gather: slice sizes must not exceed the shape; got [1, 5] of [4, 4].",
        "gather index map": "gather: the index map must have one entry per component of an index vector; got [0] for vectors of 3.",
        "iota C1": "iota: dim must be distinct axes in [0, 1); got [1].",
        "operands": "add: takes 2 operands; got 1.",
        "pad C1": "pad: the padding value must be a scalar of the dtype of the operand; got tensor<4xf32>, tensor<i32>.",
        "pad size": "pad: padding must leave sizes that are not negative; got [-1].",
        "reduce C2": "reduce: initial values must be scalars of the dtypes of the inputs; got tensor<2x3xf32>, tensor<i32>.",
        "reduce C5": "reduce: dimensions must be distinct axes in [0, 2); got [0, 0].",
        "reshape C2": "reshape: the number of elements must stay; got tensor<2xf32>, tensor<3xf32>.",
        "result type": "add: the result must be tensor<2xf32>; got tensor<3xf32>.",
        "reverse C2": "reverse: dims must be distinct axes in [0, 1); got [1].",
        "select C1": "select: the predicate must be i1 and have rank 0 or the shape of the operands; got tensor<3xi1>, tensor<2xf32>, tensor<2xf32>.",
        "sine of integers": "sine: takes float, complex operands; got tensor<2xi32>.",
        "slice C3": "slice: starts and limits must lie in order inside the shape; got [0:5] of [4].",
        "slice C4": "slice: strides must be positive; got [0].",
        "sort C2": "sort: operands must have one shape; got tensor<2xf32>, tensor<3xi32>.",
        "transpose C2": "transpose: dims must be distinct axes in [0, 2); got [0, 0].",
      }
    `);
  });
});

describe('regions, calls and visibility', () => {
  test('messages', () => {
    let leaked: HloValue | undefined;
    expect({
      'reducer type': refusal([f32(2)], (b, x) =>
        b.reduceRegion([x], [b.constant(0, 'f32')], [0], (a, c) => [b.compare('lt', a, c)]),
      ),
      'while predicate': refusal([f32(2)], (b, x) =>
        b.while(
          [x],
          (y) => y,
          (y) => [y],
        ),
      ),
      'while body': refusal([f32(2)], (b, x) =>
        b.while(
          [x],
          () => b.constant(true, 'bool'),
          () => [b.constant(0, 'f32')],
        ),
      ),
      'case branches': refusal([i32(), f32()], (b, i, x) =>
        b.case(i, [() => [x], () => [i]], [f32()]),
      ),
      'a value of a region outside': refusal([f32(2)], (b, x) => {
        b.while(
          [x],
          () => b.constant(true, 'bool'),
          (y) => [(leaked = b.scalar('neg', y))],
        );
        return [leaked ?? x];
      }),
      'a value of another function': refusal([f32(2)], (b) => [
        b.scalar('neg', { type: f32(2), index: 0 }),
      ]),
      'unknown callee': refusal([f32(2)], (b, x) => b.call('nobody', [x], [x.type])),
      'callee type': (() => {
        const m = new Module('m');
        m.addFunction('main', [f32(2)], 'public', (b, [x]) => {
          const name = m.addFunction('g', [f32(3)], 'private', (_, [y]) => [y]);
          return b.call(name, [x], [x.type]);
        });
        try {
          verifyModule(m);
        } catch (error) {
          return (error as Error).message.split('\n    at')[0];
        }
        return 'accepted';
      })(),
    }).toMatchInlineSnapshot(`
      {
        "a value of a region outside": "@main: result 0 must be defined before it is used, in this region or one around it; got a tensor<2xf32> that is not.",
        "a value of another function": "negate: operand 0 must be defined before it is used, in this region or one around it; got a tensor<2xf32> that is not.",
        "callee type": "call: @g has type (tensor<3xf32>) -> (tensor<3xf32>); got (tensor<2xf32>) -> (tensor<2xf32>).",
        "case branches": "case: region 1 must give (tensor<f32>); got (tensor<i32>).",
        "reducer type": "reduce: region 0 must give (tensor<f32>); got (tensor<i1>).",
        "unknown callee": "call: the function must be in the module; got @nobody.",
        "while body": "while: region 1 must give (tensor<2xf32>); got (tensor<f32>).",
        "while predicate": "while: region 0 must give (tensor<i1>); got (tensor<2xf32>).",
      }
    `);
  });

  test('recursion is refused', () => {
    const m = new Module('m');
    m.addFunction('main', [f32(2)], 'public', (b, [x]) => b.call('main', [x], [x.type]));
    expect(() => verifyModule(m)).toThrow(
      'functions must not call themselves; got a cycle through @main',
    );
  });

  test('a chain of ten thousand calls is walked without recursion', () => {
    const m = new Module('m');
    for (let i = 0; i < 10_000; i++)
      m.addFunction(`f${i}`, [f32(2)], i === 0 ? 'public' : 'private', (b, [x]) =>
        i === 9999 ? [x] : b.call(`f${i + 1}`, [x], [x.type]),
      );
    expect(() => verifyModule(m)).not.toThrow();
  });

  test('aliases must fit', () => {
    const fn: HloFunction = {
      name: 'main',
      visibility: 'public',
      body: { args: [], ops: [], results: [] },
      aliases: new Map([[0, 0]]),
    };
    expect(() => verifyModule({ name: 'm', functions: [fn] })).toThrow(
      'an aliased argument must have the type of its result',
    );
  });
});

describe('simplification', () => {
  /** Apply the rule to every op; what stands for the last result: an argument, a constant's value, or an op. */
  function simplified(types: readonly TensorType[], body: Body): string {
    const module = moduleOf(types, body);
    const { body: region } = module.functions[0];
    const env = new Map<HloValue, HloValue>();
    const get = (x: HloValue): HloValue => env.get(x) ?? x;
    const out = buildModule('m', (m) => {
      m.addFunction('main', types, 'public', (b, xs) => {
        region.args.forEach((a, i) => env.set(a, xs[i]));
        for (const op of region.ops) {
          const operands = op.operands.map(get);
          const results =
            simplifyOp(b, op, operands) ??
            b.emit(
              op.kind,
              operands,
              { attrs: op.attrs, regions: op.regions },
              op.results.map((r) => r.type),
            );
          op.results.forEach((r, i) => env.set(r, results[i]));
        }
        return region.results.map(get);
      });
    });
    verifyModule(out);
    const [result] = out.functions[0].body.results;
    const splat = (x: HloValue): string | undefined => {
      for (let at = x; ; [at] = at.def.operands) {
        if (at.def?.kind === 'constant' && at.def.attrs.value.splat)
          return `constant ${String(at.def.attrs.value.value)}`;
        if (at.def?.kind !== 'broadcast_in_dim') return undefined;
      }
    };
    return (
      splat(result) ??
      (result.def === undefined
        ? `arg${result.index}`
        : `${result.def.kind}(${result.def.operands.map((x) => (x.def === undefined ? `arg${x.index}` : x.def.kind)).join(', ')})`)
    );
  }

  test.each<[string, TensorType[], Body, string]>([
    [
      'reshape there and back',
      [f32(2, 3)],
      (b, x) => [b.reshape(b.reshape(x, [6]), [2, 3])],
      'arg0',
    ],
    [
      'two reshapes',
      [f32(2, 3)],
      (b, x) => [b.reshape(b.reshape(x, [6]), [3, 2])],
      'reshape(arg0)',
    ],
    [
      'transposes that cancel',
      [f32(2, 3, 4)],
      (b, x) => [b.transpose(b.transpose(x, [1, 2, 0]), [2, 0, 1])],
      'arg0',
    ],
    [
      'broadcast of a broadcast',
      [f32(3)],
      (b, x) => [b.broadcastInDim(b.broadcastInDim(x, [2, 3], [1]), [4, 2, 3], [1, 2])],
      'broadcast_in_dim(arg0)',
    ],
    ['broadcast to the same shape', [f32(3)], (b, x) => [b.broadcastInDim(x, [3], [0])], 'arg0'],
    ['whole slice', [f32(3)], (b, x) => [b.slice(x, [0], [3])], 'arg0'],
    ['whole dynamic slice', [f32(3), i32()], (b, x, i) => [b.dynamicSlice(x, [i], [3])], 'arg0'],
    [
      'whole update',
      [f32(3), f32(3), i32()],
      (b, x, u, i) => [b.dynamicUpdateSlice(x, u, [i])],
      'arg1',
    ],
    ['pad by nothing', [f32(3)], (b, x) => [b.pad(x, b.constant(0, 'f32'), [0], [0])], 'arg0'],
    ['concatenate one', [f32(3)], (b, x) => [b.concatenate([x], 0)], 'arg0'],
    ['reverse a unit axis', [f32(1, 3)], (b, x) => [b.reverse(x, [0])], 'arg0'],
    [
      'select by a constant',
      [f32(3), f32(3)],
      (b, x, y) => [b.select(b.constant(false, 'bool', [3]), x, y)],
      'arg1',
    ],
    ['select of one value', [bool(3), f32(3)], (b, p, x) => [b.select(p, x, x)], 'arg1'],
    ['integer + 0', [i32(3)], (b, x) => [b.scalar('add', b.constant(0, 'i32', [3]), x)], 'arg0'],
    ['integer · 1', [i32(3)], (b, x) => [b.scalar('mul', x, b.constant(1, 'i32', [3]))], 'arg0'],
    [
      '0 − integer stays',
      [i32(3)],
      (b, x) => [b.scalar('sub', b.constant(0, 'i32', [3]), x)],
      'scalar(broadcast_in_dim, arg0)',
    ],
    [
      'and with all ones',
      [i32(3)],
      (b, x) => [b.scalar('and', x, b.constant(-1, 'i32', [3]))],
      'arg0',
    ],
    ['float · 1', [f32(3)], (b, x) => [b.scalar('mul', x, b.constant(1, 'f32', [3]))], 'arg0'],
    ['float − 0', [f32(3)], (b, x) => [b.scalar('sub', x, b.constant(0, 'f32', [3]))], 'arg0'],
    [
      'float + 0 stays: it turns -0 into 0',
      [f32(3)],
      (b, x) => [b.scalar('add', x, b.constant(0, 'f32', [3]))],
      'scalar(arg0, broadcast_in_dim)',
    ],
    [
      'float − (-0) stays',
      [f32(3)],
      (b, x) => [b.scalar('sub', x, b.constant(-0, 'f32', [3]))],
      'scalar(arg0, broadcast_in_dim)',
    ],
    ['float + (-0)', [f32(3)], (b, x) => [b.scalar('add', x, b.constant(-0, 'f32', [3]))], 'arg0'],
    [
      'float · 0 stays',
      [f32(3)],
      (b, x) => [b.scalar('mul', x, b.constant(0, 'f32', [3]))],
      'scalar(arg0, broadcast_in_dim)',
    ],
    ['negate twice', [f32(3)], (b, x) => [b.scalar('neg', b.scalar('neg', x))], 'arg0'],
    ['max of itself', [f32(3)], (b, x) => [b.scalar('max', x, x)], 'arg0'],
    [
      'integer arithmetic',
      [],
      (b) => [b.scalar('div', b.constant(7, 'i32'), b.constant(2, 'i32'))],
      'constant 3',
    ],
    [
      'integer comparison',
      [],
      (b) => [b.compare('lt', b.constant(7, 'i32', [2]), b.constant(2, 'i32', [2]))],
      'constant false',
    ],
    ['conversion of an integer', [], (b) => [b.convert(b.constant(7, 'i32'), 'f32')], 'constant 7'],
    [
      '64-bit integers',
      [],
      (b) => [b.scalar('mul', b.constant(2n ** 62n, 'i64'), b.constant(2, 'i64'))],
      'constant -9223372036854775808',
    ],
    [
      'float arithmetic stays',
      [],
      (b) => [b.scalar('exp', b.constant(1, 'f32'))],
      'scalar(constant)',
    ],
  ])('%s', (_, types, body, expected) => {
    expect(simplified(types, body)).toBe(expected);
  });
});
