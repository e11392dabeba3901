/** Decompositions, as text, of the scalar functions that StableHLO does not have: what XLA computes where we have one function. */
import { floatText } from './literal-text.ts';
import { realPart } from './infer.ts';
import type { TensorType } from './ir.ts';
import type { NamedFn } from './mnemonics.ts';
import { showSymbol, showType } from './type-text.ts';

/** A decomposition that a module needs. */
export interface Decomposition {
  readonly symbol: string;
  readonly fn: NamedFn;
  readonly type: TensorType;
  readonly arity: number;
}

/** Symbols of decompositions; parsers drop these functions. */
export const isDecompositionSymbol = (symbol: string): boolean =>
  /^palladia\.(?:exp2|log2|trunc|fma)\./.test(symbol);

/** A splat constant of the type of the function. */
function splat(name: string, value: number, type: TensorType): string {
  const text = floatText(value, realPart(type.dtype));
  const element = realPart(type.dtype) === type.dtype ? text : `(${text},0.000000e+00)`;
  return `    %${name} = stablehlo.constant dense<${element}> : ${showType(type)}`;
}

/** The private function. */
export function decompositionText({ symbol, fn, type, arity }: Decomposition): string[] {
  const t = showType(type);
  const args = Array.from({ length: arity }, (_, i) => `%arg${i}: ${t}`).join(', ');
  const body = bodyText(fn, type, t);
  return [`  func.func private ${showSymbol(symbol)}(${args}) -> ${t} {`, ...body, '  }'];
}

function bodyText(fn: NamedFn, type: TensorType, t: string): string[] {
  const ln2 =
    type.dtype === 'f64' || type.dtype === 'complex128' ? Math.LN2 : Math.fround(Math.LN2);
  switch (fn) {
    case 'exp2':
      return [
        splat('cst', ln2, type),
        `    %0 = stablehlo.multiply %arg0, %cst : ${t}`,
        `    %1 = stablehlo.exponential %0 : ${t}`,
        `    return %1 : ${t}`,
      ];
    case 'log2':
      return [
        splat('cst', ln2, type),
        `    %0 = stablehlo.log %arg0 : ${t}`,
        `    %1 = stablehlo.divide %0, %cst : ${t}`,
        `    return %1 : ${t}`,
      ];
    case 'fma':
      return [
        `    %0 = stablehlo.multiply %arg0, %arg1 : ${t}`,
        `    %1 = stablehlo.add %0, %arg2 : ${t}`,
        `    return %1 : ${t}`,
      ];
    default: {
      const p = showType({ shape: type.shape, dtype: 'bool' });
      return [
        splat('cst', 0, type),
        `    %0 = stablehlo.compare LT, %arg0, %cst, FLOAT : (${t}, ${t}) -> ${p}`,
        `    %1 = stablehlo.ceil %arg0 : ${t}`,
        `    %2 = stablehlo.floor %arg0 : ${t}`,
        `    %3 = stablehlo.select %0, %1, %2 : ${p}, ${t}`,
        `    return %3 : ${t}`,
      ];
    }
  }
}
