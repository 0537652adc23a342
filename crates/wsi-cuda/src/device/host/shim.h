// CUDA C++ for the host: what the kernels use of the language, as plain C++17.
//
// Each lane of a block runs as a fiber of one thread. A barrier, a shuffle or a vote stops the lane
// by a call into the executor, which resumes it when all the others have come to the same place.
// Between two stops a lane runs alone, so atomics are plain reads and writes. Neither the order of
// memory between lanes nor the divergence of a warp is modelled.
//
// Built several times into one program (`WSI_COPY`), each copy with its own shared memory, so that
// as many threads can run kernels at once.
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define WSI_HOST 1

struct WsiDim {
    uint32_t x, y, z;
};

// Stopping a lane: the reason, the lanes of its warp that take part, what it gives, and the lane
// that it wants to hear. The numbers are those of `Reason` in fibers.rs.
enum { WSI_BLOCK = 0, WSI_WARP = 1, WSI_SHUFFLE = 2, WSI_BALLOT = 3 };

// What the executor sets before it resumes a lane. Its twin is `State` in library.rs.
struct WsiState {
    WsiDim thread, block, block_size, grid_size;
    uint64_t (*stop)(uint32_t reason, uint32_t mask, uint64_t value, uint32_t source);
};

static WsiState wsi_state;

#define threadIdx (wsi_state.thread)
#define blockIdx (wsi_state.block)
#define blockDim (wsi_state.block_size)
#define gridDim (wsi_state.grid_size)
#define warpSize 32

// Shared memory lies in a section of its own, so that the executor can spoil it before each block:
// a kernel that reads what it has not written must not find zeros.
#define WSI_TEXT_(x) #x
#define WSI_TEXT(x) WSI_TEXT_(x)
#define WSI_PASTE_(a, b) a##b
#define WSI_PASTE(a, b) WSI_PASTE_(a, b)
#define WSI_SECTION WSI_PASTE(wsi_shared_, WSI_COPY)

#define __global__
#define __device__
#define __host__
#define __constant__ static const
#define __shared__ static __attribute__((section(WSI_TEXT(WSI_SECTION))))
#define __forceinline__ inline __attribute__((always_inline))
#define __noinline__ __attribute__((noinline))
#define __align__(n) __attribute__((aligned(n)))
#define __launch_bounds__(...)

// ---- vectors

#define WSI_VECTOR(name, type, bytes)                                                              \
    struct __attribute__((aligned(2 * bytes))) name##2 { type x, y; };                             \
    struct name##3 { type x, y, z; };                                                              \
    struct __attribute__((aligned(4 * bytes > 16 ? 16 : 4 * bytes))) name##4 { type x, y, z, w; }; \
    static inline name##2 make_##name##2(type x, type y) { return {x, y}; }                        \
    static inline name##3 make_##name##3(type x, type y, type z) { return {x, y, z}; }             \
    static inline name##4 make_##name##4(type x, type y, type z, type w) { return {x, y, z, w}; }
WSI_VECTOR(char, signed char, 1)
WSI_VECTOR(uchar, unsigned char, 1)
WSI_VECTOR(short, short, 2)
WSI_VECTOR(ushort, unsigned short, 2)
WSI_VECTOR(int, int, 4)
WSI_VECTOR(uint, unsigned int, 4)
WSI_VECTOR(float, float, 4)
#undef WSI_VECTOR

// ---- barriers, shuffles and votes

static inline uint64_t wsi_stop(uint32_t reason, uint32_t mask, uint64_t value, uint32_t source) {
    __asm__ volatile("" ::: "memory");
    uint64_t answer = wsi_state.stop(reason, mask, value, source);
    __asm__ volatile("" ::: "memory");
    return answer;
}

