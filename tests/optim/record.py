"""Records golden.json: three steps of optax optimizers on fixed gradients. Run with optax on CPU: python record.py > golden.json"""
import json
import sys

import jax
import jax.numpy as jnp
import numpy as onp
import optax

rng = onp.random.RandomState(0)
params = {"b": rng.randn(2).astype("f"), "w": rng.randn(2, 3).astype("f")}
grads = [{"b": rng.randn(2).astype("f"), "w": 3 * rng.randn(2, 3).astype("f")} for _ in range(3)]
numbers = lambda tree: [[float(str(v)) for v in onp.asarray(x, onp.float32).ravel()] for x in jax.tree.leaves(tree)]

optimizers = {
    "sgd": optax.sgd(0.1),
    "momentum": optax.sgd(0.1, momentum=0.9),
    "nesterov": optax.sgd(0.1, momentum=0.9, nesterov=True),
    "adam": optax.adam(0.01),
    "adamOptions": optax.adam(0.01, b1=0.8, b2=0.9, eps=1e-3),
    "adamw": optax.adamw(0.01, weight_decay=0.1),
    "clipped": optax.chain(optax.clip_by_global_norm(1.0), optax.sgd(1.0)),
    "scheduled": optax.sgd(optax.cosine_decay_schedule(0.1, 4, 0.1)),
    "adamScheduled": optax.adam(optax.linear_schedule(0.1, 0.0, 4)),
}
steps = {}
for name, optimizer in optimizers.items():
    state, p, seen = optimizer.init(params), params, []
    for g in grads:
        updates, state = optimizer.update(g, state, p)
        p = optax.apply_updates(p, updates)
        seen.append(numbers(p))
    steps[name] = seen
schedules = {
    "linearSchedule": optax.linear_schedule(1.0, 0.2, 4),
    "cosineDecaySchedule": optax.cosine_decay_schedule(2.0, 5, 0.1),
    "warmupCosineDecaySchedule": optax.warmup_cosine_decay_schedule(0.0, 1.0, 3, 8),
}
json.dump({"params": numbers(params), "grads": [numbers(g) for g in grads], "steps": steps,
           "schedules": {k: [float(str(onp.float32(s(i)))) for i in range(10)] for k, s in schedules.items()}}, sys.stdout)
