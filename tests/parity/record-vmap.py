"""Records from JAX what vmap.test.ts compares with ours: results of mapped programs, classes of errors, and jaxprs with collectives.
The programs are named after the tests of JAX (tests/batching_test.py, api_test.py, custom_api_test.py, lax_numpy_vectorize_test.py)
whose ideas they take; they have twins of the same name in vmap-programs.ts.

usage: pip install jax==0.10.2 && python3 tests/parity/record-vmap.py
"""
import json
import os
import pathlib
import re

os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=8"
import jax
import jax.numpy as jnp
import numpy as np
from jax import grad, jacfwd, jacrev, jit, jvp, lax, vjp, vmap

here = pathlib.Path(__file__).parent
rng = np.random.RandomState(0)
R = lambda *shape: rng.randn(*shape).astype(np.float32)
A = lambda *shape: np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
I = lambda *shape: np.arange(np.prod(shape), dtype=np.int32).reshape(shape)

programs = {}


def program(name, *args):
    def add(f):
        assert name not in programs, name
        programs[name] = (f, args)
        return f

    return add


def add(name, f, *args):
    program(name, *args)(f)


# --- batching_test.py ----------------------------------------------------------------------------------------------------------
add("testConstantFunction", vmap(lambda x: 3.0), np.ones(4, np.float32))
add("testNestedBatchingMatMat", vmap(vmap(jnp.vdot, in_axes=(0, None)), in_axes=(None, 1), out_axes=1), R(4, 3), R(3, 2))


@program("testPerExampleGradients", R(2, 3), R(2), R(4, 2), R(4), R(5, 3), R(5, 4))
def _(w1, b1, w2, b2, inputs, targets):
    def predict(params, x):
        for w, b in params:
            out = jnp.dot(w, x) + b
            x = jnp.tanh(out)
        return out

    loss = lambda params, x, y: jnp.sum((predict(params, x) - y) ** 2)
    return vmap(grad(loss), in_axes=(None, 0, 0))([[w1, b1], [w2, b2]], inputs, targets)


@program("testJacobians", R(4, 3), R(4), R(3))
def _(a, b, x):
    f = lambda x: jnp.tanh(jnp.dot(a, x) + b)
    y, pullback = vjp(f, x)
    (back,) = vmap(pullback, out_axes=1)(jnp.eye(4))
    y, forward = vmap(lambda v: jvp(f, (x,), (v,)), out_axes=(None, 0))(jnp.eye(3))
    return back, y, forward


add("testBatchOfCompile", jit(vmap(jit(lambda x: x + x))), A(3))
add("testSliceLax", vmap(lambda x: lax.slice(x, (2,), (4,))), R(5, 10))
add("testSliceNumpy", vmap(lambda x: x[:, 2]), R(2, 5, 3, 2))
add("testRevLax", lambda x: (vmap(lambda y: lax.rev(y, [0]))(x), vmap(lambda y: lax.rev(y, [0]), (1,), 1)(x)), R(2, 3))
add("testNpMaximum", vmap(lambda x: jnp.maximum(x, 0.0)), R(3, 5, 2))
add("testNpGtrThan", vmap(lambda x: x > 0.5), R(3, 5, 2))
add("testNpMaximumPerExampleGrad", vmap(grad(lambda w, x: jnp.sum(jnp.maximum(jnp.dot(x, w), 0.0) ** 2)), (None, 0)), R(5, 5), R(4, 5))
for i, (axes, x, y) in enumerate([((2, 1), R(3, 4, 6, 5), R(3, 6, 5, 2)), ((3, None), R(3, 4, 5, 6), R(3, 5, 2)), ((None, 2), R(3, 4, 5), R(3, 5, 6, 2))]):
    add(f"testDotGeneral {i}", vmap(lambda x, y: lax.dot_general(x, y, [((2,), (1,)), ((0,), (0,))]), in_axes=axes), x, y)
