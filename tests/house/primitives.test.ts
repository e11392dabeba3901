// docs/primitives.md: which primitive has which rule. `npx vitest run tests/house/primitives.test.ts -u` writes it anew.
import { allPrimitives, lowerRules, type Primitive } from 'palladia/extend';
import 'palladia';
import 'palladia/hlo';
import 'palladia/nn';
import 'palladia/numpy';
import 'palladia/pallas';
import 'palladia/random';
import { expect, test } from 'vitest';

const head = `# Primitives

The operations that programs are made of, under the names that printed jaxprs give them, and the rules of each: its forward derivative (\`linear\`:
the tangent goes through the same operation; \`zero\`: it has none), its transpose (needed by reverse mode where the operation is linear), its batching
rule (\`vmap\`), its lowering to StableHLO. Operations that \`lax\` and \`numpy\` build of these have no line. This file is written by a test.

| primitive | jvp | transpose | batch | lower |
|---|---|---|---|---|
`;

const mark = (rule: unknown): string => (rule === undefined ? '' : '✓');

function row(prim: Primitive): string {
  const { jvp, transpose, batch } = prim.rules;
  const derivative = typeof jvp === 'string' ? jvp : mark(jvp);
  return `| \`${prim.name}\` | ${derivative} | ${mark(transpose)} | ${mark(batch)} | ${mark(lowerRules.find(prim))} |\n`;
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

// Calls with custom derivatives are mapped by rules over functions; refs exist inside of kernels only, which have their own rule.
test('which primitives have no derivative or batching rule of their own', () => {
  const missing = allPrimitives().filter(
    ({ rules }) => rules.jvp === undefined || rules.batch === undefined,
  );
  expect(missing.map(({ name }) => name)).toMatchInlineSnapshot(`
    [
      "custom_jvp_call",
      "custom_vjp_call",
      "custom_lin",
      "call_hlo",
      "program_id",
      "get",
      "swap",
      "addupdate",
    ]
  `);
});
