"""Records from JAX what autodiff.test.ts compares with ours: values of derivatives, the errors of wrong programs, and for `checkpoint` how
often the gradient computes a sine, a cosine or a matrix product and how many values it keeps. The programs follow ideas of JAX's own
tests (the section is named above each group) and have twins of the same name in programs*.ts.

usage: pip install jax==0.10.2 && python3 tests/autodiff/record.py
"""
import json
import os
import pathlib

os.environ["JAX_PLATFORMS"] = "cpu"
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax._src.ad_checkpoint import saved_residuals
from jax.ad_checkpoint import checkpoint_name

import record_float0 as float0

vec = lambda *xs: np.array(xs, np.float32)
c64 = lambda *xs: np.array(xs, np.complex64)
ramp = lambda *shape: (np.arange(np.prod(shape), dtype=np.float32).reshape(shape) - 3) / 4
programs = {}
counts = {}
errors = {}


def value(name):
    return lambda f: programs.__setitem__(name, f)


def error(name):
    return lambda f: errors.__setitem__(name, f)


# --- api_test: grad, jvp, vjp, linearize ------------------------------------------------------------------------------------------
poly = lambda x, y: x * jnp.sin(y) + y * y
tree_loss = lambda p, x: jnp.sum(jnp.tanh(x @ p["w"]) * p["b"][0] + p["b"][1])
params = {"w": ramp(3, 2), "b": [vec(0.5, -1), np.float32(2)]}
value("grad argnums")(lambda: [jax.grad(poly)(1.0, 2.0), jax.grad(poly, 1)(1.0, 2.0), jax.grad(poly, (1, 0))(1.0, 2.0), jax.grad(poly, -1)(1.0, 2.0)])
value("grad of a nested tree")(lambda: jax.grad(tree_loss)(params, ramp(2, 3)))
value("value and grad with aux")(lambda: jax.value_and_grad(lambda x: (jnp.sum(x**3), {"twice": 2 * x}), has_aux=True)(vec(1, 2)))
value("jvp with aux")(lambda: jax.jvp(lambda x, y: (x * y, [x + y]), (3.0, 4.0), (1.0, 2.0), has_aux=True))
value("jvp of an integer argument")(lambda: jax.jvp(lambda x, n: x * n, (3.0, np.int32(4)), (1.0, np.zeros((), jax.dtypes.float0))))
value("vjp called many times")(lambda: [p(v) for p in [jax.vjp(lambda x, y: jnp.sin(x) * y, vec(1, 2), vec(3, 4))[1]] for v in (vec(1, 0), vec(0, 1), vec(2, 2))])
value("vjp with aux")(lambda: (lambda y, pull, aux: [y, pull(vec(1, 1)), aux])(*jax.vjp(lambda x: (x * x, jnp.sum(x)), vec(1, 2), has_aux=True)))
value("linearize called many times")(lambda: (lambda y, push: [y, push(1.0, 0.0), push(0.0, 1.0), push(2.0, 3.0)])(*jax.linearize(poly, 1.0, 2.0)))
value("linearize with aux")(lambda: (lambda y, push, aux: [y, push(vec(1, 2)), aux])(*jax.linearize(lambda x: (jnp.exp(x), x.sum()), vec(0, 1), has_aux=True)))
value("linear transpose")(lambda: jax.linear_transpose(lambda x, y: [ramp(2, 3) @ x, x.sum() + 3 * y], vec(0, 0, 0), np.float32(0))([vec(1, 2), np.float32(5)]))
value("linear transpose of integers")(lambda: jax.linear_transpose(lambda x: 3 * x + x, np.int32(0))(np.int32(5)))
value("linear transpose of an affine function")(lambda: jax.linear_transpose(lambda x: 2 * x + 1, np.float32(0))(np.float32(3)))
value("no perturbation confusion")(lambda: [jax.grad(lambda x: x * jax.grad(lambda y: x + y)(1.0))(5.0), jax.jvp(lambda x: jax.jvp(lambda y: x * y, (x,), (1.0,))[1] * x, (3.0,), (1.0,))[1]])


def nested(f, n):
    for _ in range(n):
        f = jax.grad(f)
    return f


