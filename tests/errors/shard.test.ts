// Mistakes with meshes and with functions over them: devices that are not there, specs that do not fit, copies that are none.
import {
  jit,
  Mesh,
  NamedSharding,
  P,
  shardMap,
  vmap,
  withConfig,
  type PartitionSpec,
  type Value,
} from 'palladia';
import * as lax from 'palladia/lax';
import * as np from 'palladia/numpy';
import { expect, test } from 'vitest';
import { reports } from './report.ts';

const grid = withConfig({ hostDeviceCount: 8 }, () => new Mesh([2, 4], ['x', 'y']));
const same = (x: Value): Value => x;
const v = np.arange(8);

test('meshes', () => {
  expect(
    reports({
      'more places than devices': () => new Mesh([4, 4], ['x', 'y'], grid.devices),
      'one device': () => new Mesh([2], ['x']),
      'a name too few': () => new Mesh([1, 1], ['x']),
      'a size of zero': () => new Mesh([0], ['x']),
      'a name twice': () => new Mesh([1, 1], ['x', 'x']),
      'sizes that are no list': () => new Mesh(2 as never, 'x' as never),
      'a number of devices that is none': () => withConfig({ hostDeviceCount: 0 }, () => undefined),
      'an axis twice in a spec': () => P('x', ['y', 'x']),
      'an entry that is no name': () => P(0 as never),
      'a name that the mesh does not have': () => new NamedSharding(grid, P('z')),
    }),
  ).toMatchInlineSnapshot(`
    "more places than devices
      DeviceError: Mesh: there must be a device for every place of the mesh; got 8 for [4, 4], which has 16 places. Set config.hostDeviceCount = 16, or make the mesh smaller.
    one device
      DeviceError: Mesh: there must be a device for every place of the mesh; got 1 for [2], which has 2 places. Set config.hostDeviceCount = 2, or make the mesh smaller.
    a name too few
      ArgumentError: Mesh: every axis must have a size and a name; got sizes [1,1] and names ["x"]. Write new Mesh([2, 4], ['x', 'y']).
    a size of zero
      ArgumentError: Mesh: sizes must be positive integers; got [0]. Leave out axes that have no devices.
    a name twice
      ArgumentError: Mesh: names must be distinct strings; got x, x. Name each axis once.
    sizes that are no list
      ArgumentError: Mesh: every axis must have a size and a name; got sizes 2 and names "x". Write new Mesh([2, 4], ['x', 'y']).
    a number of devices that is none
      ArgumentError: withConfig: hostDeviceCount must be a positive integer; got 0. Check the value.
    an axis twice in a spec
      ArgumentError: PartitionSpec: an axis of the mesh must cut one axis of the array; got 'x' twice. Take it out of one entry.
    an entry that is no name
      ArgumentError: PartitionSpec: entries must be names of mesh axes, lists of names, or null; got 0. Write P('x', null, ['x', 'y']).
    a name that the mesh does not have
      ArgumentError: NamedSharding: a spec must name axes of its mesh; got 'z' in P('z',) for Mesh('x': 2, 'y': 4). Use one of x, y."
  `);
});