// The answer to a barrier of the block: how many said yes, and above that how many said no.
static inline void __syncthreads() { wsi_stop(WSI_BLOCK, 0, 0, 0); }
static inline int __syncthreads_count(int p) { return (int)(uint32_t)wsi_stop(WSI_BLOCK, 0, p != 0, 0); }
static inline int __syncthreads_or(int p) { return (uint32_t)wsi_stop(WSI_BLOCK, 0, p != 0, 0) != 0; }
static inline int __syncthreads_and(int p) { return (wsi_stop(WSI_BLOCK, 0, p != 0, 0) >> 32) == 0; }
static inline void __syncwarp(uint32_t mask = ~0u) { wsi_stop(WSI_WARP, mask, 0, 0); }
static inline uint32_t __ballot_sync(uint32_t mask, int p) { return (uint32_t)wsi_stop(WSI_BALLOT, mask, p != 0, 0); }
static inline int __any_sync(uint32_t mask, int p) { return __ballot_sync(mask, p) != 0; }
static inline int __all_sync(uint32_t mask, int p) { return __ballot_sync(mask, !p) == 0; }

template <class T> static inline T wsi_shuffle(uint32_t mask, T value, uint32_t source) {
    static_assert(sizeof(T) == 4 || sizeof(T) == 8, "shuffles move 32 or 64 bits");
    uint64_t bits = 0;
    memcpy(&bits, &value, sizeof(T));
    bits = wsi_stop(WSI_SHUFFLE, mask, bits, source);
    memcpy(&value, &bits, sizeof(T));
    return value;
}

static inline int wsi_lane() { return (int)(threadIdx.x & 31); }

template <class T> static inline T __shfl_sync(uint32_t mask, T value, int source, int width = 32) {
    int first = wsi_lane() & ~(width - 1);
    return wsi_shuffle(mask, value, (uint32_t)(first | (source & (width - 1))));
}
template <class T> static inline T __shfl_up_sync(uint32_t mask, T value, unsigned by, int width = 32) {
    int lane = wsi_lane(), first = lane & ~(width - 1), source = lane - (int)by;
    return wsi_shuffle(mask, value, (uint32_t)(source < first ? lane : source));
}
template <class T> static inline T __shfl_down_sync(uint32_t mask, T value, unsigned by, int width = 32) {
    int lane = wsi_lane(), last = lane | (width - 1), source = lane + (int)by;
    return wsi_shuffle(mask, value, (uint32_t)(source > last ? lane : source));
}
template <class T> static inline T __shfl_xor_sync(uint32_t mask, T value, int by, int width = 32) {
    int lane = wsi_lane(), last = lane | (width - 1), source = lane ^ by;
    return wsi_shuffle(mask, value, (uint32_t)(source > last ? lane : source));
}

// The reductions of compute capability 8.0: a round of shuffles that passes over lanes left out.
template <class Step> static inline uint32_t wsi_reduce(uint32_t mask, uint32_t value, Step step) {
    uint32_t live = __ballot_sync(mask, 1), result = 0;
    bool first = true;
    for (uint32_t lane = 0; lane < 32; lane++) {
        if ((live >> lane & 1) == 0) continue;
        uint32_t other = wsi_shuffle(mask, value, lane);
        result = first ? other : step(result, other);
        first = false;
    }
    return result;
}
static inline uint32_t __reduce_add_sync(uint32_t mask, uint32_t v) {
    return wsi_reduce(mask, v, [](uint32_t a, uint32_t b) { return a + b; });
}
static inline uint32_t __reduce_max_sync(uint32_t mask, uint32_t v) {
    return wsi_reduce(mask, v, [](uint32_t a, uint32_t b) { return a > b ? a : b; });
}
static inline uint32_t __reduce_min_sync(uint32_t mask, uint32_t v) {
    return wsi_reduce(mask, v, [](uint32_t a, uint32_t b) { return a < b ? a : b; });
}
static inline uint32_t __reduce_or_sync(uint32_t mask, uint32_t v) {
    return wsi_reduce(mask, v, [](uint32_t a, uint32_t b) { return a | b; });
}
static inline uint32_t __reduce_and_sync(uint32_t mask, uint32_t v) {
    return wsi_reduce(mask, v, [](uint32_t a, uint32_t b) { return a & b; });
}

static inline void __threadfence() { __asm__ volatile("" ::: "memory"); }
static inline void __threadfence_block() { __asm__ volatile("" ::: "memory"); }

// ---- atomics: a lane runs alone between two stops

