// Every nesting of three transformations, on Wasm and (a fifth of them) on the interpreter; long programs under the single laws.
import { config, setDefaultDevice } from 'palladia';
import { checkEngines, checkJit, checkJvpVjp, forAll, programs } from 'palladia/testing';
import { afterAll, beforeAll, describe, test } from 'vitest';
import { checkNesting, names, nestings } from './nestings.ts';

/** Programs per nesting; more with PALLADIA_RUNS. */
const runs = Math.max(1, Math.floor(Number(process.env['PALLADIA_RUNS'] ?? 30) / 15));

beforeAll(() => {
  config.enableX64 = true;
});
afterAll(() => {
  config.enableX64 = false;
  setDefaultDevice('wasm');
});

describe.each(['wasm', 'interpreter'] as const)('nestings of three on %s', (device) => {
  beforeAll(() => setDefaultDevice(device));
  // The interpreter takes every fifth: they are the same equations, run op by op.
  const chosen = device === 'wasm' ? nestings : nestings.filter((_, i) => i % 5 === 0);
  for (const outer of names)
    test(`${outer}∘…`, { timeout: 240_000 }, async () => {
      for (const nesting of chosen.filter(([first]) => first === outer))
        await checkNesting(nesting, { runs, dtype: 'f64', tolerance: 1e-9 });
    });
});

test('programs of twenty steps: derivatives, mapping, jit', { timeout: 240_000 }, async () => {
  const long = programs({ maxSteps: 20 });
  await forAll(long, (p) => checkJvpVjp(p.f, p.args), { runs: 10 * runs });
  await forAll(long, (p) => checkJit(p.f, p.args), { runs: 10 * runs });
  const forward = programs({ maxSteps: 20, smooth: false, forwardOnly: true });
  await forAll(forward, (p) => checkEngines(p.f, p.args), { runs: 10 * runs });
});
