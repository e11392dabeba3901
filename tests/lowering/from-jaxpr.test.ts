/** Jaxpr to StableHLO: pruning, donation, functions, depth. The text of whole programs: tests/parity/lowering.test.ts. */
import { expect, test } from 'vitest';
import { InterpreterDevice } from '../../backends/interpreter/device.ts';
import { Aval } from '../../core/aval.ts';
import { registerDevice } from '../../core/backend.ts';
import { MissingRuleError } from '../../core/errors.ts';
import { Jaxpr, Literal, Var, type Eqn } from '../../core/jaxpr.ts';
import '../../core/jaxpr-print.ts';
import { makePrimitive } from '../../core/make-primitive.ts';
import type { Primitive } from '../../core/primitive.ts';
import * as lax from '../../lax/index.ts';
import { interpretModule } from '../../lowering/hlo/interpret.ts';
import { verifyModule } from '../../lowering/hlo/verify.ts';
import { lowerJaxpr } from '../../lowering/from-jaxpr.ts';
import { grad } from '../../transforms/grad.ts';
import { jit, makeJaxpr } from '../../transforms/jit.ts';
import { ShapeDtypeStruct } from '../../transforms/shape-struct.ts';
import '../../transforms/eval.ts';
import type { Value } from '../../core/value.ts';

registerDevice(new InterpreterDevice());

const f32 = (...shape: number[]): Aval => new Aval(shape, 'f32');
const variables = (n: number): Var[] => Array.from({ length: n }, () => new Var(f32(2)));
const eqn = <P>(prim: Primitive<P>, inputs: Eqn['inputs'], output: Var): Eqn => ({
  prim: prim as Primitive,
  inputs,
  params: {},
  outputs: [output],
});

test('unused arguments and dead equations are dropped; constants come first', () => {
  const [c, x, y, dead, out] = variables(5);
  const jaxpr = new Jaxpr({
    constvars: [c],
    consts: [],
    invars: [x, y],
    eqns: [eqn(lax.sinP, [y], dead), eqn(lax.addP, [c, x], out)],
    outvars: [out],
  });
  const { module, kept } = lowerJaxpr('jit_f', jaxpr);
  expect(kept).toEqual([0, 1]);
  expect(module.functions[0].body.ops.map((op) => op.kind)).toEqual(['scalar']);
  expect(lowerJaxpr('jit_f', jaxpr, { keepUnused: true }).kept).toEqual([0, 1, 2]);
});

test('results may be inputs and literals', () => {
  const [x] = variables(1);
  const jaxpr = new Jaxpr({ invars: [x], eqns: [], outvars: [x, new Literal(3, f32()), x] });
  const { module } = lowerJaxpr('jit_f', jaxpr);
  verifyModule(module);
  const input = { type: { shape: [2], dtype: 'f32' }, data: Float32Array.of(1, 2) } as const;
  expect(interpretModule(module, [input]).map((t) => Array.from(t.data, Number))).toEqual([
    [1, 2],
    [3],
    [1, 2],
  ]);
});

test('donated arguments take the first free result of their type', () => {
  const [x, y, z, sum] = variables(4);
  const other = new Var(f32(3));
  const jaxpr = new Jaxpr({
    invars: [other, x, y],
    eqns: [eqn(lax.addP, [x, y], sum), eqn(lax.negP, [x], z)],
    outvars: [sum, other, z],
  });
  const { module } = lowerJaxpr('jit_f', jaxpr, { donated: [true, true, true] });
  expect(module.functions[0].aliases).toEqual(
    new Map([
      [0, 1],
      [1, 0],
      [2, 2],
    ]),
  );
  expect(module.toString()).toContain('%arg0: tensor<3xf32> {tf.aliasing_output = 1 : i32}');
  verifyModule(module);
});

test('one function per jaxpr, unique names', () => {
  const g = jit((x: Value) => lax.sin(x), { name: 'g' });
  const other = jit((x: Value) => lax.cos(x), { name: 'g' });
  const text = jit((x: Value) => lax.add(lax.add(g(x), g(x)), other(x)), { name: 'f' })
    .lower(new ShapeDtypeStruct([2]))
    .asText();
  expect(text.match(/func\.func private @\S+?\(/g)).toEqual([
    'func.func private @g(',
    'func.func private @g_0(',
  ]);
  expect(text.match(/call @g\(/g)).toHaveLength(2);
});

test('a primitive that cannot be lowered says so', () => {
  const prim = makePrimitive<object>('unlowerable', { abstractEval: (avals) => avals });
  const [x, y] = variables(2);
  const jaxpr = new Jaxpr({
    invars: [x],
    eqns: [eqn(prim, [x], y)],
    outvars: [y],
  });
  expect(() => lowerJaxpr('jit_f', jaxpr)).toThrow(MissingRuleError);
});

test('ten thousand equations lower', () => {
  const values = variables(10_001);
  const eqns = values
    .slice(1)
    .map((v, i) => eqn(i % 2 === 0 ? lax.negP : lax.sinP, [values[i]], v));
  const jaxpr = new Jaxpr({ invars: [values[0]], eqns, outvars: [values[10_000]] });
  const { module } = lowerJaxpr('jit_deep', jaxpr);
  verifyModule(module);
  expect(module.functions[0].body.ops).toHaveLength(10_000);
});

test('a gradient lowers to what its jaxpr says', () => {
  const f = grad((x: Value) => lax.reduceSum(lax.mul(x, lax.sin(x)), [0]));
  const jaxpr = makeJaxpr(f)(new ShapeDtypeStruct([3]));
  const { module } = lowerJaxpr('jit_f', jaxpr, { resultInfo: ['result'] });
  verifyModule(module);
  const data = Float32Array.of(0.5, -1, 2);
  const [g] = interpretModule(module, [{ type: { shape: [3], dtype: 'f32' }, data }]);
  data.forEach((x, i) => expect(Number(g.data[i])).toBeCloseTo(Math.sin(x) + x * Math.cos(x), 5));
});