value("five nested derivatives")(lambda: [nested(lambda x: jnp.sin(x) * x**3, n)(0.7) for n in range(6)])
value("nested forward derivatives")(lambda: [jax.jvp(lambda x: jax.jvp(lambda y: jax.jvp(jnp.exp, (y,), (y,))[1], (x,), (x,))[1], (0.5,), (1.0,))])
value("gradients per example")(lambda: jax.vmap(jax.grad(lambda w, x: jnp.tanh(w @ x)), in_axes=(None, 0))(vec(1, -1), ramp(3, 2)))
value("grad of vmap of jit of a closure")(lambda: jax.grad(lambda w: jax.vmap(jax.jit(lambda x: jnp.sin(x * w)))(vec(1, 2, 3)).sum())(0.5))
value("hvp forward over reverse")(lambda: jax.jvp(jax.grad(lambda x: jnp.sum(x**3) * x[0]), (vec(1, 2),), (vec(3, -1),))[1])
value("hvp reverse over reverse")(lambda: jax.grad(lambda x: jnp.vdot(jax.grad(lambda z: jnp.sum(z**3) * z[0])(x), vec(3, -1)))(vec(1, 2)))
value("hvp reverse over forward")(lambda: jax.grad(lambda x: jax.jvp(lambda z: jnp.sum(z**3) * z[0], (x,), (vec(3, -1),))[1])(vec(1, 2)))
value("grad with integer leaves")(lambda: jax.grad(lambda p: jnp.sum(p["x"] * p["n"]), allow_int=True)({"x": vec(1, 2), "n": np.array([3, 4], np.int32)}))
value("jacrev with integer leaves")(lambda: jax.jacrev(lambda p: p["x"] * p["n"], allow_int=True)({"x": vec(1, 2), "n": np.array([3, 4], np.int32)})["x"])
value("jacfwd and jacrev of matrices")(lambda: [j(lambda x: (x @ ramp(3, 2)) ** 2)(ramp(2, 3)) for j in (jax.jacfwd, jax.jacrev)])
value("jacobians of several arguments")(lambda: [j(lambda x, y: {"p": x * y, "s": jnp.sum(x)}, argnums=(0, 1))(vec(1, 2), vec(3, 4)) for j in (jax.jacfwd, jax.jacrev)])
value("jacobians with aux")(lambda: [j(lambda x: (x**2, x.sum()), has_aux=True)(vec(1, 2)) for j in (jax.jacfwd, jax.jacrev)])
value("hessian of a tree")(lambda: jax.hessian(lambda p: jnp.sum(p["a"] ** 2) * p["b"])({"a": vec(1, 2), "b": np.float32(3)}))
value("hessian of a vector function")(lambda: jax.hessian(lambda x: jnp.stack([x[0] * x[1] ** 2, jnp.sin(x[0])]))(vec(1, 2)))
value("hessian with aux")(lambda: jax.hessian(lambda x: (jnp.sum(x**3), x[0]), has_aux=True)(vec(1, 2)))
value("derivatives of empty arrays")(lambda: [jax.grad(lambda x: jnp.sum(x * x))(np.zeros((0, 2), np.float32)), jax.jacrev(lambda x: x * 2)(np.zeros(0, np.float32)), jax.jacfwd(lambda x: x * 2)(np.zeros(0, np.float32))])
error("grad of a vector")(lambda: jax.grad(lambda x: x)(vec(1, 2)))
error("grad of integers")(lambda: jax.grad(lambda x: x * 1.0)(3))
error("jacrev of integer results")(lambda: jax.jacrev(lambda x: x.astype(np.int32))(vec(1)))
error("linear transpose of a product")(lambda: jax.linear_transpose(lambda x: x * x, 1.0)(1.0))
error("linear transpose of a sine")(lambda: jax.linear_transpose(jnp.sin, 1.0)(1.0))
error("linear transpose to integers")(lambda: jax.linear_transpose(lambda x: x.astype(np.int32), 1.0))

# --- lax_autodiff_test, api_test: conventions at kinks, ties, poles ---------------------------------------------------------------
total = lambda f: jax.grad(lambda *xs: jnp.sum(f(*xs)), argnums=0)
both = lambda f: jax.grad(lambda x, y: jnp.sum(f(x, y)), argnums=(0, 1))
value("abs at zero")(lambda: total(jnp.abs)(vec(-1, 0, 1)))
value("ties of maximum and minimum")(lambda: [both(jnp.maximum)(vec(1, 2, 3), vec(2, 2, 2)), both(jnp.minimum)(vec(1, 2, 3), vec(2, 2, 2))])
value("ties of max and min")(lambda: [jax.grad(jnp.max)(vec(1, 3, 3)), jax.grad(jnp.min)(vec(1, 1, 3)), jax.grad(lambda x: jnp.max(x, 0).sum())(ramp(2, 2) * 0)])
value("clip at its bounds")(lambda: jax.grad(lambda x, a, b: jnp.sum(jnp.clip(x, a, b)), argnums=(0, 1, 2))(vec(-1, 0, 0.5, 1, 2), vec(0, 0, 0, 0, 0), vec(1, 1, 1, 1, 1)))
value("where guards neither side")(lambda: [total(lambda x: jnp.where(x > 0, jnp.sqrt(x), 0.0))(vec(0, 4)), total(lambda x: jnp.where(x > 0, jnp.sqrt(jnp.where(x > 0, x, 1.0)), 0.0))(vec(0, 4))])
value("roots at zero")(lambda: [total(f)(vec(0)) for f in (jnp.sqrt, lax.rsqrt, jnp.cbrt, lambda x: jnp.hypot(x, 0 * x))])
value("pow at zero")(lambda: [both(lax.pow)(vec(0, 0, 0, 2, -2), vec(0, 1, 2, 0, 3)), total(lambda x: x**0)(vec(0)), total(lambda x: x**1)(vec(0)), total(lambda x: x**-1)(vec(0)), total(lambda x: lax.pow(x, np.array([0, 1, 2], np.int32)))(vec(0, 0, 0))])
value("logaddexp")(lambda: [both(jnp.logaddexp)(vec(1, 2, -np.inf, 3), vec(1, -1, 0, 3)), both(jnp.logaddexp)(vec(-np.inf, np.inf), vec(-np.inf, np.inf))])
value("logsumexp and softmax")(lambda: [jax.grad(jax.nn.logsumexp)(vec(1, 2, 3)), jax.grad(jax.nn.logsumexp)(vec(-np.inf, 0)), jax.jacrev(jax.nn.softmax)(vec(1, 2, 3))])
value("prod with zeros")(lambda: [jax.grad(jnp.prod)(vec(2, 0, 3)), jax.grad(jnp.prod)(vec(0, 0, 3)), jax.hessian(jnp.prod)(vec(0, 0, 3)), jax.grad(lambda x: jnp.prod(x, 1).sum())(ramp(2, 4))])
value("cumulative operations")(lambda: [total(lambda x: jnp.cumprod(x) * vec(1, 2, 3))(vec(0, 2, 3)), total(lambda x: lax.cummax(x) * vec(1, 2, 4))(vec(1, 1, 0)), total(lambda x: lax.cummin(x) * vec(1, 2, 4))(vec(1, 1, 0)), total(lambda x: jnp.cumsum(x) ** 2)(vec(1, 2, 3)), total(lambda x: lax.cummax(x, reverse=True) * vec(1, 2, 4))(vec(1, 1, 0))])
value("sort and median with ties")(lambda: [total(lambda x: jnp.sort(x) * vec(1, 10, 100))(vec(2, 1, 1)), jax.grad(jnp.median)(vec(1, 1, 3)), jax.grad(jnp.median)(vec(1, 2, 2, 3)), jax.grad(jnp.median)(vec(5, 1, 3, 2))])
value("rem and mod")(lambda: [both(lax.rem)(vec(5, -5), vec(3, 3)), both(jnp.mod)(vec(5, -5), vec(3, 3))])
value("angles at the origin")(lambda: [both(jnp.arctan2)(vec(0, 1), vec(0, 1)), total(jnp.sinc)(vec(0, 0.5)), jax.grad(jax.grad(jnp.sinc))(0.0)])
value("activations at their kinks")(lambda: [total(f)(vec(-3, 0, 3, 6)) for f in (jax.nn.relu, jax.nn.relu6, jax.nn.softplus, jax.nn.leaky_relu, jax.nn.elu, jax.nn.hard_tanh)])
value("norm and std at zero")(lambda: [jax.grad(lambda x: jnp.sqrt(jnp.sum(x * x)))(vec(0, 0)), jax.grad(jnp.std)(vec(1, 1)), jax.grad(jnp.var)(vec(1, 1))])

