/** The laws of `jit`, `vmap` and devices as checks of one function. After JAX's `jax.test_util`. */
import * as np from '../entry/numpy.ts';
import {
  ArgumentError,
  devicePut,
  devices,
  jit,
  tree,
  vmap,
  type ArrayLike,
  type Device,
  type DeviceKind,
  type Value,
  type VmapOptions,
} from '../index.ts';
import { assertClose, type Tolerance } from './compare.ts';
import { overArguments, type Arguments, type LawOptions, type TreeFunction } from './law.ts';

const arraysOf = (x: unknown): unknown =>
  tree.map<unknown, ArrayLike>((leaf) => np.asarray(leaf), x);

/**
 * Check that a jitted function gives what the function gives.
 *
 * @throws LawError when they differ by more than the tolerance.
 * @example
 * await testing.checkJit((x) => np.cumsum(x), [np.arange(5)]);
 */
export const checkJit = (
  f: TreeFunction,
  args: Arguments,
  options: Tolerance & LawOptions = {},
): Promise<void> =>
  overArguments({ name: 'checkJit', f }, args, options, async (given) => {
    const { atol = 1e-6, rtol = 1e-6 } = options;
    const jitted = jit(f as (...xs: unknown[]) => unknown)(...(given as never[]));
    await assertClose(jitted, arraysOf(f(...(given as never[]))), { atol, rtol }, 'checkJit');
  });

/** Options of `checkVmap`. */
export interface CheckVmapOptions extends Tolerance, LawOptions {
  /** Which axis of each argument is mapped; `null` for none. 0 when left out. */
  readonly inAxes?: number | readonly (number | null)[];
}

/**
 * Check that `vmap` of a function gives what a loop over the mapped axis gives. All leaves of mapped arguments are mapped along one
 * axis; results are stacked along the first.
 *
 * @throws LawError when they differ by more than the tolerance.
 * @example
 * await testing.checkVmap((row) => np.sort(row), [np.array([[3, 1], [2, 5]])]);
 */
export const checkVmap = (
  f: TreeFunction,
  args: Arguments,
  options: CheckVmapOptions = {},
): Promise<void> =>
  overArguments(
    {
      name: 'checkVmap',
      f: (...xs: never[]) => mappedOf(f, xs, options)(),
      written: { inAxes: options.inAxes },
    },
    args,
    options,
    (given) => vmapEqualsLoop(f, given, options),
  );

const axesOf = (
  args: readonly unknown[],
  { inAxes = 0 }: CheckVmapOptions,
): readonly (number | null)[] =>
  args.map((_, i) => (typeof inAxes === 'number' ? inAxes : inAxes[i]));

const mappedOf =
  (f: TreeFunction, args: readonly unknown[], options: CheckVmapOptions): (() => unknown) =>
  () => {
    const mapped: VmapOptions = { inAxes: axesOf(args, options) };
    return vmap(f as (...xs: unknown[]) => unknown, mapped)(...(args as never[]));
  };

async function vmapEqualsLoop(
  f: TreeFunction,
  args: readonly unknown[],
  options: CheckVmapOptions,
): Promise<void> {
  const { atol = 1e-6, rtol = 1e-6, inAxes = 0 } = options;
  const call = f as (...xs: unknown[]) => unknown;
  const axes = axesOf(args, options);
  const first = axes.findIndex((axis) => axis !== null);
  const size =
    first < 0
      ? 0
      : (np.asarray(tree.leaves(args[first])[0] as ArrayLike).shape.at(axes[first] ?? 0) ?? 0);
  if (size === 0 || (typeof inAxes !== 'number' && inAxes.length !== args.length))
    throw new ArgumentError(
      `checkVmap: inAxes must name an axis with elements, or null, for each argument, and not only null; got ${JSON.stringify(inAxes)} for ${args.length} arguments. Map at least one axis.`,
    );
  const mapped = mappedOf(f, args, options)();
  const rows = Array.from({ length: size }, (_, row) =>
    call(
      ...args.map((arg, i) => {
        const axis = axes[i];
        return axis === null ? arg : tree.map((x: Value) => np.take(x, row, { axis }), arg);
      }),
    ),
  );
  const stacked = tree.map(
    (...parts: ArrayLike[]) => np.stack(parts.map((x) => np.asarray(x))),
    rows[0],
    ...rows.slice(1),
  );
  await assertClose(mapped, stacked, { atol, rtol }, 'checkVmap');
}

/** Options of `checkEngines`. */
export interface CheckEnginesOptions extends Tolerance, LawOptions {
  /** Devices to compare with the interpreter: all that have been initialised when left out. */
  readonly on?: readonly (DeviceKind | Device)[];
}

/**
 * Check that a jitted function gives on every device what it gives on the interpreter.
 *
 * @throws LawError when a device differs by more than the tolerance.
 * @example
 * await testing.checkEngines((x) => np.exp(x), [np.array([0.5, -1])]);
 */
export const checkEngines = (
  f: TreeFunction,
  args: Arguments,
  options: CheckEnginesOptions = {},
): Promise<void> =>
  overArguments({ name: 'checkEngines', f }, args, options, async (given) => {
    const { atol = 1e-5, rtol = 1e-5, on = devices() } = options;
    const run = async (device: DeviceKind | Device): Promise<unknown> => {
      const put = (await devicePut(arraysOf([...given]), device)) as never[];
      return devicePut(jit(f as (...xs: unknown[]) => unknown)(...put), 'interpreter');
    };
    const wanted = await run('interpreter');
    for (const device of on) {
      const kind = typeof device === 'string' ? device : device.kind;
      if (kind === 'interpreter') continue;
      await assertClose(await run(device), wanted, { atol, rtol }, `checkEngines, ${kind}`);
    }
  });
