/** The programs of record-vmap.py, written with palladia: the same names, the same arguments. */
import {
  checkpoint,
  cond,
  customJvp,
  customVjp,
  customVmap,
  grad,
  hessian,
  jacfwd,
  jacrev,
  jit,
  jvp,
  scan,
  sequentialVmap,
  vjp,
  vmap,
  whileLoop,
  type CustomVmap,
  type Value,
} from 'palladia';
import * as lax from 'palladia/lax';
import * as np from 'palladia/numpy';
import * as random from 'palladia/random';

type Program = (...args: never[]) => unknown;
const i = { axisName: 'i' } as const;
const j = { axisName: 'j' } as const;

function predict(params: readonly (readonly [Value, Value])[], input: Value): Value {
  let [x, out] = [input, input];
  for (const [w, b] of params) {
    out = np.dot(w, x).add(b);
    x = np.tanh(out);
  }
  return out;
}
const loss = (params: [Value, Value][], x: Value, y: Value): Value =>
  np.square(predict(params, x).sub(y)).sum();

const batching: Record<string, Program> = {
  testConstantFunction: vmap((_: Value) => 3),
  testNestedBatchingMatMat: vmap(
    vmap((a: Value, b: Value) => np.vdot(a, b), { inAxes: [0, null] }),
    { inAxes: [null, 1], outAxes: 1 },
  ),
  testPerExampleGradients: (
    w1: Value,
    b1: Value,
    w2: Value,
    b2: Value,
    inputs: Value,
    targets: Value,
  ) =>
    vmap(grad(loss), { inAxes: [null, 0, 0] })(
      [
        [w1, b1],
        [w2, b2],
      ],
      inputs,
      targets,
    ),
  testJacobians: (a: Value, b: Value, x: Value) => {
    const f = (v: Value): Value => np.tanh(np.dot(a, v).add(b));
    const [, pullback] = vjp(f, x);
    const back = vmap((ct: Value) => pullback(ct)[0], { outAxes: 1 })(np.eye(4));
    const [y, forward] = vmap((t: Value) => jvp(f, [x], [t]), { outAxes: [null, 0] })(np.eye(3));
    return [back, y, forward];
  },
  testBatchOfCompile: jit(vmap(jit((x: Value) => x.add(x)))),
  testSliceLax: vmap((x: Value) => lax.slice(x, [2], [4])),
  testSliceNumpy: vmap((x: Value) => lax.indexInDim(x, 2, 1)),
  testRevLax: (x: Value) => [
    vmap((y: Value) => lax.rev(y, [0]))(x),
    vmap((y: Value) => lax.rev(y, [0]), { inAxes: [1], outAxes: 1 })(x),
  ],
  testNpMaximum: vmap((x: Value) => np.maximum(x, 0)),
  testNpGtrThan: vmap((x: Value) => np.greater(x, 0.5)),
  testNpMaximumPerExampleGrad: vmap(
    grad((w: Value, x: Value) => np.square(np.maximum(np.dot(x, w), 0)).sum()),
    { inAxes: [null, 0] },
  ),
  testPad: vmap((x: Value) =>
    lax.pad(x, 0, [
      [1, 2, 1],
      [0, 1, 0],
    ]),
  ),
  testConcatenate: vmap((x: Value, y: Value, z: Value) => lax.concatenate([x, y, z], 0), {
    inAxes: [0, 1, null],
  }),
  testHessian: hessian((x: Value) => np.power(np.maximum(x, 0), 2).sum()),
  testDynamicSlice: vmap((x: Value, at: Value) => x.at(at).get()),
  'testDynamicSlice, shared array': vmap((x: Value, at: Value) => x.at(at).get(), {
    inAxes: [null, 0],
  }),
  testDynamicUpdateSlice: vmap(
    (x: Value, y: Value, at: Value) => lax.dynamicUpdateIndexInDim(x, y, at, 0),
    { inAxes: [null, 0, 0] },
  ),
  testRandom: vmap((key: Value) => random.bits(key, [3])),
  testSort: (v: Value) => [
    vmap((x: Value) => lax.sort(x, { dimension: 0 }))(v),
    vmap((x: Value) => lax.sort(x, { dimension: 0 }), { inAxes: [1], outAxes: 1 })(v),
  ],
  testTransposePermutation: vmap((x: Value) => np.transpose(x, [1, 2, 0]), { inAxes: 2 }),
  testCumProd: vmap((x: Value) => np.cumprod(x, { axis: 0 })),
  testEmptyTuples: (x: Value) => vmap((y: Value, _: readonly Value[]) => [y.add(1), []])(x, []),
  testIndexAddBatchedIndexesOnly: vmap((x: Value, at: Value, y: Value) => x.at(at).add(y), {
    inAxes: [null, 0, null],
  }),
  testNegativeAxes: (x: Value) => [
    vmap((y: Value) => y.sum(), { inAxes: -1 })(x),
    vmap((y: Value) => y, { outAxes: -2 })(x),
    vmap((y: Value) => y, { inAxes: -2, outAxes: -1 })(x),
  ],
  'testNegativeAxes, constant result': vmap((x: Value, y: Value) => [x, y], {
    inAxes: [0, null],
    outAxes: [0, -1],
  }),
};
for (const [n, inAxes] of (
  [
    [2, 1],
    [3, null],
    [null, 2],
  ] as const
).entries())
  batching[`testDotGeneral ${n}`] = vmap(
    (x: Value, y: Value) =>
      lax.dotGeneral(x, y, [
        [[2], [1]],
        [[0], [0]],
      ]),
    { inAxes },
  );

