/**
 * What a checkpointed function saves: policies are asked about every operation, and say whether its results are saved for the
 * derivative or computed again. Names for values (`checkpointName`) let policies speak about single values.
 */
import type { Aval } from '../core/aval.ts';
import { ArgumentError } from '../core/errors.ts';
import type { Primitive } from '../core/primitive.ts';
import { RuleTable } from '../core/rule-table.ts';
import * as tree from '../core/tree.ts';
import { definePrimitive } from '../lax/define.ts';
import { dotGeneralP } from '../lax/dot.ts';
import { toValue } from './flat-function.ts';
import type { Output } from './signature.ts';

/** Says whether the results of an operation are saved; asked with the primitive, the types of its operands and its params. */
export type CheckpointPolicy = (
  prim: Primitive,
  avals: readonly Aval[],
  params: unknown,
) => boolean;

/** Parameters of `name`. */
export interface NameParams {
  readonly name: string;
}

/** `name`: the identity, under a name that policies know. Tangents pass without it. */
export const nameP: Primitive<NameParams> = definePrimitive<NameParams>('name', {
  abstractEval: ([x]) => [x],
  lower: (_, [x]) => [x],
  jvp: ([x], [t], params) => [[nameP.bind1([x], params)], [t]],
  transpose: ([ct]) => [ct],
  batch: ([x], [d], params) => [[nameP.bind1([x], params)], [d]],
  printParams: ({ name }) => ({ name }),
});

/**
 * The same tree of arrays, each under a name that checkpoint policies can refer to.
 *
 * @throws TreeError when a leaf is no array; ArgumentError when the name is no string.
 * @example
 * const f = (x: Value) => lax.sin(checkpointName(lax.sin(x), 'inner'));
 * const saved = checkpoint(f, { policy: checkpointPolicies.saveOnlyTheseNames('inner') });
 * savedResiduals(saved, 1).map(String); // → [ 'f32[] from the argument args[0]', "f32[] named 'inner'" ]
 */
export function checkpointName<T>(x: T, name: string): Output<T> {
  if (typeof name !== 'string')
    throw new ArgumentError(
      `checkpointName: the name must be a string; got ${typeof name}. Write checkpointName(x, 'name').`,
    );
  const named = (leaf: unknown): unknown =>
    nameP.bind1([toValue('checkpointName', leaf, () => 'x')], { name });
  return tree.map(named, x) as Output<T>;
}

/** The name that an operation gives, when it gives one. */
export const nameOfValue = (prim: Primitive, params: unknown): string | undefined =>
  prim === nameP ? (params as NameParams).name : undefined;

/** What is known about an operation that contracts axes, a matrix product or convolution. */
export interface Contraction {
  readonly hasBatchAxes: boolean;
}

const contractions: RuleTable<(params: unknown) => Contraction> = new RuleTable('contraction');

/** Say that a primitive is a contraction, which policies like to save: it costs much and gives little. */
export function defineContraction<P>(prim: Primitive<P>, rule: (params: P) => Contraction): void {
  // The registry door: the table holds rules of all parameter types.
  contractions.set(prim, (params) => rule(params as P));
}

defineContraction(dotGeneralP, ({ dimensionNumbers: [, [batch]] }) => ({
  hasBatchAxes: batch.length > 0,
}));

function everythingSaveable(): boolean {
  return true;
}

/** The policy of a checkpoint without one. */
export function nothingSaveable(): boolean {
  return false;
}

function dotsSaveable(prim: Primitive): boolean {
  return contractions.find(prim) !== undefined;
}

function dotsWithNoBatchDimsSaveable(
  prim: Primitive,
  _: readonly Aval[],
  params: unknown,
): boolean {
  return contractions.find(prim)?.(params).hasBatchAxes === false;
}

function saveOnlyTheseNames(...names: readonly string[]): CheckpointPolicy {
  const saved = new Set(names);
  return function saveOnlyTheseNames(prim, _, params) {
    return saved.has(nameOfValue(prim, params) ?? '');
  };
}

