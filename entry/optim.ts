/** `palladia/optim`: optimizers and learning rate schedules. */
import './setup/start.ts';

export * from '../optim/index.ts';
