// Kernels that test the executor itself; never built for a device.
#include <stdint.h>

// Reverses each block of `in` through shared memory, with or without the barrier that this needs.
extern "C" __global__ void wsi_test_reverse(const uint32_t *in, uint32_t *out, uint32_t barrier) {
    __shared__ uint32_t values[1024];
    uint32_t i = threadIdx.x, base = blockIdx.x * blockDim.x;
    values[i] = in[base + i];
    if (barrier) __syncthreads();
    out[base + i] = values[blockDim.x - 1 - i];
}

// Ten words a lane: what each shuffle, vote and reduction of its warp gave.
extern "C" __global__ void wsi_test_warp(const uint32_t *in, uint32_t *out) {
    uint32_t i = threadIdx.x, value = in[i];
    uint32_t *o = out + 10 * i;
    o[0] = __shfl_sync(~0u, value, 5);
    o[1] = __shfl_up_sync(~0u, value, 3);
    o[2] = __shfl_down_sync(~0u, value, 7);
    o[3] = __shfl_xor_sync(~0u, value, 9);
    o[4] = __shfl_sync(~0u, value, 1, 8);
    o[5] = __ballot_sync(~0u, (int)(value & 1));
    o[6] = (uint32_t)__any_sync(~0u, value == 77);
    o[7] = (uint32_t)__all_sync(~0u, value < 1000);
    o[8] = __reduce_add_sync(~0u, value);
    o[9] = 0;
    // The halves of a warp by themselves, one of them twice.
    uint32_t half = (i & 16) ? 0xFFFF0000u : 0x0000FFFFu;
    if (i & 16) o[9] += __ballot_sync(half, 1);
    o[9] += __ballot_sync(half, (int)(i & 1));
    __syncwarp();
}

// Three words a block: any, all and how many of the values are odd; and their sum by an atomic.
// A quarter of the lanes has gone by then.
extern "C" __global__ void wsi_test_votes(const uint32_t *in, uint32_t *out) {
    uint32_t i = threadIdx.x;
    if (i % 4 == 3) return;
    uint32_t odd = in[blockIdx.x * blockDim.x + i] & 1;
    int any = __syncthreads_or((int)odd);
    int all = __syncthreads_and((int)odd);
    int count = __syncthreads_count((int)odd);
    uint32_t *o = out + 4 * blockIdx.x;
    if (i == 0) { o[0] = (uint32_t)(any != 0); o[1] = (uint32_t)(all != 0); o[2] = (uint32_t)count; }
    atomicAdd(&o[3], odd);
}

// Lanes that wait for each other in vain: some at a barrier, the others at a vote of the whole warp.
extern "C" __global__ void wsi_test_stuck(uint32_t *out) {
    if (threadIdx.x < 8) __syncthreads();
    else out[threadIdx.x] = __ballot_sync(~0u, 1);
}

// Asks a lane that does not take part.
extern "C" __global__ void wsi_test_absent(uint32_t *out) {
    if (threadIdx.x < 16) out[threadIdx.x] = __shfl_sync(0x0000FFFFu, threadIdx.x, 20);
}

// Writes at a place, wherever that is.
extern "C" __global__ void wsi_test_store(uint8_t *out, int32_t place) {
    if (threadIdx.x == 0) out[place] = 0;
}

// Where each lane is: its block's column, row and size, and the grid's.
extern "C" __global__ void wsi_test_places(uint32_t *out) {
    uint32_t block = blockIdx.y * gridDim.x + blockIdx.x;
    uint32_t *o = out + 5 * (block * blockDim.x + threadIdx.x);
    o[0] = blockIdx.x; o[1] = blockIdx.y; o[2] = threadIdx.x; o[3] = blockDim.x; o[4] = gridDim.y;
}

// Reads shared memory that no lane has written.
extern "C" __global__ void wsi_test_unwritten(uint32_t *out) {
    __shared__ uint32_t values[64];
    out[threadIdx.x] = values[threadIdx.x];
    values[threadIdx.x] = 1;
}
