// config.debugNans and debugInfs: which primitive and which line they name, through jit, loops, branches and derivatives; named scopes.
import {
  checkpoint,
  cond,
  config,
  customJvp,
  debug,
  FloatingPointError,
  foriLoop,
  grad,
  jit,
  namedScope,
  scan,
  setDefaultDevice,
  vmap,
  whileLoop,
  withConfig,
  type DeviceKind,
  type Value,
} from 'palladia';
import * as hlo from 'palladia/hlo';
import * as np from 'palladia/numpy';
import { afterEach, describe, expect, test } from 'vitest';
import { untyped } from '../errors/report.ts';

afterEach(() => setDefaultDevice('wasm'));

/** The line of this file that calls it. */
const here = (): number =>
  Number(/numbers\.test\.ts:(\d+)/.exec(new Error().stack?.split('\n')[2] ?? '')?.[1]);

/** The primitive and the line that an error names. */
function named(run: () => unknown): [primitive: string, line: number] | string {
  try {
    withConfig({ debugNans: true }, run);
    return 'no error';
  } catch (error) {
    if (!(error instanceof FloatingPointError)) throw error;
    const line = /numbers\.test\.ts:(\d+)/.exec(error.userFrame ?? '')?.[1];
    return [error.message.split(':')[0], Number(line)];
  }
}

let line = 0;
const root = (x: Value): Value => {
  const y = x.sub(2);
  line = here() + 1;
  return np.sqrt(y);
};

describe.each<DeviceKind>(['wasm', 'interpreter'])('NaNs on %s', (kind) => {
  const one = (): Value => {
    setDefaultDevice(kind);
    return np.float32(1);
  };

  test('eager and jitted', () => {
    expect(named(() => root(one()))).toEqual(['sqrt', line]);
    expect(named(() => jit(root)(one()))).toEqual(['sqrt', line]);
    expect(named(() => jit(root)(np.float32(3)))).toBe('no error');
    expect(named(() => jit((x: Value) => jit(root)(x).add(1))(one()))).toEqual(['sqrt', line]);
  });

  test('in loops, branches and calls', () => {
    const inside: readonly ((x: Value) => unknown)[] = [
      (x) => foriLoop(0, 3, (_, y: Value) => root(y), x.add(5)),
      (x) => scan((c: Value, y: Value) => [root(c), y], x, np.ones([3])),
      (x) => whileLoop((y: Value) => np.less(y, 100), root, x),
      (x) => cond(np.greater(x, 0), root, (y: Value) => y, x),
      (x) => checkpoint(root)(x),
      (x) => vmap(root)(np.array([3, 4, 1]).mul(x)),
      (x) => customJvp(root)(x),
    ];
    for (const f of inside) {
      expect(named(() => f(one()))).toEqual(['sqrt', line]);
      expect(named(() => jit(f)(one()))).toEqual(['sqrt', line]);
    }
  });

  test('in derivatives, at the line that was differentiated', () => {
    const f = (x: Value): Value => {
      line = here() + 1;
      return np.where(np.greater(x, 0), np.sqrt(x), 0);
    };
    const zero = (): Value => one().sub(1);
    expect(named(() => grad(f)(zero()))).toEqual(['mul', line]);
    expect(named(() => jit(grad(f))(zero()))).toEqual(['mul', line]);
    expect(named(() => grad(jit(f))(zero()))).toEqual(['mul', line]);
  });
});

test('the message has the place, the scope and the way out', () => {
  const message = (run: () => unknown): string => {
    try {
      run();
    } catch (error) {
      return String(error).split('\n')[0];
    }
    return 'no error';
  };
  const f = jit((x: Value) => namedScope('net', () => namedScope('head', () => np.log(x))));
  expect(
    [
      withConfig({ debugNans: true }, () =>
        message(() =>
          f(
            np.array([
              [1, 2],
              [3, -1],
            ]),
          ),
        ),
      ),
      withConfig({ debugInfs: true }, () => message(() => f(np.array([1, 0])))),
      message(() => f(np.array([1, 0, -1]))),
    ].join('\n'),
  ).toMatchInlineSnapshot(`
    "FloatingPointError: log: results must have no NaN while config.debugNans is on; got one in f32[2,2] at [1, 1], in scope net/head. Look at the operands, with debug.print, and keep them where the operation is defined.
    FloatingPointError: log: results must have no Infinity while config.debugInfs is on; got one in f32[2] at [1], in scope net/head. Look at the operands, with debug.print, and keep them where the operation is defined.
    no error"
  `);
});

test('donated arguments can be looked at again, and are gone afterwards', () => {
  const f = jit((x: Value) => np.sqrt(x.sub(1)), { donateArgnums: 0 });
  const good = np.arange(100).astype('f32').add(1);
  withConfig({ debugNans: true }, () => {
    expect(f(good).at(9).get().item()).toBe(3);
    expect(good.isDeleted).toBe(true);
    expect(named(() => f(np.zeros([100])))).toEqual(['sqrt', expect.any(Number)]);
  });
});

test('nothing is looked at while the flags are off', () => {
  expect(config.debugNans || config.debugInfs).toBe(false);
  expect(jit(root)(1).item()).toBe(NaN);
});

describe('named scopes', () => {
  const f = (x: Value): Value => {
    const y = namedScope('first', () => np.sin(x));
    return namedScope('second', () => {
      debug.print('{}', y);
      return foriLoop(0, 2, (_, z: Value) => namedScope('inner', () => np.cos(z)), y);
    });
  };

  test('show in the text of programs, which says the same', () => {
    const lowered = jit(f).lower(1);
    const text = lowered.asText({ debugInfo: true });
    expect(
      [...text.matchAll(/stablehlo\.(?:sine|cosine).*loc\("(.*)"\)/g)].map(([, at]) => at),
    ).toEqual(['jit(f)/first/sin', 'jit(f)/second/scan/inner/cos']);
    expect(text.replaceAll(/ loc\(".*"\)$/gm, '')).toBe(lowered.asText());
    expect(String(hlo.parse(text))).toBe(lowered.asText());
  });

  test('survive transformations', () => {
    const text = jit(grad((x: Value) => f(x)))
      .lower(1)
      .asText({ debugInfo: true });
    expect(text).toContain('/inner/sin');
    expect(text).toContain('/first/cos');
  });

  test('change nothing else', () => {
    const plain = jit((x: Value) => np.sin(x));
    const scoped = jit((x: Value) => namedScope('a', () => np.sin(x)), { name: '<lambda>' });
    expect(scoped.lower(1).asText()).toBe(plain.lower(1).asText());
  });

  test('end with an error, and are named by text', () => {
    expect(() => namedScope('a', () => np.ones([2]).add(np.ones([3])))).toThrow();
    expect(jit(np.sin).lower(1).asText({ debugInfo: true })).not.toContain('/a/');
    expect(() => namedScope('a/b', () => 1)).toThrow(
      'namedScope: a scope is named by text without "/"; got "a/b". Nest scopes instead.',
    );
    expect(() => untyped(namedScope)(3, () => 1)).toThrow('got 3');
  });
});
