"""Records from JAX, on eight host devices, what shard.test.ts compares with ours: results of functions over meshes, and the classes
of errors. The programs have twins of the same name in shard-programs.ts.

usage: pip install jax==0.10.2 && python3 tests/parity/record-shard.py
"""
import json
import os
import pathlib

os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=8"
import jax
import jax.numpy as jnp
import numpy as np
from jax import grad, jit, jvp, lax, shard_map, vjp, vmap
from jax.sharding import Mesh
from jax.sharding import PartitionSpec as P

here = pathlib.Path(__file__).parent
rng = np.random.RandomState(0)
R = lambda *shape: np.asarray(rng.randn(*shape), np.float32)
A = lambda *shape: np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
I = lambda *shape: np.arange(np.prod(shape), dtype=np.int32).reshape(shape)

devices = np.array(jax.devices())
line = Mesh(devices, ("i",))
grid = Mesh(devices.reshape(2, 4), ("x", "y"))


def over(mesh, in_specs, out_specs, **options):
    return lambda f: shard_map(f, mesh=mesh, in_specs=in_specs, out_specs=out_specs, **options)


programs = {}


def program(name, *args):
    def add(f):
        assert name not in programs, name
        programs[name] = (f, args)
        return f

    return add


def add(name, f, *args):
    program(name, *args)(f)


# --- what devices do together --------------------------------------------------------------------------------------------------
psum_matmul = over(grid, (P("x", "y"), P("y", None)), P("x", None))(lambda a, b: lax.psum(a @ b, "y"))
gather_matmul = over(line, (P("i", None), P(None, "i")), P(None, "i"))(lambda a, b: lax.all_gather(a, "i", tiled=True) @ b)
add("psum matmul", psum_matmul, R(4, 8), R(8, 3))
add("psum matmul compiled", jit(psum_matmul), R(4, 8), R(8, 3))
add("all_gather matmul", gather_matmul, R(8, 5), R(5, 16))
ring = [(i, (i + 1) % 8) for i in range(8)]
around = [(i, (i + 1) % 4) for i in range(4)]


@program("ring matmul", R(8, 16), R(16, 3))
@over(line, (P("i", None), P("i", None)), P("i", None))
def ring_matmul(a, b):
    at = lax.axis_index("i")

    def step(k, state):
        total, b = state
        part = lax.dynamic_slice_in_dim(a, ((at - k) % 8) * 2, 2, 1)
        return total + part @ b, lax.ppermute(b, "i", ring)

    total = lax.pcast(jnp.zeros((1, 3), np.float32), "i", to="varying")
    return lax.fori_loop(0, 8, step, (total, b))[0]


add("ring gradient", lambda a, b: grad(lambda b: jnp.sum(jnp.sin(over(line, (P(None, "i"), P("i")), P("i"))(lambda a, b: lax.ppermute(a.T @ a @ b, "i", ring))(a, b))))(b), R(4, 16), R(16, 3))
add("psum_scatter", over(line, P("i", None), P(None, "i"))(lambda x: lax.psum_scatter(x, "i", scatter_dimension=1, tiled=True)), R(8, 16))
add("psum_scatter not tiled", over(grid, P("y", None), P(("x", "y")), check_vma=False)(lambda x: lax.psum_scatter(x[0], "y", scatter_dimension=0)[None]), R(4, 4))
add("all_to_all transpose", over(line, P("i", None), P(None, "i"))(lambda x: lax.all_to_all(x, "i", 1, 0, tiled=True)), A(8, 16))
add("axis_index", over(grid, P("x", "y"), P("x", "y"))(lambda x: x + 10 * lax.axis_index("x") + 100 * lax.axis_index("y")), I(2, 4))
add("axis_index of names", over(grid, P(("x", "y")), P(("x", "y")))(lambda x: x * lax.axis_index(("x", "y")) + lax.axis_size(("x", "y"))), I(16))
add("pmax pmin pmean", over(grid, P("x", "y"), (P("x"), P(None, "y"), P()))(lambda x: (lax.pmax(x[:, 0], "y"), lax.pmin(x, "x"), lax.pmean(x, ("x", "y")))), R(4, 8))
add("ppermute with holes", over(grid, P("x", "y"), P("x", "y"))(lambda x: lax.ppermute(x, "y", [(0, 2), (3, 1)])), A(2, 4))
add("pshuffle", over(line, P("i"), P("i"))(lambda x: lax.pshuffle(x, "i", [3, 2, 1, 0, 7, 6, 5, 4])), I(8))
add("groups", over(line, P("i"), P("i"), check_vma=False)(lambda x: lax.psum(x, "i", axis_index_groups=[[0, 3, 5, 6], [1, 2, 4, 7]])), A(8))

