"""Records from JAX what jax.test.ts compares with ours: results (jitted: not all of this runs eagerly in JAX), tangents, gradients and batched results of programs that make, read
and write refs, and the jaxprs of some. Their twins of the same names stand in programs.ts.

usage: pip install jax==0.10.2 && python3 tests/refs/record.py
"""
import json
import os
import pathlib

os.environ["JAX_PLATFORMS"] = "cpu"
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax, new_ref, freeze
from jax.ref import addupdate, swap
from jax.experimental.pallas import ds

vector = np.array([0.5, -1.25, 2.0, 0.75], np.float32)
matrix = np.arange(12, dtype=np.float32).reshape(3, 4) / 8 - 0.5
at = np.int32(2)

programs = {}


def program(*args):
    def add(f):
        programs[f.__name__] = (f, args)
        return f
    return add


@program(vector)
def whole(x):
    r = new_ref(x)
    r[...] = jnp.sin(x) * 2
    return r[...]


@program(vector)
def positions(x):
    r = new_ref(x)
    r[0] = x[1] * x[2]
    r[-1] = 3.0
    return r[...], r[0]


@program(vector)
def slices(x):
    r = new_ref(x)
    r[1:3] = x[:2] * 2
    return r[...], r[2:], r[:3]


@program(vector)
def additions(x):
    r = new_ref(jnp.zeros(4))
    addupdate(r, ..., x)
    addupdate(r, 1, x[0])
    addupdate(r, slice(2, 4), x[:2])
    return r[...]


@program(vector)
def exchange(x):
    r = new_ref(x)
    old = swap(r, slice(0, 2), x[2:] * x[:2])
    return old, r[...]


@program(vector, at)
def computedPosition(x, i):
    r = new_ref(x)
    r[i] = x[0] * 3
    addupdate(r, i, x[1])
    return r[i], r[...]


@program(vector, at)
def computedSlice(x, i):
    r = new_ref(x)
    r[ds(i, 2)] = x[:2] * x[:2]
    return r[ds(i, 2)], r[...]


@program(vector)
def strided(x):
    r = new_ref(x)
    return r[ds(0, 2, 2)] * r[ds(1, 2, 2)]


@program(matrix)
def rowsAndColumns(x):
    r = new_ref(x)
    r[1] = x[0] * 2
    r[:, 0] = x[:, 1] + r[:, 2]
    return r[...], r[0, 1:], r[1:2, :]


@program(np.float32(0.7))
def scalar(x):
    r = new_ref(x * 1)
    r[...] = r[...] * r[...]
    addupdate(r, ..., jnp.cos(x))
    return r[...]


@program(vector)
def frozen(x):
    r = new_ref(x)
    r[0] = x[3]
    return freeze(r)


@program(vector)
def order(x):
    r = new_ref(x)
    a = r[...]
    r[...] = a * 2
    b = r[...]
    r[...] = b + a
    return a, b, r[...]


@program(vector)
def twoRefs(x):
    a, b = new_ref(x), new_ref(jnp.cos(x))
    t = a[...]
    a[...] = b[...]
    b[...] = t * a[...]
    return a[...], b[...]


@program(vector)
def counter(x):
    r = new_ref(jnp.zeros((), jnp.int32))
    lax.fori_loop(0, 4, lambda i, _: r.__setitem__(..., r[...] + i), None)
    return r[...], x


@program(vector)
def scanSum(x):
    r = new_ref(jnp.zeros(()))

    def body(c, v):
        addupdate(r, ..., jnp.sin(v) * c)
        return c * 1.5, r[...]
    c, ys = lax.scan(body, x[0], x)
    return c, ys, r[...]


@program(vector)
def scanReverse(x):
    r = new_ref(x)

    def body(c, i):
        r[i] = r[i] * c
        return c + r[i], None
    c, _ = lax.scan(body, x[1], jnp.arange(4), reverse=True)
    return c, r[...]


@program(vector)
def readInScan(x):
    r = new_ref(jnp.exp(x))
    return lax.scan(lambda c, i: (c + r[i] * r[0], c), x[0], jnp.arange(4))


@program(vector)
def foriHistory(x):
    r = new_ref(jnp.zeros(5))

    def body(i, c):
        r[i] = c
        return c * x[0] + 1.0
    c = lax.fori_loop(0, 5, body, x[1])
    return c, r[...]


@program(np.float32(0.9))
def whileBody(x):
    r = new_ref(jnp.zeros(()))

    def body(c):
        addupdate(r, ..., c * x)
        return c * 2
    return lax.while_loop(lambda c: abs(c) < 20, body, x), r[...]


