/** StableHLO text: generic forms, what is refused and how, numbers, hostile input, depth. Texts of JAX stand in tests/parity. */
import { describe, expect, test } from 'vitest';
import { interpretModule } from '../../lowering/hlo/interpret.ts';
import { buildModule } from '../../lowering/hlo/module.ts';
import { parseModule } from '../../lowering/hlo/parse.ts';
import { verifyModule } from '../../lowering/hlo/verify.ts';
import { elementsToBytes } from '../../lowering/scalar-array.ts';
import { constantTensor } from '../../lowering/hlo/interpret.ts';
import type { HloOp } from '../../lowering/hlo/ir.ts';

const main = (body: string, args = '%arg0: tensor<4xf32>', result = 'tensor<4xf32>'): string =>
  `func.func @main(${args}) -> ${result} {\n${body}\n}`;

const f32x4 = { shape: [4], dtype: 'f32' } as const;
const numbers = { type: f32x4, data: Float32Array.of(1, 2, -3, 0.5) };
const run = (text: string): number[] => {
  const module = parseModule(text);
  verifyModule(module);
  const printed = module.toString();
  expect(parseModule(printed).toString()).toBe(printed);
  return Array.from(interpretModule(module, [numbers])[0].data, Number);
};

describe('generic forms mean what pretty forms mean', () => {
  test.each([
    [
      '"stablehlo.add"(%arg0, %arg0) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>',
      [2, 4, -6, 1],
    ],
    [
      '"stablehlo.reverse"(%arg0) <{dimensions = array<i64: 0>}> : (tensor<4xf32>) -> tensor<4xf32>',
      [0.5, -3, 2, 1],
    ],
    [
      '"stablehlo.reverse"(%arg0) {dimensions = dense<0> : tensor<1xi64>} : (tensor<4xf32>) -> tensor<4xf32>',
      [0.5, -3, 2, 1],
    ],
    [
      '"stablehlo.convert"(%arg0) : (tensor<4xf32>) -> tensor<4xf32> loc("x"(#loc3))',
      [1, 2, -3, 0.5],
    ],
    [
      '"stablehlo.sort"(%arg0) <{dimension = -1 : i64}> ({\n^bb0(%a: tensor<f32>, %b: tensor<f32>):\n %c = "stablehlo.compare"(%a, %b) <{comparison_direction = #stablehlo<comparison_direction LT>}> : (tensor<f32>, tensor<f32>) -> tensor<i1>\n "stablehlo.return"(%c) : (tensor<i1>) -> ()\n}) : (tensor<4xf32>) -> tensor<4xf32>',
      [-3, 0.5, 1, 2],
    ],
    [
      '"stablehlo.slice"(%arg0) <{start_indices = array<i64: 0>, limit_indices = array<i64: 4>, strides = array<i64: 1>}> : (tensor<4xf32>) -> tensor<4xf32>',
      [1, 2, -3, 0.5],
    ],
    ['chlo.square %arg0 : tensor<4xf32> -> tensor<4xf32>', [1, 4, 9, 0.25]],
    [
      'stablehlo.clamp %arg0, %arg0, %arg0 : (tensor<4xf32>, tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32> // comment',
      [1, 2, -3, 0.5],
    ],
  ])('%s', (op, expected) => {
    expect(run(main(`%0 = ${op}\nreturn %0 : tensor<4xf32>`))).toEqual(expected);
  });

  test('if is a case on its predicate', () => {
    const text = main(
      `%c = stablehlo.constant dense<true> : tensor<i1>
       %0 = "stablehlo.if"(%c) ({ stablehlo.return %arg0 : tensor<4xf32> }, { %1 = stablehlo.negate %arg0 : tensor<4xf32> stablehlo.return %1 : tensor<4xf32> }) : (tensor<i1>) -> tensor<4xf32>
       return %0 : tensor<4xf32>`,
    );
    expect(run(text)).toEqual([1, 2, -3, 0.5]);
  });

  test('module attributes, visibility, aliases, several results', () => {
    const text = `#loc = loc("file.py":1:2)
      module @"<lambda>" attributes {a.b = "x", c = [1, 2], d = dense<1> : tensor<2xindex>, e = #x.y<z -> w>, f} {
        func.func private @two(%arg0: tensor<4xf32> {k.v = 3 : i32} loc(unknown)) -> (tensor<4xf32>, tensor<f32> {z = "q"}) {
          %cst = stablehlo.constant dense<2.5> : tensor<f32> loc(#loc)
          func.return %arg0, %cst : tensor<4xf32>, tensor<f32>
        }
        func.func public @main(%arg0: tensor<4xf32>) -> tensor<4xf32> {
          %0:2 = func.call @two(%arg0) : (tensor<4xf32>) -> (tensor<4xf32>, tensor<f32>)
          %1 = stablehlo.broadcast_in_dim %0#1, dims = [] : (tensor<f32>) -> tensor<4xf32>
          return %1 : tensor<4xf32>
        } loc(#loc)
      } loc(#loc)
      #loc1 = loc(callsite("a" at "b"))`;
    expect(run(text)).toEqual([2.5, 2.5, 2.5, 2.5]);
    expect(parseModule(text).toString()).toContain('module @"<lambda>"');
  });

  test('custom calls and composites keep attributes that we do not read', () => {
    const text = `module @m attributes {mhlo.num_partitions = 1 : i32, mhlo.num_replicas = 1 : i32} {
  func.func public @main(%arg0: tensor<4xf32>) -> tensor<4xf32> {
    %0 = stablehlo.custom_call @target(%arg0) {backend_config = "", mhlo.backend_config = {uplo = 76 : ui8}, n = 3 : i64, operand_layouts = [dense<0> : tensor<1xindex>], x = 1.500000e+00 : f64} : (tensor<4xf32>) -> tensor<4xf32>
    %1 = stablehlo.composite "my.op" %0 {composite_attributes = {scale = 2.000000e+00 : f32, text = "a\\0Ab"}, decomposition = @my.op} : (tensor<4xf32>) -> tensor<4xf32>
    return %1 : tensor<4xf32>
  }
  func.func private @my.op(%arg0: tensor<4xf32>) -> tensor<4xf32> {
    return %arg0 : tensor<4xf32>
  }
}
`;
    expect(parseModule(text).toString()).toBe(text);
  });
});

