/**
 * The primitives of references: `get`, `swap` (writes, gives what was there), `addupdate` (adds), `new_ref` and `freeze`. The derivatives
 * of the first three act on a ref of tangents (kernels). Whoever interprets a program acts on the refs that it made itself as on
 * variables (`onContents`): outside of kernels refs have become values before programs are lowered.
 */
import { Aval } from '../core/aval.ts';
import { writeEffect } from '../core/effects.ts';
import { ArgumentError, LoweringError } from '../core/errors.ts';
import type { JvpResult, None, Primitive, Rules, Tangent } from '../core/primitive.ts';
import { RefCell, type CellOwner } from '../core/ref-cell.ts';
import type { Value } from '../core/value.ts';
import { add } from './arithmetic.ts';
import { zerosOf } from './creation.ts';
import { definePrimitive } from './define.ts';
import { showWindow } from './ref-index.ts';
import { readWindow, writeWindow, type AccessAxis, type AccessParams } from './ref-values.ts';

/** The access to all of a ref. */
export const wholeAccess = (aval: Aval): AccessParams => ({
  axes: aval.shape.map((size) => ({ start: 0, size, stride: 1, dropped: false })),
  masked: false,
  hasOther: false,
});

const accessShape = (axes: readonly AccessAxis[]): number[] =>
  axes.flatMap((a) => (a.dropped ? [] : [a.size]));

const onlyInKernels = (name: string) => (): never => {
  throw new LoweringError(
    `${name}: refs of blocks exist only inside kernels. Read or write the ref inside the kernel of a pallasCall.`,
  );
};

const notInKernels = (name: string) => (): never => {
  throw new LoweringError(
    `${name}: a kernel cannot make refs. Ask for memory with scratchShapes of pallasCall.`,
  );
};

/** The cell that an application is about, when it belongs to the owner. */
const ownCell = (x: Value, owner: CellOwner | undefined): RefCell | undefined =>
  x instanceof RefCell && x.owner === owner ? x : undefined;

type Notation = NonNullable<Rules<AccessParams>['notation']>;
type NotationInputs = Parameters<Notation>[1];

/** How the window of a ref is written: `a[...]`, `a[0,i:i+4]`. */
function windowText([ref, ...starts]: NotationInputs, { axes }: AccessParams): string {
  const names = starts.map(({ text }) => text.split(':')[0]);
  return ref.text + showWindow(axes, ref.aval.shape, names);
}

/** `get`: read a window of a ref. */
export const getP: Primitive<AccessParams> = definePrimitive<AccessParams>('get', {
  abstractEval: ([ref], { axes }) => [new Aval(accessShape(axes), ref.dtype)],
  onContents([ref, ...rest], params, owner) {
    const contents = ownCell(ref, owner)?.read('get');
    return contents === undefined ? undefined : [readWindow(contents, rest, params)];
  },
  jvp([ref, ...rest], [refTangent, ...restTangents], params): JvpResult {
    const out = getP.bind([ref, ...rest], params);
    if (refTangent === null) return [out, [null]];
    const last = rest.length - 1;
    const others = params.hasOther
      ? rest.with(last, restTangents[last] ?? zerosOf(rest[last].aval))
      : rest;
    return [out, [getP.bind1([refTangent, ...others], params)]];
  },
  lower: onlyInKernels('get'),
  notation: (params, inputs) => ({
    bindsOutputs: true,
    text: ` <- ${windowText(inputs, params)}`,
  }),
});

/** `swap`: write a window of a ref and give what was there. */
export const swapP: Primitive<AccessParams> = definePrimitive<AccessParams>('swap', {
  abstractEval: ([ref], { axes }) => [new Aval(accessShape(axes), ref.dtype)],
  onContents([ref, value, ...rest], params, owner) {
    const cell = ownCell(ref, owner);
    if (cell === undefined) return undefined;
    const old = cell.peek('set');
    const before = readWindow(old, rest, { ...params, masked: false, hasOther: false });
    cell.write('set', writeWindow(old, value, rest, params));
    return [before];
  },
  jvp: ([ref, value, ...rest], [refTangent, valueTangent], params): JvpResult =>
    writeTangent(swapP, [ref, value, ...rest], refTangent, valueTangent, params),
  lower: onlyInKernels('swap'),
  effects: () => [writeEffect],
  notation(params, [ref, value, ...starts], isUsed) {
    const window = windowText([ref, ...starts], params);
    return isUsed
      ? { bindsOutputs: true, text: `, ${window} <- ${window}, ${value.text}` }
      : { bindsOutputs: false, text: `${window} <- ${value.text}` };
  },
});

/** `addupdate`: add to a window of a ref. */
export const addupdateP: Primitive<AccessParams> = definePrimitive<AccessParams>('addupdate', {
  abstractEval: () => [],
  onContents([ref, value, ...rest], params, owner) {
    const cell = ownCell(ref, owner);
    if (cell === undefined) return undefined;
    const old = cell.peek('addupdate');
    const plain = { ...params, masked: false, hasOther: false };
    const sum = add(readWindow(old, rest, plain), value);
    cell.write('addupdate', writeWindow(old, sum, rest, params));
    return [];
  },
  jvp: ([ref, value, ...rest], [refTangent, valueTangent], params): JvpResult =>
    writeTangent(addupdateP, [ref, value, ...rest], refTangent, valueTangent, params),
  lower: onlyInKernels('addupdate'),
  effects: () => [writeEffect],
  notation: (params, [ref, value, ...starts]) => ({
    bindsOutputs: false,
    text: `${windowText([ref, ...starts], params)} += ${value.text}`,
  }),
});

/** A write of a value writes its tangent to the ref of tangents, zeros when it has none. */
function writeTangent(
  prim: Primitive<AccessParams>,
  [ref, value, ...rest]: readonly Value[],
  refTangent: Tangent,
  valueTangent: Tangent,
  params: AccessParams,
): JvpResult {
  if (refTangent === null && valueTangent !== null)
    throw new ArgumentError(
      `ref: a value that is differentiated must not be written to a ref from outside of the differentiated function; got ${value.aval.toString()} for ${ref.aval.toString()}. ` +
        'Write lax.stopGradient(x), or make the ref inside of the function.',
    );
  const out = prim.bind([ref, value, ...rest], params);
  if (refTangent === null) return [out, out.map(() => null)];
  const tangents = prim.bind([refTangent, valueTangent ?? zerosOf(value.aval), ...rest], params);
  return [out, tangents];
}

/** `new_ref`: make a reference to an array that starts with a value. */
export const newRefP: Primitive<None> = definePrimitive<None>('new_ref', {
  abstractEval: ([init]) => [init.asRef()],
  onContents: ([init], _, owner) => [new RefCell(init, owner)],
  lower: notInKernels('new_ref'),
  effects: () => [writeEffect],
  printParams: () => ({ kind: 'None', memory_space: 'None' }),
});

/** `freeze`: the value of a reference, which nobody can use afterwards. */
export const freezeP: Primitive<None> = definePrimitive<None>('freeze', {
  abstractEval: ([ref]) => [ref.contents()],
  onContents([ref], _, owner) {
    const cell = ownCell(ref, owner);
    return cell === undefined ? undefined : [cell.end('freeze')];
  },
  lower: notInKernels('freeze'),
  printParams: () => ({}),
});