@program(vector)
def branches(x):
    r = new_ref(x)

    def left():
        r[0] = x[1] * 10

    def right():
        addupdate(r, 1, x[0] * x[0])
    lax.cond(x[0] > 0, left, right)
    lax.cond(x[1] > 0, left, right)
    return r[...]


@program(vector, at)
def switched(x, i):
    r = new_ref(x)

    def put(k):
        def branch(v):
            r[k] = v * r[k + 1]
            return v * 2
        return branch
    return lax.switch(i, [put(0), put(1), put(2)], x[0]), r[...]


@program(matrix)
def nestedScans(x):
    r = new_ref(jnp.zeros(4))

    def outer(c, row):
        lax.scan(lambda c, v: (addupdate(r, ..., row * v), None)[::-1], None, row[:2])
        return c + r[0], r[1]
    return *lax.scan(outer, 0.0, x), r[...]


@program(vector)
def branchInScan(x):
    r = new_ref(jnp.zeros(2))

    def body(c, v):
        def up():
            addupdate(r, 0, v)

        def down():
            addupdate(r, 1, v * v)
        lax.cond(v > 0, up, down)
        return c, r[0]
    return lax.scan(body, None, x)[1], r[...]


@program(vector)
def jitArgument(x):
    r = new_ref(x)

    @jax.jit
    def double(r, y):
        r[...] = r[...] * 2 + y
        return r[0]
    return double(r, x), double(r, x[::-1]), r[...]


@program(vector)
def jitClosure(x):
    r = new_ref(x)

    @jax.jit
    def bump(y):
        r[1] = r[0] * y
        addupdate(r, 0, y)
    bump(x[2])
    bump(x[3])
    return r[...]


@program(vector)
def condOperand(x):
    r = new_ref(x)

    def left(r, y):
        r[0] = y

    def right(r, y):
        r[1] = y * y
    lax.cond(x[0] > 1, left, right, r, x[2])
    return r[...]


@program(matrix)
def mapped(x):
    r = new_ref(x)

    def lane(r, y):
        r[0] = y * r[1]
        addupdate(r, slice(1, 3), r[2:])
        return r[3] * y
    return jax.vmap(lane)(r, x[:, 0]), r[...]


@program(vector)
def innerGrad(x):
    r = new_ref(x)
    seen = new_ref(jnp.zeros(()))

    def loss(y):
        z = jnp.sum(r[...] * jnp.sin(y))
        seen[...] = lax.stop_gradient(z)
        return z * z
    return jax.grad(loss)(x), seen[...]


def leaf(x):
    x = np.asarray(x)
    return dict(dtype={"float32": "f32", "int32": "i32"}[str(x.dtype)], shape=list(x.shape), values=x.reshape(-1).tolist())


leaves = lambda tree: [leaf(x) for x in jax.tree.leaves(tree)]
# Programs whose jaxprs are compared as text. Others make arrays, or convert indices, in other steps than JAX.
printed = ["whole", "additions", "exchange", "frozen", "order", "scalar"]


def floats(tree):
    return sum(jnp.sum(x) for x in jax.tree.leaves(tree) if x.dtype == np.float32)


recorded, failed = {}, []
for name, (f, args) in programs.items():
    args = [jnp.asarray(x) for x in args]
    entry = recorded[name] = dict(args=leaves(args), value=leaves(jax.jit(f)(*args)))
    tangent = jnp.cos(args[0]) + 0.5
    lanes = jnp.stack([args[0], args[0] * 0.5 - 0.25, -args[0]])
    head = lambda x: f(x, *args[1:])
    modes = dict(
        jvp=lambda: [t for t in jax.tree.leaves(jax.jvp(head, (args[0],), (tangent,))[1]) if t.dtype == np.float32],
        grad=lambda: jax.grad(lambda x: floats(head(x)))(args[0]),
        batched=lambda: jax.vmap(head)(lanes),
        batchedGrad=lambda: jax.vmap(jax.grad(lambda x: floats(head(x))))(lanes),
    )
    for mode, run in modes.items():
        try:
            entry[mode] = leaves(run())
        except Exception as error:
            failed.append(f"{name} {mode}: {type(error).__name__} {str(error).splitlines()[0][:90] if str(error) else ''}")
    if name in printed:
        entry["jaxpr"] = str(jax.make_jaxpr(f)(*args))

path = pathlib.Path(__file__).with_name("jax.json")
path.write_text("{\n" + ",\n".join(f" {json.dumps(k)}: {json.dumps(v)}" for k, v in recorded.items()) + "\n}\n")
print("\n".join(failed))
