// The input of the kernels: the objects of a problem in the layout of torch, and one object in the layout of packs.
#pragma once

#include <algorithm>
#include <vector>

#include "pack.hpp"

namespace epropnp {

// _constants.py has these numbers with their reasons.
constexpr double LARGEST = 1e6, SMALLEST = 1e-10;

// Contiguous arrays of B objects with N points each, as in problem.py; `Objects` of library.py.
template <class T>
struct Objects {
    const T *x3d, *x2d, *w2d;                               // (B, N, 3), (B, N, 2), (B, N, 2)
    const T *matrix, *clip_min, *clip_max, *image_origin;   // (B, 3, 3), (B, 2), (B, 2), (B, 2)
    const T* delta;                                         // (B)
    const bool* mask;                                       // (B, N), or null: all points exist
    int64_t objects, points;
    double z_min;
};

// Points in the lanes, or one in all of them.
template <class V>
struct Point {
    V x3d[3], x2d[2], w2d[2];
};

// A pose of the centred object: a rotation, and the position of the mean of the object points in the camera frame.
template <class V>
struct Placed {
    V r[9], t[3];
};

// One object with its coordinates side by side, padded by points of no weight.
//
// Object points are relative to their mean, as in PnPProblem.centre: solver and proposals move that mean and turn the object about it.
// Pixels are relative to theirs, as in PnPProblem.crop_to_points: a reprojection error is then no difference of two large numbers.
template <class T>
struct Object {
    double matrix[9], mean[3] = {0, 0, 0};
    T lens[9];  // the matrix, rounded
    T low[2], high[2], image_origin[2], delta, z_min;
    int64_t points;

    Object(const Objects<T>& all, int64_t index)
        : delta(all.delta[index]), z_min(T(all.z_min)), points(all.points), stride(padded<T>(all.points)), values(7 * stride) {
        const T *x3d = all.x3d + 3 * points * index, *x2d = all.x2d + 2 * points * index, *w2d = all.w2d + 2 * points * index;
        const bool* mask = all.mask ? all.mask + points * index : nullptr;
        double pixel[2] = {0, 0};
        int64_t count = 0;
        for (int64_t n = 0; n < points; ++n) {
            if (mask && !mask[n]) continue;
            ++count;
            for (int c = 0; c < 3; ++c) mean[c] += x3d[3 * n + c];
            for (int c = 0; c < 2; ++c) pixel[c] += x2d[2 * n + c];
        }
        for (double& one : mean) one = T(one / std::max<int64_t>(count, 1));
        T zero[2];
        for (int c = 0; c < 2; ++c) zero[c] = T(pixel[c] / std::max<int64_t>(count, 1));
        for (int64_t n = 0; n < points; ++n) {
            for (int c = 0; c < 3; ++c) values[c * stride + n] = x3d[3 * n + c] - T(mean[c]);
            for (int c = 0; c < 2; ++c) values[(3 + c) * stride + n] = x2d[2 * n + c] - zero[c];
            for (int c = 0; c < 2; ++c) values[(5 + c) * stride + n] = w2d[2 * n + c];
        }
        const T* m = all.matrix + 9 * index;
        for (int i = 0; i < 9; ++i) matrix[i] = i < 6 ? double(m[i]) - double(zero[i / 3]) * m[6 + i % 3] : m[i];
        for (int i = 0; i < 9; ++i) lens[i] = T(matrix[i]);
        for (int c = 0; c < 2; ++c) {
            low[c] = all.clip_min[2 * index + c] - zero[c];
            high[c] = all.clip_max[2 * index + c] - zero[c];
            image_origin[c] = all.image_origin[2 * index + c] - zero[c];
        }
    }

    // A pack of points, from `n` on.
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