add("testPad", vmap(lambda x: lax.pad(x, np.float32(0), [(1, 2, 1), (0, 1, 0)])), R(4, 3, 2))
add("testConcatenate", vmap(lambda *xs: lax.concatenate(xs, dimension=0), in_axes=(0, 1, None)), R(5, 2, 3), R(1, 5, 3), R(4, 3))
add("testHessian", jax.hessian(lambda x: jnp.sum(jnp.power(jnp.maximum(x, 0.0), 2))), np.array([-1.0, -0.5, 0.25, 0.5, 1.0], np.float32))
add("testDynamicSlice", vmap(lambda x, i: x[i]), I(10, 3), np.array([0, 1, 2, 1, 0] * 2, np.int32))
add("testDynamicSlice, shared array", vmap(lambda x, i: x[i], in_axes=(None, 0)), I(3), np.array([0, 1, 2, 1, 0], np.int32))
add("testDynamicUpdateSlice", vmap(lambda x, y, i: lax.dynamic_update_index_in_dim(x, y, i, axis=0), in_axes=(None, 0, 0)), R(3), R(5), np.array([0, 1, 2, 1, 0], np.int32))
add("testRandom", vmap(lambda key: jax.random.bits(key, (3,), "uint32")), np.asarray(jax.random.key_data(jax.random.split(jax.random.key(0), 4))))
programs["testRandom"] = (lambda data: vmap(lambda key: jax.random.bits(key, (3,), "uint32"))(jax.random.wrap_key_data(data)), programs["testRandom"][1])
add("testSort", lambda v: [vmap(lambda x: lax.sort(x, dimension=0))(v), vmap(lambda x: lax.sort(x, dimension=0), (1,), 1)(v)], I(3, 4)[::-1, ::-1].copy())
add("testTransposePermutation", vmap(lambda x: jnp.transpose(x, (1, 2, 0)), in_axes=2), I(3, 4, 6, 5))
add("testCumProd", vmap(lambda x: jnp.cumprod(x, axis=0)), R(4, 3, 2))
add("testEmptyTuples", vmap(lambda x, _: (x + 1, ())), A(2), ())
add("testIndexAddBatchedIndexesOnly", vmap(lambda x, i, y: x.at[i].add(y), (None, 0, None)), np.zeros(10, np.float32), I(10), np.float32(1))
add("testNegativeAxes", lambda x: [vmap(jnp.sum, in_axes=-1)(x), vmap(lambda y: y, out_axes=-2)(x), vmap(lambda y: y, in_axes=-2, out_axes=-1)(x)], A(3, 4, 5))
add("testNegativeAxes, constant result", vmap(lambda *xs: xs, in_axes=(0, None), out_axes=(0, -1)), A(5), np.float32(7))

collectives = {"psum": lax.psum, "pmax": lax.pmax, "pmin": lax.pmin}
for op, names, used in [("psum", ["i"], ["i"]), ("psum", ["i", "j"], ["i", "j"]), ("psum", ["i", "j"], ["j", "i"]), ("psum", ["j", "i"], ["i"]),
                        ("pmax", ["i", "j"], ["j", "i"]), ("pmin", ["i", "j"], ["j"])]:
    f = lambda x, op=op, used=used: x - collectives[op](x, tuple(used))
    for n in names:
        f = vmap(f, axis_name=n)
    add(f"testCommAssocCollective {op} {','.join(names)} {','.join(used)}", f, A(3, 4, 5))
add("testPPermute", vmap(lambda x: x - lax.ppermute(x, "i", [(0, 3), (1, 0), (2, 4), (3, 1), (4, 2)]), axis_name="i"), A(5))
add("testPshuffle", vmap(lambda x: lax.pshuffle(x, "i", [2, 0, 3, 1]), axis_name="i", in_axes=1), A(2, 4))
for split, concat, axis in [(0, 0, 0), (0, 1, 0), (1, 0, 2), (1, 1, 1), (0, 1, 2), (1, 0, 0)]:
    add(f"testAllToAll {split} {concat} {axis}", vmap(lambda x, s=split, c=concat: lax.all_to_all(x, "i", s, c), in_axes=axis, axis_name="i"), A(4, 4, 4))