const named: Record<string, Program> = {
  testPPermute: vmap(
    (x: Value) =>
      x.sub(
        lax.ppermute(x, 'i', [
          [0, 3],
          [1, 0],
          [2, 4],
          [3, 1],
          [4, 2],
        ]),
      ),
    i,
  ),
  testPshuffle: vmap((x: Value) => lax.pshuffle(x, 'i', [2, 0, 3, 1]), { ...i, inAxes: 1 }),
  'testAllToAll tiled': vmap((x: Value) => lax.allToAll(x, 'i', 0, 1, { tiled: true }), i),
  testAxisIndex: vmap((x: Value) => x.sub(lax.axisIndex('i')), i),
  testVmapAxisIndexTuple: vmap(
    vmap((x: Value) => lax.axisIndex(['i', 'j']).add(x), j),
    i,
  ),
  testAllGatherToUnmapped: vmap((x: Value) => lax.allGather(x, 'i'), {
    ...i,
    inAxes: 1,
    outAxes: null,
  }),
  testBatchedAllGather: vmap(
    vmap((x: Value) => lax.allGather(x, 'i'), { ...i, outAxes: null }),
    j,
  ),
  'testBatchedAllGather, other order': vmap(
    vmap((x: Value) => lax.allGather(x, 'j'), i),
    { ...j, outAxes: null },
  ),
  testAllGatherTiled: vmap((x: Value) => lax.allGather(x, 'i', { axis: 1, tiled: true }), {
    ...i,
    inAxes: 1,
  }),
  testAllGatherVjp: vmap(
    (x: Value, ct: Value) => vjp((v: Value) => lax.allGather(v, 'i'), x)[1](ct)[0],
    i,
  ),
  testAllGatherOfConst: vmap((x: Value) => lax.allGather(np.onesLike(x), 'i'), {
    ...i,
    inAxes: 1,
    outAxes: null,
  }),
  testReduceScatterBatched: vmap((x: Value) => lax.psumScatter(x, 'i'), i),
  testReduceScatterTiled: vmap(
    (x: Value) => lax.psumScatter(x, 'i', { scatterDimension: 1, tiled: true }),
    { ...i, inAxes: 2 },
  ),
  testReduceScatterVjp: vmap(
    (x: Value, ct: Value) => vjp((v: Value) => lax.psumScatter(v, 'i'), x)[1](ct)[0],
    i,
  ),
  testPsumOfConst: vmap((x: Value) => [lax.psum(np.float32(2), 'i'), x.mul(lax.axisSize('i'))], {
    ...i,
    outAxes: [null, 0],
  }),
  testPositionalPsum: vmap((x: Value) => lax.psum(x, ['i', 0]), { ...i, outAxes: null }),
  testPmean: vmap((x: Value) => lax.pmean(x, 'i'), i),
  'testVmapKwargs, nested trees': vmap(
    (t: { a: Value; b: Value[] }) => ({ s: lax.psum(t, 'i'), m: lax.pmean(t.a, 'i') }),
    i,
  ),
};
for (const [op, names, used] of [
  [lax.psum, ['i'], ['i']],
  [lax.psum, ['i', 'j'], ['i', 'j']],
  [lax.psum, ['i', 'j'], ['j', 'i']],
  [lax.psum, ['j', 'i'], ['i']],
  [lax.pmax, ['i', 'j'], ['j', 'i']],
  [lax.pmin, ['i', 'j'], ['j']],
] as const) {
  let f = (x: Value): Value => x.sub(op(x, used));
  for (const axisName of names) f = vmap(f, { axisName });
  named[`testCommAssocCollective ${op.name} ${names.join(',')} ${used.join(',')}`] = f;
}
for (const [from, to, inAxes] of [
  [0, 0, 0],
  [0, 1, 0],
  [1, 0, 2],
  [1, 1, 1],
  [0, 1, 2],
  [1, 0, 0],
])
  named[`testAllToAll ${from} ${to} ${inAxes}`] = vmap(
    (x: Value) => lax.allToAll(x, 'i', from, to),
    { ...i, inAxes },
  );

