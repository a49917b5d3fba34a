// Normal equations and the steps of the solvers, as in problem.py and solver.py. V is a pack: each lane is a point
// (normal_equations of a whole object) or a problem of its own (the random start).
#pragma once

#include <limits>

#include "cost.hpp"
#include "matrix.hpp"

namespace epropnp {

// _constants.py has these numbers with their reasons.
constexpr double RADIUS = 30, MAX_RADIUS = 1e16, MIN_RELATIVE_DECREASE = 1e-3, ROUNDING = 10;

// Cost, gradient J^T F and Hessian J^T J (its lower triangle) of the rescaled residuals.
template <class V, int D>
struct Normal {
    V cost = {}, gradient[D] = {}, hessian[D][D] = {};
};

// Adds the two rows of a point seen from a pose, given as rotation matrix `r` (3, 3) and translation `t`.
template <class Space, class T, class V>
INLINE void add_point(const Object<T>& object, const V* r, const V* t, const Point<V>& point, bool zero_clipped, Normal<V, Space::dof>& to) {
    V arm[3], image[3];
    for (int i = 0; i < 3; ++i) arm[i] = r[3 * i] * point.x3d[0] + r[3 * i + 1] * point.x3d[1] + r[3 * i + 2] * point.x3d[2];
    const T* m = object.lens;
    for (int i = 0; i < 3; ++i) image[i] = m[3 * i] * (arm[0] + t[0]) + m[3 * i + 1] * (arm[1] + t[1]) + m[3 * i + 2] * (arm[2] + t[2]);
    const auto seen = see(object, image, point);
    const V none = {}, scale = seen.far ? root(seen.shrink) : none + 1;
    to.cost += huber(object.delta, seen.squared, seen.length);
    for (int c = 0; c < 2; ++c) {
        const V pivot = image[2] > none + object.z_min ? seen.free[c] : none + object.image_origin[c];
        const V weight = scale * point.w2d[c], factor = weight * seen.nearness, residual = weight * seen.error[c];
        const V kept = !zero_clipped || seen.pixel[c] == seen.free[c] ? factor : none;
        V slope[3], row[Space::dof];
        for (int j = 0; j < 3; ++j) slope[j] = (m[3 * c + j] - pivot * m[6 + j]) * kept;
        Space::chain(arm, slope, row);
        for (int i = 0; i < Space::dof; ++i) {
            to.gradient[i] += row[i] * residual;
            for (int j = 0; j <= i; ++j) to.hessian[i][j] += row[i] * row[j];
        }
    }
}

// The sum over all lanes in every lane.
template <class T, int D>
INLINE Normal<Pack<T>, D> total(const Normal<Pack<T>, D>& lanes) {
    Normal<Pack<T>, D> sums;
    sums.cost = everywhere(sum<T>(lanes.cost));
    for (int i = 0; i < D; ++i) {
        sums.gradient[i] = everywhere(sum<T>(lanes.gradient[i]));
        for (int j = 0; j <= i; ++j) sums.hessian[i][j] = everywhere(sum<T>(lanes.hessian[i][j]));
    }
    return sums;
}

// A pose of the centred object in every lane: rotation and translation.
template <class T>
struct Everywhere {
    Pack<T> r[9], t[3];

    template <class V>
    explicit Everywhere(const Placed<V>& placed) {
        for (int i = 0; i < 9; ++i) r[i] = everywhere(T(placed.r[i]));
        for (int i = 0; i < 3; ++i) t[i] = everywhere(T(placed.t[i]));
    }
};

// The normal equations of all points of an object.
template <class Space, class T>
Normal<Pack<T>, Space::dof> normal_equations(const Object<T>& object, const Everywhere<T>& pose, bool zero_clipped) {
    Normal<Pack<T>, Space::dof> lanes;
    for (int64_t n = 0; n < object.points; n += WIDTH<T>) add_point<Space>(object, pose.r, pose.t, object.at(n), zero_clipped, lanes);
    return total<T, Space::dof>(lanes);
}

// The normal equations at a pose of the centred object that is the same in every lane.
template <class Space, class T>
Normal<Pack<T>, Space::dof> normal_equations(const Object<T>& object, const Pack<T>* pose, bool zero_clipped) {
    T one[Space::dim];
    Placed<T> placed;
    for (int i = 0; i < Space::dim; ++i) one[i] = pose[i][0];
    Space::rotation(one, placed.r);
    std::copy_n(one, 3, placed.t);
    return normal_equations<Space>(object, Everywhere<T>(placed), zero_clipped);
}

// The derivative (T, T) of the tangent of the centred object's pose in the tangent of the object's pose: a turn about the object's
// origin moves the mean.
template <class Space>
struct Recentring {
    static constexpr int D = Space::dof;
    double at[D][D] = {};

