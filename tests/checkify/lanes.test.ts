// Checks where the lanes of a vmap go different ways: random programs of loops, branches and checks against a loop over the lanes.
import {
  checkify,
  cond,
  grad,
  jit,
  scan,
  setDefaultDevice,
  vmap,
  whileLoop,
  withConfig,
  type Value,
} from 'palladia';
import * as lax from 'palladia/lax';
import * as np from 'palladia/numpy';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { branch, loop } from './programs.ts';

type Stmt =
  | { readonly kind: 'check'; readonly limit: number }
  | { readonly kind: 'add'; readonly term: number }
  | {
      readonly kind: 'cond';
      readonly limit: number;
      readonly yes: readonly Stmt[];
      readonly no: readonly Stmt[];
    };

const whole = (max: number): fc.Arbitrary<number> => fc.integer({ min: -max, max });
const { stmts } = fc.letrec<{ stmts: readonly Stmt[]; stmt: Stmt }>((tie) => ({
  stmts: fc.array(tie('stmt'), { maxLength: 3 }),
  stmt: fc.oneof(
    { maxDepth: 2 },
    fc.record({ kind: fc.constant('check' as const), limit: whole(9) }),
    fc.record({ kind: fc.constant('add' as const), term: whole(3) }),
    fc.record({
      kind: fc.constant('cond' as const),
      limit: whole(4),
      yes: tie('stmts'),
      no: tie('stmts'),
    }),
  ),
}));

/** Run statements on a value; every check says the step, and its place in the program. */
function run(body: readonly Stmt[], step: Value, start: Value): Value {
  let site = 0;
  const all = (list: readonly Stmt[], x: Value): Value =>
    list.reduce((y, stmt) => {
      if (stmt.kind === 'add') return lax.add(y, stmt.term);
      if (stmt.kind === 'check') {
        checkify.check(lax.lt(y, stmt.limit), `{} ${site++} {}`, step, y);
        return y;
      }
      // Branches are numbered in the order of their indices: `no` is the first.
      let [first, second] = [0, 0];
      const count = (own: readonly Stmt[]): number =>
        own.reduce(
          (n, s) =>
            n + (s.kind === 'check' ? 1 : s.kind === 'cond' ? count(s.yes) + count(s.no) : 0),
          0,
        );
      [first, second] = [site, site + count(stmt.no)];
      const at =
        (from: number, own: readonly Stmt[]) =>
        (z: Value): Value => {
          site = from;
          return all(own, z);
        };
      const out = cond(lax.gt(y, stmt.limit), at(second, stmt.yes), at(first, stmt.no), y);
      site = second + count(stmt.yes);
      return out;
    }, x);
  return all(body, start);
}

type Looped = (xs: Value, steps: Value) => Value;
const loops: Readonly<Record<'scan' | 'while', (body: readonly Stmt[]) => Looped>> = {
  scan: (body) => (xs) => {
    const [[, out]] = scan(
      ([k, c]: [Value, Value], x: Value): [[Value, Value], null] => [
        [lax.add(k, np.int32(1)), run(body, k, lax.add(c, x))],
        null,
      ],
      [np.int32(0), np.float32(0)],
      xs,
    );
    return out;
  },
  while: (body) => (xs, steps) =>
    whileLoop(
      ([k]: [Value, Value]) => lax.lt(k, steps),
      ([k, c]: [Value, Value]): [Value, Value] => [
        lax.add(k, np.int32(1)),
        run(body, k, lax.add(c, lax.reduceSum(xs, [0]))),
      ],
      [np.int32(0), np.float32(0)],
    )[1],
};

beforeAll(() => setDefaultDevice('interpreter'));
afterAll(() => setDefaultDevice('wasm'));

