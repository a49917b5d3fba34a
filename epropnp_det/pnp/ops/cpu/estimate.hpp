// The solution of an object, EProPnP.solve: from the random start, from a given start, or from the better of both.
#pragma once

#include "start.hpp"

namespace epropnp {

// Settings of the solver, `Plan` of library.py. Zero proposals: no random start.
struct Plan {
    StartSettings init;
    int64_t iterations;
};

// Arrays for the estimates, in the layout of results.PoseEstimate: (B, D), (B), (B, T, T), (B).
template <class T>
struct Found {
    T *pose, *cost, *hessian;
    bool* valid;
};

// The start of an object, as a pose after centring. `start` is a pose of the object before centring, or null.
template <class Space, class T>
void set_start(const Object<T>& object, uint64_t key, int64_t index, int64_t objects, const StartSettings& init, Drawn<T> drawn,
               const T* start, T* pose) {
    T given[Space::dim];
    if (start) {
        std::copy_n(start, Space::dim, given);
        const auto placed = object.template place<Space>(start);
        std::copy_n(placed.t, 3, given);
        std::copy_n(given, Space::dim, pose);
    }
    if (!init.proposals) return;
    const T lowest = random_start<Space>(object, key, index, objects, init, drawn, pose);
    if (start && score<Space>(object, given, lowest) < lowest) std::copy_n(given, Space::dim, pose);
}

template <class Space, class T>
void estimate(const Object<T>& object, uint64_t key, int64_t index, int64_t objects, const Plan& plan, Drawn<T> drawn, const T* start,
              const Found<T>& to) {
    constexpr int D = Space::dof;
    T begin[Space::dim];
    Pack<T> pose[Space::dim];
    set_start<Space>(object, key, index, objects, plan.init, drawn, start, begin);
    for (int i = 0; i < Space::dim; ++i) pose[i] = everywhere(begin[i]);
    const auto end = iterate<Space, T>(pose, plan.iterations, plan.init.plain_gauss_newton, [&](const Pack<T>* at, bool zero_clipped) {
        return normal_equations<Space>(object, at, zero_clipped);
    });
    double solution[Space::dim], depth = 0, r[9];
    for (int i = 0; i < Space::dim; ++i) solution[i] = pose[i][0];
    for (int i = 0; i < 3; ++i) depth += object.matrix[6 + i] * solution[i];
    Space::rotation(solution, r);
    const auto at = Recentring<Space>(object, r).undo(end);
    object.template uncentre<Space>(solution);
    for (int i = 0; i < Space::dim; ++i) to.pose[index * Space::dim + i] = T(solution[i]);
    to.cost[index] = T(at.cost);
    for (int i = 0; i < D; ++i)
        for (int j = 0; j < D; ++j) to.hessian[(index * D + i) * D + j] = T(at.hessian[i][j]);
    Matrix<D> covariance;
    to.valid[index] = depth > object.z_min && exists<Space>(solution) && std::isfinite(at.cost) && damped_inverse(at.hessian, covariance) &&
                      determines(object, Space::spanned_dims);
}

}  // namespace epropnp
