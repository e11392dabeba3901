/** The closed set of element types and what is known about each. Promotion stands in `promotion.ts`. */

/**
 * Element types. 64-bit types need `config.enableX64`. `float0` is the type of tangents and cotangents of values that have none (integers
 * and bools): its elements take no memory, carry no information, and know no arithmetic.
 */
export type DType =
  | 'bool'
  | 'i8'
  | 'i16'
  | 'i32'
  | 'i64'
  | 'u8'
  | 'u16'
  | 'u32'
  | 'u64'
  | 'f16'
  | 'bf16'
  | 'f32'
  | 'f64'
  | 'complex64'
  | 'complex128'
  | 'float0';

/** The families that promotion and the rules distinguish. */
export type Kind = 'bool' | 'int' | 'uint' | 'float' | 'complex' | 'void';

/** What is known about an element type. */
export interface DTypeInfo {
  readonly kind: Kind;
  /** Bits of one element; bool counts 8, its size in memory. */
  readonly bits: number;
  /** Bytes of one element in memory, row-major and little-endian. */
  readonly byteLength: number;
  /** JAX's long name, as in `new_dtype=float32`. */
  readonly longName: string;
  /** JAX's short name, as in `f32[8]`. */
  readonly shortName: string;
  /** The element type in MLIR text, as in `tensor<8xf32>`. */
  readonly mlirName: string;
}

const info = (
  kind: Kind,
  bits: number,
  longName: string,
  shortName: string,
  mlirName: string,
): DTypeInfo => ({ kind, bits, byteLength: bits / 8, longName, shortName, mlirName });

/** Facts about every element type. */
export const dtypeInfo: Readonly<Record<DType, DTypeInfo>> = {
  bool: info('bool', 8, 'bool', 'bool', 'i1'),
  i8: info('int', 8, 'int8', 'i8', 'i8'),
  i16: info('int', 16, 'int16', 'i16', 'i16'),
  i32: info('int', 32, 'int32', 'i32', 'i32'),
  i64: info('int', 64, 'int64', 'i64', 'i64'),
  u8: info('uint', 8, 'uint8', 'u8', 'ui8'),
  u16: info('uint', 16, 'uint16', 'u16', 'ui16'),
  u32: info('uint', 32, 'uint32', 'u32', 'ui32'),
  u64: info('uint', 64, 'uint64', 'u64', 'ui64'),
  f16: info('float', 16, 'float16', 'f16', 'f16'),
  bf16: info('float', 16, 'bfloat16', 'bf16', 'bf16'),
  f32: info('float', 32, 'float32', 'f32', 'f32'),
  f64: info('float', 64, 'float64', 'f64', 'f64'),
  complex64: info('complex', 64, 'complex64', 'c64', 'complex<f32>'),
  complex128: info('complex', 128, 'complex128', 'c128', 'complex<f64>'),
  // Programs carry it as bools, as JAX's do: StableHLO has no type without bits.
  float0: info('void', 0, 'float0', 'float0', 'i1'),
};

/** Every element type that programs compute with, in the order of the table: all but `float0`. */
export const dtypes: readonly DType[] = (Object.keys(dtypeInfo) as DType[]).filter(
  (dtype) => dtype !== 'float0',
);

/** The element type that programs and memory hold values of this dtype in: bool for `float0`, else itself. */
export const heldDType = (dtype: DType): DType => (dtype === 'float0' ? 'bool' : dtype);

/** The family of an element type. */
export const kindOf = (dtype: DType): Kind => dtypeInfo[dtype].kind;
/** Whether the element type is f16, bf16, f32 or f64. */
export const isFloat = (dtype: DType): boolean => dtypeInfo[dtype].kind === 'float';
/** Whether the element type is a signed or unsigned integer (bool is not). */
export const isInteger = (dtype: DType): boolean =>
  dtypeInfo[dtype].kind === 'int' || dtypeInfo[dtype].kind === 'uint';
/** Whether the element type is an unsigned integer. */
export const isUnsigned = (dtype: DType): boolean => dtypeInfo[dtype].kind === 'uint';
/** Whether the element type is complex. */
export const isComplex = (dtype: DType): boolean => dtypeInfo[dtype].kind === 'complex';
/** Whether derivatives of values of this element type exist: floats and complex numbers. */
export const isInexact = (dtype: DType): boolean => isFloat(dtype) || isComplex(dtype);
/** Whether elements are 64-bit integers, which JavaScript holds as bigint. */
export const isBig = (dtype: DType): boolean => dtype === 'i64' || dtype === 'u64';
