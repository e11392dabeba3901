/**
 * Which rank-0 values are the same in all invocations by construction, as WGSL's own analysis sees it: control flow around barriers must
 * depend on nothing else. Starts by believing everything and takes back until nothing changes.
 */
import { sizeOf } from '../../core/shape.ts';
import type { Kernel, TileOp, TileRegion, TileValue } from '../tile/ir.ts';

const elementwise = new Set([
  'scalar',
  'select',
  'cast',
  'bitcast',
  'assume',
  'broadcast',
  'reshape',
]);

/** The values of a kernel that may differ between invocations. */
export class Uniformity {
  readonly #varying = new Set<TileValue>();
  readonly #constant: (ref: TileValue) => boolean;
  #changed = false;

  /** `constant` says whether a ref shows memory that the kernel only reads. */
  constructor(kernel: Kernel, constant: (ref: TileValue) => boolean) {
    this.#constant = constant;
    do {
      this.#changed = false;
      this.#region(kernel.body);
    } while (this.#changed);
  }

  /** Whether a value is the same in all invocations. */
  isUniform(value: TileValue): boolean {
    return !this.#varying.has(value);
  }

  #vary(value: TileValue): void {
    if (this.#varying.has(value)) return;
    this.#varying.add(value);
    this.#changed = true;
  }

  #region(region: TileRegion): void {
    for (const op of region.ops) this.#op(op);
  }

  #follow(from: readonly TileValue[], to: readonly TileValue[]): void {
    to.forEach((value, i) => {
      if (from[i] !== undefined && this.#varying.has(from[i])) this.#vary(value);
    });
  }

  #op(op: TileOp): void {
    for (const region of op.regions) this.#region(region);
    switch (op.kind) {
      case 'for': {
        const [body] = op.regions;
        const carried = body.args.slice(1);
        this.#follow(op.operands.slice(3), carried);
        this.#follow(body.results, carried);
        this.#follow(carried, op.results);
        return;
      }
      case 'while': {
        const [cond, body] = op.regions;
        this.#follow(op.operands, body.args);
        this.#follow(body.results, body.args);
        this.#follow(body.args, cond.args);
        this.#follow(body.args, op.results);
        return;
      }
      case 'if':
        for (const region of op.regions) this.#follow(region.results, op.results);
        return;
      default:
        for (const result of op.results) if (!this.#isSteady(op, result)) this.#vary(result);
    }
  }

  #isSteady(op: TileOp, result: TileValue): boolean {
    const operands = op.operands.filter((x) => x.type.kind === 'tile');
    const isSmall =
      sizeOf(result.type.shape) === 1 && operands.every((x) => sizeOf(x.type.shape) === 1);
    if (operands.some((x) => this.#varying.has(x))) return false;
    if (op.kind === 'programId' || op.kind === 'numPrograms') return true;
    if (op.kind === 'constant') return isSmall;
    if (op.kind === 'load') return isSmall && this.#constant(op.operands[0]);
    if (op.kind === 'slice_ref' || op.kind === 'transpose_ref')
      return !this.#varying.has(op.operands[0]);
    return isSmall && elementwise.has(op.kind);
  }
}