const square = (x: Value): Value => lax.psum(x.mul(x), 'i');
const ring = [
  [0, 1],
  [1, 2],
  [2, 0],
] as const;
const derivatives: Record<string, Program> = {
  testPsumGrad: vmap(grad(square), i),
  'testPsumGrad outside': grad((x: Value) => vmap(square, i)(x).sum()),
  'testPsumGrad of a mean': vmap(
    grad((x: Value) => lax.pmean(np.sin(x), 'i').mul(x)),
    i,
  ),
  testPsumSecondGrad: vmap(grad(grad((x: Value) => lax.psum(x.mul(x).mul(x), 'i'))), i),
  testPsumJvp: vmap(
    (x: Value, t: Value) => jvp((v: Value) => v.mul(lax.psum(np.sin(v), 'i')), [x], [t]),
    i,
  ),
  testPsumJacrev: vmap(
    jacrev((x: Value) => lax.psum(np.sin(x), 'i')),
    i,
  ),
  testPsumJacfwd: vmap(
    jacfwd((x: Value) => lax.psum(np.sin(x), 'i')),
    i,
  ),
  testPermuteGrad: vmap(
    grad((x: Value) => lax.ppermute(x, 'i', ring).mul(x)),
    i,
  ),
  testAllGatherGrad: vmap(
    grad((x: Value) => lax.allGather(x, 'i').mul(x).sum()),
    i,
  ),
  testPsumScatterGrad: vmap(
    grad((x: Value) => lax.psumScatter(x.mul(x), 'i').sum()),
    i,
  ),
  testAllToAllGrad: vmap(
    grad((x: Value) => lax.allToAll(x, 'i', 0, 0).mul(x).sum()),
    i,
  ),
};

const pick = (p: Value, x: Value): Value =>
  cond(
    np.greater(p, 0),
    (y: Value) => lax.psum(y, 'i'),
    (y: Value) => y,
    x,
  );
