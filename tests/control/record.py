"""Records from JAX what jax.test.ts compares with ours: results, derivatives and batched results of programs with loops and
branches. They are named after the tests of JAX (lax_control_flow_test.py and its neighbours) whose idea they take; their twins of
the same names stand in jax-programs.ts.

usage: pip install jax==0.10.2 && python3 tests/control/record.py
"""
import json
import math
import os
import pathlib

os.environ["JAX_PLATFORMS"] = "cpu"
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

f32 = lambda *values: np.array(values, np.float32)
i32 = lambda *values: np.array(values, np.int32)
num = lambda x: np.float32(x)
integer = lambda x: np.int32(x)
# Numbers that look random, between -1 and 1.
noise = lambda shape, seed=1: np.sin(12.9898 * (np.arange(math.prod(shape)) + 1) + 78.233 * seed).reshape(shape).astype(np.float32)
total = lambda x: lax.reduce_sum(x, axes=tuple(range(x.ndim)))

programs = {}


def program(name, f, *args, lanes=None, grad=(), jvp=None):
    """A function and its arguments; `lanes` are batched arguments (None: not batched), `grad` and `jvp` what is differentiated."""
    programs[name] = dict(f=f, args=args, lanes=lanes, grad=grad, jvp=grad if jvp is None else jvp)


def count(init):
    return lax.while_loop(lambda s: lax.lt(s[0], 10), lambda s: (lax.add(s[0], 1), lax.add(s[1], 1)), (init, 0))[1]


program("testWhileWithTuple", count, integer(2), lanes=[i32(2, 9, 12)])
program("testWhileWithManyArgs", lambda x: sum(lax.while_loop(lambda s: lax.lt(s[0], 2.0), lambda s: tuple(lax.add(a, b) for a, b in zip(s, s[1:] + s[:1])), (x,) * 64)), num(0.5), lanes=[f32(0.5, 3.0, 0.1)], jvp=(0,))


def inner_loop(i, n):
    return lax.while_loop(lambda s: lax.le(s[1], s[0]), lambda s: (s[0], lax.add(s[1], 1), lax.add(s[2], 1)), (i, 0, n))[2]


program("testNestedWhile", lambda n: lax.while_loop(lambda s: lax.lt(s[1], s[0]), lambda s: (s[0], lax.add(s[1], 1), inner_loop(s[1], s[2])), (n, 0, 0))[1:], integer(4), lanes=[i32(3, 0, 4)])
program("testWhileWithClosure", lambda init, limit, inc: lax.while_loop(lambda s: lax.lt(s[0], limit), lambda s: (lax.add(s[0], 1), lax.add(s[1], inc)), (init, 0.0))[1], integer(2), integer(10), num(0.5), lanes=[None, i32(10, 1, 5), f32(0.5, 1.0, 2.0)], jvp=(2,))


def lower_triangle(arr):
    def inner(i, arr, out):
        def body(s):
            i, j, arr, out = s
            entry = lax.dynamic_slice(arr, (i, j), (1, 1))
            return i, lax.add(j, 1), arr, lax.dynamic_update_slice(out, lax.mul(entry, entry), (i, j))
        return lax.while_loop(lambda s: lax.le(s[1], s[0]), body, (i, 0, arr, out))[3]
    return lax.while_loop(lambda s: lax.lt(s[0], 5), lambda s: (lax.add(s[0], 1), s[1], inner(s[0], s[1], s[2])), (0, arr, jnp.zeros((5, 5))))[2]


program("testNestedWhileWithDynamicUpdateSlice", lower_triangle, noise((5, 5)), lanes=[noise((3, 5, 5))], jvp=(0,))


def sum_first(arr, n):
    def body(s):
        arr, n, i, acc = s
        return arr, n, lax.add(i, 1), lax.add(acc, lax.sin(lax.dynamic_index_in_dim(arr, i, 0, False)))
    return lax.while_loop(lambda s: lax.bitwise_and(lax.lt(s[2], s[1]), lax.lt(s[2], 10)), body, (arr, n, 0, 0.0))[3]