add("testAllToAll tiled", vmap(lambda x: lax.all_to_all(x, "i", 0, 1, tiled=True), axis_name="i"), A(2, 4, 3))
add("testAxisIndex", vmap(lambda x: x - lax.axis_index("i"), axis_name="i"), I(10))
add("testVmapAxisIndexTuple", vmap(vmap(lambda x: lax.axis_index(("i", "j")) + x, axis_name="j"), axis_name="i"), I(3, 4))
add("testAllGatherToUnmapped", vmap(lambda x: lax.all_gather(x, axis_name="i"), axis_name="i", in_axes=1, out_axes=None), A(3, 5))
add("testBatchedAllGather", vmap(vmap(lambda x: lax.all_gather(x, axis_name="i"), axis_name="i", out_axes=None), axis_name="j"), A(3, 5))
add("testBatchedAllGather, other order", vmap(vmap(lambda x: lax.all_gather(x, axis_name="j"), axis_name="i"), axis_name="j", out_axes=None), A(3, 5))
add("testAllGatherTiled", vmap(lambda x: lax.all_gather(x, axis_name="i", axis=1, tiled=True), axis_name="i", in_axes=1), A(2, 3, 4))
add("testAllGatherVjp", vmap(lambda x, ct: vjp(lambda v: lax.all_gather(v, axis_name="i"), x)[1](ct)[0], axis_name="i"), R(3, 4), R(3, 3, 4))
add("testAllGatherOfConst", vmap(lambda x: lax.all_gather(jnp.ones_like(x), axis_name="i"), axis_name="i", in_axes=1, out_axes=None), A(3, 5))
add("testReduceScatterBatched", vmap(lambda x: lax.psum_scatter(x, "i"), axis_name="i"), R(3, 3, 2))
add("testReduceScatterTiled", vmap(lambda x: lax.psum_scatter(x, "i", scatter_dimension=1, tiled=True), axis_name="i", in_axes=2), R(2, 6, 3))
add("testReduceScatterVjp", vmap(lambda x, ct: vjp(lambda v: lax.psum_scatter(v, "i"), x)[1](ct)[0], axis_name="i"), R(3, 3, 2), R(3, 2))
add("testPsumOfConst", vmap(lambda x: (lax.psum(jnp.float32(2), "i"), x * lax.axis_size("i")), axis_name="i", out_axes=(None, 0)), A(4))
add("testPositionalPsum", vmap(lambda x: lax.psum(x, ("i", 0)), axis_name="i", out_axes=None), R(3, 4, 2))
add("testPmean", vmap(lambda x: lax.pmean(x, "i"), axis_name="i"), I(4))
add("testVmapKwargs, nested trees", vmap(lambda t: {"s": lax.psum(t, "i"), "m": lax.pmean(t["a"], "i")}, axis_name="i"), {"a": A(3), "b": [A(3, 2), np.array([True, False, True])]})

