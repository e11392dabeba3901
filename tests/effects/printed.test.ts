// What programs with effects print, in which order and how often: as real JAX does. The record is printed.json; record.py makes it.
import { debug, makeJaxpr, vmap } from 'palladia';
import * as np from 'palladia/numpy';
import { expect, test } from 'vitest';
import { capture, comparePrinted, recorded } from './printed.ts';
import { ordered, programs } from './programs.ts';

comparePrinted('wasm');
comparePrinted('interpreter');

test('every recorded program has its twin', () => {
  expect(Object.keys(programs())).toEqual(Object.keys(recorded.programs));
});

test('jaxprs with effects print as JAX prints them', () => {
  expect(String(makeJaxpr(vmap(ordered))(np.ones([2])))).toBe(recorded.jaxpr);
});

test('numbers in specifications are those of Python', async () => {
  const wanted = [...recorded.floats, ...recorded.integers].map(([, , text]) => text);
  const { lines } = await capture(() => {
    for (const [format, x] of recorded.floats) {
      const value = x === 'nan' ? NaN : x === '-inf' ? -Infinity : Number(x);
      debug.print(format, np.float32(value));
    }
    for (const [format, x] of recorded.integers) debug.print(format, np.int32(x));
  });
  const differ = lines.flatMap((line, i) => (line === wanted[i] ? [] : [`${line} ≠ ${wanted[i]}`]));
  expect(differ).toEqual([]);
});
