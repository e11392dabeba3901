"""The programs of record.py about float0, the type of tangents and cotangents of integers and bools; their twins stand in
programs-float0.ts. record.py imports this file and writes what they give."""
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

vec = lambda *xs: np.array(xs, np.float32)
programs = {}
errors = {}


def value(name):
    return lambda f: programs.__setitem__(name, f)


def error(name):
    return lambda f: errors.__setitem__(name, f)


# --- api_test, custom_api_test: float0, the type of tangents and cotangents of integers and bools -----------------------------------
z = lambda *shape: np.zeros(shape, jax.dtypes.float0)
i32 = lambda *xs: np.array(xs, np.int32)
four, yes = np.int32(4), np.array([True, False])
scaled = lambda x, n: x * n
stepped = lambda x, n: (2 * x, n + 1)
both_grads = jax.grad(lambda x, n: x * x * n, (0, 1), allow_int=True)
counting = lambda x, n: lax.scan(lambda c, _: ((c[0] * c[1], c[1] + 1), c[1]), (x, n), None, length=3)
doubling = lambda x, n: lax.while_loop(lambda c: c[1] < 6, lambda c: (c[0] * c[1], c[1] + 1), (x, n))


def pair_jvp(tangent, **options):
    f = jax.custom_jvp(lambda x: (2 * x, np.int32(3)))
    f.defjvp(lambda p, t: (f(*p), (7 * t[0], tangent)), **options)
    return f


def product_vjp(ct):
    f = jax.custom_vjp(scaled)
    f.defvjp(lambda x, n: (f(x, n), n), lambda n, g: (5 * g * n, ct))
    return f


def echo_jvp():
    f = jax.custom_jvp(scaled)

    def rule(p, t):
        assert t[1].dtype == jax.dtypes.float0
        return f(*p), t[0] * p[1]

    f.defjvp(rule)
    return f


def echo_vjp():
    f = jax.custom_vjp(stepped)

    def backward(_, cts):
        assert cts[1].dtype == jax.dtypes.float0
        return 3 * cts[0], cts[1]

    f.defvjp(lambda x, n: (f(x, n), None), backward)
    return f