# --- specs ---------------------------------------------------------------------------------------------------------------------
add("orders of names", lambda x: (over(grid, P(("x", "y")), P(("y", "x")))(lambda x: x)(x), over(grid, P(("y", "x")), P("y", "x"))(lambda x: x[:, None])(x)), I(8))
add("another layout", over(grid, P("y", None, "x"), P(None, ("x", "y")))(lambda x: x.reshape(3, -1)), I(4, 3, 4))
add("short specs", over(grid, P("x"), P("x"))(lambda x: x.sum(1)), R(2, 3, 4))
add("a tree", lambda w, x: over(grid, ({"w": P("x"), "b": P()}, P(None, "x")), {"y": P("y"), "z": [P()]}, check_vma=False)(lambda p, x: {"y": x @ p["w"] + p["b"], "z": [lax.psum(p["w"].sum(), "x")]})({"w": w, "b": w[0]}, x), R(4, 3), R(5, 4))
add("not cut", over(grid, P(), P())(lambda x: jnp.sin(x)), R(3))
add("constant results", over(grid, P("x"), (P("x", "y"), P()))(lambda x: (jnp.ones((2, 3)), 3.0)), R(2))
add("no operand", lambda: over(grid, (), P("x", "y"))(lambda: lax.axis_index("y")[None, None])())
add("zero size", over(grid, P("x", None), P("x"))(lambda x: lax.psum(x.sum(1), "y")), R(0, 3))
add("captured", lambda w, x: over(line, P("i"), P("i"))(lambda x: x @ w)(x), R(3, 2), R(8, 3))
add("unchecked", over(grid, P(("x", "y")), P("y"), check_vma=False)(lambda x: x * 2), A(8))

# --- derivatives ---------------------------------------------------------------------------------------------------------------
scaled = over(grid, P("x", "y"), P())(lambda x: lax.psum(jnp.sum(jnp.sin(x)), ("x", "y")))
add("grad through psum", grad(lambda x: jnp.exp(scaled(x) * 0.1)), R(4, 8))


def loss(params, xs, ys, check=True):
    @over(line, (P(), P("i"), P("i")), P(), check_vma=check)
    def parallel(params, x, y):
        w, v = params
        return lax.pmean(jnp.mean((jnp.tanh(x @ w) @ v - y) ** 2), "i")

    return parallel(params, xs, ys)


