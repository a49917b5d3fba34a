// Numbers side by side: the widest vector of the instruction set that this is compiled for.
//
// With the vector extension of GCC and Clang, +, < and ?: work on packs lane by lane. The build needs no fast-math, and a NaN stays
// a NaN.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <type_traits>

#if defined(__SSE__)
#include <immintrin.h>
#endif

#if defined(__AVX512F__)
#define PACK_BYTES 64
#elif defined(__AVX2__)
#define PACK_BYTES 32
#else
#define PACK_BYTES 16
#endif
#define INLINE inline __attribute__((always_inline))

namespace epropnp {

template <class T>
struct PackOf;
template <>
struct PackOf<float> {
    typedef float type __attribute__((vector_size(PACK_BYTES)));
};
template <>
struct PackOf<double> {
    typedef double type __attribute__((vector_size(PACK_BYTES)));
};
template <class T>
using Pack = typename PackOf<T>::type;
template <class T>
constexpr int WIDTH = PACK_BYTES / sizeof(T);

// The least multiple of the width that is at least `number`.
template <class T>
INLINE int64_t padded(int64_t number) {
    return (number + WIDTH<T> - 1) / WIDTH<T> * WIDTH<T>;
}

template <class T>
INLINE Pack<T> load(const T* from) {
    Pack<T> pack;
    std::memcpy(&pack, from, sizeof(pack));
    return pack;
}

template <class T>
INLINE void store(T* to, Pack<T> pack) {
    std::memcpy(to, &pack, sizeof(pack));
}

// The same number in every lane.
template <class T>
INLINE Pack<T> everywhere(T value) {
    return Pack<T>{} + value;
}

// Halves are added until one number is left.
template <class T, int NUMBER = WIDTH<T>, class V>
INLINE T sum(V pack) {
    if constexpr (NUMBER == 2) {
        return pack[0] + pack[1];
    } else {
        typedef T Half __attribute__((vector_size(NUMBER / 2 * sizeof(T))));
        Half halves[2];
        std::memcpy(halves, &pack, sizeof(pack));
        return sum<T, NUMBER / 2>(halves[0] + halves[1]);
    }
}

// Limits that keep a NaN, as torch.clamp does: a comparison with NaN is false.
template <class V, class Low>
INLINE V at_least(V value, Low low) {
    const V limit = V{} + low;
    return value < limit ? limit : value;
}

template <class V, class High>
INLINE V at_most(V value, High high) {
    const V limit = V{} + high;
    return value > limit ? limit : value;
}

// The type of the numbers in a pack, or of a number itself: formulas are written once for both.
template <class V>
struct LaneOf {
    using type = std::decay_t<decltype(V{}[0])>;
};
template <>
struct LaneOf<float> {
    using type = float;
};
template <>
struct LaneOf<double> {
    using type = double;
};
template <class V>
using Lane = typename LaneOf<V>::type;

// Unsigned integers of the size of the lanes.
template <class V>
struct BitsOf {
    typedef std::conditional_t<sizeof(Lane<V>) == 4, uint32_t, uint64_t> type __attribute__((vector_size(sizeof(V))));
};
template <>
struct BitsOf<double> {
    using type = uint64_t;
};
template <class V>
using Bits = typename BitsOf<V>::type;

template <class To, class From>
INLINE To bits_of(From from) {
    static_assert(sizeof(To) == sizeof(From));
    To to;
    std::memcpy(&to, &from, sizeof(to));
    return to;
}

INLINE bool any(bool choice) { return choice; }
template <class Mask>
INLINE bool any(Mask choice) {
#if PACK_BYTES == 64
    return _mm512_test_epi32_mask((__m512i)choice, (__m512i)choice) != 0;
#elif PACK_BYTES == 32
    return _mm256_movemask_epi8((__m256i)choice) != 0;
#else
    uint64_t words[2];
    std::memcpy(words, &choice, sizeof(choice));
    return (words[0] | words[1]) != 0;
#endif
}

// A function of one number, lane by lane. The compiler makes one instruction of the square root.
template <class V, class Function>
INLINE V each(V value, Function function) {
    V result;
    for (unsigned lane = 0; lane < sizeof(V) / sizeof(value[0]); ++lane) result[lane] = function(value[lane]);
    return result;
}

INLINE float root(float value) { return std::sqrt(value); }
INLINE double root(double value) { return std::sqrt(value); }
template <class V>
INLINE V root(V value) {
    return each(value, [](auto x) { return std::sqrt(x); });
}

// While an object of this class exists, subnormal numbers count as zero in this thread. Weights of samples far from the mode are
// subnormal, and a processor takes about a hundred times longer for each of them.
class NoSubnormals {
  public:
#if defined(__SSE__)
    NoSubnormals() : before(_mm_getcsr()) { _mm_setcsr(before | 0x8040); }
    ~NoSubnormals() { _mm_setcsr(before); }

  private:
    unsigned before;
#endif
};

}  // namespace epropnp
