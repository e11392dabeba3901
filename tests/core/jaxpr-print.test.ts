// Jaxprs print as JAX prints them: the expected texts were recorded from jax 0.10.2. The programs are built by hand here, so that
// printing is tested without the transformations.
import { describe, expect, test } from 'vitest';
import { Aval } from '../../core/aval.ts';
import { Jaxpr, Literal, Var, type Atom, type Eqn } from '../../core/jaxpr.ts';
import { checkJaxpr } from '../../core/jaxpr-check.ts';
import '../../core/jaxpr-print.ts';
import { makePrimitive } from '../../core/make-primitive.ts';
import type { Primitive } from '../../core/primitive.ts';

const vec = new Aval([3], 'f32');
const scalar = new Aval([], 'f32');
const unary = (name: string): Primitive =>
  makePrimitive<unknown>(name, { abstractEval: ([x]) => [x] });
const sin = unary('test_sin');
const cos = unary('test_cos');
const mul = unary('test_mul');
const jit = makePrimitive<{ name: string; jaxpr: Jaxpr }>('test_jit', {
  abstractEval: (_, { jaxpr }) => jaxpr.outAvals,
  sharesNames: true,
  printParams: ({ name, jaxpr }) => ({ jaxpr, name }),
}) as Primitive;
const cond = makePrimitive<{ branches: readonly Jaxpr[] }>('test_cond', {
  abstractEval: (_, { branches }) => branches[0].outAvals,
}) as Primitive;

const eqn = (prim: Primitive, inputs: Atom[], outputs: Var[], params: unknown = {}): Eqn => ({
  prim,
  inputs,
  params,
  outputs,
});
const lit = (x: number): Literal => new Literal(x, scalar);

/** `n` applications of sin. */
function chain(n: number): Jaxpr {
  const vars = Array.from({ length: n + 1 }, () => new Var(vec));
  const eqns = vars.slice(1).map((v, i) => eqn(sin, [vars[i]], [v]));
  return new Jaxpr({ invars: [vars[0]], eqns, outvars: [vars[n]] });
}

/** `sin a * 2`. */
function double(): Jaxpr {
  const [a, b, c] = [vec, vec, vec].map((t) => new Var(t));
  return new Jaxpr({
    invars: [a],
    eqns: [eqn(sin, [a], [b]), eqn(mul, [b, lit(2)], [c])],
    outvars: [c],
  });
}