# Derivatives through collectives.
square = lambda x: lax.psum(x * x, "i")
add("testPsumGrad", vmap(grad(square), axis_name="i"), A(4))
add("testPsumGrad outside", grad(lambda x: jnp.sum(vmap(square, axis_name="i")(x))), A(4))
add("testPsumGrad of a mean", vmap(grad(lambda x: lax.pmean(jnp.sin(x), "i") * x), axis_name="i"), R(4))
add("testPsumSecondGrad", vmap(grad(grad(lambda x: lax.psum(x * x * x, "i"))), axis_name="i"), R(4))
add("testPsumJvp", vmap(lambda x, t: jvp(lambda v: v * lax.psum(jnp.sin(v), "i"), (x,), (t,)), axis_name="i"), R(4), R(4))
add("testPsumJacrev", vmap(jacrev(lambda x: lax.psum(jnp.sin(x), "i")), axis_name="i"), R(3, 2))
add("testPsumJacfwd", vmap(jacfwd(lambda x: lax.psum(jnp.sin(x), "i")), axis_name="i"), R(3, 2))
add("testPermuteGrad", vmap(grad(lambda x: lax.ppermute(x, "i", [(0, 1), (1, 2), (2, 0)]) * x), axis_name="i"), R(3))
add("testAllGatherGrad", vmap(grad(lambda x: jnp.sum(lax.all_gather(x, "i") * x)), axis_name="i"), R(3))
add("testPsumScatterGrad", vmap(grad(lambda x: jnp.sum(lax.psum_scatter(x * x, "i"))), axis_name="i"), R(3, 3))
add("testAllToAllGrad", vmap(grad(lambda x: jnp.sum(lax.all_to_all(x, "i", 0, 0) * x)), axis_name="i"), R(3, 3))

# Collectives inside other transformations and control flow.
add("testCollectiveInJit", vmap(jit(square), axis_name="i"), A(4))
add("testCollectiveInJitOutside", jit(vmap(jit(lambda x: x / lax.psum(x, "i")), axis_name="i")), A(4) + 1)
add("testCollectiveInScan", vmap(lambda x, ys: lax.scan(lambda c, y: (c + lax.psum(y * x, "i"), lax.pmax(c, "i")), x, ys), axis_name="i", in_axes=(0, None)), A(3), A(4))
add("testCollectiveInScanGrad", vmap(grad(lambda x, ys: lax.scan(lambda c, y: (jnp.sin(c) + lax.psum(y * c, "i"), None), x, ys)[0]), axis_name="i", in_axes=(0, None)), R(3), R(4))
add("testCollectiveInCond", vmap(lambda p, x: lax.cond(p > 0, lambda y: lax.psum(y, "i"), lambda y: y, x), axis_name="i", in_axes=(None, 0)), np.int32(1), A(3))
add("testCollectiveInCondPerLane", vmap(lambda p, x: lax.cond(p > 0, lambda y: lax.psum(y, "i"), lambda y: y, x), axis_name="i"), np.array([1, 0, 1], np.int32), A(3))
add("testCollectiveInWhile", vmap(lambda x: lax.while_loop(lambda c: lax.psum(c, "i") < 40.0, lambda c: c + lax.axis_index("i") + 1, x), axis_name="i"), A(3))
add("testCollectiveInCheckpoint", vmap(grad(jax.checkpoint(lambda x: jnp.sin(lax.psum(jnp.sin(x), "i")) * x)), axis_name="i"), R(3))
add("testAxisIndexInClosedScan", vmap(lambda x: lax.scan(lambda c, _: (c + lax.axis_index("i"), c), 0, None, length=3)[1], axis_name="i"), A(2))
add("testShadowedName", vmap(lambda x: lax.psum(vmap(lambda y: lax.psum(y, "i"), axis_name="i")(x), "i"), axis_name="i"), A(2, 3))


def custom(f, fwd, bwd):
    g = jax.custom_vjp(f)
    g.defvjp(fwd, bwd)
    return g


add("testCollectiveInCustomVjp", vmap(grad(custom(lambda x: lax.psum(x, "i"), lambda x: (lax.psum(x, "i"), x), lambda x, ct: (lax.pmax(x, "i") * ct,))), axis_name="i"), R(3))


@program("testCollectiveInCustomJvp", R(3))
def _(x):
    f = jax.custom_jvp(lambda x: lax.psum(x, "i"))
    f.defjvp(lambda ps, ts: (f(ps[0]), 3.0 * lax.psum(ts[0], "i")))
    return vmap(grad(f), axis_name="i")(x)


