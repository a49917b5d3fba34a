// The pose spaces, as in pose.py: rotation matrix, chain rule into the tangent, retraction. V is a number or a pack.
#pragma once

#include "pack.hpp"

namespace epropnp {

INLINE float root(float value) { return std::sqrt(value); }
INLINE double root(double value) { return std::sqrt(value); }

struct Yaw {
    static constexpr int dim = 4, dof = 4;

    template <class V>
    static INLINE void rotation_of(V sine, V cosine, V* r) {
        const V zero = {}, one = zero + 1;
        const V rows[9] = {cosine, zero, sine, zero, one, zero, -sine, zero, cosine};
        for (int i = 0; i < 9; ++i) r[i] = rows[i];
    }
    template <class T>
    static INLINE void rotation(const T* pose, T* r) {
        rotation_of(std::sin(pose[3]), std::cos(pose[3]), r);
    }
    template <class T>
    static INLINE void rotations(const Pack<T>* pose, Pack<T>* r) {
        const auto sine = each(pose[3], [](T x) { return std::sin(x); }), cosine = each(pose[3], [](T x) { return std::cos(x); });
        rotation_of(sine, cosine, r);
    }
    // dR/dyaw X = (z, 0, -x) of the rotated point.
    template <class V>
    static INLINE void chain(const V* arm, const V* slope, V* row) {
        for (int i = 0; i < 3; ++i) row[i] = slope[i];
        row[3] = slope[0] * arm[2] - slope[2] * arm[0];
    }
    template <class V>
    static INLINE void retract(const V* pose, const V* step, V* moved) {
        for (int i = 0; i < 4; ++i) moved[i] = pose[i] + step[i];
    }
};

struct Rigid {
    static constexpr int dim = 7, dof = 6;

    template <class V>
    static INLINE void rotation_of(const V* pose, V* r) {
        const V scale = 1 / root(pose[3] * pose[3] + pose[4] * pose[4] + pose[5] * pose[5] + pose[6] * pose[6]);
        const V w = pose[3] * scale, i = pose[4] * scale, j = pose[5] * scale, k = pose[6] * scale;
        const V rows[9] = {1 - 2 * (j * j + k * k), 2 * (i * j - w * k),     2 * (i * k + w * j),
                           2 * (i * j + w * k),     1 - 2 * (i * i + k * k), 2 * (j * k - w * i),
                           2 * (i * k - w * j),     2 * (j * k + w * i),     1 - 2 * (i * i + j * j)};
        for (int n = 0; n < 9; ++n) r[n] = rows[n];
    }
    template <class T>
    static INLINE void rotation(const T* pose, T* r) {
        rotation_of(pose, r);
    }
    template <class T>
    static INLINE void rotations(const Pack<T>* pose, Pack<T>* r) {
        rotation_of(pose, r);
    }
    // A turn by -2 d moves the point by -2 d x (R X): the derivative is -2 (R X) x slope.
    template <class V>
    static INLINE void chain(const V* arm, const V* slope, V* row) {
        for (int i = 0; i < 3; ++i) row[i] = slope[i];
        row[3] = -2 * (arm[1] * slope[2] - arm[2] * slope[1]);
        row[4] = -2 * (arm[2] * slope[0] - arm[0] * slope[2]);
        row[5] = -2 * (arm[0] * slope[1] - arm[1] * slope[0]);
    }
    // normalize(q + T(q) d), quaternion.step.
    template <class V>
    static INLINE void retract(const V* pose, const V* step, V* moved) {
        for (int i = 0; i < 3; ++i) moved[i] = pose[i] + step[i];
        const V w = pose[3], i = pose[4], j = pose[5], k = pose[6], *d = step + 3;
        const V q[4] = {w + i * d[0] + j * d[1] + k * d[2], i - w * d[0] - k * d[1] + j * d[2],
                        j + k * d[0] - w * d[1] - i * d[2], k - j * d[0] + i * d[1] - w * d[2]};
        const V length = root(q[0] * q[0] + q[1] * q[1] + q[2] * q[2] + q[3] * q[3]);
        for (int n = 0; n < 4; ++n) moved[3 + n] = q[n] / length;
    }
};

template <class T>
INLINE bool all_finite(const T* values, int number) {
    for (int i = 0; i < number; ++i)
        if (!std::isfinite(values[i])) return false;
    return true;
}

}  // namespace epropnp
