/**
 * Copies that turn a matrix: a pass that does nothing but read along one axis and write along another. Blocks of 64 × 64 elements, so
 * that both sides stay in the first-level cache, in pieces of 4 × 4 that are transposed in registers.
 */
import type { Loop } from './access.ts';
import type { Fn, WasmModule } from './fn.ts';
import { byteLengthOf } from './format.ts';
import { transposeBlock } from './gemm-pack.ts';
import type { NestPlan } from './nest.ts';
import { add, int, memory, minS, mul, op, sub } from './nodes.ts';
import type { Local, Node } from './nodes.ts';
import { baseAddress } from './window.ts';

const blockSide = 64;

/** A turned copy: bytes per step of both axes on both sides. */
interface Turn {
  readonly read: Loop;
  readonly write: Loop;
  /** Bytes from one row of the source (a step of `write`) to the next. */
  readonly sourceRow: number;
  /** Bytes from one row of the target (a step of `read`) to the next. */
  readonly targetRow: number;
}

/** The turned copy that a plan is, if it is one. */
export function turnOf(plan: NestPlan): Turn | undefined {
  const [root, ...others] = plan.pass.roots;
  if (others.length > 0 || root.kind !== 'write' || root.mask !== undefined) return undefined;
  const { meaning, operands } = root.value;
  const source = plan.accesses.get(root.value);
  const target = plan.accesses.get(root.to);
  if (
    meaning.kind !== 'memory' ||
    operands.length > 0 ||
    source === undefined ||
    target === undefined
  )
    return undefined;
  const { format } = source.window;
  if (
    byteLengthOf(format) !== 4 ||
    format !== target.window.format ||
    source.guards.length + target.guards.length > 0
  )
    return undefined;
  const step = (loop: Loop, form: { readonly coefs: readonly number[] }): number =>
    form.coefs[loop.axes[loop.axes.length - 1]];
  const read = plan.loops.find((loop) => step(loop, source.form) === 4);
  const write = plan.loops.find((loop) => step(loop, target.form) === 4);
  if (
    read === undefined ||
    write === undefined ||
    read === write ||
    read.extent < 4 ||
    write.extent < 4
  )
    return undefined;
  const [sourceRow, targetRow] = [step(write, source.form), step(read, target.form)];
  return sourceRow > 0 && targetRow > 0 ? { read, write, sourceRow, targetRow } : undefined;
}

/** Emit a turned copy into a function. */
export function emitTurn(module: WasmModule, outer: Fn, plan: NestPlan, turn: Turn): void {
  const fn = module.fn('turn', [], outer);
  const [root] = plan.pass.roots;
  if (root.kind !== 'write') return;
  const source = plan.accesses.get(root.value)!;
  const target = plan.accesses.get(root.to)!;
  const rest = plan.loops.filter((loop) => loop !== turn.read && loop !== turn.write);
  const start = [source, target].map((access) =>
    fn.keep(add(baseAddress(fn, access.window), int(access.form.constant))),
  );
  const bounds = ({ extent, clip }: Loop): [Node, Node] => {
    if (clip === undefined) return [int(0), int(extent)];
    const bound = (node: Node): Node => fn.keep(mul(node, int(clip.factor)), 'e');
    return [bound(clip.clip.low(fn)), bound(clip.clip.high(fn))];
  };
  const [readRange, writeRange] = [bounds(turn.read), bounds(turn.write)];
  const ranges = rest.map(bounds);
  const walk = (i: number, addresses: readonly Node[]): void => {
    if (i === rest.length)
      return blocks(fn, turnBlock(module, turn), { addresses, readRange, writeRange, turn });
    const counter = fn.local('i32', 'i');
    const steps = [source, target].map(
      (access) => access.form.coefs[rest[i].axes[rest[i].axes.length - 1]],
    );
    return fn.for(counter, { from: ranges[i][0], to: ranges[i][1] }, () =>
      walk(
        i + 1,
        addresses.map((address, side) =>
          fn.keep(add(address, mul(fn.get(counter), int(steps[side])))),
        ),
      ),
    );
  };
  walk(0, start);
  outer.callOutlined(fn);
}

function blocks(
  fn: Fn,
  block: Fn,
  at: { addresses: readonly Node[]; readRange: [Node, Node]; writeRange: [Node, Node]; turn: Turn },
): void {
  const [r, w] = [fn.local('i32', 'r'), fn.local('i32', 'w')];
  const { sourceRow, targetRow } = at.turn;
  const size = (counter: Local, end: Node): Node =>
    minS(fn.keep(sub(end, fn.get(counter))), int(blockSide));
  fn.for(w, { from: at.writeRange[0], to: at.writeRange[1], step: blockSide }, () =>
    fn.for(r, { from: at.readRange[0], to: at.readRange[1], step: blockSide }, () => {
      const from = add(
        add(at.addresses[0], mul(fn.get(r), int(4))),
        mul(fn.get(w), int(sourceRow)),
      );
      const to = add(add(at.addresses[1], mul(fn.get(w), int(4))), mul(fn.get(r), int(targetRow)));
      fn.call(block, from, to, size(r, at.readRange[1]), size(w, at.writeRange[1]));
    }),
  );
}

/** The function of one block: `turn(source, target, m, n)` copies source[n][m] to target[m][n]. */
function turnBlock(module: WasmModule, { sourceRow, targetRow }: Turn): Fn {
  return module.helper(`turn_{${sourceRow},${targetRow}}`, [], (fn) => {
    const [source, target, m, n] = ['s', 't', 'm', 'n'].map((name) => fn.param('i32', name));
    const [i, j] = [fn.local('i32', 'i'), fn.local('i32', 'j')];
    const whole = (count: Local): Node => fn.keep(op('i32.and', fn.get(count), int(-4)));
    const [mainM, mainN] = [whole(m), whole(n)];
    const at = (base: Local, along: Local, across: Local, row: number): Node =>
      add(add(fn.get(base), mul(fn.get(along), int(4))), mul(fn.get(across), int(row)));
    fn.for(j, { from: int(0), to: mainN, step: 4 }, () =>
      fn.for(i, { from: int(0), to: mainM, step: 4 }, () =>
        fn.scope(() => {
          const from = fn.keep(at(source, i, j, sourceRow));
          const to = fn.keep(at(target, j, i, targetRow));
          const rows = [0, 1, 2, 3].map((row) =>
            fn.keep(memory('v128.load', row * sourceRow, from)),
          );
          transposeBlock(fn, rows).forEach((value, row) =>
            fn.emit(memory('v128.store', row * targetRow, to, value)),
          );
        }),
      ),
    );
    const element = (): void =>
      fn.emit(
        memory(
          'i32.store',
          0,
          at(target, j, i, targetRow),
          memory('i32.load', 0, at(source, i, j, sourceRow)),
        ),
      );
    fn.for(j, { from: int(0), to: fn.get(n) }, () =>
      fn.for(i, { from: mainM, to: fn.get(m) }, element),
    );
    fn.for(j, { from: mainN, to: fn.get(n) }, () =>
      fn.for(i, { from: int(0), to: mainM }, element),
    );
  });
}
