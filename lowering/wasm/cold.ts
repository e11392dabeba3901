/**
 * Arms of selections that are dear and seldom taken (the far range of a sine, the tail of an error function): what only one arm needs is
 * computed under a branch that is skipped when no lane of the bundle takes it.
 */
import type { Instance } from './pass.ts';

/** What an arm needs: computed only where some lane of `mask` is set (or, for the second arm, clear). */
export interface Arm {
  readonly mask: Instance;
  readonly isFirst: boolean;
  /** In an order in which operands come first. */
  readonly instances: readonly Instance[];
}

/** Arms with fewer instances than this are cheaper to compute than to branch around. */
const smallestArm = 16;

type Tag = { readonly mask: Instance; readonly isFirst: boolean } | 'always';

const sameTag = (a: Tag, b: Tag): boolean =>
  a !== 'always' && b !== 'always' && a.mask === b.mask && a.isFirst === b.isFirst;

/**
 * Find the arms among instances (operands first) that are computed at one place: by the selection before which each must be computed.
 * `values`: the instances that are wanted in the end.
 */
export function coldArms(
  instances: readonly Instance[],
  values: readonly Instance[],
): Map<Instance, Arm> {
  if (instances.length < smallestArm || !instances.some(({ meaning }) => meaning.kind === 'select'))
    return new Map();
  const tags = tagInstances(instances, values);
  const pending: { tag: Exclude<Tag, 'always'>; instances: Instance[] }[] = [];
  const arms = new Map<Instance, Arm>();
  for (const instance of instances) {
    const tag = tags.get(instance) ?? 'always';
    if (tag !== 'always') {
      const group = pending.find((other) => sameTag(other.tag, tag));
      if (group === undefined) pending.push({ tag, instances: [instance] });
      else group.instances.push(instance);
    }
    if (instance.meaning.kind !== 'select' || tag !== 'always') continue;
    for (const isFirst of [true, false]) {
      const at = pending.findIndex(
        (group) => group.tag.mask === instance.operands[0] && group.tag.isFirst === isFirst,
      );
      if (at < 0) continue;
      const [group] = pending.splice(at, 1);
      // One selection may wait for both arms; the second is left as it is.
      if (group.instances.length < smallestArm || arms.has(instance)) continue;
      arms.set(instance, { ...group.tag, instances: group.instances });
    }
  }
  return arms;
}

// What every instance is needed for, from the last to the first.
function tagInstances(
  instances: readonly Instance[],
  values: readonly Instance[],
): Map<Instance, Tag> {
  const tags = new Map<Instance, Tag>(values.map((value) => [value, 'always']));
  const merge = (instance: Instance, tag: Tag): void => {
    const known = tags.get(instance);
    tags.set(instance, known === undefined || sameTag(known, tag) ? tag : 'always');
  };
  for (const instance of instances.toReversed()) {
    const own = tags.get(instance) ?? 'always';
    instance.operands.forEach((operand, i) => {
      const isArm = instance.meaning.kind === 'select' && i > 0 && own === 'always';
      merge(operand, isArm ? { mask: instance.operands[0], isFirst: i === 1 } : own);
    });
  }
  return tags;
}