/** The bytes of a constant, or the error. */
function denseBytes(literal: string, type: string): string {
  const module = parseModule(
    `func.func @main() -> ${type} {\n%0 = stablehlo.constant ${literal} : ${type}\nreturn %0 : ${type}\n}`,
  );
  const op = module.functions[0].body.ops[0] as HloOp<'constant'>;
  const tensor = constantTensor(op, op.results[0].type);
  return Buffer.from(elementsToBytes(tensor.data, tensor.type.dtype)).toString('hex');
}

test('whole modules in generic form', () => {
  const text = `"builtin.module"() <{sym_name = "jit_f"}> ({
  "func.func"() <{arg_attrs = [{tf.aliasing_output = 0 : i32}], function_type = (tensor<4xf32>) -> tensor<4xf32>, res_attrs = [{jax.result_info = "result"}], sym_name = "main", sym_visibility = "public"}> ({
  ^bb0(%arg0: tensor<4xf32>):
    %0 = "func.call"(%arg0) <{callee = @inner}> : (tensor<4xf32>) -> tensor<4xf32>
    "func.return"(%0) : (tensor<4xf32>) -> ()
  }) : () -> ()
  "func.func"() <{function_type = (tensor<4xf32>) -> tensor<4xf32>, sym_name = "inner", sym_visibility = "private"}> ({
  ^bb0(%arg0: tensor<4xf32>):
    %0 = "stablehlo.negate"(%arg0) : (tensor<4xf32>) -> tensor<4xf32>
    "func.return"(%0) : (tensor<4xf32>) -> ()
  }) : () -> ()
}) {mhlo.num_partitions = 1 : i32, mhlo.num_replicas = 1 : i32} : () -> ()`;
  expect(parseModule(text).toString())
    .toBe(`module @jit_f attributes {mhlo.num_partitions = 1 : i32, mhlo.num_replicas = 1 : i32} {
  func.func public @main(%arg0: tensor<4xf32> {tf.aliasing_output = 0 : i32}) -> (tensor<4xf32> {jax.result_info = "result"}) {
    %0 = call @inner(%arg0) : (tensor<4xf32>) -> tensor<4xf32>
    return %0 : tensor<4xf32>
  }
  func.func private @inner(%arg0: tensor<4xf32>) -> tensor<4xf32> {
    %0 = stablehlo.negate %arg0 : tensor<4xf32>
    return %0 : tensor<4xf32>
  }
}
`);
  expect(() =>
    parseModule(text.replace('(tensor<4xf32>) -> tensor<4xf32>, res', '() -> tensor<4xf32>, res')),
  ).toThrow('@main takes: written types');
});

