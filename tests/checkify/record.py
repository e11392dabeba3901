"""Records from JAX what checkify.test.ts compares with ours: messages and results. The programs have twins of the same name in programs.ts.

usage: pip install jax==0.10.2 && python3 tests/checkify/record.py
"""
import json
import os
import pathlib

os.environ["JAX_PLATFORMS"] = "cpu"
import jax
import jax.numpy as jnp
from jax import lax
from jax.experimental import checkify as c

s, i, v = jnp.float32, jnp.int32, lambda *x: jnp.array(x, jnp.float32)
iv = lambda *x: jnp.array(x, jnp.int32)


def two(x):
    c.check(x > 0, "positive, not {}", x)
    c.check(x > 1, "above one, not {x:.2f}", x=x)
    return x * 2


def said(message, ok):
    def f(x):
        c.check(ok(x), message, x)
        return x
    return f


below3 = said("{} is not below 3", lambda x: x < 3)
positive = said("{} is not positive", lambda x: x > 0)
above9 = said("{} is not above 9", lambda x: x > 9)


@jax.custom_jvp
def jvp_rule(x):
    return positive(x)


jvp_rule.defjvp(lambda p, t: (positive(p[0]), t[0] * 3))


@jax.custom_vjp
def vjp_rule(x):
    return positive(x)


def bwd(r, g):
    c.check(g > 5, "cotangent {}", g)
    return (g * r,)


vjp_rule.defvjp(lambda x: (positive(x), x), bwd)
steps = lambda xs: lax.scan(lambda k, x: (k + below3(x), x), s(0), xs)
loop = lambda x: lax.while_loop(lambda y: y < 6, lambda y: below3(y) + 1, x)
asked = lambda x: lax.while_loop(lambda y: below3(y) < 6, lambda y: y + 1, x)
branch = lambda p, x: lax.cond(p, positive, above9, x)
nested = lambda xs: lax.scan(lambda k, x: (lax.cond(x > 2, jax.jit(below3), lambda y: y, x), k), s(0), xs)[0]
index = lambda x, j: x.at[j].get(mode="promise_in_bounds", wrap_negative_indices=False)
put = lambda x, j: x.at[j].set(1.0, mode="drop", wrap_negative_indices=False)

# Lanes that go different ways. In JAX a batched branch is heard from all lanes; in these programs only lanes that take a branch fail in it.
swapped = lambda i, x: lax.switch(i, [positive, above9, below3], x)
masked = lambda p, x: lax.cond(p, lambda y: lax.cond(y > 4, above9, positive, y), lambda y: y, x)
stepped = lambda p, xs: lax.scan(lambda k, x: (k + lax.cond(x < k, positive, lambda y: y, x), x), s(0), xs)[0]
inside = lambda p, xs: lax.cond(p, lambda ys: lax.scan(lambda k, x: (k + below3(x), x), s(0), ys)[0], lambda ys: ys[0], xs)
counted = lambda n, x: lax.while_loop(lambda c: c[0] < n, lambda c: (c[0] + 1, below3(c[1]) + 1), (i(0), x))[1]
called = lambda p, x: lax.cond(p, jax.jit(two), lambda y: y, x)
again = lambda p, x: lax.cond(p, jax.checkpoint(two), jvp_rule, x)
solved = lambda b: lax.custom_linear_solve(lambda x: 2 * x, b, lambda _, y: y / 2, symmetric=True)
not_solved = lambda b: lax.custom_linear_solve(lambda x: 0 * x, b, lambda _, y: y / 0, symmetric=True)
rooted = lambda a: lax.custom_root(lambda x: x * x - a, s(1), lambda f, x: below3(jnp.sqrt(a)), lambda g, y: y / g(s(1)))
take = lambda x, j: lax.dynamic_slice(x, (j,), (1,))
yes, no = jnp.bool_(True), jnp.bool_(False)
mix = jnp.array([True, False, True])

