/** The shape of a block, in errors with the name of what is cut. */
import { ShapeError } from '../core/errors.ts';
import type { NamedSharding } from '../core/mesh.ts';
import type { Shape } from '../core/shape.ts';

/** The shape of the blocks of an array. @throws ShapeError as `NamedSharding.shardShape`, naming the function and the array. */
export function blockShape(
  op: string,
  where: () => string,
  sharding: NamedSharding,
  shape: Shape,
): Shape {
  try {
    return sharding.shardShape(shape);
  } catch (error) {
    if (!(error instanceof ShapeError)) throw error;
    const [message] = error.message.split('\n');
    throw new ShapeError(message.replace('NamedSharding:', `${op}: in ${where()},`), {
      cause: error,
    });
  }
}
