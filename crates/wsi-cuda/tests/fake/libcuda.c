// A driver for tests: the functions that wsi-cuda calls, on memory of the host.
//
// WSI_FAKE_CUDA says what it does: "works", or a failure by its name below. To where its
// first argument points, a kernel writes what it was launched with, its second and its fourth argument
// among it. At the end, what was not given back is told.
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef int CUresult;
enum { SUCCESS = 0, INVALID_VALUE = 1, OUT_OF_MEMORY = 2, NO_DEVICE = 100, NO_BINARY = 209, LAUNCH_FAILED = 719 };

static int contexts, pushed, streams, events, pools, pinned, allocations, modules, copies;

static int mode(const char *name) {
    const char *value = getenv("WSI_FAKE_CUDA");
    return value && strcmp(value, name) == 0;
}

__attribute__((destructor)) static void tell(void) {
    int left = contexts + pushed + streams + events + pools + pinned + allocations + modules;
    if (left) {
        fprintf(stderr, "fake driver: left contexts %d pushed %d streams %d events %d pools %d pinned %d "
                        "allocations %d modules %d\n",
                contexts, pushed, streams, events, pools, pinned, allocations, modules);
    }
}

CUresult cuInit(unsigned flags) { (void)flags; return mode("no-device") ? NO_DEVICE : SUCCESS; }
CUresult cuDriverGetVersion(int *version) { *version = 12040; return SUCCESS; }
CUresult cuGetErrorName(CUresult code, const char **text) {
    *text = code == NO_DEVICE ? "CUDA_ERROR_NO_DEVICE" : code == OUT_OF_MEMORY ? "CUDA_ERROR_OUT_OF_MEMORY" : NULL;
    return *text ? SUCCESS : INVALID_VALUE;
}
CUresult cuGetErrorString(CUresult code, const char **text) {
    *text = code == NO_DEVICE ? "no CUDA-capable device is detected" : code == OUT_OF_MEMORY ? "out of memory" : NULL;
    return *text ? SUCCESS : INVALID_VALUE;
}

CUresult cuDeviceGetCount(int *count) { *count = mode("none-of-them") ? 0 : 1; return SUCCESS; }
CUresult cuDeviceGet(int *device, int ordinal) { *device = ordinal; return SUCCESS; }
CUresult cuDeviceGetName(char *name, int length, int device) {
    (void)device;
    snprintf(name, (size_t)length, "Fake");
    return SUCCESS;
}
CUresult cuDeviceTotalMem_v2(size_t *bytes, int device) { (void)device; *bytes = (size_t)3 << 30; return SUCCESS; }
CUresult cuDeviceGetAttribute(int *value, int attribute, int device) {
    (void)device;
    *value = attribute == 75 ? (mode("old") ? 7 : 9) : attribute == 115 ? !mode("no-pools") : 0;
    return SUCCESS;
}
CUresult cuDevicePrimaryCtxRetain(void **context, int device) {
    (void)device;
    if (mode("no-context")) return OUT_OF_MEMORY;
    contexts++;
    *context = &contexts;
    return SUCCESS;
}
CUresult cuDevicePrimaryCtxRelease_v2(int device) { (void)device; contexts--; return SUCCESS; }
CUresult cuCtxPushCurrent_v2(void *context) { (void)context; pushed++; return SUCCESS; }
CUresult cuCtxPopCurrent_v2(void **context) { *context = &contexts; pushed--; return SUCCESS; }
CUresult cuCtxSynchronize(void) { return SUCCESS; }

CUresult cuStreamCreate(void **stream, unsigned flags) {
    (void)flags;
    if (mode("no-stream")) return OUT_OF_MEMORY;
    streams++;
    *stream = &streams;
    return SUCCESS;
}
CUresult cuStreamDestroy_v2(void *stream) { (void)stream; streams--; return SUCCESS; }
CUresult cuStreamSynchronize(void *stream) { (void)stream; return mode("kernel-fails") ? LAUNCH_FAILED : SUCCESS; }
CUresult cuStreamWaitEvent(void *stream, void *event, unsigned flags) {
    (void)stream, (void)event, (void)flags;
    return SUCCESS;
}
CUresult cuEventCreate(void **event, unsigned flags) {
    (void)flags;
    if (mode("no-event")) return OUT_OF_MEMORY;
    events++;
    *event = &events;
    return SUCCESS;
}
CUresult cuEventDestroy_v2(void *event) { (void)event; events--; return SUCCESS; }
CUresult cuEventRecord(void *event, void *stream) { (void)event, (void)stream; return SUCCESS; }
CUresult cuEventSynchronize(void *event) { (void)event; return SUCCESS; }

