"""Records what programs with effects print under real JAX: which lines, in which order, how often.

    JAX_PLATFORMS=cpu python tests/effects/record.py > tests/effects/printed.json

The same programs stand in programs.ts under the same names. XLA may reorder unordered prints of one program; on the CPU it keeps them.
"""

import contextlib
import io
import json

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.experimental import io_callback

out = print


def twice(x):
    jax.debug.print("x {}", x)
    return x * 2


def ordered(x):
    jax.debug.print("first {x}", x=x, ordered=True)
    y = jnp.sin(x)
    jax.debug.print("second {y:.4f}", y=y, ordered=True)
    return y * x


def looked(x):
    jax.debug.callback(lambda a, b: out(f"saw {a} {b}"), x, x + 1)
    return x * 3


def product(xs):
    def step(c, x):
        jax.debug.print("c {} x {}", c, x)
        return c * x, c

    return lax.scan(step, 1.0, xs)[0]


def branch(x):
    def pos(x):
        jax.debug.print("positive {}", x)
        return x * 2

    def neg(x):
        jax.debug.print("negative {}", x)
        return -x

    return lax.cond(x > 0, pos, neg, x)


def count(x):
    def test(x):
        jax.debug.print("test {}", x)
        return x < 4

    def step(x):
        jax.debug.print("step {}", x)
        return x + 1

    return lax.while_loop(test, step, x)


def known_counter(x):
    def step(s):
        jax.debug.print("i {}", s[0])
        return s[0] + 1, s[1] * 2

    return lax.while_loop(lambda s: s[0] < 3, step, (0, x))[1]


@jax.checkpoint
def remat(x):
    jax.debug.print("remat {}", x)
    return jnp.sin(x) * x


def unused(x):
    jax.debug.print("hello")
    y = jax.jit(twice)(x + 1)
    del y
    return x


def nested(x):
    for i in range(3):
        jax.debug.print("row {} {}", i, x.sum())
        x = jax.jit(twice)(x)
    return x.sum()


@jax.custom_jvp
def custom(x):
    jax.debug.print("custom {}", x)
    return x * x


@custom.defjvp
def custom_jvp(primals, tangents):
    (x,), (t,) = primals, tangents
    jax.debug.print("rule {}", x)
    return x * x, 5 * x * t


def host(x):
    def f(v):
        out(f"pure {v}")
        return np.float32(v * 10)

    return jax.pure_callback(f, jax.ShapeDtypeStruct((), jnp.float32), x, vmap_method="sequential") + x


def world(x):
    seen = []

    def f(v):
        seen.append(float(v))
        out(f"io {len(seen)} {v}")
        return np.float32(len(seen))

    def go(x):
        a = io_callback(f, jax.ShapeDtypeStruct((), jnp.float32), x, ordered=True)
        io_callback(f, jax.ShapeDtypeStruct((), jnp.float32), x + 1, ordered=True)
        b = io_callback(f, jax.ShapeDtypeStruct((), jnp.float32), x + 2, ordered=True)
        return a * 10 + b

    return jax.jit(go)(x)


def world_batch(xs):
    def f(v):
        out(f"io {v}")
        return np.float32(v + 1)

    return jax.vmap(lambda x: io_callback(f, jax.ShapeDtypeStruct((), jnp.float32), x))(xs)


def loop_of_branches(n):
    def body(i, x):
        even = lambda x: (jax.debug.print("even {} {}", i, x), x + 1)[1]
        odd = lambda x: (jax.debug.print("odd {} {}", i, x), x * 2)[1]
        return lax.cond(i % 2 == 0, even, odd, x)

    return lax.fori_loop(0, 4, body, n)


def matrix(x):
    jax.debug.print("{}", x @ x.T)
    jax.debug.print("{x} {shape}", x=x[0], shape=x.sum())
    return x


one, three = jnp.float32(1), jnp.float32(3)
xs = jnp.array([1.0, 2.0, 3.0])
grid = jnp.array([[1.0, 2.0], [3.0, 4.0]])