test('specs', () => {
  const wrong = (inSpecs: unknown, outSpecs: unknown, f = same, x: Value = v): unknown =>
    shardMap(f, { mesh: grid, inSpecs: inSpecs as never, outSpecs: outSpecs as never })(x);
  const partly = (
    names: readonly string[],
    inSpecs: PartitionSpec,
    outSpecs: PartitionSpec,
    f = same,
  ): unknown =>
    shardMap(f, { mesh: grid, inSpecs, outSpecs, axisNames: new Set(names) })(np.ones([8, 8]));
  expect(
    reports({
      'no mesh': () => shardMap(same, { mesh: null as never, inSpecs: P(), outSpecs: P() }),
      'an option that does not exist': () =>
        shardMap(same, { mesh: grid, inSpecs: P(), outSpecs: P(), checkRep: false } as never),
      'sizes that do not divide': () => wrong(P(['x', 'y']), P('x'), same, np.arange(12)),
      'more entries than axes': () => wrong(P('x', 'y'), P('x')),
      'more entries than axes of a result': () => wrong(P('x'), P('x', null)),
      'an axis of a result that is a scalar': () => wrong(P('x'), P('x'), (x) => x.sum()),
      'an unknown name': () => wrong(P('x'), P('z')),
      'no spec': () => wrong(P('x'), null),
      'a string for a spec': () => wrong('x', P('x')),
      'an automatic axis in a spec': () => partly(['x'], P('x', 'y'), P('x')),
      "an automatic axis in a result's spec": () => partly(['x'], P('x'), P('y')),
      'an axis that the mesh does not have': () => partly(['x', 'z'], P('x'), P('x')),
      'axes that are no set': () =>
        shardMap(same, { mesh: grid, inSpecs: P(), outSpecs: P(), axisNames: ['x'] as never }),
      'a sum over an automatic axis': () => partly(['x'], P('x'), P('x'), (x) => lax.psum(x, 'y')),
      'a spread over an automatic axis': () =>
        vmap(
          shardMap(same, { mesh: grid, inSpecs: P(), outSpecs: P(), axisNames: new Set(['x']) }),
          {
            spmdAxisName: 'y',
          },
        )(v),
      'specs of another tree': () => wrong([P('x'), P()], P('x')),
      'specs of a tree that the result is not': () => wrong(P('x'), { a: P('x') }),
    }),
  ).toMatchInlineSnapshot(`
    "no mesh
      ArgumentError: shardMap: there must be a mesh; got null. Make one with new Mesh([2, 4], ['x', 'y']).
    an option that does not exist
      ArgumentError: shardMap: options must be among mesh, inSpecs, outSpecs, axisNames, checkVma; got checkRep. Check the spelling.
    sizes that do not divide
      ShapeError: shardMap: in args[0], an axis must be a multiple of the number of its blocks; got size 12 of axis 0 of shape [12] for 8 blocks (P(('x', 'y'),) over Mesh('x': 2, 'y': 4)). Pad the array, or change the spec.
    more entries than axes
      ShapeError: shardMap: in args[0], a spec must have at most one entry per axis; got P('x', 'y') for shape [8]. Shorten the spec, or give the array more axes.
    more entries than axes of a result
      ShapeError: shardMap: a spec must have at most one entry per axis; got P('x', None) for the result, whose blocks are i32[4]. Shorten the spec, or give the result more axes.
    an axis of a result that is a scalar
      ShapeError: shardMap: a spec must have at most one entry per axis; got P('x',) for the result, whose blocks are i32[]. Use P() for a result that all devices share, or give it an axis along which the blocks can be joined.
    an unknown name
      ArgumentError: NamedSharding: a spec must name axes of its mesh; got 'z' in P('z',) for Mesh('x': 2, 'y': 4). Use one of x, y.
    no spec
      TreeError: shardMap: outSpecs must be a PartitionSpec or a tree of those; got null. Write P('x', null), and P() for arrays that are not cut.
    a string for a spec
      TreeError: shardMap: inSpecs must be a PartitionSpec or a tree of those; got string x. Write P('x', null), and P() for arrays that are not cut.
    an automatic axis in a spec
      ArgumentError: shardMap: inSpecs must name axes that the function is mapped over; got 'y' in P('x', 'y') for axisNames x. Add it to axisNames, or take it out of the spec.
    an automatic axis in a result's spec
      ArgumentError: shardMap: outSpecs must name axes that the function is mapped over; got 'y' in P('y',) for axisNames x. Add it to axisNames, or take it out of the spec.
    an axis that the mesh does not have
      ArgumentError: shardMap: axisNames must be axes of the mesh; got 'x', 'z' for Mesh('x': 2, 'y': 4). Use some of x, y.
    axes that are no set
      ArgumentError: shardMap: axisNames must be a set of names; got a JavaScript array of 1. Write new Set(['x']).
    a sum over an automatic axis
      UnboundAxisError: psum: a named axis must be bound; got unbound axis name "y", where "x" can be used. Call it in a function that is mapped over the axis, as vmap(f, { axisName: "y" }) does.
    a spread over an automatic axis
      ArgumentError: vmap: spmdAxisName must name axes of the mesh of the shardMap inside; got 'y' for Mesh('x': 2, 'y': 4). Use one of x.
    specs of another tree
      TreeError: shardMap: inSpecs must be a prefix of the tree it belongs to; got [*, *] for [*] at the root. Give one entry for the whole, or one per child.
    specs of a tree that the result is not
      TreeError: shardMap: outSpecs must be a prefix of the tree it belongs to; got {'a': *} for * at the root. Give one entry for the whole, or one per child."
  `);
});

