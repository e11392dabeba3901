/** What derivatives and programs keep alive: residuals, and no other values of the call that made them. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, test } from 'vitest';
import { pureCallback } from '../../control/callback.ts';
import type { Value } from '../../core/value.ts';
import { mul } from '../../lax/arithmetic.ts';
import { reduceSum } from '../../lax/structure.ts';
import { customJvp, customVjp } from '../../transforms/custom.ts';
import { linearize } from '../../transforms/forward.ts';
import { vjp, vjpWithAux } from '../../transforms/grad.ts';
import { makeJaxpr } from '../../transforms/jit.ts';
import { shapeDtypeStruct } from '../../transforms/shape-struct.ts';
import { noise } from './setup.ts';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

const sum = (x: Value): Value => reduceSum(x);
const twice = (x: Value): Value => mul(x, 2);

/** Makes something to keep, and something that it should not keep. */
type Maker = () => readonly [keep: unknown, gone: object];

/** A linear function with a custom rule, and the first value that its rule gets. */
function custom(kind: 'jvp' | 'vjp'): { readonly f: (x: Value) => Value; readonly first: Value[] } {
  const first: Value[] = [];
  const note = (x: Value): Value => {
    if (first.length === 0) first.push(x);
    return twice(x);
  };
  const f =
    kind === 'jvp'
      ? customJvp(twice).defjvp(([x]: Value[], [t]: Value[]) => [note(x), twice(t)])
      : customVjp(twice).defvjp(
          (x: Value) => [note(x), null],
          (_: null, ct: Value) => [twice(ct)],
        );
  return { f: (x) => f(x), first };
}

const makers: Readonly<Record<string, Maker>> = {
  'a pullback: the arguments of a linear function': () => {
    const x = noise([8]);
    return [vjp(sum, x)[1], x];
  },
  'a pullback: its results': () => {
    const [y, pull] = vjp(twice, noise([8]));
    return [pull, y];
  },
  'a pullback: auxiliary results': () => {
    const [, pull, aux] = vjpWithAux((x: Value) => [sum(x), twice(x)], noise([8]));
    return [pull, aux];
  },
  'a linear function: arguments': () => {
    const x = noise([8]);
    return [linearize(sum, x)[1], x];
  },
  'customJvp: arguments': () => {
    const { f, first } = custom('jvp');
    const pull = vjp((x: Value) => f(f(mul(x, 3))), noise([8]))[1];
    return [pull, first.splice(0)[0]];
  },
  'customVjp: arguments': () => {
    const { f, first } = custom('vjp');
    const pull = vjp((x: Value) => f(f(mul(x, 3))), noise([8]))[1];
    return [pull, first.splice(0)[0]];
  },
  'a callback in a program: what it was traced with': () => {
    const given: Value[] = [];
    const program = makeJaxpr((x: Value) => {
      given.push(twice(x));
      return pureCallback((y: Value) => y, shapeDtypeStruct([8]), given[0]);
    })(noise([8]));
    return [program, given.splice(0)[0]];
  },
};

const kept: unknown[] = [];

/** Apart from the test: an asynchronous function keeps its own temporaries alive. */
function start(make: Maker): WeakRef<object> {
  const [keep, gone] = make();
  kept.push(keep);
  return new WeakRef(gone);
}

test.for(Object.keys(makers))('%s', async (name) => {
  const gone = start(makers[name]);
  for (let i = 0; i < 3; i++) {
    await new Promise((resolve) => setTimeout(resolve));
    collect();
  }
  expect(gone.deref()).toBe(undefined);
});