# --- api_test: complex and holomorphic --------------------------------------------------------------------------------------------
z = c64(1 + 2j, -0.5 + 0.3j, 0.2 - 0.7j)
for name in "exp exp2 expm1 log log1p logistic sqrt rsqrt sin cos tan asin acos atan sinh cosh tanh asinh acosh atanh sign square neg".split():
    value(f"complex jvp of {name}")(lambda f=getattr(lax, name): jax.jvp(f, (z,), (c64(1 - 1j, 2, 1j),)))
for name in "add sub mul div pow".split():
    value(f"complex vjp of {name}")(lambda f=getattr(lax, name): jax.vjp(f, z, c64(0.5 - 1j, 2 + 0.1j, -1 - 1j))[1](c64(1, 1j, 1 + 1j)))
square_real = lambda z: lax.real(z * z)
value("holomorphic grad")(lambda: [jax.grad(lambda z: z**3, holomorphic=True)(c64(1 + 2j)[0]), jax.grad(jax.grad(lambda z: z**3, holomorphic=True), holomorphic=True)(c64(1 + 2j)[0])])
value("holomorphic jacobians")(lambda: [j(lambda z: z * z[::-1], holomorphic=True)(z) for j in (jax.jacfwd, jax.jacrev)] + [jax.hessian(lambda z: jnp.sum(z**3), holomorphic=True)(z)])
value("grad of real functions of complex numbers")(lambda: [jax.grad(f)(c64(3 + 4j)[0]) for f in (square_real, lambda z: lax.imag(z), lambda z: lax.real(z), lambda z: lax.abs(z), lambda z: lax.real(z * lax.conj(z)))] + [jax.grad(lambda z: lax.abs(z))(c64(0)[0])])
value("grad through complex numbers")(lambda: jax.grad(lambda x, y: lax.abs(lax.exp(lax.complex(x, y)) * 1j), argnums=(0, 1))(np.float32(0.3), np.float32(0.4)))
value("vjp of complex parts")(lambda: [jax.vjp(lax.complex, vec(1, 2), vec(3, 4))[1](c64(1 + 2j, 3 - 1j)), jax.vjp(lax.real, z)[1](vec(1, 2, 3)), jax.vjp(lax.imag, z)[1](vec(1, 2, 3)), jax.vjp(lax.conj, z)[1](z), jax.vjp(lax.conj, vec(1, 2))[1](c64(1 + 2j, 3 - 1j))])
value("vjp of a complex product of matrices")(lambda: jax.vjp(jnp.dot, (ramp(2, 3) + 1j * ramp(2, 3)[::-1]).astype(np.complex64), z)[1](c64(1, 1j)))
value("vjp of conversions to complex numbers")(lambda: [jax.vjp(lambda x: lax.convert_element_type(x, np.complex64) * (1 + 2j), vec(1, 2))[1](c64(1j, 1)), jax.grad(lambda x: lax.real(lax.convert_element_type(x, np.complex64) ** 2))(np.float32(3))])
value("vmap of complex gradients")(lambda: jax.vmap(jax.grad(square_real))(z))
value("a complex scan")(lambda: jax.grad(lambda w: lax.abs(lax.scan(lambda c, x: (c * w + x, None), c64(0)[0], z)[0]))(c64(0.5 + 0.5j)[0]))
error("complex result without holomorphic")(lambda: jax.grad(lambda z: z)(c64(1j)[0]))
error("holomorphic of a real argument")(lambda: jax.grad(lambda z: z, holomorphic=True)(1.0))
error("holomorphic with a real result")(lambda: jax.grad(lambda z: lax.real(z), holomorphic=True)(c64(1j)[0]))
error("jacfwd of a complex argument")(lambda: jax.jacfwd(lambda z: z)(z))
error("jacfwd holomorphic with a real result")(lambda: jax.jacfwd(lambda z: lax.real(z), holomorphic=True)(z))
error("jacrev of a complex result")(lambda: jax.jacrev(lambda x: lax.complex(x, x))(vec(1, 2)))
error("real part of a real number")(lambda: lax.real(1.0))

