/** Values as code: what a failure prints can be pasted into a program. */
import { NDArray, type DType } from '../index.ts';

const numberText = (x: number | bigint | boolean): string =>
  Object.is(x, -0) ? '-0' : typeof x === 'bigint' ? `${x}n` : String(x);

function nested(values: readonly (number | bigint | boolean)[], shape: readonly number[]): string {
  if (shape.length === 0) return numberText(values[0]);
  const [count, ...rest] = shape;
  const size = values.length / Math.max(1, count);
  const parts = Array.from({ length: count }, (_, i) =>
    nested(values.slice(i * size, (i + 1) * size), rest),
  );
  return `[${parts.join(', ')}]`;
}

const isBool = (dtype: DType): boolean => dtype === 'bool';

/** An array as code. Arrays without elements keep their shape. */
async function arrayText(x: NDArray): Promise<string> {
  if (x.size === 0) return `np.zeros([${x.shape.join(', ')}], '${x.dtype}')`;
  const values = Array.from((await x.data()) as ArrayLike<number | bigint>, (v) =>
    isBool(x.dtype) ? Boolean(v) : v,
  );
  // A number alone makes a weak f32, a list a strong one.
  const isPlainType = x.dtype === 'f32' && (x.ndim > 0 || x.weakType);
  const type = isPlainType ? '' : `, '${x.dtype}'`;
  return `np.array(${nested(values, x.shape)}${type})`;
}

/** A tree of arrays and other values as code; what has no literal is shown by its `toString`. */
export async function codeOf(value: unknown): Promise<string> {
  if (value instanceof NDArray) return arrayText(value);
  if (Array.isArray(value)) {
    const parts = await Promise.all(value.map((x) => codeOf(x)));
    return `[${parts.join(', ')}]`;
  }
  if (value !== null && typeof value === 'object' && isPlain(value)) {
    const parts = await Promise.all(
      Object.entries(value).map(async ([name, x]) => `${keyText(name)}: ${await codeOf(x)}`),
    );
    return `{ ${parts.join(', ')} }`;
  }
  if (value instanceof Map) return `new Map(${await codeOf([...value])})`;
  if (typeof value === 'number' || typeof value === 'bigint') return numberText(value);
  return typeof value === 'string' ? JSON.stringify(value) : String(value);
}

const keyText = (name: string): string =>
  /^[A-Za-z_$][\w$]*$/.test(name) && name !== '__proto__' ? name : `[${JSON.stringify(name)}]`;

const isPlain = (value: object): boolean => {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
};
