/** The programs of record-shard.py, written with palladia: the same names, the same arguments. */
import {
  checkpoint,
  cond,
  config,
  foriLoop,
  grad,
  jit,
  jvp,
  Mesh,
  P,
  scan,
  shardMap,
  valueAndGrad,
  vjp,
  vmap,
  whileLoop,
  type PartitionSpec,
  type Specs,
  type Value,
} from 'palladia';
import * as lax from 'palladia/lax';
import * as np from 'palladia/numpy';

config.hostDeviceCount = 8;
const line = new Mesh([8], ['i']);
const grid = new Mesh([2, 4], ['x', 'y']);

type Program = (...args: Value[]) => unknown;
type InSpecs = PartitionSpec | readonly Specs[];

/** A function over a mesh. */
const over =
  (mesh: Mesh, inSpecs: InSpecs, outSpecs: Specs, checkVma = true) =>
  <A extends readonly unknown[], R>(f: (...args: A) => R) =>
    shardMap(f, { mesh, inSpecs, outSpecs, checkVma });

/** A function over some axes of the grid. */
const along =
  (name: string, inSpecs: InSpecs, outSpecs: Specs, checkVma = true) =>
  <A extends readonly unknown[], R>(f: (...args: A) => R) =>
    shardMap(f, { mesh: grid, inSpecs, outSpecs, checkVma, axisNames: new Set([name]) });

/** The same for functions of arrays. */
const arrays =
  (mesh: Mesh, inSpecs: InSpecs, outSpecs: Specs, checkVma = true) =>
  (f: (...args: Value[]) => Value): ((...args: Value[]) => Value) =>
    over(mesh, inSpecs, outSpecs, checkVma)(f);

const onLine = arrays(line, P('i'), P('i'));
const turned = arrays(line, P('i', null), P(null, 'i'));
const ring = Array.from({ length: 8 }, (_, i): [number, number] => [i, (i + 1) % 8]);

const psumMatmul = arrays(
  grid,
  [P('x', 'y'), P('y', null)],
  P('x', null),
)((a, b) => lax.psum(np.matmul(a, b), 'y'));
const gatherMatmul = arrays(
  line,
  [P('i', null), P(null, 'i')],
  P(null, 'i'),
)((a, b) => np.matmul(lax.allGather(a, 'i', { tiled: true }), b));
const ringMatmul = arrays(
  line,
  [P('i', null), P('i', null)],
  P('i', null),
)((a, b) => {
  const at = lax.axisIndex('i');
  const [total] = foriLoop(
    0,
    8,
    (k: Value, [sum, rows]: [Value, Value]): [Value, Value] => {
      const start = np.mod(at.sub(k), 8).mul(2);
      const part = lax.dynamicSliceInDim(a, start, 2, 1);
      return [sum.add(np.matmul(part, rows)), lax.ppermute(rows, 'i', ring)];
    },
    [np.zeros([1, 3]), b],
  );
  return total;
});
const scatter = (x: Value): Value => lax.psumScatter(x, 'i', { scatterDimension: 1, tiled: true });
const exchange = (x: Value): Value => lax.allToAll(x, 'i', 1, 0, { tiled: true });

const together: Record<string, Program> = {
  'psum matmul': psumMatmul,
  'psum matmul compiled': jit(psumMatmul),
  'all_gather matmul': gatherMatmul,
  'ring matmul': ringMatmul,
  'ring gradient': (a, b) =>
    grad((rows: Value) =>
      np
        .sin(
          arrays(
            line,
            [P(null, 'i'), P('i')],
            P('i'),
          )((x, y) => lax.ppermute(np.matmul(np.matmul(np.transpose(x), x), y), 'i', ring))(
            a,
            rows,
          ),
        )
        .sum(),
    )(b),
  psum_scatter: turned(scatter),
  'psum_scatter not tiled': arrays(
    grid,
    P('y', null),
    P(['x', 'y']),
    false,
  )((x) => np.expandDims(lax.psumScatter(np.squeeze(x, 0), 'y', { scatterDimension: 0 }), 0)),
  'all_to_all transpose': turned(exchange),
  axis_index: arrays(
    grid,
    P('x', 'y'),
    P('x', 'y'),
  )((x) => x.add(lax.axisIndex('x').mul(10)).add(lax.axisIndex('y').mul(100))),
  'axis_index of names': arrays(
    grid,
    P(['x', 'y']),
    P(['x', 'y']),
  )((x) => x.mul(lax.axisIndex(['x', 'y'])).add(BigInt(lax.axisSize(['x', 'y'])))),
  'pmax pmin pmean': over(grid, P('x', 'y'), [P('x'), P(null, 'y'), P()])((x: Value) => [
    lax.pmax(lax.indexInDim(x, 0, 1), 'y'),
    lax.pmin(x, 'x'),
    lax.pmean(x, ['x', 'y']),
  ]),
  'ppermute with holes': arrays(
    grid,
    P('x', 'y'),
    P('x', 'y'),
  )((x) =>
    lax.ppermute(x, 'y', [
      [0, 2],
      [3, 1],
    ]),
  ),
  pshuffle: onLine((x) => lax.pshuffle(x, 'i', [3, 2, 1, 0, 7, 6, 5, 4])),
  groups: onLine((x) =>
    lax.psum(x, 'i', {
      axisIndexGroups: [
        [0, 3, 5, 6],
        [1, 2, 4, 7],
      ],
    }),
  ),
};

