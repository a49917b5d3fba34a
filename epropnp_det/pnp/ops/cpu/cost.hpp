// The robust cost of Eq. (11), PnPProblem.cost of problem.py, and its derivatives in points and threshold, Eq. (7).
//
// A pose enters as its projection matrix alone, so 4DoF and 6DoF share all of this.
#pragma once

#include <limits>

#include "object.hpp"
#include "pose.hpp"

namespace epropnp {

// The projection of a point: 1/z, the pixel before and after clamping, the unweighted error, the squared length of the weighted error,
// the length in Huber's kernel (at least delta), and delta over that length.
template <class V>
struct Seen {
    V nearness, free[2], pixel[2], error[2], squared, length, shrink;
    bool far;  // a weighted error is longer than delta
};

template <class T, class V>
INLINE Seen<V> see(const Object<T>& object, const V* image, const Point<V>& point) {
    Seen<V> seen;
    const V depth = at_least(image[2], object.z_min), missing = depth - image[2];
    seen.nearness = 1 / depth;
    seen.squared = V{};
    for (int c = 0; c < 2; ++c) {
        // Points nearer than z_min are drawn towards pixel (0, 0) of the original image, `image_origin` of the camera.
        seen.free[c] = (image[c] + object.image_origin[c] * missing) * seen.nearness;
        seen.pixel[c] = at_most(at_least(seen.free[c], object.low[c]), object.high[c]);
        seen.error[c] = seen.pixel[c] - point.x2d[c];
        const V weighted = seen.error[c] * point.w2d[c];
        seen.squared += weighted * weighted;
    }
    // Near the solution few errors are longer than delta. A pack without one needs no root and no division.
    const auto beyond = seen.squared > V{} + object.delta * object.delta;
    seen.far = any(beyond);
    seen.length = seen.far ? (beyond ? root(seen.squared) : V{} + object.delta) : V{} + object.delta;
    seen.shrink = seen.far ? object.delta / seen.length : V{} + 1;
    return seen;
}

// P X of a point, for P (3, 4).
template <class V, class P>
INLINE void project(const P* p, const Point<V>& point, V* image) {
    for (int i = 0; i < 3; ++i)
        image[i] = p[4 * i] * point.x3d[0] + (p[4 * i + 1] * point.x3d[1] + (p[4 * i + 2] * point.x3d[2] + p[4 * i + 3]));
}

// Half of Huber's rho, Eq. (12), from the squared length and the length that is at least delta.
template <class T, class V>
INLINE V huber(T delta, V squared, V length) {
    return T(0.5) * at_most(squared, delta * delta) + delta * (length - delta);
}

// Adds the costs of the points from `begin` to `end` at a projection matrix.
template <class T>
INLINE void add_costs(const Object<T>& object, const T* p, int64_t begin, int64_t end, Pack<T>& total) {
    for (int64_t n = begin; n < end; n += WIDTH<T>) {
        const auto point = object.at(n);
        Pack<T> image[3];
        project(p, point, image);
        const auto seen = see(object, image, point);
        total += huber(object.delta, seen.squared, seen.length);
    }
}

// The cost of an object at a projection matrix.
template <class T>
T cost(const Object<T>& object, const T* p) {
    Pack<T> total = {};
    add_costs(object, p, 0, object.points, total);
    return sum<T>(total);
}

// The cost where it is at most `limit`; else a partial sum above `limit`, because every point adds a cost >= 0.
template <class T>
T cost_up_to(const Object<T>& object, const T* p, T limit) {
    constexpr int64_t SOME = 2 * WIDTH<T>;
    Pack<T> total = {};
    for (int64_t n = 0; n < object.points && !(sum<T>(total) > limit); n += SOME)
        add_costs(object, p, n, std::min(n + SOME, object.points), total);
    return sum<T>(total);
}

// Sums over samples of their weight times the derivatives of their cost, for one point.
template <class V>
struct PointGradient {
    V x3d[3], x2d[2], w2d[2];
};

template <class T, class V>
INLINE void add_gradient(const Object<T>& object, const V* p, V weight, const Point<V>& point, PointGradient<V>& total, V& by_delta) {
    V image[3], by_image[3];
    project(p, point, image);
    const auto seen = see(object, image, point);
    const V none = {}, slope = weight * seen.shrink;
    by_image[2] = none;
    for (int c = 0; c < 2; ++c) {
        const V pulled = slope * seen.error[c];
        total.x2d[c] -= pulled;
        total.w2d[c] += pulled * seen.error[c];
        by_image[c] = seen.pixel[c] == seen.free[c] ? pulled * (point.w2d[c] * point.w2d[c]) * seen.nearness : none;
        // At the clamped depth the derivative in z is that of the shift towards the image origin.
        by_image[2] -= (image[2] >= none + object.z_min ? seen.free[c] : none + object.image_origin[c]) * by_image[c];
    }
    for (int j = 0; j < 3; ++j) total.x3d[j] += p[j] * by_image[0] + (p[4 + j] * by_image[1] + p[8 + j] * by_image[2]);
    by_delta += weight * (seen.length - object.delta);
}

// Arrays for the derivatives of all objects, in the layout of `Objects`.
template <class T>
struct Gradients {
    T *x3d, *x2d, *w2d, *delta;
};

// Samples in the lanes, so that every sum runs over the last axis; `projections` are 12 rows of `number` (a multiple of the
// width), `weight` one such row.
template <class T>
void cost_gradient(const Object<T>& object, const T* projections, const T* weight, int64_t number, int64_t index, const Gradients<T>& out) {
    Pack<T> by_delta = {};
    for (int64_t n = 0; n < object.points; ++n) {
        const Point<T> one = object.one(n);
        Point<Pack<T>> point;
        for (int c = 0; c < 3; ++c) point.x3d[c] = everywhere(one.x3d[c]);
        for (int c = 0; c < 2; ++c) point.x2d[c] = everywhere(one.x2d[c]), point.w2d[c] = everywhere(one.w2d[c]);
        PointGradient<Pack<T>> total = {};
        for (int64_t s = 0; s < number; s += WIDTH<T>) {
            Pack<T> p[12];
            for (int i = 0; i < 12; ++i) p[i] = load(projections + i * number + s);
            add_gradient(object, p, load(weight + s), point, total, by_delta);
        }
        const int64_t at = index * object.points + n;
        for (int c = 0; c < 3; ++c) out.x3d[3 * at + c] = sum<T>(total.x3d[c]);
        for (int c = 0; c < 2; ++c) {
            out.x2d[2 * at + c] = one.w2d[c] * one.w2d[c] * sum<T>(total.x2d[c]);
            out.w2d[2 * at + c] = one.w2d[c] * sum<T>(total.w2d[c]);
        }
    }
    out.delta[index] = sum<T>(by_delta);
}

// Projection matrices, as columns, of the samples (S, B, D) of an object whose weight is not zero. Returns their padded number.
template <class T, class Space>
int64_t weighted_projections(const Object<T>& object, const T* pose, const T* weight, int64_t samples, int64_t objects, int64_t index,
                             std::vector<T>& projections, std::vector<T>& weights) {
    using V = Pack<double>;
    std::vector<int64_t> kept;
    for (int64_t s = 0; s < samples; ++s)
        if (weight[s * objects + index] != 0) kept.push_back(s);
    const int64_t number = padded<T>(kept.size());
    projections.resize(12 * number);
    weights.assign(number, 0);
    for (size_t k = 0; k < kept.size(); ++k) weights[k] = weight[kept[k] * objects + index];
    // Columns beyond the last repeat it, without weight.
    if (number) kept.resize(number, kept.back());
    for (int64_t k = 0; k < number; k += WIDTH<double>) {
        V lanes[Space::dim] = {}, p[12];
        for (int lane = 0; lane < WIDTH<double>; ++lane)
            for (int i = 0; i < Space::dim; ++i) lanes[i][lane] = pose[Space::dim * (kept[k + lane] * objects + index) + i];
        object.projection(object.template place<Space>(lanes), p);
        for (int i = 0; i < 12; ++i)
            for (int lane = 0; lane < WIDTH<double>; ++lane) projections[i * number + k + lane] = T(p[i][lane]);
    }
    return number;
}

}  // namespace epropnp
