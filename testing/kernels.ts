/** The laws of kernels: no block size, order of programs or mapping changes what a kernel computes, and its derivative is that of its plain twin. */
import * as np from '../entry/numpy.ts';
import { forceInterpretMode } from '../entry/pallas.ts';
import { ArgumentError, KernelError, tree, type ArrayLike, type Shape } from '../index.ts';
import { assertClose, LawError, type Tolerance } from './compare.ts';
import { checkCustomVjp } from './derivatives.ts';
import { overArguments, type Arguments, type LawOptions, type TreeFunction } from './law.ts';
import { checkVmap } from './laws.ts';

/** A kernel's function for a choice of block sizes. */
export type KernelOfBlocks = (block: Shape) => TreeFunction;

/** What to check of a kernel. */
export interface CheckKernelOptions extends Tolerance, LawOptions {
  /** Arguments, or an arbitrary of them. */
  readonly args: Arguments;
  /** Choices of block sizes that must all give the same. */
  readonly blocks: readonly Shape[];
  /** The same function on plain arrays. */
  readonly reference?: TreeFunction;
  /** Whether to compare its reverse derivative with that of `reference`. False when left out. */
  readonly gradient?: boolean;
  /** Whether to compare `vmap` of it with a loop. True when left out. */
  readonly vmap?: boolean;
}

const orders = [undefined, 1, 2];

/** Run a kernel in the checking interpreter; what it finds is a broken law. */
function interpreted(f: TreeFunction, args: readonly unknown[], block: Shape): unknown[] {
  return orders.map((seed) => {
    try {
      return forceInterpretMode(
        f as (...xs: unknown[]) => unknown,
        seed === undefined ? {} : { seed },
      )(...args);
    } catch (error) {
      if (!(error instanceof KernelError)) throw error;
      const order = seed === undefined ? 'in order' : `in order ${seed}`;
      const [reason] = error.message.split('\n    at ');
      throw new LawError(
        `checkKernel, blocks (${block.join(', ')}), programs ${order}: ${reason}`,
        { cause: error },
      );
    }
  });
}

/** Two examples of every argument along a new first axis, the second turned round. */
const doubled = (args: readonly unknown[]): unknown[] =>
  args.map((arg) =>
    tree.map((leaf: ArrayLike) => {
      const x = np.asarray(leaf);
      return np.stack([x, x.ndim === 0 ? x : np.flip(x)]);
    }, arg),
  );

/**
 * Check a kernel: in the checking interpreter it has no races, reads and writes only what it may, and gives the same in any order of its parallel
 * programs; all block sizes give the same, which is also what the compiled kernel and the plain twin give; `vmap` equals a loop; the
 * derivative is that of the plain twin.
 *
 * @throws LawError naming the law, the blocks, and the arguments.
 * @example
 * const double = (block) => pl.pallasCall((x, y) => y.set(np.multiply(x.get(), 2)), {
 *   outShape: shapeDtypeStruct([6], 'f32'),
 *   grid: pl.cdiv(6, block[0]),
 *   inSpecs: [new pl.BlockSpec(block, (i) => [i])],
 *   outSpecs: new pl.BlockSpec(block, (i) => [i]),
 * });
 * await testing.checkKernel(double, {
 *   args: [np.arange(6).astype('f32')],
 *   blocks: [[6], [2], [4]],
 *   reference: (x) => np.multiply(x, 2),
 * });
 */
export async function checkKernel(
  kernel: KernelOfBlocks,
  options: CheckKernelOptions,
): Promise<void> {
  if (typeof kernel !== 'function' || !Array.isArray(options?.blocks))
    throw new ArgumentError(
      `checkKernel: there must be a function from blocks to functions, and options with blocks; got ${String(kernel)}. Write checkKernel((block) => f, { args, blocks: [[8]] }).`,
    );
  const {
    args,
    blocks,
    reference,
    gradient = false,
    vmap = true,
    atol = 1e-5,
    rtol = 1e-5,
  } = options;
  const [first] = blocks;
  if (first === undefined)
    throw new ArgumentError(
      'checkKernel: blocks must hold at least one choice; got none. Write [[8]].',
    );
  if (gradient && reference === undefined)
    throw new ArgumentError(
      'checkKernel: the derivative is compared with that of a plain twin; got gradient without reference. Pass reference.',
    );
  await overArguments(
    {
      name: 'checkKernel',
      f: kernel(first),
      parameters: 'kernel, { ...options, args: args }',
    },
    args,
    options,
    async (given) => {
      const wanted =
        reference === undefined
          ? kernel(first)(...(given as never[]))
          : reference(...(given as never[]));
      for (const block of blocks) {
        const f = kernel(block);
        const what = `checkKernel, blocks (${block.join(', ')})`;
        const [plain, ...others] = interpreted(f, given, block);
        for (const other of others)
          await assertClose(
            other,
            plain,
            { atol: 0, rtol: 0 },
            `${what}, programs in another order`,
          );
        await assertClose(plain, wanted, { atol, rtol }, `${what}, in the interpreter`);
        await assertClose(f(...(given as never[])), wanted, { atol, rtol }, `${what}, compiled`);
        if (vmap) await checkVmap(f, doubled(given), { atol, rtol });
        if (gradient && reference !== undefined)
          await checkCustomVjp(f, reference, given, { atol: 10 * atol, rtol: 10 * rtol });
      }
    },
  );
}
