/**
 * Checks modules: every value is visible where it is used, regions and calls have the types that their ops need, and every op keeps its own
 * rules (`verify-ops.ts`). A module that passes is one that XLA accepts and that the interpreter runs.
 */
import { LoweringError } from '../../core/errors.ts';
import { tensor } from './infer.ts';
import {
  sameTensorType,
  type HloFunction,
  type HloModule,
  type HloOp,
  type HloValue,
  type Region,
  type TensorType,
} from './ir.ts';
import { showType } from './type-text.ts';
import { check, opName } from './verify-check.ts';
import { verifyOp } from './verify-ops.ts';

/**
 * Check a module.
 *
 * @throws LoweringError naming the op, the rule that it breaks and the facts.
 */
export function verifyModule(module: HloModule): void {
  const functions = new Map<string, HloFunction>();
  for (const fn of module.functions) {
    if (functions.has(fn.name))
      throw new LoweringError(`module: functions must have distinct names; got @${fn.name} twice.`);
    functions.set(fn.name, fn);
  }
  for (const fn of module.functions) {
    const verifier = new Verifier(functions);
    verifier.region(fn.body, `@${fn.name}`);
    verifyAliases(fn);
  }
  verifyAcyclic(functions);
}

function verifyAliases(fn: HloFunction): void {
  for (const [arg, result] of fn.aliases ?? []) {
    const [a, r] = [fn.body.args[arg]?.type, fn.body.results[result]?.type];
    if (a === undefined || r === undefined || !sameTensorType(a, r))
      throw new LoweringError(
        `@${fn.name}: an aliased argument must have the type of its result; got argument ${arg} for result ${result}.`,
      );
  }
}

/** Functions must not call themselves, directly or through others. Iterative: chains of calls may be long. */
function verifyAcyclic(functions: ReadonlyMap<string, HloFunction>): void {
  const done = new Set<string>();
  const open = new Set<string>();
  for (const start of functions.keys()) {
    const stack: { readonly name: string; readonly pending: string[] }[] = [];
    const enter = (name: string): void => {
      if (done.has(name)) return;
      if (open.has(name))
        throw new LoweringError(
          `call: functions must not call themselves; got a cycle through @${name}.`,
        );
      open.add(name);
      stack.push({ name, pending: calleesOf(functions.get(name)) });
    };
    enter(start);
    for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
      const next = top.pending.pop();
      if (next !== undefined) {
        enter(next);
        continue;
      }
      done.add(top.name);
      open.delete(top.name);
      stack.pop();
    }
  }
}

function calleesOf(fn: HloFunction | undefined): string[] {
  const callees: string[] = [];
  const pending = [...(fn?.body.ops ?? [])];
  for (let op = pending.pop(); op !== undefined; op = pending.pop()) {
    if (op.kind === 'call') callees.push(op.attrs.callee);
    if (op.kind === 'composite') callees.push(op.attrs.decomposition);
    for (const region of op.regions) for (const inner of region.ops) pending.push(inner);
  }
  return callees;
}

const typesOf = (values: readonly HloValue[]): TensorType[] => values.map((v) => v.type);
const showTypes = (types: readonly TensorType[]): string => `(${types.map(showType).join(', ')})`;
const sameTypes = (a: readonly TensorType[], b: readonly TensorType[]): boolean =>
  a.length === b.length && a.every((t, i) => sameTensorType(t, b[i]));

/** Checks one function. */
class Verifier {
  readonly #functions: ReadonlyMap<string, HloFunction>;
  readonly #visible = new Set<HloValue>();

  constructor(functions: ReadonlyMap<string, HloFunction>) {
    this.#functions = functions;
  }

  /** Check a region; values of the regions around it are visible in it, its own are not outside. */
  region(region: Region, where: string): void {
    const own: HloValue[] = [];
    const define = (value: HloValue): void => {
      this.#visible.add(value);
      own.push(value);
    };
    region.args.forEach(define);
    for (const op of region.ops) {
      op.operands.forEach((x, i) => this.#use(x, `${opName(op)}: operand ${i}`));
      verifyOp(op);
      this.#regions(op);
      this.#callee(op);
      op.results.forEach(define);
    }
    region.results.forEach((x, i) => this.#use(x, `${where}: result ${i}`));
    for (const value of own) this.#visible.delete(value);
  }

  #use(value: HloValue, where: string): void {
    if (!this.#visible.has(value))
      throw new LoweringError(
        `${where} must be defined before it is used, in this region or one around it; got a ${showType(value.type)} that is not.`,
      );
  }

  #regions(op: HloOp): void {
    const expected = signatures(op);
    check(
      op.regions.length === expected.length,
      op,
      `has ${expected.length} regions`,
      String(op.regions.length),
    );
    op.regions.forEach((region, i) => {
      const { args, results } = expected[i];
      check(
        sameTypes(typesOf(region.args), args),
        op,
        `region ${i} must take ${showTypes(args)}`,
        showTypes(typesOf(region.args)),
      );
      this.region(region, opName(op));
      check(
        sameTypes(typesOf(region.results), results),
        op,
        `region ${i} must give ${showTypes(results)}`,
        showTypes(typesOf(region.results)),
      );
    });
  }

  #callee(op: HloOp): void {
    if (op.kind !== 'call' && op.kind !== 'composite') return;
    const name = op.kind === 'call' ? op.attrs.callee : op.attrs.decomposition;
    const fn = this.#functions.get(name);
    check(fn !== undefined, op, 'the function must be in the module', `@${name}`);
    const isFit =
      sameTypes(typesOf(fn.body.args), typesOf(op.operands)) &&
      sameTypes(typesOf(fn.body.results), typesOf(op.results));
    check(
      isFit,
      op,
      `@${name} has type ${showTypes(typesOf(fn.body.args))} -> ${showTypes(typesOf(fn.body.results))}`,
      `${showTypes(typesOf(op.operands))} -> ${showTypes(typesOf(op.results))}`,
    );
  }
}

interface Signature {
  readonly args: readonly TensorType[];
  readonly results: readonly TensorType[];
}

/** Argument and result types of the regions of an op. */
function signatures(op: HloOp): readonly Signature[] {
  const types = typesOf(op.operands);
  const scalars = (list: readonly TensorType[]): TensorType[] =>
    list.map((t) => tensor([], t.dtype));
  const bool = tensor([], 'bool');
  switch (op.kind) {
    case 'reduce':
    case 'reduce_window': {
      const inits = types.slice(types.length / 2);
      return [{ args: [...inits, ...inits], results: inits }];
    }
    case 'scatter': {
      const inputs = scalars(types.slice(0, (types.length - 1) / 2));
      return [{ args: [...inputs, ...inputs], results: inputs }];
    }
    case 'select_and_scatter': {
      const x = tensor([], types[0].dtype);
      return [
        { args: [x, x], results: [bool] },
        { args: [x, x], results: [x] },
      ];
    }
    case 'sort':
      return [{ args: scalars(types).flatMap((t) => [t, t]), results: [bool] }];
    case 'all_reduce':
    case 'reduce_scatter': {
      const [x] = scalars(types);
      return [{ args: [x, x], results: [x] }];
    }
    case 'while':
      return [
        { args: types, results: [bool] },
        { args: types, results: types },
      ];
    case 'case':
      return op.regions.map(() => ({ args: [], results: typesOf(op.results) }));
    default:
      return [];
  }
}
