// Random numbers that are told by a key and by what they are for, not by who asks first: results do not depend on threads.
#pragma once

#include <cmath>
#include <cstdint>

#include "pack.hpp"

namespace epropnp {

constexpr double PI = 3.14159265358979323846;

// A stream of SplitMix64 (Steele, Lea and Flood 2014), begun at a hash of its key; or numbers given beforehand, to compare with
// others who draw the same.
class Random {
  public:
    Random(uint64_t key, uint64_t object, uint64_t item) : state(mix(mix(key + object * STEP) + item * STEP)) {}
    explicit Random(const double* given) : given(given) {}

    // Within (0, 1).
    INLINE double uniform() {
        if (given) return *given++;
        state += STEP;
        return (double(mix(state) >> 11) + 0.5) * 0x1p-53;
    }
    // Box and Muller's pairs; the second of each waits for its turn.
    INLINE double normal() {
        if (given) return *given++;
        if (waiting) {
            waiting = false;
            return second;
        }
        const double length = std::sqrt(-2 * std::log(uniform())), angle = 2 * PI * uniform();
        second = length * std::sin(angle);
        waiting = true;
        return length * std::cos(angle);
    }
    // Chi squared of three degrees of freedom: two of them are an exponential variable.
    INLINE double chi_squared_3() {
        if (given) return *given++;
        const double one = normal();
        return one * one - 2 * std::log(uniform());
    }

  private:
    static constexpr uint64_t STEP = 0x9e3779b97f4a7c15;
    const double* given = nullptr;
    uint64_t state = 0;
    bool waiting = false;
    double second = 0;

    static INLINE uint64_t mix(uint64_t z) {
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
        z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
        return z ^ (z >> 31);
    }
};

}  // namespace epropnp