# --- custom_api_test: custom_jvp --------------------------------------------------------------------------------------------------
def marked():
    """sin with a derivative of 2 cos: what used the rule shows."""
    f = jax.custom_jvp(lambda x: jnp.sin(x))
    f.defjvp(lambda p, t: (f(*p), 2 * jnp.cos(p[0]) * t[0]))
    return f


mj = marked()
value("custom jvp: basic")(lambda: [mj(3.0), jax.jvp(mj, (3.0,), (1.0,)), jax.jvp(mj, (3.0,), (5.0,)), jax.grad(mj)(3.0)])


def log1pexp():
    f = jax.custom_jvp(lambda x: jnp.log(1 + jnp.exp(x)))
    f.defjvps(lambda t, ans, x: (1 - 1 / (1 + jnp.exp(x))) * t)
    return f


value("custom jvp: log1pexp is stable")(lambda: [jax.grad(log1pexp())(100.0), jax.vmap(jax.grad(log1pexp()))(vec(-100, 0, 100)), jax.grad(jax.grad(log1pexp()))(0.0)])


def invariance():
    f = jax.custom_jvp(lambda x: (jnp.cos(2 * x) / 2, jnp.sin(x * x)))
    f.defjvp(lambda p, t: (f(*p), (jnp.sin(-2 * p[0]) * t[0], 2 * p[0] * jnp.cos(p[0] ** 2) * t[0])))
    f2 = lambda x, t: jax.jvp(f, (x,), (t,))
    f3 = lambda x, t: jax.jvp(f2, (x, t), (0.5, 2.0))
    return [f(0.7), f2(0.7, 1.3), f3(0.7, 1.3)]


value("custom jvp: invariance")(invariance)
value("custom jvp: vmap")(lambda: [jax.vmap(mj)(vec(1, 2)), jax.vmap(lambda x: jax.jvp(mj, (x,), (x,)))(vec(1, 2)), jax.jvp(jax.vmap(mj), (vec(1, 2),), (vec(3, 4),)), jax.vmap(jax.vmap(lambda x: jax.jvp(mj, (x,), (x,))))(ramp(2, 2))])
value("custom jvp: jit")(lambda: [jax.jit(mj)(3.0), jax.jit(lambda x: jax.jvp(mj, (x,), (x,)))(3.0), jax.jvp(jax.jit(mj), (3.0,), (2.0,)), jax.jit(jax.vmap(jax.grad(jax.jit(mj))))(vec(1, 2))])


def trees():
    f = jax.custom_jvp(lambda x: {"b": jnp.sin(x["a"]), "c": [x["a"] * x["d"]]})
    f.defjvp(lambda p, t: (f(*p), {"b": 2 * jnp.cos(p[0]["a"]) * t[0]["a"], "c": [t[0]["a"] + 3 * t[0]["d"]]}))
    x = {"a": 3.0, "d": 2.0}
    return [f(x), jax.jvp(f, (x,), ({"a": 1.0, "d": 5.0},)), jax.grad(lambda x: f(x)["c"][0])(x)]


value("custom jvp: trees")(trees)
value("custom jvp: inside scan")(lambda: (lambda f: [jax.grad(f)(0.3), jax.vmap(jax.grad(f))(vec(0.1, 0.2)), jax.jvp(jax.jit(f), (0.3,), (1.0,)), jax.jvp(jax.vmap(f), (vec(0.1, 0.2),), (vec(1, 2),))])(lambda x: lax.scan(lambda c, _: (mj(c), c), x, None, length=3)[0]))
value("custom jvp: inside cond and while")(lambda: [jax.grad(lambda x: lax.cond(x > 0, mj, lambda y: y * 7, x))(x) for x in (0.4, -0.4)] + [jax.jvp(lambda x: lax.while_loop(lambda c: c[1] < 3, lambda c: (mj(c[0]), c[1] + 1), (x, 0))[0], (0.4,), (1.0,))[1]])


def nondiff():
    f = jax.custom_jvp(lambda g, x, k: g(x) * k, nondiff_argnums=(0, 2))
    f.defjvp(lambda g, k, p, t: (f(g, p[0], k), 100 * k * t[0]))
    return [f(jnp.cos, 1.0, 3), jax.jvp(lambda x: f(jnp.cos, x, 3), (1.0,), (2.0,)), jax.vmap(jax.grad(lambda x: f(jnp.cos, x, 3)))(vec(1, 2))]


value("custom jvp: arguments that are not differentiated")(nondiff)


def closed_over(rule_uses):
    def outer(x, y):
        f = jax.custom_jvp(lambda z: z * jnp.sin(y))
        f.defjvp(lambda p, t: (f(*p), t[0] * rule_uses(y)))
        return f(x) + jax.grad(f)(x)

    return outer


value("custom jvp: closes over batched and staged values")(lambda: [jax.vmap(closed_over(jnp.cos), (None, 0))(2.0, vec(1, 2)), jax.jit(closed_over(jnp.cos))(2.0, 3.0), jax.jit(jax.vmap(closed_over(jnp.cos)))(vec(1, 2), vec(3, 4)), jax.grad(closed_over(jnp.cos))(2.0, 3.0)])
error("custom jvp: closes over a differentiated value")(lambda: jax.grad(closed_over(jnp.cos), 1)(2.0, 3.0))


