// The solution of an object, EProPnP.solve: from the random start, from a given start, or from the better of both; the best where
// there are several candidates.
#pragma once

#include "start.hpp"

namespace epropnp {

// Settings of the solver, `Plan` of library.py. Zero proposals: no random start.
struct Plan {
    StartSettings init;
    int64_t iterations;
    Candidates candidates;
};

// Arrays for the estimates, in the layout of results.PoseEstimate: (B, D), (B), (B, T, T), (B).
template <class T>
struct Found {
    T *pose, *cost, *hessian;
    bool* valid;
};

// Where the solver starts, as poses after centring. `start` is a pose of the object before centring, or null.
template <class Space, class T>
Starts<Space, T> starts(const Object<T>& object, uint64_t key, int64_t index, int64_t objects, const Plan& plan, Drawn<T> drawn,
                        const T* start) {
    Starts<Space, T> pool;
    if (plan.init.proposals) pool = random_start<Space>(object, key, index, objects, plan.init, plan.candidates.number == 1, drawn);
    if (start) {
        Start<Space, T> given;
        std::copy_n(start, Space::dim, given.pose);
        std::copy_n(object.template place<Space>(start).t, 3, given.pose);
        given.cost = score<Space>(object, given.pose, std::numeric_limits<T>::infinity());
        pool.push_back(given);
    }
    return distinct<Space, T>(pool, plan.candidates);
}

template <class Space, class T>
void estimate(const Object<T>& object, uint64_t key, int64_t index, int64_t objects, const Plan& plan, Drawn<T> drawn, const T* start,
              const Found<T>& to) {
    constexpr int D = Space::dof;
    Pack<T> pose[Space::dim];
    Normal<Pack<T>, D> end;
    bool first = true;
    for (const auto& begin : starts<Space>(object, key, index, objects, plan, drawn, start)) {
        Pack<T> moved[Space::dim];
        for (int i = 0; i < Space::dim; ++i) moved[i] = everywhere(begin.pose[i]);
        const auto there = iterate<Space, T>(moved, plan.iterations, plan.init.plain_gauss_newton, [&](const Pack<T>* at, bool zero_clipped) {
            return normal_equations<Space>(object, at, zero_clipped);
        });
        // NaN compares false.
        if (!first && !(there.cost[0] < end.cost[0]) && !std::isnan(end.cost[0])) continue;
        first = false;
        end = there;
        std::copy_n(moved, Space::dim, pose);
    }
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
