/** Ops that devices do together: what the verifier refuses, how they are written, and what they do where there is one device. */
import { devicePut, NDArray, type DeviceKind } from 'palladia';
import * as hlo from 'palladia/hlo';
import { describe, expect, test } from 'vitest';

const region = (fn = 'add', type = 'f32'): string => `({
    ^bb0(%arg1: tensor<${type}>, %arg2: tensor<${type}>):
      %1 = stablehlo.${fn} %arg1, %arg2 : tensor<${type}>
      stablehlo.return %1 : tensor<${type}>
    })`;
const channel = 'channel_handle = #stablehlo.channel_handle<handle = 1, type = 1>';
const groups = (text: string, type: string): string =>
  `replica_groups = dense<${text}> : tensor<${type}xi64>`;
const four = groups('[[0, 1, 2, 3]]', '1x4');
const alone = groups('0', '1x1');

/** A program of one op. */
const program = (
  op: string,
  result: string,
  { operand = '4x8xf32', partitions = 1 } = {},
): string =>
  `module @m attributes {mhlo.num_partitions = ${partitions} : i32, mhlo.num_replicas = 1 : i32} {
  func.func public @main(%arg0: tensor<${operand}>) -> tensor<${result}> {
    %0 = ${op} : (tensor<${operand}>) -> tensor<${result}>
    return %0 : tensor<${result}>
  }
}
`;

function refusal(text: string): string {
  try {
    hlo.verify(hlo.parse(text));
  } catch (error) {
    return String(error).split('\n')[0];
  }
  return 'accepted';
}

const gather = (properties: string): string => `"stablehlo.all_gather"(%arg0) <{${properties}}>`;
const scatter = (properties: string): string =>
  `"stablehlo.reduce_scatter"(%arg0) <{${properties}}> ${region()}`;
const exchange = (properties: string): string =>
  `"stablehlo.all_to_all"(%arg0) <{${channel}, ${properties}}>`;
const send = (pairs: string): string =>
  `"stablehlo.collective_permute"(%arg0) <{${channel}, source_target_pairs = dense<${pairs}>}>`;