    template <class T>
    Recentring(const Object<T>& object, const double* r) {
        const double lever[3] = {object.lever(r, 0), object.lever(r, 1), object.lever(r, 2)};
        for (int i = 0; i < D; ++i) at[i][i] = 1;
        for (int i = 0; i < 3; ++i) {
            const double axis[3] = {double(i == 0), double(i == 1), double(i == 2)};
            Space::chain(lever, axis, at[i]);
        }
    }
    // Cost, gradient and Hessian of the centred object (in lane 0) as those of the object before centring.
    template <class V>
    Normal<double, D> undo(const Normal<V, D>& centred) const {
        Normal<double, D> normal;
        double half[D][D] = {};
        normal.cost = centred.cost[0];
        for (int i = 0; i < D; ++i)
            for (int j = 0; j < D; ++j) {
                normal.gradient[i] += at[j][i] * centred.gradient[j][0];
                for (int k = 0; k < D; ++k) half[i][j] += centred.hessian[std::max(i, k)][std::min(i, k)][0] * at[k][j];
            }
        for (int i = 0; i < D; ++i)
            for (int j = 0; j < D; ++j)
                for (int k = 0; k < D; ++k) normal.hessian[i][j] += at[k][i] * half[k][j];
        return normal;
    }
};

// The normal equations of the object before centring, at its pose; the Hessian is written in full.
template <class Space, class T>
Normal<double, Space::dof> normal_equations(const Object<T>& object, const Placed<double>& placed, bool zero_clipped) {
    return Recentring<Space>(object, placed.r).undo(normal_equations<Space>(object, Everywhere<T>(placed), zero_clipped));
}

// (hessian + diag(damping))^-1 vector by Cholesky's method on a unit diagonal; zero where that does not exist.
template <class V, int D>
INLINE void solve(const V (&hessian)[D][D], const V (&damping)[D], const V (&vector)[D], V (&solution)[D]) {
    using T = Lane<V>;
    V scale[D], factor[D][D], inverse[D];
    auto fine = V{} == V{};
    for (int i = 0; i < D; ++i)
        scale[i] = 1 / root(at_most(at_least(hessian[i][i] + damping[i], T(MIN_DIAGONAL)), T(MAX_DIAGONAL)));
    for (int i = 0; i < D; ++i) {
        for (int j = 0; j <= i; ++j) {
            V left = scale[i] * scale[j] * (i == j ? hessian[i][i] + damping[i] : hessian[i][j]);
            for (int k = 0; k < j; ++k) left -= factor[i][k] * factor[j][k];
            if (i != j) {
                factor[i][j] = left * inverse[j];
                continue;
            }
            // A NaN anywhere makes one of the pivots NaN, which is not positive. The same holds for infinity minus infinity.
            fine &= left > V{};
            inverse[i] = 1 / root(left);
        }
    }
    for (int i = 0; i < D; ++i) {
        solution[i] = vector[i] * scale[i];
        for (int k = 0; k < i; ++k) solution[i] -= factor[i][k] * solution[k];
        solution[i] *= inverse[i];
    }
    for (int i = D - 1; i >= 0; --i) {
        for (int k = i + 1; k < D; ++k) solution[i] -= factor[k][i] * solution[k];
        solution[i] *= inverse[i];
        fine &= solution[i] - solution[i] == V{};
    }
    for (int i = 0; i < D; ++i) solution[i] = fine ? solution[i] * scale[i] : V{};
}

// Decrease of the cost that the quadratic model predicts for a step: -(g s + s H s / 2).
template <class V, int D>
INLINE V promised_decrease(const Normal<V, D>& at, const V (&step)[D]) {
    V gain = {};
    for (int i = 0; i < D; ++i) {
        V slope = at.gradient[i] + at.hessian[i][i] * step[i] / 2;
        for (int j = 0; j < i; ++j) slope += at.hessian[i][j] * step[j];
        gain -= step[i] * slope;
    }
    return gain;
}

template <class Mask, class V, int D>
INLINE void keep(Mask choice, const Normal<V, D>& there, Normal<V, D>& at) {
    at.cost = choice ? there.cost : at.cost;
    for (int i = 0; i < D; ++i) {
        at.gradient[i] = choice ? there.gradient[i] : at.gradient[i];
        for (int j = 0; j <= i; ++j) at.hessian[i][j] = choice ? there.hessian[i][j] : at.hessian[i][j];
    }
}

template <class V, int D>
INLINE void negate(const V (&value)[D], V (&negative)[D]) {
    for (int i = 0; i < D; ++i) negative[i] = -value[i];
}

// Steps of solver.lm_steps from `pose` on, in place; returns the normal equations there. `linearize(pose, zero_clipped)` gives them.
template <class Space, class T, class Linearize>
Normal<Pack<T>, Space::dof> levenberg_marquardt(Pack<T>* pose, int64_t iterations, Linearize linearize) {
    using V = Pack<T>;
    constexpr int D = Space::dof;
    auto at = linearize(pose, true);
    V radius = everywhere(T(RADIUS)), shrink = everywhere(T(2));
    for (int64_t n = 0; n < iterations; ++n) {
        V damping[D], downhill[D], step[D], candidate[Space::dim];
        for (int i = 0; i < D; ++i) damping[i] = at_most(at_least(at.hessian[i][i], T(MIN_DIAGONAL)), T(MAX_DIAGONAL)) / radius;
        negate(at.gradient, downhill);
        solve(at.hessian, damping, downhill, step);
        Space::retract(pose, step, candidate);
        const auto there = linearize(candidate, true);
        const V noise = T(ROUNDING * std::numeric_limits<T>::epsilon()) * at.cost;
        const V ratio = (at.cost - there.cost + noise) / (promised_decrease(at, step) + noise);
        // NaN, from a candidate that is not finite, compares false: not accepted.
        const auto accepted = ratio > V{} + T(MIN_RELATIVE_DECREASE);
        for (int i = 0; i < Space::dim; ++i) pose[i] = accepted ? candidate[i] : pose[i];
        keep(accepted, there, at);
        const V side = 2 * ratio - 1, wider = radius / at_least(1 - side * side * side, T(1) / 3);
        radius = accepted ? at_most(wider, T(MAX_RADIUS)) : radius / shrink;
        shrink = accepted ? everywhere(T(2)) : 2 * shrink;
    }
    return at;
}

// Steps of solver.gauss_newton_steps, likewise.
template <class Space, class T, class Linearize>
Normal<Pack<T>, Space::dof> gauss_newton(Pack<T>* pose, int64_t iterations, Linearize linearize) {
    constexpr int D = Space::dof;
    for (int64_t n = 0; n < iterations; ++n) {
        const auto at = linearize(pose, false);
        Pack<T> damping[D], downhill[D], step[D], moved[Space::dim];
        for (int i = 0; i < D; ++i) damping[i] = everywhere(T(DAMPING));
        negate(at.gradient, downhill);
        solve(at.hessian, damping, downhill, step);
        Space::retract(pose, step, moved);
        for (int i = 0; i < Space::dim; ++i) pose[i] = moved[i];
    }
    return linearize(pose, true);
}

template <class Space, class T, class Linearize>
Normal<Pack<T>, Space::dof> iterate(Pack<T>* pose, int64_t iterations, bool plain_gauss_newton, Linearize linearize) {
    if (plain_gauss_newton) return gauss_newton<Space, T>(pose, iterations, linearize);
    return levenberg_marquardt<Space, T>(pose, iterations, linearize);
}

}  // namespace epropnp