test.each(['scan', 'while'] as const)('%s: vmap inside = a loop over the lanes', (kind) => {
  fc.assert(
    fc.property(
      stmts,
      fc.array(fc.tuple(fc.tuple(whole(4), whole(4)), fc.integer({ min: 0, max: 3 })), {
        minLength: 1,
        maxLength: 3,
      }),
      (body, lanes) => {
        const f = loops[kind](body);
        const xs = np.array(lanes.map(([x]) => [...x]));
        const steps = np.array(
          lanes.map(([, n]) => n),
          { dtype: 'i32' },
        );
        const alone = lanes.map(([x, n]) => checkify.checkify(f)(np.array([...x]), np.int32(n)));
        const messages = alone.map(([err]) => err.get());
        // The first check, in the order of the program, that fails in any lane; of the lanes that fail it, the last.
        const failures = messages.flatMap((message, lane) => {
          if (message === null) return [];
          const [step, site] = message.split(' ').map(Number);
          return [{ message, lane, step, site }];
        });
        const winner = failures.toSorted(
          (a, b) => a.step - b.step || a.site - b.site || b.lane - a.lane,
        )[0]?.message;
        const [err, out] = checkify.checkify(vmap(f))(xs, steps);
        expect(err.get()).toBe(winner ?? null);
        expect(String(out)).toBe(String(np.stack(alone.map(([, one]) => one))));
        // Outside, every lane speaks for itself.
        const lines = messages.flatMap((message, lane) =>
          message === null ? [] : [`at mapped index ${lane}: ${message}`],
        );
        const [each] = vmap(checkify.checkify(f))(xs, steps);
        expect(each.get()).toBe(lines.length === 0 ? null : lines.join('\n'));
      },
    ),
    { numRuns: 40 },
  );
});

const mix = (): Value => np.array([true, false]);
const messageOf = (f: (...args: Value[]) => unknown, ...args: Value[]): string | null =>
  checkify
    .checkify(f)(...args)[0]
    .get();

test('lanes that do not take a branch are not heard', () => {
  // JAX 0.10.2 hears all lanes in all branches: "1.0 is not above 9", "5.0 is not above 9".
  expect(messageOf(vmap(branch), mix(), np.array([1, 10]))).toBe(null);
  expect(messageOf(vmap(branch), mix(), np.array([-5, 10]))).toBe(
    '-5.0 is not positive (`check` failed)',
  );
});

test('lanes that have left a loop are not heard', () => {
  // JAX refuses vmap inside of checkify here. The second lane never begins: its 8 is not below 3.
  expect(messageOf(vmap(loop), np.array([7, 8]))).toBe(null);
  expect(messageOf(vmap(loop), np.array([2.5, 8]))).toBe('3.5 is not below 3 (`check` failed)');
  const inBranch = (p: Value, x: Value): Value => cond(p, loop, (y: Value) => y, x);
  expect(messageOf(vmap(inBranch), mix(), np.array([7, 0]))).toBe(null);
  expect(messageOf(jit(vmap(inBranch)), mix(), np.array([1, 0]))).toBe(
    '3.0 is not below 3 (`check` failed)',
  );
});

test('derivatives and effects of other kinds stay as they are', () => {
  const f = (p: Value, x: Value): Value => branch(p, lax.mul(x, x));
  const total = (x: Value): Value => lax.reduceSum(checkify.checkify(vmap(f))(mix(), x)[1], [0]);
  expect(String(grad(total)(np.array([2, 3])))).toBe('[4. 6.]');
});

test('automatic checks look at what lanes compute, whichever branch they take', () => {
  const f = (p: Value, x: Value): Value =>
    cond(
      p,
      (y: Value) => lax.log(y),
      (y: Value) => y,
      x,
    );
  const [err] = checkify.checkify(vmap(f), { errors: checkify.nanChecks })(
    mix(),
    np.array([1, -1]),
  );
  expect(err.get()).toBe('nan generated by primitive: log.');
  const [each] = vmap(checkify.checkify(f, { errors: checkify.nanChecks }))(
    mix(),
    np.array([1, -1]),
  );
  expect(each.get()).toBe(null);
});

test('the index of a wide type is compared and shown as it is', () => {
  withConfig({ enableX64: true }, () => {
    const at = (i: bigint): Value => np.array(i, { dtype: 'i64' });
    const f = (i: Value): Value =>
      lax.dynamicSlice(np.zeros([4]), [i], [2], { allowNegativeIndices: false });
    const message = (i: bigint): string | null =>
      checkify.checkify(f, { errors: checkify.indexChecks })(at(i))[0].get();
    expect([0n, 2n].map(message)).toEqual([null, null]);
    expect([3n, -1n, 2n ** 62n].map(message)).toEqual(
      ['3', '-1', '4611686018427387904'].map(
        (i) =>
          `out-of-bounds indexing for array of shape (4,): index ${i} is out of bounds for axis 0 with size 4. `,
      ),
    );
  });
});