describe('rules', () => {
  test('messages', () => {
    const reduce = (properties: string, body = region()): string =>
      program(`"stablehlo.all_reduce"(%arg0) <{${properties}}> ${body}`, '4x8xf32');
    expect({
      'a device twice': refusal(reduce(groups('[[0, 1], [1, 2]]', '2x2'))),
      'a device that is none': refusal(reduce(groups('[[0, -2]]', '1x2'))),
      'groups that are no tensor': refusal(reduce('replica_groups = [0]')),
      'groups of one axis': refusal(reduce(groups('[0, 1]', '2'))),
      'global numbers without a channel': refusal(reduce(`${four}, use_global_device_ids`)),
      'a region of other types': refusal(reduce(four, region('add', 'i32'))),
      'no region': refusal(reduce(four, '')),
      'another result': refusal(
        program(`"stablehlo.all_reduce"(%arg0) <{${four}}> ${region()}`, '4x4xf32'),
      ),
      'gather C1': refusal(program(gather(`all_gather_dim = 2 : i64, ${four}`), '16x8xf32')),
      'gather C6': refusal(program(gather(`all_gather_dim = 0 : i64, ${four}`), '8x8xf32')),
      'scatter C1': refusal(program(scatter(`${four}, scatter_dimension = 2 : i64`), '4x2xf32')),
      'scatter C2': refusal(
        program(scatter(`${groups('[[0, 1, 2]]', '1x3')}, scatter_dimension = 1 : i64`), '4x2xf32'),
      ),
      'scatter C8': refusal(program(scatter(`${four}, scatter_dimension = 1 : i64`), '4x8xf32')),
      'exchange C2': refusal(
        program(
          exchange(
            `concat_dimension = 0 : i64, ${groups('[[0, 1, 2]]', '1x3')}, split_count = 3 : i64, split_dimension = 1 : i64`,
          ),
          '12x2xf32',
        ),
      ),
      'exchange C8': refusal(
        program(
          exchange(
            `concat_dimension = 0 : i64, ${four}, split_count = 2 : i64, split_dimension = 1 : i64`,
          ),
          '8x4xf32',
        ),
      ),
      'exchange C9': refusal(
        program(
          exchange(
            `concat_dimension = 0 : i64, ${four}, split_count = 4 : i64, split_dimension = 1 : i64`,
          ),
          '8x4xf32',
        ),
      ),
      'sending twice': refusal(program(send('[[0, 1], [0, 2]]> : tensor<2x2xi64'), '4x8xf32')),
      'pairs of three': refusal(program(send('[[0, 1, 2]]> : tensor<1x3xi64'), '4x8xf32')),
      'a number that is no u32': refusal(
        'func.func @main() -> tensor<i32> {\n %0 = stablehlo.partition_id : tensor<i32>\n return %0 : tensor<i32>\n}',
      ),
      'partitions that are none': refusal('module attributes {mhlo.num_partitions = 0 : i32} {\n}'),
    }).toMatchInlineSnapshot(`
      {
        "a device that is none": "LoweringError: all_reduce: replica_groups must be lists of one length that hold each device at most once; got [[0, -2]]. (line 3, column 10)",
        "a device twice": "LoweringError: all_reduce: replica_groups must be lists of one length that hold each device at most once; got [[0, 1], [1, 2]]. (line 3, column 10)",
        "a number that is no u32": "LoweringError: partition_id: the result must be tensor<ui32>; got tensor<i32>. (line 2, column 7)",
        "a region of other types": "LoweringError: all_reduce: region 0 must take (tensor<f32>, tensor<f32>); got (tensor<i32>, tensor<i32>). (line 3, column 10)",
        "another result": "LoweringError: all_reduce: result 0 must be tensor<4x8xf32>; got tensor<4x4xf32>. (line 3, column 10)",
        "exchange C2": "LoweringError: all_to_all: axis 1 must be a multiple of the number of parts; got tensor<4x8xf32> for 3. (line 3, column 10)",
        "exchange C8": "LoweringError: all_to_all: split_count must be the number of devices of a group; got 2 for groups of 4. (line 3, column 10)",
        "exchange C9": "LoweringError: all_to_all: result 0 must be tensor<16x2xf32>; got tensor<8x4xf32>. (line 3, column 10)",
        "gather C1": "LoweringError: all_gather: all_gather_dim must be distinct axes in [0, 2); got [2]. (line 3, column 10)",
        "gather C6": "LoweringError: all_gather: result 0 must be tensor<16x8xf32>; got tensor<8x8xf32>. (line 3, column 10)",
        "global numbers without a channel": "LoweringError: all_reduce: use_global_device_ids needs a channel with a positive handle; got no channel. (line 3, column 10)",
        "groups of one axis": "ParseError: parse: stablehlo.all_reduce: replica_groups must be a tensor of integers with two axes; got dense<[0, 1]> : tensor<2xi64>. (line 3, column 10)",
        "groups that are no tensor": "ParseError: parse: stablehlo.all_reduce: replica_groups must be a tensor that is written out (dense<…>); got [0]. (line 3, column 10)",
        "no region": "LoweringError: all_reduce: has 1 regions; got 0. (line 3, column 10)",
        "pairs of three": "LoweringError: collective_permute: source_target_pairs must be pairs in which each device sends at most once and gets at most once; got [[0, 1, 2]]. (line 3, column 10)",
        "partitions that are none": "ParseError: parse: mhlo.num_partitions must be a positive integer; got 0 : i32. (line 1, column 50)",
        "scatter C1": "LoweringError: reduce_scatter: scatter_dimension must be distinct axes in [0, 2); got [2]. (line 3, column 10)",
        "scatter C2": "LoweringError: reduce_scatter: axis 1 must be a multiple of the number of parts; got tensor<4x8xf32> for 3. (line 3, column 10)",
        "scatter C8": "LoweringError: reduce_scatter: result 0 must be tensor<4x2xf32>; got tensor<4x8xf32>. (line 3, column 10)",
        "sending twice": "LoweringError: collective_permute: source_target_pairs must be pairs in which each device sends at most once and gets at most once; got [[0, 1], [0, 2]]. (line 3, column 10)",
      }
    `);
  });

  test('groups may be filled up, or be all devices', () => {
    expect(
      refusal(
        program(
          gather(`all_gather_dim = 0 : i64, ${groups('[[0, 1], [2, -1]]', '2x2')}`),
          '8x8xf32',
        ),
      ),
    ).toBe('accepted');
    expect(
      refusal(program(gather(`all_gather_dim = 0 : i64, ${groups('', '0x0')}`), '12x8xf32')),
    ).toBe('accepted');
  });
});