programs = {
    "holds": (two, (s(2),), "user"),
    "the first fails": (two, (s(-1),), "user"),
    "the second fails": (two, (s(0.5),), "user"),
    "jit": (jax.jit(two), (s(-1),), "user"),
    "jit in jit": (jax.jit(lambda x: jax.jit(two)(x + 1)), (s(-0.5),), "user"),
    "array in a message": (lambda x: (c.check(jnp.all(x > 0), "all of {x!r} in {}", x[0], x=x), x)[1], (v(1, -2),), "user"),
    "scan": (steps, (v(0, 4, 1, 5),), "user"),
    "scan holds": (steps, (v(0, 1),), "user"),
    "scan, cond and jit": (nested, (v(0, 1, 2, 5, 7),), "user"),
    "while": (loop, (s(1),), "user"),
    "while never runs": (loop, (s(7),), "user"),
    "condition of while": (asked, (s(1),), "user"),
    "condition before the loop": (asked, (s(8),), "user"),
    "cond, true": (branch, (jnp.bool_(True), s(-1)), "user"),
    "cond, false": (branch, (jnp.bool_(False), s(1)), "user"),
    "cond holds": (branch, (jnp.bool_(True), s(1)), "user"),
    "grad": (jax.grad(lambda x: two(x) * x), (s(-1),), "user"),
    "checkpoint": (jax.checkpoint(two), (s(-1),), "user"),
    "grad of checkpoint": (jax.grad(lambda x: jnp.sin(jax.checkpoint(two)(x))), (s(-1),), "user"),
    "custom jvp": (jvp_rule, (s(-1),), "user"),
    "grad of custom jvp": (jax.grad(jvp_rule), (s(-1),), "user"),
    "custom vjp": (vjp_rule, (s(-1),), "user"),
    "grad of custom vjp": (jax.grad(lambda x: vjp_rule(x) * 2), (v(1)[0],), "user"),
    "vmap inside": (jax.vmap(two), (v(3, 0.5, -1, 2),), "user"),
    "vmap inside, two lanes": (jax.vmap(positive), (v(3, -5, -1, 2),), "user"),
    "vmap inside scan": (jax.vmap(steps), (jnp.array([[0, 1], [4, 5]], jnp.float32),), "user"),
    "user checks are not looked for": (two, (s(-1),), "float"),
    "sin": (lax.sin, (s(jnp.inf),), "nan"),
    "log and sqrt": (lambda x: lax.log(x) + lax.sqrt(x), (v(1, -1),), "all"),
    "a NaN that goes through": (lambda x: lax.neg(x), (s(jnp.nan),), "all"),
    "dot": (lambda x, y: x @ y, (v(jnp.inf, 1), v(0, 1)), "all"),
    "divide": (lax.div, (v(1, 2), v(1, 0)), "all"),
    "zero by zero": (lax.div, (s(0), s(0)), "all"),
    "zero by zero, NaN alone": (lax.div, (s(0), s(0)), "nan"),
    "divide integers": (lax.div, (i(3), i(0)), "div"),
    "gradient of sqrt": (jax.grad(lax.sqrt), (s(0),), "all"),
    "gather": (index, (v(1, 2, 3), i(5)), "index"),
    "gather below": (index, (v(1, 2, 3), iv(1, -2, 7)), "index"),
    "gather in bounds": (index, (v(1, 2, 3), iv(0, 2)), "index"),
    "scatter": (put, (v(1, 2, 3), i(3)), "all"),
    "dynamic slice": (lambda x, a, b: lax.dynamic_slice(x, (a, b), (1, 2)), (jnp.ones((2, 3)), i(0), i(2)), "index"),
    "dynamic update slice": (lambda x, j: lax.dynamic_update_slice(x, jnp.zeros(2), (j,)), (v(1, 2, 3), i(9)), "all"),
    "jit of nan": (jax.jit(lambda x: lax.sin(x) + 1), (s(jnp.inf),), "float"),
    "scan of nan": (lambda xs: lax.scan(lambda k, x: (k + 1, lax.log(x)), s(0), xs), (v(1, -1),), "all"),
    "vmap outside": (jax.vmap, (two, v(3, 0.5, -1)), "user"),
    "vmap outside, of cond": (jax.vmap, (branch, jnp.array([True, False, True]), v(-1, -1, 2)), "user"),
    "vmap outside, of nan": (jax.vmap, (lax.log, v(-1, 1)), "all"),
    "lanes: cond holds": (jax.vmap(branch), (mix, v(10, 10, 11)), "user"),
    "lanes: cond, one branch": (jax.vmap(branch), (mix, v(10, 1, 12)), "user"),
    "lanes: cond, two lanes": (jax.vmap(branch), (mix, v(10, 2, 12)), "user"),
    "lanes: one branch for all": (jax.vmap(branch, (None, 0)), (no, v(10, 1, 2)), "user"),
    "lanes: switch": (jax.vmap(swapped), (jnp.array([0, 1, 2]), v(10, 11, 12)), "user"),
    "lanes: cond in cond": (jax.vmap(masked), (mix, v(10, 11, -3)), "user"),
    "lanes: cond in scan": (jax.vmap(stepped), (mix, jnp.array([[1, 2, 3], [1, 2, -7], [1, 1, 1]], jnp.float32)), "user"),
    "lanes: scan in cond": (jax.vmap(inside), (mix, jnp.array([[1, 2], [0, 1], [2, 4]], jnp.float32)), "user"),
    "lanes: while": (jax.vmap(counted, (None, 0)), (i(3), v(0, -1, 1)), "user"),
    "lanes: jit in cond": (jax.vmap(called), (mix, v(2, 3, 0.5)), "user"),
    "lanes: checkpoint and custom jvp in cond": (jax.vmap(again), (mix, v(2, 3, 0.5)), "user"),
    "lanes: vmap in vmap": (jax.vmap(jax.vmap(branch)), (jnp.array([[True, False], [False, True]]), jnp.array([[10, 11], [2, 12]], jnp.float32)), "user"),
    "lanes: outside, of vmap": (jax.vmap, (jax.vmap(branch), jnp.array([[True, False], [False, True]]), jnp.array([[10, 2], [12, 11]], jnp.float32)), "user"),
    "lanes: grad of cond": (jax.vmap(jax.grad(lambda x, p: branch(p, x) * x)), (v(10, 1, 12), mix), "user"),
    "linear solve": (solved, (s(4),), "all"),
    "linear solve, NaN": (not_solved, (s(0),), "nan"),
    "custom root": (rooted, (s(16),), "user"),
    "grad of custom root": (jax.grad(rooted), (s(16),), "user"),
    "vmap of custom root": (jax.vmap(rooted), (v(1, 16, 25),), "user"),
    "index u8": (index, (jnp.zeros(100), jnp.uint8(200)), "index"),
    "index i16": (index, (jnp.zeros(100), jnp.int16(-300)), "index"),
    "index u32 in bounds": (index, (v(1, 2, 3), jnp.uint32(2)), "index"),
    "index u32": (index, (v(1, 2, 3), jnp.uint32(2**31 - 1)), "index"),
    "index u32 beyond i32": (index, (v(1, 2, 3), jnp.uint32(2**32 - 2)), "index"),
    "scatter u32 beyond i32": (put, (v(1, 2, 3), jnp.uint32(2**32 - 2)), "all"),
    "dynamic slice u32 beyond i32": (take, (v(1, 2, 3), jnp.uint32(2**31)), "index"),
}

