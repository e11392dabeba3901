// The op × rule matrix: which primitive has which rule, and why one is missing.
import { expect, test } from 'vitest';
import { allPrimitives } from '../../core/make-primitive.ts';
import '../../lax/index.ts';
import { lowerRules } from '../../lowering/rules.ts';

/** Primitives whose outputs are linear in no operand alone: their transposition never arises, because their JVP is made of others. */
const notLinear = 'not linear: its JVP is made of other primitives';
const discrete = 'its outputs have no derivative';

const linear = [
  'neg',
  'add',
  'sub',
  'mul',
  'div',
  'real',
  'imag',
  'complex',
  'conj',
  'add_any',
  'convert_element_type',
  'copy',
  'broadcast_in_dim',
  'reduce_sum',
  'reshape',
  'squeeze',
  'transpose',
  'rev',
  'slice',
  'pad',
  'concatenate',
  'dynamic_slice',
  'dynamic_update_slice',
  'gather',
  'scatter',
  'scatter-add',
  'scatter-mul',
  'select_n',
  'cumsum',
  'dot_general',
  'psum',
  'ppermute',
  'all_gather',
  'reduce_scatter',
  'all_to_all',
];

const prims = allPrimitives();

test('every primitive has a lowering, a JVP and a batching rule', () => {
  const holes = prims.flatMap((prim) => {
    const has = {
      lower: lowerRules.has(prim),
      jvp: prim.rules.jvp !== undefined,
      batch: prim.rules.batch !== undefined,
    };
    return Object.entries(has).flatMap(([rule, present]) =>
      present ? [] : [`${prim.name}: no ${rule}`],
    );
  });
  expect(holes).toEqual([]);
});

test('the transposes are those of the linear primitives', () => {
  const have = prims.filter((prim) => prim.rules.transpose !== undefined).map((prim) => prim.name);
  expect(have.toSorted()).toEqual(linear.toSorted());
});

test('the matrix', () => {
  const rows = prims.map((prim) => {
    const { jvp, transpose } = prim.rules;
    const kind = typeof jvp === 'string' ? jvp : 'rule';
    return `${prim.name}: jvp ${kind}, transpose ${transpose !== undefined ? 'rule' : kind === 'zero' ? discrete : notLinear}`;
  });
  // What is linear in all operands together must have a transpose.
  expect(
    rows.filter((row) => row.includes('jvp linear') && !row.endsWith('transpose rule')),
  ).toEqual([]);
  expect(prims.length).toBeGreaterThan(90);
});
