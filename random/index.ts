/** Random numbers as in JAX: keys, bits, samplers. */
export * from './integers.ts';
export * from './keys.ts';
export * from './samplers.ts';
