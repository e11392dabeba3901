/**
 * Memory accesses of a pass: what an index map into a window means as an address that is linear in the loops, and which coordinates
 * must be checked because the window may leave its array there.
 */
import type { Symbols } from './affine.ts';
import type { Form, Space } from './pass.ts';
import { combineForms } from './pass.ts';
import type { ArrayDim, Clip, Window } from './window.ts';
import { axisStride, dimKey, looseDims, mayStartBefore } from './window.ts';

/** A coordinate that may lie outside its array: origin + form, to be compared with the extent. */
export interface Guard {
  readonly dim: ArrayDim;
  readonly form: Form;
  /** Whether coordinates below zero can occur. */
  readonly isBelow: boolean;
}

/** An access, ready for emission. */
export interface Access {
  readonly window: Window;
  /** Bytes from the base, over the axes that need no check. */
  readonly form: Form;
  readonly guards: readonly Guard[];
  /** Dims whose origins are not part of the base: those of the guards. */
  readonly guarded: readonly number[];
}

/** Whether the clips of a space keep a dim of a window inside: the dim is walked by one axis as it is, and clipped there. */
function isCovered(space: Space, window: Window, forms: readonly Form[], dim: number): boolean {
  const axis = window.axes.findIndex((candidate) => candidate.dim === dim);
  if (axis < 0) return space.condition?.key.split('&').includes(dimKey(window, dim)) ?? false;
  const { coefs, constant } = forms[axis];
  const walked = coefs.findIndex((c) => c !== 0);
  const isAxis = constant === 0 && walked >= 0 && coefs.every((c, i) => c === Number(i === walked));
  const clip: Clip | undefined = isAxis ? space.clips[walked] : undefined;
  return clip?.key === `${dimKey(window, dim)}:${window.axes[axis].size}`;
}

/** Work out an access. */
export function planAccess(
  symbols: Symbols,
  space: Space,
  { window, forms }: { readonly window: Window; readonly forms: readonly Form[] },
): Access {
  const rank = space.shape.length;
  const guarded = looseDims(symbols, window).filter((dim) => !isCovered(space, window, forms, dim));
  const factors = window.axes.map((axis, i) =>
    guarded.includes(axis.dim) ? 0 : axisStride(window, i),
  );
  const guards = guarded.map((dim): Guard => {
    const axis = window.axes.findIndex((candidate) => candidate.dim === dim);
    const form = combineForms(
      axis < 0 ? [] : [forms[axis]],
      axis < 0 ? [] : [window.axes[axis].step],
      rank,
    );
    return {
      dim: window.dims[dim],
      form,
      isBelow: mayStartBefore(symbols, window, dim) || form.coefs.some((c) => c < 0),
    };
  });
  return { window, form: combineForms(forms, factors, rank), guards, guarded };
}

/** One loop of a nest: neighbouring axes of the space that every access walks as one. */
export interface Loop {
  readonly axes: readonly number[];
  readonly extent: number;
  readonly clip: { readonly clip: Clip; readonly factor: number } | undefined;
  readonly isReduced: boolean;
}

/**
 * The loops of a space over `axes` (in that order), with neighbours merged where all forms allow it. A clipped axis can only be the
 * outermost of a merged loop.
 */
export function mergeLoops(space: Space, axes: readonly number[], forms: readonly Form[]): Loop[] {
  const loops: Loop[] = [];
  for (const axis of axes) {
    const extent = space.shape[axis];
    const isReduced = space.reduced.includes(axis);
    const clip = space.clips[axis];
    if (extent === 1 && clip === undefined) continue;
    const outer = loops.at(-1);
    const last = outer?.axes.at(-1);
    const fits =
      outer !== undefined &&
      last !== undefined &&
      clip === undefined &&
      outer.isReduced === isReduced &&
      forms.every((form) => form.coefs[last] === form.coefs[axis] * extent);
    if (fits) {
      const merged = outer.clip && { clip: outer.clip.clip, factor: outer.clip.factor * extent };
      loops[loops.length - 1] = {
        ...outer,
        axes: [...outer.axes, axis],
        extent: outer.extent * extent,
        clip: merged,
      };
    } else loops.push({ axes: [axis], extent, isReduced, clip: clip && { clip, factor: 1 } });
  }
  return loops;
}

/** The factor of a loop's counter in a form. */
export const loopCoefficient = (loop: Loop, form: Form): number =>
  form.coefs[loop.axes[loop.axes.length - 1]];
