// config.checkTracerLeaks: traced values that outlive their transformation are found at its end, where garbage can be collected at once.
import {
  checkify,
  cond,
  config,
  customJvp,
  customVjp,
  debug,
  grad,
  jit,
  jvp,
  scan,
  TracerLeakError,
  vmap,
  withConfig,
  type Value,
} from 'palladia';
import * as np from 'palladia/numpy';
import { afterAll, afterEach, describe, expect, test, vi } from 'vitest';
import { setCollector } from '../../core/leaks.ts';
import { makeCollector } from '../../entry/setup/collector.ts';

const x = np.array([1, 2, 3]);
const checked = <T>(body: () => T): T => withConfig({ checkTracerLeaks: true }, body);

/** The report of a leak: without the place of this file, and what it says about all of them. */
function report(body: () => unknown): string {
  try {
    checked(body);
  } catch (error) {
    expect(error).toBeInstanceOf(TracerLeakError);
    return String(error)
      .replaceAll(/\/\S*\/(leaks\.test\.ts):\d+:\d+/g, '$1')
      .split('\nReturn values')[0];
  }
  return 'nothing';
}

describe('what is kept is found', () => {
  const kept: unknown[] = [];
  afterEach(() => {
    kept.length = 0;
  });
  const keep = <T>(value: T): T => {
    kept.push(value);
    return value;
  };
  test.each<[name: string, told: string, run: () => unknown]>([
    [
      'jit',
      'Traced<f32[3]> with jit, made by sin',
      () => jit((v: Value) => (keep(np.sin(v)), v))(x),
    ],
    [
      'grad',
      'Traced<f32[3]> with grad, an argument',
      () => grad((v: Value) => (keep(v), v.sum()))(x),
    ],
    [
      'vmap',
      'Traced<f32[]> with vmap, made by mul',
      () => vmap((v: Value) => (keep(v.mul(2)), v))(x),
    ],
    [
      'jvp',
      'Traced<f32[3]> with jvp, made by mul',
      () => jvp((v: Value) => (keep(v.mul(2)), v), [x], [x]),
    ],
    [
      'scan',
      'Traced<f32[]> with scan, an argument',
      () => scan((c: Value, v: Value) => [keep(c).add(v), null], 0, x),
    ],
    [
      'cond in jit',
      'Traced<f32[3]> with cond, made by add',
      () =>
        jit((v: Value) =>
          cond(
            v.sum().greater(0),
            (w: Value) => (keep(w.add(1)), w),
            (w: Value) => w,
            v,
          ),
        )(x),
    ],
    [
      'object and closure',
      'Traced<f32[3]> with jit, made by mul',
      () =>
        jit((v: Value) => {
          const w = v.mul(2);
          keep({ inside: () => [w] });
          return w.add(1);
        })(x),
    ],
  ])('%s', (_, told, run) => {
    const [op] = told.split(' with ')[1].split(',');
    const lines = report(run).split('\n');
    expect(lines[0]).toMatch(
      new RegExp(
        `^TracerLeakError: ${op}: traced values must not outlive their transformation; got`,
      ),
    );
    expect(lines).toContain(`    ${told} at leaks.test.ts`);
  });

  test('a value that holds others is reported alone; many are counted', () => {
    const one = report(() => jit((v: Value) => vmap((w: Value) => (keep(w.mul(2)), w))(v))(x));
    expect(one).toContain('Traced<f32[]> with vmap, made by mul');
    expect(one).not.toContain('with jit, made by mul');
    const many = report(() =>
      jit((v: Value) => (Array.from({ length: 9 }, () => keep(v.add(1))), v))(x),
    );
    expect(many).toMatch(/got \d+ that .*\n.*\n.*\n.*\n.*\n.*\n {4}and \d+ more$/);
  });
});

// The engine may hold a value by chance, while it compiles in the background.
test('what is not kept is not', { retry: 2 }, () => {
  const rule = customJvp((v: Value) => np.sin(v));
  rule.defjvp(([v]: readonly [Value], [t]: readonly [Value]) => [np.sin(v), t.mul(2)]);
  const both = customVjp((v: Value) => np.sin(v));
  both.defvjp(
    (v: Value) => [np.sin(v), v],
    (r: Value, g: Value) => [g.mul(r)],
  );
  // Outside of `f`: a closure in there would keep `w`, which another one uses, with the program.
  const look = (): void => undefined;
  const f = (v: Value): Value => {
    const w = v.mul(2);
    debug.callback(look, w);
    const [sum] = scan((c: Value, y: Value) => [c.add(rule(y)), null], 0, w);
    return both(
      vmap((y: Value) =>
        cond(
          y.greater(2),
          (z: Value) => np.sin(z),
          (z: Value) => z.mul(w.sum()),
          y,
        ),
      )(w),
    )
      .sum()
      .add(sum);
  };
  expect(report(() => jit(f)(x))).toBe('nothing');
  expect(report(() => grad(f)(x))).toBe('nothing');
  expect(report(() => jit(grad(f))(x))).toBe('nothing');
  const sure = (v: Value): Value => {
    checkify.check(v.sum().greater(0), 'sum {}', v.sum());
    return v;
  };
  expect(report(() => checkify.checkify(sure, { errors: checkify.allChecks })(x))).toBe('nothing');
});

test('an error of the function itself comes through, and the next transformation starts anew', () => {
  let kept: Value | undefined;
  const broken = jit((v: Value): Value => {
    kept = v;
    throw new RangeError('mine');
  });
  expect(() => checked(() => broken(x))).toThrow(RangeError);
  expect(report(() => jit((v: Value) => v.mul(3))(x))).toBe('nothing');
  expect(() => np.sin(kept as Value)).toThrow(TracerLeakError);
});

describe('where garbage cannot be collected at once', () => {
  afterAll(() => setCollector(makeCollector));
  test.each([
    ['no collector', (): undefined => undefined],
    ['one that does not collect', () => (): undefined => undefined],
  ])('%s: one warning; use is an error as ever', (_, make) => {
    setCollector(make);
    const warn = vi.spyOn(console, 'warn').mockImplementation(() => undefined);
    try {
      let kept: Value | undefined;
      const run = (): Value => jit((v: Value) => (kept = v).mul(4))(x);
      expect(report(run)).toBe('nothing');
      expect(report(run)).toBe('nothing');
      expect(warn.mock.calls.map(String)).toEqual([expect.stringContaining('checkTracerLeaks')]);
      expect(() => np.sin(kept as Value)).toThrow(/It was made at .*leaks\.test\.ts/);
    } finally {
      warn.mockRestore();
    }
  });
});

test('it is off unless asked for', () => {
  expect(config.checkTracerLeaks).toBe(false);
});