def symbolic():
    seen = []
    f = jax.custom_jvp(lambda x, y, z: x * y + z)

    def rule(p, t):
        zero = [type(a) is jax.custom_derivatives.SymbolicZero for a in t]
        seen.append(sum(2**i for i, on in enumerate(zero) if on))
        dx, dy, dz = [0.0 if on else a for on, a in zip(zero, t)]
        return f(*p), dx * p[1] + dy * p[0] + 10 * dz

    f.defjvp(rule, symbolic_zeros=True)
    outs = [jax.grad(f)(2.0, 3.0, 4.0), jax.grad(f, (0, 2))(2.0, 3.0, 4.0), jax.jit(jax.grad(jax.jit(f), 2))(2.0, 3.0, 4.0)]
    return [outs, np.array(seen, np.int32)]


value("custom jvp: symbolic zeros")(symbolic)


def per_argument():
    f = jax.custom_jvp(lambda x, y, z: x * y * z)
    f.defjvps(None, lambda t, ans, x, y, z: 2 * t * x * z, lambda t, ans, x, y, z: t * ans)
    return jax.grad(f, (0, 1, 2))(2.0, 3.0, 5.0)


value("custom jvp: one rule per argument")(per_argument)


def integer_outputs():
    f = jax.custom_jvp(lambda x, n: (x * n, n + 1))
    f.defjvp(lambda p, t: (f(*p), (t[0] * 50, np.zeros((), jax.dtypes.float0))))
    return [jax.grad(lambda x: f(x, np.int32(2))[0])(3.0), jax.jvp(lambda x: f(x, np.int32(2)), (3.0,), (1.0,))]


value("custom jvp: integers beside floats")(integer_outputs)


def higher():
    f = jax.custom_jvp(jnp.sin)
    f.defjvp(lambda p, t: (f(*p), g(p[0]) * t[0]))
    g = jax.custom_jvp(jnp.cos)
    g.defjvp(lambda p, t: (g(*p), -3 * f(p[0]) * t[0]))
    return [nested(f, n)(0.5) for n in range(5)]


value("custom jvp: rules that call each other")(higher)
error("custom jvp: no rule")(lambda: jax.grad(jax.custom_jvp(lambda x: x))(1.0))


def bad_jvp(rule):
    f = jax.custom_jvp(lambda x: jnp.sin(x))
    f.defjvp(rule)
    return f


error("custom jvp: the rule gives no pair")(lambda: jax.grad(bad_jvp(lambda p, t: t[0]))(1.0))
error("custom jvp: a tangent of another shape")(lambda: jax.grad(bad_jvp(lambda p, t: (jnp.sin(p[0]), jnp.ones(2))))(1.0))
error("custom jvp: a rule with another result")(lambda: jax.grad(jax.jit(bad_jvp(lambda p, t: (jnp.ones(2), jnp.ones(2)))))(1.0))

# --- custom_api_test: custom_vjp --------------------------------------------------------------------------------------------------
def marked_vjp(**options):
    f = jax.custom_vjp(lambda x: jnp.sin(x))
    f.defvjp(lambda x: (f(x), jnp.cos(x)), lambda c, g: (2 * c * g,), **options)
    return f


mv = marked_vjp()
value("custom vjp: basic")(lambda: [mv(3.0), jax.grad(mv)(3.0), jax.value_and_grad(mv)(3.0)])
value("custom vjp: vmap and jit")(lambda: [jax.vmap(mv)(vec(1, 2)), jax.vmap(jax.grad(mv))(vec(1, 2)), jax.grad(lambda x: jax.vmap(mv)(x).sum())(vec(1, 2)), jax.jit(jax.grad(jax.jit(mv)))(3.0), jax.jit(jax.vmap(jax.grad(mv)))(vec(1, 2)), jax.jacrev(jax.vmap(mv))(vec(1, 2))])
value("custom vjp: inside scan and cond")(lambda: (lambda f: [jax.grad(f)(0.3), jax.vmap(jax.grad(f))(vec(0.1, 0.2)), jax.jit(jax.grad(f))(0.3)])(lambda x: lax.scan(lambda c, _: (mv(c), c), x, None, length=3)[0]) + [jax.vmap(jax.grad(lambda x: lax.cond(x > 0, mv, lambda y: y * 7, x)))(vec(0.4, -0.4))])


def vjp_trees():
    f = jax.custom_vjp(lambda x, y: {"p": x["a"] * y, "q": [x["b"]]})
    f.defvjp(lambda x, y: (f(x, y), (x, y)), lambda r, g: ({"a": 10 * r[1] * g["p"], "b": 3 * g["q"][0]}, None))
    x = {"a": 2.0, "b": 5.0}
    return [f(x, 7.0), jax.grad(lambda x, y: f(x, y)["p"] + 2 * f(x, y)["q"][0], (0, 1))(x, 7.0)]


value("custom vjp: trees and None")(vjp_trees)


def vjp_nondiff():
    f = jax.custom_vjp(lambda g, x, k: g(x) * k, nondiff_argnums=(0, 2))
    f.defvjp(lambda g, x, k: (f(g, x, k), jnp.cos(x)), lambda g, k, c, ct: (100 * k * c * ct,))
    return [f(jnp.sin, 1.0, 3), jax.grad(lambda x: f(jnp.sin, x, 3))(1.0), jax.vmap(jax.grad(lambda x: f(jnp.sin, x, 3)))(vec(1, 2))]


value("custom vjp: arguments that are not differentiated")(vjp_nondiff)


def shared_argument():
    f = jax.custom_vjp(lambda x, w: x * w)
    f.defvjp(lambda x, w: (x * w, (x, w)), lambda r, g: (g * r[1], 10 * g * r[0]))
    return [jax.grad(lambda w: jax.vmap(f, (0, None))(vec(1, 2, 3), w).sum())(2.0), jax.grad(lambda w: jax.vmap(jax.vmap(f, (0, None)), (None, 0))(vec(1, 2), w).sum())(vec(3, 4, 5)), jax.vmap(jax.grad(f, 1), (0, None))(vec(1, 2), 3.0)]