test('the algorithm of a dot crosses the text', () => {
  const algorithm =
    '<lhs_precision_type = f32, rhs_precision_type = f32, accumulation_type = f32, lhs_component_count = 1, rhs_component_count = 1, num_primitive_operations = 1, allow_imprecise_accumulation = false>';
  const text = main(
    `%0 = stablehlo.dot_general %arg0, %arg0, contracting_dims = [0] x [0], precision = [DEFAULT, DEFAULT], algorithm = ${algorithm} : (tensor<4xf32>, tensor<4xf32>) -> tensor<f32>\nreturn %0 : tensor<f32>`,
    '%arg0: tensor<4xf32>',
    'tensor<f32>',
  );
  expect(parseModule(text).toString()).toContain(`, algorithm = ${algorithm} : `);
});

// Recorded: jax.lax.top_k of the same row. NaN is above infinity, -NaN below -infinity, equal elements keep their order.
test('top_k is in descending total order', () => {
  const text = main(
    '%values, %indices = chlo.top_k(%arg0, k = 6) : tensor<8xf32> -> (tensor<6xf32>, tensor<6xi32>)\nreturn %values, %indices : tensor<6xf32>, tensor<6xi32>',
    '%arg0: tensor<8xf32>',
    '(tensor<6xf32>, tensor<6xi32>)',
  );
  const module = parseModule(text);
  verifyModule(module);
  const x = Float32Array.of(1, NaN, -0, 0, -Infinity, Infinity, -1, 1);
  const [values, indices] = interpretModule(module, [
    { type: { shape: [8], dtype: 'f32' }, data: x },
  ]);
  expect([...values.data]).toEqual([NaN, Infinity, 1, 1, 0, -0]);
  expect([...indices.data]).toEqual([1, 5, 0, 7, 3, 2]);
});

describe('literals', () => {
  test.each([
    ['dense<0.1>', 'tensor<f32>', 'cdcccc3d'],
    ['dense<1.0e40>', 'tensor<f32>', '0000807f'],
    ['dense<0x7FC0>', 'tensor<f32>', 'c07f0000'],
    ['dense<0xFF800000>', 'tensor<f32>', '000080ff'],
    ['dense<65519.9>', 'tensor<f16>', 'ff7b'],
    ['dense<65520.0>', 'tensor<f16>', '007c'],
    ['dense<[1.0, -2.0]>', 'tensor<2xbf16>', '803f00c0'],
    ['dense<[[1], [-1]]>', 'tensor<2x1xi8>', '01ff'],
    ['dense<0xFF>', 'tensor<ui8>', 'ff'],
    ['dense<-9223372036854775808>', 'tensor<i64>', '0000000000000080'],
    ['dense<18446744073709551615>', 'tensor<ui64>', 'ffffffffffffffff'],
    ['dense<[true, false]>', 'tensor<2xi1>', '0100'],
    ['dense<(1.0,-2.0)>', 'tensor<complex<f32>>', '0000803f000000c0'],
    ['dense<>', 'tensor<0x3xf32>', ''],
    ['dense<"0x0000803F000000C0">', 'tensor<2xf32>', '0000803f000000c0'],
    ['dense<"0x0000803F">', 'tensor<2xf32>', '0000803f0000803f'],
  ])('%s : %s', (literal, type, bytes) => {
    expect(denseBytes(literal, type)).toBe(bytes);
  });

  test.each([
    ['dense<1>', 'tensor<f32>'],
    ['dense<1.0>', 'tensor<i32>'],
    ['dense<256>', 'tensor<ui8>'],
    ['dense<-1>', 'tensor<ui8>'],
    ['dense<128>', 'tensor<i8>'],
    ['dense<[1.0]>', 'tensor<2xf32>'],
    ['dense<[[1.0], [2.0, 3.0]]>', 'tensor<2x2xf32>'],
    ['dense<[1.0, [2.0]]>', 'tensor<2xf32>'],
    ['dense<"0x00">', 'tensor<2xf32>'],
    ['dense<"0xZZ">', 'tensor<i8>'],
    ['dense<0x100000000>', 'tensor<f32>'],
    ['dense<+1.0>', 'tensor<f32>'],
    ['dense<.5>', 'tensor<f32>'],
  ])('%s : %s is refused', (literal, type) => {
    expect(() => denseBytes(literal, type)).toThrow(/parse: /);
  });
});