program("testLoopWithConjunctionCondition", sum_first, noise((10,)), integer(7), lanes=[None, i32(0, 5, 15)], jvp=(0,))
program("testWhileLoopBatched", lambda x: lax.while_loop(lambda x: x < 3, lambda x: x + 2, x), integer(0), lanes=[i32(0, 1, 3)])
program("testWhileLoopBatchedWithConstBody", lambda x: lax.while_loop(lambda _: jnp.logical_not(False) == False, lambda _: jnp.float32(0), x), num(3), lanes=[f32(0, 1, 2)], jvp=(0,))
program("testWhileLoopCondConstsBatched", lambda x, y: lax.while_loop(lambda x: x < y, lambda x: x * 2, x), num(1), num(5), lanes=[None, f32(5, 0, 70)], jvp=(0, 1))
program("testWhileLoopBodyConstsBatched", lambda x, y: lax.while_loop(lambda x: x < 3, lambda x: x + y, x), num(0), num(2), lanes=[None, f32(2, 3, 0.7)], jvp=(0, 1))
program("testWhileLoopTupleBatched", lambda x, y: lax.while_loop(lambda s: s[0] + s[1] < 5, lambda s: (s[0] + 1, s[1]), (x, y)), num(0), num(1), lanes=[f32(0, 0, 9), f32(1, 2, 1)], jvp=(0, 1))


def nested_sums(a, b):
    def inner(s):
        return lax.while_loop(lambda s: s[2] < b + 1, lambda s: (s[0] + s[1] + s[2], s[1], s[2] + 1), s)[0]
    return lax.while_loop(lambda s: s[1] < a + 1, lambda s: (inner(s), s[1] + 1, s[2]), (0, 0, 0))[0]


program("test_issue_3204", nested_sums, integer(3), integer(2), lanes=[i32(0, 3, 2), i32(4, 1, 2)])
program("testForiLoopBatched", lambda x: lax.fori_loop(0, 10, lambda i, s: (s[0] + 1, s[1] + s[0]), (x, 0.0)), num(1), lanes=[f32(0, 1, 2)], grad=(0,))
program("testForiLoopClosure", lambda x, n: lax.fori_loop(0, n, lambda i, acc: lax.add(lax.sin(x), lax.mul(acc, x)), 0.0), num(0.7), integer(4), lanes=[f32(0.7, 0.1, 2), i32(4, 0, 7)], jvp=(0,))


def sum_dict(arr, n):
    body = lambda i, s: {"arr": s["arr"], "total": lax.add(s["total"], lax.dynamic_index_in_dim(lax.cos(s["arr"]), i, 0, False))}
    return lax.fori_loop(0, lax.min(10, n), body, {"arr": arr, "total": 0.0})["total"]


def sum_tuple(arr, empty):
    body = lambda i, s: (s[0], lax.add(s[1], lax.mul(s[1], lax.dynamic_index_in_dim(s[0], i, 0, False))), empty)
    return lax.fori_loop(2, 7, body, (arr, 0.5, empty))[1]


program("testForiLoopTupleState", lambda arr: sum_tuple(arr, 1.0), noise((10,)), lanes=[noise((3, 10))], grad=(0,))
program("testForiLoopDictState", sum_dict, noise((10,)), integer(6), lanes=[None, i32(0, 5, 15)], jvp=(0,))
program("testForiLoopEmptyTupleInState", lambda arr: sum_tuple(arr, ()), noise((10,)), lanes=[noise((3, 10))], grad=(0,))
program("testForiLoopIssue8152", lambda x: lax.fori_loop(0, 0, lambda i, x: x + i, x), num(1.5), lanes=[f32(1, 2, 3)], grad=(0,))
program("testForiLoopReversedBounds", lambda x: lax.fori_loop(5, 2, lambda i, x: x * 2, x), num(1.5), lanes=[f32(1, 2, 3)], grad=(0,))


def double_twice(x):
    y = lax.mul(2.0, x)
    return y, lax.mul(2.0, y)


