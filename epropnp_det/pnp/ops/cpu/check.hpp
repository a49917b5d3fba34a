// Checks of a problem (numbers within limits, invertible cameras) and the adaptive threshold.
#pragma once

#include <limits>

#include "object.hpp"

namespace epropnp {

// Whether all numbers are within limits; a NaN is not.
template <class T>
bool within(const T* values, int64_t number, T low, T high) {
    bool fine = true;
    for (int64_t n = 0; n < number; ++n) fine &= (values[n] >= low) & (values[n] <= high);
    return fine;
}

// problem._invertible: the rows of a camera matrix (3, 3) do not lie in a plane.
template <class T>
bool invertible(const T* m) {
    double volume = 0, lengths = 1;
    for (int i = 0; i < 3; ++i) {
        const int j = (i + 1) % 3, k = (i + 2) % 3;
        volume += double(m[i]) * (double(m[3 + j]) * m[6 + k] - double(m[3 + k]) * m[6 + j]);
        lengths *= std::sqrt(double(m[3 * i]) * m[3 * i] + double(m[3 * i + 1]) * m[3 * i + 1] + double(m[3 * i + 2]) * m[3 * i + 2]);
    }
    return std::abs(volume) > SMALLEST * lengths;
}

// Whether cameras and thresholds of all objects can be used.
template <class T>
bool usable(const Objects<T>& all) {
    if (!within(all.matrix, 9 * all.objects, T(-LARGEST), T(LARGEST))) return false;
    for (int64_t index = 0; index < all.objects; ++index) {
        const T delta = all.delta[index];
        if (!(delta > T(SMALLEST) && delta < T(LARGEST * LARGEST) && invertible(all.matrix + 9 * index))) return false;
    }
    return true;
}

// Image points (B, N, 2), their weights (B, N, 2) and which of them exist (B, N), or null for all.
template <class T>
struct ImagePoints {
    const T *x2d, *w2d;
    const bool* mask;
    int64_t points;
};

// The statistics of robust.adaptive_threshold, which is factor * mean weight * spread.
struct Extent {
    double mean[2] = {0, 0}, number = 0, weight = 0, variance = 0;

    template <class T>
    Extent(const ImagePoints<T>& all, int64_t index) {
        const int64_t from = index * all.points, to = from + all.points;
        for (int64_t n = from; n < to; ++n) {
            const double counts = all.mask ? all.mask[n] : 1;
            number += counts;
            weight += counts * (double(all.w2d[2 * n]) + all.w2d[2 * n + 1]);
            for (int c = 0; c < 2; ++c) mean[c] += counts * all.x2d[2 * n + c];
        }
        for (double& one : mean) one /= std::max(number, 1.0);
        weight /= 2 * std::max(number, 1.0);
        for (int64_t n = from; n < to; ++n)
            for (int c = 0; c < 2; ++c) {
                const double arm = all.x2d[2 * n + c] - mean[c];
                variance += (all.mask ? all.mask[n] : 1) * arm * arm;
            }
        variance /= std::max(number - 1, 1.0);
    }
    // At least the square root of the smallest normal number, so the derivative is finite for points that coincide.
    template <class T>
    double spread() const {
        return std::sqrt(std::max(variance, double(std::numeric_limits<T>::min())));
    }
};

// The derivatives of a threshold, times `by_threshold`, in x2d and w2d.
template <class T>
void threshold_gradient(const ImagePoints<T>& all, int64_t index, double factor, double by_threshold, T* x2d, T* w2d) {
    const Extent extent(all, index);
    const bool flat = !(extent.variance >= std::numeric_limits<T>::min());
    const double spread = extent.spread<T>(), by_weight = by_threshold * factor * spread / (2 * std::max(extent.number, 1.0));
    const double by_arm = flat ? 0 : by_threshold * factor * extent.weight / (spread * std::max(extent.number - 1, 1.0));
    for (int64_t n = index * all.points; n < (index + 1) * all.points; ++n)
        for (int c = 0; c < 2; ++c) {
            const bool counts = !all.mask || all.mask[n];
            x2d[2 * n + c] = counts ? T(by_arm * (all.x2d[2 * n + c] - extent.mean[c])) : 0;
            w2d[2 * n + c] = counts ? T(by_weight) : 0;
        }
}

}  // namespace epropnp