describe('what is refused says where and what to do', () => {
  const message = (text: string): string => {
    try {
      parseModule(text);
    } catch (error) {
      return (error as Error).message.split('\n    at')[0];
    }
    return 'accepted';
  };
  test('messages', () => {
    const op = (line: string): string => message(main(`${line}\nreturn %arg0 : tensor<4xf32>`));
    expect({
      unknown: op('%0 = stablehlo.cholesky %arg0, lower = true : tensor<4xf32>'),
      dialect: op('%0 = arith.addf %arg0, %arg0 : tensor<4xf32>'),
      undefined: op('%0 = stablehlo.negate %x : tensor<4xf32>'),
      pack: op('%0 = stablehlo.negate %arg0#1 : tensor<4xf32>'),
      mismatch: op('%0 = stablehlo.add %arg0, %arg0 : tensor<5xf32>'),
      attribute: op(
        '%0 = stablehlo.transpose %arg0, dims = "x" : (tensor<4xf32>) -> tensor<4xf32>',
      ),
      count: op('%0:2 = stablehlo.negate %arg0 : tensor<4xf32>'),
      dynamic: message('func.func @main(%arg0: tensor<?xf32>) {\n return\n}'),
      dtype: message('func.func @main(%arg0: tensor<2xf8E4M3FN>) {\n return\n}'),
      quantized: message(
        'func.func @main(%arg0: tensor<2x!quant.uniform<i8:f32, 0.1>>) {\n return\n}',
      ),
      token: message('func.func @main(%arg0: !stablehlo.token) {\n return\n}'),
      results: message(
        'func.func @main(%arg0: tensor<2xf32>) -> tensor<f32> {\n return %arg0 : tensor<2xf32>\n}',
      ),
      empty: message(''),
      rest: message(`${main('return %arg0 : tensor<4xf32>')} }`),
      twice: message(
        `${main('return %arg0 : tensor<4xf32>')}\n${main('return %arg0 : tensor<4xf32>')}`,
      ),
      cut: message('module @m {\n func.func @main('),
    }).toMatchInlineSnapshot(`
      {
        "attribute": "parse: stablehlo.transpose: permutation must be a list of integers; got "x". (line 2, column 6)",
        "count": "parse: an op must have as many names as results; got 2 names for 1 results. (line 2, column 8)",
        "cut": "parse: expected an argument name; got the end of the text. (line 2, column 18)",
        "dialect": "parse: arith.addf is not an op that palladia has. Lower the program to StableHLO before exporting. (line 2, column 6)",
        "dtype": "parse: elements must be of a dtype that we have; got f8E4M3FN. Convert them before exporting. (line 1, column 23)",
        "dynamic": "parse: shapes must be static; got a dynamic axis. Export the program with concrete shapes. (line 1, column 23)",
        "empty": "parse: a module must have a function; got none. (line 1, column 1)",
        "mismatch": "parse: stablehlo.add: written types must be those of the values; got (tensor<5xf32>, tensor<5xf32>) for values of (tensor<4xf32>, tensor<4xf32>). (line 2, column 6)",
        "pack": "parse: values must be defined before they are used; got %arg0#1. (line 2, column 23)",
        "quantized": "parse: elements must be of a dtype that we have; got "!quant.uniform<i8:f32, 0". Convert them before exporting. (line 1, column 23)",
        "rest": "parse: a text must hold one module; got "}" after it. Split the text. (line 3, column 3)",
        "results": "parse: @main returns: written types must be those of the values; got (tensor<f32>) for values of (tensor<2xf32>). (line 3, column 2)",
        "token": "parse: only tensor types are supported; got "!stablehlo.token) {". Lower tuples, tokens and quantized types first. (line 1, column 24)",
        "twice": "parse: functions must have distinct names; got @main twice. (line 6, column 2)",
        "undefined": "parse: values must be defined before they are used; got %x. (line 2, column 23)",
        "unknown": "parse: stablehlo.cholesky is not an op that palladia has. Decompose it into ops of StableHLO that it has before exporting. (line 2, column 6)",
      }
    `);
  });

  test('what MLIR refuses is not guessed', () => {
    const op = (line: string): string => message(main(`${line}\nreturn %arg0 : tensor<4xf32>`));
    const constant = '"stablehlo.constant"() <{value = dense<1> : tensor<4xi32>}>';
    expect({
      name: op('%arg0 = stablehlo.negate %arg0 : tensor<4xf32>'),
      inner: op(
        '%0 = stablehlo.reduce(%arg0 init: %arg0) across dimensions = [0] : (tensor<4xf32>, tensor<4xf32>) -> tensor<f32>\n reducer(%arg0: tensor<f32>, %b: tensor<f32>) {',
      ),
      comma: op('%0 = stablehlo.add %arg0 %arg0 : tensor<4xf32>'),
      word: op('%0 = stablehlo.add %arg0, %arg0, DEFAULT : tensor<4xf32>'),
      key: op('%0 = stablehlo.reverse %arg0, dim = [0] : tensor<4xf32>'),
      key2: op(
        '%0 = stablehlo.custom_call @f(%arg0) {a = 1, a = 2} : (tensor<4xf32>) -> tensor<4xf32>',
      ),
      precision: op(
        '%0 = stablehlo.dot_general %arg0, %arg0, contracting_dims = [0] x [0], precision = [DEFAULT, BEST] : (tensor<4xf32>, tensor<4xf32>) -> tensor<f32>',
      ),
      constant: op(`%0 = ${constant} : () -> tensor<4xf32>`),
      splat: op('%0 = "stablehlo.constant"() <{value = 1 : i64}> : () -> tensor<4xi8>'),
      predicate: op(
        '"stablehlo.if"(%arg0) ({ "stablehlo.return"() : () -> () }) : (tensor<4xf32>) -> ()',
      ),
      count: op('%0:0, %1 = stablehlo.negate %arg0 : tensor<4xf32>'),
      size: message('func.func @main(%arg0: tensor<0x99999999999999999999xf32>) {\n return\n}'),
      replicas: message('module attributes {mhlo.num_replicas = 2 : i32} {}'),
      mesh: message('module {\n sdy.mesh @mesh = <["x"=2]>\n}'),
      quote: message('module @"m {\n}'),
    }).toMatchInlineSnapshot(`
      {
        "comma": "parse: expected ":"; got "%arg0 : tensor<4xf32>". (line 2, column 26)",
        "constant": "parse: stablehlo.constant: value must be a tensor of the type of the result; got dense<1> : tensor<4xi32>. (line 2, column 6)",
        "count": "parse: expected how many results a name has; got "0, %1 = stablehlo.negate". (line 2, column 4)",
        "inner": "parse: a name must stand for one value; got %arg0 twice. Rename one of them. (line 3, column 48)",
        "key": "parse: stablehlo.reverse: an attribute in front of the types must be one of the op's own; got dim. Put others into {…}. (line 2, column 36)",
        "key2": "parse: names in a dictionary must be distinct; got a twice. Remove one. (line 2, column 47)",
        "mesh": "parse: a module must hold functions (func.func); got "sdy.mesh @mesh = <[\\"x\\"=2". Export the program for one device, without meshes and other dialects. (line 2, column 2)",
        "name": "parse: a name must stand for one value; got %arg0 twice. Rename one of them. (line 2, column 9)",
        "precision": "parse: stablehlo.dot_general: precision_config must be at most two of DEFAULT, HIGH, HIGHEST; got [DEFAULT, BEST]. (line 2, column 6)",
        "predicate": "parse: if: takes a tensor<i1> and two regions; got others. (line 2, column 1)",
        "quote": "parse: a string must end on its line; got no closing quote. Add it. (line 1, column 9)",
        "replicas": "parse: mhlo.num_replicas must be 1; got 2. Export the program for one replica (jit, not pmap). (line 1, column 48)",
        "size": "parse: a tensor must have fewer than 2^53 elements; got more. (line 1, column 23)",
        "splat": "parse: stablehlo.constant: value must be a tensor that is written out (dense<…>); got 1 : i64. (line 2, column 6)",
        "word": "parse: stablehlo.add: an attribute in front of the types must be one of the op's own; got DEFAULT. Put others into {…}. (line 2, column 42)",
      }
    `);
    expect(message(main('"func.return"(%arg0) : (tensor<4xi8>) -> ()'))).toContain(
      'written types must be those of the values',
    );
  });

  test('the verifier says where, too', () => {
    const text = main(
      '\n  %0 = stablehlo.slice %arg0 [0:9] : (tensor<4xf32>) -> tensor<9xf32>\nreturn %arg0 : tensor<4xf32>',
    );
    expect(() => verifyModule(parseModule(text))).toThrow(
      'starts and limits must lie in order inside the shape; got [0:9] of [4]. (line 3, column 8)',
    );
  });

  test('splat attributes of any size take no memory', () => {
    const text = main(
      '%0 = "stablehlo.reduce_window"(%arg0, %arg0) <{padding = dense<0> : tensor<1000000000x2xi64>}> ({}) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>',
    );
    expect(message(text)).toMatch(/^parse: /);
  });

  test('nesting is bounded', () => {
    expect(message(`module attributes {a = ${'['.repeat(5000)}`)).toContain('nest deeper');
    expect(
      message(`func.func @main() {\n%0 = stablehlo.constant dense<${'['.repeat(5000)}`),
    ).toContain('at most 64 axes');
    expect(message(`func.func @main() {\n${'"stablehlo.case"() ({'.repeat(5000)}`)).toContain(
      'nest deeper',
    );
  });

  test('any cut of a program is refused, not accepted and not a crash', () => {
    const text = parseModule(
      main(
        '%0 = stablehlo.slice %arg0 [0:2] : (tensor<4xf32>) -> tensor<2xf32>\nreturn %arg0 : tensor<4xf32>',
      ),
    ).toString();
    for (let i = 0; i < text.length - 2; i++)
      expect(message(text.slice(0, i)), `cut at ${i}`).toMatch(/^parse: /);
  });
});

