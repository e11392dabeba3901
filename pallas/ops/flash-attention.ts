/**
 * Attention of one head without the matrix of scores: softmax(q · kᵀ · scale) · v, computed block by block with a running maximum and sum
 * (Dao et al., FlashAttention, 2022; backward pass from the saved logarithm of the sums). Map it over heads and batch with vmap.
 */
import type { Value } from '../../core/value.ts';
import { defaultDevice } from '../../core/backend.ts';
import { ArgumentError, ShapeError } from '../../core/errors.ts';
import { checkOptions } from '../../core/options.ts';
import { add, div, max, min, mul, sub } from '../../lax/arithmetic.ts';
import { and } from '../../lax/bits.ts';
import { le, lt, select } from '../../lax/comparison.ts';
import { full, zeros } from '../../lax/creation.ts';
import { broadcastInDim, reshape } from '../../lax/structure.ts';
import { exp, log } from '../../lax/transcendental.ts';
import { asValue, describe, NDArray, type ArrayLike } from '../../core/array.ts';
import { foriLoop } from '../../control/while.ts';
import { customVjp, type CustomVjp } from '../../transforms/custom.ts';
import { ShapeDtypeStruct } from '../../transforms/shape-struct.ts';
import { pallasCall } from '../call.ts';
import { BlockSpec, cdiv, programId } from '../grid.ts';
import { ds } from '../../lax/ref-index.ts';
import type { Ref } from '../../lax/ref.ts';
import {
  across,
  blockOf,
  inFloat32,
  positions,
  product,
  productT,
  rowMax,
  rowsOf,
  rowSum,
} from './rows.ts';

/** Options of `flashAttention`. */
export interface FlashAttentionOptions {
  /** Position i sees positions 0 … i only. */
  readonly causal?: boolean;
  /** Factor of the scores; 1 / √depth when left out. */
  readonly scale?: number;
  /**
   * Rows of queries per program; at most 64 when left out, 8 on software drivers of WebGPU. The gradient of keys and values, whose programs
   * have rows of keys and whose steps go over queries, takes what is left out the other way round.
   */
  readonly blockQ?: number;
  /** Rows of keys per step: at most 64 on WebGPU (32 on software drivers), 512 elsewhere when left out. */
  readonly blockK?: number;
}

/** Everything about a kernel that is not an array. */
interface Plan {
  readonly queries: number;
  readonly keys: number;
  readonly depth: number;
  readonly causal: boolean;
  readonly scale: number;
  readonly blockQ: number;
  readonly blockK: number;
}

/**
 * The score of what may not be seen, and where running maxima start: finite, since shaders need not know infinities, and so that
 * differences to scores of -Infinity stay numbers.
 */
const lowest = -3.4028234663852886e38;

const i32 = (n: number): Value => NDArray.fromScalar(n, 'i32');
const struct = (rows: number, columns: number): ShapeDtypeStruct =>
  new ShapeDtypeStruct([rows, columns], 'f32');
const rowsAt = (rows: number, columns: number): BlockSpec =>
  new BlockSpec([rows, columns], (i) => [i, 0]);

/** Scores of a block, and which of them may be seen, when not all may. */
interface Scores {
  readonly values: Value;
  readonly seen: Value | undefined;
}

/** Scores of a block: queries are its rows, or its columns where keys are the rows. */
function scores(
  plan: Plan,
  block: { readonly q: Value; readonly k: Value; readonly keyAxis: 0 | 1 },
  firstQuery: Value,
  firstKey: Value,
): Scores {
  const { q, k, keyAxis } = block;
  const [left, right] = keyAxis === 1 ? [q, k] : [k, q];
  const shape = [left.shape[0], right.shape[0]] as const;
  const raw = mul(productT(left, right), plan.scale);
  const key = positions(firstKey, shape, keyAxis);
  const conditions = [
    ...(plan.keys % plan.blockK === 0 ? [] : [lt(key, plan.keys)]),
    ...(plan.causal ? [le(key, positions(firstQuery, shape, keyAxis === 1 ? 0 : 1))] : []),
  ];
  if (conditions.length === 0) return { values: raw, seen: undefined };
  const seen = conditions.reduce((a, b) => and(a, b));
  return { values: select(seen, raw, full(shape, lowest)), seen };
}

