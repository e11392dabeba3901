/**
 * WebAssembly code as expression trees: what the emitter builds, `encode.ts` turns into bytes and `text.ts` into text.
 * Constructors check operand types and fold integer arithmetic on constants, so that address computations stay short.
 */
import { invariant } from '../../core/errors.ts';
import { ops } from './ops.ts';
import type { OpName } from './ops.ts';

/** Types of WebAssembly values. */
export type ValType = 'i32' | 'i64' | 'f32' | 'f64' | 'v128';

/** A local variable or parameter of one function. */
export interface Local {
  readonly type: ValType;
  readonly name: string;
  /** Position in its function, set when the function is encoded. */
  index: number;
}

/** The target of branches: an enclosing block (branches leave it) or loop (branches repeat it). */
export interface Label {
  readonly name: string;
}

/** What a call needs to know of a function. */
export interface Callee {
  readonly name: string;
  readonly params: readonly { readonly type: ValType }[];
  readonly results: readonly ValType[];
  /** Index in the module, set when it is encoded. */
  index: number;
}

/** An instruction with its operands; statements have type `void`. */
export type Node =
  | {
      readonly kind: 'op';
      readonly op: OpName;
      readonly type: ValType | 'void';
      readonly args: readonly Node[];
      readonly offset: number;
      readonly lane: number;
    }
  | { readonly kind: 'const'; readonly type: ValType; readonly value: number | bigint }
  | { readonly kind: 'v128'; readonly type: 'v128'; readonly bytes: Uint8Array }
  | {
      readonly kind: 'shuffle';
      readonly type: 'v128';
      readonly args: readonly Node[];
      readonly lanes: readonly number[];
    }
  | { readonly kind: 'get'; readonly type: ValType; readonly local: Local }
  | {
      readonly kind: 'set';
      readonly type: 'void';
      readonly local: Local;
      readonly args: readonly Node[];
    }
  | {
      readonly kind: 'tee';
      readonly type: ValType;
      readonly local: Local;
      readonly args: readonly Node[];
    }
  | { readonly kind: 'select'; readonly type: ValType; readonly args: readonly Node[] }
  | {
      readonly kind: 'call';
      readonly type: ValType | 'void';
      readonly callee: Callee;
      readonly args: readonly Node[];
    }
  | {
      readonly kind: 'br';
      readonly type: 'void';
      readonly label: Label;
      readonly condition: Node | undefined;
    }
  | {
      readonly kind: 'block' | 'loop';
      readonly type: 'void';
      readonly label: Label;
      readonly body: readonly Node[];
    }
  | {
      readonly kind: 'if';
      readonly type: 'void';
      readonly condition: Node;
      readonly then: readonly Node[];
      readonly otherwise: readonly Node[];
    };

const letters: Readonly<Record<string, ValType | 'void'>> = {
  i: 'i32',
  l: 'i64',
  f: 'f32',
  d: 'f64',
  v: 'v128',
  _: 'void',
};

/** Signature of an instruction, parsed. */
export interface Signature {
  readonly code: number;
  readonly params: readonly (ValType | 'void' | undefined)[];
  readonly result: ValType | 'void';
  /** Natural alignment (as a power of two) of the memory argument. */
  readonly align: number | undefined;
  readonly lane: boolean;
}

const parseSignature = (code: number, text: string): Signature => {
  const [params, rest] = text.split('>');
  const at = rest.indexOf('@');
  return {
    code,
    params: params.split('').map((letter) => letters[letter]),
    result: letters[rest[0]],
    align: at < 0 ? undefined : Number(rest[at + 1]),
    lane: rest.includes('#'),
  };
};

/** Signatures of the plain instructions. */
export const signatures: ReadonlyMap<string, Signature> = new Map(
  Object.entries(ops).map(([name, [code, text]]) => [name, parseSignature(code, text)]),
);

/** Make a plain instruction without a memory argument. */
export function op(name: OpName, ...args: readonly Node[]): Node {
  return fold(name, args) ?? instruction(name, args, 0, 0);
}

/**
 * Make a load or store at `args[0]` + `offset`. Wasm adds the offset without wrapping while i32 sums wrap, so constants of the
 * address stay in the address; callers give as `offset` only what keeps the rest non-negative.
 */
export const memory = (name: OpName, offset: number, ...args: readonly Node[]): Node =>
  instruction(name, args, offset, 0);

/** Make an instruction that names a lane; loads and stores of lanes take an offset too. */
export function laneOp(name: OpName, lane: number, offset: number, ...args: readonly Node[]): Node {
  return instruction(name, args, offset, lane);
}

function instruction(name: OpName, args: readonly Node[], offset: number, lane: number): Node {
  const { params, result } = signatures.get(name)!;
  invariant(args.length === params.length, `${name}: ${args.length} operands.`);
  args.forEach((arg, i) =>
    invariant(
      params[i] === undefined || arg.type === params[i],
      `${name}: operand ${i} is ${arg.type}.`,
    ),
  );
  return { kind: 'op', op: name, type: result, args, offset, lane };
}

/** An i32 constant. */
export const int = (value: number): Node => ({ kind: 'const', type: 'i32', value: value | 0 });
/** A constant of a scalar type. */
export const constant = (type: 'i32' | 'i64' | 'f32' | 'f64', value: number | bigint): Node => ({
  kind: 'const',
  type,
  value,
});
/** The value of an i32 constant, if the node is one. */
export const intValue = (node: Node): number | undefined =>
  node.kind === 'const' && node.type === 'i32' ? Number(node.value) : undefined;

