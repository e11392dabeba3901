/** Random programs: functions from f32[3] to f32[3] made of smooth operations, calls, loops, branches and custom rules. */
import fc from 'fast-check';
import type { Value } from '../../core/value.ts';
import { add, mul, sub } from '../../lax/arithmetic.ts';
import { gt } from '../../lax/comparison.ts';
import { broadcastInDim, reduceSum, rev } from '../../lax/structure.ts';
import { cos, sin, tanh } from '../../lax/transcendental.ts';
import { cond } from '../../control/cond.ts';
import { scan } from '../../control/scan.ts';
import { foriLoop } from '../../control/while.ts';
import { checkpoint } from '../../transforms/checkpoint.ts';
import { customJvp, customVjp, type CustomJvp, type CustomVjp } from '../../transforms/custom.ts';
import { jit } from '../../transforms/jit.ts';
import { vmap } from '../../transforms/vmap.ts';

/** One step of a program. */
export type Step =
  | {
      readonly kind:
        | 'sin'
        | 'cos'
        | 'tanh'
        | 'rev'
        | 'spread'
        | 'customJvp'
        | 'customVjp'
        | 'vmapped';
    }
  | { readonly kind: 'add' | 'mul' | 'sub'; readonly back: number }
  | {
      readonly kind: 'jit' | 'checkpoint' | 'fori' | 'scan' | 'capture' | 'closure';
      readonly body: readonly Step[];
    }
  | { readonly kind: 'cond'; readonly body: readonly Step[]; readonly other: readonly Step[] };

/** A smooth function with its own forward rule. */
export const twisted: CustomJvp<[x: Value], Value> = customJvp((x: Value) => mul(sin(x), x));
twisted.defjvp(([x]: Value[], [t]: Value[]) => [twisted(x), mul(t, add(sin(x), mul(x, cos(x))))]);

/** A smooth function with its own reverse rule. */
export const folded: CustomVjp<[x: Value], Value> = customVjp((x: Value) => mul(cos(x), 0.5));
folded.defvjp(
  (x: Value) => [folded(x), sin(x)],
  (s: Value, ct: Value) => [mul(mul(ct, s), -0.5)],
);

const spread = (x: Value): Value => broadcastInDim(reduceSum(x), [3], []);

function apply(step: Step, stack: readonly Value[]): Value {
  const x = stack[stack.length - 1];
  switch (step.kind) {
    case 'sin':
      return sin(x);
    case 'cos':
      return cos(x);
    case 'tanh':
      return tanh(x);
    case 'rev':
      return rev(x, 0);
    case 'spread':
      return tanh(spread(x));
    case 'customJvp':
      return twisted(x);
    case 'customVjp':
      return folded(x);
    case 'vmapped':
      return vmap((a: Value) => mul(sin(a), twisted(a)))(x);
    case 'add':
    case 'mul':
    case 'sub': {
      const y = stack[Math.max(0, stack.length - 1 - step.back)];
      return { add, mul, sub }[step.kind](x, y);
    }
    case 'jit':
      return jit((a: Value) => run(step.body, a))(x);
    case 'checkpoint':
      return checkpoint((a: Value) => mul(run(step.body, a), x))(x);
    case 'closure':
      return jit((a: Value) => add(run(step.body, a), x))(sin(x));
    case 'fori':
      return foriLoop(0, 2, (_: Value, a: Value) => tanh(run(step.body, a)), x);
    case 'scan': {
      const [last, all] = scan(
        (c: Value, a: Value) => [sin(add(c, a)), mul(c, a)],
        0.1,
        tanh(run(step.body, x)),
      );
      return add(broadcastInDim(last, [3], []), all);
    }
    case 'capture': {
      const turn = (c: Value, a: Value): readonly [Value, Value] => [
        tanh(run(step.body, mul(c, x))),
        mul(a, reduceSum(mul(sin(x), c))),
      ];
      const [last, all] = scan(turn, cos(x), tanh(x), { reverse: true });
      return sub(last, tanh(all));
    }
    case 'cond':
      return cond(
        gt(reduceSum(x), 0.3),
        (a: Value) => run(step.body, a),
        (a: Value) => run(step.other, a),
        x,
      );
  }
}

/** Run a program. */
export function run(steps: readonly Step[], x: Value): Value {
  const stack = [x];
  for (const step of steps) stack.push(apply(step, stack));
  return stack[stack.length - 1];
}

/** Programs of a few steps, nested a few levels deep. With `reverseOnly` also functions without a forward derivative. */
export function programs(reverseOnly = false): fc.Arbitrary<readonly Step[]> {
  const leaf = [
    'sin',
    'cos',
    'tanh',
    'rev',
    'spread',
    'customJvp',
    'vmapped',
    ...(reverseOnly ? ['customVjp'] : []),
  ] as const;
  return fc.letrec<{ steps: Step[]; step: Step }>((tie) => ({
    steps: fc.array(tie('step'), { minLength: 1, maxLength: 4, depthIdentifier: 'program' }),
    step: fc.oneof(
      { depthIdentifier: 'program', maxDepth: 3 },
      fc.record({ kind: fc.constantFrom(...leaf) }) as fc.Arbitrary<Step>,
      fc.record({
        kind: fc.constantFrom('add' as const, 'mul' as const, 'sub' as const),
        back: fc.nat(3),
      }),
      fc.record({
        kind: fc.constantFrom(
          'jit' as const,
          'checkpoint' as const,
          'fori' as const,
          'scan' as const,
          'capture' as const,
          'closure' as const,
        ),
        body: tie('steps'),
      }),
      fc.record({ kind: fc.constant('cond' as const), body: tie('steps'), other: tie('steps') }),
    ),
  })).steps;
}
