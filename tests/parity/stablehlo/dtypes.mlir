module @jit__lambda attributes {mhlo.num_partitions = 1 : i32, mhlo.num_replicas = 1 : i32} {
  func.func public @main(%arg0: tensor<4x6xf32>) -> (tensor<4x6xbf16> {jax.result_info = "result[0]"}, tensor<4x6xf16> {jax.result_info = "result[1]"}, tensor<4x6xi8> {jax.result_info = "result[2]"}, tensor<4x6xi1> {jax.result_info = "result[3]"}, tensor<4x6xui8> {jax.result_info = "result[4]"}, tensor<4x6x4xui8> {jax.result_info = "result[5]"}, tensor<4x6xi32> {jax.result_info = "result[6]"}, tensor<4x6xf32> {jax.result_info = "result[7]"}, tensor<4x6xf32> {jax.result_info = "result[8]"}) {
    %0 = stablehlo.convert %arg0 : (tensor<4x6xf32>) -> tensor<4x6xbf16>
    %cst = stablehlo.constant dense<1.101560e+00> : tensor<bf16>
    %1 = stablehlo.broadcast_in_dim %cst, dims = [] : (tensor<bf16>) -> tensor<4x6xbf16>
    %2 = stablehlo.multiply %0, %1 : tensor<4x6xbf16>
    %3 = stablehlo.convert %arg0 : (tensor<4x6xf32>) -> tensor<4x6xf16>
    %cst_0 = stablehlo.constant dense<3.000000e+00> : tensor<f16>
    %4 = stablehlo.broadcast_in_dim %cst_0, dims = [] : (tensor<f16>) -> tensor<4x6xf16>
    %5 = stablehlo.divide %3, %4 : tensor<4x6xf16>
    %6 = stablehlo.convert %arg0 : (tensor<4x6xf32>) -> tensor<4x6xi8>
    %cst_1 = stablehlo.constant dense<0.000000e+00> : tensor<f32>
    %7 = stablehlo.broadcast_in_dim %cst_1, dims = [] : (tensor<f32>) -> tensor<4x6xf32>
    %8 = stablehlo.compare NE, %arg0, %7, FLOAT : (tensor<4x6xf32>, tensor<4x6xf32>) -> tensor<4x6xi1>
    %9 = stablehlo.convert %8 : tensor<4x6xi1>
    %10 = stablehlo.convert %arg0 : (tensor<4x6xf32>) -> tensor<4x6xui8>
    %c = stablehlo.constant dense<200> : tensor<ui8>
    %11 = stablehlo.broadcast_in_dim %c, dims = [] : (tensor<ui8>) -> tensor<4x6xui8>
    %12 = stablehlo.add %11, %10 : tensor<4x6xui8>
    %13 = stablehlo.bitcast_convert %arg0 : (tensor<4x6xf32>) -> tensor<4x6x4xui8>
    %14 = stablehlo.bitcast_convert %arg0 : (tensor<4x6xf32>) -> tensor<4x6xi32>
    %15 = stablehlo.reduce_precision %arg0, format = e5m10 : tensor<4x6xf32>
    %cst_2 = stablehlo.constant dense<2.000000e+00> : tensor<f32>
    %16 = stablehlo.broadcast_in_dim %cst_2, dims = [] : (tensor<f32>) -> tensor<4x6xf32>
    %17 = chlo.next_after %arg0, %16 : tensor<4x6xf32>, tensor<4x6xf32> -> tensor<4x6xf32>
    return %2, %5, %6, %9, %12, %13, %14, %15, %17 : tensor<4x6xbf16>, tensor<4x6xf16>, tensor<4x6xi8>, tensor<4x6xi1>, tensor<4x6xui8>, tensor<4x6x4xui8>, tensor<4x6xi32>, tensor<4x6xf32>, tensor<4x6xf32>
  }
}