/** exp(scores - top), where they may be seen: 0 elsewhere, also in rows whose scores are all -Infinity. */
function weightsOf({ values, seen }: Scores, top: Value): Value {
  const weights = exp(sub(values, top));
  return seen === undefined ? weights : select(seen, weights, zeros(values.shape));
}

/** How many blocks of keys the queries of block `i` see. */
function keyBlocks(plan: Plan, i: Value): number | Value {
  const all = cdiv(plan.keys, plan.blockK);
  if (!plan.causal) return all;
  const last = add(mul(i, plan.blockQ), plan.blockQ - 1);
  return min(i32(all), add(divide(last, plan.blockK), 1));
}

const divide = (x: Value, n: number): Value => div(x, i32(n));

function loop(
  count: number | Value,
  body: (j: Value, carry: Value[]) => Value[],
  init: Value[],
): Value[] {
  const from = typeof count === 'number' ? 0 : i32(0);
  return foriLoop<Value[]>(from, count, body, init);
}

function forward(plan: Plan): (q: Value, k: Value, v: Value) => [Value, Value] {
  const { queries, depth, blockQ, blockK } = plan;
  const kernel = (q: Ref, k: Ref, v: Ref, out: Ref, lse: Ref): void => {
    const i = programId(0);
    const firstRow = mul(i, blockQ);
    const query = q.get();
    const step = (j: Value, [acc, top, sum]: Value[]): Value[] => {
      const start = mul(j, blockK);
      const keys = rowsOf(k, start, blockK);
      const s = scores(plan, { q: query, k: keys, keyAxis: 1 }, firstRow, start);
      const next = max(top, rowMax(s.values));
      const shrink = exp(sub(top, next));
      const p = weightsOf(s, across(next, blockK));
      const scaled = mul(acc, across(shrink, depth));
      return [
        add(scaled, product(p, rowsOf(v, start, blockK))),
        next,
        add(mul(sum, shrink), rowSum(p)),
      ];
    };
    const init = [zeros([blockQ, depth]), full([blockQ, 1], lowest), zeros([blockQ, 1])];
    const [acc, top, sum] = loop(keyBlocks(plan, i), step, init);
    out.set(div(acc, across(sum, depth)));
    lse.set(add(top, log(sum)));
  };
  return pallasCall<[Value, Value]>(kernel, {
    name: 'flash_attention',
    outShape: [struct(queries, depth), struct(queries, 1)],
    grid: cdiv(queries, blockQ),
    inSpecs: [rowsAt(blockQ, depth), null, null],
    outSpecs: [rowsAt(blockQ, depth), rowsAt(blockQ, 1)],
  });
}

/** Gradient of the queries, one block of rows per program. */
function backwardQ(plan: Plan): (...args: Value[]) => Value {
  const { queries, depth, blockQ, blockK } = plan;
  const kernel = (q: Ref, k: Ref, v: Ref, dout: Ref, lse: Ref, delta: Ref, dq: Ref): void => {
    const i = programId(0);
    const firstRow = mul(i, blockQ);
    const [query, ct, top, mean] = [q.get(), dout.get(), lse.get(), delta.get()];
    const step = (j: Value, [acc]: Value[]): Value[] => {
      const start = mul(j, blockK);
      const keys = rowsOf(k, start, blockK);
      const s = scores(plan, { q: query, k: keys, keyAxis: 1 }, firstRow, start);
      const p = weightsOf(s, across(top, blockK));
      const dp = productT(ct, rowsOf(v, start, blockK));
      const dscore = mul(mul(p, sub(dp, across(mean, blockK))), plan.scale);
      return [add(acc, product(dscore, keys))];
    };
    const [acc] = loop(keyBlocks(plan, i), step, [zeros([blockQ, depth])]);
    dq.set(acc);
  };
  return pallasCall(kernel as never, {
    name: 'flash_attention_dq',
    outShape: struct(queries, depth),
    grid: cdiv(queries, blockQ),
    inSpecs: [
      rowsAt(blockQ, depth),
      null,
      null,
      rowsAt(blockQ, depth),
      rowsAt(blockQ, 1),
      rowsAt(blockQ, 1),
    ],
    outSpecs: rowsAt(blockQ, depth),
  });
}