add("data-parallel loss", lambda w, v, x, y: jax.value_and_grad(loss)((w, v), x, y), R(3, 5), R(5), R(16, 3), R(16))
add("data-parallel loss compiled", lambda w, v, x, y: jit(grad(lambda p: loss(p, x, y, False)))((w, v)), R(3, 5), R(5), R(16, 3), R(16))
add("gradient of a gather", lambda a, b: grad(lambda a, b: jnp.sum(gather_matmul(a, b) ** 2), argnums=(0, 1))(a, b), R(8, 5), R(5, 16))
add("gradient of a scatter", lambda x: grad(lambda x: jnp.sum(jnp.sin(over(line, P("i", None), P(None, "i"))(lambda x: lax.psum_scatter(x, "i", scatter_dimension=1, tiled=True))(x))))(x), R(8, 16))
add("gradient of all_to_all", lambda x, c: vjp(over(line, P("i", None), P(None, "i"))(lambda x: lax.all_to_all(jnp.sin(x), "i", 1, 0, tiled=True)), x)[1](c)[0], R(8, 16), R(8, 16))
add("jvp", lambda x, t: jvp(scaled, (x,), (t,)), R(4, 8), R(4, 8))
add("jvp of matmul", lambda a, b, t: jvp(lambda a: psum_matmul(a, b), (a,), (t,)), R(4, 8), R(8, 3), R(4, 8))
add("hessian vector product", lambda x, v: jvp(grad(lambda x: scaled(x) ** 2), (x,), (v,))[1], R(4, 8), R(4, 8))
add("gradient of a gradient", lambda x: grad(lambda x: jnp.sum(grad(lambda x: scaled(x) ** 2)(x) ** 2))(x), R(4, 8))
add("scalar residuals", lambda x, s: grad(lambda x, s: jnp.sum(over(line, (P("i"), P()), P("i"))(lambda x, s: x * jnp.exp(jnp.sin(s) * lax.psum(jnp.sum(x), "i")))(x, s)), argnums=(0, 1))(x * 0.1, s), R(8), R())
add("several results", lambda x, a, b, c: vjp(over(grid, P("x", "y"), (P("x"), P(None, "y"), P()))(lambda x: (lax.psum(jnp.sin(x).sum(1), "y"), lax.psum(x * x, "x"), lax.psum(x.sum(), ("x", "y")))), x)[1]((a, b, c))[0], R(4, 8), R(4), R(2, 8), R())
add("captured and differentiated", lambda w, x: grad(lambda w: jnp.sum(over(line, P("i"), P("i"))(lambda x: jnp.sin(x @ w))(x)))(w), R(3, 2), R(8, 3))
add("gradient inside", lambda w, x: over(line, (P(), P("i")), P("i"), check_vma=False)(lambda w, x: grad(lambda w: jnp.sum(jnp.sin(x @ w)))(w)[None])(w, x), R(3, 2), R(8, 3))
add("gradient of psum inside", lambda w, x: over(line, (P(), P("i")), P("i"), check_vma=False)(lambda w, x: grad(lambda w: lax.psum(jnp.sum(jnp.sin(x @ w)), "i"))(w)[None])(w, x), R(3, 2), R(8, 3))
add("step of descent inside", lambda w, x: over(line, (P(), P("i")), P(), check_vma=False)(lambda w, x: w - 0.1 * lax.pmean(grad(lambda w: jnp.sum(jnp.sin(x @ w)))(w), "i"))(w, x), R(3, 2), R(8, 3))