const specs: Record<string, Program> = {
  'orders of names': (x) => [
    arrays(grid, P(['x', 'y']), P(['y', 'x']))((v) => v)(x),
    arrays(grid, P(['y', 'x']), P('y', 'x'))((v) => np.expandDims(v, 1))(x),
  ],
  'another layout': arrays(
    grid,
    P('y', null, 'x'),
    P(null, ['x', 'y']),
  )((x) => np.reshape(x, [3, -1])),
  'short specs': arrays(grid, P('x'), P('x'))((x) => x.sum(1)),
  'a tree': (w, x) =>
    over(
      grid,
      [{ w: P('x'), b: P() }, P(null, 'x')],
      { y: P('y'), z: [P()] },
      false,
    )((p: { w: Value; b: Value }, v: Value) => ({
      y: np.matmul(v, p.w).add(p.b),
      z: [lax.psum(p.w.sum(), 'x')],
    }))({ w, b: lax.indexInDim(w, 0) }, x),
  'not cut': arrays(grid, P(), P())((x) => np.sin(x)),
  'constant results': over(grid, P('x'), [P('x', 'y'), P()])((_: Value) => [np.ones([2, 3]), 3]),
  'no operand': () => over(grid, [], P('x', 'y'))(() => np.reshape(lax.axisIndex('y'), [1, 1]))(),
  'zero size': arrays(grid, P('x', null), P('x'))((x) => lax.psum(x.sum(1), 'y')),
  captured: (w, x) => onLine((v) => np.matmul(v, w))(x),
  unchecked: arrays(grid, P(['x', 'y']), P('y'), false)((x) => x.mul(2)),
};

const scaled = arrays(grid, P('x', 'y'), P())((x) => lax.psum(np.sin(x).sum(), ['x', 'y']));
const loss = (params: Value[], xs: Value, ys: Value, checkVma = true): Value =>
  over(
    line,
    [P(), P('i'), P('i')],
    P(),
    checkVma,
  )(([w, v]: Value[], x: Value, y: Value): Value => {
    const out = np.matmul(np.tanh(np.matmul(x, w)), v);
    return lax.pmean(np.square(out.sub(y)).mean(), 'i');
  })(params, xs, ys);
const sinSum = (x: Value, w: Value): Value => np.sin(np.matmul(x, w)).sum();
const gradientInside = (f: (w: Value, x: Value) => Value): Program =>
  arrays(line, [P(), P('i')], P('i'), false)((w, x) => np.expandDims(grad(f)(w, x), 0));

