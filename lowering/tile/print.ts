/**
 * Kernels as text, one op per line; `parse.ts` reads it back exactly (the user's lines excepted). Values keep the names that they were given,
 * made unique; the others are numbered. An index map is an expression of the grid axes when it is one, else a region.
 */
import type { ScalarFn } from '../scalar.ts';
import type {
  BlockMapping,
  GridAxis,
  Kernel,
  Operand,
  TileOp,
  TileRegion,
  TileValue,
} from './ir.ts';
import {
  fields,
  gridName,
  regionKeywords,
  showElements,
  showNumber,
  showTileType,
  snake,
  type Field,
} from './syntax.ts';

const longestExpression = 32;
const typeColumn = 40;

class Names {
  readonly #names = new Map<TileValue, string>();
  readonly #taken = new Set<string>();
  #next = 0;

  of(value: TileValue): string {
    let name = this.#names.get(value);
    if (name === undefined) {
      name =
        value.name === undefined || value.name === ''
          ? `%${this.#next++}`
          : `%${this.#fresh(value.name)}`;
      this.#names.set(value, name);
    }
    return name;
  }

  #fresh(hint: string): string {
    const clean = hint.replaceAll(/\W/g, '_').replace(/^(?=\d)/, '_');
    let name = clean;
    for (let n = 1; this.#taken.has(name); n++) name = `${clean}_${n}`;
    this.#taken.add(name);
    return name;
  }
}

const symbol = (name: string): string =>
  /^[A-Za-z_]\w*$/.test(name) ? name : JSON.stringify(name);

function showField(field: Field, value: unknown): string {
  const key = field.key === '' ? '' : `${field.key} `;
  switch (field.form) {
    case 'flag':
      return value === field.flag?.[0] ? field.key : '';
    case 'word':
      return String(value);
    case 'text':
      return key + JSON.stringify(value);
    case 'value':
      return key + showNumber(value as number | bigint | boolean);
    case 'int':
      return `${key}${value as number}`;
    case 'axes': {
      const axes = value as readonly number[];
      return axes.length === 1 ? `axis ${axes[0]}` : `axes [${axes.join(', ')}]`;
    }
    case 'ints':
      return `${key}[${(value as readonly number[]).join(', ')}]`;
  }
}

/** The attributes that stand before the operands (words and texts), or those behind them; a space before each. */
function showFields(op: TileOp, isBefore: boolean): string {
  const attrs = op.attrs as Readonly<Record<string, unknown>>;
  let text = '';
  for (const field of fields[op.kind]) {
    const value = attrs[field.attr];
    const stands = (field.form === 'word' || field.form === 'text') === isBefore;
    const shown = value === undefined || !stands ? '' : showField(field, value);
    if (shown !== '') text += ` ${shown}`;
  }
  return text;
}

function showNames(values: readonly TileValue[], names: Names): string {
  let text = '';
  for (const value of values) text += text === '' ? names.of(value) : `, ${names.of(value)}`;
  return text;
}

function showOp(op: TileOp, names: Names, indent: string): string[] {
  const mnemonic = snake(op.kind === 'scalar' ? op.attrs.fn : op.kind);
  const operands = showNames(op.operands, names);
  const head = `${mnemonic}${showFields(op, true)}${operands && ` ${operands}`}${showFields(op, false)}`;
  const results = showNames(op.results, names);
  const line = indent + (results === '' ? head : `${results} = ${head}`);
  const types = op.results.map((r) => showTileType(r.type)).join(', ');
  const lines = [types === '' ? line : `${line.padEnd(typeColumn)} : ${types}`];
  const keywords = regionKeywords(
    op.kind,
    'combiner' in op.attrs && op.attrs.combiner !== undefined,
  );
  op.regions.forEach((region, i) => {
    const text = showRegion(region, names, indent);
    lines[lines.length - 1] += ` ${keywords[i]} ${text[0]}`;
    lines.push(...text.slice(1));
  });
  return lines;
}

function showRegion(region: TileRegion, names: Names, indent: string): string[] {
  const args = region.args.map((a) => `${names.of(a)}: ${showTileType(a.type)}`).join(', ');
  const lines = [args === '' ? '{' : `(${args}) {`];
  for (const op of region.ops)
    for (const line of showOp(op, names, `${indent}  `)) lines.push(line);
  if (region.results.length > 0)
    lines.push(`${indent}  yield ${region.results.map((r) => names.of(r)).join(', ')}`);
  lines.push(`${indent}}`);
  return lines;
}