programs = {
    "eager": lambda: twice(three),
    "jit": lambda: jax.jit(twice)(three),
    "jit twice": lambda: [jax.jit(twice)(three), jax.jit(twice)(one)],
    "vmap": lambda: jax.vmap(twice)(xs),
    "jit vmap": lambda: jax.jit(jax.vmap(twice))(xs),
    "vmap vmap": lambda: jax.vmap(jax.vmap(twice))(grid),
    "vmap of something not mapped": lambda: jax.vmap(lambda x, y: twice(x) + y, (None, 0))(three, xs),
    "grad": lambda: jax.grad(twice)(three),
    "jit grad": lambda: jax.jit(jax.grad(twice))(three),
    "grad jit": lambda: jax.grad(jax.jit(twice))(three),
    "grad grad": lambda: jax.grad(jax.grad(lambda x: twice(x) * x))(three),
    "jvp": lambda: jax.jvp(twice, (three,), (one,)),
    "vmap grad": lambda: jax.vmap(jax.grad(twice))(xs),
    "ordered jit": lambda: jax.jit(ordered)(one),
    "ordered vmap": lambda: jax.vmap(ordered)(xs),
    "ordered grad": lambda: jax.grad(jax.jit(ordered))(one),
    "callback jit": lambda: jax.jit(looked)(three),
    "callback vmap": lambda: jax.jit(jax.vmap(looked))(xs),
    "callback grad": lambda: jax.grad(looked)(three),
    "scan": lambda: product(xs),
    "jit scan": lambda: jax.jit(product)(xs),
    "grad scan": lambda: jax.grad(product)(xs),
    "jit grad scan": lambda: jax.jit(jax.grad(product))(xs),
    "vmap scan": lambda: jax.vmap(product)(grid),
    "cond": lambda: [jax.jit(branch)(one), jax.jit(branch)(-one)],
    "grad cond": lambda: jax.grad(branch)(one),
    "vmap cond": lambda: jax.vmap(branch)(jnp.array([-1.0, 2.0])),
    "vmap cond, one way": lambda: jax.vmap(lambda p, x: lax.cond(p, branch, lambda x: x, x), (None, 0))(True, jnp.array([1.0, 2.0])),
    "while": lambda: jax.jit(count)(one),
    "vmap while": lambda: jax.vmap(count)(jnp.array([1.0, 2.0])),
    "jvp while": lambda: jax.jvp(count, (one,), (one,)),
    "linearize while": lambda: jax.linearize(known_counter, one)[1](one),
    "fori of branches": lambda: jax.jit(loop_of_branches)(one),
    "remat": lambda: remat(one),
    "grad remat": lambda: jax.grad(remat)(one),
    "unused results": lambda: jax.jit(unused)(three),
    "nested jit": lambda: jax.jit(nested)(xs),
    "grad nested jit": lambda: jax.grad(nested)(xs),
    "custom jvp": lambda: custom(three),
    "grad custom jvp": lambda: jax.grad(custom)(three),
    "pure callback": lambda: jax.jit(host)(three),
    "vmap pure callback": lambda: jax.jit(jax.vmap(host))(xs),
    "io callback": lambda: world(three),
    "vmap io callback": lambda: world_batch(xs),
    "arrays": lambda: jax.jit(matrix)(grid),
}


def flat(x):
    return [np.asarray(leaf, np.float64).round(5).tolist() for leaf in jax.tree.leaves(x)]


recorded = {}
for name, run in programs.items():
    text = io.StringIO()
    with contextlib.redirect_stdout(text):
        result = run()
        jax.block_until_ready(result)
        jax.effects_barrier()
    recorded[name] = {"printed": text.getvalue().splitlines(), "result": flat(result)}
formats = [
    "{:.3f}", "{:8.2f}|", "{:<8}|", "{:^8.1f}|", "{:+.2e}", "{:e}", "{:g}", "{:.3g}", "{:%}", "{:010.3f}", "{:,.1f}", "{:*>9.2f}", "{!r}", "{:.2}", "{:G}",
]
numbers = [1.5, -0.001234, 123456.789, 0.0, 1e-7, float("nan"), float("-inf")]
integer_formats = ["{:d}", "{:5d}|", "{:<5}|", "{:x}", "{:08b}", "{:,}", "{:+d}", "{:.1f}", "{:o}"]
recorded_formats = [
    [f, x, f.format(jnp.float32(x))] for f in formats for x in numbers
]
recorded_integers = [[f, x, f.format(jnp.int32(x))] for f in integer_formats for x in [0, 7, -12, 1234567]]
floats = [[f, "nan" if x != x else "-inf" if x == float("-inf") else x, t] for f, x, t in recorded_formats]
print(json.dumps({"jax": jax.__version__, "programs": recorded, "floats": floats, "integers": recorded_integers, "jaxpr": str(jax.make_jaxpr(jax.vmap(ordered))(jnp.ones(2)))}, indent=1))
