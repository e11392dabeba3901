/** The one place for configuration. Each flag says whether it changes what a traced function means (and so enters jit's key). */
import { ArgumentError } from './errors.ts';

/** The flags and their defaults. */
export interface Config {
  /** Allow 64-bit dtypes; numbers that enter alone are f64 and i64. Enters the jit key. */
  enableX64: boolean;
  /** `'none'` refuses rank promotion in numpy functions. Enters the jit key. */
  numpyRankPromotion: 'allow' | 'raise';
  /** `'strict'` refuses implicit dtype promotion. Enters the jit key. */
  numpyDtypePromotion: 'standard' | 'strict';
  /** Wasm: no contraction of multiply and add, so that results are bit-equal to the interpreter. Enters the jit key. */
  exact: boolean;
  /** Run jitted functions eagerly. */
  disableJit: boolean;
  /**
   * Traced values remember the line that made them, and one that can still be reached when the outermost transformation around it
   * has finished is a `TracerLeakError` there. That needs a host that can collect garbage at once: Node. Elsewhere a warning says
   * so, and a leaked value is found when it is used, as without the flag. It is slow, and closures that a debugger holds, or a
   * program (rules of `customJvp`, callbacks), count as leaks when they reach a traced value.
   */
  checkTracerLeaks: boolean;
  /** Throw when an operation gives a NaN, with its name and line. Enters the jit key, because programs must know their lines. */
  debugNans: boolean;
  /** The same for infinities. Enters the jit key. */
  debugInfs: boolean;
  /** Whenever a jitted function is traced, tell on the console (`console.warn`) why no known program fitted. */
  explainCacheMisses: boolean;
  /** How many virtual devices there are for meshes. Enters the jit key. */
  hostDeviceCount: number;
}

const inKey: Readonly<Record<keyof Config, boolean>> = {
  enableX64: true,
  numpyRankPromotion: true,
  numpyDtypePromotion: true,
  exact: true,
  disableJit: false,
  checkTracerLeaks: false,
  debugNans: true,
  debugInfs: true,
  explainCacheMisses: false,
  hostDeviceCount: true,
};

const flags: Config = {
  enableX64: false,
  numpyRankPromotion: 'allow',
  numpyDtypePromotion: 'standard',
  exact: false,
  disableJit: false,
  checkTracerLeaks: false,
  debugNans: false,
  debugInfs: false,
  explainCacheMisses: false,
  hostDeviceCount: 1,
};

const unknownFlag = (op: string, flag: string): ArgumentError =>
  new ArgumentError(
    `${op}: flags must be among ${Object.keys(inKey).join(', ')}; got ${flag}. Check the spelling.`,
  );

// Assignments reach the prototype only where there is no such flag; reading a flag does not pay for it.
Object.setPrototypeOf(
  flags,
  new Proxy(Object.prototype, {
    set(_, flag): never {
      throw unknownFlag('config', String(flag));
    },
  }),
);

/**
 * The current configuration; assign to change it, or use `withConfig` for a while.
 *
 * @throws ArgumentError when a flag is assigned that does not exist.
 */
export const config: Config = Object.preventExtensions(flags);

const keyFlags = (Object.keys(inKey) as (keyof Config)[]).filter((flag) => inKey[flag]);

/** The flags that enter jit's key, as a string. */
export const configKey = (): string => keyFlags.map((flag) => String(config[flag])).join(',');

/** The flags in which two results of `configKey` differ, with their values. */
export function configDifferences(
  now: string,
  before: string,
): readonly (readonly [flag: string, now: string, before: string])[] {
  const [a, b] = [now.split(','), before.split(',')];
  return keyFlags.flatMap((flag, i) => (a[i] === b[i] ? [] : [[flag, a[i], b[i]] as const]));
}

/** What a flag may be: one of a list, or whatever passes a test, which is said in words. */
type Allowed =
  | readonly unknown[]
  | { readonly words: string; readonly test: (value: unknown) => boolean };

const values: Readonly<Record<keyof Config, Allowed>> = {
  enableX64: [true, false],
  numpyRankPromotion: ['allow', 'raise'],
  numpyDtypePromotion: ['standard', 'strict'],
  exact: [true, false],
  disableJit: [true, false],
  checkTracerLeaks: [true, false],
  debugNans: [true, false],
  debugInfs: [true, false],
  explainCacheMisses: [true, false],
  hostDeviceCount: {
    words: 'a positive integer',
    test: (value) => Number.isInteger(value) && Number(value) > 0,
  },
};

/** Whether equations remember the user's line. It costs a stack trace each. */
export const remembersLines = (): boolean =>
  config.checkTracerLeaks || config.debugNans || config.debugInfs;

const isListed = (allowed: Allowed): allowed is readonly unknown[] => Array.isArray(allowed);

/** Run `body` with some flags changed; they come back also after an error. @throws ArgumentError for a flag or value that does not exist. */
export function withConfig<T>(changes: Partial<Config>, body: () => T): T {
  if (typeof changes !== 'object' || changes === null || typeof body !== 'function')
    throw new ArgumentError(
      `withConfig: there must be an object of flags and a function to run with them; got ${typeof changes} and ${typeof body}. Write withConfig({ flag: value }, () => …).`,
    );
  for (const [flag, value] of Object.entries(changes)) {
    const allowed: Allowed | undefined = values[flag as keyof Config];
    if (allowed === undefined) throw unknownFlag('withConfig', flag);
    const [fits, words] = isListed(allowed)
      ? [allowed.includes(value), `one of ${allowed.join(', ')}`]
      : [allowed.test(value), allowed.words];
    if (!fits)
      throw new ArgumentError(
        `withConfig: ${flag} must be ${words}; got ${String(value)}. Check the value.`,
      );
  }
  const before = { ...config };
  Object.assign(config, changes);
  try {
    return body();
  } finally {
    Object.assign(config, before);
  }
}
