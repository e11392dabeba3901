// docs/primitives.md: which primitive has which rule. `npx vitest run tests/house/primitives.test.ts -u` writes it anew.
import { withConfig, type Jaxpr } from 'palladia';
import { allPrimitives, hasBatchRule, jaxprsIn, lowerRules, type Primitive } from 'palladia/extend';
import 'palladia/export';
import 'palladia/hlo';
import 'palladia/nn';
import 'palladia/numpy';
import 'palladia/pallas';
import 'palladia/random';
import { expect, test } from 'vitest';
import { traceToJaxpr } from '../../transforms/stage.ts';
import { cases } from '../cases/index.ts';
import { argumentsOf, flatOf } from '../laws/harness.ts';

const head = `# Primitives

The operations that programs are made of, under the names that printed jaxprs give them, and the rules of each: its forward derivative (\`linear\`:
the tangent goes through the same operation; \`zero\`: it has none), its transpose (needed by reverse mode where the operation is linear), its batching
rule (\`vmap\`), its lowering to StableHLO. Operations that \`lax\` and \`numpy\` build of these have no line. This file is written by a test.

Operations on refs (\`get\`, \`swap\`, \`addupdate\`, \`new_ref\`, \`freeze\`) become operations on values before programs are lowered, and where a transformation
meets refs of its own (\`as values\`); in kernels they are lowered to loads and stores. What exists \`in kernels\` only meets no \`vmap\`, which adds an axis to the
grid of the \`pallas_call\` around them.
Collectives (\`psum\`, \`all_gather\`, …) lower once the \`vmap\` that binds their names has turned the names into axes.

| primitive | jvp | transpose | batch | lower |
|---|---|---|---|---|
`;

const mark = (rule: unknown): string => (rule === undefined ? '' : '✓');

/** Primitives that no `vmap` meets, and where they live instead. */
const notBatched: Readonly<Record<string, string>> = {
  freeze: 'as values',
  new_ref: 'as values',
  program_id: 'in kernels',
};

const batchMark = (prim: Primitive): string =>
  hasBatchRule(prim) ? '✓' : (notBatched[prim.name] ?? '');

function row(prim: Primitive): string {
  const { jvp, transpose } = prim.rules;
  const derivative = typeof jvp === 'string' ? jvp : mark(jvp);
  return `| \`${prim.name}\` | ${derivative} | ${mark(transpose)} | ${batchMark(prim)} | ${mark(lowerRules.find(prim))} |\n`;
}

test('the table of primitives is current', async () => {
  const rows = allPrimitives()
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
    .map(row);
  await expect(head + rows.join('')).toMatchFileSnapshot('../../docs/primitives.md');
});

test('every linear primitive can be transposed', () => {
  const missing = allPrimitives().filter(
    ({ rules }) => rules.jvp === 'linear' && rules.transpose === undefined,
  );
  expect(missing.map(({ name }) => name)).toEqual([]);
});

test('every primitive can be mapped, or has a reason why no vmap meets it', () => {
  const missing = allPrimitives().filter((prim) => batchMark(prim) === '');
  expect(missing.map(({ name }) => name)).toEqual([]);
  const needless = allPrimitives().filter((p) => hasBatchRule(p) && p.name in notBatched);
  expect(needless.map(({ name }) => name)).toEqual([]);
});

/** Primitives that no case of the law "vmap = loop" holds, and the tests that map them. */
const mappedElsewhere: Readonly<Record<string, string>> = {
  addupdate: 'refs/jax',
  all_gather: 'parity/vmap',
  all_to_all: 'parity/vmap',
  axis_index: 'parity/vmap',
  call_exported: 'export/export',
  call_hlo: 'entry/entry',
  check: 'checkify/checkify',
  complex: 'lax/complex',
  cond: 'control/control',
  conj: 'lax/complex',
  custom_jvp_call: 'transforms/custom',
  custom_lin: 'transforms/custom',
  custom_linear_solve: 'control/jax',
  custom_vjp_call: 'transforms/custom',
  custom_vmap_call: 'transforms/collectives',
  debug_callback: 'effects/printed',
  debug_print: 'effects/printed',
  get: 'refs/jax',
  imag: 'lax/complex',
  io_callback: 'effects/printed',
  jit: 'transforms/vmap',
  name: 'transforms/checkpoint',
  pallas_call: 'pallas/call',
  pmax: 'parity/vmap',
  pmin: 'parity/vmap',
  ppermute: 'parity/vmap',
  psum: 'parity/vmap',
  pure_callback: 'effects/printed',
  real: 'lax/complex',
  reduce_scatter: 'parity/vmap',
  remat2: 'transforms/checkpoint',
  remat_opt: 'autodiff/autodiff',
  scan: 'control/control',
  shard_map: 'parity/shard',
  swap: 'refs/jax',
  while: 'control/control',
};

test('every primitive that can be mapped is mapped by a test', () => {
  const seen = new Set<string>();
  const walk = (jaxpr: Jaxpr): void =>
    jaxpr.eqns.forEach(({ prim, params }) => {
      seen.add(prim.name);
      jaxprsIn(params).forEach(walk);
    });
  withConfig({ enableX64: true }, () => {
    for (const c of cases.filter(({ limits }) => limits?.vmap === undefined))
      walk(
        traceToJaxpr(
          flatOf(c),
          argumentsOf(c, 'f64', 1).map((x) => x.aval),
        ),
      );
  });
  const others = allPrimitives()
    .map(({ name }) => name)
    .filter((name) => !seen.has(name) && !(name in notBatched));
  expect(others.toSorted()).toEqual(Object.keys(mappedElsewhere));
});

// Refs are made and frozen by the transformation itself. Loaded programs are known by their text alone (exported ones are called through a custom derivative), and a program id is a constant to every derivative.
test('which primitives have no derivative', () => {
  const missing = allPrimitives().filter(({ rules }) => rules.jvp === undefined);
  expect(missing.map(({ name }) => name)).toMatchInlineSnapshot(`
    [
      "new_ref",
      "freeze",
      "call_hlo",
      "call_exported",
    ]
  `);
});