test('older text reads', () => {
  const old = program(
    `"stablehlo.all_gather"(%arg0) {all_gather_dim = 1 : i64, ${groups('[[0, 1]]', '1x2')}, ${channel}}`,
    '4x16xf32',
    { partitions: 2 },
  );
  const now = hlo.print(hlo.parse(old));
  expect(now).toContain(
    `"stablehlo.all_gather"(%arg0) <{all_gather_dim = 1 : i64, ${channel}, ${groups('[[0, 1]]', '1x2')}}>`,
  );
  expect(hlo.print(hlo.parse(now))).toBe(now);
});

describe.each(['wasm', 'interpreter'] as const)('one device, %s', (device: DeviceKind) => {
  const run = async (text: string, operand = [4, 8]): Promise<unknown> => {
    const x = NDArray.fromHost(
      Array.from({ length: operand.reduce((n, d) => n * d, 1) }, (_, i) => i + 1),
      operand,
      'f32',
    );
    const [out] = hlo.load(text)(await devicePut(x, device));
    return out.jsSync();
  };
  const two = { operand: '2xf32' };
  test.each([
    ['all_reduce', program(`"stablehlo.all_reduce"(%arg0) <{${alone}}> ${region()}`, '2xf32', two)],
    ['all_gather', program(gather(`all_gather_dim = 0 : i64, ${alone}`), '2xf32', two)],
    ['reduce_scatter', program(scatter(`${alone}, scatter_dimension = 0 : i64`), '2xf32', two)],
    [
      'all_to_all',
      program(
        exchange(
          `concat_dimension = 0 : i64, ${alone}, split_count = 1 : i64, split_dimension = 0 : i64`,
        ),
        '2xf32',
        two,
      ),
    ],
    ['collective_permute', program(send('0> : tensor<1x2xi64'), '2xf32', two)],
    [
      'collective_broadcast',
      program(`"stablehlo.collective_broadcast"(%arg0) <{${alone}}>`, '2xf32', two),
    ],
  ])('%s keeps what the device has', async (_, text) => {
    expect(await run(text, [2])).toEqual([1, 2]);
  });

  test('a permutation that sends nothing gives zeros, and the device is the first', async () => {
    expect(await run(program(send('> : tensor<0x2xi64'), '2xf32', two), [2])).toEqual([0, 0]);
    const id = `module {
  func.func public @main(%arg0: tensor<2xf32>) -> tensor<ui32> {
    %0 = stablehlo.partition_id : tensor<ui32>
    %1 = stablehlo.replica_id : tensor<ui32>
    %2 = stablehlo.add %0, %1 : tensor<ui32>
    return %2 : tensor<ui32>
  }
}`;
    expect(await run(id, [2])).toBe(0);
  });

  test('groups of several devices are refused', async () => {
    await expect(
      run(program(gather(`all_gather_dim = 0 : i64, ${four}`), '16x8xf32')),
    ).rejects.toThrow(
      'all_gather: a program runs on one device here; got devices 0, 1, 2, 3 that work together. Run it with XLA on as many devices, or lower the function without spmd.',
    );
  });
});
