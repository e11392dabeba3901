/** Exported functions: saved, loaded and called, by themselves and inside programs, with trees, derivatives and errors. */
import { describe, expect, test } from 'vitest';
import * as tree from '../../core/tree.ts';
import type { Value } from '../../core/value.ts';
import {
  deserialize,
  type Exported,
  exportFunction,
  registerSerialization,
} from '../../export/index.ts';
import { add, mul } from '../../lax/arithmetic.ts';
import { convertElementType } from '../../lax/convert.ts';
import { reduceSum } from '../../lax/structure.ts';
import { cos, sin } from '../../lax/transcendental.ts';
import { scan } from '../../control/scan.ts';
import { grad } from '../../transforms/grad.ts';
import { evalShape, jit } from '../../transforms/jit.ts';
import { ShapeDtypeStruct } from '../../transforms/shape-struct.ts';
import { vmap } from '../../transforms/vmap.ts';
import { array, failure, js } from '../transforms/setup.ts';

const of = (...shape: number[]): ShapeDtypeStruct => new ShapeDtypeStruct(shape);
/** Save and load. */
const again = <A extends readonly unknown[], R>(e: Exported<A, R>, vjpOrder = 0): Exported<A, R> =>
  deserialize<A, R>(e.serialize({ vjpOrder }));

describe('round trips', () => {
  const captured = array([1, 2, 3]);
  const f = jit((t: { w: Value; n: Value }, mode: string, rest: (Value | null)[]) => ({
    y: add(mode === 'sin' ? sin(t.w) : cos(t.w), captured),
    n: [mul(t.n, 2), rest[0]],
  }));
  const args = [
    { w: array([0, 0, 0]), n: array([3], [], 'i32') },
    'sin',
    [array([7]), null],
  ] as const;
  const exported = exportFunction(f)(...args);

  test('a loaded program gives what the function gives: eager, and inside programs', () => {
    const loaded = again(exported);
    const wanted = js(f(args[0], args[1], [...args[2]]));
    expect(js(loaded.call(args[0], args[1], [...args[2]]))).toEqual(wanted);
    expect(js(exported.call(args[0], args[1], [...args[2]]))).toEqual(wanted);
    const inside = jit(
      (w: Value) => loaded.call({ w: mul(w, 2), n: args[0].n }, 'sin', [array([7]), null]).y,
    );
    expect(js(inside(array([0, 0, 0])))).toEqual([1, 2, 3]);
  });

  test('what it says of itself survives', () => {
    const loaded = again(exported);
    const told = (e: Exported<never, unknown>): unknown => [
      e.funName,
      e.inTree.toString(),
      e.inAvals.map(String),
      e.outTree.toString(),
      e.outAvals.map(String),
      e.moduleKeptVarIdx,
      e.mlirModule(),
      String(e),
    ];
    expect(told(loaded as never)).toEqual(told(exported as never));
    expect(String(loaded)).toMatchInlineSnapshot(
      `"Exported(<lambda>: (i32[], f32[3], f32[1]) → (i32[], f32[1], f32[3]))"`,
    );
    expect(exported.mlirModule()).toContain('dense<[1.000000e+00, 2.000000e+00, 3.000000e+00]>');
    expect(loaded.serialize()).toEqual(exported.serialize());
    expect(deserialize(new TextDecoder().decode(exported.serialize())).funName).toBe(
      exported.funName,
    );
  });

  test('weak types, unused arguments, results that are arguments, empty trees, no arguments', () => {
    const weak = again(exportFunction(jit((x: Value) => mul(x, 2)))(1));
    expect(weak.call(4).weakType).toBe(true);
    expect(js(weak.call(array([4], [])))).toBe(8);
    const unused = again(exportFunction(jit((_: Value, y: Value) => [y, y]))(of(2), of(3)));
    expect(unused.moduleKeptVarIdx).toEqual([1]);
    expect(js(unused.call(array([1, 2]), array([1, 2, 3])))).toEqual([
      [1, 2, 3],
      [1, 2, 3],
    ]);
    expect(js(again(exportFunction(jit(() => ({ a: [], b: null })))()).call())).toEqual({
      a: [],
      b: null,
    });
    expect(js(again(exportFunction(jit(() => 5))()).call())).toBe(5);
    expect(
      js(again(exportFunction(jit((x: Value) => sin(x)))(of(0, 3))).call(array([], [0, 3]))),
    ).toEqual([]);
  });

  test('loops, calls and static values of all kinds', () => {
    const inner = jit((x: Value) => sin(x));
    const g = jit(
      (x: Value, o: { n: bigint; z: number; flag: boolean; u: undefined; list: number[] }) =>
        scan((c: Value, v: Value) => [add(inner(c), v), c], x, array([1, 2, o.z]))[0],
      { staticArgnames: ['n', 'z', 'flag', 'list'] },
    );
    const options = { n: 3n, z: -0, flag: true, u: undefined, list: [1, NaN] };
    const loaded = again(exportFunction(g)(0.5, options));
    expect(js(loaded.call(0.5, options))).toEqual(js(g(0.5, options)));
    expect(failure(() => loaded.call(0.5, { ...options, z: 0 }))).toContain(
      "args[1]['z']: static 0, was static -0 (static value)",
    );
  });

  test('Maps and registered classes', () => {
    class Pair {
      readonly a: unknown;
      readonly b: unknown;
      constructor(a: unknown, b: unknown) {
        this.a = a;
        this.b = b;
      }
    }
    tree.registerDataclass(Pair, { dataFields: ['a', 'b'] });
    const g = jit((m: Map<string, Value>) => new Pair(m.get('k'), 1));
    const e = exportFunction(g)(new Map([['k', of(2)]]));
    expect(failure(() => e.serialize())).toMatchInlineSnapshot(
      `"ArgumentError: serialize: trees and static values must be plain data; got an object of class Pair. Register its class with registerSerialization, or leave it out of the arguments."`,
    );
    registerSerialization(Pair, {
      name: 'Pair',
      toTree: ({ a, b }) => ({ a, b }),
      fromTree: ({ a, b }: Pair) => new Pair(a, b),
    });
    const out = again(e).call(new Map([['k', array([1, 2])]]));
    expect(out).toBeInstanceOf(Pair);
    expect(js(out.a)).toEqual([1, 2]);
  });
});