test('constants of many megabytes are read', () => {
  const text = main(
    `%0 = stablehlo.constant dense<"0x${'0000803F'.repeat(2_499_999)}00000040"> : tensor<2500000xf32>\nreturn %arg0 : tensor<4xf32>`,
  );
  const [op] = parseModule(text).functions[0].body.ops;
  const { data } = constantTensor(op as HloOp<'constant'>, op.results[0].type);
  expect([data[0], data[2_499_999]]).toEqual([1, 2]);
});

test('ten thousand operations are printed, parsed, verified and run', () => {
  const module = buildModule('deep', (m) => {
    m.addFunction('main', [f32x4], 'public', (b, [x]) => {
      let y = x;
      for (let i = 0; i < 10_000; i++) y = b.scalar(i % 2 === 0 ? 'neg' : 'abs', y);
      return [y];
    });
  });
  verifyModule(module);
  const again = parseModule(module.toString());
  expect(Array.from(interpretModule(again, [numbers])[0].data, Number)).toEqual([1, 2, 3, 0.5]);
});

test('functions that StableHLO lacks cross the text as composites', () => {
  const module = buildModule('m', (m) => {
    m.addFunction('main', [f32x4], 'public', (b, [x]) => [
      b.scalar('trunc', b.scalar('log2', b.scalar('exp2', b.scalar('fma', x, x, x)))),
    ]);
  });
  const text = module.toString();
  expect(text).toContain(
    'stablehlo.composite "palladia.exp2" %0 {decomposition = @palladia.exp2.f32.4}',
  );
  const again = parseModule(text);
  expect(again.functions).toHaveLength(1);
  expect(again.toString()).toBe(text);
  expect(interpretModule(again, [numbers])).toEqual(interpretModule(module, [numbers]));
});