CUresult cuMemGetInfo_v2(size_t *free, size_t *total) {
    *free = (size_t)2 << 30;
    *total = (size_t)3 << 30;
    return SUCCESS;
}
CUresult cuMemPoolCreate(void **pool, const void *properties) {
    // Pinned, no handles, on a device.
    const int *words = properties;
    if (mode("no-pool") || words[0] != 1 || words[1] != 0 || words[2] != 1) return INVALID_VALUE;
    pools++;
    *pool = &pools;
    return SUCCESS;
}
CUresult cuMemPoolDestroy(void *pool) { (void)pool; pools--; return SUCCESS; }
CUresult cuMemPoolSetAttribute(void *pool, int attribute, void *value) {
    (void)pool, (void)value;
    return attribute == 4 && !mode("no-threshold") ? SUCCESS : INVALID_VALUE;
}
CUresult cuMemPoolGetAttribute(void *pool, int attribute, void *value) {
    (void)pool;
    *(uint64_t *)value = attribute == 5 ? 3000 : 1000;
    return SUCCESS;
}
static CUresult allocate(uint64_t *address, size_t bytes) {
    if (mode("no-memory") || bytes > (size_t)1 << 30) return OUT_OF_MEMORY;
    if (bytes == 0) return INVALID_VALUE;
    void *memory = malloc(bytes);
    if (!memory) return OUT_OF_MEMORY;
    allocations++;
    *address = (uint64_t)(uintptr_t)memory;
    return SUCCESS;
}
CUresult cuMemAlloc_v2(uint64_t *address, size_t bytes) { return allocate(address, bytes); }
CUresult cuMemAllocFromPoolAsync(uint64_t *address, size_t bytes, void *pool, void *stream) {
    (void)pool, (void)stream;
    return allocate(address, bytes);
}
static CUresult give_back(uint64_t address) {
    free((void *)(uintptr_t)address);
    allocations--;
    return SUCCESS;
}
CUresult cuMemFree_v2(uint64_t address) { return give_back(address); }
CUresult cuMemFreeAsync(uint64_t address, void *stream) { (void)stream; return give_back(address); }
CUresult cuMemHostAlloc(void **memory, size_t bytes, unsigned flags) {
    (void)flags;
    // The second is refused, so that the first is given back as well.
    if (mode("no-pinned") && pinned == 1) return OUT_OF_MEMORY;
    *memory = malloc(bytes);
    if (!*memory) return OUT_OF_MEMORY;
    pinned++;
    return SUCCESS;
}
CUresult cuMemFreeHost(void *memory) { free(memory); pinned--; return SUCCESS; }
CUresult cuMemcpyHtoDAsync_v2(uint64_t to, const void *from, size_t bytes, void *stream) {
    (void)stream;
    if (mode("copy-fails") && ++copies > 1) return LAUNCH_FAILED;
    memcpy((void *)(uintptr_t)to, from, bytes);
    return SUCCESS;
}
CUresult cuMemcpyDtoHAsync_v2(void *to, uint64_t from, size_t bytes, void *stream) {
    (void)stream;
    memcpy(to, (const void *)(uintptr_t)from, bytes);
    return SUCCESS;
}
CUresult cuMemsetD8Async(uint64_t to, unsigned char value, size_t bytes, void *stream) {
    (void)stream;
    memset((void *)(uintptr_t)to, value, bytes);
    return SUCCESS;
}

CUresult cuModuleLoadData(void **module, const void *image) {
    int code = memcmp(image, "\177ELF", 4) == 0;
    if (mode("no-image") || (mode("ptx-only") && code)) return NO_BINARY;
    modules++;
    *module = &modules;
    return SUCCESS;
}
CUresult cuModuleUnload(void *module) { (void)module; modules--; return SUCCESS; }
CUresult cuModuleGetFunction(void **function, void *module, const char *name) {
    (void)module;
    if (mode("no-kernel") && strcmp(name, "wsi_finish") == 0) return INVALID_VALUE;
    static char names[8][32];
    static unsigned next;
    char *known = names[next++ % 8];
    snprintf(known, sizeof names[0], "%s", name);
    *function = known;
    return SUCCESS;
}
// What runs kernels in truth, if somebody sets it: name, columns, rows, lanes, parameters.
static int (*runner)(const char *, unsigned, unsigned, unsigned, void **);
void fake_set_runner(int (*run)(const char *, unsigned, unsigned, unsigned, void **)) { runner = run; }

#ifndef WITHOUT_LAUNCH
CUresult cuLaunchKernel(void *function, unsigned x, unsigned y, unsigned z, unsigned lanes, unsigned lanes_y,
                        unsigned lanes_z, unsigned shared, void *stream, void **parameters, void **extra) {
    (void)stream;
    if (mode("launch-fails") || lanes > 1024 || x == 0 || extra) return INVALID_VALUE;
    if (runner) return runner(function, x, y, lanes, parameters) ? LAUNCH_FAILED : SUCCESS;
    uint32_t *out = *(uint32_t **)parameters[0];
    uint32_t words[] = {(uint32_t)strlen(function), x, y, z, lanes, lanes_y, lanes_z, shared,
                        *(uint32_t *)parameters[1], *(uint32_t *)parameters[3]};
    memcpy(out, words, sizeof words);
    return SUCCESS;
}
#endif
