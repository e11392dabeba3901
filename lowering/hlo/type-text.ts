/** Types and symbols as MLIR writes them. */
import { dtypeInfo } from '../../core/dtype.ts';
import type { TensorType } from './ir.ts';

/** A tensor type: `tensor<2x3xf32>`. */
export const showType = ({ shape, dtype }: TensorType): string =>
  `tensor<${shape.map((d) => `${d}x`).join('')}${dtypeInfo[dtype].mlirName}>`;

/** A symbol, quoted when it is no bare identifier: `@main`, `@"<lambda>"`. */
export const showSymbol = (name: string): string =>
  /^[A-Za-z_][A-Za-z0-9_$.]*$/.test(name) ? `@${name}` : `@${showString(name)}`;

/** A string attribute; quotes, backslashes and control characters are escaped by their hexadecimal code. */
export const showString = (text: string): string => {
  const bytes = new TextEncoder().encode(text);
  let out = '"';
  for (const byte of bytes) {
    const isPlain = byte >= 0x20 && byte < 0x7f && byte !== 0x22 && byte !== 0x5c;
    out += isPlain
      ? String.fromCharCode(byte)
      : byte === 0x22
        ? '\\22'
        : byte === 0x5c
          ? '\\\\'
          : `\\${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return `${out}"`;
};