const customGrad = customVjp((x: Value) => lax.psum(x, 'i'));
customGrad.defvjp(
  (x: Value) => [lax.psum(x, 'i'), x],
  (x: Value, ct: Value) => [lax.pmax(x, 'i').mul(ct)],
);
const customForward = customJvp((x: Value) => lax.psum(x, 'i'));
customForward.defjvp(([x]: Value[], [t]: Value[]) => [customForward(x), lax.psum(t, 'i').mul(3)]);
const inside: Record<string, Program> = {
  testCollectiveInJit: vmap(jit(square), i),
  testCollectiveInJitOutside: jit(
    vmap(
      jit((x: Value) => x.div(lax.psum(x, 'i'))),
      i,
    ),
  ),
  testCollectiveInScan: vmap(
    (x: Value, ys: Value) =>
      scan((c: Value, y: Value) => [c.add(lax.psum(y.mul(x), 'i')), lax.pmax(c, 'i')], x, ys),
    { ...i, inAxes: [0, null] },
  ),
  testCollectiveInScanGrad: vmap(
    grad(
      (x: Value, ys: Value) =>
        scan((c: Value, y: Value) => [np.sin(c).add(lax.psum(y.mul(c), 'i')), null], x, ys)[0],
    ),
    { ...i, inAxes: [0, null] },
  ),
  testCollectiveInCond: vmap(pick, { ...i, inAxes: [null, 0] }),
  testCollectiveInCondPerLane: vmap(pick, i),
  testCollectiveInWhile: vmap(
    (x: Value) =>
      whileLoop(
        (c: Value) => np.less(lax.psum(c, 'i'), 40),
        (c: Value) => c.add(lax.axisIndex('i')).add(1),
        x,
      ),
    i,
  ),
  testCollectiveInCheckpoint: vmap(
    grad(checkpoint((x: Value) => np.sin(lax.psum(np.sin(x), 'i')).mul(x))),
    i,
  ),
  testAxisIndexInClosedScan: vmap(
    (_: Value) =>
      scan((c: Value, _x: null) => [c.add(lax.axisIndex('i')), c], np.int32(0), null, {
        length: 3,
      })[1],
    i,
  ),
  testShadowedName: vmap(
    (x: Value) => lax.psum(vmap((y: Value) => lax.psum(y, 'i'), i)(x), 'i'),
    i,
  ),
  testCollectiveInCustomVjp: vmap(grad(customGrad), i),
  testCollectiveInCustomJvp: vmap(grad(customForward), i),
};

const api: Record<string, Program> = {
  test_vmap_in_axes_list: vmap(
    (d: { a: Value; b: Value }, x: Value, y: Value) => d.a.add(d.b).add(x).add(y),
    { inAxes: [null, 0, 0] },
  ),
  test_vmap_in_axes_tree: vmap((d: { a: Value; b: Value }) => d.a.mul(d.b), {
    inAxes: [{ a: null, b: 1 }],
  }),
  test_vmap_out_axes_tree: vmap((x: Value) => ({ a: x, b: 2 }), { outAxes: { a: 1, b: null } }),
  test_vmap_unbatched_object_passthrough_issue_183: (x: Value) =>
    vmap((f: (y: Value) => Value, y: Value) => f(y), { inAxes: [null, 0] })((y) => y.add(1), x),
  test_vmap_axis_size: vmap(() => lax.axisIndex('i'), { axisSize: 3, axisName: 'i' }),
  test_vmap_zero_size: vmap((x: Value) => [np.sin(x), lax.psum(x, 'i')], {
    ...i,
    outAxes: [0, null],
  }),
  test_vmap_of_jit_with_static: vmap((x: Value) =>
    jit((y: Value, n: number) => y.mul(n), { staticArgnums: 1 })(x, 3),
  ),
};

const sinCos = (): CustomVmap<[x: Value], Value> =>
  customVmap((x: Value) => np.sin(x)).defVmap((_: number, [on]: boolean[], x: Value) => [
    np.cos(x),
    on,
  ]);
const times = (): CustomVmap<[x: Value, y: Value], Value> =>
  customVmap((x: Value, y: Value) => np.sin(x).mul(y)).defVmap(
    (_: number, on: boolean[], x: Value, y: Value) => [np.cos(x).mul(on[1] ? y : y.add(1)), true],
  );