value("float0: zeros, and moving them")(lambda: [z(3), z(), z(2, 0), jnp.reshape(z(4), (2, 2)), jnp.concatenate([z(1), z(2)]), jnp.stack([z(2), z(2)]), jnp.where(True, z(3), z(3)), jnp.arange(3).astype(jax.dtypes.float0)])
value("float0: jvp of integers and bools")(lambda: [jax.jvp(lambda x, n: (x * n, n + 1, n > 2), (np.float32(3), four), (np.float32(1), z())), jax.jvp(lambda n: n * np.float32(2), (i32(1, 2),), (z(2),)), jax.jvp(lambda x, b: jnp.where(b, x, 0), (vec(1, 2), yes), (vec(3, 4), z(2)))])
value("float0: jvp with aux")(lambda: jax.jvp(lambda n: (n * np.float32(2), n), (four,), (z(),), has_aux=True))
value("float0: linearize")(lambda: [jax.linearize(scaled, vec(1, 2), i32(3, 4))[1](vec(1, 1), z(2)), jax.linearize(stepped, np.float32(1), four)[1](np.float32(1), z())])
value("float0: vjp of integers and bools")(lambda: [jax.vjp(scaled, vec(1, 2), i32(3, 4))[1](vec(1, 1)), jax.vjp(lambda x, b: jnp.where(b, x, 0), np.float32(1), yes)[1](vec(1, 1)), jax.vjp(lambda n: n + 1, i32(1, 2))[1](z(2))])
value("float0: cotangents of integer results")(lambda: [jax.vjp(stepped, np.float32(1), i32(1, 2))[1]((np.float32(1), ct)) for ct in (z(2), i32(0, 0))])
value("float0: grad")(lambda: [both_grads(np.float32(3), four), jax.value_and_grad(lambda p: p["x"] * p["n"], allow_int=True)({"x": np.float32(2), "n": four}), jax.grad(lambda b, x: jnp.sum(jnp.where(b, x, 0)), allow_int=True)(yes, np.float32(2))])
value("float0: grad of what is empty")(lambda: jax.grad(lambda n, x: x * jnp.sum(n), (0, 1), allow_int=True)(np.zeros((0, 2), np.int32), np.float32(1)))
value("float0: grad with aux")(lambda: jax.value_and_grad(lambda p: (p["x"] * p["n"], p["n"] + 1), allow_int=True, has_aux=True)({"x": np.float32(2), "n": four}))
value("float0: jacobians have zeros of their own dtype")(lambda: [jax.jacrev(lambda x, n: x * n, (0, 1), allow_int=True)(vec(1, 2), i32(3, 4)), jax.jacfwd(lambda x: (x.astype(np.int32), x))(vec(1, 2))])
value("float0: linear transpose leaves out what is not used")(lambda: jax.linear_transpose(lambda x, y: 3 * x, four, i32(1, 2))(np.int32(2)))
value("float0: jit of grad")(lambda: [jax.jit(both_grads)(np.float32(3), four), jax.jit(lambda x: (x, z(2), z()))(z(3))])
value("float0: vmap of grad")(lambda: [jax.vmap(both_grads)(vec(1, 2, 3), i32(4, 5, 6)), jax.vmap(both_grads, (0, None))(vec(1, 2, 3), four), jax.vmap(jax.jit(both_grads))(vec(1, 2, 3), i32(4, 5, 6)), jax.jit(jax.vmap(both_grads))(vec(1, 2, 3), i32(4, 5, 6))])
value("float0: vmap with axes")(lambda: [jax.vmap(jax.grad(lambda n: jnp.sum(n * np.float32(2)), allow_int=True), out_axes=1)(np.ones((3, 2), np.int32)), jax.vmap(lambda x: x, in_axes=1)(z(3, 2))])
value("float0: jvp of jit")(lambda: jax.jvp(jax.jit(stepped), (np.float32(1), four), (np.float32(1), z())))
value("float0: jit of jvp")(lambda: jax.jit(lambda x, n, dx, dn: jax.jvp(stepped, (x, n), (dx, dn)))(np.float32(1), four, np.float32(1), z()))
value("float0: vmap of jvp")(lambda: jax.vmap(lambda x, n, dx, dn: jax.jvp(stepped, (x, n), (dx, dn)))(vec(1, 2), i32(3, 4), vec(1, 1), z(2)))
value("float0: derivatives of derivatives")(lambda: [jax.jvp(both_grads, (np.float32(3), four), (np.float32(1), z())), jax.jvp(jax.jit(both_grads), (np.float32(3), four), (np.float32(1), z())), jax.grad(lambda x, n: both_grads(x, n)[0], 1, allow_int=True)(np.float32(3), four), jax.linearize(lambda x: both_grads(x, 4), np.float32(3))[1](np.float32(1))])
value("float0: scan")(lambda: [jax.jvp(counting, (np.float32(1), four), (np.float32(1), z())), jax.vjp(counting, np.float32(1), four)[1](((np.float32(1), z()), z(3)))])
value("float0: a scan of gradients")(lambda: [lax.scan(lambda c, n: (c, both_grads(c, n)), np.float32(1), i32(1, 2, 3)), jax.jit(lambda c: lax.scan(lambda c, x: (c, x), c, i32(1, 2, 3)))(z(2))])
value("float0: while loop")(lambda: [jax.jvp(doubling, (np.float32(1), four), (np.float32(1), z())), lax.while_loop(lambda c: c[0] < 3, lambda c: (c[0] + 1, c[1]), (np.int32(0), z(3)))])
value("float0: cond")(lambda: [jax.jvp(lambda p, x, n: lax.cond(p, lambda x, n: (x * n, n), lambda x, n: (x, n + 1), x, n), (np.bool_(True), np.float32(1), four), (z(), np.float32(1), z())), lax.cond(True, lambda x: z(3), lambda x: x, z(3))])
value("float0: checkpoint")(lambda: [jax.vjp(jax.checkpoint(stepped), np.float32(1), four)[1]((np.float32(1), z())), jax.vjp(jax.checkpoint(both_grads), np.float32(1), four)[1]((np.float32(1), z()))])
value("float0: what rules of custom_jvp get")(lambda: (lambda f: [jax.jvp(f, (np.float32(2), four), (np.float32(1), z())), jax.grad(f)(np.float32(2), four), jax.jit(jax.grad(f))(np.float32(2), four), jax.vmap(jax.grad(f))(vec(1, 2), i32(3, 4))])(echo_jvp()))
value("float0: what rules of custom_jvp give")(lambda: (lambda f: [jax.jvp(f, (np.float32(2),), (np.float32(1),)), jax.jvp(jax.jit(f), (np.float32(2),), (np.float32(1),)), jax.vmap(lambda x: jax.jvp(f, (x,), (np.float32(1),)))(vec(1, 2))])(pair_jvp(z())))
value("float0: what rules of custom_vjp get")(lambda: (lambda f: [jax.grad(lambda x, n: f(x, n)[0])(np.float32(2), four), jax.vjp(f, np.float32(2), four)[1]((np.float32(1), z())), jax.jit(jax.vmap(jax.grad(lambda x, n: f(x, n)[0])))(vec(1, 2), i32(3, 4))])(echo_vjp()))
value("float0: what rules of custom_vjp give")(lambda: [jax.grad(lambda x, n: jnp.sum(product_vjp(ct)(x, n)), (0, 1), allow_int=True)(vec(1, 2), i32(3, 4)) for ct in (None, z(2), i32(0, 0), vec(0, 0))])