program("testCond", lambda x: lax.cond(lax.lt(x, 3.0), lambda x: (x, x), double_twice, x), num(4), lanes=[f32(0, 3, 4)], grad=(0,))
program("testCondTwoOperands", lambda x: lax.cond(x == 0, lax.add, lax.mul, x, x), num(3), lanes=[f32(0, 1, 3)], grad=(0,))
program("testCondThreeOperands", lambda x: lax.cond(x == 0, lambda x, y, z: x + y + z, lambda x, y, z: x * y * z, x, x, x), num(2), lanes=[f32(0, 1, 2)], grad=(0,))
branches = [lambda x: (x, x), double_twice, lambda x: (x, -x)]
program("testSwitch", lambda i, x: lax.switch(i, branches, x), integer(1), num(2.5), lanes=[i32(-1, 1, 7), f32(1, 2, 3)], grad=(1,))
program("testSwitchMultiOperands", lambda i, x: lax.switch(i, [lax.add, lax.mul], x, x), integer(1), num(2.5), lanes=[i32(-1, 1, 7), None], grad=(1,))
program("testOneBranchSwitch", lambda i, x: lax.switch(i, [lambda x: -x], x), integer(-1), num(7), lanes=[i32(-1, 0, 1), None], grad=(1,))
program("testNestedCond", lambda x: lax.cond(lax.lt(x, 2.0), lambda x: lax.mul(2.0, x), lambda x: lax.cond(lax.lt(x, 5.0), lambda y: lax.mul(3.0, y), lambda y: lax.mul(y, x), x), x), num(6), lanes=[f32(1, 3, 6)], grad=(0,))
program("testCondOneBranchConstantTuple", lambda x: lax.cond(lax.lt(x, 3.0), lambda x: (1.0, 2.0, 3.0), lambda x: (x, 2.0, 4.0), x), num(4), lanes=[f32(0, 3, 4)], grad=(0,))
program("testCondBatched", lambda x, y, z: lax.cond(lax.lt(x, 3), lambda y, z: y, lambda y, z: lax.neg(z), y, z), integer(2), num(1), num(3), lanes=[None, f32(1, 2, 5), f32(3, 4, 6)], grad=(1, 2))
program("testCondBatchedPredicate", lambda x, y, z: lax.cond(lax.lt(x, 3), lambda y, z: y, lambda y, z: lax.neg(z), y, z), integer(4), num(1), num(3), lanes=[i32(2, 4, 1), f32(1, 2, 5), None], grad=(1, 2))
program("testSwitchBatched", lambda i, x, y, z: lax.switch(i, [lambda s: s[0], lambda s: lax.neg(s[1]), lambda s: lax.sin(s[2])], (x, y, z)), integer(2), num(1), num(3), num(9), lanes=[i32(0, 1, 2), f32(1, 2, 3), None, f32(9, 9, 8)], grad=(1, 2, 3))
program("testSwitchJVP", lambda x: lax.switch(lax.convert_element_type(x // 1, np.int32), branches, x), num(1.7), lanes=[f32(-0.7, 1.7, 3.7)], grad=(0,))
sines = lambda x: lax.cond(x < 2, lambda x: 3.0 * x, lambda x: jnp.sin(x), x)
program("testCondGrad", sines, num(2.14), lanes=[f32(2.14, 1.72, 2)], grad=(0,))
program("testCondGradVmapNan", lambda x: lax.cond(x < 1e-3, lambda _: 1e-3, lambda _: jnp.sqrt(x), ()), num(0), lanes=[f32(0, 4, 0)], grad=(0,))
program("testSwitchGrad", lambda x: lax.switch(lax.convert_element_type(x // 1, np.int32), [lambda x: 3.0 * x, lambda x: jnp.sin(x), lambda x: -x], x), num(1.7), lanes=[f32(-0.7, 1.7, 3.7)], grad=(0,))
two = lambda x, then: lax.cond(x[0] < 2, lambda x: jnp.array([1.0, 2.0]) * x, then, x)
program("testCondGrad2", lambda x: two(x, jnp.sin), f32(2.14, 2.14), lanes=[np.array([[2.14, 2.14], [1.72, 1.72], [2, 3]], np.float32)], grad=(0,))
program("testCondGrad4", lambda x, y: lax.cond(x < 3, lambda: 2.0 * jnp.sin(y), lambda: 2.0 * x), num(2.72), num(5.8), lanes=[f32(3.14, 2.72, 3), f32(5.8, 5.8, 1)], grad=(0, 1))
program("testCondLinearize2", lambda x: two(x, lambda x: jnp.cos(jnp.sin(x))), f32(2.14, 2.14), lanes=[np.array([[2.14, 2.14], [-2.14, 1], [2, 3]], np.float32)], grad=(0,))
program("testCondWithConsts", lambda x: lax.cond(x < 2, lambda x: np.array([1.0, 2.0], np.float32) * x, lambda x: np.array([3.0, 4.0], np.float32) * jnp.sin(x), x), num(4), lanes=[f32(1, 4, 2)], grad=(0,))
program("testCondVmapGrad", lambda x: lax.cond(x > 0, lambda x: x**2, lambda x: x**3, x), num(0.5), lanes=[f32(-1, 0, 0.7)], grad=(0,))
program("testIssue649", lambda a: lax.while_loop(lambda s: s[1] < 10, lambda s: (7.0, s[1] + 1), (a, 4)), num(33), lanes=[f32(33, 1, 2)], jvp=(0,))

d = noise((2,), 5)


def scan_body(c, a):
    b = jnp.sum(jnp.sin(a)) + jnp.sum(jnp.sin(c)) + jnp.sum(jnp.sin(d))
    return jnp.sin(c * b), b


program("testScanGrad", lambda c, a: lax.scan(scan_body, c, a), noise((4,)), noise((5, 3), 2), lanes=[noise((3, 4)), None], grad=(0, 1))
program("testScanVmap", lambda c, a: lax.scan(scan_body, c, a), noise((4,)), noise((5, 3), 2), lanes=[None, noise((3, 5, 3))], grad=(0, 1))
program("test_scan_unroll", lambda c, a: lax.scan(scan_body, c, a, unroll=2), noise((4,)), noise((5, 3), 2), lanes=[noise((3, 4)), None], grad=(0, 1))
program("test_scan_reverse", lambda x: lax.scan(lambda c, x: (c + x * c, c), 0.5, x, reverse=True), noise((6,)), lanes=[noise((3, 6))], grad=(0,))


def rnn(w, v, xs):
    def step(state, x):
        both = jnp.concatenate([state, x])
        return jnp.tanh(jnp.dot(w, both)), jnp.tanh(jnp.dot(v, both))
    return lax.scan(step, jnp.zeros(2), xs)[1]


program("testScanRnn", rnn, noise((2, 6)), noise((1, 6), 2), noise((3, 4), 3), lanes=[None, None, noise((3, 3, 4))], grad=(0, 1, 2))


def minimize(p):
    energy = lambda conf: jnp.sum(conf * conf * p)
    step = lambda s, _: ((s[0] + 1, s[1] - 0.1 * jax.grad(energy)(s[1])), None)
    return lax.scan(step, (0, f32(1, 2, 3)), None, length=15)[0][1]


program("testIssue711", minimize, num(0.5), lanes=[f32(0.5, 0.25, 1)], grad=(0,))


def higher(c, a):
    return (jnp.cos(0.75 * jnp.sum(jnp.sin(c * a))) * 0.9, jnp.sin(c * jnp.sum(jnp.cos(0.75 * a))))


def second(c, a):
    f = lambda c, a: sum(jnp.sum(y) for y in lax.scan(higher, c, a))
    return jax.grad(lambda c, a: sum(jnp.sum(jnp.sin(g)) for g in jax.grad(f, (0, 1))(c, a)), (0, 1))(c, a)


program("testScanHigherOrderDifferentiation", second, num(1), np.arange(6, dtype=np.float32).reshape(3, 2), lanes=[f32(1, 0.5, 2), None])


def tuples(c, a):
    body = lambda c, a: ((c[0] * jnp.sin(jnp.sum(a[0] * a[1])), c[1] * jnp.cos(jnp.sum(a[0]))), jnp.sum(jnp.cos(a[0])) * jnp.sum(jnp.tan(c[1] * a[1])))
    return lax.scan(body, c, a)


program("testScanVmapTuples", lambda c1, c2, a1, a2: tuples((c1, c2), (a1, a2)), noise((2,)), num(0.4), noise((3,), 2), noise((3, 4), 3), lanes=[noise((3, 2)), f32(0.4, 0.1, 0.9), noise((3, 3)), noise((3, 3, 4))], grad=(0, 1, 2, 3))
program("testScanVmapFixpoint", lambda x: lax.scan(lambda c, _: ((c[1], c[2], c[3], 0.0), None), (0.0, 1.0, 2.0, x), None, length=2)[0], num(3), lanes=[f32(3, 4, 5)], grad=(0,))
program("testIssue757", lambda x: lax.scan(lambda x, i: (jax.grad(jnp.cos)(x), i), x, jnp.arange(10)), num(0.5), lanes=[f32(0.5, 1, 2)], grad=(0,))
program("testIssue1361", lambda x: lax.scan(lambda s, _: ((2 * s[0], 0.0), None), (x, 0.0), jnp.arange(3))[0][0], num(0.5), lanes=[f32(0, 1, 2)], grad=(0,))
program("testIssue810", lambda a, x: lax.scan(lambda x, _: (jnp.matmul(a, x), None), x, None, length=6)[0], noise((3, 3)), noise((3,)), lanes=[noise((3, 3, 3)), None], grad=(0, 1))
program("testScanLengthArg", lambda c: lax.scan(lambda c, _: (c + 1, c * c), c, None, length=7)[1], num(0.5), lanes=[f32(0, 1, 2)], grad=(0,))
program("testScanCarryUnchanged", lambda w, xs: lax.scan(lambda s, x: ((s[0], jnp.tanh(s[0] * s[1] + x)), x), (w, 0.0), xs), num(0.7), noise((5,)), lanes=[f32(0.7, 0.1, 2), None], grad=(0, 1))
program("testScanEmpty", lambda c, xs: lax.scan(lambda c, x: (c * x, jnp.sin(c)), c, xs), num(0.5), np.zeros((0,), np.float32), lanes=[f32(0.5, 1, 2), None], grad=(0,))
program("testScanOfCondOfScan", lambda c, xs: lax.scan(lambda c, x: (lax.cond(x > 0, lambda c: lax.scan(lambda s, y: (jnp.sin(s * y), s), c, xs)[0], lambda c: c * x, c), c), c, xs), num(0.8), noise((4,)), lanes=[f32(0.8, 0.1, 0.5), noise((3, 4))], grad=(0, 1))
program("testMap", lambda xs: lax.map(lambda x: jnp.sin(x) ** 2, xs), noise((10,)), lanes=[noise((3, 10))], grad=(0,))
program("testMapEmpty", lambda xs: lax.map(lambda x: x * x, xs), np.zeros((0,), np.float32), lanes=[np.zeros((3, 0), np.float32)])
program("testBatchedMap", lambda xs: lax.map(lambda x: jnp.sum(jnp.sin(x) * x), xs, batch_size=4), noise((10, 2)), lanes=[noise((3, 10, 2))], grad=(0,))
squaring = lambda x: lax.while_loop(lambda x: x[0, 2] <= 8, lambda x: x * x, x)
program("testWhileJVP", squaring, np.arange(9, dtype=np.float32).reshape(3, 3), lanes=[np.stack([np.arange(9, dtype=np.float32).reshape(3, 3) + k for k in (0, 0.5, 7)])], jvp=(0,))
program("testWhileJVPViaForiLoop", lambda x: lax.fori_loop(0, 3, lambda i, x: x * (i + 1), x), num(2), lanes=[f32(2, 1, 0)], grad=(0,))
program("testWhileJVPWithGrowingNonzeroTangents", lambda x: lax.while_loop(lambda s: s[0] < 2, lambda s: (s[0] + 1, s[1], s[1] * s[1], s[2] * s[2]), (0, x, f32(1, 2), f32(3, 4)))[1:], noise((2,)), lanes=[noise((3, 2))], jvp=(0,))
program("test_vmaps_of_while_loop", lambda x, n: jax.vmap(lambda n: lax.fori_loop(0, n, lambda _, x: x * 1.5, x))(n), num(1), i32(0, 1, 2, 3), lanes=[f32(0, 1, 2), None], jvp=(0,))
program("test_fori_loop_batched_bounds", lambda lo, hi, x: lax.fori_loop(lo, hi, lambda i, x: x * 2 + i, x), integer(1), integer(4), num(1), lanes=[i32(0, 2, 5), i32(3, 1, 6), f32(1, 2, 3)], jvp=(2,))
program("testAssociativeScanUnstructured", lambda x: lax.associative_scan(lax.mul, x, axis=1), noise((5, 6, 2)), lanes=[noise((3, 5, 6, 2))], grad=(0,))
program("testAssociativeScanUnstructuredReverse", lambda x: lax.associative_scan(lax.add, x, reverse=True), i32(*range(32, 69)), lanes=[i32(*range(111)).reshape(3, 37)])
program("testAssociativeScanStructured3", lambda a, b: lax.associative_scan(lambda x, y: (x[0] * y[0], y[0] * x[1] + y[1]), (a, b)), noise((11,)), noise((11,), 2), lanes=[noise((3, 11)), None], grad=(0, 1))
program("testAssociativeScanOfBools", lambda x: lax.associative_scan(lax.bitwise_xor, x), np.array([0, 1, 1, 1, 0, 1], bool), lanes=[np.array([[0, 1, 1, 1, 0, 1], [1] * 6, [0] * 6], bool)])

ties = np.array([[1, 1, 0, 2], [2, -1, 2, 2], [0.5, 0, 0, 0.25]], np.float32)
for name in ["cumsum", "cumprod", "cummax", "cummin", "cumlogsumexp"]:
    f = getattr(lax, name)
    program(f"test_cumulative_{name}", lambda x, f=f: f(x, axis=1), ties, lanes=[np.stack([ties, ties[::-1], noise((3, 4))])], grad=(0,))
    program(f"test_cumulative_{name}_reverse", lambda x, f=f: f(x, axis=0, reverse=True), noise((5, 2)), lanes=[noise((3, 5, 2))], grad=(0,))
holes = np.where(noise((3, 4)) > 0.6, np.float32(np.nan), noise((3, 4)))
for name, f in {
    "cumsum": lambda x: jnp.cumsum(x, axis=0),
    "cumprod": lambda x: jnp.cumprod(x),
    "cumulative_sum": lambda x: jnp.cumulative_sum(x, axis=-1, include_initial=True),
    "cumulative_prod": lambda x: jnp.cumulative_prod(x, axis=0, include_initial=True),
}.items():
    program(f"numpy_{name}", f, noise((3, 4)), lanes=[noise((3, 3, 4))], grad=(0,))
program("numpy_nancumsum", lambda x: jnp.nancumsum(x, axis=1), holes, lanes=[np.stack([holes, -holes, holes])], grad=(0,))
program("numpy_nancumprod", lambda x: jnp.nancumprod(x), holes, lanes=[np.stack([holes, -holes, holes])], grad=(0,))

newton = lambda f, x: lax.fori_loop(0, 20, lambda _, y: y - f(y) / jax.grad(f)(y), x)
scalar_solve = lambda g, y: y / g(1.0)
root = lambda a: lax.custom_root(lambda x: x**3 - a, 1.0, newton, scalar_solve)
program("test_custom_root_scalar", root, num(5), lanes=[f32(1, 2, 5)], grad=(0,))
program("test_custom_root_second_derivative", jax.grad(jax.grad(root)), num(5), lanes=[f32(1, 2, 5)])
# Richardson iteration: it converges for the matrices near 2 I that are used here.
richardson = lambda matvec, b: lax.fori_loop(0, 60, lambda _, x: x + (b - matvec(x)) / 2, jnp.zeros_like(b))
near = lambda a: 2 * jnp.eye(3) + 0.3 * a


def linear_system(a, b, **options):
    m = near(a)
    transposed = lambda vecmat, b: richardson(vecmat, b)
    return lax.custom_linear_solve(lambda x: jnp.dot(m, x), b, richardson, transposed, **options)


program("test_custom_linear_solve", linear_system, noise((3, 3)), noise((3,), 2), lanes=[noise((3, 3, 3)), None], grad=(0, 1))
program("test_custom_linear_solve_batched_b", linear_system, noise((3, 3)), noise((3,), 2), lanes=[None, noise((3, 3))], grad=(0, 1))
program("test_custom_linear_solve_symmetric", lambda a, b: lax.custom_linear_solve(lambda x: jnp.dot(near(a + a.T), x), b, richardson, symmetric=True), noise((3, 3)), noise((3,), 2), lanes=[noise((3, 3, 3)), noise((3, 3))], grad=(0, 1))
program("test_custom_linear_solve_zeros", lambda b: lax.custom_linear_solve(lambda x: x * 0.5, b, lambda mv, b: b / 0.5, lambda vm, b: b / 0.5), noise((3,)), lanes=[noise((3, 3))], grad=(0,))


def pytree(x, y):
    matvec = lambda s: {"u": 2 * s["u"] + s["v"], "v": s["u"] + 3 * s["v"]}
    def solve(_, b):
        return {"u": (3 * b["u"] - b["v"]) / 5, "v": (2 * b["v"] - b["u"]) / 5}
    return lax.custom_linear_solve(matvec, {"u": x, "v": y}, solve, symmetric=True)


program("test_custom_linear_solve_pytree", pytree, noise((2,)), noise((2,), 2), lanes=[noise((3, 2)), None], grad=(0, 1))
program("test_custom_linear_solve_aux", lambda a, b: lax.custom_linear_solve(lambda x: jnp.dot(near(a), x), b, lambda mv, b: (richardson(mv, b), {"norm": jnp.sum(b)}), symmetric=False, transpose_solve=lambda vm, b: (richardson(vm, b), {"norm": jnp.sum(b)}), has_aux=True)[0], noise((3, 3)), noise((3,), 2), lanes=[noise((3, 3, 3)), None], grad=(0, 1))


def root_system(a, b):
    f = lambda x: jnp.dot(near(a), x) - b
    solve = lambda f, x: richardson(lambda x: f(x) + b, b)
    tangent_solve = lambda g, y: lax.custom_linear_solve(g, y, richardson, richardson)
    return lax.custom_root(f, jnp.zeros_like(b), solve, tangent_solve)


program("test_custom_root_vector_with_solve_closure", root_system, noise((3, 3)), noise((3,), 2), lanes=[noise((3, 3, 3)), None], grad=(0, 1))


def number(x):
    x = float(x)
    return str(x) if math.isnan(x) or math.isinf(x) else float(f"{x:.9g}")


def leaf(x):
    x = np.asarray(x)
    names = {"float32": "f32", "int32": "i32", "bool": "bool"}
    flat = x.reshape(-1)
    return {"dtype": names[str(x.dtype)], "shape": list(x.shape), "values": [number(v) for v in flat] if x.dtype == np.float32 else flat.astype(int).tolist()}


leaves = lambda tree: [leaf(x) for x in jax.tree.leaves(tree)]


def loss(f):
    return lambda *args: sum(jnp.sum(jnp.sin(y)) for y in jax.tree.leaves(f(*args)) if jnp.issubdtype(y.dtype, jnp.floating))


def record(f, args, lanes, grad, jvp):
    entry = {"args": [leaf(a) for a in args], "value": leaves(f(*args))}
    if jvp:
        def along(*xs):
            fill = lambda *moved: f(*[moved[jvp.index(i)] if i in jvp else x for i, x in enumerate(xs)])
            return jax.jvp(fill, tuple(xs[i] for i in jvp), tuple(jnp.cos(xs[i]) for i in jvp))[1]
        entry |= {"jvpOf": list(jvp), "jvp": leaves(jax.tree.map(lambda t: t if t.dtype != jax.dtypes.float0 else None, along(*args)))}
    if grad:
        entry |= {"gradOf": list(grad), "grad": leaves(jax.grad(loss(f), grad)(*args))}
    if lanes:
        axes = tuple(None if x is None else 0 for x in lanes)
        batched = [a if x is None else x for a, x in zip(args, lanes)]
        entry |= {"lanes": [None if x is None else leaf(x) for x in lanes], "batched": leaves(jax.vmap(f, axes)(*batched))}
        if grad:
            entry["batchedGrad"] = leaves(jax.vmap(jax.grad(loss(f), grad), axes)(*batched))
        if jvp:
            entry["batchedJvp"] = leaves(jax.tree.map(lambda t: t if t.dtype != jax.dtypes.float0 else None, jax.vmap(along, axes)(*batched)))
    return entry


recorded = {name: record(**spec) for name, spec in programs.items()}
here = pathlib.Path(__file__).parent
text = ",\n".join(f"{json.dumps(name)}: {json.dumps(entry, separators=(',', ':'))}" for name, entry in recorded.items())
(here / "jax.json").write_text("{\n" + text + "\n}\n")
print(len(recorded), "programs")