type Pair = { a: Value; b: Value };
const custom: Record<string, Program> = {
  'CustomVmap test_basic': (x: Value) => [sinCos()(x), vmap(sinCos())(x)],
  'CustomVmap test_jit': jit(vmap(jit(sinCos()))),
  'CustomVmap test_in_batched': (x: Value, y: Value) => [
    vmap(times())(x, x),
    vmap(times(), { inAxes: [0, null] })(x, y),
  ],
  'CustomVmap test_nested': vmap(vmap(sinCos())),
  'CustomVmap test_rule_io_pytrees': vmap(
    customVmap((t: Pair) => ({ s: t.a.add(t.b), d: t.b })).defVmap(
      (_: number, [on]: { a: boolean; b: boolean }[], t: Pair) => [
        { s: t.a.mul(10).add(t.b), d: t.b },
        { s: true, d: on.b },
      ],
    ),
    { inAxes: [{ a: 0, b: null }] },
  ),
  'CustomVmap test_jvp_basic': (x: Value, t: Value) => jvp(vmap(sinCos()), [x], [t]),
  'CustomVmap test_jvp_of_rule': vmap((x: Value, t: Value) => jvp(sinCos(), [x], [t])),
  'CustomVmap test_scan': vmap((x: Value) =>
    scan((c: Value, _: null) => [sinCos()(c), c], x, null, { length: 3 }),
  ),
  'CustomVmap test_grad_of_vmap': grad((x: Value) => vmap(sinCos())(x).sum()),
  'SequentialVmap test_basic': vmap(sequentialVmap((x: Value) => x.add(1))),
  'SequentialVmap test_mixed': vmap(
    sequentialVmap((t: [Value, Value], y: Value) => [t[0].mul(y), t[1]]),
    { inAxes: [[0, null], 1] },
  ),
  'SequentialVmap test_nested': vmap(
    vmap(
      sequentialVmap((x: Value, y: Value) => x.mul(y)),
      { inAxes: [0, null] },
    ),
    { inAxes: [null, 0] },
  ),
};

const matvec = np.vectorize((a: Value, b: Value) => np.dot(a, b), { signature: '(n,m),(m)->(n)' });
const vectorized: Record<string, Program> = {
  'vectorize test_matvec': (x: Value, y: Value) => [
    matvec(x, y),
    matvec(lax.indexInDim(x, 0), y),
    matvec(np.expandDims(x, 1), np.expandDims(y, 0)),
  ],
  'vectorize test_matmat': np.vectorize((a: Value, b: Value) => np.dot(a, b), {
    signature: '(n,m),(m,k)->(n,k)',
  }),
  'vectorize test_vecvec': np.vectorize((a: Value, b: Value) => np.dot(a, b), {
    signature: '(m),(m)->()',
  }),
  'vectorize test_mean': np.vectorize((a: Value) => np.mean(a), { signature: '(n)->()' }),
  'vectorize test_center': np.vectorize((a: Value) => [a.sub(np.mean(a)), np.mean(a)], {
    signature: '(n)->(n),()',
  }),
  'vectorize test_scalar': np.vectorize((a: Value, b: Value) => np.stack([a, b])),
  'vectorize test_exclude': (x: Value) =>
    np.vectorize((f: (v: Value) => Value, v: Value) => f(v), { excluded: [0] })(
      (v: Value) => v.sum(),
      x,
    ),
  'vectorize test_broadcast_ones': np.vectorize((a: Value, b: Value) => a.add(b)),
  'vectorize test_none': (x: Value) =>
    np.vectorize((a: Value, b: Value | null) => (b === null ? a : a.add(b)))(x, null as never),
};

/** Every program by its name. */
export const programs: Readonly<Record<string, Program>> = {
  ...batching,
  ...named,
  ...derivatives,
  ...inside,
  ...api,
  ...custom,
  ...vectorized,
};

