// Sine, cosine, exponential and logarithm of packs, by argument reduction and power series whose terms fall below rounding; those of
// numbers are the standard library's.
#pragma once

#include <array>
#include <limits>

#include "pack.hpp"

namespace epropnp {

constexpr double PI = 3.14159265358979323846;

constexpr double factorial(int n) { return n < 2 ? 1 : n * factorial(n - 1); }

template <int TERMS, class Coefficient>
constexpr std::array<double, TERMS> table(Coefficient coefficient) {
    std::array<double, TERMS> values{};
    for (int k = 0; k < TERMS; ++k) values[k] = coefficient(k);
    return values;
}

constexpr auto SINE = table<9>([](int k) { return (k % 2 ? -1 : 1) / factorial(2 * k + 1); });
constexpr auto COSINE = table<10>([](int k) { return (k % 2 ? -1 : 1) / factorial(2 * k); });
constexpr auto EXPONENTIAL = table<14>([](int k) { return 1 / factorial(k); });
constexpr auto LOGARITHM = table<11>([](int k) { return 1.0 / (2 * k + 1); });

// The sum of the first TERMS of c_k x^k.
template <int TERMS, class V, size_t N>
INLINE V series(V x, const std::array<double, N>& c) {
    static_assert(TERMS <= N);
    V total = V{} + Lane<V>(c[TERMS - 1]);
#pragma GCC unroll 16
    for (int k = TERMS - 2; k >= 0; --k) total = total * x + Lane<V>(c[k]);
    return total;
}

// The nearest whole number, as such and in the low bits of the second: adding 1.5 2^23 or 1.5 2^52 rounds the rest away.
template <class V>
struct Whole {
    V number;
    Bits<V> bits;
};
template <class V>
INLINE Whole<V> nearest(V x) {
    const V shift = V{} + Lane<V>(sizeof(Lane<V>) == 4 ? 0x1.8p23 : 0x1.8p52), shifted = x + shift;
    return {shifted - shift, bits_of<Bits<V>>(shifted)};
}

// For large arguments, where the reduction is too coarse, and for values that are not finite. A function of its own: it is rare and long.
template <class V>
__attribute__((noinline)) void sine_cosine_of_each(const V& x, V& sine, V& cosine) {
    sine = each(x, [](auto one) { return std::sin(one); });
    cosine = each(x, [](auto one) { return std::cos(one); });
}

INLINE void sine_cosine(float x, float& sine, float& cosine) { sine = std::sin(x), cosine = std::cos(x); }
INLINE void sine_cosine(double x, double& sine, double& cosine) { sine = std::sin(x), cosine = std::cos(x); }
template <class V>
INLINE void sine_cosine(V x, V& sine, V& cosine) {
    using T = Lane<V>;
    const V none = {}, size = x < none ? -x : x;
    if (any(!(size < none + T(1000)))) return sine_cosine_of_each(x, sine, cosine);
    const auto turns = nearest(x * T(2 / PI));
    // pi / 2 in parts of few bits, whose products with the turns are exact.
    constexpr bool SINGLE = sizeof(T) == 4;
    constexpr T FIRST = T(SINGLE ? 0x1.92p0 : 0x1.921fb544p0), SECOND = T(SINGLE ? 0x1.fb4p-12 : 0x1.0b4611a6p-34);
    constexpr T THIRD = T(SINGLE ? 0x1.4442d18469899p-24 : 0x1.3198a2e037073p-69);
    const V rest = ((x - turns.number * FIRST) - turns.number * SECOND) - turns.number * THIRD, square = rest * rest;
    const V odd = rest * series<SINGLE ? 5 : 9>(square, SINE), even = series<SINGLE ? 6 : 10>(square, COSINE);
    const auto swapped = (turns.bits & 1) != 0, sine_flips = (turns.bits & 2) != 0, cosine_flips = ((turns.bits + 1) & 2) != 0;
    const V one = swapped ? even : odd, other = swapped ? odd : even;
    sine = sine_flips ? -one : one;
    cosine = cosine_flips ? -other : other;
}

// Zero below the smallest normal number.
INLINE double exponential(double x) { return std::exp(x); }
template <class V>
INLINE V exponential(V x) {
    static_assert(sizeof(Lane<V>) == 8);
    const auto powers = nearest(x * 1.4426950408889634);
    const V rest = (x - powers.number * 0x1.62e42feep-1) - powers.number * 0x1.a39ef35793c76p-33;
    const V scale = bits_of<V>((powers.bits + 1023) << 52);
    const V value = scale * series<14>(rest, EXPONENTIAL);
    const V none = {}, held = x > none + 709.0 ? none + std::numeric_limits<double>::infinity() : value;
    return x < none - 708.0 ? none : held;
}

// The logarithm of positive normal numbers; minus infinity at zero.
INLINE double logarithm(double x) { return std::log(x); }
template <class V>
INLINE V logarithm(V x) {
    static_assert(sizeof(Lane<V>) == 8);
    const auto bits = bits_of<Bits<V>>(x);
    // x = m 2^n with m between the roots of 1/2 and 2.
    const auto shifted = bits + (0x3ff0000000000000 - 0x3fe6a09e667f3bcd);
    const V mantissa = bits_of<V>((shifted & 0x000fffffffffffff) + 0x3fe6a09e667f3bcd);
    // The exponent as a number: its bits below 2^52.
    const V power = bits_of<V>((shifted >> 52) | 0x4330000000000000) - (0x1p52 + 1023);
    const V ratio = (mantissa - 1) / (mantissa + 1), square = ratio * ratio;
    const V value = power * 0.6931471805599453 + 2 * ratio * series<11>(square, LOGARITHM);
    const V none = {};
    return x > none ? (x - x == none ? value : x) : (x == none ? none - std::numeric_limits<double>::infinity() : none / none);
}

}  // namespace epropnp
