/** Functions of neural networks, under JAX's names in camelCase. */
export * from './activations.ts';
export * from './functions.ts';
