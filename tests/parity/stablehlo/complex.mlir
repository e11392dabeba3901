module @jit__lambda attributes {mhlo.num_partitions = 1 : i32, mhlo.num_replicas = 1 : i32} {
  func.func public @main(%arg0: tensor<4x6xf32>) -> (tensor<4x6xcomplex<f32>> {jax.result_info = "result[0]"}, tensor<4x6xf32> {jax.result_info = "result[1]"}, tensor<4x6xcomplex<f32>> {jax.result_info = "result[2]"}, tensor<4x6xcomplex<f32>> {jax.result_info = "result[3]"}) {
    %0 = stablehlo.convert %arg0 : (tensor<4x6xf32>) -> tensor<4x6xcomplex<f32>>
    %cst = stablehlo.constant dense<(1.000000e+00,2.000000e+00)> : tensor<complex<f32>>
    %1 = stablehlo.broadcast_in_dim %cst, dims = [] : (tensor<complex<f32>>) -> tensor<4x6xcomplex<f32>>
    %2 = stablehlo.multiply %0, %1 : tensor<4x6xcomplex<f32>>
    %3 = stablehlo.convert %arg0 : (tensor<4x6xf32>) -> tensor<4x6xcomplex<f32>>
    %cst_0 = stablehlo.constant dense<(1.000000e+00,2.000000e+00)> : tensor<complex<f32>>
    %4 = stablehlo.broadcast_in_dim %cst_0, dims = [] : (tensor<complex<f32>>) -> tensor<4x6xcomplex<f32>>
    %5 = stablehlo.multiply %3, %4 : tensor<4x6xcomplex<f32>>
    %6 = stablehlo.abs %5 : (tensor<4x6xcomplex<f32>>) -> tensor<4x6xf32>
    %7 = stablehlo.convert %arg0 : (tensor<4x6xf32>) -> tensor<4x6xcomplex<f32>>
    %cst_1 = stablehlo.constant dense<(0.000000e+00,1.000000e+00)> : tensor<complex<f32>>
    %8 = stablehlo.broadcast_in_dim %cst_1, dims = [] : (tensor<complex<f32>>) -> tensor<4x6xcomplex<f32>>
    %9 = stablehlo.multiply %8, %7 : tensor<4x6xcomplex<f32>>
    %10 = stablehlo.exponential %9 : tensor<4x6xcomplex<f32>>
    %11 = stablehlo.convert %arg0 : (tensor<4x6xf32>) -> tensor<4x6xcomplex<f32>>
    %cst_2 = stablehlo.constant dense<(0.000000e+00,1.000000e+00)> : tensor<complex<f32>>
    %12 = stablehlo.broadcast_in_dim %cst_2, dims = [] : (tensor<complex<f32>>) -> tensor<4x6xcomplex<f32>>
    %13 = stablehlo.add %11, %12 : tensor<4x6xcomplex<f32>>
    %14 = stablehlo.real %13 : (tensor<4x6xcomplex<f32>>) -> tensor<4x6xf32>
    %15 = stablehlo.imag %13 : (tensor<4x6xcomplex<f32>>) -> tensor<4x6xf32>
    %16 = stablehlo.negate %15 : tensor<4x6xf32>
    %17 = stablehlo.complex %14, %16 : tensor<4x6xcomplex<f32>>
    %18 = stablehlo.convert %arg0 : (tensor<4x6xf32>) -> tensor<4x6xcomplex<f32>>
    %cst_3 = stablehlo.constant dense<(0.000000e+00,2.000000e+00)> : tensor<complex<f32>>
    %19 = stablehlo.broadcast_in_dim %cst_3, dims = [] : (tensor<complex<f32>>) -> tensor<4x6xcomplex<f32>>
    %20 = stablehlo.subtract %18, %19 : tensor<4x6xcomplex<f32>>
    %21 = stablehlo.divide %17, %20 : tensor<4x6xcomplex<f32>>
    return %2, %6, %10, %21 : tensor<4x6xcomplex<f32>>, tensor<4x6xf32>, tensor<4x6xcomplex<f32>>, tensor<4x6xcomplex<f32>>
  }
}