# --- nestings ------------------------------------------------------------------------------------------------------------------
walk = over(line, (P("i"), P(None, "i")), (P("i"), P(None, "i")))(lambda c, xs: lax.scan(lambda c, x: (lax.ppermute(jnp.sin(c) + x, "i", ring), lax.psum(c * x, "i") + c), c, xs))
add("scan inside", walk, R(8), R(5, 8))
add("gradient of a scan inside", lambda c, xs: grad(lambda c, xs: sum(jnp.sum(o) for o in walk(c, xs)), argnums=(0, 1))(c, xs), R(8), R(5, 8))
add("inside a scan", lambda x, xs: lax.scan(lambda c, x: (jnp.tanh(psum_matmul(c, x)), jnp.sum(c)), x, xs), R(8, 8), R(3, 8, 8))
add("gradient inside a scan", lambda x, xs: grad(lambda x: jnp.sum(lax.scan(lambda c, x: (jnp.tanh(psum_matmul(c, x)), None), x, xs)[0]))(x), R(8, 8), R(3, 8, 8))
add("cond inside", over(line, P("i"), P("i"))(lambda x: lax.cond(lax.axis_index("i") % 2 == 0, jnp.sin, lambda x: x * 2, x)), R(8))
add("cond around", lambda x: (lax.cond(x[0] > 0, lambda x: over(line, P("i"), P("i"))(jnp.sin)(x), lambda x: x, x)), R(8))
add("while inside", over(line, P("i"), P("i"))(lambda x: lax.while_loop(lambda x: jnp.all(x < 100), lambda x: x * 2, x)), A(8) + 1)
add("vmap", vmap(psum_matmul, in_axes=(0, None)), R(3, 4, 8), R(8, 3))
add("vmap of the gradient", vmap(grad(scaled)), R(3, 4, 8))
add("vmap of another axis", vmap(over(line, P("i"), P("i"))(lambda x: x - lax.pmean(x, "i")), in_axes=1, out_axes=1), R(8, 3))
add("vmap spread over devices", vmap(over(grid, P("x"), P("x"))(lambda x: jnp.sin(x) * lax.psum(x, "x")), spmd_axis_name="y"), R(4, 6))
add("vmap inside", over(line, P("i", None), P("i", None))(vmap(lambda x: lax.psum(x, "i") * x)), R(8, 3))
add("vmap inside with a name", over(line, P("i", None), P("i", None), check_vma=False)(vmap(lambda x: lax.psum(x, ("i", "k")) * x, axis_name="k")), R(8, 3))
add("remat inside", lambda x: grad(lambda x: jnp.sum(over(line, P("i"), P("i"))(jax.checkpoint(lambda x: jnp.sin(lax.psum(jnp.sin(x), "i") * x)))(x)))(x), R(8))
add("jit inside", lambda x: grad(lambda x: jnp.sum(over(line, P("i"), P("i"))(jit(lambda x: jnp.sin(lax.psum(jnp.sin(x), "i") * x)))(x)))(x), R(8))
add("one after the other", lambda x: over(grid, P(None, "y"), P("x", "y"))(lambda x: x[:2] + lax.axis_index("x"))(over(line, P("i"), P("i"))(lambda x: x * lax.axis_index("i"))(x)), A(8, 4))

# --- automatic axes ------------------------------------------------------------------------------------------------------------
on_x, on_y = {"axis_names": {"x"}}, {"axis_names": {"y"}}
add("automatic axes", over(grid, P("x"), P(), **on_x)(lambda x: lax.psum(jnp.sin(x), "x")), R(4, 6))
add("an automatic axis first", over(grid, P(None, "y"), (P("y"), P()), **on_y)(lambda x: (jnp.sum(x, 0) + lax.axis_index("y"), lax.pmax(x.sum(1), "y"))), R(3, 8))
add("gather beside an automatic axis", over(grid, P("y"), P(), **on_y, check_vma=False)(lambda x: lax.all_gather(x, "y", tiled=True)), R(8, 3))
add("scatter beside an automatic axis", over(grid, P(None, "y"), P("y"), **on_y)(lambda x: lax.psum_scatter(x, "y", tiled=True)), R(8, 4))
add("exchange beside an automatic axis", over(grid, P("y"), P(None, "y"), **on_y)(lambda x: lax.all_to_all(x, "y", 1, 0, tiled=True)), A(4, 8))
add("ring beside an automatic axis", over(grid, P("x"), P("x"), **on_x)(lambda x: lax.ppermute(x, "x", [(0, 1), (1, 0)])), A(4, 3))
add("gradient beside an automatic axis", grad(lambda w, x: jnp.sum(over(grid, (P(), P("y")), P(), **on_y)(lambda w, x: lax.pmean(jnp.tanh(x @ w), "y"))(w, x))), R(3, 2), R(8, 3))
add("scan beside an automatic axis", over(grid, (P("x"), P(None, "x")), P("x"), **on_x)(lambda c, xs: lax.scan(lambda c, x: (jnp.sin(c) + lax.psum(x, "x"), None), c, xs)[0]), R(4), R(3, 4))
add("vmap beside an automatic axis", vmap(over(grid, P("x"), P(), **on_x)(lambda x: lax.psum(x, "x"))), R(3, 4))