describe('derivatives', () => {
  const f = jit((x: Value, n: Value) => ({
    y: reduceSum(mul(sin(x), convertElementType(n, 'f32'))),
    n,
  }));
  const types = [of(3), new ShapeDtypeStruct([3], 'i32')] as const;
  const [x, n] = [array([0, 0.5, 1]), array([1, 2, 3], [3], 'i32')];

  test('the derivative goes along, as often as it is asked for', () => {
    const loss = (e: { call: (a: Value, b: Value) => unknown }) => (v: Value) =>
      (e.call(v, n) as { y: Value }).y;
    const wanted = js(grad((v: Value) => f(v, n).y)(x));
    const exported = exportFunction(f)(...types);
    expect(js(grad(loss(exported as never))(x))).toEqual(wanted);
    const first = again(exported, 1);
    expect([first.hasVjp(), first.vjp().hasVjp()]).toEqual([true, false]);
    expect(js(grad(loss(first as never))(x))).toEqual(wanted);
    expect(js(jit(grad(loss(first as never)))(x))).toEqual(wanted);
    expect(first.vjp().inAvals.map(String)).toEqual([...types, of()].map(String));
    const second = again(exported, 2);
    const twice = (h: (v: Value) => Value) => grad((v: Value) => reduceSum(grad(h)(v)))(x);
    expect(js(twice(loss(second as never)))).toEqual(js(twice((v) => f(v, n).y)));
    expect(failure(() => twice(loss(first as never)))).toContain('must be exported along');
  });

  test('vmap runs it once per index', () => {
    const loaded = again(exportFunction(jit((x: Value, y: Value) => mul(sin(x), y)))(1, 2), 1);
    const call = (x: Value): Value => loaded.call(x, 3);
    const xs = array([0.5, 1, 2]);
    expect(js(vmap(call)(xs))).toEqual([0.5, 1, 2].map((x) => js(call(array([x], [])))));
    expect(js(vmap(grad(call))(xs))).toEqual([0.5, 1, 2].map((x) => js(grad(call)(x))));
  });

  test('without it, calls say what to do', () => {
    const plain = again(exportFunction(jit((v: Value) => sin(v)))(1));
    expect(plain.hasVjp()).toBe(false);
    expect(failure(() => grad((v: Value) => plain.call(v))(1))).toMatchInlineSnapshot(
      `"ArgumentError: export: the derivative of <lambda> must be exported along; got a program without it. Serialize it with { vjpOrder: 1 }, or more for higher derivatives."`,
    );
    expect(failure(() => plain.vjp())).toContain('ArgumentError');
  });
});

