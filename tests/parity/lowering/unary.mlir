module @jit_f attributes {mhlo.num_partitions = 1 : i32, mhlo.num_replicas = 1 : i32} {
  func.func public @main(%arg0: tensor<3x4xf32>) -> (tensor<3x4xf32> {jax.result_info = "result[0]"}, tensor<3x4xf32> {jax.result_info = "result[1]"}, tensor<3x4xf32> {jax.result_info = "result[2]"}, tensor<3x4xf32> {jax.result_info = "result[3]"}, tensor<3x4xf32> {jax.result_info = "result[4]"}, tensor<3x4xf32> {jax.result_info = "result[5]"}, tensor<3x4xf32> {jax.result_info = "result[6]"}, tensor<3x4xi1> {jax.result_info = "result[7]"}) {
    %0 = stablehlo.exponential %arg0 : tensor<3x4xf32>
    %1 = stablehlo.abs %arg0 : tensor<3x4xf32>
    %2 = stablehlo.log_plus_one %1 : tensor<3x4xf32>
    %3 = stablehlo.tanh %arg0 : tensor<3x4xf32>
    %4 = stablehlo.rsqrt %arg0 : tensor<3x4xf32>
    %5 = stablehlo.negate %arg0 : tensor<3x4xf32>
    %6 = stablehlo.sign %5 : tensor<3x4xf32>
    %7 = stablehlo.floor %arg0 : tensor<3x4xf32>
    %8 = chlo.erf %arg0 : tensor<3x4xf32> -> tensor<3x4xf32>
    %9 = stablehlo.is_finite %arg0 : (tensor<3x4xf32>) -> tensor<3x4xi1>
    return %0, %2, %3, %4, %6, %7, %8, %9 : tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xi1>
  }
}
