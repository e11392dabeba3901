/**
 * Type promotion: JAX's lattice of dtypes with weak types. A weak type is that of a JavaScript number: it gives way to any
 * dtype of the same or a higher kind. After JEP 9407; the table stands in the tests.
 */
import { config } from './config.ts';
import { dtypeInfo, dtypes, isInexact, type DType } from './dtype.ts';
import { DTypeError } from './errors.ts';

/** A dtype, and whether it gives way. Values and abstract values are of this type too. */
export interface Typed {
  readonly dtype: DType;
  readonly weakType: boolean;
}

/** Points of the lattice: the dtypes, and the weak int, float and complex. */
type Node = DType | 'i*' | 'f*' | 'c*';

const above: Readonly<Record<Node, readonly Node[]>> = {
  bool: ['i*'],
  'i*': ['u8', 'i8'],
  u8: ['u16', 'i16'],
  u16: ['u32', 'i32'],
  u32: ['u64', 'i64'],
  u64: ['f*'],
  i8: ['i16'],
  i16: ['i32'],
  i32: ['i64'],
  i64: ['f*'],
  'f*': ['bf16', 'f16', 'c*'],
  bf16: ['f32'],
  f16: ['f32'],
  f32: ['f64', 'complex64'],
  f64: ['complex128'],
  'c*': ['complex64'],
  complex64: ['complex128'],
  complex128: [],
  // Values without information: there is no common dtype with anything.
  float0: [],
};

const ints: readonly Node[] = dtypes.filter(
  (d) => dtypeInfo[d].kind === 'int' || dtypeInfo[d].kind === 'uint',
);
const floats: readonly Node[] = dtypes.filter((d) => dtypeInfo[d].kind === 'float');

/** In strict mode only weak types give way. */
const aboveStrict: Readonly<Record<Node, readonly Node[]>> = {
  ...(Object.fromEntries([...dtypes, 'float0'].map((d) => [d, []])) as unknown as Record<
    DType,
    readonly Node[]
  >),
  'i*': ['f*', ...ints],
  'f*': ['c*', ...floats],
  'c*': ['complex64', 'complex128'],
};

type Lattice = Readonly<Record<Node, readonly Node[]>>;

/** A node and everything above it. */
function upper(lattice: Lattice, node: Node): Set<Node> {
  const found = new Set<Node>([node]);
  for (const n of found) for (const m of lattice[n]) found.add(m);
  return found;
}

/** All joins of two nodes; absent where there is none. */
function joins(lattice: Lattice): Map<string, Node> {
  const nodes = Object.keys(lattice) as Node[];
  const uppers = new Map(nodes.map((n) => [n, upper(lattice, n)]));
  const table = new Map<string, Node>();
  for (const a of nodes)
    for (const b of nodes) {
      const common = nodes.filter(
        (n) => uppers.get(a)?.has(n) === true && uppers.get(b)?.has(n) === true,
      );
      const least = common.filter((n) => common.every((m) => uppers.get(n)?.has(m) === true));
      if (least.length === 1) table.set(`${a} ${b}`, least[0]);
    }
  return table;
}

const tables = { standard: joins(above), strict: joins(aboveStrict) };

const weakNodes: Readonly<Record<string, Node>> = {
  int: 'i*',
  uint: 'i*',
  float: 'f*',
  complex: 'c*',
};

const nodeOf = ({ dtype, weakType }: Typed): Node =>
  weakType ? (weakNodes[dtypeInfo[dtype].kind] ?? dtype) : dtype;

/** The dtype that weak values of a kind take when nothing else decides. */
function typedOf(node: Node): Typed {
  if (node === 'i*') return { dtype: canonicalDType('i64'), weakType: true };
  if (node === 'f*') return { dtype: canonicalDType('f64'), weakType: true };
  if (node === 'c*') return { dtype: canonicalDType('complex128'), weakType: true };
  return { dtype: canonicalDType(node), weakType: false };
}

function join(a: Node, b: Node): Node {
  if (a !== b && (a === 'float0' || b === 'float0'))
    throw float0Error('promotion', `${a} and ${b}`);
  const node = tables[config.numpyDtypePromotion].get(`${a} ${b}`);
  if (node === undefined)
    throw new DTypeError(
      `promotion: dtypes must have a common dtype under numpyDtypePromotion '${config.numpyDtypePromotion}'; got ${a} and ${b}. Convert one of them with x.astype(…).`,
    );
  return node;
}

/** The error for arithmetic with float0. */
const float0Error = (op: string, got: string): DTypeError =>
  new DTypeError(
    `${op}: there is no arithmetic with float0, the dtype of tangents and gradients of integers and bools, which hold no information; got ${got}. Leave such leaves out, or take np.zeros(x.shape) in their place.`,
  );

/**
 * Refuse float0 where elements are computed with. Moving them about (reshape, concatenate, where, …) is fine.
 *
 * @throws DTypeError naming the operation.
 */
export function refuseFloat0(op: string, ...types: readonly { readonly dtype: DType }[]): void {
  if (types.some(({ dtype }) => dtype === 'float0'))
    throw float0Error(op, types.map(String).join(' and '));
}

const narrow: Partial<Record<DType, DType>> = {
  f64: 'f32',
  i64: 'i32',
  u64: 'u32',
  complex128: 'complex64',
};

/**
 * The dtype that stands for `dtype` now: the 32-bit one of its kind while 64-bit types are off.
 *
 * @throws DTypeError when there is no such dtype.
 */
export function canonicalDType(dtype: DType): DType {
  if (dtypeInfo[dtype] === undefined) throw unknownDType(dtype);
  return config.enableX64 ? dtype : (narrow[dtype] ?? dtype);
}

function unknownDType(name: unknown): DTypeError {
  const meant = dtypes.find((d) => dtypeInfo[d].longName === name);
  return new DTypeError(
    `dtype: must be one of ${dtypes.join(', ')}; got ${String(name)}. ${meant === undefined ? 'Check the name.' : `Write '${meant}'.`}`,
  );
}

/**
 * The dtype of the result of an operation on two operands, and whether it is weak.
 *
 * @throws DTypeError when there is no common dtype (strict promotion).
 */
export const promoteTypes = (a: Typed, b: Typed): Typed => resultType(a, b);

/**
 * The dtype of the result of an operation on these operands, and whether it is weak.
 *
 * @throws DTypeError when there is no common dtype (strict promotion).
 */
export function resultType(...types: readonly Typed[]): Typed {
  const [first, ...rest] = types;
  if (rest.every((t) => t.dtype === first.dtype))
    return {
      dtype: canonicalDType(first.dtype),
      weakType: first.dtype !== 'bool' && types.every((t) => t.weakType),
    };
  if (types.every((t) => t.weakType) && config.numpyDtypePromotion !== 'strict') {
    const { dtype } = typedOf(types.map((t): Node => t.dtype).reduce(join));
    return { dtype, weakType: dtype !== 'bool' };
  }
  return typedOf(types.map(nodeOf).reduce(join));
}

/**
 * The floating dtype that functions like sin and mean compute in: integers of up to 32 bits and bool give f32, 64-bit integers f64.
 *
 * @throws DTypeError for float0.
 */
export function toInexact(dtype: DType): DType {
  if (dtype === 'float0') throw float0Error('promotion', 'float0');
  if (isInexact(dtype)) return canonicalDType(dtype);
  return canonicalDType(dtypeInfo[dtype].bits === 64 ? 'f64' : 'f32');
}