describe('printing', () => {
  test('fits on one line; an unused result is _', () => {
    const [a, b, c] = [vec, vec, vec].map((t) => new Var(t));
    const jaxpr = new Jaxpr({
      invars: [a],
      eqns: [eqn(sin, [a], [b]), eqn(cos, [a], [c])],
      outvars: [c],
    });
    checkJaxpr(jaxpr);
    expect(String(jaxpr)).toMatchInlineSnapshot(
      `"{ lambda ; a:f32[3]. let _:f32[3] = test_sin a; b:f32[3] = test_cos a in (b,) }"`,
    );
  });
  test('no equations', () => {
    const a = new Var(vec);
    expect(String(new Jaxpr({ invars: [a], eqns: [], outvars: [a, lit(1), a] }))).toBe(
      '{ lambda ; a:f32[3]. let  in (a, 1.0:f32[], a) }',
    );
    expect(String(new Jaxpr({ invars: [], eqns: [], outvars: [] }))).toBe(
      '{ lambda ; . let  in () }',
    );
  });
  test('a jaxpr that occurs twice stands in front', () => {
    const jaxpr = double();
    const [d, e, f] = [vec, vec, vec].map((t) => new Var(t));
    const eqns = [
      eqn(jit, [d], [e], { name: '<lambda>', jaxpr }),
      eqn(jit, [e], [f], { name: '<lambda>', jaxpr }),
    ];
    expect(String(new Jaxpr({ invars: [d], eqns, outvars: [f] })))
      .toBe(`let lambda = { lambda ; a:f32[3]. let
    b:f32[3] = test_sin a
    c:f32[3] = test_mul b 2.0:f32[]
  in (c,) } in
{ lambda ; d:f32[3]. let
    e:f32[3] = test_jit[name=<lambda> jaxpr=lambda] d
    f:f32[3] = test_jit[name=<lambda> jaxpr=lambda] e
  in (f,) }`);
  });
  test('a jaxpr of more than ten equations stands in front, and its name is not given to a variable', () => {
    const [a, b] = [new Var(vec), new Var(vec)];
    const call = (n: number): string =>
      String(
        new Jaxpr({
          invars: [a],
          eqns: [eqn(jit, [a], [b], { name: 'h', jaxpr: chain(n) })],
          outvars: [b],
        }),
      );
    expect(call(10)).toContain(
      'test_jit[\n      name=h\n      jaxpr={ lambda ; a:f32[3]. let\n          c:f32[3] = test_sin a\n',
    );
    expect(call(11)).toMatch(/^let h = \{ lambda ; a:f32\[3\]\. let\n/);
    expect(call(11)).toContain('    i:f32[3] = test_sin g\n');
  });
  test('an inlined call keeps the names of its arguments and results, each once', () => {
    const [a, x, y] = [vec, vec, vec].map((t) => new Var(t));
    const [p, q, r] = [vec, vec, vec].map((t) => new Var(t));
    const inner = new Jaxpr({
      invars: [p, q],
      eqns: [eqn(mul, [q, lit(1)], [r])],
      outvars: [p, r],
    });
    const outer = new Jaxpr({
      invars: [a],
      eqns: [eqn(jit, [a, a], [x, y], { name: '<lambda>', jaxpr: inner })],
      outvars: [x, y],
    });
    checkJaxpr(outer);
    expect(String(outer)).toBe(`{ lambda ; a:f32[3]. let
    c:f32[3] b:f32[3] = test_jit[
      name=<lambda>
      jaxpr={ lambda ; a:f32[3] d:f32[3]. let
          b:f32[3] = test_mul d 1.0:f32[]
        in (a, b) }
    ] a a
  in (c, b) }`);
  });
  test('branches, and names of their own inside', () => {
    const branch = (prim: Primitive): Jaxpr => {
      const [x, y] = [new Var(vec), new Var(vec)];
      return new Jaxpr({ invars: [x], eqns: [eqn(prim, [x], [y])], outvars: [y] });
    };
    const [a, d] = [new Var(vec), new Var(vec)];
    const eqns = [eqn(cond, [a], [d], { branches: [branch(cos), branch(sin)] })];
    expect(String(new Jaxpr({ invars: [a], eqns, outvars: [d] }))).toBe(`{ lambda ; a:f32[3]. let
    b:f32[3] = test_cond[
      branches=(
        { lambda ; c:f32[3]. let d:f32[3] = test_cos c in (d,) }
        { lambda ; e:f32[3]. let f:f32[3] = test_sin e in (f,) }
      )
    ] a
  in (b,) }`);
  });
  test('long lists of inputs and outputs are filled', () => {
    const ins = Array.from({ length: 20 }, () => new Var(vec));
    const many = Array.from({ length: 29 }, () => new Var(vec));
    const text = String(new Jaxpr({ invars: ins, eqns: [], outvars: [] }));
    expect(text)
      .toBe(`{ lambda ; a:f32[3] b:f32[3] c:f32[3] d:f32[3] e:f32[3] f:f32[3] g:f32[3] h:f32[3]
    i:f32[3] j:f32[3] k:f32[3] l:f32[3] m:f32[3] n:f32[3] o:f32[3] p:f32[3] q:f32[3]
    r:f32[3] s:f32[3] t:f32[3]. let
    
  in () }`);
    const eqns = many.map((v) => eqn(sin, [ins[0]], [v]));
    expect(String(new Jaxpr({ invars: [ins[0]], eqns, outvars: many }))).toContain(`
  in (b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z,
    ba, bb, bc, bd) }`);
  });
  test('ten thousand equations', () => {
    const jaxpr = chain(10_000);
    checkJaxpr(jaxpr);
    expect(String(jaxpr).split('\n')).toHaveLength(10_002);
  });
});

describe('checking', () => {
  test('an unbound variable', () => {
    const [a, b] = [new Var(vec), new Var(vec)];
    expect(() =>
      checkJaxpr(new Jaxpr({ invars: [], eqns: [eqn(sin, [a], [b])], outvars: [b] })),
    ).toThrow(
      'jaxpr: operands must be bound variables or rank-0 literals; got f32[3] as an operand of test_sin in',
    );
  });
  test('a variable bound twice', () => {
    const a = new Var(vec);
    expect(() => checkJaxpr(new Jaxpr({ invars: [a, a], eqns: [], outvars: [] }))).toThrow(
      'a variable must be bound once',
    );
  });
  test('a wrong type', () => {
    const [a, b] = [new Var(vec), new Var(scalar)];
    expect(() =>
      checkJaxpr(new Jaxpr({ invars: [a], eqns: [eqn(sin, [a], [b])], outvars: [b] })),
    ).toThrow(
      'jaxpr: the results of test_sin must have the types of its rule, f32[3]; got f32[] in',
    );
  });
});
