/** What each device of a mesh runs, beside JAX 0.10.2 (recorded by record-spmd.py in spmd.json): the same text. */
import { readFileSync } from 'node:fs';
import {
  jit,
  Mesh,
  P,
  shardMap,
  withConfig,
  type PartitionSpec,
  type Specs,
  type Value,
} from 'palladia';
import * as hlo from 'palladia/hlo';
import * as lax from 'palladia/lax';
import * as np from 'palladia/numpy';
import { expect, test } from 'vitest';

const recorded = JSON.parse(
  readFileSync(new URL('spmd.json', import.meta.url), 'utf8'),
) as Readonly<Record<string, string>>;

const [line, grid] = withConfig({ hostDeviceCount: 8 }, () => [
  new Mesh([8], ['i']),
  new Mesh([2, 4], ['x', 'y']),
]);
const both = P(['x', 'y']);

const over =
  (mesh: Mesh, inSpecs: PartitionSpec, outSpecs: Specs) =>
  (f: (x: Value) => unknown): ((x: Value) => unknown) =>
    shardMap(f, { mesh, inSpecs, outSpecs, checkVma: false });
const onGrid = over(grid, P('x', 'y'), P('x', 'y'));

const programs: Readonly<Record<string, (x: Value) => unknown>> = {
  psum: over(grid, P('x', 'y'), P('x'))((x) => lax.psum(x, 'y')),
  'psum of the major axis': over(grid, P('x', 'y'), P(null, 'y'))((x) => lax.psum(x, 'x')),
  'pmax of both axes': over(grid, both, P())((x) => lax.pmax(x, ['x', 'y'])),
  'pmin of both axes, turned': over(grid, both, P())((x) => lax.pmin(x, ['y', 'x'])),
  'psum of a tree': over(grid, both, [P('x'), P('x')])((x) =>
    lax.psum([x, np.reshape(x, [16])], 'y'),
  ),
  'psum in groups': over(
    line,
    P('i'),
    P('i'),
  )((x) =>
    lax.psum(x, 'i', {
      axisIndexGroups: [
        [0, 3, 5, 6],
        [1, 2, 4, 7],
      ],
    }),
  ),
  'psum in groups of one axis': onGrid((x) =>
    lax.psum(x, 'y', {
      axisIndexGroups: [
        [0, 2],
        [3, 1],
      ],
    }),
  ),
  all_gather: over(grid, P('x', 'y'), P(null, 'x', 'y'))((x) => lax.allGather(x, 'y')),
  'all_gather tiled': over(
    grid,
    P('x', 'y'),
    P(null, 'y'),
  )((x) => lax.allGather(x, 'x', { tiled: true })),
  'all_gather of both axes': over(
    grid,
    both,
    P(),
  )((x) => lax.allGather(x, ['x', 'y'], { axis: 1, tiled: true })),
  psum_scatter: over(
    grid,
    P('y'),
    both,
  )((x) => lax.psumScatter(lax.slice(x, [0, 0], [1, 4]), 'y', { scatterDimension: 1 })),
  'psum_scatter tiled': over(
    line,
    P('i'),
    P(null, 'i'),
  )((x) => lax.psumScatter(x, 'i', { scatterDimension: 1, tiled: true })),
  all_to_all: over(line, P('i'), P(null, 'i'))((x) => lax.allToAll(x, 'i', 1, 0, { tiled: true })),
  'all_to_all of the minor axis': onGrid((x) => lax.allToAll(x, 'y', 1, 1, { tiled: true })),
  ppermute: onGrid((x) =>
    lax.ppermute(x, 'y', [
      [0, 1],
      [3, 0],
    ]),
  ),
  'ppermute of the major axis': onGrid((x) =>
    lax.ppermute(x, 'x', [
      [0, 1],
      [1, 0],
    ]),
  ),
  axis_index: onGrid((x) =>
    lax.axisIndex('x').add(lax.axisIndex('y')).add(lax.convertElementType(x, 'i32')),
  ),
};

test('both sides have the same programs', () => {
  expect(Object.keys(programs)).toEqual(Object.keys(recorded));
});

/** The function that each device runs. */
const bodyOf = (text: string): string =>
  text.slice(text.indexOf('  func.func private @shmap_body')).trimEnd().replace(/\n\}$/, '');

test.each(Object.entries(recorded))('%s', (name, body) => {
  const text = jit(programs[name])
    .lower(np.zeros([8, 16]))
    .asText({ spmd: true });
  expect(bodyOf(text)).toBe(body);
});

test.each(Object.entries(recorded))('%s, read and printed', (_, body) => {
  const text = `module @m attributes {mhlo.num_partitions = 8 : i32, mhlo.num_replicas = 1 : i32} {\n${body}\n}\n`;
  const module = hlo.parse(text);
  hlo.verify(module);
  expect(hlo.print(module)).toBe(text);
  const entry = 'shmap_body';
  expect(() => hlo.load(text, { entry })).toThrow(
    'load: a program runs on one device here; got a program for 8 partitions. Run it with XLA on as many devices, or lower the function without spmd.',
  );
});
