/**
 * StableHLO as MLIR text, exactly as JAX prints it; XLA's parser accepts it. Scalar functions that StableHLO lacks become composites whose
 * decompositions stand at the end of the module.
 */
import { dtypeInfo } from '../../core/dtype.ts';
import { regionCombiner } from './combiner.ts';
import { decompositionText, type Decomposition } from './decompose-text.ts';
import { dictText } from './attribute-text.ts';
import { collectiveProperties } from './print-collective.ts';
import { denseText } from './literal-text.ts';
import { mnemonics } from './mnemonics.ts';
import { Names } from './print-names.ts';
import { showString, showSymbol, showType } from './type-text.ts';
import type {
  CollectiveKind,
  GatherDims,
  HloFunction,
  HloModule,
  HloOp,
  HloValue,
  Region,
  ScatterDims,
  TensorType,
  WindowAttrs,
} from './ir.ts';
import { sameTensorType } from './ir.ts';

/** How a module is printed. */
export interface PrintOptions {
  /** Show what every op comes from, as its location. */
  readonly debugInfo?: boolean;
}

/** The text of a module. */
export function printModule(module: HloModule, { debugInfo = false }: PrintOptions = {}): string {
  const name = module.name === '' ? '' : ` ${showSymbol(module.name)}`;
  const lines = [
    `module${name} attributes {mhlo.num_partitions = ${module.numPartitions ?? 1} : i32, mhlo.num_replicas = 1 : i32} {`,
  ];
  const decompositions = new Map<string, Decomposition>();
  for (const fn of module.functions) {
    const printer = new FunctionPrinter(fn, lines, decompositions);
    printer.locates = debugInfo;
    printer.print();
  }
  for (const decomposition of decompositions.values())
    lines.push(...decompositionText(decomposition));
  lines.push('}', '');
  return lines.join('\n');
}

const types = (values: readonly { readonly type: TensorType }[]): string =>
  values.map((v) => showType(v.type)).join(', ');
const list = (items: readonly (number | string | boolean)[]): string => `[${items.join(', ')}]`;
const i64Array = (items: readonly number[]): string =>
  items.length === 0 ? 'array<i64>' : `array<i64: ${items.join(', ')}>`;

/** Ops that MLIR prints in generic form. */
type GenericOp = HloOp<
  'case' | 'reduce_window' | 'select_and_scatter' | 'gather' | 'scatter' | 'sort' | CollectiveKind
>;

/** Prints one function. */
class FunctionPrinter {
  readonly #fn: HloFunction;
  readonly #lines: string[];
  readonly #names: Names;
  readonly #decompositions: Map<string, Decomposition>;
  /** Whether ops show where they come from. */
  locates = false;

  constructor(fn: HloFunction, lines: string[], decompositions: Map<string, Decomposition>) {
    this.#fn = fn;
    this.#lines = lines;
    this.#names = new Names(fn.body);
    this.#decompositions = decompositions;
  }

  print(): void {
    const { name, visibility, body, aliases, resultInfo } = this.#fn;
    const args = body.args.map((arg, i) => {
      const alias = aliases?.get(i);
      return `${this.#names.of(arg)}: ${showType(arg.type)}${alias === undefined ? '' : ` {tf.aliasing_output = ${alias} : i32}`}`;
    });
    const results = body.results.map(
      (r, i) =>
        `${showType(r.type)}${resultInfo?.[i] === undefined ? '' : ` {jax.result_info = ${showString(resultInfo[i])}}`}`,
    );
    const arrow =
      results.length === 0
        ? ''
        : results.length === 1 && resultInfo?.[0] === undefined
          ? ` -> ${results[0]}`
          : ` -> (${results.join(', ')})`;
    this.#lines.push(`  func.func ${visibility} ${showSymbol(name)}(${args.join(', ')})${arrow} {`);
    this.#ops(body, '    ', false);
    this.#return('return', body.results, '    ');
    this.#lines.push('  }');
  }