/** Programs whose arguments are trees: they are recorded as the list of their leaves. */
export const trees: Readonly<Record<string, (...leaves: Value[]) => readonly unknown[]>> = {
  'testVmapKwargs, nested trees': (a, b, c) => [{ a, b: [b, c] }],
  test_vmap_in_axes_list: (a, b, x, y) => [{ a, b }, x, y],
  test_vmap_in_axes_tree: (a, b) => [{ a, b }],
  'CustomVmap test_rule_io_pytrees': (a, b) => [{ a, b }],
  'SequentialVmap test_mixed': (a, b, y) => [[a, b], y],
};

/** One mistake per name. */
export const mistakes = (x: Value, m: Value): Readonly<Record<string, () => unknown>> => ({
  test_vmap_in_axes_tree_prefix_error: () => vmap((v: Value) => v, { inAxes: [0, 0] })(x),
  test_vmap_in_axes_leaf_types: () => vmap((v: Value) => v, { inAxes: ['a' as never] })(x),
  test_vmap_out_axes_leaf_types: () => vmap((v: Value) => v, { outAxes: 'a' as never })(x),
  test_vmap_mismatched_axis_sizes_error_message_issue_705: () =>
    vmap((a: Value, b: Value) => a.add(b))(np.arange(3), np.arange(4)),
  test_vmap_out_of_range: () => vmap((v: Value) => v.sum(), { inAxes: -4 })(m),
  test_vmap_out_axes_out_of_range: () => vmap((v: Value) => v, { outAxes: -4 })(m),
  test_vmap_nothing_mapped: () => vmap((v: Value) => v, { inAxes: null })(x),
  test_vmap_out_axes_none: () => vmap((v: Value) => v, { outAxes: null })(x),
  'unbound psum': () => lax.psum(x, 'i'),
  'unbound axis_index': () => lax.axisIndex('i'),
  'unbound axis_size': () => lax.axisSize('i'),
  'unbound in jit': () => jit((v: Value) => lax.allGather(v, 'i'))(x),
  'unbound beside a bound name': () => vmap((v: Value) => lax.pmax(v, 'j'), i)(x),
  'all_to_all of another size': () => vmap((v: Value) => lax.allToAll(v, 'i', 0, 0), i)(m),
  'psum_scatter of another size': () =>
    vmap(
      jit((v: Value) => lax.psumScatter(v, 'i')),
      i,
    )(m),
  'pshuffle of no permutation': () => vmap((v: Value) => lax.pshuffle(v, 'i', [0, 0, 1]), i)(x),
  'vectorize bad signature': () =>
    np.vectorize((a: Value, b: Value) => np.dot(a, b), { signature: '(n,(m)->()' })(x, x),
  'vectorize missing core axes': () => matvec(x, x),
  'vectorize sizes of core axes': () => matvec(m, np.arange(4)),
  'vectorize wrong result': () => np.vectorize((a: Value) => a, { signature: '(n)->()' })(x),
  'vectorize argument count': () => (matvec as (v: Value) => Value)(x),
  'custom_vmap wrong tree': () =>
    vmap(customVmap((v: Value) => v).defVmap((_: number, _b: unknown, v: Value) => [[v, v], true]))(
      x,
    ),
});

