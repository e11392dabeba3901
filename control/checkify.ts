/**
 * Checks that go with a program: `checkify.check` states a condition, `checkify.checkify` makes a result of the first one that does
 * not hold. Under any transformation the error is a value like others.
 */
import { NDArray } from '../core/array.ts';
import { hostDevice } from '../core/backend.ts';
import {
  ArgumentError,
  CheckError,
  ConcretizationError,
  DeviceError,
  DTypeError,
} from '../core/errors.ts';
import { keyOf } from '../core/key.ts';
import { checkFunction, checkOptions } from '../core/options.ts';
import { avalsOf } from '../core/trace.ts';
import { flatten, registerPytreeNode, unflatten, type TreeDef } from '../core/tree.ts';
import type { Value } from '../core/value.ts';
import { not } from '../lax/bits.ts';
import { indexInDim } from '../lax/slicing.ts';
import {
  flattenFunction,
  flattenValues,
  named,
  pathOf,
  toValue,
} from '../transforms/flat-function.ts';
import type { Inputs, Output } from '../transforms/signature.ts';
import { traceClosed } from '../transforms/stage.ts';
import { splitStatics } from './callback.ts';
import { CheckSite, checkP } from './check-call.ts';
import {
  Checker,
  defineCheckify,
  noFailure,
  slotStart,
  type CheckKind,
  type NumberedSite,
  type Slot,
} from './checkify-state.ts';
import './checkify-calls.ts';
import './checkify-numbers.ts';
import { checkValues, splitValues } from './format-values.ts';
import { formatText, parseFormat, type FormatString } from './format.ts';

export type { CheckKind } from './checkify-state.ts';

/** The conditions that `check` states: what `checkify` looks for unless it is told otherwise. */
export const userChecks: ReadonlySet<CheckKind> = new Set(['user'] as const);
/** Operations that give a NaN. */
export const nanChecks: ReadonlySet<CheckKind> = new Set(['nan'] as const);
/** Divisions by zero. */
export const divChecks: ReadonlySet<CheckKind> = new Set(['div'] as const);
/** Indices outside of the array: gathers, scatters and dynamic slices. */
export const indexChecks: ReadonlySet<CheckKind> = new Set(['index'] as const);
/** NaNs and divisions by zero. */
export const floatChecks: ReadonlySet<CheckKind> = new Set(['nan', 'div'] as const);
/** All that needs no `check`: NaNs, divisions by zero, indices. */
export const automaticChecks: ReadonlySet<CheckKind> = new Set(['nan', 'div', 'index'] as const);
/** Everything. */
export const allChecks: ReadonlySet<CheckKind> = new Set(['user', 'nan', 'div', 'index'] as const);

/**
 * State a condition: `pred` is a rank-0 bool that must hold. The message has Python's format fields (`{}`, `{0}`, `{name}`,
 * `{x:.3f}`), filled with `values` when the check fails; values by name come last, in one object. On concrete arrays the check is
 * made at once; in a program it needs `checkify` around it.
 *
 * @throws CheckError, on concrete arrays, when the check fails; DTypeError when `pred` is no bool scalar; ArgumentError when the
 * message and the values do not match, or when a program with a check is compiled without `checkify`.
 * @example
 * const f = (x: Value) => {
 *   checkify.check(lax.gt(x, 0), 'x must be positive; got {x:.1f}', { x });
 *   return lax.log(x);
 * };
 * const [err] = checkify.checkify(f)(-2);
 * err.get(); // → x must be positive; got -2.0 (`check` failed)
 */
export function check(pred: Value | boolean, message: string, ...values: readonly unknown[]): void {
  const ok = toValue('checkify.check', pred, () => 'pred');
  if (ok.dtype !== 'bool' || ok.ndim !== 0)
    throw new DTypeError(
      `checkify.check: the condition must be one bool; got ${ok.aval.toString()}. Compare, and reduce with np.all.`,
    );
  if (typeof message !== 'string')
    throw new ArgumentError(
      `checkify.check: the message must be a string; got ${typeof message}. Write checkify.check(pred, '{}', x).`,
    );
  const format = parseFormat('checkify.check', message);
  const given = splitValues(format, values);
  checkValues(format, given.positional, given.named);
  const tree = [given.positional, given.named];
  const { leaves, treedef } = flatten(tree);
  const { args, statics } = splitStatics(
    'checkify.check',
    leaves,
    (i) => `values${pathOf(tree, i)}`,
  );
  const text = sentence(format, treedef, statics);
  const site = new CheckSite(['user', message, treedef.key, [...statics]], text);
  checkP.bind([ok, ...args], { site });
}