  #ops(region: Region, indent: string, isNested: boolean): void {
    for (const op of region.ops) this.#op(op, indent, isNested);
  }

  #return(keyword: string, results: readonly HloValue[], indent: string): void {
    const values = results.length === 0 ? '' : ` ${this.#list(results)} : ${types(results)}`;
    this.#lines.push(`${indent}${keyword}${values}`);
  }

  /** The ops of a region and its terminator, one level deeper. */
  #block(region: Region, indent: string): void {
    this.#ops(region, `${indent}  `, true);
    this.#return('stablehlo.return', region.results, `${indent}  `);
  }

  #list(values: readonly HloValue[]): string {
    return values.map((v) => this.#names.of(v)).join(', ');
  }

  #op(op: HloOp, indent: string, isNested: boolean): void {
    const head = op.results.length === 0 ? indent : `${indent}${this.#names.definition(op)} = `;
    switch (op.kind) {
      case 'reduce':
        this.#reduce(op, head, indent);
        break;
      case 'while':
        this.#while(op, head, indent);
        break;
      case 'case':
      case 'reduce_window':
      case 'select_and_scatter':
      case 'gather':
      case 'scatter':
      case 'sort':
      case 'all_reduce':
      case 'all_gather':
      case 'all_to_all':
      case 'collective_broadcast':
      case 'collective_permute':
      case 'reduce_scatter':
        this.#generic(op, head, indent);
        break;
      default:
        this.#lines.push(`${head}${this.#pretty(op, isNested)}`);
    }
    if (this.locates && op.place !== undefined)
      this.#lines.push(`${this.#lines.pop() ?? ''} loc(${showString(op.place)})`);
  }

  #functional(op: HloOp): string {
    const results = op.results.length === 1 ? types(op.results) : `(${types(op.results)})`;
    return `(${types(op.operands)}) -> ${results}`;
  }

  /** One type when all operands and results have it, else the function type. */
  #elementwiseType(op: HloOp): string {
    const { type } = op.results[0];
    return op.operands.every((x) => sameTensorType(x.type, type))
      ? showType(type)
      : this.#functional(op);
  }

  #scalar(op: HloOp<'scalar'>): string {
    const mnemonic = mnemonics[op.attrs.fn];
    const operands = this.#list(op.operands);
    if (mnemonic.startsWith('chlo.'))
      return `${mnemonic} ${operands} : ${types(op.operands)} -> ${types(op.results)}`;
    if (!mnemonic.startsWith('palladia.'))
      return `${mnemonic} ${operands} : ${this.#elementwiseType(op)}`;
    const { type } = op.results[0];
    const symbol = `${mnemonic}.${dtypeInfo[type.dtype].shortName}.${type.shape.join('x') || 'scalar'}`;
    this.#decompositions.set(symbol, { symbol, fn: op.attrs.fn, type, arity: op.operands.length });
    return `stablehlo.composite ${showString(mnemonic)} ${operands} {decomposition = ${showSymbol(symbol)}} : ${this.#functional(op)}`;
  }

  #pretty(op: HloOp, isNested: boolean): string {
    const operands = this.#list(op.operands);
    const [x, y] = op.operands.map((v) => this.#names.of(v));
    const mnemonic = `stablehlo.${op.kind}`;
    const [result] = op.results;
    switch (op.kind) {
      case 'constant':
        return `stablehlo.constant ${denseText(op.attrs.value, result.type)} : ${showType(result.type)}`;
      case 'scalar':
        return this.#scalar(op);
      case 'compare':
        return `stablehlo.compare ${op.attrs.direction.toUpperCase()}, ${operands}, ${op.attrs.kind} : ${this.#functional(op)}`;
      case 'select':
        return `stablehlo.select ${operands} : ${types([op.operands[0], result])}`;
      case 'convert':
        return `stablehlo.convert ${x} : ${this.#elementwiseType(op)}`;
      case 'reduce_precision':
        return `stablehlo.reduce_precision ${x}, format = e${op.attrs.exponentBits}m${op.attrs.mantissaBits} : ${showType(result.type)}`;
      case 'complex':
        return `stablehlo.complex ${operands} : ${showType(result.type)}`;
      case 'iota':
        return `stablehlo.iota dim = ${op.attrs.dim} : ${showType(result.type)}`;
      case 'broadcast_in_dim':
        return `${mnemonic} ${x}, dims = ${list(op.attrs.dims)} : ${this.#functional(op)}`;
      case 'transpose':
        return `${mnemonic} ${x}, dims = ${list(op.attrs.permutation)} : ${this.#functional(op)}`;
      case 'reverse':
        return `${mnemonic} ${x}, dims = ${list(op.attrs.dims)} : ${showType(result.type)}`;
      case 'concatenate':
        return `${mnemonic} ${operands}, dim = ${op.attrs.dim} : ${this.#functional(op)}`;
      case 'slice':
        return `${mnemonic} ${x} ${sliceText(op.attrs)} : ${this.#functional(op)}`;
      case 'pad':
        return `${mnemonic} ${x}, ${y}, low = ${list(op.attrs.low)}, high = ${list(op.attrs.high)}, interior = ${list(op.attrs.interior)} : ${this.#functional(op)}`;
      case 'dynamic_slice':
        return `${mnemonic} ${operands}, sizes = ${list(op.attrs.sizes)} : ${this.#functional(op)}`;
      case 'dot_general':
        return this.#dot(op);
      case 'call':
        return `${isNested ? 'func.call' : 'call'} ${showSymbol(op.attrs.callee)}(${operands}) : ${this.#functional(op)}`;
      case 'composite':
        return `${mnemonic} ${showString(op.attrs.name)} ${operands} ${compositeText(op)} : ${this.#functional(op)}`;
      case 'custom_call': {
        const { target, attributes, hasSideEffect } = op.attrs;
        const text = dictText({
          ...attributes,
          ...(hasSideEffect ? { has_side_effect: true } : {}),
        });
        return `${mnemonic} ${showSymbol(target)}(${operands})${text === '{}' ? '' : ` ${text}`} : ${this.#functional(op)}`;
      }
      case 'optimization_barrier':
        return `${mnemonic} ${operands} : ${types(op.results)}`;
      case 'partition_id':
      case 'replica_id':
        return `${mnemonic} : ${showType(result.type)}`;
      case 'rng_bit_generator':
        return `${mnemonic} ${x}, algorithm = ${op.attrs.algorithm} : ${this.#functional(op)}`;
      default:
        return `${mnemonic} ${operands} : ${this.#functional(op)}`;
    }
  }

  #dot(op: HloOp<'dot_general'>): string {
    const { dims, precision, algorithm } = op.attrs;
    const batching =
      dims.lhsBatch.length === 0
        ? ''
        : ` batching_dims = ${list(dims.lhsBatch)} x ${list(dims.rhsBatch)},`;
    return (
      `stablehlo.dot_general ${this.#list(op.operands)},${batching} contracting_dims = ${list(dims.lhsContract)} x ${list(dims.rhsContract)}, ` +
      `precision = ${list(precision)}${algorithm === undefined ? '' : `, algorithm = ${algorithm}`} : ${this.#functional(op)}`
    );
  }

  #reduce(op: HloOp<'reduce'>, head: string, indent: string): void {
    const [region] = op.regions;
    const n = op.operands.length / 2;
    const inputs = op.operands
      .slice(0, n)
      .map((x, i) => `(${this.#names.of(x)} init: ${this.#names.of(op.operands[n + i])})`);
    const start = `${head}stablehlo.reduce${inputs.join(', ')}`;
    const end = `across dimensions = ${list(op.attrs.dims)} : ${this.#functional(op)}`;
    const fn = regionCombiner(region);
    if (fn !== undefined && region.ops[0].operands[0] === region.args[0]) {
      this.#lines.push(`${start} applies ${mnemonics[fn]} ${end}`);
      return;
    }
    const arg = (i: number): string =>
      `${this.#names.of(region.args[i])}: ${showType(region.args[i].type)}`;
    const pairs = inputs.map((_, i) => `(${arg(i)}, ${arg(n + i)})`);
    this.#lines.push(`${start} ${end}`, `${indent} reducer${pairs.join(' ')}  {`);
    this.#block(region, indent);
    this.#lines.push(`${indent}}`);
  }

  #while(op: HloOp<'while'>, head: string, indent: string): void {
    const [cond, body] = op.regions;
    const carried = cond.args.map(
      (arg, i) => `${this.#names.of(arg)} = ${this.#names.of(op.operands[i])}`,
    );
    const typeList = op.operands.length === 0 ? '' : ` : ${types(op.operands)}`;
    this.#lines.push(`${head}stablehlo.while(${carried.join(', ')})${typeList}`, `${indent}cond {`);
    this.#block(cond, indent);
    this.#lines.push(`${indent}} do {`);
    this.#block(body, indent);
    this.#lines.push(`${indent}}`);
  }

  #generic(op: GenericOp, head: string, indent: string): void {
    const properties = propertiesText(op);
    const start = `${head}"stablehlo.${op.kind}"(${this.#list(op.operands)})${properties === '' ? '' : ` <{${properties}}>`}`;
    if (op.regions.length === 0) {
      this.#lines.push(`${start} : ${this.#functional(op)}`);
      return;
    }
    this.#lines.push(`${start} ({`);
    op.regions.forEach((region, i) => {
      if (i > 0) this.#lines.push(`${indent}}, {`);
      const args = region.args.map((arg) => `${this.#names.of(arg)}: ${showType(arg.type)}`);
      if (args.length > 0) this.#lines.push(`${indent}^bb0(${args.join(', ')}):`);
      this.#block(region, indent);
    });
    this.#lines.push(`${indent}}) : ${this.#functional(op)}`);
  }
}