const derivatives: Record<string, Program> = {
  'grad through psum': grad((x: Value) => np.exp(scaled(x).mul(0.1))),
  'data-parallel loss': (w, v, x, y) => valueAndGrad((p: Value[]) => loss(p, x, y))([w, v]),
  'data-parallel loss compiled': (w, v, x, y) =>
    jit(grad((p: Value[]) => loss(p, x, y, false)))([w, v]),
  'gradient of a gather': grad((a: Value, b: Value) => np.square(gatherMatmul(a, b)).sum(), {
    argnums: [0, 1],
  }),
  'gradient of a scatter': grad((x: Value) => np.sin(turned(scatter)(x)).sum()),
  'gradient of all_to_all': (x, c) =>
    vjp(
      turned((v) => exchange(np.sin(v))),
      x,
    )[1](c)[0],
  jvp: (x, t) => jvp(scaled, [x], [t]),
  'jvp of matmul': (a, b, t) => jvp((v: Value) => psumMatmul(v, b), [a], [t]),
  'hessian vector product': (x, v) =>
    jvp(
      grad((y: Value) => np.square(scaled(y))),
      [x],
      [v],
    )[1],
  'gradient of a gradient': grad((x: Value) =>
    np.square(grad((y: Value) => np.square(scaled(y)))(x)).sum(),
  ),
  'scalar residuals': (x, s) =>
    grad(
      (v: Value, t: Value) =>
        arrays(
          line,
          [P('i'), P()],
          P('i'),
        )((y, u) => y.mul(np.exp(np.sin(u).mul(lax.psum(y.sum(), 'i')))))(v, t).sum(),
      { argnums: [0, 1] },
    )(x.mul(0.1), s),
  'several results': (x, a, b, c) => {
    const f = over(grid, P('x', 'y'), [P('x'), P(null, 'y'), P()])((v: Value) => [
      lax.psum(np.sin(v).sum(1), 'y'),
      lax.psum(v.mul(v), 'x'),
      lax.psum(v.sum(), ['x', 'y']),
    ]);
    return vjp(f, x)[1]([a, b, c])[0];
  },
  'captured and differentiated': (w, x) =>
    grad((u: Value) => onLine((v) => np.sin(np.matmul(v, u)))(x).sum())(w),
  'gradient inside': gradientInside((w, x) => sinSum(x, w)),
  'gradient of psum inside': gradientInside((w, x) => lax.psum(sinSum(x, w), 'i')),
  'step of descent inside': arrays(
    line,
    [P(), P('i')],
    P(),
    false,
  )((w, x) => w.sub(lax.pmean(grad((u: Value) => sinSum(x, u))(w), 'i').mul(0.1))),
};

const walk = over(
  line,
  [P('i'), P(null, 'i')],
  [P('i'), P(null, 'i')],
)((c: Value, xs: Value) =>
  scan(
    (carry: Value, x: Value): [Value, Value] => [
      lax.ppermute(np.sin(carry).add(x), 'i', ring),
      lax.psum(carry.mul(x), 'i').add(carry),
    ],
    c,
    xs,
  ),
);
const self = (x: Value): Value => np.sin(lax.psum(np.sin(x), 'i').mul(x));

const nestings: Record<string, Program> = {
  'scan inside': walk,
  'gradient of a scan inside': grad(
    (c: Value, xs: Value) => {
      const [last, all] = walk(c, xs);
      return last.sum().add(all.sum());
    },
    { argnums: [0, 1] },
  ),
  'inside a scan': (x, xs) =>
    scan((c: Value, v: Value): [Value, Value] => [np.tanh(psumMatmul(c, v)), c.sum()], x, xs),
  'gradient inside a scan': (x, xs) =>
    grad((v: Value) =>
      scan(
        (c: Value, u: Value): [Value, null] => [np.tanh(psumMatmul(c, u)), null],
        v,
        xs,
      )[0].sum(),
    )(x),
  'cond inside': onLine((x) =>
    cond(
      np.mod(lax.axisIndex('i'), 2).equal(0),
      (v: Value) => np.sin(v),
      (v: Value) => v.mul(2),
      x,
    ),
  ),
  'cond around': (x) =>
    cond(
      lax.indexInDim(x, 0).greater(0),
      (v: Value) => onLine(np.sin)(v),
      (v: Value) => v,
      x,
    ),
  'while inside': onLine((x) =>
    whileLoop(
      (v: Value) => v.less(100).all(),
      (v: Value) => v.mul(2),
      x,
    ),
  ),
  vmap: vmap(psumMatmul, { inAxes: [0, null] }),
  'vmap of the gradient': vmap(grad(scaled)),
  'vmap of another axis': vmap(
    onLine((x) => x.sub(lax.pmean(x, 'i'))),
    { inAxes: 1, outAxes: 1 },
  ),
  'vmap spread over devices': vmap(
    arrays(grid, P('x'), P('x'))((x) => np.sin(x).mul(lax.psum(x, 'x'))),
    { spmdAxisName: 'y' },
  ),
  'vmap inside': onLine(vmap((x: Value) => lax.psum(x, 'i').mul(x))),
  'vmap inside with a name': onLine(
    vmap((x: Value) => lax.psum(x, ['i', 'k']).mul(x), { axisName: 'k' }),
  ),
  'remat inside': grad((x: Value) => onLine(checkpoint(self))(x).sum()),
  'jit inside': grad((x: Value) => onLine(jit(self))(x).sum()),
  'one after the other': (x) =>
    arrays(grid, P(null, 'y'), P('x', 'y'))((v) => lax.sliceInDim(v, 0, 2).add(lax.axisIndex('x')))(
      onLine((v) => v.mul(lax.axisIndex('i')))(x),
    ),
};