describe('errors', () => {
  const exported = exportFunction(
    jit(function double(t: { w: Value }) {
      return mul(t.w, 2);
    }),
  )({ w: of(3) });
  const text = new TextDecoder().decode(exported.serialize());

  test('other arguments than the exported ones', () => {
    const call = exported.call.bind(exported) as (...args: unknown[]) => unknown;
    expect(failure(() => call({ w: array([1, 2]) }))).toMatchInlineSnapshot(
      `"ArgumentError: call: the arguments must be those that double was exported for; got args[0]['w']: f32[2], was f32[3] (shape). Convert them, or export the function for these."`,
    );
    expect(failure(() => call({ w: array([1, 2, 3], [3], 'i32') }))).toMatchInlineSnapshot(
      `"ArgumentError: call: the arguments must be those that double was exported for; got args[0]['w']: i32[3], was f32[3] (dtype). Convert them, or export the function for these."`,
    );
    expect(failure(() => call([array([1, 2, 3])]))).toMatchInlineSnapshot(
      `"ArgumentError: call: the arguments must be those that double was exported for; got args[0]: [*], was {'w': *} (tree). Convert them, or export the function for these."`,
    );
    expect(failure(() => call())).toMatchInlineSnapshot(
      `"ArgumentError: call: the arguments must be those that double was exported for; got args: [], was [{'w': *}] (tree). Convert them, or export the function for these."`,
    );
    expect(failure(() => call({ w: 'text' }))).toMatchInlineSnapshot(
      `"TreeError: call: leaves must be arrays or numbers; got string text at args[0]['w']. Make an array of it with np.array(…), or take it out of the tree."`,
    );
    expect(failure(() => evalShape((w: Value) => exported.call({ w }), of(4)))).toContain(
      '(shape)',
    );
  });

  test('what cannot be exported', () => {
    expect(failure(() => exportFunction(((v: Value) => v) as never))).toMatchInlineSnapshot(
      `"ArgumentError: exportFunction: the function must be jitted; got a function that is not. Pass jit(f)."`,
    );
    const g = jit((v: Value, op: (x: Value) => Value) => op(v));
    const sine = (x: Value): Value => sin(x);
    const cosine = (x: Value): Value => cos(x);
    const e = exportFunction(g)(1, sine);
    expect(js(e.call(0, sine))).toBe(0);
    expect(failure(() => e.call(0, cosine))).toContain(
      'args[1]: static function cosine, was static function sine (static value)',
    );
    expect(failure(() => e.serialize())).toMatchInlineSnapshot(
      `"ArgumentError: serialize: trees and static values must be plain data; got function. Register its class with registerSerialization, or leave it out of the arguments."`,
    );
    expect(failure(() => e.serialize({ vjpOrder: 0.5 }))).toContain(
      'vjpOrder must be a natural number',
    );
  });

  test('damaged, foreign and newer data', () => {
    expect(failure(() => deserialize(text.slice(0, -10)))).toMatch(
      /^ParseError: deserialize: the data must be whole/,
    );
    expect(failure(() => deserialize(text.replace('multiply', 'subtract')))).toContain('checksum');
    expect(failure(() => deserialize('{}'))).toMatchInlineSnapshot(
      `"ParseError: deserialize: the data must be an exported program; got 2 characters that begin with "{}". Pass what serialize() gave."`,
    );
    expect(failure(() => deserialize(new Uint8Array()))).toContain('must be an exported program');
    expect(failure(() => deserialize(text.replace('export 1', 'export 2')))).toMatchInlineSnapshot(
      `"ParseError: deserialize: the version of the format must be known; got 2, known are versions from 1 to 1. Update palladia, or export with the version that runs here."`,
    );
    expect(failure(() => deserialize(text.replace('export 1', 'export 0')))).toContain('got 0');
    // The checksum of "[]": whole, but no program.
    expect(failure(() => deserialize('palladia.export 1 0d4cbb29\n[]'))).toContain(
      'must have a program',
    );
    expect(failure(() => deserialize(3 as never))).toContain('must be bytes or text');
  });
});