const infix: Partial<Record<ScalarFn, readonly [sign: string, strength: number]>> = {
  add: ['+', 1],
  sub: ['-', 1],
  mul: ['*', 2],
};

/** The results of an index map as expressions of the grid axes, if they are such. */
function expressions(region: TileRegion, rank: number): string[] | undefined {
  if (region.ops.length > longestExpression) return undefined;
  const uses = new Map<TileValue, number>();
  const texts = new Map<TileValue, readonly [text: string, strength: number]>();
  region.args.slice(0, rank).forEach((arg, i) => texts.set(arg, [gridName(i), 3]));
  const use = (value: TileValue): readonly [string, number] | undefined => {
    const n = (uses.get(value) ?? 0) + 1;
    uses.set(value, n);
    return n > 1 && value.def?.kind === 'scalar' ? undefined : texts.get(value);
  };
  for (const op of region.ops) {
    const [result] = op.results;
    if (op.kind === 'constant' && result.type.dtype === 'i32' && result.type.shape.length === 0) {
      texts.set(result, [showNumber(op.attrs.value), 3]);
    } else if (op.kind === 'scalar' && result.type.dtype === 'i32') {
      const parts = op.operands.map(use);
      if (!parts.every((p) => p !== undefined)) return undefined;
      texts.set(result, call(op.attrs.fn, parts));
    } else {
      return undefined;
    }
  }
  const results = region.results.map((r) => use(r)?.[0]);
  const dead = region.ops.some((op) => !uses.has(op.results[0]));
  return !dead && results.every((r) => r !== undefined) ? results : undefined;
}

function call(
  fn: ScalarFn,
  parts: readonly (readonly [string, number])[],
): readonly [string, number] {
  const sign = infix[fn];
  if (sign === undefined) return [`${snake(fn)}(${parts.map((p) => p[0]).join(', ')})`, 3];
  const [[a, left], [b, right]] = parts;
  const [mark, strength] = sign;
  return [
    `${left < strength ? `(${a})` : a} ${mark} ${right <= strength ? `(${b})` : b}`,
    strength,
  ];
}

/** The sizes of a block: `_` for a squeezed axis, `@8` for one whose map gives elements. */
export const showBlock = (block: BlockMapping): string =>
  block.dims.length === 0
    ? '[]'
    : block.dims
        .map((dim) => {
          switch (dim.kind) {
            case 'blocked':
              return String(dim.size);
            case 'squeezed':
              return '_';
            case 'element':
              return `@${dim.size}`;
          }
        })
        .join(' x ')
        .replaceAll(' ', '');

function showMap(region: TileRegion, rank: number): string {
  const plain = expressions(region, rank);
  if (plain !== undefined) return `(${plain.join(', ')})`;
  return showRegion(region, new Names(), '  ').join('\n');
}

function showOperand(operand: Operand, name: string, grid: readonly GridAxis[]): string {
  const array = showElements(operand.shape, operand.dtype);
  const parts = [
    `ref<${array}, block ${showBlock(operand.block)} at ${showMap(operand.block.indexMap, grid.length)}`,
  ];
  if (operand.access !== 'read') parts.push(operand.access);
  if (operand.prefetch === true) parts.push('prefetch');
  return `${name}: ${parts.join(', ')}>`;
}

/** Print a kernel. */
export function printKernel(kernel: Kernel): string {
  const names = new Names();
  const { grid, operands, scratch, body } = kernel;
  const args = body.args.map((arg) => names.of(arg));
  const inputs = operands.map((o, i) => showOperand(o, args[i], grid));
  const axes = grid.map(
    (g, i) => `${gridName(i)}: ${g.extent}${g.semantics === 'sequential' ? ' sequential' : ''}`,
  );
  const kept = scratch.map(
    (s, i) => `${args[operands.length + i]}: ref<${showElements(s.shape, s.dtype)}>`,
  );
  const joined = inputs.join(', ');
  const list =
    joined.length <= 100 && !joined.includes('\n') ? joined : `\n  ${inputs.join(',\n  ')}\n`;
  const tail = kept.length === 0 ? '' : ` scratch (${kept.join(', ')})`;
  const head = `kernel @${symbol(kernel.name)}(${list}) grid (${axes.join(', ')})${tail}`;
  const lines = showRegion({ ...body, args: [] }, names, '');
  return `${head} ${lines.join('\n')}\n`;
}

/** Print one op on one line (its regions after it), for messages. */
export const printOp = (op: TileOp): string =>
  showOp(op, new Names(), '')[0].replace(/ +: /, ' : ');
