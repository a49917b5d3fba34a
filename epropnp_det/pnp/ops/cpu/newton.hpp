// Derivatives of the normal equations in points, weights and threshold, and the differentiable Gauss-Newton step of Eq. (9).
#pragma once

#include "solver.hpp"

namespace epropnp {

// Derivatives of a scalar in cost, gradient and Hessian (symmetric, in full) of the normal equations.
template <class V, int D>
struct ByNormal {
    V cost, gradient[D], hessian[D][D];
};

// Sums of derivatives of one object, coordinates side by side as in `Object`.
template <class T>
struct ObjectGradient {
    Pack<T> delta = {};
    std::vector<PointGradient<Pack<T>>> points;

    explicit ObjectGradient(int64_t number) : points(padded<T>(number) / WIDTH<T>) {}

    void write(int64_t number, int64_t index, const Gradients<T>& out) const {
        for (int64_t n = 0; n < number; ++n) {
            const auto& pack = points[n / WIDTH<T>];
            const int64_t lane = n % WIDTH<T>, at = index * number + n;
            for (int c = 0; c < 3; ++c) out.x3d[3 * at + c] = pack.x3d[c][lane];
            for (int c = 0; c < 2; ++c) out.x2d[2 * at + c] = pack.x2d[c][lane], out.w2d[2 * at + c] = pack.w2d[c][lane];
        }
        out.delta[index] = sum<T>(delta);
    }
};

// The backward pass of `add_point`.
template <class Space, class T, class V>
INLINE void add_point_gradient(const Object<T>& object, const V* r, const V* t, const Point<V>& point, bool zero_clipped,
                               const ByNormal<V, Space::dof>& by, PointGradient<V>& to, V& by_delta) {
    constexpr int D = Space::dof;
    const V none = {};
    V arm[3], image[3], by_arm[3] = {}, by_image[3] = {}, by_error[2] = {}, by_weight[2] = {}, by_free[2] = {}, by_nearness = {};
    for (int i = 0; i < 3; ++i) arm[i] = r[3 * i] * point.x3d[0] + r[3 * i + 1] * point.x3d[1] + r[3 * i + 2] * point.x3d[2];
    const T* m = object.lens;
    for (int i = 0; i < 3; ++i) image[i] = m[3 * i] * (arm[0] + t[0]) + m[3 * i + 1] * (arm[1] + t[1]) + m[3 * i + 2] * (arm[2] + t[2]);
    const auto seen = see(object, image, point);
    const V scale = root(seen.shrink);
    const auto deep = image[2] > none + object.z_min;
    V by_scale = {};
    for (int c = 0; c < 2; ++c) {
        const V pivot = deep ? seen.free[c] : none + object.image_origin[c], weight = scale * point.w2d[c];
        const V open = !zero_clipped || seen.pixel[c] == seen.free[c] ? none + 1 : none;
        V slope[3], row[D], by_row[D], by_slope[3], by_factor = {}, by_residual = {};
        for (int j = 0; j < 3; ++j) slope[j] = (m[3 * c + j] - pivot * m[6 + j]) * (weight * seen.nearness * open);
        Space::chain(arm, slope, row);
        for (int i = 0; i < D; ++i) {
            by_row[i] = by.gradient[i] * (weight * seen.error[c]);
            by_residual += by.gradient[i] * row[i];
            for (int j = 0; j < D; ++j) by_row[i] += 2 * by.hessian[i][j] * row[j];
        }
        Space::chain_gradient(arm, slope, by_row, by_slope, by_arm);
        for (int j = 0; j < 3; ++j) {
            by_factor += by_slope[j] * (m[3 * c + j] - pivot * m[6 + j]) * open;
            by_free[c] -= deep ? by_slope[j] * m[6 + j] * (weight * seen.nearness * open) : none;
        }
        by_weight[c] = by_factor * seen.nearness + by_residual * seen.error[c];
        by_nearness += by_factor * weight;
        by_error[c] = by_residual * weight;
        by_scale += by_weight[c] * point.w2d[c];
    }
    // scale = sqrt(delta / length), and length = delta where the error is not longer; the cost is Huber's.
    const auto beyond = seen.squared > none + object.delta * object.delta;
    const V pulled = by_scale * scale / (2 * seen.length);
    const V by_squared = by.cost * seen.shrink / 2 - (beyond ? pulled / (2 * seen.length) : none);
    by_delta += beyond ? pulled / seen.shrink + by.cost * (seen.length - object.delta) : none;
    for (int c = 0; c < 2; ++c) {
        const V weighted = 2 * by_squared * point.w2d[c] * seen.error[c];
        to.w2d[c] += by_weight[c] * scale + weighted * seen.error[c];
        by_error[c] += weighted * point.w2d[c];
        to.x2d[c] -= by_error[c];
        by_free[c] += seen.pixel[c] == seen.free[c] ? by_error[c] : none;
        by_image[c] = by_free[c] * seen.nearness;
        by_nearness += by_free[c] * seen.free[c] / seen.nearness;
    }
    // Where the depth is clamped, the shift towards the image origin grows with z_min - z.
    const V missing = by_image[0] * object.image_origin[0] + by_image[1] * object.image_origin[1];
    const V through_nearness = -seen.nearness * seen.nearness * by_nearness;
    by_image[2] = image[2] >= none + object.z_min ? through_nearness : -missing;
    for (int j = 0; j < 3; ++j) by_arm[j] += by_image[0] * m[j] + by_image[1] * m[3 + j] + by_image[2] * m[6 + j];
    for (int k = 0; k < 3; ++k) to.x3d[k] += r[k] * by_arm[0] + r[3 + k] * by_arm[1] + r[6 + k] * by_arm[2];
}

// Chain rule: adds the derivatives of a scalar whose derivatives in the normal equations of the object at a pose are `by`.
template <class Space, class T>
void add_normal_gradient(const Object<T>& object, const Placed<double>& placed, bool zero_clipped, const ByNormal<double, Space::dof>& by,
                         ObjectGradient<T>& to) {
    constexpr int D = Space::dof;
    const Recentring<Space> recentring(object, placed.r);
    const auto& b = recentring.at;
    ByNormal<Pack<T>, D> lanes;
    lanes.cost = everywhere(T(by.cost));
    for (int i = 0; i < D; ++i) {
        double gradient = 0;
        for (int j = 0; j < D; ++j) {
            double hessian = 0;
            for (int k = 0; k < D; ++k)
                for (int l = 0; l < D; ++l) hessian += b[i][k] * by.hessian[k][l] * b[j][l];
            gradient += b[i][j] * by.gradient[j];
            lanes.hessian[i][j] = everywhere(T(hessian));
        }
        lanes.gradient[i] = everywhere(T(gradient));
    }
    const Everywhere<T> pose(placed);
    for (int64_t n = 0; n < object.points; n += WIDTH<T>)
        add_point_gradient<Space>(object, pose.r, pose.t, object.at(n), zero_clipped, lanes, to.points[n / WIDTH<T>], to.delta);
}

// -(H + damping I)^-1 v of an object at a pose; zero where that does not exist.
template <int D>
void newton_solve(const Normal<double, D>& at, double damping, const double (&v)[D], double (&solution)[D]) {
    double diagonal[D], negative[D];
    std::fill_n(diagonal, D, damping);
    negate(v, negative);
    solve(at.hessian, diagonal, negative, solution);
}

// The step dy of Eq. (9) at a pose of the object.
template <class Space, class T>
void newton_step(const Object<T>& object, const T* pose, double damping, T* step) {
    double found[Space::dof];
    const auto at = normal_equations<Space>(object, object.template place<Space>(pose), true);
    newton_solve(at, damping, at.gradient, found);
    for (int i = 0; i < Space::dof; ++i) step[i] = T(found[i]);
}

// d<v, dy> = <u, dg + dH dy> with u = -(H + damping I)^-1 v.
template <class Space, class T>
void add_newton_gradient(const Object<T>& object, const T* pose, double damping, const T* by_step, ObjectGradient<T>& to) {
    constexpr int D = Space::dof;
    const auto placed = object.template place<Space>(pose);
    const auto at = normal_equations<Space>(object, placed, true);
    double v[D], step[D];
    ByNormal<double, D> by;
    std::copy_n(by_step, D, v);
    newton_solve(at, damping, at.gradient, step);
    newton_solve(at, damping, v, by.gradient);
    by.cost = 0;
    for (int i = 0; i < D; ++i)
        for (int j = 0; j < D; ++j) by.hessian[i][j] = (by.gradient[i] * step[j] + by.gradient[j] * step[i]) / 2;
    add_normal_gradient<Space>(object, placed, true, by, to);
}

}  // namespace epropnp
