/**
 * The open half of StableHLO's test data (Apache-2.0, not part of this repository): programs that hold their inputs, the expected results
 * and the comparison. `PALLADIA_CORPUS` names the folder with the `.mlir` files.
 */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { ParseError } from '../../core/errors.ts';
import { interpretModule } from '../../lowering/hlo/interpret.ts';
import type { HloModule, HloOp } from '../../lowering/hlo/ir.ts';
import { parseModule } from '../../lowering/hlo/parse.ts';
import { verifyModule } from '../../lowering/hlo/verify.ts';
import { checkOf, compareTensors, type Check } from './stablehlo-checks.ts';

/** Every `.mlir` file of the folder itself. */
export const corpusFiles = (folder: string): string[] =>
  readdirSync(folder)
    .filter((name) => name.endsWith('.mlir'))
    .toSorted()
    .map((name) => join(folder, name));

/** What became of a file. */
export type Outcome =
  | { readonly status: 'pass' }
  /** Refused before running: an op, dtype or shape that we do not have. */
  | { readonly status: 'unsupported'; readonly reason: string }
  | { readonly status: 'wrong'; readonly reason: string };

/** Parse, verify, print and parse again; the module, or why the text was refused. */
export function roundTrip(text: string): HloModule | Outcome {
  let module: HloModule;
  try {
    module = parseModule(text);
  } catch (error) {
    if (
      error instanceof ParseError &&
      /that palladia has|dtype that we have|must be static/.test(error.message)
    )
      return { status: 'unsupported', reason: error.message.split('\n')[0] };
    throw error;
  }
  verifyModule(module);
  const printed = module.toString();
  const again = parseModule(printed);
  return again.toString() === printed
    ? again
    : { status: 'wrong', reason: 'the printed text parses to another program' };
}

/** Turn the comparisons at the end of `main` into results: actual, expected, actual, expected, … */
function takeChecks(module: HloModule): Check[] {
  const main = module.functions.find((f) => f.name === 'main') ?? module.functions[0];
  const checks: Check[] = [];
  const results: HloOp['operands'] = [];
  const { ops } = main.body;
  for (let i = ops.length - 1; i >= 0; i--) {
    const op = ops[i];
    const check = op.kind === 'custom_call' ? checkOf(op.attrs.target) : undefined;
    if (check === undefined) continue;
    checks.push(check);
    results.push(...op.operands);
    ops.splice(i, 1);
  }
  main.body.results = results;
  return checks;
}

/** Run a program of the corpus through the interpreter and its own comparisons. */
export function runCorpusText(text: string): Outcome {
  const module = roundTrip(text);
  if ('status' in module) return module;
  const checks = takeChecks(module);
  if (checks.length === 0) return { status: 'unsupported', reason: 'no comparison' };
  const results = interpretModule(module, []);
  for (const [i, check] of checks.entries()) {
    const { bad, maxUlps } = compareTensors(results[2 * i], results[2 * i + 1], check);
    if (bad > 0)
      return {
        status: 'wrong',
        reason: `${check.kind}: ${bad} elements differ, by up to ${maxUlps} ulps`,
      };
  }
  return { status: 'pass' };
}