function saveAnyNamesButThese(...names: readonly string[]): CheckpointPolicy {
  const dropped = new Set(names);
  return function saveAnyNamesButThese(prim, _, params) {
    const name = nameOfValue(prim, params);
    return name !== undefined && !dropped.has(name);
  };
}

function saveAnythingExceptTheseNames(...names: readonly string[]): CheckpointPolicy {
  const dropped = new Set(names);
  return function saveAnythingExceptTheseNames(prim, _, params) {
    const name = nameOfValue(prim, params);
    return name === undefined || !dropped.has(name);
  };
}

function saveFromBothPolicies(a: CheckpointPolicy, b: CheckpointPolicy): CheckpointPolicy {
  return function saveFromBothPolicies(prim, avals, params) {
    return a(prim, avals, params) || b(prim, avals, params);
  };
}

/** Names to save, and names to move to another memory. */
export interface OffloadNames {
  readonly namesWhichCanBeSaved: readonly string[];
  readonly namesWhichCanBeOffloaded: readonly string[];
  readonly offloadSrc?: string;
  readonly offloadDst?: string;
}

function saveAndOffloadOnlyTheseNames({
  namesWhichCanBeSaved: saved,
  namesWhichCanBeOffloaded: offloaded,
}: OffloadNames): CheckpointPolicy {
  const both = saved.filter((name) => offloaded.includes(name));
  if (both.length > 0)
    throw new ArgumentError(
      `saveAndOffloadOnlyTheseNames: a name can be saved or offloaded; got ${both.join(', ')} in both lists. Take it out of one.`,
    );
  return saveOnlyTheseNames(...saved, ...offloaded);
}

/** The policies that come with the library. There is one memory per device: policies that offload save. */
export interface CheckpointPolicies {
  /** Save every result that the derivative needs, as without `checkpoint`. */
  readonly everythingSaveable: CheckpointPolicy;
  /** Save the arguments only: the default. */
  readonly nothingSaveable: CheckpointPolicy;
  /** Save the results of matrix products and convolutions. */
  readonly dotsSaveable: CheckpointPolicy;
  /** The same as `dotsSaveable`. */
  readonly checkpointDots: CheckpointPolicy;
  /** Save the results of matrix products without batch axes: those with weights. */
  readonly dotsWithNoBatchDimsSaveable: CheckpointPolicy;
  /** The same as `dotsWithNoBatchDimsSaveable`. */
  readonly checkpointDotsWithNoBatchDims: CheckpointPolicy;
  /** Save the results of matrix products without batch axes; the memories are ignored. */
  readonly offloadDotWithNoBatchDims: (offloadSrc: string, offloadDst: string) => CheckpointPolicy;
  /** Save every result, except those under these names. */
  readonly saveAnythingExceptTheseNames: (...names: readonly string[]) => CheckpointPolicy;
  /** Save the values that have a name, except these. */
  readonly saveAnyNamesButThese: (...names: readonly string[]) => CheckpointPolicy;
  /** Save the values under these names. */
  readonly saveOnlyTheseNames: (...names: readonly string[]) => CheckpointPolicy;
  /** Save what either policy saves. */
  readonly saveFromBothPolicies: (a: CheckpointPolicy, b: CheckpointPolicy) => CheckpointPolicy;
  /** Save the values under both lists of names. @throws ArgumentError when a name stands in both. */
  readonly saveAndOffloadOnlyTheseNames: (names: OffloadNames) => CheckpointPolicy;
}

/** Policies for `checkpoint`. */
export const checkpointPolicies: CheckpointPolicies = {
  everythingSaveable,
  nothingSaveable,
  dotsSaveable,
  checkpointDots: dotsSaveable,
  dotsWithNoBatchDimsSaveable,
  checkpointDotsWithNoBatchDims: dotsWithNoBatchDimsSaveable,
  offloadDotWithNoBatchDims: () => dotsWithNoBatchDimsSaveable,
  saveAnythingExceptTheseNames,
  saveAnyNamesButThese,
  saveOnlyTheseNames,
  saveFromBothPolicies,
  saveAndOffloadOnlyTheseNames,
};
