/**
 * Exported programs as text: one line that names format, version and checksum, then JSON with trees, types and StableHLO. A reader takes
 * every version up to its own.
 */
import { Aval } from '../core/aval.ts';
import { dtypeInfo, heldDType, type DType } from '../core/dtype.ts';
import { PalladiaError, ParseError } from '../core/errors.ts';
import { sameShape } from '../core/shape.ts';
import type { HloValue } from '../lowering/hlo/ir.ts';
import { parseModule } from '../lowering/hlo/parse.ts';
import { verifyModule } from '../lowering/hlo/verify.ts';
import { ExportedProgram, type StaticValue } from './program.ts';
import { fromData, toData, treeFromData, treeToData, type Data } from './tree-data.ts';

/** The version that this library writes, and the newest that it reads. */
export const formatVersion = 1;

const again = 'Export the program again.';

/** CRC-32 (the polynomial of zlib) as eight hexadecimal digits. */
function checksum(text: string): string {
  let crc = ~0;
  for (const byte of new TextEncoder().encode(text)) {
    crc ^= byte;
    for (let k = 0; k < 8; k++) crc = (crc >>> 1) ^ (0xedb88320 & -(crc & 1));
  }
  return (~crc >>> 0).toString(16).padStart(8, '0');
}

/** Programs in order: the function itself, its derivative, the derivative of that, … */
export function printPrograms(programs: readonly ExportedProgram[]): string {
  const body = JSON.stringify(programs.map(programToData));
  return `palladia.export ${formatVersion} ${checksum(body)}\n${body}`;
}

/**
 * The programs of a text.
 *
 * @throws ParseError for text that is none, damaged, or of a newer version.
 */
export function parsePrograms(text: string): ExportedProgram[] {
  const header = /^palladia\.export (\d+) ([0-9a-f]{8})\n/.exec(text);
  if (header === null)
    throw new ParseError(
      `deserialize: the data must be an exported program; got ${text.length} characters that begin with ${JSON.stringify(text.slice(0, 24))}. Pass what serialize() gave.`,
    );
  const version = Number(header[1]);
  if (version < 1 || version > formatVersion)
    throw new ParseError(
      `deserialize: the version of the format must be known; got ${version}, known are versions from 1 to ${formatVersion}. Update palladia, or export with the version that runs here.`,
    );
  const body = text.slice(header[0].length);
  if (checksum(body) !== header[2])
    throw new ParseError(
      `deserialize: the data must be whole; got ${body.length} characters with checksum ${checksum(body)} instead of ${header[2]}. Copy or export the program again.`,
    );
  try {
    const programs = list(JSON.parse(body) as Data, 'programs').map(programFromData);
    if (programs.length === 0) throw wrong('a program', []);
    return programs;
  } catch (cause) {
    if (cause instanceof PalladiaError) throw cause;
    throw new ParseError(
      `deserialize: the data must be well formed; got "${cause instanceof Error ? cause.message : String(cause)}". ${again}`,
      { cause },
    );
  }
}

const avalToData = ({ shape, dtype, weakType }: Aval): Data => ({
  dtype,
  shape,
  ...(weakType ? { weakType } : {}),
});

const isStatic = (x: Aval | StaticValue): x is StaticValue => 'value' in x;

const programToData = (program: ExportedProgram): Data => ({
  name: program.name,
  inTree: treeToData(program.inTree),
  leaves: program.leaves.map((x) => (isStatic(x) ? { static: toData(x.value) } : avalToData(x))),
  outTree: treeToData(program.outTree),
  outAvals: program.outAvals.map(avalToData),
  kept: program.kept,
  module: program.module.toString(),
});

function wrong(what: string, got: Data | undefined): ParseError {
  return new ParseError(
    `deserialize: the data must have ${what}; got ${String(JSON.stringify(got)).slice(0, 60)}. ${again}`,
  );
}

function list(data: Data | undefined, what: string): readonly Data[] {
  if (!Array.isArray(data)) throw wrong(`a list of ${what}`, data);
  return data;
}

function record(data: Data | undefined, what: string): { readonly [name: string]: Data } {
  if (typeof data !== 'object' || data === null || Array.isArray(data)) throw wrong(what, data);
  return data as { readonly [name: string]: Data };
}

function text(data: Data | undefined, what: string): string {
  if (typeof data !== 'string') throw wrong(what, data);
  return data;
}

function natural(data: Data, what: string): number {
  if (typeof data !== 'number' || !Number.isInteger(data) || data < 0) throw wrong(what, data);
  return data;
}

function avalFromData(data: Data): Aval {
  const { dtype, shape, weakType } = record(data, 'types');
  if (typeof dtype !== 'string' || !Object.hasOwn(dtypeInfo, dtype))
    throw wrong('known dtypes', dtype);
  const sizes = list(shape, 'sizes').map((size) => natural(size, 'sizes'));
  return new Aval(sizes, dtype as DType, weakType === true);
}

function leafFromData(data: Data): Aval | StaticValue {
  const known = record(data, 'leaves');
  return 'static' in known ? { value: fromData(known['static']) } : avalFromData(data);
}

function programFromData(data: Data): ExportedProgram {
  const parts = record(data, 'programs');
  const module = parseModule(text(parts['module'], 'a module'));
  verifyModule(module);
  const program = new ExportedProgram({
    name: text(parts['name'], 'a name'),
    inTree: treeFromData(parts['inTree'] ?? null),
    leaves: list(parts['leaves'], 'leaves').map(leafFromData),
    outTree: treeFromData(parts['outTree'] ?? null),
    outAvals: list(parts['outAvals'], 'types').map(avalFromData),
    kept: list(parts['kept'], 'positions').map((i) => natural(i, 'positions')),
    module,
  });
  checkProgram(program);
  return program;
}

/** The types that the trees speak of must be those of the module. */
function checkProgram(program: ExportedProgram): void {
  const { inAvals, entry, kept, leaves, inTree, outTree, outAvals } = program;
  const agree = (avals: readonly (Aval | undefined)[], values: readonly HloValue[]): boolean =>
    avals.length === values.length &&
    avals.every(
      (aval, i) =>
        aval !== undefined &&
        heldDType(aval.dtype) === values[i].type.dtype &&
        sameShape(aval.shape, values[i].type.shape),
    );
  const isFit =
    leaves.length === inTree.numLeaves &&
    outAvals.length === outTree.numLeaves &&
    agree(
      kept.map((i) => inAvals[i]),
      entry.body.args,
    ) &&
    agree(outAvals, entry.body.results);
  if (!isFit) throw wrong('types that fit its module', program.name);
}