/**
 * Gradients of keys and values, one block of their rows per program. Scores have a row per key here, so that every product is a plain one;
 * `lse` and `delta` are rows for that: f32[1,s].
 */
function backwardKV(plan: Plan): (...args: Value[]) => [Value, Value] {
  const { queries, keys, depth, blockQ, blockK } = plan;
  const kernel = (
    q: Ref,
    k: Ref,
    v: Ref,
    dout: Ref,
    lse: Ref,
    delta: Ref,
    dk: Ref,
    dv: Ref,
  ): void => {
    const j = programId(0);
    const firstKey = mul(j, blockK);
    const [key, value] = [k.get(), v.get()];
    const shape = [blockK, blockQ] as const;
    const step = (i: Value, [dkAcc, dvAcc]: Value[]): Value[] => {
      const start = mul(i, blockQ);
      const query = rowsOf(q, start, blockQ);
      const ct = rowsOf(dout, start, blockQ);
      const down = (row: Ref): Value =>
        broadcastInDim(row.get(null, ds(start, blockQ)), shape, [0, 1]);
      const s = scores(plan, { q: query, k: key, keyAxis: 0 }, start, firstKey);
      const isInside = lt(positions(start, shape, 1), queries);
      const inside = (x: Value): Value =>
        queries % blockQ === 0 ? x : select(isInside, x, zeros(shape));
      const p = inside(weightsOf(s, down(lse)));
      const dp = productT(value, ct);
      const dscore = inside(mul(mul(p, sub(dp, down(delta))), plan.scale));
      return [add(dkAcc, product(dscore, query)), add(dvAcc, product(p, ct))];
    };
    const count = cdiv(queries, blockQ);
    const init = [zeros([blockK, depth]), zeros([blockK, depth])];
    const [dkAcc, dvAcc] = loop(count, step, init);
    dk.set(dkAcc);
    dv.set(dvAcc);
  };
  return pallasCall<[Value, Value]>(kernel, {
    name: 'flash_attention_dkv',
    outShape: [struct(keys, depth), struct(keys, depth)],
    grid: cdiv(keys, blockK),
    inSpecs: [null, rowsAt(blockK, depth), rowsAt(blockK, depth), null, null, null],
    outSpecs: [rowsAt(blockK, depth), rowsAt(blockK, depth)],
  });
}

type Attention = CustomVjp<[Value, Value, Value], Value>;

/** `turned`: the plan of the gradient of keys and values, where keys are the rows of a program and queries the steps. */
function makeAttention(plan: Plan, turned: Plan): Attention {
  const [run, dq, dkv] = [forward(plan), backwardQ(plan), backwardKV(turned)];
  const attention = customVjp(function flashAttention(q: Value, k: Value, v: Value): Value {
    return run(q, k, v)[0];
  });
  attention.defvjp(
    (q: Value, k: Value, v: Value) => {
      const [out, lse] = run(q, k, v);
      return [out, [q, k, v, out, lse]];
    },
    ([q, k, v, out, lse]: Value[], ct: Value) => {
      const delta = rowSum(mul(out, ct));
      const row = (x: Value): Value => reshape(x, [1, plan.queries]);
      const [dk, dv] = dkv(q, k, v, ct, row(lse), row(delta));
      return [dq(q, k, v, ct, lse, delta), dk, dv];
    },
  );
  return attention;
}

