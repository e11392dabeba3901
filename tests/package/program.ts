// The program of a stranger: type checked against the shipped declarations and run on the installed package.
import { strict as assert } from 'node:assert';
import { grad, jit, makeJaxpr, vmap } from 'palladia';
import type { Value } from 'palladia';
import * as np from 'palladia/numpy';

const energy = (x: Value): Value => np.sin(x).sum();
const x: Value = np.array([0, 1, 2]);

const slope = await jit(grad(energy))(x).data();
assert.equal(slope.length, 3);
slope.forEach((value, index) => assert.ok(Math.abs(Number(value) - Math.cos(index)) < 1e-6));

const rows = await vmap(energy)(np.ones([4, 3])).js();
assert.equal((rows as number[]).length, 4);

assert.match(String(makeJaxpr(grad(energy))(x)), /cos/);
assert.match(jit(energy).lower(x).asText(), /stablehlo\.sine/);
console.log('the installed package traces, differentiates, batches, lowers and runs');
