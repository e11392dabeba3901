/** Attributes of custom calls and composites as MLIR writes them. */
import type { HloAttribute } from './ir.ts';
import { floatText } from './literal-text.ts';
import { showString } from './type-text.ts';

/** One attribute: strings, booleans, integers as i64, other numbers as f64, and what was parsed without being understood. */
export function attributeText(value: HloAttribute): string {
  if (typeof value === 'object') return value.text;
  if (typeof value === 'string') return showString(value);
  if (typeof value === 'boolean') return String(value);
  return Number.isInteger(value) && !Object.is(value, -0)
    ? `${BigInt(value)} : i64`
    : `${floatText(value, 'f64')} : f64`;
}

/** A dictionary, sorted by name. */
export function dictText(attributes: Readonly<Record<string, HloAttribute>>): string {
  const names = Object.keys(attributes).toSorted((a, b) => (a < b ? -1 : 1));
  return `{${names.map((name) => `${nameText(name)} = ${attributeText(attributes[name])}`).join(', ')}}`;
}

const nameText = (name: string): string =>
  /^[A-Za-z_][A-Za-z0-9_$.]*$/.test(name) ? name : showString(name);
