/** `palladia/testing`: a kit for testing functions by the laws of their transformations. */
import './setup/start.ts';

export * from '../testing/index.ts';