/** Functions of one array, for the printed programs. */
export const printed: Readonly<Record<string, (x: Value) => unknown>> = {
  psum: (x) => lax.psum(x, 'i'),
  'psum of names and positions': (x) => lax.psum(x, ['i', 0, 'j']),
  'psum in groups': (x) =>
    lax.psum(x, 'i', {
      axisIndexGroups: [
        [0, 1],
        [2, 3],
      ],
    }),
  'psum of bools': (x) => lax.psum(x, 'i'),
  pmean: (x) => lax.pmean(x, ['i', 'j']),
  'pmean of integers': (x) => lax.pmean(x, 'i'),
  pmax: (x) => lax.pmax(x, 'i'),
  pmin: (x) => lax.pmin(x, 'i'),
  all_gather: (x) => lax.allGather(x, ['i', 'j'], { axis: -1 }),
  'all_gather tiled': (x) => lax.allGather(x, 'i', { tiled: true }),
  psum_scatter: (x) => lax.psumScatter(x, 'i'),
  'psum_scatter tiled': (x) => lax.psumScatter(x, 'j', { scatterDimension: 1, tiled: true }),
  all_to_all: (x) => lax.allToAll(x, 'i', 0, 1),
  'all_to_all tiled': (x) => lax.allToAll(x, ['j'], 0, 1, { tiled: true }),
  ppermute: (x) =>
    lax.ppermute(x, 'i', [
      [0, 1],
      [1, 2],
    ]),
  pshuffle: (x) => lax.pshuffle(x, 'j', [1, 0]),
  axis_index: () => lax.axisIndex('i'),
  'axis_index of names': () => lax.axisIndex(['i', 'j']),
  axis_size: (x) => x.mul(lax.axisSize(['i', 'j'])),
  'vmap psum': vmap((x: Value) => lax.psum(x, 'k'), { axisName: 'k' }),
  'vmap psum of names': vmap((x: Value) => lax.psum(x, ['k', 'i']), { axisName: 'k' }),
  'vmap psum beside': vmap((x: Value) => lax.psum(x, ['i', 0])),
  'vmap pmax': vmap((x: Value) => lax.pmax(x, 'k'), { axisName: 'k' }),
  'vmap axis_index': vmap((_: Value) => lax.axisIndex('k'), { axisName: 'k' }),
  'vmap all_gather beside': vmap((x: Value) => lax.allGather(x, 'i'), { axisName: 'k' }),
  'vmap all_to_all': vmap((x: Value) => lax.allToAll(x, 'k', 0, 0), { axisName: 'k' }),
  'vmap psum_scatter': vmap((x: Value) => lax.psumScatter(x, 'k'), { axisName: 'k' }),
  'vmap jit psum': vmap(
    jit((x: Value) => lax.psum(x.mul(x), 'k')),
    { axisName: 'k' },
  ),
};

const [half, cross] = [
  [
    [0, 2],
    [1, 3],
  ],
  [
    [3, 1],
    [0, 2],
  ],
];
const holes = [
  [0, 3],
  [1, 0],
  [3, 7],
  [6, 1],
  [7, 2],
] as const;

/** Functions of one array on a mesh of axes `i` (2) and `j` (4). */
export const exchanges: Readonly<Record<string, (x: Value) => Value>> = {
  'psum of names': (x) => lax.psum(x, ['j', 'i']),
  'psum in groups': (x) => lax.psum(x, 'j', { axisIndexGroups: half }),
  'all_gather of names': (x) => lax.allGather(x, ['i', 'j'], { axis: 1 }),
  'all_gather of names tiled': (x) => lax.allGather(x, ['j', 'i'], { axis: 1, tiled: true }),
  'all_gather in groups': (x) => lax.allGather(x, 'j', { axisIndexGroups: cross, axis: 1 }),
  'psum_scatter of names': (x) => lax.psumScatter(x, ['i', 'j'], { scatterDimension: 1 }),
  'psum_scatter of names tiled': (x) => lax.psumScatter(x, ['j', 'i'], { tiled: true }),
  'psum_scatter in groups': (x) => lax.psumScatter(x, 'j', { axisIndexGroups: half, tiled: true }),
  'all_to_all of names': (x) => lax.allToAll(x, ['i', 'j'], 1, 0, { tiled: true }),
  'all_to_all of other names': (x) => lax.allToAll(x, ['j', 'i'], 0, 1),
  'all_to_all in groups': (x) =>
    lax.allToAll(x, 'j', 0, 1, { axisIndexGroups: cross, tiled: true }),
  'ppermute with holes': (x) =>
    lax.ppermute(x, 'j', [
      [0, 2],
      [3, 1],
    ]),
  'ppermute of names': (x) => lax.ppermute(x, ['i', 'j'], holes),
  'axis_index of names': (x) => x.add(lax.axisIndex(['j', 'i'])),
  'pmean of names': (x) => lax.pmean(x, ['i', 'j']),
};