value("custom vjp: cotangents of what is shared by a batch")(shared_argument)


def vjp_integers():
    f = jax.custom_vjp(lambda x, n: x * n)
    f.defvjp(lambda x, n: (x * n, n), lambda n, g: (7 * g * n, None))
    return [jax.grad(f)(3.0, np.int32(2)), jax.grad(f, (0, 1), allow_int=True)(3.0, np.int32(2))]


value("custom vjp: integer arguments")(vjp_integers)


def bwd_higher():
    f = jax.custom_vjp(lambda x: x**2)
    f.defvjp(lambda x: (x**2, x), lambda x, g: (g * x**3,))
    return [jax.grad(f)(2.0), jax.grad(jax.grad(f))(2.0), jax.hessian(f)(2.0)]


value("custom vjp: the backward function is differentiated")(bwd_higher)


def vjp_symbolic():
    seen = []
    f = jax.custom_vjp(lambda x, y: (x * y, x + y))

    def fwd(x, y):
        seen.append(int(x.perturbed) + 2 * int(y.perturbed))
        return (x.value * y.value, x.value + y.value), (x.value, y.value)

    def bwd(r, g):
        zero = [type(a) is jax.custom_derivatives.SymbolicZero for a in g]
        seen.append(10 + int(zero[0]) + 2 * int(zero[1]))
        a, b = [0.0 if on else v for on, v in zip(zero, g)]
        return (a * r[1] + 100 * b, a * r[0] + 200 * b)

    f.defvjp(fwd, bwd, symbolic_zeros=True)
    outs = [jax.grad(lambda x, y: f(x, y)[0])(2.0, 3.0), jax.grad(lambda x, y: f(x, y)[1], 1)(2.0, 3.0), jax.grad(lambda x, y: sum(f(x, y)), (0, 1))(2.0, 3.0), jax.grad(jax.jit(lambda x, y: f(x, y)[1]))(2.0, 3.0)]
    return [outs, np.array(seen, np.int32)]


value("custom vjp: symbolic zeros")(vjp_symbolic)
value("custom vjp: optimize remat")(lambda: (lambda f: [jax.grad(f)(3.0), jax.grad(jax.checkpoint(f))(3.0), jax.jit(jax.grad(jax.checkpoint(lambda x: jnp.sin(f(x)))))(3.0), jax.vmap(jax.grad(jax.checkpoint(f)))(vec(1, 2)), jax.grad(lambda x: jax.vmap(jax.checkpoint(f))(x).sum())(vec(1, 2))])(marked_vjp(optimize_remat=True)))
value("custom vjp: under checkpoint")(lambda: [jax.grad(jax.checkpoint(mv))(3.0), jax.jit(jax.grad(jax.checkpoint(lambda x: mv(mv(x)))))(3.0), jax.grad(lambda x: lax.scan(jax.checkpoint(lambda c, _: (mv(c), None)), x, None, length=3)[0])(0.3)])


def vjp_closed_over(x, y):
    f = jax.custom_vjp(lambda z: z * jnp.sin(y))
    f.defvjp(lambda z: (f(z), jnp.sin(y)), lambda s, g: (5 * s * g,))
    return f(x)


value("custom vjp: closes over batched and staged values")(lambda: [jax.vmap(vjp_closed_over, (None, 0))(2.0, vec(1, 2)), jax.jit(vjp_closed_over)(2.0, 3.0), jax.grad(vjp_closed_over)(2.0, 3.0), jax.vmap(jax.grad(vjp_closed_over), (None, 0))(2.0, vec(1, 2))])
error("custom vjp: closes over a differentiated value")(lambda: jax.grad(vjp_closed_over, 1)(2.0, 3.0))
error("custom vjp: closes over a differentiated value under jit")(lambda: jax.jit(jax.grad(jax.jit(vjp_closed_over), 1))(2.0, 3.0))
error("custom vjp: forward mode")(lambda: jax.jvp(mv, (1.0,), (1.0,)))
error("custom vjp: forward mode under jit")(lambda: jax.jvp(jax.jit(mv), (1.0,), (1.0,)))
error("custom vjp: no rule")(lambda: jax.grad(jax.custom_vjp(lambda x: x))(1.0))


def bad_vjp(fwd, bwd):
    f = jax.custom_vjp(lambda x: jnp.sin(x))
    f.defvjp(fwd, bwd)
    return f


error("custom vjp: a traced argument that is not differentiated")(lambda: jax.jit(lambda k: (lambda f: (f.defvjp(lambda x, k: (x, None), lambda k, r, g: (g,)), jax.grad(f)(1.0, k))[1])(jax.custom_vjp(lambda x, k: x * k, nondiff_argnums=(1,))))(2.0))
error("custom vjp: the forward function gives no pair")(lambda: jax.grad(bad_vjp(lambda x: x, lambda r, g: (g,)))(1.0))
error("custom vjp: the backward function gives too many")(lambda: jax.grad(bad_vjp(lambda x: (x, None), lambda r, g: (g, g)))(1.0))
error("custom vjp: a cotangent of another shape")(lambda: jax.grad(bad_vjp(lambda x: (x, None), lambda r, g: (jnp.ones(2),)))(1.0))
error("custom vjp: a forward function with another result")(lambda: jax.grad(jax.jit(bad_vjp(lambda x: (jnp.ones(2), None), lambda r, g: (1.0,))))(1.0))
error("custom vjp: symbolic zeros with optimize remat")(lambda: jax.grad(jax.checkpoint(marked_vjp(symbolic_zeros=True, optimize_remat=True)))(1.0))