# --- api_test.py ---------------------------------------------------------------------------------------------------------------
add("test_vmap_in_axes_list", vmap(lambda d, x, y: d["a"] + d["b"] + x + y, [None, 0, 0]), {"a": np.float32(5), "b": np.ones(2, np.float32)}, A(3), A(3))
add("test_vmap_in_axes_tree", vmap(lambda d: d["a"] * d["b"], in_axes=({"a": None, "b": 1},)), {"a": np.float32(5), "b": A(2, 3)})
add("test_vmap_out_axes_tree", vmap(lambda x: {"a": x, "b": 2.0}, out_axes={"a": 1, "b": None}), A(2, 3))
add("test_vmap_unbatched_object_passthrough_issue_183", lambda x: vmap(lambda f, y: f(y), (None, 0))(lambda y: y + 1, x), A(3))
add("test_vmap_axis_size", lambda: vmap(lambda: lax.axis_index("i"), axis_size=3, axis_name="i")())
add("test_vmap_zero_size", vmap(lambda x: (jnp.sin(x), lax.psum(x, "i")), axis_name="i", out_axes=(0, None)), np.zeros((0, 3), np.float32))
add("test_vmap_of_jit_with_static", lambda x: vmap(jit(lambda y, n: y * n, static_argnums=1), in_axes=(0, None))(x, 3.0), A(3))

# --- custom_api_test.py --------------------------------------------------------------------------------------------------------


def custom_vmap(f, rule):
    g = jax.custom_batching.custom_vmap(f)
    g.def_vmap(rule)
    return g


sin_cos = lambda: custom_vmap(lambda x: jnp.sin(x), lambda n, b, x: (jnp.cos(x), b[0]))
times = lambda: custom_vmap(lambda x, y: jnp.sin(x) * y, lambda n, b, x, y: (jnp.cos(x) * (y if b[1] else y + 1), True))
both = lambda t, n: t if t.ndim else jnp.broadcast_to(t, (n,))
add("CustomVmap test_basic", lambda x: (sin_cos()(x), vmap(sin_cos())(x)), R(3))
add("CustomVmap test_jit", jit(vmap(jit(sin_cos()))), R(3))
add("CustomVmap test_in_batched", lambda x, y: (vmap(times())(x, x), vmap(times(), (0, None))(x, y)), R(3), np.float32(2))
add("CustomVmap test_nested", vmap(vmap(sin_cos())), R(2, 3))
add("CustomVmap test_rule_io_pytrees", vmap(custom_vmap(lambda t: {"s": t["a"] + t["b"], "d": t["b"]}, lambda n, b, t: ({"s": t["a"] * 10 + t["b"], "d": t["b"]}, {"s": True, "d": b[0]["b"]})), ({"a": 0, "b": None},)), {"a": A(3), "b": np.float32(1)})
add("CustomVmap test_jvp_basic", lambda x, t: jvp(vmap(sin_cos()), (x,), (t,)), R(3), R(3))
add("CustomVmap test_jvp_of_rule", vmap(lambda x, t: jvp(sin_cos(), (x,), (t,))), R(3), R(3))
add("CustomVmap test_scan", vmap(lambda x: lax.scan(lambda c, _: (sin_cos()(c), c), x, None, length=3)), R(3))
add("CustomVmap test_grad_of_vmap", grad(lambda x: jnp.sum(vmap(sin_cos())(x))), R(3))
add("SequentialVmap test_basic", vmap(jax.custom_batching.sequential_vmap(lambda x: x + 1)), A(3))
add("SequentialVmap test_mixed", vmap(jax.custom_batching.sequential_vmap(lambda t, y: (t[0] * y, t[1])), ((0, None), 1)), (A(2), np.float32(3)), A(3, 2))
add("SequentialVmap test_nested", vmap(vmap(jax.custom_batching.sequential_vmap(lambda x, y: x * y), (0, None)), (None, 0)), A(2), A(3))

