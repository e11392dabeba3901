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
}

sets = {"user": c.user_checks, "nan": c.nan_checks, "div": c.div_checks, "index": c.index_checks, "float": c.float_checks, "all": c.all_checks}


def record(f, args, errors):
    outside = f is jax.vmap
    checked = c.checkify(args[0] if outside else f, errors=sets[errors])
    err, _ = jax.vmap(checked)(*args[1:]) if outside else checked(*args)
    return err.get()


if __name__ == "__main__":
    out = {name: record(*program) for name, program in programs.items()}
    path = pathlib.Path(__file__).with_name("jax.json")
    path.write_text(json.dumps({"jax": jax.__version__, "messages": out}, indent=2) + "\n")
