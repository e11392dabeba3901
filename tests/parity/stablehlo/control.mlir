module @jit_control attributes {mhlo.num_partitions = 1 : i32, mhlo.num_replicas = 1 : i32} {
  func.func public @main(%arg0: tensor<4x6xf32>) -> (tensor<i32> {jax.result_info = "result[0]"}, tensor<4x6xf32> {jax.result_info = "result[1]"}, tensor<4x6xf32> {jax.result_info = "result[2]"}, tensor<4x6xf32> {jax.result_info = "result[3]"}) {
    %c = stablehlo.constant dense<0> : tensor<i32>
    %0:2 = stablehlo.while(%iterArg = %c, %iterArg_3 = %arg0) : tensor<i32>, tensor<4x6xf32>
    cond {
      %c_4 = stablehlo.constant dense<4> : tensor<i32>
      %10 = stablehlo.compare LT, %iterArg, %c_4, SIGNED : (tensor<i32>, tensor<i32>) -> tensor<i1>
      stablehlo.return %10 : tensor<i1>
    } do {
      %c_4 = stablehlo.constant dense<1> : tensor<i32>
      %10 = stablehlo.add %iterArg, %c_4 : tensor<i32>
      %c_5 = stablehlo.constant dense<0> : tensor<i32>
      %c_6 = stablehlo.constant dense<0> : tensor<i32>
      %11:3 = stablehlo.while(%iterArg_7 = %c_6, %iterArg_8 = %c_5, %iterArg_9 = %iterArg_3) : tensor<i32>, tensor<i32>, tensor<4x6xf32>
      cond {
        %c_10 = stablehlo.constant dense<3> : tensor<i32>
        %12 = stablehlo.compare LT, %iterArg_7, %c_10, SIGNED : (tensor<i32>, tensor<i32>) -> tensor<i1>
        stablehlo.return %12 : tensor<i1>
      } do {
        %12:2 = func.call @closed_call(%iterArg_8, %iterArg_9) : (tensor<i32>, tensor<4x6xf32>) -> (tensor<i32>, tensor<4x6xf32>)
        %c_10 = stablehlo.constant dense<1> : tensor<i32>
        %13 = stablehlo.add %iterArg_7, %c_10 : tensor<i32>
        stablehlo.return %13, %12#0, %12#1 : tensor<i32>, tensor<i32>, tensor<4x6xf32>
      }
      stablehlo.return %10, %11#2 : tensor<i32>, tensor<4x6xf32>
    }
    %1 = stablehlo.slice %arg0 [0:1, 0:1] : (tensor<4x6xf32>) -> tensor<1x1xf32>
    %2 = stablehlo.reshape %1 : (tensor<1x1xf32>) -> tensor<f32>
    %cst = stablehlo.constant dense<0.000000e+00> : tensor<f32>
    %3 = stablehlo.compare GT, %2, %cst, FLOAT : (tensor<f32>, tensor<f32>) -> tensor<i1>
    %4 = stablehlo.convert %3 : (tensor<i1>) -> tensor<i32>
    %5 = "stablehlo.case"(%4) ({
      %10 = stablehlo.sine %arg0 : tensor<4x6xf32>
      %cst_3 = stablehlo.constant dense<3.000000e+00> : tensor<f32>
      %11 = stablehlo.broadcast_in_dim %cst_3, dims = [] : (tensor<f32>) -> tensor<4x6xf32>
      %12 = stablehlo.add %10, %11 : tensor<4x6xf32>
      stablehlo.return %12 : tensor<4x6xf32>
    }, {
      %cst_3 = stablehlo.constant dense<2.000000e+00> : tensor<f32>
      %10 = stablehlo.broadcast_in_dim %cst_3, dims = [] : (tensor<f32>) -> tensor<4x6xf32>
      %11 = stablehlo.multiply %arg0, %10 : tensor<4x6xf32>
      stablehlo.return %11 : tensor<4x6xf32>
    }) : (tensor<i32>) -> tensor<4x6xf32>
    %c_0 = stablehlo.constant dense<2> : tensor<i32>
    %6 = stablehlo.subtract %0#0, %c_0 : tensor<i32>
    %7 = stablehlo.convert %6 : tensor<i32>
    %c_1 = stablehlo.constant dense<0> : tensor<i32>
    %c_2 = stablehlo.constant dense<2> : tensor<i32>
    %8 = stablehlo.clamp %c_1, %7, %c_2 : tensor<i32>
    %9 = "stablehlo.case"(%8) ({
      %10 = stablehlo.cosine %arg0 : tensor<4x6xf32>
      stablehlo.return %10 : tensor<4x6xf32>
    }, {
      %10 = stablehlo.tanh %arg0 : tensor<4x6xf32>
      stablehlo.return %10 : tensor<4x6xf32>
    }, {
      %10 = stablehlo.exponential %arg0 : tensor<4x6xf32>
      stablehlo.return %10 : tensor<4x6xf32>
    }) : (tensor<i32>) -> tensor<4x6xf32>
    return %0#0, %0#1, %5, %9 : tensor<i32>, tensor<4x6xf32>, tensor<4x6xf32>, tensor<4x6xf32>
  }
  func.func private @closed_call(%arg0: tensor<i32>, %arg1: tensor<4x6xf32>) -> (tensor<i32>, tensor<4x6xf32>) {
    %c = stablehlo.constant dense<1> : tensor<i32>
    %0 = stablehlo.add %arg0, %c : tensor<i32>
    %cst = stablehlo.constant dense<5.000000e-01> : tensor<f32>
    %1 = stablehlo.broadcast_in_dim %cst, dims = [] : (tensor<f32>) -> tensor<4x6xf32>
    %2 = stablehlo.multiply %arg1, %1 : tensor<4x6xf32>
    %3 = stablehlo.convert %arg0 : (tensor<i32>) -> tensor<f32>
    %4 = stablehlo.broadcast_in_dim %3, dims = [] : (tensor<f32>) -> tensor<4x6xf32>
    %5 = stablehlo.add %2, %4 : tensor<4x6xf32>
    return %0, %5 : tensor<i32>, tensor<4x6xf32>
  }
}
