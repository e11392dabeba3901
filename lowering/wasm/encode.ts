/**
 * From a module under construction to the binary format (WebAssembly 3.0, "Binary Format"). Recursion follows the nesting of
 * expressions and blocks, which the emitter keeps shallow; the length of a program is the length of a body.
 */
import { invariant } from '../../core/errors.ts';
import type { Fn, WasmModule } from './fn.ts';
import { signatures } from './nodes.ts';
import type { Label, Node, ValType } from './nodes.ts';

const typeCodes: Readonly<Record<ValType, number>> = {
  i32: 0x7f,
  i64: 0x7e,
  f32: 0x7d,
  f64: 0x7c,
  v128: 0x7b,
};

/** Bytes that grow. */
class Bytes {
  #data = new Uint8Array(1024);
  length = 0;

  byte(value: number): void {
    if (this.length === this.#data.length) this.#grow(1);
    this.#data[this.length++] = value;
  }

  bytes(values: ArrayLike<number>): void {
    if (this.length + values.length > this.#data.length) this.#grow(values.length);
    this.#data.set(values, this.length);
    this.length += values.length;
  }

  #grow(more: number): void {
    const data = new Uint8Array(Math.max(2 * this.#data.length, this.length + more));
    data.set(this.#data.subarray(0, this.length));
    this.#data = data;
  }

  unsigned(value: number): void {
    let rest = value;
    while (rest >= 0x80) {
      this.byte((rest & 0x7f) | 0x80);
      rest = Math.floor(rest / 128);
    }
    this.byte(rest);
  }

  signed(value: number | bigint): void {
    let rest = BigInt(value);
    for (;;) {
      const low = Number(rest & 0x7fn);
      rest >>= 7n;
      if ((rest === 0n && low < 0x40) || (rest === -1n && low >= 0x40)) return this.byte(low);
      this.byte(low | 0x80);
    }
  }

  name(text: string): void {
    const data = new TextEncoder().encode(text);
    this.unsigned(data.length);
    this.bytes(data);
  }

  section(id: number, fill: (out: Bytes) => void): void {
    const content = new Bytes();
    fill(content);
    this.byte(id);
    this.unsigned(content.length);
    this.bytes(content.take());
  }

  take(): Uint8Array<ArrayBuffer> {
    return this.#data.slice(0, this.length);
  }
}

/** Encode a module. The imported memory is `env.memory`. */
export function encodeModule(module: WasmModule): Uint8Array<ArrayBuffer> {
  const out = new Bytes();
  out.bytes([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]);
  const types = new Map<string, number>();
  const typeOf = (
    params: readonly { readonly type: ValType }[],
    results: readonly ValType[],
  ): number => {
    const key = `${params.map((p) => p.type).join()}>${results.join()}`;
    const known = types.get(key) ?? types.size;
    types.set(key, known);
    return known;
  };
  module.imports.forEach((callee, i) => (callee.index = i));
  module.functions.forEach((fn, i) => (fn.index = module.imports.length + i));
  const importTypes = module.imports.map((callee) => typeOf(callee.params, callee.results));
  const functionTypes = module.functions.map((fn) => typeOf(fn.params, fn.results));
  out.section(1, (section) => encodeTypes(section, [...types.keys()]));
  out.section(2, (section) => encodeImports(section, module, importTypes));
  out.section(3, (section) => {
    section.unsigned(functionTypes.length);
    functionTypes.forEach((type) => section.unsigned(type));
  });
  out.section(7, (section) => {
    section.unsigned(module.exports.size);
    for (const [name, fn] of module.exports) {
      section.name(name);
      section.byte(0);
      section.unsigned(fn.index);
    }
  });
  out.section(10, (section) => {
    section.unsigned(module.functions.length);
    for (const fn of module.functions) encodeFunction(section, fn);
  });
  return out.take();
}

function encodeTypes(out: Bytes, keys: readonly string[]): void {
  out.unsigned(keys.length);
  for (const key of keys) {
    out.byte(0x60);
    for (const list of key.split('>')) {
      const types = list === '' ? [] : list.split(',');
      out.unsigned(types.length);
      types.forEach((type) => out.byte(typeCodes[type as ValType]));
    }
  }
}

function encodeImports(out: Bytes, module: WasmModule, types: readonly number[]): void {
  out.unsigned(module.imports.length + 1);
  out.name('env');
  out.name('memory');
  out.byte(2);
  // Shared memories must state a maximum; 65536 pages accept any.
  out.byte(module.shared ? 3 : 1);
  out.unsigned(0);
  out.unsigned(65536);
  module.imports.forEach((callee, i) => {
    out.name(callee.module);
    out.name(callee.name);
    out.byte(0);
    out.unsigned(types[i]);
  });
}

function encodeFunction(section: Bytes, fn: Fn): void {
  const out = new Bytes();
  fn.params.forEach((local, i) => (local.index = i));
  const runs: [ValType, number][] = [];
  const sorted = fn.locals.toSorted((a, b) => (a.type < b.type ? -1 : Number(a.type > b.type)));
  sorted.forEach((local, i) => {
    local.index = fn.params.length + i;
    if (runs.at(-1)?.[0] === local.type) runs.at(-1)![1]++;
    else runs.push([local.type, 1]);
  });
  out.unsigned(runs.length);
  for (const [type, count] of runs) {
    out.unsigned(count);
    out.byte(typeCodes[type]);
  }
  const encoder = new Encoder(out);
  encoder.all(fn.prelude);
  encoder.all(fn.body);
  out.byte(0x0b);
  section.unsigned(out.length);
  section.bytes(out.take());
}

const scratch = new DataView(new ArrayBuffer(8));

/** Writes the nodes of one function. */
class Encoder {
  readonly #out: Bytes;
  readonly #labels: (Label | undefined)[] = [];

  constructor(out: Bytes) {
    this.#out = out;
  }

  all(nodes: readonly Node[]): void {
    for (const node of nodes) this.#node(node);
  }

  #node(node: Node): void {
    const out = this.#out;
    if ('args' in node) this.all(node.args);
    switch (node.kind) {
      case 'op':
        return this.#plain(node);
      case 'const':
        return this.#constant(node.type, node.value);
      case 'v128':
        out.bytes([0xfd, 12]);
        return out.bytes(node.bytes);
      case 'shuffle':
        out.bytes([0xfd, 13]);
        return out.bytes(node.lanes);
      case 'get':
        return this.#withIndex(0x20, node.local.index);
      case 'set':
        return this.#withIndex(0x21, node.local.index);
      case 'tee':
        return this.#withIndex(0x22, node.local.index);
      case 'select':
        return node.type === 'v128' ? out.bytes([0x1c, 1, typeCodes.v128]) : out.byte(0x1b);
      case 'call':
        return this.#withIndex(0x10, node.callee.index);
      default:
        return this.#control(node);
    }
  }

  #control(node: Extract<Node, { kind: 'br' | 'block' | 'loop' | 'if' }>): void {
    const out = this.#out;
    switch (node.kind) {
      case 'br': {
        if (node.condition !== undefined) this.#node(node.condition);
        const at = this.#labels.lastIndexOf(node.label);
        invariant(at >= 0, `branch to a label that is not open.`);
        return this.#withIndex(
          node.condition === undefined ? 0x0c : 0x0d,
          this.#labels.length - 1 - at,
        );
      }
      case 'if':
        this.#node(node.condition);
        out.bytes([0x04, 0x40]);
        this.#labels.push(undefined);
        this.all(node.then);
        if (node.otherwise.length > 0) out.byte(0x05);
        this.all(node.otherwise);
        break;
      default:
        out.bytes([node.kind === 'block' ? 0x02 : 0x03, 0x40]);
        this.#labels.push(node.label);
        this.all(node.body);
    }
    this.#labels.pop();
    out.byte(0x0b);
  }

  #withIndex(code: number, index: number): void {
    invariant(index >= 0, 'a local or function without an index.');
    this.#out.byte(code);
    this.#out.unsigned(index);
  }