# --- custom_api_test: custom_gradient, closure_convert ----------------------------------------------------------------------------
clip_gradient = jax.custom_gradient(lambda x: (x, lambda g: jnp.clip(g, -1, 1)))
two = jax.custom_gradient(lambda x, y: (x * y, lambda g: (10 * g * y, 100 * g * x)))
value("custom gradient: basic")(lambda: [clip_gradient(2.0), jax.grad(lambda x: 5 * clip_gradient(x))(2.0), jax.grad(two, (0, 1))(2.0, 3.0), jax.vmap(jax.grad(two))(vec(1, 2), vec(3, 4)), jax.jit(jax.grad(two))(2.0, 3.0)])
value("custom gradient: a tree and what it captures")(lambda: jax.grad(lambda p: jax.custom_gradient(lambda q: (jnp.sin(q["a"]) * q["b"], lambda g: ({"a": g * jnp.cos(q["a"]), "b": 7 * g},)))(p))({"a": 1.0, "b": 2.0}))
value("custom gradient: of higher order")(lambda: [nested(jax.custom_gradient(lambda x: (jnp.sin(x), lambda g: g * 2 * jnp.cos(x))), n)(0.5) for n in range(3)])


def converted_loss(y, n):
    def quad(f, x, *consts):
        g = jax.custom_vjp(lambda f, x, consts: f(x, *consts), nondiff_argnums=(0,))
        g.defvjp(lambda f, x, consts: (f(x, *consts), (x, consts)), lambda f, r, ct: (ct, [10 * ct * jnp.ones_like(c) for c in r[1]]))
        return g(f, x, consts if isinstance(consts, list) else list(consts))

    f, consts = jax.closure_convert(lambda x: jnp.sum(x * y) + n, 1.0)
    return quad(f, 2.0, *consts)


value("closure convert")(lambda: [jax.grad(converted_loss)(vec(1, 2), np.int32(3)), converted_loss(vec(1, 2), np.int32(3)), jax.jit(jax.grad(converted_loss))(vec(1, 2), np.int32(3))])

# --- api_test: checkpoint -----------------------------------------------------------------------------------------------------------
policies = jax.checkpoint_policies
sin2 = lambda x: jnp.sin(jnp.sin(x))
three_dots = lambda x: jnp.dot(jnp.sin(jnp.dot(jnp.sin(jnp.dot(x, x)), x)), x)
named3 = lambda x: jnp.sin(checkpoint_name(jnp.sin(checkpoint_name(jnp.sin(x), "a")), "b"))


def layers(policy, **options):
    """The model of JAX's guide: three layers of a matrix and a sine, with names."""

    def layer(w, x, name):
        return jnp.sin(checkpoint_name(jnp.dot(w, x), name))

    return jax.checkpoint(lambda ws, x: layer(ws[2], layer(ws[1], layer(ws[0], x, "first"), "second"), "third").sum(), policy=policy, **options)


weights = [ramp(5, 4), ramp(6, 5), ramp(3, 6)]
start = vec(1, 2, 3, 4)
named_policies = {
    "no policy": None,
    "everything": policies.everything_saveable,
    "nothing": policies.nothing_saveable,
    "dots": policies.dots_saveable,
    "dots without batch axes": policies.dots_with_no_batch_dims_saveable,
    "only the first": policies.save_only_these_names("first"),
    "only two names": policies.save_only_these_names("first", "third"),
    "any names but one": policies.save_any_names_but_these("second"),
    "both policies": policies.save_from_both_policies(policies.save_only_these_names("first"), policies.save_only_these_names("second")),
    "offload": policies.save_and_offload_only_these_names(names_which_can_be_saved=["first"], names_which_can_be_offloaded=["second"], offload_src="device", offload_dst="pinned_host"),
    "offload dots": policies.offload_dot_with_no_batch_dims("device", "pinned_host"),
    "no sines": lambda prim, *_, **__: str(prim) not in ("sin", "cos"),
}


def tally(f, *args):
    """Sines, cosines and matrix products in the gradient's jaxpr, and the number of residuals, as JAX's tests count them."""
    found = {"sin": 0, "cos": 0, "dot_general": 0}

    def walk(jaxpr):
        for eqn in jaxpr.eqns:
            if eqn.primitive.name in found:
                found[eqn.primitive.name] += 1
            for p in jax.tree.leaves(list(eqn.params.values()), is_leaf=lambda x: hasattr(x, "eqns") or hasattr(x, "jaxpr")):
                inner = getattr(p, "jaxpr", p)
                if hasattr(inner, "eqns"):
                    walk(inner)

    walk(jax.make_jaxpr(jax.grad(f))(*args).jaxpr)
    return {**found, "residuals": len(saved_residuals(f, *args))}


def count(name, f, *args):
    counts[name] = lambda: tally(f, *args)