    // The pose of the centred object from that of the object; `V` is double or a pack of doubles.
    template <class Space, class V>
    INLINE Placed<V> place(const V* pose) const {
        Placed<V> placed;
        Space::rotation(pose, placed.r);
        for (int i = 0; i < 3; ++i) placed.t[i] = pose[i] + lever(placed.r, i);
        return placed;
    }
    template <class Space>
    Placed<double> place(const float* pose) const {
        double exact[Space::dim];
        std::copy_n(pose, Space::dim, exact);
        return place<Space>(exact);
    }
    // Coordinate i of the rotated mean: the translation of the centred object minus that of the object.
    template <class V>
    INLINE V lever(const V* r, int i) const {
        return r[3 * i] * mean[0] + r[3 * i + 1] * mean[1] + r[3 * i + 2] * mean[2];
    }
    // The pose (in place) from that of the centred object.
    template <class Space>
    void uncentre(double* pose) const {
        double r[9];
        Space::rotation(pose, r);
        for (int i = 0; i < 3; ++i) pose[i] -= lever(r, i);
    }

    // M [R | t], (3, 4).
    template <class V, class P>
    INLINE void projection(const Placed<V>& placed, P* p) const {
        const V* r = placed.r;
        for (int i = 0; i < 3; ++i) {
            const double* m = matrix + 3 * i;
            for (int j = 0; j < 3; ++j) p[4 * i + j] = P(m[0] * r[j] + m[1] * r[3 + j] + m[2] * r[6 + j]);
            p[4 * i + 3] = P(m[0] * placed.t[0] + m[1] * placed.t[1] + m[2] * placed.t[2]);
        }
    }

  private:
    int64_t stride;
    std::vector<T> values;

    template <class V, class Get>
    static INLINE void fill(Point<V>& point, Get get) {
        for (int c = 0; c < 3; ++c) point.x3d[c] = get(c);
        for (int c = 0; c < 2; ++c) point.x2d[c] = get(3 + c), point.w2d[c] = get(5 + c);
    }
};

// PnPProblem.determines: there are points of positive weight that do not all coincide, nor lie on one line (where they must span 2 dims).
template <class T>
bool determines(const Object<T>& object, int spanned_dims) {
    using V = Pack<T>;
    V weight = {}, moment[5] = {};
    const auto coordinate = [](const Point<V>& point, int c) { return c < 3 ? point.x3d[c] : point.x2d[c - 3]; };
    for (int64_t n = 0; n < object.points; n += WIDTH<T>) {
        const auto point = object.at(n);
        const V both = point.w2d[0] + point.w2d[1];
        weight += both;
        for (int c = 0; c < 5; ++c) moment[c] += both * coordinate(point, c);
    }
    T mean[5], total = std::max(sum<T>(weight), T(SMALLEST)), longest = 0, line[3] = {};
    for (int c = 0; c < 5; ++c) mean[c] = sum<T>(moment[c]) / total;
    V square[2] = {}, across = {};
    for (int64_t n = 0; n < object.points; n += WIDTH<T>) {
        const auto point = object.at(n);
        const V share = (point.w2d[0] + point.w2d[1]) / total;
        for (int c = 0; c < 5; ++c) square[c / 3] += share * (coordinate(point, c) - mean[c]) * (coordinate(point, c) - mean[c]);
    }
    if (!(sum<T>(square[0]) > T(SMALLEST) && sum<T>(square[1]) > T(SMALLEST))) return false;
    if (spanned_dims == 1) return true;
    for (int64_t n = 0; n < object.points; ++n) {
        const auto point = object.one(n);
        T arm[3], length = 0;
        for (int c = 0; c < 3; ++c) arm[c] = point.x3d[c] - mean[c], length += arm[c] * arm[c];
        if (point.w2d[0] + point.w2d[1] > 0 && length > longest) longest = length, std::copy_n(arm, 3, line);
    }
    for (int64_t n = 0; n < object.points; n += WIDTH<T>) {
        const auto point = object.at(n);
        V arm[3], along = {};
        for (int c = 0; c < 3; ++c) arm[c] = point.x3d[c] - mean[c], along += arm[c] * line[c];
        for (int c = 0; c < 3; ++c) {
            const V off = arm[c] - along / longest * line[c];
            across += (point.w2d[0] + point.w2d[1]) / total * (off * off);
        }
    }
    return sum<T>(across) > T(SMALLEST);
}

}  // namespace epropnp
