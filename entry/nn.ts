/** `palladia/nn`: functions of neural networks. */
import './setup/start.ts';

export * from '../nn/index.ts';