# --- lax_numpy_vectorize_test.py -----------------------------------------------------------------------------------------------
matvec = jnp.vectorize(jnp.dot, signature="(n,m),(m)->(n)")
add("vectorize test_matvec", lambda x, y: [matvec(x, y), matvec(x[0], y), matvec(x[:, None], y[None])], R(2, 3, 4), R(4))
add("vectorize test_matmat", jnp.vectorize(jnp.dot, signature="(n,m),(m,k)->(n,k)"), R(2, 1, 3, 4), R(5, 4, 2))
add("vectorize test_vecvec", jnp.vectorize(jnp.dot, signature="(m),(m)->()"), R(2, 3), R(3))
add("vectorize test_mean", jnp.vectorize(jnp.mean, signature="(n)->()"), R(2, 3, 4))
add("vectorize test_center", jnp.vectorize(lambda a: (a - jnp.mean(a), jnp.mean(a)), signature="(n)->(n),()"), R(1, 2, 3))
add("vectorize test_scalar", jnp.vectorize(lambda a, b: jnp.stack([a, b])), R(3, 1), R(2))
add("vectorize test_exclude", lambda x: jnp.vectorize(lambda f, x: f(x), excluded=[0])(jnp.sum, x), R(3))
add("vectorize test_broadcast_ones", jnp.vectorize(lambda a, b: a + b), R(1, 3, 1), R(2, 1, 1, 1))
add("vectorize test_none", lambda x: jnp.vectorize(lambda a, b: a if b is None else a + b)(x, None), R(3))


def leaf(x):
    x = np.asarray(jnp.asarray(x))
    values = x.reshape(-1).tolist()
    # The fewest digits that tell a float from its neighbours.
    shortest = [float(str(v)) for v in x.reshape(-1)] if x.dtype == np.float32 else values
    return {"dtype": x.dtype.name, "shape": list(x.shape), "values": shortest}


record = {"programs": {}}
for name, (f, args) in programs.items():
    result = f(*jax.tree.map(jnp.asarray, args))
    record["programs"][name] = {"args": [leaf(x) for x in jax.tree.leaves(args)], "result": [leaf(x) for x in jax.tree.leaves(result)]}

# --- a mesh of 2 × 4 devices: what vmap does not do in JAX (several names, groups, permutations with holes) is recorded from there --
mesh = jax.make_mesh((2, 4), ("i", "j"), axis_types=(jax.sharding.AxisType.Auto,) * 2)
half, cross = [[0, 2], [1, 3]], [[3, 1], [0, 2]]
holes = [(0, 3), (1, 0), (3, 7), (6, 1), (7, 2)]
exchanges = {
    "psum of names": (lambda x: lax.psum(x, ("j", "i")), (2, 3)),
    "psum in groups": (lambda x: lax.psum(x, "j", axis_index_groups=half), (2, 3)),
    "all_gather of names": (lambda x: lax.all_gather(x, ("i", "j"), axis=1), (2, 3)),
    "all_gather of names tiled": (lambda x: lax.all_gather(x, ("j", "i"), axis=1, tiled=True), (2, 3)),
    "all_gather in groups": (lambda x: lax.all_gather(x, "j", axis_index_groups=cross, axis=1), (2, 3)),
    "psum_scatter of names": (lambda x: lax.psum_scatter(x, ("i", "j"), scatter_dimension=1), (2, 8)),
    "psum_scatter of names tiled": (lambda x: lax.psum_scatter(x, ("j", "i"), tiled=True), (16, 2)),
    "psum_scatter in groups": (lambda x: lax.psum_scatter(x, "j", axis_index_groups=half, tiled=True), (4, 3)),
    "all_to_all of names": (lambda x: lax.all_to_all(x, ("i", "j"), 1, 0, tiled=True), (2, 16)),
    "all_to_all of other names": (lambda x: lax.all_to_all(x, ("j", "i"), 0, 1), (8, 3)),
    "all_to_all in groups": (lambda x: lax.all_to_all(x, "j", 0, 1, axis_index_groups=cross, tiled=True), (4, 3)),
    "ppermute with holes": (lambda x: lax.ppermute(x, "j", [(0, 2), (3, 1)]), (2,)),
    # Names stand in the order of the mesh: on devices JAX numbers the members in that order, however they are named.
    "ppermute of names": (lambda x: lax.ppermute(x, ("i", "j"), holes), (2,)),
    "axis_index of names": (lambda x: x + lax.axis_index(("j", "i")), ()),
    "pmean of names": (lambda x: lax.pmean(x, ("i", "j")), (3,)),
}
pmap2 = lambda f: jax.shard_map(lambda *xs: f(*[x[0, 0] for x in xs])[None, None], mesh=mesh, in_specs=jax.P("i", "j"), out_specs=jax.P("i", "j"), check_vma=False)
whole = lambda *shape: rng.randint(-9, 10, shape).astype(np.float32)
record["mesh"] = {}
for name, (f, shape) in exchanges.items():
    x = whole(2, 4, *shape)
    y = pmap2(f)(x)
    ct = whole(*y.shape)
    # JAX's transpose of an all_to_all that is not tiled gives another shape.
    back = None if name == "all_to_all of other names" else pmap2(lambda x, ct: vjp(f, x)[1](ct)[0])(x, ct)
    record["mesh"][name] = {"args": [leaf(x), leaf(ct)], "result": [leaf(y)] + ([] if back is None else [leaf(back)])}

