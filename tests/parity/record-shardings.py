"""Records from JAX, on eight host devices, which block each device has of arrays that lie over a mesh: what shardings.test.ts compares.

usage: pip install jax==0.10.2 && python3 tests/parity/record-shardings.py
"""
import json
import os
import pathlib

os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=8"
import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

grid = Mesh(np.array(jax.devices()).reshape(2, 4), ("x", "y"))
specs = {
    "[4,8] x y": ([4, 8], P("x", "y")),
    "[4,8] y": ([4, 8], P("y")),
    "[4,8] - x": ([4, 8], P(None, "x")),
    "[8] xy": ([8], P(("x", "y"))),
    "[8] yx": ([8], P(("y", "x"))),
    "[2,3] whole": ([2, 3], P()),
    "[] whole": ([], P()),
    "[0,4] x": ([0, 4], P("x")),
    "[8,2,3] y x": ([8, 2, 3], P("y", "x", None)),
}
record = {}
for name, (shape, spec) in specs.items():
    x = jax.device_put(np.arange(np.prod(shape), dtype=np.float32).reshape(shape), NamedSharding(grid, spec))
    record[name] = {
        "shape": shape,
        "spec": [list(e) if isinstance(e, tuple) else e for e in spec],
        "block": list(x.sharding.shard_shape(tuple(shape))),
        "replicated": x.is_fully_replicated,
        "shards": [
            {"device": s.device.id, "index": [list(r.indices(n)[:2]) for r, n in zip(s.index, shape)], "replica": s.replica_id, "data": np.asarray(s.data).ravel().tolist()}
            for s in x.addressable_shards
        ],
    }
(pathlib.Path(__file__).parent / "shardings.json").write_text("{\n" + ",\n".join(f" {json.dumps(k)}: {json.dumps(v)}" for k, v in record.items()) + "\n}\n")
print(len(record))
