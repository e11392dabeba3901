/**
 * Checks that a kernel obeys the rules of tile kernels: types of every op, one definition before every use, block mappings that fit their arrays,
 * index maps that compute scalars, writes to operands that may be written. Does not prove the absence of races: see `affine.ts` and the interpreter.
 */
import { kindOf } from '../../core/dtype.ts';
import { KernelError } from '../../core/errors.ts';
import { showShape } from '../../core/shape.ts';
import { bodyTypes, indexMapTypes } from './build.ts';
import type { Kernel, Operand, TileKind, TileOp, TileRegion, TileValue, TypeOf } from './ir.ts';
import { printOp } from './print.ts';
import { sameType, showType } from './typing-check.ts';
import { resultTypes } from './typing.ts';

const maxPrograms = 2 ** 31 - 1;

/** Ops that only compute: what a combiner or comparator may hold, with `for`, `while` and `if`. */
const pure: ReadonlySet<TileKind> = new Set<TileKind>([
  'constant',
  'iota',
  'for',
  'while',
  'if',
  'scalar',
  'select',
  'cast',
  'bitcast',
  'broadcast',
  'reshape',
  'transpose',
  'slice',
  'concat',
  'pad',
  'rev',
  'reduce',
  'argreduce',
  'scan',
  'sort',
  'dot',
  'assume',
]);

/** Ops of index maps: scalars, and reads of prefetch operands. */
const indexing: ReadonlySet<TileKind> = new Set<TileKind>([
  'constant',
  'scalar',
  'select',
  'cast',
  'load',
  'slice_ref',
  'numPrograms',
  'assume',
]);

/** Whether an op writes memory that others may see. */
export const isWrite = (kind: TileKind): boolean =>
  kind === 'store' || kind === 'accumulate' || kind === 'scatter' || kind === 'atomic';

/** Whether an op must stay where it is even if nothing uses its results: writes, and output. */
export const hasEffect = (kind: TileKind): boolean =>
  isWrite(kind) || kind === 'print' || kind === 'check';

/** The argument or `alloc` whose memory a ref is a window of. */
export function rootOf(ref: TileValue): TileValue {
  let at = ref;
  while (at.def?.kind === 'slice_ref' || at.def?.kind === 'transpose_ref') at = at.def.operands[0];
  return at;
}

const isSize = (n: number): boolean => Number.isSafeInteger(n) && n >= 0;

