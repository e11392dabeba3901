/**
 * Random programs: lists of operations whose operands are chosen among the values that fit, so that every list means a well-typed program, and a
 * shorter list means a smaller one. A program knows its arguments and its text.
 */
import fc from 'fast-check';
import { jaxprsIn, type Jaxpr } from '../entry/extend.ts';
import { ArgumentError, makeJaxpr, type NDArray, type Value } from '../index.ts';
import { arrays, shapes } from './arbitraries.ts';
import {
  isFloatValue,
  nestedOperations,
  plainOperations,
  type InnerFunction,
  type Operation,
} from './operations.ts';
import type { Arbitrary } from './property.ts';
import { codeOf } from './show.ts';

/** One random step: numbers that choose an operation, its operands, and its inner function. */
interface Step {
  readonly op: number;
  readonly picks: readonly number[];
  readonly k: number;
  readonly inner: readonly Step[];
}

/** A step whose operands are chosen. */
interface Resolved {
  readonly op: Operation;
  readonly operands: readonly number[];
  readonly k: number;
  readonly inner: Body | undefined;
}

/** Steps on given values; `result` is the number of the value that they give. */
interface Body {
  readonly inputs: number;
  readonly steps: readonly Resolved[];
  readonly result: number;
}

const fits = (op: Operation, xs: readonly Value[]): boolean =>
  op.fits === undefined ? xs.every(isFloatValue) : op.fits(...xs);

/** Choose operands: the first tuple that fits, counted from the picks on. */
function choose(
  op: Operation,
  pool: readonly Value[],
  picks: readonly number[],
): number[] | undefined {
  const from = (pick: number, i: number): number => (pick + i) % pool.length;
  const search = (chosen: number[]): number[] | undefined => {
    if (chosen.length === op.arity)
      return fits(
        op,
        chosen.map((at) => pool[at]),
      )
        ? chosen
        : undefined;
    for (let i = 0; i < pool.length; i++) {
      const found = search([...chosen, from(picks[chosen.length] ?? 0, i)]);
      if (found !== undefined) return found;
    }
    return undefined;
  };
  return search([]);
}

/** Resolve steps by running them once on examples. */
function resolve(
  steps: readonly Step[],
  examples: readonly Value[],
  operations: readonly Operation[],
  like: Value | undefined,
): Body {
  const pool = [...examples];
  const resolved: Resolved[] = [];
  for (const step of steps) {
    const op = operations[step.op % operations.length];
    const operands = choose(op, pool, step.picks);
    if (operands === undefined) continue;
    const xs = operands.map((at) => pool[at]);
    const innerOps = operations.filter((other) => other.nested !== true);
    const inner = op.nested === true ? resolve(step.inner, [xs[0]], innerOps, xs[0]) : undefined;
    const made: Resolved = { op, operands, k: step.k, inner };
    pool.push(runStep(made, pool));
    resolved.push(made);
  }
  const isResult = (x: Value): boolean =>
    like === undefined
      ? isFloatValue(x)
      : x.dtype === like.dtype && x.shape.join() === like.shape.join();
  const result = pool.findLastIndex(isResult);
  if (result < 0)
    throw new ArgumentError(
      `programs: some argument must be a float; got ${examples.map((x) => x.aval.toString()).join(', ')}. Pass args with a float array.`,
    );
  return withoutDead({ inputs: examples.length, steps: resolved, result });
}

/** Leave out steps that the result does not need. */
function withoutDead({ inputs, steps, result }: Body): Body {
  const needed = new Set([result]);
  for (let at = steps.length - 1; at >= 0; at--)
    if (needed.has(inputs + at)) steps[at].operands.forEach((x) => needed.add(x));
  const places = new Map<number, number>(Array.from({ length: inputs }, (_, i) => [i, i]));
  const kept: Resolved[] = [];
  steps.forEach((step, at) => {
    if (!needed.has(inputs + at)) return;
    places.set(inputs + at, inputs + kept.length);
    kept.push({ ...step, operands: step.operands.map((x) => places.get(x)!) });
  });
  return { inputs, steps: kept, result: places.get(result)! };
}

const innerOf =
  (body: Body | undefined): InnerFunction =>
  (x) =>
    body === undefined ? x : runBody(body, [x]);

const runStep = ({ op, operands, k, inner }: Resolved, pool: readonly Value[]): Value =>
  op.apply(
    operands.map((at) => pool[at]),
    k,
    innerOf(inner),
  );

function runBody({ steps, result }: Body, inputs: readonly Value[]): Value {
  const pool = [...inputs];
  for (const step of steps) pool.push(runStep(step, pool));
  return pool[result];
}

