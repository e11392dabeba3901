// Mistakes with np.vectorize: signatures, core axes, leading axes, options.
import { withConfig, type Value } from 'palladia';
import * as np from 'palladia/numpy';
import { expect, test } from 'vitest';
import { report } from './report.ts';

const dot = (a: Value, b: Value): Value => np.dot(a, b);
const matvec = np.vectorize(dot, { signature: '(n,m),(m)->(n)' });

test('mistakes', () => {
  const given = (signature: string, f: unknown = dot): string =>
    report(() => np.vectorize(f as typeof dot, { signature })(np.ones([2, 3]), np.ones([3])));
  expect(given('(n, m)->()')).toMatchInlineSnapshot(
    `"ArgumentError: vectorize: a signature lists the core axes of arguments and results; got "(n, m)->()". Write it as '(n,m),(m)->(n)', with () for scalars and no spaces."`,
  );
  expect(given('(n)->()')).toMatchInlineSnapshot(
    `"ArgumentError: vectorize: there must be one argument per entry of the signature, 1, beside the excluded ones; got 2 with signature "(n)->()". Pass as many arguments."`,
  );
  expect(given('(n,m,k),(k)->()')).toMatchInlineSnapshot(
    `"ShapeError: vectorize: an argument must have its core axes; got f32[2,3] for (n,m,k) with signature "(n,m,k),(k)->()". Add axes with np.expandDims."`,
  );
  expect(given('(n,m),(n)->()')).toMatchInlineSnapshot(
    `"ShapeError: vectorize: core axes of one name must have one size; got 2 and 3 for n with signature "(n,m),(n)->()". Reshape or slice an argument."`,
  );
  expect(given('(n,m),(m)->()')).toMatchInlineSnapshot(
    `"ShapeError: vectorize: a result must have its core axes alone; got shape [2] for () with signature "(n,m),(m)->()". Change the function or the signature."`,
  );
  expect(given('(n,m),(m)->(m)')).toMatchInlineSnapshot(
    `"ShapeError: vectorize: core axes of one name must have one size; got 3 and 2 for m with signature "(n,m),(m)->(m)". Reshape or slice an argument."`,
  );
  expect(given('(n,m),(m)->(n),()')).toMatchInlineSnapshot(
    `"TreeError: vectorize: the function must return a list of 2 results; got no list with signature "(n,m),(m)->(n),()". Return [a, b]."`,
  );
  expect(given('(),()->()', () => 'text')).toMatchInlineSnapshot(
    `"ArgumentError: vectorize: the result must be an array or a number; got string text. Make an array of it with np.array(…)."`,
  );
  expect(report(() => matvec(null as never, np.ones([3])))).toMatchInlineSnapshot(
    `"ArgumentError: vectorize: null can stand for a scalar only; got null as argument 0 with signature "(n,m),(m)->(n)". Write () for it in the signature."`,
  );
  expect(report(() => np.vectorize(dot, { excluded: [-1] }))).toMatchInlineSnapshot(
    `"ArgumentError: vectorize: excluded must be a list of positions of arguments, counted from 0; got -1. Write { excluded: [1] }."`,
  );
  expect(report(() => np.vectorize(dot)(np.ones([2]), np.ones([3])))).toMatchInlineSnapshot(
    `"ShapeError: vectorize: shapes must broadcast: each axis, counted from the last, has one size or 1; got [2] and [3] (axis -1). Reshape or slice one of them."`,
  );
  const strict = (): unknown => np.vectorize(dot)(np.ones([2, 3]), np.ones([3]));
  expect(report(() => withConfig({ numpyRankPromotion: 'raise' }, strict))).toMatchInlineSnapshot(
    `"ShapeError: vectorize: ranks must be equal under numpyRankPromotion 'raise'; got f32[2,3] and f32[3]. Reshape one of them."`,
  );
});