function sliceText({ starts, limits, strides }: HloOp<'slice'>['attrs']): string {
  return list(starts.map((s, i) => `${s}:${limits[i]}${strides[i] === 1 ? '' : `:${strides[i]}`}`));
}

/** Properties in alphabetical order. */
function propertiesText(op: GenericOp): string {
  switch (op.kind) {
    case 'case':
      return '';
    case 'reduce_window':
      return windowText(op.attrs.window, true);
    case 'select_and_scatter':
      return windowText(op.attrs.window, false);
    case 'gather':
      return `dimension_numbers = ${gatherText(op.attrs.dims)}, indices_are_sorted = ${op.attrs.indicesAreSorted}, slice_sizes = ${i64Array(op.attrs.sliceSizes)}`;
    case 'scatter':
      return `indices_are_sorted = ${op.attrs.indicesAreSorted}, scatter_dimension_numbers = ${scatterText(op.attrs.dims)}, unique_indices = ${op.attrs.uniqueIndices}`;
    case 'sort':
      return `dimension = ${op.attrs.dim} : i64, is_stable = ${op.attrs.isStable}`;
    default:
      return collectiveProperties(op);
  }
}

function windowText(window: WindowAttrs, hasDilations: boolean): string {
  const rank = window.dimensions.length;
  const padding: number[] = window.padding.flat();
  const dense = denseText({ splat: false, values: padding }, { shape: [rank, 2], dtype: 'i32' });
  const parts = [
    `padding = ${dense} : tensor<${rank}x2xi64>`,
    `window_dimensions = ${i64Array(window.dimensions)}`,
    `window_strides = ${i64Array(window.strides)}`,
  ];
  if (!hasDilations) return parts.join(', ');
  const [pad, ...rest] = parts;
  return [
    `base_dilations = ${i64Array(window.baseDilations)}`,
    pad,
    `window_dilations = ${i64Array(window.windowDilations)}`,
    ...rest,
  ].join(', ');
}

