/** The open half of StableHLO's test data through our parser, printer and interpreter; counts are printed, wrong answers fail. */
import { existsSync, readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { describe, expect, test } from 'vitest';
import { corpusFiles, runCorpusText, type Outcome } from './stablehlo-corpus.ts';

const folder = process.env['PALLADIA_CORPUS'] ?? '';
const isHere = existsSync(folder);
if (!isHere)
  console.log(
    'skipped: the StableHLO corpus (set PALLADIA_CORPUS to the folder with its .mlir files)',
  );

/** Files whose expected values are not the nearest ones: XLA rounds after every step where we round once, or NaN is compared with `==`. */
const known: Readonly<Record<string, string>> = {
  'cosh_float32_20_20_chlo.mlir': 'expected value is off by 4 ulps',
  'sinh_float32_20_20_chlo.mlir': 'expected values are off by 7 ulps',
  'cumprod_complex64_8_9.mlir': 'expected values round in f32 after each product',
  'cumsum_float32_8_9.mlir': 'expected values round in f32 after each sum; cancellation',
  'dot_general_float16_4_3_complex64_3_6.mlir': 'cancellation in an f32 sum',
  'dot_general_float32_4_3_complex64_3_6.mlir': 'cancellation in an f32 sum',
  'dot_general_int64_4_3_complex64_3_6.mlir': 'cancellation in an f32 sum',
  'dot_general_int8_4_3_float32_3_6.mlir': 'cancellation in an f32 sum',
  'dot_general_uint16_4_3_float32_3_6.mlir': 'cancellation in an f32 sum',
  'pow_complex64_20_30_complex64_20_30.mlir':
    'expected values are up to 1.7e-6 off (checked with 200-bit arithmetic)',
  'sin_complex64_20_20.mlir': 'absolute tolerance below one ulp of large values',
  'sort_float32_5.mlir': 'compares NaN with ==',
};

describe.skipIf(!isHere)('corpus', () => {
  test('accepted programs compute what they expect', { timeout: 600_000 }, () => {
    const counts: Record<Outcome['status'], number> = { pass: 0, unsupported: 0, wrong: 0 };
    const wrong: string[] = [];
    const reasons = new Map<string, number>();
    for (const file of corpusFiles(folder)) {
      const outcome = runCorpusText(readFileSync(file, 'utf8'));
      counts[outcome.status]++;
      if (outcome.status === 'wrong' && !(basename(file) in known))
        wrong.push(`${basename(file)}: ${outcome.reason}`);
      if (outcome.status !== 'unsupported') continue;
      const reason = /^parse: (\S+ is not an op|[^;]*)/.exec(outcome.reason)?.[1] ?? outcome.reason;
      reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
    }
    console.log('corpus:', counts, Object.fromEntries(reasons));
    expect(wrong).toEqual([]);
    expect(counts.pass).toBeGreaterThanOrEqual(1200);
  });
});