const automatic: Record<string, Program> = {
  'automatic axes': along('x', P('x'), P())((x: Value) => lax.psum(np.sin(x), 'x')),
  'an automatic axis first': along('y', P(null, 'y'), [P('y'), P()])((x: Value) => [
    x.sum(0).add(lax.axisIndex('y')),
    lax.pmax(x.sum(1), 'y'),
  ]),
  'gather beside an automatic axis': along(
    'y',
    P('y'),
    P(),
    false,
  )((x: Value) => lax.allGather(x, 'y', { tiled: true })),
  'scatter beside an automatic axis': along(
    'y',
    P(null, 'y'),
    P('y'),
  )((x: Value) => lax.psumScatter(x, 'y', { tiled: true })),
  'exchange beside an automatic axis': along(
    'y',
    P('y'),
    P(null, 'y'),
  )((x: Value) => lax.allToAll(x, 'y', 1, 0, { tiled: true })),
  'ring beside an automatic axis': along(
    'x',
    P('x'),
    P('x'),
  )((x: Value) =>
    lax.ppermute(x, 'x', [
      [0, 1],
      [1, 0],
    ]),
  ),
  'gradient beside an automatic axis': grad((w: Value, x: Value) =>
    along(
      'y',
      [P(), P('y')],
      P(),
    )((u: Value, v: Value) => lax.pmean(np.tanh(np.matmul(v, u)), 'y'))(w, x).sum(),
  ),
  'scan beside an automatic axis': along(
    'x',
    [P('x'), P(null, 'x')],
    P('x'),
  )(
    (c: Value, xs: Value) =>
      scan(
        (carry: Value, x: Value): [Value, null] => [np.sin(carry).add(lax.psum(x, 'x')), null],
        c,
        xs,
      )[0],
  ),
  'vmap beside an automatic axis': vmap(along('x', P('x'), P())((x: Value) => lax.psum(x, 'x'))),
};

/** Programs whose results are compared. */
export const programs: Readonly<Record<string, Program>> = {
  ...together,
  ...specs,
  ...derivatives,
  ...nestings,
  ...automatic,
};

const same = (x: Value): Value => x;

/** Programs that fail. */
export const mistakes: Readonly<Record<string, (v: Value) => unknown>> = {
  'sizes that do not divide': (_) => over(grid, P('x'), P('x'))(same)(np.arange(7)),
  'sizes that do not divide, two names': (_) =>
    over(grid, P(['x', 'y']), P('x'))(same)(np.arange(4)),
  'unknown name in a spec': over(grid, P('z'), P('x'))(same),
  "unknown name in a result's spec": over(grid, P('x'), P('z'))(same),
  'spec of a higher rank': over(grid, P('x', 'y'), P('x'))(same),
  "result's spec of a higher rank": over(grid, P('x'), P('x'))((x: Value) => x.sum()),
  'specs of another tree': over(grid, [P('x'), P('x')], P('x'))(same),
  "result's specs of another tree": over(grid, P('x'), [P('x'), P('x')])(same),
  'a copy that is none': over(grid, P('x'), P())(same),
  'a sum over another axis': over(grid, P(['x', 'y']), P('x'))((x: Value) => lax.psum(x, 'x')),
  'an index that is no copy': over(grid, P(), P())((x: Value) => x.mul(lax.axisIndex('x'))),
  'a permutation that is no copy': over(
    grid,
    P('x'),
    P(),
  )((x: Value) =>
    lax.ppermute(x, 'x', [
      [0, 1],
      [1, 0],
    ]),
  ),
  'too few devices': (_) => new Mesh([4, 4], ['x', 'y']),
  'a name twice in a spec': (_) => over(grid, P('x', 'x'), P())(same)(np.ones([8, 8])),
  'a name that no axis has': over(grid, P('x'), P())((x: Value) => lax.psum(x, 'z')),
  'an automatic axis in a spec': (_) => along('x', P('x', 'y'), P('x'))(same)(np.ones([8, 8])),
  "an automatic axis in a result's spec": along('x', P('x'), P('y'))(same),
  'a sum over an automatic axis': along('x', P('x'), P('x'))((x: Value) => lax.psum(x, 'y')),
  'an axis that the mesh does not have': (v) => along('z', P('x'), P('x'))(same)(v),
  'axes that are no set': (v) =>
    shardMap(same, { mesh: grid, inSpecs: P('x'), outSpecs: P('x'), axisNames: ['x'] as never })(v),
  'a copy that is none beside an automatic axis': along('x', P('x'), P())(same),
  'spread over an axis in use': (_) =>
    vmap(over(grid, P('x'), P('x'))(same), { spmdAxisName: 'x' })(np.ones([8, 8])),
};