/** Blocks of the rows of a program and of its steps that suit the default device: one subgroup of a software driver keeps no more than 8 rows in registers. */
function defaultBlocks(): { readonly rows: number; readonly steps: number } {
  const { kind, software = false } = defaultDevice();
  if (kind !== 'webgpu') return { rows: 64, steps: 512 };
  return software ? { rows: 8, steps: 32 } : { rows: 64, steps: 64 };
}

const made = new Map<string, Attention>();

/** The same function for the same plan, so that jit finds what it compiled. */
function attentionFor(plan: Plan, turned: Plan): Attention {
  const key = [...Object.values(plan), turned.blockQ, turned.blockK].join();
  let attention = made.get(key);
  if (attention === undefined) {
    if (made.size >= 256) made.clear();
    made.set(key, (attention = makeAttention(plan, turned)));
  }
  return attention;
}

/**
 * Attention of one head: softmax(q · kᵀ · scale) · v, with kernels for the gradient. f16 and bf16 are computed as f32; without keys the result is
 * zero.
 *
 * shape: q: f32[s,d], k: f32[t,d], v: f32[t,d] → f32[s,d]
 *
 * source: Dao et al., FlashAttention, 2022.
 *
 * @throws ShapeError when the arrays are not three matrices of one depth; DTypeError for other types than f32, f16 and bf16; ArgumentError for blocks
 * that are no positive integers and a scale that is no number.
 * @example
 * const x = np.ones([5, 8]);
 * pl.ops.flashAttention(x, x, x).shape; // → 5,8
 */
export function flashAttention(
  q: ArrayLike,
  k: ArrayLike,
  v: ArrayLike,
  options: FlashAttentionOptions = {},
): Value {
  checkOptions('flashAttention', options, ['causal', 'scale', 'blockQ', 'blockK']);
  const [query, key, value] = [
    asValue('flashAttention', q, 'q'),
    asValue('flashAttention', k, 'k'),
    asValue('flashAttention', v, 'v'),
  ];
  const fits =
    query.ndim === 2 &&
    key.ndim === 2 &&
    value.ndim === 2 &&
    key.shape[1] === query.shape[1] &&
    value.shape.join() === key.shape.join();
  if (!fits)
    throw new ShapeError(
      `flashAttention: q, k and v must be matrices [s,d], [t,d], [t,d]; got ${[query, key, value].map((x) => x.aval.toString()).join(', ')}. Map it over heads and batch with vmap.`,
    );
  const [queries, depth] = query.shape;
  const [keys] = key.shape;
  const most = defaultBlocks();
  const { causal = false, scale = 1 / Math.sqrt(depth) } = options;
  if (typeof causal !== 'boolean' || typeof scale !== 'number')
    throw new ArgumentError(
      `flashAttention: causal must be a boolean and scale a number; got ${describe(causal)} and ${describe(scale)}. Leave out what is not needed.`,
    );
  const rows = (extent: number, count: number): number =>
    blockOf(['flashAttention', 'blockQ', options.blockQ], extent, count);
  const columns = (extent: number, count: number): number =>
    blockOf(['flashAttention', 'blockK', options.blockK], extent, count);
  const plan: Plan = {
    queries,
    keys,
    depth,
    causal,
    scale,
    blockQ: rows(queries, most.rows),
    blockK: columns(keys, most.steps),
  };
  const turned: Plan = {
    ...plan,
    blockQ: rows(queries, most.steps),
    blockK: columns(keys, most.rows),
  };
  return inFloat32('flashAttention', [query, key, value], (x, y, z) =>
    queries * keys * depth === 0 ? zeros([queries, depth]) : attentionFor(plan, turned)(x, y, z),
  );
}