  #plain(node: Extract<Node, { kind: 'op' }>): void {
    const out = this.#out;
    const { code, align, lane } = signatures.get(node.op)!;
    if (code > 0xff) {
      out.byte(code >>> 16);
      out.unsigned(code & 0xffff);
    } else out.byte(code);
    // Vector loads and stores promise only the alignment of an element; engines ignore the hint, atomics insist on theirs.
    if (align !== undefined) {
      out.byte(align === 4 ? 2 : align);
      out.unsigned(node.offset);
    }
    if (lane) out.byte(node.lane);
    if (node.op === 'memory.copy') out.bytes([0, 0]);
    if (node.op === 'memory.fill') out.byte(0);
  }

  #constant(type: ValType, value: number | bigint): void {
    const out = this.#out;
    if (type === 'i32' || type === 'i64') {
      out.byte(type === 'i32' ? 0x41 : 0x42);
      return out.signed(type === 'i32' ? Number(value) | 0 : BigInt.asIntN(64, BigInt(value)));
    }
    const bytes = type === 'f32' ? 4 : 8;
    if (type === 'f32') scratch.setFloat32(0, Number(value), true);
    else scratch.setFloat64(0, Number(value), true);
    out.byte(type === 'f32' ? 0x43 : 0x44);
    return out.bytes(new Uint8Array(scratch.buffer, 0, bytes));
  }
}