value("checkpoint: values and derivatives")(lambda: [jax.value_and_grad(layers(p), (0, 1))(weights, start) for p in list(named_policies.values())[:9]])
value("checkpoint: under every transformation")(lambda: (lambda f: [jax.jvp(f, (0.5,), (2.0,)), jax.grad(f)(0.5), jax.grad(jax.grad(f))(0.5), jax.hessian(f)(0.5), jax.vmap(jax.grad(f))(vec(1, 2)), jax.jit(jax.grad(jax.jit(f)))(0.5), jax.linearize(f, 0.5)[1](2.0)])(jax.checkpoint(lambda x: jnp.sin(jnp.sin(x) * x), policy=policies.everything_saveable)))
value("checkpoint: static arguments")(lambda: jax.grad(jax.checkpoint(lambda x, n, g: g(x) if n > 2 else x, static_argnums=(1, 2)))(0.5, 3, jnp.sin))
value("checkpoint: a scan of checkpointed steps")(lambda: jax.grad(lambda w: lax.scan(jax.checkpoint(lambda c, x: (jnp.sin(c * w + x), c), prevent_cse=False), 0.1, vec(1, 2, 3))[0])(0.5))
value("checkpoint: of a cond")(lambda: [jax.grad(jax.checkpoint(lambda x: lax.cond(x > 0, sin2, jnp.exp, x), policy=p))(x) for p in (None, policies.everything_saveable) for x in (0.5, -0.5)])
for name, policy in named_policies.items():
    count(f"layers: {name}", layers(policy), weights, start)
    count(f"layers under jit: {name}", jax.jit(layers(policy)), weights, start)
    if not name.startswith("offload"):
        count(f"layers in a jit inside: {name}", jax.checkpoint(lambda ws, x, f=jax.jit(layers(None).__wrapped__): f(ws, x), policy=policy), weights, start)
count("no checkpoint", layers(None).__wrapped__, weights, start)
count("sin of sin", jax.checkpoint(sin2), 1.0)
count("sin of a checkpoint", lambda x: jnp.sin(jax.checkpoint(sin2)(x)), 1.0)
count("a checkpoint of a sum of dots", jax.checkpoint(lambda x: jnp.sum(three_dots(x)), policy=policies.dots_saveable), ramp(3, 3))
count("batched dots", jax.checkpoint(lambda x: jnp.sum(jnp.sin(jnp.einsum("bij,bjk->bik", x, x))), policy=policies.dots_with_no_batch_dims_saveable), ramp(2, 3, 3))
count("batched dots saved", jax.checkpoint(lambda x: jnp.sum(jnp.sin(jnp.einsum("bij,bjk->bik", x, x))), policy=policies.dots_saveable), ramp(2, 3, 3))
nest = lambda outer, inner: jax.checkpoint(lambda x: jnp.sin(jax.checkpoint(sin2, policy=inner)(jnp.sin(x))), policy=outer)
for a in ("no policy", "everything"):
    for b in ("no policy", "everything"):
        count(f"nested: {b} in {a}", nest(named_policies[a], named_policies[b]), 1.0)
count("nested three times", jax.checkpoint(lambda x: jax.checkpoint(lambda y: jax.checkpoint(sin2)(jnp.sin(y)))(jnp.sin(x))), 1.0)
for name in ("no policy", "everything", "only the first", "any names but one"):
    swap = {"only the first": policies.save_only_these_names("a"), "any names but one": policies.save_any_names_but_these("a")}
    policy = swap.get(name, named_policies[name])
    count(f"names: {name}", jax.checkpoint(named3, policy=policy), 1.0)
    count(f"a scan of steps: {name}", lambda x, p=policy: lax.scan(jax.checkpoint(lambda c, _: (named3(c), None), policy=p), x, None, length=3)[0], 1.0)
for name in ("no policy", "everything", "dots"):
    policy = named_policies[name]
    count(f"a scan inside: {name}", jax.checkpoint(lambda w, x: jnp.sum(lax.scan(lambda c, _: (jnp.sin(jnp.dot(w, c)), None), x, None, length=3)[0]), policy=policy), ramp(4, 4), start)
    count(f"a cond inside: {name}", jax.checkpoint(lambda w, x: jnp.sum(lax.cond(x[0] > 0, lambda v: jnp.sin(jnp.dot(w, v)), lambda v: jnp.cos(jnp.dot(w, jnp.dot(w, v))), x)), policy=policy), ramp(4, 4), start)
    count(f"a second derivative: {name}", jax.grad(jax.checkpoint(sin2, policy=policy)), 1.0)
    count(f"vmap: {name}", lambda ws, x, p=policy: jax.vmap(lambda v: layers(p)(ws, v))(x).sum(), weights, ramp(2, 4))


programs |= float0.programs
errors |= float0.errors


def number(x):
    x = float(x)
    return x if np.isfinite(x) else str(x)


def leaf(x):
    a = np.asarray(x)
    # What was computed by NumPy, outside of a trace: 64-bit types are off in JAX.
    a = a.astype({"float64": np.float32, "int64": np.int32}.get(str(a.dtype), a.dtype))
    if a.dtype == jax.dtypes.float0:
        return {"dtype": "float0", "shape": list(a.shape), "data": []}
    flat = a.reshape(-1)
    data = np.stack([flat.real, flat.imag], -1).reshape(-1) if a.dtype.kind == "c" else flat
    return {"dtype": str(a.dtype), "shape": list(a.shape), "data": [number(v) for v in data]}


def fails(f):
    try:
        f()
    except Exception as e:
        return type(e).__name__
    raise AssertionError("no error")


if __name__ == "__main__":
    out = {
        "version": jax.__version__,
        "values": {name: [leaf(x) for x in jax.tree.leaves(f())] for name, f in programs.items()},
        "errors": {name: fails(f) for name, f in errors.items()},
        "counts": {name: f() for name, f in counts.items()},
    }
    text = json.dumps(out)
    for entry in ('{"dtype"', '"errors"', '"counts"', '"values"'):
        text = text.replace(entry, "\n" + entry)
    (pathlib.Path(__file__).parent / "golden.json").write_text(text + "\n")
    print(len(programs), "values,", len(errors), "errors,", len(counts), "counts")