/** The message of a check. Programs keep the function: it must not hold the values of the call, which may be traced. */
const sentence =
  (format: FormatString, treedef: TreeDef, statics: ReadonlyMap<number, unknown>) =>
  (payload: readonly NDArray[]): string => {
    let next = 0;
    const filled = Array.from({ length: treedef.numLeaves }, (_, i) =>
      statics.has(i) ? statics.get(i) : payload[next++],
    );
    const [positional, byName] = unflatten(treedef, filled) as [unknown[], Record<string, unknown>];
    return `${formatText(format, positional, byName)} (\`check\` failed)`;
  };

defineCheckify(checkP, (checker, state, [ok, ...payload], { site }) => [
  checker.kinds.has('user') ? checker.report(state, not(ok), site, payload) : state,
  [],
]);

/** How an error is told: the sites by number, and the arrays of each. */
class Legend {
  readonly sites: readonly NumberedSite[];
  readonly slots: readonly Slot[];

  constructor(sites: readonly NumberedSite[], slots: readonly Slot[]) {
    this.sites = sites;
    this.slots = slots;
  }

  /** Errors that are told alike have equal trees. */
  structuralKey(): string {
    const sites = this.sites.map(({ site, slot }) => [site.structuralKey(), slot]);
    return `error ${keyOf([sites, this.slots.map(({ key }) => key)])}`;
  }
}

/**
 * The first check of a program that failed, if any, as a value: a pytree of arrays, which transformed functions return like
 * others. Under `vmap` it has an axis of lanes.
 */
export class ErrorValue {
  readonly #values: readonly Value[];
  readonly #legend: Legend;

  constructor(values: readonly Value[], legend: Legend) {
    this.#values = values;
    this.#legend = legend;
  }

  static {
    registerPytreeNode(
      ErrorValue,
      (error) => [error.#values, error.#legend],
      (legend: Legend, values) => new ErrorValue(values as readonly Value[], legend),
    );
  }

  /**
   * The message of the check that failed, or `null`; of an error with lanes, one line for each lane where one did.
   *
   * @throws ConcretizationError while the error is traced; DeviceError on devices that cannot be read at once: there, use `getAsync`.
   */
  get(): string | null {
    const values = this.#arrays();
    const away = values.find((x) => x.scalar === undefined && x.device.readSync === undefined);
    if (away !== undefined)
      throw new DeviceError(
        `checkify: an error on ${away.device.kind} cannot be read at once. Use \`await err.getAsync()\`, or \`await err.throwAsync()\`.`,
      );
    return this.#messages(values);
  }

  /**
   * What `get` gives, on any device: it waits until the program has run. Without a failure only the flag is read back.
   *
   * @throws ConcretizationError while the error is traced.
   */
  async getAsync(): Promise<string | null> {
    const [failed, ...rest] = this.#arrays();
    const flag = await toHost(failed);
    if (!flag.dataSync().some(Boolean)) return null;
    return this.#messages([flag, ...(await Promise.all(rest.map(toHost)))]);
  }

  /**
   * Throw when a check failed.
   *
   * @throws CheckError with the message of `get`.
   */
  throw(): void {
    const message = this.get();
    if (message !== null) throw new CheckError(message);
  }

  /**
   * `throw` on any device: it waits until the program has run.
   *
   * @throws CheckError with the message of `getAsync`.
   */
  async throwAsync(): Promise<void> {
    const message = await this.getAsync();
    if (message !== null) throw new CheckError(message);
  }

  #arrays(): readonly NDArray[] {
    return this.#values.map((x) => {
      if (x instanceof NDArray) return x;
      throw new ConcretizationError(
        `checkify: an error can be read when the program has run; got ${x.aval.toString()}. Return it from the transformed function.`,
      );
    });
  }

  #messages(values: readonly NDArray[]): string | null {
    const [failed] = values;
    if (failed.ndim === 0) return this.#messageOf(values) ?? null;
    const lines = lanesOf(failed.shape).flatMap((lane) => {
      const text = this.#messageOf(values.map((x) => atLane(x, lane)));
      return text === undefined ? [] : [`at mapped index ${lane.join(', ')}: ${text}`];
    });
    return lines.length === 0 ? null : lines.join('\n');
  }

  #messageOf(values: readonly NDArray[]): string | undefined {
    const [failed, code] = values;
    if (failed.item() === false) return undefined;
    const { sites, slots } = this.#legend;
    const { site, slot } = sites[Number(code.item())];
    const index = slots.findIndex(({ key }) => key === slot);
    const start = slotStart(slots, index);
    return site.message(values.slice(start, start + slots[index].avals.length));
  }
}