/** a + b on i32. */
export const add = (a: Node, b: Node): Node => op('i32.add', a, b);
/** a − b on i32. */
export const sub = (a: Node, b: Node): Node => op('i32.sub', a, b);
/** a · b on i32. */
export const mul = (a: Node, b: Node): Node => op('i32.mul', a, b);
/** condition ? a : b. */
export const select = (condition: Node, a: Node, b: Node): Node => {
  const known = intValue(condition);
  if (known !== undefined) return known === 0 ? b : a;
  return { kind: 'select', type: a.type as ValType, args: [a, b, condition] };
};
/** Smaller of two i32 (each is evaluated twice: pass locals or constants). */
export const minS = (a: Node, b: Node): Node =>
  fold2(a, b, Math.min) ?? select(op('i32.lt_s', a, b), a, b);
/** Larger of two i32 (each is evaluated twice: pass locals or constants). */
export const maxS = (a: Node, b: Node): Node =>
  fold2(a, b, Math.max) ?? select(op('i32.gt_s', a, b), a, b);

const fold2 = (a: Node, b: Node, f: (x: number, y: number) => number): Node | undefined => {
  const [x, y] = [intValue(a), intValue(b)];
  return x === undefined || y === undefined ? undefined : int(f(x, y));
};

const arithmetic: Readonly<Record<string, (x: number, y: number) => number>> = {
  'i32.add': (x, y) => (x + y) | 0,
  'i32.sub': (x, y) => (x - y) | 0,
  'i32.mul': (x, y) => Math.imul(x, y),
  'i32.and': (x, y) => x & y,
  'i32.or': (x, y) => x | y,
  'i32.shl': (x, y) => x << y,
  'i32.eq': (x, y) => Number(x === y),
  'i32.ne': (x, y) => Number(x !== y),
  'i32.lt_s': (x, y) => Number(x < y),
  'i32.gt_s': (x, y) => Number(x > y),
  'i32.le_s': (x, y) => Number(x <= y),
  'i32.ge_s': (x, y) => Number(x >= y),
  'i32.lt_u': (x, y) => Number(x >>> 0 < y >>> 0),
};

function fold(name: OpName, args: readonly Node[]): Node | undefined {
  if (name === 'i32.eqz') {
    const x = intValue(args[0]);
    return x === undefined ? undefined : int(Number(x === 0));
  }
  const compute = arithmetic[name];
  if (compute === undefined) return undefined;
  const [a, b] = args;
  const [x, y] = [intValue(a), intValue(b)];
  if (x !== undefined && y !== undefined) return int(compute(x, y));
  if (y === 0 && (name === 'i32.add' || name === 'i32.sub' || name === 'i32.shl')) return a;
  if (x === 0 && name === 'i32.add') return b;
  if (name === 'i32.mul') return foldProduct(a, b);
  if (name === 'i32.add') return foldSum(a, b);
  if (name === 'i32.sub' && y !== undefined) return op('i32.add', a, int(-y));
  return undefined;
}

function foldProduct(a: Node, b: Node): Node | undefined {
  const [x, y] = [intValue(a), intValue(b)];
  if (x !== undefined) return y === undefined ? op('i32.mul', b, a) : undefined;
  if (y === 0) return int(0);
  if (y === 1) return a;
  if (y !== undefined && y > 0 && (y & (y - 1)) === 0)
    return op('i32.shl', a, int(31 - Math.clz32(y)));
  return undefined;
}

// Constants wander outwards: (a + 4) + b = (a + b) + 4, so that they meet and fold.
function foldSum(a: Node, b: Node): Node | undefined {
  if (intValue(a) !== undefined) return op('i32.add', b, a);
  const [restA, constA] = splitSum(a);
  const [restB, constB] = splitSum(b);
  if (intValue(b) !== undefined)
    return constA === 0 ? undefined : op('i32.add', restA, int(constA + intValue(b)!));
  if (constA === 0 && constB === 0) return undefined;
  return op('i32.add', op('i32.add', restA, restB), int(constA + constB));
}

function splitSum(node: Node): [Node, number] {
  if (node.kind === 'op' && node.op === 'i32.add') {
    const value = intValue(node.args[1]);
    if (value !== undefined) return [node.args[0], value];
  }
  return [node, 0];
}

/** A v128 constant of four equal 32-bit lanes given by their bits. */
export function splatBits(bits: number): Node {
  return { kind: 'v128', type: 'v128', bytes: new Uint8Array(new Int32Array(4).fill(bits).buffer) };
}

/** A v128 constant of four 32-bit integer lanes. */
export const lanesOf = (values: readonly number[]): Node => ({
  kind: 'v128',
  type: 'v128',
  bytes: new Uint8Array(Int32Array.from(values).buffer),
});

/** The bits of an f32. */
export const floatBits = (value: number): number =>
  new Int32Array(Float32Array.of(value).buffer)[0];

/** Pick four 32-bit lanes out of two vectors (0-3: first, 4-7: second). */
export const shuffle32 = (a: Node, b: Node, lanes: readonly number[]): Node => ({
  kind: 'shuffle',
  type: 'v128',
  args: [a, b],
  lanes: lanes.flatMap((lane) => [4 * lane, 4 * lane + 1, 4 * lane + 2, 4 * lane + 3]),
});

/** Pick 16 bytes out of two vectors. */
export const shuffle8 = (a: Node, b: Node, lanes: readonly number[]): Node => ({
  kind: 'shuffle',
  type: 'v128',
  args: [a, b],
  lanes,
});
