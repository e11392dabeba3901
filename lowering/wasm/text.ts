/** Modules as folded WebAssembly text, for people: `kernels[i].source`. Recursion follows the nesting of expressions only. */
import type { Fn, WasmModule } from './fn.ts';
import type { Label, Local, Node } from './nodes.ts';

/** Print a module. */
export function printModule(module: WasmModule): string {
  const lines = [
    '(module',
    `  (import "env" "memory" (memory 0 65536${module.shared ? ' shared' : ''}))`,
  ];
  for (const { module: from, name, params, results } of module.imports)
    lines.push(
      `  (import "${from}" "${name}" (func $${name} (param ${params.map((p) => p.type).join(' ')}) (result ${results.join(' ')})))`,
    );
  for (const fn of module.functions) lines.push(...printFunction(fn));
  for (const [name, fn] of module.exports) lines.push(`  (export "${name}" (func $${label(fn)}))`);
  return `${lines.join('\n')})`;
}

const label = (fn: { readonly name: string; readonly index: number }): string =>
  fn.index < 0 ? fn.name : `${fn.name}.${fn.index}`;

function printFunction(fn: Fn): string[] {
  const names = new Map<Local, string>();
  [...fn.params, ...fn.locals].forEach((local, i) => names.set(local, `$${local.name}${i}`));
  const printer = new Printer(names);
  const declare = (word: string, locals: readonly Local[]): string =>
    locals.map((local) => ` (${word} ${names.get(local)} ${local.type})`).join('');
  const result = fn.results.length === 0 ? '' : ` (result ${fn.results.join(' ')})`;
  const lines = [`  (func $${label(fn)}${declare('param', fn.params)}${result}`];
  if (fn.locals.length > 0) lines.push(`   ${declare('local', fn.locals)}`);
  printer.statements([...fn.prelude, ...fn.body], '    ', lines);
  lines[lines.length - 1] += ')';
  return lines;
}

class Printer {
  readonly #names: ReadonlyMap<Local, string>;
  readonly #labels = new Map<Label, string>();

  constructor(names: ReadonlyMap<Local, string>) {
    this.#names = names;
  }

  statements(nodes: readonly Node[], indent: string, lines: string[]): void {
    for (const node of nodes) this.#statement(node, indent, lines);
  }

  #statement(node: Node, indent: string, lines: string[]): void {
    const inner = `${indent}  `;
    switch (node.kind) {
      case 'block':
      case 'loop':
        lines.push(`${indent}(${node.kind} ${this.#label(node.label)}`);
        this.statements(node.body, inner, lines);
        break;
      case 'if':
        lines.push(`${indent}(if ${this.#expression(node.condition)}`, `${inner}(then`);
        this.statements(node.then, `${inner}  `, lines);
        lines[lines.length - 1] += ')';
        if (node.otherwise.length > 0) {
          lines.push(`${inner}(else`);
          this.statements(node.otherwise, `${inner}  `, lines);
          lines[lines.length - 1] += ')';
        }
        break;
      default:
        lines.push(indent + this.#expression(node));
        return;
    }
    lines[lines.length - 1] += ')';
  }

  #label(target: Label): string {
    const name = this.#labels.get(target) ?? `$${target.name}${this.#labels.size}`;
    this.#labels.set(target, name);
    return name;
  }

  #expression(node: Node): string {
    const args = 'args' in node ? node.args.map((arg) => ` ${this.#expression(arg)}`).join('') : '';
    switch (node.kind) {
      case 'op': {
        const offset = node.offset === 0 ? '' : ` offset=${node.offset}`;
        const lane = node.op.endsWith('lane') ? ` ${node.lane}` : '';
        return `(${node.op}${offset}${lane}${args})`;
      }
      case 'const':
        return `(${node.type}.const ${Object.is(node.value, -0) ? '-0' : node.value})`;
      case 'v128':
        return `(v128.const i32x4 ${[...new Int32Array(node.bytes.slice().buffer)].map((x) => `0x${(x >>> 0).toString(16)}`).join(' ')})`;
      case 'shuffle':
        return `(i8x16.shuffle ${node.lanes.join(' ')}${args})`;
      case 'get':
        return `(local.get ${this.#names.get(node.local)})`;
      case 'set':
      case 'tee':
        return `(local.${node.kind} ${this.#names.get(node.local)}${args})`;
      case 'select':
        return `(select${node.type === 'v128' ? ' (result v128)' : ''}${args})`;
      case 'call':
        return `(call $${label(node.callee)}${args})`;
      case 'br':
        return node.condition === undefined
          ? `(br ${this.#label(node.label)})`
          : `(br_if ${this.#label(node.label)} ${this.#expression(node.condition)})`;
      default:
        return '(…)';
    }
  }
}
