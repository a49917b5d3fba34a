// What the kernels read: the objects of a problem as torch holds them, and one of them laid out for packs.
#pragma once

#include <vector>

#include "pack.hpp"

namespace epropnp {

// Contiguous arrays of B objects with N points each, as in problem.py; `Objects` of library.py.
template <class T>
struct Objects {
    const T *x3d, *x2d, *w2d;                         // (B, N, 3), (B, N, 2), (B, N, 2)
    const T *matrix, *clip_min, *clip_max, *corner;   // (B, 3, 3), (B, 2), (B, 2), (B, 2)
    const T* delta;                                   // (B)
    int64_t objects, points;
    double z_min;
};

// Points in the lanes, or one in all of them.
template <class V>
struct Point {
    V x3d[3], x2d[2], w2d[2];
};

// One object with its coordinates side by side, padded by points of no weight. Pixels are relative to their mean, as in
// PnPProblem.crop_to_points: a reprojection error is then no difference of two large numbers.
template <class T>
struct Object {
    double matrix[9];
    T lens[9];  // the matrix, rounded
    T low[2], high[2], corner[2], delta, z_min;
    int64_t points;

    Object(const Objects<T>& all, int64_t index)
        : delta(all.delta[index]), z_min(T(all.z_min)), points(all.points), stride(padded<T>(all.points)), values(7 * stride) {
        const T *x3d = all.x3d + 3 * points * index, *x2d = all.x2d + 2 * points * index, *w2d = all.w2d + 2 * points * index;
        T zero[2];
        mean_pixel(x2d, w2d, zero);
        for (int64_t n = 0; n < points; ++n) {
            for (int c = 0; c < 3; ++c) values[c * stride + n] = x3d[3 * n + c];
            for (int c = 0; c < 2; ++c) values[(3 + c) * stride + n] = x2d[2 * n + c] - zero[c];
            for (int c = 0; c < 2; ++c) values[(5 + c) * stride + n] = w2d[2 * n + c];
        }
        const T* m = all.matrix + 9 * index;
        for (int i = 0; i < 9; ++i) matrix[i] = i < 6 ? double(m[i]) - double(zero[i / 3]) * m[6 + i % 3] : m[i];
        for (int i = 0; i < 9; ++i) lens[i] = T(matrix[i]);
        for (int c = 0; c < 2; ++c) {
            low[c] = all.clip_min[2 * index + c] - zero[c];
            high[c] = all.clip_max[2 * index + c] - zero[c];
            corner[c] = all.corner[2 * index + c] - zero[c];
        }
    }

    // As many points from `n` on as a pack holds.
    INLINE Point<Pack<T>> at(int64_t n) const {
        Point<Pack<T>> point;
        fill(point, [this, n](int c) { return load(&values[c * stride + n]); });
        return point;
    }
    INLINE Point<T> one(int64_t n) const {
        Point<T> point;
        fill(point, [this, n](int c) { return values[c * stride + n]; });
        return point;
    }

    // M [R | t], (3, 4), of a pose: all that a projection needs to know of it.
    template <class Space>
    void projection(const T* pose, T* p) const {
        double exact[Space::dim], r[9];
        for (int i = 0; i < Space::dim; ++i) exact[i] = pose[i];
        Space::rotation(exact, r);
        for (int i = 0; i < 3; ++i) {
            const double* m = matrix + 3 * i;
            for (int j = 0; j < 3; ++j) p[4 * i + j] = T(m[0] * r[j] + m[1] * r[3 + j] + m[2] * r[6 + j]);
            p[4 * i + 3] = T(m[0] * exact[0] + m[1] * exact[1] + m[2] * exact[2]);
        }
    }

  private:
    int64_t stride;
    std::vector<T> values;

    void mean_pixel(const T* x2d, const T* w2d, T* mean) const {
        double total[2] = {0, 0}, count = 0;
        for (int64_t n = 0; n < points; ++n) {
            if (!(w2d[2 * n] + w2d[2 * n + 1] > 0)) continue;
            count += 1;
            for (int c = 0; c < 2; ++c) total[c] += x2d[2 * n + c];
        }
        for (int c = 0; c < 2; ++c) mean[c] = count ? T(total[c] / count) : 0;
    }
    template <class V, class Get>
    static INLINE void fill(Point<V>& point, Get get) {
        for (int c = 0; c < 3; ++c) point.x3d[c] = get(c);
        for (int c = 0; c < 2; ++c) point.x2d[c] = get(3 + c), point.w2d[c] = get(5 + c);
    }
};

}  // namespace epropnp
