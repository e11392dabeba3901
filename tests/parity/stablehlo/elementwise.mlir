module @jit__lambda attributes {mhlo.num_partitions = 1 : i32, mhlo.num_replicas = 1 : i32} {
  func.func public @main(%arg0: tensor<4x6xf32>) -> (tensor<4x6xf32> {jax.result_info = "result[0]"}, tensor<4x6xf32> {jax.result_info = "result[1]"}, tensor<4x6xf32> {jax.result_info = "result[2]"}, tensor<4x6xf32> {jax.result_info = "result[3]"}, tensor<4x6xf32> {jax.result_info = "result[4]"}, tensor<4x6xf32> {jax.result_info = "result[5]"}, tensor<4x6xf32> {jax.result_info = "result[6]"}, tensor<4x6xf32> {jax.result_info = "result[7]"}, tensor<4x6xf32> {jax.result_info = "result[8]"}, tensor<4x6xf32> {jax.result_info = "result[9]"}) {
    %0 = stablehlo.negate %arg0 : tensor<4x6xf32>
    %1 = stablehlo.multiply %0, %arg0 : tensor<4x6xf32>
    %2 = stablehlo.exponential %1 : tensor<4x6xf32>
    %3 = stablehlo.tanh %arg0 : tensor<4x6xf32>
    %4 = stablehlo.cbrt %arg0 : tensor<4x6xf32>
    %5 = stablehlo.add %3, %4 : tensor<4x6xf32>
    %6 = stablehlo.abs %arg0 : tensor<4x6xf32>
    %7 = stablehlo.log_plus_one %6 : tensor<4x6xf32>
    %8 = stablehlo.exponential_minus_one %arg0 : tensor<4x6xf32>
    %9 = chlo.erf %arg0 : tensor<4x6xf32> -> tensor<4x6xf32>
    %10 = stablehlo.abs %arg0 : tensor<4x6xf32>
    %11 = stablehlo.rsqrt %10 : tensor<4x6xf32>
    %cst = stablehlo.constant dense<0.000000e+00> : tensor<f32>
    %12 = stablehlo.broadcast_in_dim %cst, dims = [] : (tensor<f32>) -> tensor<4x6xf32>
    %13 = stablehlo.compare GT, %arg0, %12, FLOAT : (tensor<4x6xf32>, tensor<4x6xf32>) -> tensor<4x6xi1>
    %cst_0 = stablehlo.constant dense<-5.000000e-01> : tensor<f32>
    %14 = call @_where(%13, %arg0, %cst_0) : (tensor<4x6xi1>, tensor<4x6xf32>, tensor<f32>) -> tensor<4x6xf32>
    %15 = call @round(%arg0) : (tensor<4x6xf32>) -> tensor<4x6xf32>
    %16 = stablehlo.sign %arg0 : tensor<4x6xf32>
    %17 = stablehlo.floor %arg0 : tensor<4x6xf32>
    return %2, %5, %7, %8, %9, %11, %14, %15, %16, %17 : tensor<4x6xf32>, tensor<4x6xf32>, tensor<4x6xf32>, tensor<4x6xf32>, tensor<4x6xf32>, tensor<4x6xf32>, tensor<4x6xf32>, tensor<4x6xf32>, tensor<4x6xf32>, tensor<4x6xf32>
  }
  func.func private @_where(%arg0: tensor<4x6xi1>, %arg1: tensor<4x6xf32>, %arg2: tensor<f32>) -> tensor<4x6xf32> {
    %0 = stablehlo.convert %arg2 : tensor<f32>
    %1 = stablehlo.broadcast_in_dim %0, dims = [] : (tensor<f32>) -> tensor<4x6xf32>
    %2 = stablehlo.select %arg0, %arg1, %1 : tensor<4x6xi1>, tensor<4x6xf32>
    return %2 : tensor<4x6xf32>
  }
  func.func private @round(%arg0: tensor<4x6xf32>) -> tensor<4x6xf32> {
    %0 = stablehlo.round_nearest_even %arg0 : tensor<4x6xf32>
    return %0 : tensor<4x6xf32>
  }
}
