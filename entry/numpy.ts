/** `palladia/numpy`: NumPy's functions, under JAX's names in camelCase. */
import './setup/start.ts';

export * from '../numpy/index.ts';
