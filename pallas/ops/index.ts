/** The kernel library. */
export { flashAttention, type FlashAttentionOptions } from './flash-attention.ts';
export { matmul, type MatmulOptions } from './matmul.ts';
export { layerNorm, softmax, type LayerNormOptions, type RowsOptions } from './normalize.ts';
