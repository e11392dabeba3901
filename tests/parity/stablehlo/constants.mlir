module @jit__lambda attributes {mhlo.num_partitions = 1 : i32, mhlo.num_replicas = 1 : i32} {
  func.func public @main(%arg0: tensor<4x6xf32>) -> (tensor<4x6xf32> {jax.result_info = "result"}) {
    %cst = stablehlo.constant dense<[0.000000e+00, 2.000000e-08, 4.000000e-08, 6.0000005E-8, 7.99999995E-8, 1.000000e-07]> : tensor<6xf32>
    %cst_0 = stablehlo.constant dense<[1.000000e+10, 1.000000e+20, 3.000000e+38, 0x4B800000, 0.333333343, 123456.703]> : tensor<6xf32>
    %0 = stablehlo.broadcast_in_dim %cst, dims = [1] : (tensor<6xf32>) -> tensor<1x6xf32>
    %1 = stablehlo.broadcast_in_dim %0, dims = [0, 1] : (tensor<1x6xf32>) -> tensor<4x6xf32>
    %2 = stablehlo.add %arg0, %1 : tensor<4x6xf32>
    %3 = stablehlo.broadcast_in_dim %cst_0, dims = [1] : (tensor<6xf32>) -> tensor<1x6xf32>
    %4 = stablehlo.broadcast_in_dim %3, dims = [0, 1] : (tensor<1x6xf32>) -> tensor<4x6xf32>
    %5 = stablehlo.add %2, %4 : tensor<4x6xf32>
    return %5 : tensor<4x6xf32>
  }
}