/** Named lists of numbers; empty ones are left out. */
function dimensionText(
  name: string,
  lists: readonly (readonly [string, readonly number[]])[],
  indexVectorDim: number,
): string {
  const parts = lists
    .filter(([, items]) => items.length > 0)
    .map(([key, items]) => `${key} = ${list(items)}`);
  if (indexVectorDim !== 0) parts.push(`index_vector_dim = ${indexVectorDim}`);
  return `#stablehlo.${name}<${parts.join(', ')}>`;
}

const gatherText = (d: GatherDims): string =>
  dimensionText(
    'gather',
    [
      ['offset_dims', d.offsetDims],
      ['collapsed_slice_dims', d.collapsedSliceDims],
      ['operand_batching_dims', d.operandBatchingDims],
      ['start_indices_batching_dims', d.startIndicesBatchingDims],
      ['start_index_map', d.startIndexMap],
    ],
    d.indexVectorDim,
  );

const scatterText = (d: ScatterDims): string =>
  dimensionText(
    'scatter',
    [
      ['update_window_dims', d.updateWindowDims],
      ['inserted_window_dims', d.insertedWindowDims],
      ['input_batching_dims', d.inputBatchingDims],
      ['scatter_indices_batching_dims', d.scatterIndicesBatchingDims],
      ['scatter_dims_to_operand_dims', d.scatterDimsToOperandDims],
    ],
    d.indexVectorDim,
  );

function compositeText({ attrs }: HloOp<'composite'>): string {
  const attributes =
    Object.keys(attrs.attributes).length === 0
      ? ''
      : `composite_attributes = ${dictText(attrs.attributes)}, `;
  return `{${attributes}decomposition = ${showSymbol(attrs.decomposition)}}`;
}