// The type of a value follows from what is pointed to alone.
template <class T> struct WsiSame { typedef T type; };
template <class T> using wsi_same = typename WsiSame<T>::type;

#define WSI_ATOMIC(name, expression)                                                               \
    template <class T> static inline T name(T *at, wsi_same<T> value) {                            \
        T old = *at;                                                                               \
        *at = (expression);                                                                        \
        return old;                                                                                \
    }
WSI_ATOMIC(atomicAdd, old + value)
WSI_ATOMIC(atomicSub, old - value)
WSI_ATOMIC(atomicOr, old | value)
WSI_ATOMIC(atomicAnd, old & value)
WSI_ATOMIC(atomicXor, old ^ value)
WSI_ATOMIC(atomicMax, old > value ? old : value)
WSI_ATOMIC(atomicMin, old < value ? old : value)
WSI_ATOMIC(atomicExch, value)
#undef WSI_ATOMIC
template <class T> static inline T atomicCAS(T *at, wsi_same<T> expected, wsi_same<T> value) {
    T old = *at;
    if (old == expected) *at = value;
    return old;
}

// ---- integers

static inline uint32_t __funnelshift_l(uint32_t low, uint32_t high, uint32_t by) {
    by &= 31;
    return by ? high << by | low >> (32 - by) : high;
}
static inline uint32_t __funnelshift_r(uint32_t low, uint32_t high, uint32_t by) {
    by &= 31;
    return by ? low >> by | high << (32 - by) : low;
}
static inline uint32_t __funnelshift_lc(uint32_t low, uint32_t high, uint32_t by) {
    return by >= 32 ? low : __funnelshift_l(low, high, by);
}
static inline uint32_t __funnelshift_rc(uint32_t low, uint32_t high, uint32_t by) {
    return by >= 32 ? high : __funnelshift_r(low, high, by);
}
static inline int __clz(int x) { return x ? __builtin_clz((unsigned)x) : 32; }
static inline int __clzll(long long x) { return x ? __builtin_clzll((unsigned long long)x) : 64; }
static inline int __ffs(int x) { return __builtin_ffs(x); }
static inline int __popc(unsigned x) { return __builtin_popcount(x); }
static inline uint32_t __brev(uint32_t x) {
    uint32_t y = 0;
    for (int i = 0; i < 32; i++) y |= (x >> i & 1) << (31 - i);
    return y;
}
static inline uint32_t __byte_perm(uint32_t a, uint32_t b, uint32_t selector) {
    uint64_t bytes = (uint64_t)b << 32 | a;
    uint32_t out = 0;
    for (int i = 0; i < 4; i++) {
        uint32_t s = selector >> (4 * i) & 15;
        uint32_t byte = (uint32_t)(bytes >> (8 * (s & 7))) & 255;
        if (s & 8) byte = byte & 128 ? 255 : 0;
        out |= byte << (8 * i);
    }
    return out;
}
static inline int __mulhi(int a, int b) { return (int)((int64_t)a * b >> 32); }
static inline uint32_t __umulhi(uint32_t a, uint32_t b) { return (uint32_t)((uint64_t)a * b >> 32); }
static inline float __int_as_float(int x) { float f; memcpy(&f, &x, 4); return f; }
static inline float __uint_as_float(unsigned x) { float f; memcpy(&f, &x, 4); return f; }
static inline int __float_as_int(float f) { int x; memcpy(&x, &f, 4); return x; }
static inline unsigned __float_as_uint(float f) { unsigned x; memcpy(&x, &f, 4); return x; }
template <class T> static inline T __ldg(const T *at) { return *at; }
template <class T> static inline T __ldcg(const T *at) { return *at; }
template <class T> static inline T __ldcs(const T *at) { return *at; }
template <class T> static inline void __stcs(T *at, T value) { *at = value; }
template <class T> static inline void __stcg(T *at, T value) { *at = value; }

// As in CUDA, `min` and `max` take two integers of any two types.
template <class A, class B> static inline auto min(A a, B b) -> decltype(a + b) { return a < b ? a : b; }
template <class A, class B> static inline auto max(A a, B b) -> decltype(a + b) { return a > b ? a : b; }