class Verifier {
  readonly #kernel: Kernel;
  readonly #visible = new Set<TileValue>();
  readonly #readOnly = new Set<TileValue>();

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
  }

  run(): void {
    const { grid, operands, scratch, body } = this.#kernel;
    this.#grid();
    for (const operand of operands) this.#operand(operand);
    for (const s of scratch)
      if (!s.shape.every(isSize))
        this.#fail(`scratch ${s.name}: sizes must be integers ≥ 0; got ${showShape(s.shape)}`);
    const maps = indexMapTypes(grid, operands);
    for (const { name, shape, block } of operands) {
      this.#types(`index map of ${name}`, block.indexMap.args, maps);
      this.#region(block.indexMap, indexing, `the index map of ${name}`);
      this.#types(
        `index map of ${name}: results`,
        block.indexMap.results,
        shape.map(() => ({ kind: 'tile', dtype: 'i32', shape: [] })),
      );
      this.#visible.clear();
    }
    this.#types('body', body.args, bodyTypes(operands, scratch));
    operands.forEach((o, i) => {
      if (o.access === 'read') this.#readOnly.add(body.args[i]);
    });
    this.#region(body, undefined, 'the body');
    if (body.results.length > 0) this.#fail('body: yields nothing; got results');
  }

  #fail(sentence: string): never {
    throw new KernelError(`kernel @${this.#kernel.name}: ${sentence}.`);
  }

  #grid(): void {
    const { grid } = this.#kernel;
    const extents = grid.map((g) => g.extent);
    if (!extents.every(isSize))
      this.#fail(`grid: extents must be integers ≥ 0; got ${showShape(extents)}`);
    const total = extents.reduce((n, d) => n * d, 1);
    if (total > maxPrograms)
      this.#fail(`grid: at most ${maxPrograms} programs; got ${showShape(extents)}`);
  }

  #operand({ name, dtype, shape, access, block, prefetch }: Operand): void {
    if (kindOf(dtype) === 'complex')
      this.#fail(`operand ${name}: kernels have no complex numbers; got ${dtype}`);
    if (!shape.every(isSize))
      this.#fail(`operand ${name}: sizes must be integers ≥ 0; got ${showShape(shape)}`);
    if (block.dims.length !== shape.length)
      this.#fail(
        `operand ${name}: a block has one size per axis of its array (${shape.length}); got ${block.dims.length}`,
      );
    block.dims.forEach((dim, i) => {
      if (dim.kind !== 'squeezed' && (!isSize(dim.size) || (dim.size === 0 && shape[i] > 0)))
        this.#fail(
          `operand ${name}: block sizes must be integers ≥ 1; got ${dim.size} for axis ${i}`,
        );
    });
    if (prefetch === true && access !== 'read')
      this.#fail(`operand ${name}: prefetch operands are read only; got ${access}`);
  }

  #types(what: string, values: readonly TileValue[], types: readonly TypeOf[]): void {
    if (values.length !== types.length || !values.every((v, i) => sameType(v.type, types[i])))
      this.#fail(
        `${what}: must be (${types.map(showType).join(', ')}); got (${values.map((v) => showType(v.type)).join(', ')})`,
      );
  }

  #region(region: TileRegion, allowed: ReadonlySet<TileKind> | undefined, where: string): void {
    const defined = [...region.args];
    for (const arg of region.args) this.#define(arg, where);
    for (const op of region.ops) {
      if (allowed !== undefined && !allowed.has(op.kind))
        this.#fail(`${op.kind}: must not stand in ${where}; got ${printOp(op)}`);
      if (
        allowed === indexing &&
        op.results.some((r) => r.type.kind === 'tile' && r.type.shape.length > 0)
      )
        this.#fail(`${where}: computes scalars only; got ${printOp(op)}`);
      this.#op(op, allowed);
      for (const result of op.results) {
        this.#define(result, where);
        defined.push(result);
      }
    }
    for (const result of region.results)
      if (!this.#visible.has(result))
        this.#fail(
          `${where}: yields a value that is not defined there; got ${showType(result.type)}`,
        );
    for (const value of defined) this.#visible.delete(value);
  }

  #define(value: TileValue, where: string): void {
    if (this.#visible.has(value))
      this.#fail(
        `${where}: a value is defined once; got a second definition of ${showType(value.type)}`,
      );
    this.#visible.add(value);
  }

  #op(op: TileOp, allowed: ReadonlySet<TileKind> | undefined): void {
    for (const operand of op.operands)
      if (!this.#visible.has(operand))
        this.#fail(`${op.kind}: operands must be defined before the op; got ${printOp(op)}`);
    const { kind, operands, attrs, regions, results } = op;
    const expected = this.#expected(op, () =>
      resultTypes({ kind, operands, attrs, regions, wanted: results[0]?.type }),
    );
    this.#types(`${kind}: results`, results, expected);
    if (results.some((r, i) => r.def !== op || r.index !== i))
      this.#fail(`${kind}: results must name their op; got ${printOp(op)}`);
    if (kind === 'programId' || kind === 'numPrograms') {
      const { length } = this.#kernel.grid;
      if (!(attrs.axis >= 0 && attrs.axis < length))
        this.#fail(`${kind}: axis must be one of the grid's ${length}; got ${attrs.axis}`);
    }
    if (isWrite(kind) && this.#readOnly.has(rootOf(operands[0])))
      this.#fail(`${kind}: the operand may only be read; got ${printOp(op)}`);
    const isFolding = kind === 'reduce' || kind === 'scan' || kind === 'sort';
    for (const region of regions)
      this.#region(
        region,
        isFolding ? pure : allowed,
        isFolding ? `the region of ${kind}` : `a region of ${kind}`,
      );
  }

  #expected(op: TileOp, types: () => TypeOf[]): TypeOf[] {
    try {
      return types();
    } catch (cause) {
      if (!(cause instanceof KernelError)) throw cause;
      const [sentence] = cause.message.split('\n');
      const line = op.frame === undefined ? '' : ` (${op.frame})`;
      throw new KernelError(
        `kernel @${this.#kernel.name}: ${sentence} In \`${printOp(op)}\`${line}.`,
        { cause },
      );
    }
  }
}

/**
 * Check a kernel.
 *
 * @throws KernelError naming the op, the rule and the facts.
 */
export function verifyKernel(kernel: Kernel): void {
  new Verifier(kernel).run();
}
