// The pose spaces, as in spaces/: rotation matrix, chain rule into the tangent, retraction. V is a number or a pack.
#pragma once

#include "functions.hpp"

namespace epropnp {

struct Yaw {
    static constexpr int dim = 4, dof = 4, spanned_dims = 1;

    template <class V>
    static INLINE void rotation(const V* pose, V* r) {
        V sine, cosine;
        sine_cosine(pose[3], sine, cosine);
        const V zero = {}, one = zero + 1;
        const V rows[9] = {cosine, zero, sine, zero, one, zero, -sine, zero, cosine};
        for (int i = 0; i < 9; ++i) r[i] = rows[i];
    }
    // dR/dyaw X = (z, 0, -x) of the rotated point.
    template <class V>
    static INLINE void chain(const V* arm, const V* slope, V* row) {
        for (int i = 0; i < 3; ++i) row[i] = slope[i];
        row[3] = slope[0] * arm[2] - slope[2] * arm[0];
    }
    // Derivatives of <row, by_row> in slope, and added to those in arm.
    template <class V>
    static INLINE void chain_gradient(const V* arm, const V* slope, const V* by_row, V* by_slope, V* by_arm) {
        for (int i = 0; i < 3; ++i) by_slope[i] = by_row[i];
        by_slope[0] += by_row[3] * arm[2];
        by_slope[2] -= by_row[3] * arm[0];
        by_arm[2] += by_row[3] * slope[0];
        by_arm[0] -= by_row[3] * slope[2];
    }
    template <class V>
    static INLINE void retract(const V* pose, const V* step, V* moved) {
        for (int i = 0; i < 4; ++i) moved[i] = pose[i] + step[i];
    }
    // Cosine of the angle between two orientations.
    template <class T>
    static T angle_cosine(const T* one, const T* other) {
        return std::cos(one[3] - other[3]);
    }
};

struct Rigid {
    static constexpr int dim = 7, dof = 6, spanned_dims = 2;

    template <class V>
    static INLINE void rotation(const V* pose, V* r) {
        const V scale = 1 / root(pose[3] * pose[3] + pose[4] * pose[4] + pose[5] * pose[5] + pose[6] * pose[6]);
        const V w = pose[3] * scale, i = pose[4] * scale, j = pose[5] * scale, k = pose[6] * scale;
        const V rows[9] = {1 - 2 * (j * j + k * k), 2 * (i * j - w * k),     2 * (i * k + w * j),
                           2 * (i * j + w * k),     1 - 2 * (i * i + k * k), 2 * (j * k - w * i),
                           2 * (i * k - w * j),     2 * (j * k + w * i),     1 - 2 * (i * i + j * j)};
        for (int n = 0; n < 9; ++n) r[n] = rows[n];
    }
    // A turn by -2 d moves the point by -2 d x (R X): the derivative is -2 (R X) x slope.
    template <class V>
    static INLINE void chain(const V* arm, const V* slope, V* row) {
        for (int i = 0; i < 3; ++i) row[i] = slope[i];
        row[3] = -2 * (arm[1] * slope[2] - arm[2] * slope[1]);
        row[4] = -2 * (arm[2] * slope[0] - arm[0] * slope[2]);
        row[5] = -2 * (arm[0] * slope[1] - arm[1] * slope[0]);
    }
    // <b, a x s> = <s, b x a> = <a, s x b>.
    template <class V>
    static INLINE void chain_gradient(const V* arm, const V* slope, const V* by_row, V* by_slope, V* by_arm) {
        for (int i = 0; i < 3; ++i) {
            const int j = (i + 1) % 3, k = (i + 2) % 3;
            by_slope[i] = by_row[i] - 2 * (by_row[3 + j] * arm[k] - by_row[3 + k] * arm[j]);
            by_arm[i] -= 2 * (slope[j] * by_row[3 + k] - slope[k] * by_row[3 + j]);
        }
    }
    // normalize(q + T(q) d), _quaternion.step.
    template <class V>
    static INLINE void retract(const V* pose, const V* step, V* moved) {
        for (int i = 0; i < 3; ++i) moved[i] = pose[i] + step[i];
        const V w = pose[3], i = pose[4], j = pose[5], k = pose[6], *d = step + 3;
        const V q[4] = {w + i * d[0] + j * d[1] + k * d[2], i - w * d[0] - k * d[1] + j * d[2],
                        j + k * d[0] - w * d[1] - i * d[2], k - j * d[0] + i * d[1] - w * d[2]};
        const V length = root(q[0] * q[0] + q[1] * q[1] + q[2] * q[2] + q[3] * q[3]);
        for (int n = 0; n < 4; ++n) moved[3 + n] = q[n] / length;
    }
    template <class T>
    static T angle_cosine(const T* one, const T* other) {
        const T half = one[3] * other[3] + one[4] * other[4] + one[5] * other[5] + one[6] * other[6];
        return 2 * half * half - 1;
    }
};

// Whether the numbers are a pose: all are finite, and the quaternion is not zero.
template <class Space, class T>
INLINE bool exists(const T* pose) {
    T turn = 0;
    for (int i = 3; i < Space::dim; ++i) turn += pose[i] * pose[i];
    for (int i = 0; i < Space::dim; ++i)
        if (!std::isfinite(pose[i])) return false;
    return std::isfinite(turn) && (Space::spanned_dims == 1 || turn > 0);
}

// The pose at the origin of the camera frame, not rotated.
template <class Space, class T>
INLINE void set_identity(T* pose) {
    for (int i = 0; i < Space::dim; ++i) pose[i] = T(i == 3 && Space::spanned_dims == 2);
}

}  // namespace epropnp