# --- errors: the class that JAX raises -----------------------------------------------------------------------------------------
x, m = A(3), A(2, 3)
errors = {
    "test_vmap_in_axes_tree_prefix_error": lambda: vmap(lambda x: x, in_axes=(0, 0))(x),
    "test_vmap_in_axes_leaf_types": lambda: vmap(lambda x: x, in_axes=("a",))(x),
    "test_vmap_out_axes_leaf_types": lambda: vmap(lambda x: x, out_axes="a")(x),
    "test_vmap_mismatched_axis_sizes_error_message_issue_705": lambda: vmap(lambda a, b: a + b)(A(3), A(4)),
    "test_vmap_out_of_range": lambda: vmap(jnp.sum, in_axes=-4)(m),
    "test_vmap_out_axes_out_of_range": lambda: vmap(lambda x: x, out_axes=-4)(m),
    "test_vmap_nothing_mapped": lambda: vmap(lambda x: x, in_axes=None)(x),
    "test_vmap_out_axes_none": lambda: vmap(lambda x: x, out_axes=None)(x),
    "unbound psum": lambda: lax.psum(x, "i"),
    "unbound axis_index": lambda: lax.axis_index("i"),
    "unbound axis_size": lambda: lax.axis_size("i"),
    "unbound in jit": lambda: jit(lambda x: lax.all_gather(x, "i"))(x),
    "unbound beside a bound name": lambda: vmap(lambda x: lax.pmax(x, "j"), axis_name="i")(x),
    "all_to_all of another size": lambda: vmap(lambda x: lax.all_to_all(x, "i", 0, 0), axis_name="i")(m),
    "psum_scatter of another size": lambda: vmap(jit(lambda x: lax.psum_scatter(x, "i")), axis_name="i")(m),
    "pshuffle of no permutation": lambda: vmap(lambda x: lax.pshuffle(x, "i", [0, 0, 1]), axis_name="i")(x),
    "vectorize bad signature": lambda: jnp.vectorize(jnp.dot, signature="(n,(m)->()")(x, x),
    "vectorize missing core axes": lambda: matvec(x, x),
    "vectorize sizes of core axes": lambda: matvec(m, A(4)),
    "vectorize wrong result": lambda: jnp.vectorize(lambda a: a, signature="(n)->()")(x),
    "vectorize argument count": lambda: matvec(x),
    "custom_vmap wrong tree": lambda: vmap(custom_vmap(lambda x: x, lambda n, b, x: ([x, x], True)))(x),
}
record["errors"] = {}
for name, f in errors.items():
    try:
        f()
    except Exception as e:
        record["errors"][name] = type(e).__name__
    else:
        raise AssertionError(name)