def leaf(x):
    x = np.asarray(x)
    return {"dtype": x.dtype.name, "shape": list(x.shape), "values": x.ravel().tolist()}


record = {"programs": {}, "errors": {}}
for name, (f, args) in programs.items():
    out = jit(f)(*[jnp.asarray(a) for a in args]) if "automatic" in name else f(*[jnp.asarray(a) for a in args])
    record["programs"][name] = {"args": [leaf(a) for a in args], "result": [leaf(x) for x in jax.tree.leaves(out)]}

# --- errors: the class that JAX raises -----------------------------------------------------------------------------------------
same = lambda x: x
v = A(8)
errors = {
    "sizes that do not divide": lambda: over(grid, P("x"), P("x"))(same)(A(7)),
    "sizes that do not divide, two names": lambda: over(grid, P(("x", "y")), P("x"))(same)(A(4)),
    "unknown name in a spec": lambda: over(grid, P("z"), P("x"))(same)(v),
    "unknown name in a result's spec": lambda: over(grid, P("x"), P("z"))(same)(v),
    "spec of a higher rank": lambda: over(grid, P("x", "y"), P("x"))(same)(v),
    "result's spec of a higher rank": lambda: over(grid, P("x"), P("x"))(jnp.sum)(v),
    "specs of another tree": lambda: over(grid, (P("x"), P("x")), P("x"))(same)(v),
    "result's specs of another tree": lambda: over(grid, P("x"), (P("x"), P("x")))(same)(v),
    "a copy that is none": lambda: over(grid, P("x"), P())(same)(v),
    "a sum over another axis": lambda: over(grid, P(("x", "y")), P("x"))(lambda x: lax.psum(x, "x"))(v),
    "an index that is no copy": lambda: over(grid, P(), P())(lambda x: x * lax.axis_index("x"))(v),
    "a permutation that is no copy": lambda: over(grid, P("x"), P())(lambda x: lax.ppermute(x, "x", [(0, 1), (1, 0)]))(v),
    "too few devices": lambda: jax.make_mesh((4, 4), ("x", "y")),
    "a name twice in a spec": lambda: over(grid, P("x", "x"), P())(same)(A(8, 8)),
    "a name that no axis has": lambda: over(grid, P("x"), P())(lambda x: lax.psum(x, "z"))(v),
    "an automatic axis in a spec": lambda: over(grid, P("x", "y"), P("x"), **on_x)(same)(A(8, 8)),
    "an automatic axis in a result's spec": lambda: over(grid, P("x"), P("y"), **on_x)(same)(v),
    "a sum over an automatic axis": lambda: over(grid, P("x"), P("x"), **on_x)(lambda x: lax.psum(x, "y"))(v),
    "an axis that the mesh does not have": lambda: over(grid, P("x"), P("x"), axis_names={"z"})(same)(v),
    "axes that are no set": lambda: over(grid, P("x"), P("x"), axis_names=["x"])(same)(v),
    "a copy that is none beside an automatic axis": lambda: over(grid, P("x"), P(), **on_x)(same)(v),
    "spread over an axis in use": lambda: vmap(over(grid, P("x"), P("x"))(same), spmd_axis_name="x")(A(8, 8)),
}
for name, f in errors.items():
    try:
        f()
    except Exception as e:
        record["errors"][name] = next(c.__name__ for c in type(e).__mro__ if c in (NameError, TypeError, ValueError, KeyError, Exception))
    else:
        raise AssertionError(name)

# One line per entry: the file is read by people when it changes.
parts = [f" {json.dumps(part)}: {{\n" + ",\n".join(f"  {json.dumps(k)}: {json.dumps(e)}" for k, e in entries.items()) + "\n }" for part, entries in record.items()]
(here / "shard.json").write_text("{\n" + ",\n".join(parts) + "\n}\n")
print({name: len(part) for name, part in record.items()}, record["errors"])