function bodyCode(
  { inputs, steps, result }: Body,
  names: readonly string[],
  margin: string,
): string[] {
  const name = (at: number): string => names[at] ?? `${names[0]}${at - inputs + 1}`;
  const lines = steps.map(({ op, operands, k, inner }, i) => {
    const innerText =
      inner === undefined
        ? ''
        : `(${functionCode(inner, [`${name(inputs + i)}_`], `${margin}  `)})`;
    return `${margin}const ${name(inputs + i)} = ${op.code(operands.map(name), k, innerText)};`;
  });
  return [...lines, `${margin}return ${name(result)};`];
}

function functionCode(body: Body, names: readonly string[], margin: string): string {
  const outside = margin.slice(2);
  return `(${names.join(', ')}) => {\n${bodyCode(body, names, margin).join('\n')}\n${outside}}`;
}

const letters = ['x', 'y', 'z', 'w'];

/** A random program with arguments that it runs on. */
export class Program {
  readonly #body: Body;
  /** Arguments to run it on. */
  readonly args: readonly NDArray[];
  /** The function. */
  readonly f: (...xs: readonly Value[]) => Value;

  constructor(body: Body, args: readonly NDArray[]) {
    this.#body = body;
    this.args = args;
    this.f = (...xs) => runBody(body, xs);
  }

  /** What it does as a jaxpr. */
  get jaxpr(): Jaxpr {
    return makeJaxpr(this.f)(...this.args);
  }

  /** How many equations it has, those of inner jaxprs included. */
  get equations(): number {
    const count = (jaxpr: Jaxpr): number =>
      jaxpr.eqns.reduce(
        (n, eqn) => n + 1 + jaxprsIn(eqn.params).reduce((m, inner) => m + count(inner), 0),
        0,
      );
    return count(this.jaxpr);
  }

  /** The function as code. */
  toString(): string {
    return functionCode(this.#body, letters.slice(0, this.args.length), '    ');
  }

  /** Code and arguments, for failures; the jaxpr too, where the law has not told it. */
  async report(withJaxpr: boolean): Promise<string> {
    const code = `  const f = ${this.toString()};\n  const args = ${await codeOf([...this.args])};`;
    return withJaxpr ? `${code}\n  jaxpr: ${this.jaxpr.toString()}` : code;
  }
}

/** What random programs are made of. */
export interface ProgramOptions {
  /** Arrays that the program takes; one to three f32 arrays of ranks up to 2 when left out. */
  readonly args?: Arbitrary<readonly NDArray[]>;
  /** Functions of your own of one float array each, by name: they are used often. */
  readonly functions?: Readonly<Record<string, (x: Value) => Value>>;
  /** More operations of your own. */
  readonly operations?: readonly Operation[];
  /** The most steps. 8 when left out. */
  readonly maxSteps?: number;
  /** Only operations whose derivatives differences see. True when left out. */
  readonly smooth?: boolean;
  /** Whether there are loops, branches and calls. True when left out. */
  readonly nested?: boolean;
  /** Whether loops without a reverse derivative may occur. False when left out. */
  readonly forwardOnly?: boolean;
}

const isFunctionOf = (name: string, f: (x: Value) => Value): Operation => ({
  name,
  arity: 1,
  smooth: true,
  apply: ([x]) => f(x),
  code: ([x]) => `${name}(${x})`,
});

/**
 * Random well-typed programs with arguments. They shrink to few steps on small arrays.
 *
 * @example
 * await testing.forAll(testing.programs(), (p) => testing.checkJit(p.f, p.args), { runs: 5 });
 */
export function programs(options: ProgramOptions = {}): Arbitrary<Program> {
  const { functions = {}, operations = [], maxSteps = 8, smooth = true, nested = true } = options;
  const own = [
    ...Object.entries(functions).map(([name, f]) => isFunctionOf(name, f)),
    ...operations,
  ];
  const builtIn = [...plainOperations, ...(nested ? nestedOperations : [])].filter(
    (op) =>
      (!smooth || op.smooth === true) && (op.forwardOnly !== true || options.forwardOnly === true),
  );
  const all = [...own, ...builtIn];
  // A third of the steps are the user's own, which come first: steps shrink towards them.
  const numbers =
    own.length === 0
      ? fc.nat(all.length - 1)
      : fc.oneof(fc.nat(own.length - 1), { weight: 2, arbitrary: fc.nat(all.length - 1) });
  const leafStep = fc.record({
    op: numbers,
    picks: fc.tuple(fc.nat(9), fc.nat(9)),
    k: fc.nat(3),
    inner: fc.constant<readonly Step[]>([]),
  });
  const step = fc.record({
    op: numbers,
    picks: fc.tuple(fc.nat(9), fc.nat(9)),
    k: fc.nat(3),
    inner: fc.array(leafStep, { maxLength: 3 }),
  });
  const small = arrays({ shape: shapes({ maxRank: 2, maxSize: 3 }) });
  const args = options.args ?? fc.array(small, { minLength: 1, maxLength: 3 });
  return fc
    .tuple(fc.array(step, { minLength: 1, maxLength: maxSteps }), args)
    .map(([steps, given]) => new Program(resolve(steps, given, all, undefined), given));
}