/** The array where its values can be read at once, and where what is computed of it stays. */
async function toHost(x: NDArray): Promise<NDArray> {
  const { device } = x;
  if (x.scalar !== undefined || device.readSync !== undefined) return x;
  const bytes = await device.read(x.bufferOn(device));
  return NDArray.fromBuffer(x.aval, hostDevice().upload(bytes), true);
}

/** The indices of an array of this shape, in order. */
const lanesOf = (shape: readonly number[]): readonly (readonly number[])[] =>
  shape.reduce<readonly (readonly number[])[]>(
    (lanes, size) => lanes.flatMap((lane) => Array.from({ length: size }, (_, i) => [...lane, i])),
    [[]],
  );

function atLane(x: NDArray, lane: readonly number[]): NDArray {
  const value = lane.reduce<Value>((y, i) => indexInDim(y, i), x);
  return value instanceof NDArray ? value : x;
}

/** Options of `checkify`. */
export interface CheckifyOptions {
  /** What to look for; the checks of the program alone when left out. */
  readonly errors?: ReadonlySet<CheckKind>;
}

/** A function that `checkify` made. */
export type Checked<A extends readonly unknown[], R> = (
  ...args: Inputs<A>
) => [error: ErrorValue, out: Output<R>];

/**
 * Make a result of what goes wrong: the new function gives `[err, out]`, where `err` has the first check that failed in the order
 * of the program, and `out` is what the function gives anyway. Checks are found through `jit`, `scan`, `whileLoop`, `cond`,
 * `checkpoint` and functions with custom rules; those of a kernel of `pallasCall` are refused, and its numbers are not looked into.
 * For checks per example put `vmap` outside: `vmap(checkify.checkify(f))`.
 *
 * @throws ArgumentError for options that do not exist; TreeError for arguments that are no arrays.
 * @example
 * const f = (x: Value) => lax.sin(lax.div(1, x));
 * const [err, out] = jit(checkify.checkify(f, { errors: checkify.floatChecks }))(0);
 * [err.get(), String(out)]; // → [ 'division by zero', 'nan' ]
 */
export function checkify<A extends readonly Value[], R>(
  f: (...args: A) => R,
  options?: CheckifyOptions,
): Checked<A, R>;
export function checkify<A extends readonly unknown[], R>(
  f: (...args: A) => R,
  options?: CheckifyOptions,
): Checked<A, R>;
export function checkify(
  f: (...args: never[]) => unknown,
  options: CheckifyOptions = {},
): (...args: unknown[]) => [ErrorValue, unknown] {
  checkFunction('checkify', f);
  checkOptions('checkify', options, ['errors']);
  const { errors = userChecks } = options;
  return named((...args: unknown[]): [ErrorValue, unknown] => {
    const { values, treedef } = flattenValues('checkify', 'args', args);
    const flat = flattenFunction('checkify', f, treedef);
    const { jaxpr, consts } = traceClosed(flat.fun, avalsOf(values), 'checkify');
    const checker = new Checker(errors);
    const { state, outs } = checker.run(jaxpr, noFailure(), [...consts, ...values]);
    const legend = new Legend(checker.sites, state.slots);
    return [new ErrorValue(state.values, legend), unflatten(flat.outTree(), outs)];
  }, f.name);
}
