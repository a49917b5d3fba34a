// Random numbers determined by a key and by their purpose, not by the order of calls: results do not depend on threads.
#pragma once

#include "functions.hpp"

namespace epropnp {

// A stream of SplitMix64 (Steele, Lea and Flood 2014) in each lane, begun at a hash of its key; or numbers given beforehand, to compare
// with another implementation. V is double or a pack of doubles: the streams are the same.
template <class V>
class Random {
  public:
    static constexpr int LANES = sizeof(V) / sizeof(double);

    // The streams of `item` and of the items after it, one in each lane.
    Random(uint64_t key, uint64_t object, uint64_t item) {
        uint64_t begin[LANES];
        for (int lane = 0; lane < LANES; ++lane) begin[lane] = mix(mix(key + object * STEP) + (item + lane) * STEP);
        std::memcpy(&state, begin, sizeof(state));
    }
    // Numbers given for each item, `each` of them; lanes beyond the last item repeat it.
    Random(const double* given, int64_t each, int64_t item, int64_t items) {
        for (int lane = 0; lane < LANES; ++lane) next[lane] = given + std::min(item + lane, items - 1) * each;
    }

    // Within (0, 1).
    INLINE V uniform() {
        if (next[0]) return given();
        state += STEP;
        // The upper bits are the digits of a number between one and two.
        return bits_of<V>((mix(state) >> 12) | 0x3ff0000000000000) - (1 - 0x1p-53);
    }
    // Box and Muller's pairs; the second number of a pair is the result of the next call.
    INLINE V normal() {
        if (next[0]) return given();
        waiting = !waiting;
        if (!waiting) return second;
        V sine, cosine;
        const V length = root(-2 * logarithm(uniform()));
        sine_cosine(2 * PI * uniform(), sine, cosine);
        second = length * sine;
        return length * cosine;
    }
    // Chi squared of three degrees of freedom: two of them are an exponential variable.
    INLINE V chi_squared_3() {
        if (next[0]) return given();
        const V one = normal();
        return one * one - 2 * logarithm(uniform());
    }

  private:
    static constexpr uint64_t STEP = 0x9e3779b97f4a7c15;
    const double* next[LANES] = {};
    Bits<V> state = {};
    V second = {};
    bool waiting = false;

    V given() {
        double values[LANES];
        for (int lane = 0; lane < LANES; ++lane) values[lane] = *next[lane]++;
        V numbers;
        std::memcpy(&numbers, values, sizeof(numbers));
        return numbers;
    }
    template <class U>
    static INLINE U mix(U z) {
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
        z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
        return z ^ (z >> 31);
    }
};

}  // namespace epropnp