# --- jaxprs: collectives with names and after vmap -----------------------------------------------------------------------------
env = [("i", 4), ("j", 2)]
v, w = np.zeros(4, np.float32), np.zeros((4, 4), np.float32)
jaxprs = {
    "psum": (lambda x: lax.psum(x, "i"), v),
    "psum of names and positions": (lambda x: lax.psum(x, ("i", 0, "j")), v),
    "psum in groups": (lambda x: lax.psum(x, "i", axis_index_groups=[[0, 1], [2, 3]]), v),
    "psum of bools": (lambda x: lax.psum(x, "i"), np.zeros(4, bool)),
    "pmean": (lambda x: lax.pmean(x, ("i", "j")), v),
    "pmean of integers": (lambda x: lax.pmean(x, "i"), np.zeros(4, np.int32)),
    "pmax": (lambda x: lax.pmax(x, "i"), v),
    "pmin": (lambda x: lax.pmin(x, "i"), v),
    "all_gather": (lambda x: lax.all_gather(x, ("i", "j"), axis=-1), v),
    "all_gather tiled": (lambda x: lax.all_gather(x, "i", tiled=True), v),
    "psum_scatter": (lambda x: lax.psum_scatter(x, "i"), v),
    "psum_scatter tiled": (lambda x: lax.psum_scatter(x, "j", scatter_dimension=1, tiled=True), w),
    "all_to_all": (lambda x: lax.all_to_all(x, "i", 0, 1), w),
    "all_to_all tiled": (lambda x: lax.all_to_all(x, ("j",), 0, 1, tiled=True), w),
    "ppermute": (lambda x: lax.ppermute(x, "i", [(0, 1), (1, 2)]), v),
    "pshuffle": (lambda x: lax.pshuffle(x, "j", [1, 0]), v),
    "axis_index": (lambda x: lax.axis_index("i"), v),
    "axis_index of names": (lambda x: lax.axis_index(("i", "j")), v),
    "axis_size": (lambda x: x * lax.axis_size(("i", "j")), v),
    "vmap psum": (vmap(lambda x: lax.psum(x, "k"), axis_name="k"), v),
    "vmap psum of names": (vmap(lambda x: lax.psum(x, ("k", "i")), axis_name="k"), v),
    "vmap psum beside": (vmap(lambda x: lax.psum(x, ("i", 0))), w),
    "vmap pmax": (vmap(lambda x: lax.pmax(x, "k"), axis_name="k"), v),
    "vmap axis_index": (vmap(lambda x: lax.axis_index("k"), axis_name="k"), v),
    "vmap all_gather beside": (vmap(lambda x: lax.all_gather(x, "i"), axis_name="k"), v),
    "vmap all_to_all": (vmap(lambda x: lax.all_to_all(x, "k", 0, 0), axis_name="k"), w),
    "vmap psum_scatter": (vmap(lambda x: lax.psum_scatter(x, "k"), axis_name="k"), w),
    "vmap jit psum": (vmap(jit(lambda x: lax.psum(x * x, "k")), axis_name="k"), v),
}
record["jaxprs"] = {name: re.sub(r"np\.int64\((-?\d+)\)", r"\1", str(jax.make_jaxpr(f, axis_env=env)(x))) for name, (f, x) in jaxprs.items()}

# One line per entry: the file is read by people when it changes.
parts = [f" {json.dumps(part)}: {{\n" + ",\n".join(f"  {json.dumps(k)}: {json.dumps(e)}" for k, e in entries.items()) + "\n }" for part, entries in record.items()]
(here / "vmap.json").write_text("{\n" + ",\n".join(parts) + "\n}\n")
print({name: len(part) for name, part in record.items()})