test('copies that are none', () => {
  const claim = (f: (x: Value) => Value, spec = P()): unknown =>
    shardMap(f, { mesh: grid, inSpecs: P(['x', 'y']), outSpecs: spec })(v);
  expect(
    reports({
      'a block': () => claim(same),
      'a sum over one of two axes': () => claim((x) => lax.psum(x, 'x')),
      'an axis that the spec forgets': () => claim(same, P('x')),
      'in jit': () => jit(claim as (f: (x: Value) => Value) => Value)(same as never),
    }),
  ).toMatchInlineSnapshot(`
    "a block
      ShapeError: shardMap: a result must be the same along the axes of the mesh that its spec does not name; got P() for the result, which may differ along 'x', 'y'. Name the axes in outSpecs, or reduce over them (lax.psum, lax.pmean); checkVma: false takes the block of the first device.
    a sum over one of two axes
      ShapeError: shardMap: a result must be the same along the axes of the mesh that its spec does not name; got P() for the result, which may differ along 'y'. Name the axes in outSpecs, or reduce over them (lax.psum, lax.pmean); checkVma: false takes the block of the first device.
    an axis that the spec forgets
      ShapeError: shardMap: a result must be the same along the axes of the mesh that its spec does not name; got P('x',) for the result, which may differ along 'y'. Name the axes in outSpecs, or reduce over them (lax.psum, lax.pmean); checkVma: false takes the block of the first device.
    in jit
      ShapeError: shardMap: a result must be the same along the axes of the mesh that its spec does not name; got P() for the result, which may differ along 'x', 'y'. Name the axes in outSpecs, or reduce over them (lax.psum, lax.pmean); checkVma: false takes the block of the first device."
  `);
});

test('spmdAxisName', () => {
  const spread = (f: (x: Value) => Value, spmdAxisName: string, size = 8): unknown =>
    vmap(shardMap(f, { mesh: grid, inSpecs: P('x'), outSpecs: P('x') }), { spmdAxisName })(
      np.ones([size, 8]),
    );
  expect(
    reports({
      'an axis that the specs use': () => spread(same, 'x'),
      'an axis that a collective uses': () => spread((x) => lax.psum(x, 'y'), 'y'),
      'an axis that the mesh does not have': () => spread(same, 'z'),
      'a size that does not divide': () => spread(same, 'y', 6),
    }),
  ).toMatchInlineSnapshot(`
    "an axis that the specs use
      ArgumentError: vmap: spmdAxisName must be free in the shardMap inside; got 'x', which its specs or collectives use. Spread the mapped axis over another axis of the mesh.
    an axis that a collective uses
      ArgumentError: vmap: spmdAxisName must be free in the shardMap inside; got 'y', which its specs or collectives use. Spread the mapped axis over another axis of the mesh.
    an axis that the mesh does not have
      ArgumentError: vmap: spmdAxisName must name axes of the mesh of the shardMap inside; got 'z' for Mesh('x': 2, 'y': 4). Use one of x, y.
    a size that does not divide
      ShapeError: shardMap: a mapped axis that spmdAxisName spreads must be a multiple of the number of devices; got size 6 for 4 devices along y. Pad the mapped axis, or leave out spmdAxisName."
  `);
});
