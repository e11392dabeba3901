// What JavaScript may and may not do with a traced value, and where errors point.
import { describe, expect, test } from 'vitest';
import { Aval } from '../../core/aval.ts';
import { withConfig } from '../../core/config.ts';
import { ConcretizationError, PalladiaError, ShapeError } from '../../core/errors.ts';
import { checkAlive, Trace, Tracer } from '../../core/trace.ts';

class TestTrace extends Trace {
  readonly name = 'jit';
  process(): never {
    throw new Error('not called');
  }
}
class TestTracer extends Tracer {
  readonly aval = new Aval([2], 'f32');
}
const x: unknown = new TestTracer(new TestTrace());

describe('a traced value', () => {
  test('prints its type', () => {
    expect(`${x as string}`).toBe('Traced<f32[2]> with jit');
    expect(String(x)).toBe('Traced<f32[2]> with jit');
  });
  test.each<[string, () => unknown]>([
    ['+x', () => +(x as number)],
    ['x > 0', () => (x as number) > 0],
    ['x * 2', () => (x as number) * 2],
    ['Math.sin(x)', () => Math.sin(x as number)],
  ])('%s is an error', (_, act) => {
    expect(act).toThrow(ConcretizationError);
    expect(act).toThrow('could use as a number');
  });
  test('x + 1 is an error', () => {
    expect(() => (x as number) + 1).toThrow(
      'could use with a JavaScript operator (`x + y`, `x == y`); got Traced<f32[2]> with jit.',
    );
  });
  test('iteration is an error', () => {
    expect(() => [...(x as number[])]).toThrow(ConcretizationError);
    expect(() => {
      const [a] = x as number[];
      return a;
    }).toThrow('cannot be iterated over or destructured');
  });
  test('is no thenable', async () => {
    expect(await x).toBe(x);
  });
});

test('remembers its line while checkTracerLeaks is on', () => {
  const made = withConfig({ checkTracerLeaks: true }, () => new TestTracer(new TestTrace()));
  expect(made.frame).toMatch(/tests\/core\/tracer\.test\.ts:\d+:\d+$/);
  expect(new TestTracer(new TestTrace()).frame).toBeUndefined();
  made.trace.finish();
  expect(() => checkAlive('add', made)).toThrow(
    /^add: a traced value was used after .* It was made at .*tracer\.test\.ts/,
  );
});

describe('errors', () => {
  test('carry their class, a place in the manual, and the line of the user', () => {
    const error = new ShapeError('op: rule; got facts. Do that.');
    expect(error).toBeInstanceOf(PalladiaError);
    expect(error.name).toBe('ShapeError');
    expect(error.help).toBe('docs/errors.md#shapeerror');
    expect(error.userFrame).toMatch(/tests\/core\/tracer\.test\.ts:\d+:\d+$/);
    expect(error.message).toContain('\n    at ');
  });
});