error("float0: jvp with zeros of the integer's dtype")(lambda: jax.jvp(scaled, (np.float32(1), four), (np.float32(1), np.int32(0))))
error("float0: jvp with floats")(lambda: jax.jvp(scaled, (vec(1, 2), i32(3, 4)), (vec(1, 2), vec(0, 0))))
error("float0: jvp with another shape")(lambda: jax.jvp(scaled, (vec(1, 2), i32(3, 4)), (vec(1, 2), z())))
error("float0: jvp of a float")(lambda: jax.jvp(scaled, (np.float32(1), four), (z(), z())))
error("float0: linearize with another shape")(lambda: jax.linearize(scaled, np.float32(1), i32(3, 4))[1](np.float32(1), z()))
error("float0: a cotangent of another shape")(lambda: jax.vjp(stepped, np.float32(1), i32(1, 2))[1]((np.float32(1), z())))
error("float0: a rule that gives zeros of the integer's dtype")(lambda: jax.jvp(pair_jvp(np.int32(0)), (np.float32(2),), (np.float32(1),)))
error("float0: a rule that gives floats")(lambda: jax.jvp(jax.jit(pair_jvp(np.float32(0))), (np.float32(2),), (np.float32(1),)))
error("float0: integers without allow_int")(lambda: jax.grad(lambda n, x: x * n)(four, np.float32(1)))
error("float0: the gradient of a float0 result")(lambda: jax.grad(lambda x: z())(np.float32(1)))
error("float0: addition")(lambda: jnp.add(z(3), z(3)))
error("float0: multiplication with a number")(lambda: jnp.multiply(z(3), 2))
error("float0: addition to floats")(lambda: jnp.ones(3, np.float32) + z(3))
error("float0: a sine")(lambda: jnp.sin(z(3)))
error("float0: a sum")(lambda: jnp.sum(z(3)))
error("float0: a sum of itself under jit")(lambda: jax.jit(lambda x: x + x)(z(3)))
error("float0: an integer cotangent in a linear transpose")(lambda: jax.linear_transpose(lambda x: 3 * x, four)(z()))
