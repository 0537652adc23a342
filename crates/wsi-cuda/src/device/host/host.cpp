// The kernels as functions of the host: a table that the executor looks names up in.
//
// `kernels.inc` is written by build.rs: the kernels' sources, and a line for each kernel in them.
#include "shim.h"
#include <type_traits>
#include <utility>

// 1 for a pointer, 0 for an integer of 32 bits: there are no other parameters.
template <class T> struct Parameter {
    static_assert(std::is_pointer<T>::value || (std::is_integral<T>::value && sizeof(T) == 4),
                  "parameters of kernels are pointers and 32-bit integers");
    static constexpr uint8_t pointer = std::is_pointer<T>::value ? 1 : 0;
    static T of(uint64_t bits) {
        if constexpr (std::is_pointer<T>::value) return reinterpret_cast<T>(bits);
        else return static_cast<T>(static_cast<uint32_t>(bits));
    }
};

// The twin of `Entry` in library.rs.
struct Entry {
    const char *name;
    const uint8_t *pointers;
    uint64_t count;
    void (*run)(const uint64_t *arguments);
};

template <auto kernel> struct Adapter;
template <class... P, void (*kernel)(P...)> struct Adapter<kernel> {
    static constexpr uint8_t pointers[sizeof...(P) + 1] = {Parameter<P>::pointer..., 0};
    template <size_t... I> static void call(const uint64_t *arguments, std::index_sequence<I...>) {
        (void)arguments;
        kernel(Parameter<P>::of(arguments[I])...);
    }
    static void run(const uint64_t *arguments) {
        call(arguments, std::index_sequence_for<P...>{});
    }
    static constexpr Entry entry(const char *name) { return {name, pointers, sizeof...(P), run}; }
};

#include "common.cuh"

// Each copy in a namespace of its own: device functions have the same names in all of them.
namespace WSI_PASTE(wsi_copy, WSI_COPY) {
#define WSI_SOURCES
#include "kernels.inc"
#undef WSI_SOURCES
}
using namespace WSI_PASTE(wsi_copy, WSI_COPY);

static const Entry wsi_entries[] = {
#define WSI_KERNEL(kernel, name) Adapter<kernel>::entry(name),
#include "kernels.inc"
#undef WSI_KERNEL
};

// Where the fields of the shared structs lie; a field without a name is the whole struct. The twin of
// `Field` in library.rs.
struct Field {
    const char *structure, *field;
    uint64_t offset, size;
};

static const Field wsi_fields[] = {
#define WSI_STRUCT(type) {#type, "", 0, sizeof(type)},
#define WSI_FIELD(type, name) {#type, #name, offsetof(type, name), sizeof(((type *)nullptr)->name)},
#include "kernels.inc"
#undef WSI_FIELD
#undef WSI_STRUCT
};

// There is always some shared memory, so that the section exists.
__shared__ uint32_t wsi_shared_anchor[1];
extern "C" unsigned char WSI_PASTE(__start_, WSI_SECTION)[];
extern "C" unsigned char WSI_PASTE(__stop_, WSI_SECTION)[];

__attribute__((no_sanitize("address"))) static void wsi_spoil(uint32_t pattern) {
    volatile unsigned char *at = WSI_PASTE(__start_, WSI_SECTION);
    unsigned char *end = WSI_PASTE(__stop_, WSI_SECTION);
    while (at < end) {
        *at++ = (unsigned char)pattern;
        pattern = pattern >> 8 | pattern << 24;
    }
}

// The twin of `Copy` in library.rs.
struct Copy {
    WsiState *state;
    const Entry *entries;
    uint64_t count;
    const Field *fields;
    uint64_t field_count;
    uint32_t *anchor;
    void (*spoil)(uint32_t pattern);
};

extern "C" void WSI_PASTE(wsi_host_copy_, WSI_COPY)(Copy *copy) {
    *copy = {
        &wsi_state,
        wsi_entries,
        sizeof wsi_entries / sizeof wsi_entries[0],
        wsi_fields,
        sizeof wsi_fields / sizeof wsi_fields[0],
        wsi_shared_anchor,
        wsi_spoil,
    };
}