# Under enableX64.
wide = {
    "index i64": (index, (v(1, 2, 3), lambda: jnp.int64(7)), "index"),
    "index i64 beyond i32": (index, (v(1, 2, 3), lambda: jnp.int64(2**32 + 1)), "index"),
    "index i64 far below": (index, (v(1, 2, 3), lambda: jnp.int64(-(2**32))), "index"),
    "dynamic slice i64 beyond i32": (take, (v(1, 2, 3), lambda: jnp.int64(2**40)), "index"),
    "scatter u64": (put, (v(1, 2, 3), lambda: jnp.uint64(2**63 + 1)), "all"),
}

sets = {"user": c.user_checks, "nan": c.nan_checks, "div": c.div_checks, "index": c.index_checks, "float": c.float_checks, "all": c.all_checks}


def record(f, args, errors):
    outside = f is jax.vmap
    checked = c.checkify(args[0] if outside else f, errors=sets[errors])
    err, _ = jax.vmap(checked)(*args[1:]) if outside else checked(*args)
    return err.get()


if __name__ == "__main__":
    out = {name: record(*program) for name, program in programs.items()}
    with jax.enable_x64(True):
        for name, (f, args, errors) in wide.items():
            out[name] = record(f, [x() if callable(x) else x for x in args], errors)
    path = pathlib.Path(__file__).with_name("jax.json")
    path.write_text(json.dumps({"jax": jax.__version__, "messages": out}, indent=2) + "\n")
